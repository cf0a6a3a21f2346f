"""safetensors_weights and the configurations beside models: what they decide, what happens where they and the tensors
disagree, and that files of strangers are bounded. Models and expected values are by hand."""

import json
import math
import os
import tempfile

import making
from tally import Tally, connect, database_error

tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="weights_config.")
SIZES = {"F8_E4M3": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4}


def model(name, tensors, config=None, file="config.json"):
    """A directory with a model whose tensors are {name: (dtype, shape)} or {name: (dtype, shape, data)}."""
    directory, made = f"{ROOT}/{name}", {}
    for tensor, (dtype, shape, *given) in tensors.items():
        made[tensor] = (dtype, shape, given[0] if given else bytes(SIZES[dtype] * math.prod(shape)))
    making.file(f"{directory}/model.safetensors", made)
    if config is not None:
        write(f"{directory}/{file}", config)
    return directory


def write(path, config):
    with open(path, "w", encoding="utf-8") as out:
        out.write(config if isinstance(config, str) else json.dumps(config))


def weight(directory, name="a.weight", columns="scheme, dtype, shape, bits, status"):
    rows = db.execute(f"SELECT {columns} FROM safetensors_weights(?) WHERE name = ?", [directory, name]).fetchall()
    return rows[0] if len(rows) == 1 else rows


def options(directory, name="a.weight"):
    ref, = weight(directory, name, "ref")
    return json.loads(ref)["options"]


def quantised(**config):
    return {"torch_dtype": "bfloat16", "quantization_config": config}


GPTQ = {"a.qweight": ("I32", [4, 8]), "a.qzeros": ("I32", [2, 1]), "a.scales": ("F16", [2, 8]), "a.g_idx": ("I32", [32])}
FP8 = {"a.weight": ("F8_E4M3", [4, 6]), "a.weight_scale_inv": ("F32", [2, 2])}
MLX = {"a.weight": ("U32", [2, 8]), "a.scales": ("F16", [2, 2]), "a.biases": ("F16", [2, 2])}


def test_gptq():
    for config, zero in ((quantised(quant_method="gptq", bits=4, group_size=16), "plus_one"),
                         (quantised(quant_method="gptq", bits=4, group_size=16, checkpoint_format="gptq"), "plus_one"),
                         (quantised(quant_method="gptq", bits=4, group_size=16, checkpoint_format="gptq_v2"), "stored")):
        found = model("gptq", GPTQ, config)
        tally.equal(weight(found), ("gptq", "F16", "[8,32]", 4, "ok"), f"GPTQ: {config}")
        tally.equal(options(found), {"bits": 4, "zero": zero, "group_size": 16}, f"GPTQ: {config}: options")
    found = model("gptq_file", GPTQ, {"bits": 4, "group_size": 16, "desc_act": False, "checkpoint_format": "gptq_v2"},
                  "quantize_config.json")
    tally.equal(options(found)["zero"], "stored", "GPTQ: quantize_config.json")
    found = model("gptq_bits", GPTQ, quantised(quant_method="gptq", bits=8, group_size=16))
    tally.equal(weight(found)[3:], (4, "expected 8 bits, as config.json says, found 4"), "GPTQ: other bits")
    found = model("gptq_dynamic", GPTQ, quantised(quant_method="gptq", bits=8, group_size=16, dynamic={"+:a": {"bits": 4}}))
    tally.equal(weight(found)[3:], (4, "ok"), "GPTQ: other bits for some modules")
    found = model("gptq_size", GPTQ, quantised(quant_method="gptq", bits=4, group_size=64))
    tally.equal(weight(found)[4], "expected groups of 64, as config.json says, found 16", "GPTQ: other groups")
    tally.equal(options(found)["group_size"], 16, "GPTQ: tensors win")
    found = model("gptq_whole", {**GPTQ, "a.qzeros": ("I32", [1, 1]), "a.scales": ("F16", [1, 8])},
                  quantised(quant_method="gptq", bits=4, group_size=-1, checkpoint_format="gptq_v2"))
    tally.equal(options(found)["group_size"], -1, "GPTQ: whole rows")
    sorts = dict(GPTQ)
    del sorts["a.g_idx"]
    found = model("gptq_order", sorts, quantised(quant_method="gptq", bits=4, group_size=16, desc_act=True))
    tally.equal(weight(found)[4], "g_idx is missing", "GPTQ: desc_act needs g_idx")


