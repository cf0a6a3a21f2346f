"""sql/dequantize.sql, on models made here, whose numbers were worked out by hand, and on the packed models of MODELS
(../shared/models), against what the tools that packed them say that they stand for.

Covers little: of all lines, others reach nearly as many.
"""

import json
import os
import shutil
import struct
import tempfile

import making
import shell
from tally import Tally, connect

MODELS = os.environ.get("MODELS", "../shared/models")
tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
OUT = f"{ROOT}/out.safetensors"
ONE, TWO, MINUS_THREE, GREATEST = 0x38, 0x40, 0xC4, 0x7E  # in E4M3: 1, 2, -3, 448


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


def f16(*values):
    return struct.pack(f"<{len(values)}e", *values)


def bf16(*values):
    return b"".join(struct.pack("<f", value)[2:] for value in values)  # of values that BF16 has


def packed(**others):
    """A weight of each of two schemes, and what stays as it is."""
    return {"model.layers.0.fp8.weight": ("F8_E4M3", [2, 2], bytes([ONE, TWO, MINUS_THREE, 0])),
            "model.layers.0.fp8.weight_scale": ("BF16", [2, 1], bf16(0.5, 2)), "model.layers.0.fp8.input_scale": ("F32", [], f32(1)),
            "model.layers.0.i8.weight": ("I8", [2, 2], bytes([1, 2, 0xFD, 4])), "model.layers.0.i8.weight_scale": ("F16", [2, 1], f16(1, 0.25)),
            "model.layers.0.fp8.bias": ("F32", [2], f32(1, 2)), "model.norm.weight": ("F16", [2], f16(1, 1)),
            "position_ids": ("I64", [2], struct.pack("<2q", 0, 1)), **others}


VALUES = {"model.layers.0.fp8.weight": [0.5, 1, -6, 0], "model.layers.0.i8.weight": [1, 2, -0.75, 1]}
CONFIG = {"model_type": "llama", "torch_dtype": "bfloat16", "quantization_config": {"quant_method": "compressed-tensors"},
          "text_config": {"dtype": "bfloat16", "quantization_config": {}, "vocab_size": 8}, "vocab_size": 8}


def run(path, out=OUT, **parameters):
    """Runs the script. Returns the exit code, the lines that it prints, and its error."""
    code, printed, error = shell.script("dequantize", path=path, out=out, **parameters)
    lines = [line.rstrip() for line in printed.replace(ROOT, "ROOT").splitlines()]
    tally.check(all(map(shell.is_narrow, lines)), "sql/dequantize.sql is narrow enough", printed)
    return code, lines, error


def test_file():
    """Into one file: each weight in the dtype of its scales, all else byte for byte."""
    path = making.file(f"{ROOT}/packed.safetensors", packed(), {"format": "pt"})
    code, lines, error = run(path)
    tally.equal((code, error, lines[:2]), (0, "", ["2 weights unpacked to BF16,F16 (fp8, int8), 3 tensors copied.",
                                                   "3 parts, scales and markers are gone."]), "what it says first")
    expected = {name: value for name, value in packed().items() if "scale" not in name}
    expected["model.layers.0.fp8.weight"] = ("BF16", [2, 2], bf16(*VALUES["model.layers.0.fp8.weight"]))
    expected["model.layers.0.i8.weight"] = ("F16", [2, 2], f16(*VALUES["model.layers.0.i8.weight"]))
    tally.equal(making.tensors_of(OUT), expected, "one file")
    db = connect()
    tally.equal(db.execute("SELECT key, value FROM safetensors_metadata(?)", [OUT]).fetchall(), [("format", "pt")], "its metadata")
    tally.check("There is none beside the packed model." in lines, "no configuration", lines)
    code, lines, error = run(path)
    tally.check(code == 1 and not lines and ":out is not there, or :replace is set" in error, "what is there stays", code, lines, error)
    code, lines, error = run(path, path, replace="1")
    tally.check(code == 1 and not lines and ":out is not the packed model itself" in error, "the packed model stays", code, lines, error)
    for dtype, encode in (("F32", f32), ("F16", f16), ("BF16", bf16)):
        tally.equal(run(path, dtype=dtype, replace="1")[0], 0, f"to {dtype}")
        got = making.tensors_of(OUT)
        tally.equal({name: got[name] for name in VALUES}, {name: (dtype, [2, 2], encode(*values)) for name, values in VALUES.items()}, f"in {dtype}")
    os.remove(OUT)