def test_awq():
    gemm = {"a.qweight": ("I32", [32, 1]), "a.qzeros": ("I32", [2, 1]), "a.scales": ("F16", [2, 8])}
    gemv = {"a.qweight": ("I32", [16, 32]), "a.qzeros": ("I32", [16, 1]), "a.scales": ("F16", [16, 8])}
    found = model("awq", gemm, quantised(quant_method="awq", bits=4, group_size=16, version="gemm"))
    tally.equal(weight(found), ("awq", "F16", "[8,32]", 4, "ok"), "AWQ")
    found = model("gemv", gemv, {"zero_point": True, "q_group_size": 64, "w_bit": 4, "version": "GEMV"}, "quant_config.json")
    tally.equal(weight(found), ("awq", "F16", "[16,256]", 4, "ok"), "AWQ: GEMV")
    tally.equal(options(found), {"bits": 4, "version": "gemv", "group_size": 64}, "AWQ: GEMV: options")
    found = model("awq_called_gptq", gemm, quantised(quant_method="gptq", bits=4, group_size=16))
    tally.equal(weight(found)[0::4], ("awq", "expected GPTQ, as config.json says, found AWQ (gemm)"), "AWQ called GPTQ")


def test_scaled():
    found = model("fp8", FP8, quantised(quant_method="fp8", weight_block_size=[2, 3]))
    tally.equal(weight(found), ("fp8", "BF16", "[4,6]", 8, "ok"), "FP8")
    tally.equal(options(found), {"block": [2, 3]}, "FP8: blocks of the configuration")
    found = model("fp8_blocks", FP8, quantised(quant_method="fp8", weight_block_size=[4, 4]))
    tally.equal(weight(found)[4], "expected [1,2] scales in weight_scale_inv, as config.json has blocks of [4,4], found "
                "[2,2], by weight", "FP8: other blocks")
    found = model("fp8_missing", {"a.weight": ("F8_E4M3", [4, 6])}, quantised(quant_method="fp8"))
    tally.equal(weight(found)[0::4], ("fp8", "weight_scale_inv is missing"), "FP8: no scale")
    found = model("modelopt", {"a.weight": ("F8_E4M3", [4, 6])}, {"quantization": {"quant_algo": "FP8"}}, "hf_quant_config.json")
    tally.equal(weight(found)[0::4], ("fp8", "weight_scale is missing"), "FP8: hf_quant_config.json")
    found = model("nvfp4", {"a.weight": ("U8", [4, 16])}, {"quantization": {"quant_algo": "NVFP4"}}, "hf_quant_config.json")
    tally.equal(weight(found)[0::4], ("nvfp4", "weight_scale is missing; weight_scale_2 is missing"), "NVFP4: no scales")
    found = model("cast", {"a.weight": ("F8_E4M3", [4, 6])}, {"torch_dtype": "float16"})
    tally.equal(weight(found), ("none", "F8_E4M3", "[4,6]", 8, "ok"), "FP8: merely cast")


def test_packed():
    tensors = {"a.weight_packed": ("I32", [8, 2]), "a.weight_scale": ("BF16", [8, 2]),
               "a.weight_shape": ("I32", [2], b"\x08\0\0\0\x10\0\0\0")}

    def group(**weights):
        return quantised(quant_method="compressed-tensors", config_groups={"group_0": {"weights": weights}})

    found = model("packed", tensors, group(num_bits=4, type="int", symmetric=True, strategy="group", group_size=8))
    tally.equal(weight(found), ("int4", "BF16", "[8,16]", 4, "ok"), "compressed-tensors")
    found = model("asymmetric", tensors, group(num_bits=4, type="int", symmetric=False, strategy="group", group_size=8))
    tally.equal(weight(found)[4], "weight_zero_point is missing", "compressed-tensors: asymmetric")
    found = model("ordered", tensors, group(num_bits=4, type="int", symmetric=True, strategy="group", group_size=8,
                                            actorder="group"))
    tally.equal(weight(found)[4], "weight_g_idx is missing", "compressed-tensors: actorder")
    found = model("other_bits", tensors, group(num_bits=8, type="int", symmetric=True, strategy="group", group_size=8))
    tally.equal(weight(found)[4], "expected the bits that config.json says, found 4", "compressed-tensors: other bits")


def test_mlx():
    found = model("mlx", MLX, {"quantization": {"bits": 4, "group_size": 32, "mode": "affine"}, "dtype": "bfloat16"})
    tally.equal(weight(found), ("mlx", "F16", "[2,64]", 4, "ok"), "MLX")
    found = model("mlx_own", {**MLX, "b.weight": ("U32", [2, 4]), "b.scales": ("F16", [2, 1]), "b.biases": ("F16", [2, 1])},
                  {"quantization": {"bits": 4, "group_size": 32, "b": {"bits": 2, "group_size": 64}}})
    tally.equal(weight(found, "b.weight"), ("mlx", "F16", "[2,64]", 2, "ok"), "MLX: a module's own")
    found = model("mlx_other", MLX, {"quantization": {"bits": 8, "group_size": 32}})
    tally.equal(weight(found)[3:], (2, "expected 8 bits in groups of 32 (affine), as config.json says, found 2 in groups of "
                                    "64 (affine), by scales"), "MLX: disagrees")
    found = model("mlx_plain", MLX, {"quantization": {"bits": 4, "group_size": 32, "a": False}})
    tally.equal(weight(found)[4], "expected a plain weight, as config.json says, found a packed one", "MLX: not packed")
    found = model("mlx_lone", {"a.weight": ("U32", [2, 8])}, {"quantization": {"bits": 4, "group_size": 32}})
    tally.equal(weight(found), ("mlx", "F32", "[2,64]", 4, "scales is missing; biases is missing"), "MLX: no scales")


def test_others():
    found = model("announced", {"a.words": ("I32", [2, 2])}, quantised(quant_method="vptq"))
    tally.equal(weight(found, "a.words")[0::4], ("unknown", "packed in a way that is not known here"), "announced")
    found = model("bnb8", {"a.weight": ("I8", [2, 3])}, quantised(quant_method="bitsandbytes", load_in_8bit=True))
    tally.equal(weight(found)[0::4], ("bnb-int8", "SCB is missing"), "bitsandbytes: no SCB")
    sizes = {"hidden_size": 256, "intermediate_size": 512, "torch_dtype": "float16"}
    found = model("quanto", {"m.down_proj.weight._data._data": ("U8", [512, 128]), "m.down_proj.weight._scale": ("F32", [1024, 1]),
                             "m.down_proj.weight._shift": ("F32", [1024, 1]), "m.up_proj.weight._data._data": ("U8", [512, 128]),
                             "m.up_proj.weight._scale": ("F32", [1024, 1]), "m.up_proj.weight._shift": ("F32", [1024, 1])}, sizes)
    tally.equal(weight(found, "m.down_proj.weight"), ("quanto", "F16", "[256,512]", 4, "ok"), "quanto: towards the width")
    tally.equal(weight(found, "m.up_proj.weight"), ("quanto", "F16", "[512,256]", 4, "ok"), "quanto: from the width")