def test_directory():
    """Into a directory, in shards: with the files beside, but those of the packing, and an edited configuration."""
    source, out = f"{ROOT}/source", f"{ROOT}/plain"
    making.model(source, {"model-00001-of-00002.safetensors": {name: value for name, value in packed().items() if "scale" in name},
                          "model-00002-of-00002.safetensors": {name: value for name, value in packed().items() if "scale" not in name}})
    for name, content in (("config.json", json.dumps(CONFIG)), ("hf_quant_config.json", "{}"), ("tokenizer.json", '{"a": 1}'),
                          ("training_args.bin", "x"), ("LICENSE", "free")):
        with open(f"{source}/{name}", "w", encoding="utf-8") as file:
            file.write(content)
    code, lines, error = run(source, out, dtype="F16", limit="16")
    tally.equal((code, error), (0, ""), "into a directory")
    tally.equal(sorted(name for name in os.listdir(out) if "safetensors" not in name), ["LICENSE", "config.json", "tokenizer.json"], "beside the weights")
    tally.check("     2 B  left out: of the packing  hf_quant_config.json" in lines, "what is left out", lines)
    with open(f"{out}/config.json", encoding="utf-8") as file:
        tally.equal(json.load(file), {"model_type": "llama", "torch_dtype": "float16", "text_config": {"dtype": "float16", "vocab_size": 8},
                                      "vocab_size": 8}, "its configuration")
    tally.equal(lines[lines.index("== config.json") + 1:], [
        "Written with these changes:", '  set torch_dtype to "float16"', "  remove quantization_config", '  set text_config.dtype to "float16"',
        "  remove text_config.quantization_config"], "what it says of that")
    db = connect()
    tally.equal(db.execute("SELECT name, dtype FROM safetensors_tensors(?) ORDER BY name", [out]).fetchall(), [
        ("model.layers.0.fp8.bias", "F32"), ("model.layers.0.fp8.weight", "F16"), ("model.layers.0.i8.weight", "F16"), ("model.norm.weight", "F16"),
        ("position_ids", "I64")], "the model in shards")
    tally.check(db.execute("SELECT count(*) FROM safetensors_files(?)", [out]).fetchone()[0] > 1, "there are shards")
    # beside a file, the configuration is the user's business; an index needs a limit
    code, lines, error = run(source)
    tally.equal(lines[lines.index("== config.json") + 1:], [
        "Beside the new model, change in it:", "  remove quantization_config", "  remove text_config.quantization_config"], "a hint")
    os.remove(OUT)
    code, lines, error = run(source, f"{ROOT}/m.safetensors.index.json")
    tally.check(code == 1 and ":limit is set if :out is an index" in error and not lines, "an index without a limit", code, error)


def test_overflow():
    """What is finite as packed and not in F16 is counted; a NaN that was there is not an overflow."""
    path = making.file(f"{ROOT}/large.safetensors", packed(**{
        "a.weight": ("F8_E4M3", [2, 2], bytes([GREATEST, GREATEST, 0x7F, ONE])), "a.weight_scale": ("F32", [1], f32(1000))}))
    code, lines, error = run(path, dtype="F16")
    tally.equal((code, error, lines[:2]), (0, "", ["error: 2 values of 1 weight overflowed in F16.", "error: 1 value is NaN or infinite, as packed."]),
                "overflow")
    tally.check("         2  F16    a.weight" in lines, "where", lines)
    os.remove(OUT)