def test_bad_files():
    """A file that cannot be read is as if it were absent."""
    for what, text in (("no JSON", "{"), ("an array", "[]"), ("deep", '{"a":' * 65 + "1" + "}" * 65), ("empty", ""),
                       ("numbers", json.dumps({"torch_dtype": 5, "quantization_config": {"quant_method": 3, "bits": "x"}})),
                       ("too large", '{"a":"' + "x" * (16 << 20) + '"}')):
        found = model("bad", GPTQ, text)
        tally.equal(weight(found)[:4], ("gptq", "F16", "[8,32]", 4), f"config.json: {what}")
    directory = model("directory", GPTQ)
    os.mkdir(f"{directory}/config.json")
    tally.equal(weight(directory)[:4], ("gptq", "F16", "[8,32]", 4), "config.json is a directory")
    outside = model("outside", FP8, quantised(quant_method="fp8", weight_block_size=[2, 3]))
    inside = model("inside", FP8)
    os.symlink(f"{outside}/config.json", f"{inside}/config.json")
    tally.equal(weight(inside)[1], "BF16", "a link is followed")
    db.execute("SELECT safetensors_config('links', 'within')").fetchall()
    tally.equal(weight(inside)[1], "F32", "a link that leaves the directory is not")
    db.execute("SELECT safetensors_config('links', 'follow')").fetchall()
    tally.equal(weight(inside)[1], "BF16", "a link is followed again")


def test_changes():
    """A list that is kept is made again when the configuration changes."""
    found = model("changing", FP8, quantised(quant_method="fp8", weight_block_size=[2, 3]))
    tally.equal(weight(found)[1], "BF16", "before")
    write(f"{found}/config.json", {"torch_dtype": "float16"})
    tally.equal(weight(found)[1], "F16", "changed")
    os.remove(f"{found}/config.json")
    tally.equal(weight(found)[1], "F32", "removed")
    write(f"{found}/config.json", {"dtype": "bfloat16"})
    tally.equal(weight(found)[1], "BF16", "there again")


def test_directories():
    """Each model of a pattern has its own configuration; the same file by two names is there twice."""
    model("glob/a", FP8, {"torch_dtype": "float16"})
    model("glob/b", FP8, {"torch_dtype": "bfloat16"})
    found = db.execute("SELECT dtype, status FROM safetensors_weights(?) WHERE name = 'a.weight'",
                       [f"{ROOT}/glob/*/model.safetensors"]).fetchall()
    tally.equal(found, [("F16", "ok"), ("BF16", "ok")], "a pattern")
    os.symlink(f"{ROOT}/glob/a/model.safetensors", f"{ROOT}/glob/a/other.safetensors")
    found = db.execute("SELECT name, copy_of FROM safetensors_weights(?) ORDER BY copy_of", [f"{ROOT}/glob/a"]).fetchall()
    tally.equal(found, [("a.weight", None), ("a.weight", "a.weight")], "copies")
    # a part of one model is none of another's
    model("apart/a", {"a.weight": ("F8_E4M3", [4, 6])})
    model("apart/b", {"a.weight_scale_inv": ("F32", [2, 2])})
    found = db.execute("SELECT scheme, status FROM safetensors_weights(?)", [f"{ROOT}/apart/*/*.safetensors"]).fetchall()
    tally.equal(found, [("none", "ok"), ("fp8", "weight is missing")], "directories")


def test_unreadable():
    directory = model("unreadable", FP8)
    with open(f"{directory}/bad.safetensors", "wb") as out:
        out.write(b"no file")
    tally.check("bad.safetensors" in database_error(db, "SELECT name FROM safetensors_weights(?)", directory), "an error")
    db.execute("SELECT safetensors_config('errors', 'skip')").fetchall()
    tally.equal(weight(directory)[0], "fp8", "passed over")
    db.execute("SELECT safetensors_config('errors', 'stop')").fetchall()
    tally.check("bad.safetensors" in database_error(db, "SELECT name FROM safetensors_weights(?)", directory), "an error again")


tally.run(globals(), ROOT)