def test_refusals():
    """What is not whole ends it, named, and nothing is written; so does a model that is not packed."""
    for change, said in (({"model.layers.0.i8.weight_scale": ("F16", [3, 1], f16(1, 1, 1))}, "model.layers.0.i8.weight:"),
                         ({"b.qweight": making.zeros("I32", 1, 8), "b.qzeros": making.zeros("I32", 1, 1)}, "b.weight:"),
                         ({"c.weight_scale": ("F32", [1], f32(1))}, "c.weight_scale:"),
                         ({"d.weight": ("U8", [2, 2], bytes(4)), "d.qzeros": ("U8", [2, 1], bytes(2))}, "d.weight:")):
        path = making.file(f"{ROOT}/broken.safetensors", packed(**change))
        code, lines, error = run(path)
        tally.check(code == 1 and said in lines and "a weight is not whole, or in doubt" in error and error.count("\n") == 1
                    and lines[0].endswith("not unpacked, so nothing is written:") and not os.path.exists(OUT), f"{said} is named", code, lines, error)
    path = making.file(f"{ROOT}/plain.safetensors", {"w": ("F32", [1], f32(1))})
    code, lines, error = run(path)
    tally.check(code == 1 and lines == [] and "no weight is packed" in error and not os.path.exists(OUT), "nothing is packed", code, lines, error)
    # a left-over scale may be left out
    path = making.file(f"{ROOT}/leftover.safetensors", packed(**{"c.weight_scale": ("F32", [1], f32(1))}))
    code, lines, error = run(path, accept="1")
    tally.check(code == 0 and "c.weight_scale" not in making.tensors_of(OUT), "accepted", code, lines, error)
    os.remove(OUT)


def test_models():
    """Every packed model that a tool has written becomes what the tool says that it stands for."""
    quant = f"{MODELS}/quant"
    if not os.path.isdir(quant):
        print(f"skipped: packed models of the tools ({quant} is not there)")
        return
    db, tried = connect(), 0
    for name in sorted(os.listdir(quant)):
        if name.startswith("ct-base"):
            continue
        out = f"{ROOT}/model"
        code, lines, error = run(f"{quant}/{name}", out)
        tally.equal((code, error), (0, ""), f"{name} is unpacked: {lines}")
        if code:
            continue
        tried += 1
        with open(f"{quant}/{name}/ORACLE.json", encoding="utf-8") as file:
            oracle = json.load(file)
        tally.equal(db.execute("SELECT sum(numel) FROM safetensors_weights(?) WHERE role = 'weight'", [out]).fetchone()[0],
                    oracle["num_parameters_unquantised"], f"{name}: parameters")
        tally.equal(db.execute("SELECT count(*) FROM safetensors_weights(?) WHERE scheme <> 'none' OR role NOT IN ('weight', 'buffer')", [out]).fetchone(),
                    (0,), f"{name}: nothing is packed")
        if os.path.exists(f"{out}/config.json"):
            with open(f"{out}/config.json", encoding="utf-8") as file:
                config = json.load(file)
            tally.check("quantization_config" not in config and "quantization" not in config, f"{name}: its configuration", config)
        if os.path.isdir(f"{quant}/{name}/oracle"):
            rows = db.execute("""
                SELECT o.name, c.max_abs_diff, s.abs_max, t.dtype FROM safetensors_tensors(?) AS o
                LEFT JOIN safetensors_tensors(?) AS t ON t.name = o.name
                LEFT JOIN tensor_compare(t.ref, tensor_convert(o.ref, t.dtype)) AS c LEFT JOIN tensor_stats(o.ref) AS s""",
                              [f"{quant}/{name}/oracle", out]).fetchall()
            # quanto's int2 and int4 round twice; HQQ and bitsandbytes' int8 round in F32
            far = [row for row in rows if row[1] is None or row[1] > row[2] * (2**-7 if "int2" in name or "hqq" in name or "int8-open" in name else 0)]
            tally.check(rows and not far, f"{name}: what it stands for", far)
        shutil.rmtree(out)
    tally.check(tried > 0, "models were tried")


tally.run(globals(), ROOT)
