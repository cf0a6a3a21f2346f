"""sql/lora_merge.sql, lora_fit.sql, lora_merged.sql and lora_convert.sql: on adapters made here, against NumPy, with all
that can be wrong with them; and on those of PEFT and diffusers, if MODELS (../shared/models) has them, against what these
tools merge.

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

try:
    import numpy as np
    from arrays import decoded, encoded, rounded
except ImportError:
    print("skipped: adapters (python3-numpy is not installed)")
    Tally().finish()

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="adapters.")
MODELS = os.environ.get("MODELS", "../shared/models")
OUT = f"{ROOT}/out.safetensors"
LAYERS = [f"model.layers.{layer}.self_attn.{name}_proj" for layer in (0, 1) for name in "qv"]
SHAPES = {"model.embed_tokens.weight": (9, 8), "model.norm.weight": (8,), **{f"{module}.weight": (8, 8) if "q_" in module else (4, 8) for module in LAYERS}}
PREFIX = "base_model.model."
chance = np.random.default_rng(20)


def values_of(path):
    return {name: decoded(tensor) for name, tensor in making.tensors_of(path).items() if not tensor[0].startswith("F8")}


def base_of(name, dtype="F32", factor=1.0, **more):
    """A model, whose directory has a configuration."""
    path = making.file(f"{ROOT}/{name}/model.safetensors", {key: encoded(factor * chance.standard_normal(shape), dtype) for key, shape in SHAPES.items()},
                       {"format": "pt"})
    with open(f"{ROOT}/{name}/config.json", "w", encoding="utf-8") as file:
        json.dump({"model_type": "tiny", "torch_dtype": "float32"} | more, file)
    return os.path.dirname(path)


def lora_of(name, modules=LAYERS, rank=2, alpha=4, factor=0.1, outputs=None, **config):
    """An adapter of PEFT. Returns its path and the changes that it makes."""
    changes, parts = {}, {}
    for module in modules:
        rows = outputs or SHAPES.get(f"{module}.weight", (8, 8))[0]
        a, b = factor * chance.standard_normal((rank, 8)), chance.standard_normal((rows, rank))
        parts[f"{PREFIX}{module}.lora_A.weight"], parts[f"{PREFIX}{module}.lora_B.weight"] = a, b = encoded(a, "F32"), encoded(b, "F32")
        changes[f"{module}.weight"] = alpha / rank * decoded(b) @ decoded(a)
    making.file(f"{ROOT}/{name}/adapter_model.safetensors", parts)
    with open(f"{ROOT}/{name}/adapter_config.json", "w", encoding="utf-8") as file:
        json.dump({"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": ["q_proj", "v_proj"]} | config, file)
    return f"{ROOT}/{name}", changes


def run(script, good=True, **parameters):
    code, printed, error = shell.script(script, **parameters)
    if good:
        tally.equal((code, error), (0, ""), f"sql/{script}.sql of {parameters}")
    lines = [line.rstrip() for line in printed.splitlines() if not line.startswith(("error: ", "safetensors: "))]
    tally.check(parameters.get("format") or all(map(shell.is_narrow, lines)), f"sql/{script}.sql is narrow enough", printed)
    return code, printed, error


def fails(script, message, shows="", **parameters):
    """It ends with one sentence, after what is shown, and writes nothing."""
    before = sorted(os.listdir(ROOT))
    code, printed, error = run(script, False, **parameters)
    tally.check(code == 1 and message in error and error.count("\n") == 1, f"sql/{script}.sql says {message}", code, error, printed)
    tally.check(shows in printed, f"sql/{script}.sql shows {shows}", printed, error)
    tally.equal(sorted(os.listdir(ROOT)), before, f"sql/{script}.sql writes nothing: {message}")
    return printed


def merged(base, adapters, out=OUT, **parameters):
    """Runs lora_merge. Returns what is printed, and the values that come out."""
    if os.path.exists(OUT):
        os.remove(OUT)
    printed = run("lora_merge", base=base, adapters=adapters if isinstance(adapters, str) else json.dumps(adapters), out=out, **parameters)[1]
    return printed, values_of(out) if out.endswith(".safetensors") and os.path.exists(out) else {}


def close(got, expected, what, tolerance=3e-7):
    tally.equal(sorted(got), sorted(expected), f"{what}: names")
    for name in set(got) & set(expected):
        scale = max(float(np.max(np.abs(expected[name]), initial=0)), 1e-30)
        tally.check(got[name].shape == expected[name].shape and np.max(np.abs(got[name] - expected[name]), initial=0) <= tolerance * scale,
                    f"{what}: {name}", got[name].shape, expected[name].shape, np.max(np.abs(got[name] - expected[name]), initial=0) / scale
                    if got[name].shape == expected[name].shape else "")


def test_merge():
    base = base_of("base")
    old = values_of(f"{base}/model.safetensors")
    one, changes = lora_of("one")
    two, others = lora_of("two", rank=4, alpha=2, use_rslora=True)
    others = {name: change * 2 for name, change in others.items()}  # alpha / sqrt(r), where lora_of() has alpha / r
    printed, got = merged(base, one)
    tally.check(printed.startswith("4 of 6 tensors merged, 2 copied.\n"), "the verdict", printed)
    close(got, {name: old[name] + changes.get(name, 0) for name in old}, "one adapter")
    tally.check(all(np.array_equal(got[name], old[name]) for name in old if name not in changes), "what is copied has the same bits")
    _, got = merged(base, {one: 0.5, two: -1}, scale="0.5")
    close(got, {name: old[name] + 0.25 * changes.get(name, 0) - 0.5 * others.get(name, 0) for name in old}, "two, with weights")
    _, got = merged(base, [{"adapter": one, "weights": {"*.layers.1.*": 0}, "weight": 2}, two])
    close(got, {name: old[name] + ("layers.0" in name) * 2 * changes.get(name, 0) + others.get(name, 0) for name in old}, "weights by patterns")
    printed, got = merged(base, one, modules="*q_proj", without="*layers.1*")
    close(got, {name: old[name] + (changes[name] if name == "model.layers.0.self_attn.q_proj.weight" else 0) for name in old}, "some modules")
    tally.check("1 of 6 tensors merged, 5 copied.\n3 modules are left out, by :modules or :without.\n" in printed, "what is left out", printed)
    _, got = merged(base, one, dtype="BF16")
    expected = {name: decoded(rounded(old[name] + changes.get(name, np.zeros(1)), [("F32",)], "BF16")) for name in old}
    close(got, expected, "in BF16", 0.004)
    tally.equal({tensor[0] for tensor in making.tensors_of(OUT).values()}, {"BF16"}, "dtypes")


def test_folder():
    """Of a folder, each adapter is merged; and what was done is also JSON."""
    base, old = f"{ROOT}/base", values_of(f"{ROOT}/base/model.safetensors")
    sums = {}
    for name in "ab":
        path, changes = lora_of(f"folder/{name}")
        for weight, change in changes.items():
            sums[weight] = sums.get(weight, 0) + change
    printed, got = merged(base, f"{ROOT}/folder")
    close(got, {name: old[name] + sums.get(name, 0) for name in old}, "a folder of two")
    tally.check(f"{ROOT}/folder/a/adapter_model.safetensors\n" in printed and f"{ROOT}/folder/b/adapter_model.safetensors\n" in printed, "both are named", printed)
    os.remove(OUT)
    found = json.loads(run("lora_merge", base=base, adapters=f"{ROOT}/one", out=OUT, format="json")[1])
    tally.equal([len(found[table]) for table in ("merged", "adapter_changes", "beside")], [6, 4, 0], "tables in JSON")
    tally.equal(sorted({row["action"] for row in found["merged"]}), ["copied", "merged"], "actions in JSON")
    found = json.loads(run("lora_merge", False, base=base, adapters=f"{ROOT}/nan", out=f"{ROOT}/never.safetensors", format="json")[1]) if os.path.exists(f"{ROOT}/nan") else None
    tally.check(found is None or "impossible" in {row["action"] for row in found["adapter_changes"]}, "what is refused, in JSON")


def test_directory_and_shards():
    shutil.copytree(f"{ROOT}/base", f"{ROOT}/whole")
    tensors = list(making.tensors_of(f"{ROOT}/base/model.safetensors").items())
    sharded = f"{ROOT}/sharded"
    making.model(sharded, {f"model-0000{i + 1}-of-00002.safetensors": dict(tensors[i::2]) for i in (0, 1)})
    for name, text in (("config.json", '{"torch_dtype":"float32"}'), ("tokenizer.json", "{}"), ("README.md", "#"), ("adapter_config.json", "{}")):
        with open(f"{sharded}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    one, out = f"{ROOT}/one", f"{ROOT}/new"
    printed, _ = merged(sharded, one, out, limit="300", dtype="F16")
    names = os.listdir(out)
    shards = [name for name in names if name.startswith("model-")]
    tally.check(len(shards) > 1 and "model.safetensors.index.json" in names, "shards", names)
    tally.equal(sorted(set(names) - set(shards)), ["config.json", "model.safetensors.index.json", "tokenizer.json"], "what is beside them")
    with open(f"{out}/config.json", encoding="utf-8") as file:
        tally.equal(file.read(), '{"torch_dtype":"float16"}', "the configuration")
    got = {name: values for shard in shards for name, values in values_of(f"{out}/{shard}").items()}
    close(got, merged(f"{ROOT}/whole", one)[1], "what is in the shards", 0.001)
    tally.check("copied, but for torch_dtype" in printed, "what is copied is told", printed)
    fails("lora_merge", ":out is not there, or :replace is set", base=sharded, adapters=one, out=out)
    merged(f"{ROOT}/whole", one, f"{ROOT}/plain")
    tally.equal(sorted(os.listdir(f"{ROOT}/plain")), ["config.json", "model.safetensors"], "a directory")
    index = f"{ROOT}/indexed/model.safetensors.index.json"
    os.mkdir(f"{ROOT}/indexed")
    merged(sharded, one, index, limit="300")
    tally.check(os.path.exists(index), "an index")


def test_merge_of_what_is_wrong():
    base, one = f"{ROOT}/base", f"{ROOT}/one"
    out = f"{ROOT}/never.safetensors"
    far, _ = lora_of("far", ["model.layers.7.self_attn.q_proj", LAYERS[0]])
    wide, _ = lora_of("wide", ["model.embed_tokens", LAYERS[0]], outputs=8)
    bad = making.tensors_of(f"{one}/adapter_model.safetensors")
    name = PREFIX + LAYERS[1] + ".lora_B.weight"
    bad[name] = bad[name][:2] + (struct.pack("<f", float("nan")) + bad[name][2][4:],)
    making.file(f"{ROOT}/nan/adapter_model.safetensors", bad)
    shutil.copy(f"{one}/adapter_config.json", f"{ROOT}/nan")
    prompts = making.file(f"{ROOT}/prompts/adapter_model.safetensors", {"prompt_embeddings": encoded(np.ones((2, 8)), "F32")})
    parameters = {"base": base, "adapters": one, "out": out}
    for name in parameters:
        fails("lora_merge", f":{name} is set", **{key: value for key, value in parameters.items() if key != name})
    for name in ("base", "adapters"):
        fails("lora_merge", "no such file", **{**parameters, name: f"{ROOT}/nowhere"})
    impossible = "a change cannot be merged into this base"
    fails("lora_merge", impossible, "Nothing is written: 1 change cannot be merged.\nerror: model.layers.7.self_attn.q_proj\n  ", **{**parameters, "adapters": far})
    fails("lora_merge", impossible, "error: model.embed_tokens\n  ", **{**parameters, "adapters": wide})
    fails("lora_merge", impossible, f"error: {LAYERS[1]}\n  {PREFIX}{LAYERS[1]}.lora_B.weight has NaN\n", **{**parameters, "adapters": f"{ROOT}/nan"})
    fails("lora_merge", impossible, "error: ", **{**parameters, "adapters": prompts})
    fails("lora_merge", ":modules matches a module", **parameters, modules="none")
    fails("lora_merge", ":without matches a module", **parameters, without="none")
    fails("lora_merge", "there is nothing to merge", **parameters, without="*")
    for adapters, message in (("[]", ":adapters has an adapter"), ("{", ":adapters is a path, a JSON array"), ("[1]", ":adapters has a path"),
                              ('{"a":"b"}', ":adapters has numbers as weights"), ('[{"adapter":"a","x":1}]', ":adapters has no other keys"),
                              ('[{"adapter":"a","weights":{"*":"x"}}]', ':adapters has numbers as "weights"')):
        fails("lora_merge", message, **{**parameters, "adapters": adapters})
    fails("lora_merge", ":dtype is F64, F32, F16 or BF16", **parameters, dtype="I8")
    # what is chosen away is no obstacle
    _, got = merged(base, far, modules=LAYERS[0])
    tally.equal(len(got), 6, "a module that does not fit, and is left out")
    # overflow, and what is not finite in the base
    big, _ = lora_of("big", [LAYERS[0]], factor=1e5)
    values = {name: value.copy() for name, value in values_of(f"{base}/model.safetensors").items()}
    values[f"{LAYERS[0]}.weight"][0, 0] = float("inf")
    making.file(f"{ROOT}/odd/model.safetensors", {name: encoded(value, "F32") for name, value in values.items()})
    printed, got = merged(f"{ROOT}/odd", big, dtype="F16")
    lost = int(np.sum(~np.isfinite(got[f"{LAYERS[0]}.weight"]))) - 1
    tally.check(lost > 1 and f"error: {lost} values of 1 tensor overflowed in F16.\nerror: 1 value is NaN or infinite, as in the base.\n" in printed,
                "overflow is counted", lost, printed)


def test_packed_base():
    """A model of FP8 with scales, as compressed-tensors writes it: what comes out has numbers, and no scales."""
    tensors, real = {}, {}
    for name, tensor in making.tensors_of(f"{ROOT}/base/model.safetensors").items():
        if name.endswith("_proj.weight"):
            codes = chance.integers(0, 0x70, size=tensor[1]).astype("u1")
            steps = np.where(codes < 8, (codes & 7) / 512, (1 + (codes & 7) / 8) * np.exp2((codes >> 3) - 7.0))
            scale = encoded(chance.uniform(0.01, 0.02, (tensor[1][0], 1)), "F32")
            tensors[name], tensors[f"{name}_scale"] = ("F8_E4M3", tensor[1], codes.tobytes()), scale
            real[name] = steps * decoded(scale)
        else:
            tensors[name], real[name] = tensor, decoded(tensor)
    packed = f"{ROOT}/packed"
    making.file(f"{packed}/model.safetensors", tensors)
    with open(f"{packed}/config.json", "w", encoding="utf-8") as file:
        json.dump({"torch_dtype": "float32", "quantization_config": {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {
            "group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True}}}}}, file)
    part, changes = lora_of("part", LAYERS[:1])
    printed, _ = merged(packed, part, f"{ROOT}/unpacked")
    tally.check("1 of 6 tensors merged, 2 copied, 3 dequantized.\nThe base was packed (fp8): the result is not.\n" in printed, "that it is dequantized is told", printed)
    close(values_of(f"{ROOT}/unpacked/model.safetensors"), {name: real[name] + changes.get(name, 0) for name in real}, "a packed base")
    with open(f"{ROOT}/unpacked/config.json", encoding="utf-8") as file:
        tally.equal(list(json.load(file)), ["torch_dtype"], "the configuration is of no quantized model")
    saved = making.file(f"{ROOT}/saved/adapter_model.safetensors", {PREFIX + "model.norm.weight": encoded(np.ones(8), "F32"),
                                                                   PREFIX + "model.embed_tokens.weight": encoded(np.ones((9, 8)), "F32")})
    with open(f"{ROOT}/saved/adapter_config.json", "w", encoding="utf-8") as file:
        json.dump({"peft_type": "LORA", "r": 2, "lora_alpha": 2, "modules_to_save": ["norm", "embed_tokens"]}, file)
    printed, _ = merged(packed, os.path.dirname(saved))
    got = making.tensors_of(OUT)
    tally.check("2 of 10 tensors merged, 8 copied.\n" in printed, "no packed weight changes", printed)
    tally.check(all(got[name] == tensors[name] for name in tensors if "_proj" in name), "packed weights stay as they are")
    tally.equal(decoded(got["model.norm.weight"]).tolist(), [1] * 8, "a module that was saved whole")


def test_fit():
    base, one = f"{ROOT}/base", f"{ROOT}/one"
    printed = run("lora_fit", path=one, base=base)[1]
    tally.check(printed.startswith("Yes: the base has all 4 weights, in the shape of the change.\n"), "it fits", printed)
    run("lora_fit", path=one, base=f"{ROOT}/sharded")
    run("lora_fit", path=one, base=f"{ROOT}/packed")
    run("lora_fit", path=f"{ROOT}/nan", base=base)
    no = "an adapter does not fit this base"
    fails("lora_fit", no, "No: 1 of 2 weights does not fit.\n\n== What does not fit\nmodel.layers.7.self_attn.q_proj\n", path=f"{ROOT}/far", base=base)
    fails("lora_fit", no, "No: 1 of 2 weights does not fit.\n\n== What does not fit\nmodel.embed_tokens\n", path=f"{ROOT}/wide", base=base)
    fails("lora_fit", "an adapter changes no weight", "No: nothing in the adapter changes a weight", path=f"{ROOT}/prompts", base=base)
    for name in ("one", "far"):
        os.makedirs(f"{ROOT}/loras", exist_ok=True)
        shutil.copy(f"{ROOT}/{name}/adapter_model.safetensors", f"{ROOT}/loras/{name}.safetensors")
    with open(f"{ROOT}/loras/page.safetensors", "w", encoding="utf-8") as file:
        file.write("<html>")
    printed = fails("lora_fit", "an adapter cannot be read", "No: 2 of 3 adapters do not fit; of these 1 cannot be read.\n\n== Broken\npage.safetensors\n", path=f"{ROOT}/loras", base=base)
    found = json.loads(run("lora_fit", False, path=f"{ROOT}/loras", base=base, format="json")[1])
    tally.equal([(os.path.basename(row["file"]), row["fits"], row["status"]) for row in found["fitting_files"]],
                [("page.safetensors", None, "invalid"), ("far.safetensors", 0, "ok"), ("one.safetensors", 1, "ok")], "the worst first, in JSON")
    tally.equal([(row["rule"], row["level"]) for row in found["fitting_checks"]], [("readable", "error"), ("fits-the-base", "error"), ("fits-the-base", "ok")], "findings")
    # the same weights have other names in the original code than in diffusers: no answer, instead of a wrong one
    kohya = making.file(f"{ROOT}/kohya/unet.safetensors", {f"lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q.lora_{part}.weight": ("F32", shape, bytes(32))
                                                         for part, shape in (("down", [1, 8]), ("up", [8, 1]))})
    for name, code, said in (("model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight", "other names", "It cannot be said: the base has other names"),
                             ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q.weight", "an adapter does not fit", "No: 1 of 1 weights does not fit.")):
        whole = making.file(f"{ROOT}/kohya_base/{code[:2]}.safetensors", {name: ("F32", [8, 8], bytes(256))})
        fails("lora_fit", code, said, path=kohya, base=whole)
    for folder, there in ((f"{ROOT}/two_models", "two_models/a.safetensors, "), (f"{ROOT}/pipeline", "pipeline/text_encoder/x.safetensors, ")):
        for name in ("a", "b") if "two" in folder else ("unet/x", "text_encoder/x"):
            making.file(f"{folder}/{name}.safetensors", {"w": ("F32", [1], bytes(4))})
        printed, error = run("lora_fit", False, path=one, base=folder)[1:]
        tally.check(printed == "" and ":base is one model, found 2: " in error and there in error and error.count("\n") == 1, "several models are no base", printed, error)
    for parameters, message in (({"path": one}, ":base is set"), ({"base": base}, ":path is set"), ({"path": one, "base": f"{ROOT}/nowhere"}, "no such file"),
                                ({"path": f"{ROOT}/nowhere", "base": base}, "no such file")):
        tally.equal(fails("lora_fit", message, **parameters), "", f"nothing else is printed than {message}")


def test_merged():
    base = base_of("large", factor=3.0)
    one, two = f"{ROOT}/one", f"{ROOT}/two"
    for scale in (1, 0.35, -1):
        merged(base, one, scale=str(scale))
        printed = run("lora_merged", path=one, model=OUT, base=base)[1]
        tally.check(printed.startswith(f"Yes: with scale {scale}.\n"), f"merged with {scale}", printed)
    merged(base, one, dtype="BF16")
    tally.check("Yes: with scale " in run("lora_merged", path=one, model=OUT, base=base)[1], "rounded to BF16")
    fails("lora_merged", "was not merged into this model", "No: none of 4 changes is found.", path=two, model=OUT, base=base)
    fails("lora_merged", "was not merged into this model", "No: the model is the base", path=one, model=base, base=base)
    merged(base, [one, two])
    tally.check(run("lora_merged", path=one, model=OUT, base=base)[1].startswith("Yes"), "beside another one")
    merged(base, one, modules="*layers.0*")
    fails("lora_merged", "only some of the changes were merged", "In part: 2 of 4 changes are found", path=one, model=OUT, base=base)
    fails("lora_merged", "nothing can be compared", "== Not compared\n", path=f"{ROOT}/prompts", model=base, base=base)
    bad = f"{ROOT}/nan"
    fails("lora_merged", "only some", f"error: {LAYERS[1]}\n  NaN or infinities in the adapter\n", path=bad, model=OUT, base=base)
    # without the base: the weights are small beside the change, or there are many of them
    small = base_of("small", factor=0.01)
    merged(small, one, scale="0.5")
    printed = run("lora_merged", path=one, model=OUT)[1]
    tally.check("Yes: with scale 0." in printed and "as there is no base" in printed, "without the base", printed)
    fails("lora_merged", "was not merged into this model", "No: none of 4 changes is found.", path=one, model=small)
    fails("lora_merged", "it cannot be said without the base", "It cannot be said without the base", path=one, model=base)
    merged(small, f"{ROOT}/saved")
    tally.check("Yes: all was saved whole" in run("lora_merged", path=f"{ROOT}/saved", model=OUT)[1], "saved whole")
    for parameters, message in (({"path": one}, ":model is set"), ({"model": base}, ":path is set"), ({"path": one, "model": f"{ROOT}/nowhere"}, "no such file"),
                                ({"path": f"{ROOT}/nowhere", "model": base}, "no such file"),
                                ({"path": one, "model": base, "base": f"{ROOT}/nowhere"}, "no such file")):
        tally.equal(fails("lora_merged", message, **parameters), "", f"nothing else is printed than {message}")
    # a folder of adapters: each is asked about
    os.makedirs(f"{ROOT}/asked", exist_ok=True)
    for name in ("one", "two"):
        shutil.copytree(f"{ROOT}/{name}", f"{ROOT}/asked/{name}")
    merged(base, one)
    printed = fails("lora_merged", "the adapter was not merged", "1 of 2 adapters are merged into it.\n", path=f"{ROOT}/asked", model=OUT, base=base)
    found = json.loads(run("lora_merged", False, path=f"{ROOT}/asked", model=OUT, base=base, format="json")[1])
    tally.equal([(row["adapter"].split("/")[-2], row["answer"]) for row in found["merged_answer"]], [("two", "no"), ("one", "yes")], "each adapter, the worst first")
    tally.equal({row["level"] for row in found["merged_checks"] if "/one/" in row["file"]}, {"ok"}, "findings of what was merged")
    tally.equal({row["level"] for row in found["merged_checks"] if "/two/" in row["file"]}, {"error"}, "findings of what was not")


def changes_of(path):
    """The changes of an adapter by the table, by module."""
    db = connect()
    rows = db.execute("SELECT module, scale, rank, tensor_data(tensor_convert(ref, 'F32')) FROM safetensors_adapter(?) WHERE ref IS NOT NULL", (path,)).fetchall()
    return {module: (scale, rank, np.frombuffer(data, "<f4").astype("f8")) for module, scale, rank, data in rows}


def same_changes(got, expected, what, tolerance=1e-6):
    """By names, in which kohya's underscores and dots are the same."""
    got, expected = ({key.replace(".", "_"): value for key, value in changes.items()} for changes in (got, expected))
    tally.equal(sorted(got), sorted(expected), f"{what}: modules")
    for name in set(got) & set(expected):
        tally.check(np.max(np.abs(got[name][2] - expected[name][2])) <= tolerance * np.max(np.abs(expected[name][2])), f"{what}: {name}")


def test_convert():
    unet = [f"down_blocks.{i}.attentions.0.transformer_blocks.0.attn1.{part}" for i in (0, 1) for part in ("to_q", "to_out.0")]
    path, _ = lora_of("unet", unet, rank=4, alpha=2, use_rslora=True, alpha_pattern={"attn1.to_q": 8}, base_model_name_or_path="some/model")
    kohya, back, named = f"{ROOT}/kohya.safetensors", f"{ROOT}/back", f"{ROOT}/named.safetensors"
    printed = run("lora_convert", path=path, out=kohya)[1]
    tally.check(printed.startswith("4 modules of peft written by the names of kohya: 12 tensors.\n"), "to kohya's names", printed)
    names = making.tensors_of(kohya)
    tally.equal(sorted(names)[:3], [f"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0.{end}"
                                    for end in ("alpha", "lora_down.weight", "lora_up.weight")], "kohya's names")
    tally.equal(decoded(names["lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.alpha"]).tolist(), 16, "alpha, of the scale")
    ours = {f"unet.{module}": change for module, change in changes_of(path).items()}
    same_changes({"unet." + module.removeprefix("lora_unet_"): change for module, change in changes_of(kohya).items()}, ours, "kohya's")
    run("lora_convert", path=kohya, out=back)
    tally.equal(changes_of(back).keys(), changes_of(path).keys(), "and back")
    same_changes(changes_of(back), changes_of(path), "and back")
    run("lora_convert", path=kohya, out=named, to="diffusers")
    same_changes(changes_of(named), ours, "diffusers'")
    folded = f"{ROOT}/folded.safetensors"
    run("lora_convert", path=path, out=folded, fold="1")
    changes = changes_of(folded)
    tally.equal({change[0] for change in changes.values()}, {1.0}, "what is folded has the scale 1")
    same_changes({"unet." + module.removeprefix("lora_unet_"): change for module, change in changes.items()}, ours, "folded")
    # names without a rule
    odd, _ = lora_of("strange", ["down_blocks.0.strange_thing.to_q", unet[0]])
    run("lora_convert", path=odd, out=f"{ROOT}/odd.safetensors", component="unet")
    message = "no rule matches a module"
    fails("lora_convert", message, "Nothing is written: no rule matches 1 module.\nerror: lora_unet_down_blocks_0_strange_thing_to_q\n  a word of its name is not known: set the parameter base", path=f"{ROOT}/odd.safetensors",
          out=f"{ROOT}/never")
    printed = run("lora_convert", path=f"{ROOT}/odd.safetensors", out=f"{ROOT}/partial", partial="1")[1]
    tally.check("1 module is left out.\n\n== Left out\n1 module: a word of its name is not known" in printed, "--partial", printed)
    making.file(f"{ROOT}/names/model.safetensors", {f"{module}.weight": encoded(np.ones((8, 8)), "F32") for module in ("down_blocks.0.strange_thing.to_q", unet[0])})
    run("lora_convert", path=f"{ROOT}/odd.safetensors", out=f"{ROOT}/whole names", base=f"{ROOT}/names")
    same_changes(changes_of(f"{ROOT}/whole names"), changes_of(odd), "names of the base")
    fails("lora_convert", message, "its component is not known: set the parameter component", path=f"{ROOT}/one", out=f"{ROOT}/never.safetensors")
    fails("lora_convert", message, " has no rule", path=f"{ROOT}/saved", out=f"{ROOT}/never.safetensors", component="unet")
    both = making.file(f"{ROOT}/both.safetensors", {f"{module}.lora_{part}.weight": encoded(np.ones((2, 2)), "F32")
                                                    for module in ("lora_unet_mid_block_attentions_0_proj_in", "lora_te_text_model_encoder_layers_0_mlp_fc1")
                                                    for part in ("down", "up")})
    fails("lora_convert", ":component is set, as PEFT's names have one", path=both, out=f"{ROOT}/never")
    fails("lora_convert", ":component is one of the adapter", path=both, out=f"{ROOT}/never", component="prior")
    run("lora_convert", path=both, out=f"{ROOT}/text", component="text_encoder")
    tally.equal(list(changes_of(f"{ROOT}/text")), ["text_model.encoder.layers.0.mlp.fc1"], "one component")
    fails("lora_convert", ":out is not there, or :replace is set", path=both, out=f"{ROOT}/text", component="unet")
    run("lora_convert", path=both, out=f"{ROOT}/text", component="unet", replace="1")
    for parameters, message in (({"path": both}, ":out is set"), ({"out": "x"}, ":path is set"), ({"path": f"{ROOT}/nowhere", "out": f"{ROOT}/x"}, "no such file"),
                                ({"path": both, "out": f"{ROOT}/x", "to": "x"}, ":to is auto, peft, kohya or diffusers")):
        tally.equal(fails("lora_convert", message, **parameters), "", f"nothing else is printed than {message}")


def oracles():
    for kind in ("peft", "diffusers"):
        for name in sorted(os.listdir(f"{MODELS}/{kind}")):
            if os.path.exists(f"{MODELS}/{kind}/{name}/ORACLE.json"):
                with open(f"{MODELS}/{kind}/{name}/ORACLE.json", encoding="utf-8") as file:
                    yield kind, name, json.load(file)


WITHOUT_BASE = {"lora-t5", "lora-conv", "lora-target-parameters-moe"}  # of these no base is among them
NOT_COMPUTED = {"lora-pissa", "unilora", "psoft"}  # their changes are not in the file


def test_models():
    """What PEFT merges, to the rounding of F32."""
    if not os.path.isdir(MODELS):
        print(f"skipped: adapters of PEFT and diffusers (no directory {MODELS})")
        return
    equal = 0
    for kind, name, oracle in oracles():
        directory = f"{MODELS}/{kind}/{name}"
        if kind != "peft" or not os.path.exists(f"{directory}/oracle/oracle.safetensors"):
            continue
        base = f"{MODELS}/peft/base-" + ("gpt2" if name == "lora-bias-all" else "llama")
        if name in WITHOUT_BASE:
            fails("lora_merge", "a change cannot be merged", "error: ", base=base, adapters=directory, out=f"{ROOT}/never.safetensors")
            fails("lora_fit", "does not fit", path=directory, base=base)
            continue
        if name in NOT_COMPUTED:
            fails("lora_merge", "a change cannot be merged", "error: ", base=base, adapters=directory, out=f"{ROOT}/never.safetensors")
            continue
        theirs, old = values_of(f"{directory}/oracle/oracle.safetensors"), values_of(f"{base}/model.safetensors")
        got = merged(base, directory)[1]
        right = {**old, **theirs}
        for tensor in right:
            change = max(float(np.max(np.abs(right[tensor] - old[tensor]))), 1e-30)
            error = float(np.max(np.abs(got[tensor] - right[tensor]))) if tensor in got else float("inf")
            tally.check(error <= 1e-5 * change + 1.2e-7 * np.max(np.abs(right[tensor])), f"{name}: {tensor}", error, change)
        equal += 1
        run("lora_fit", path=directory, base=base)
        printed = run("lora_merged", path=directory, model=OUT, base=base)[1]
        tally.check("Yes: with scale 1." in printed, f"{name} was merged", printed)
    print(f"{equal} merges are PEFT's")
    tally.check(equal > 20, "merges are compared", equal)


def test_packed_models():
    """An adapter on what the tools packed: the change is added to the numbers that the weight stands for."""
    if not os.path.isdir(MODELS):
        return
    merges = 0
    for name in sorted(os.listdir(f"{MODELS}/quant")):
        directory = f"{MODELS}/quant/{name}"
        if not os.path.exists(f"{directory}/oracle/oracle.safetensors"):
            continue
        packed = {key for key, in connect().execute("SELECT name FROM safetensors_weights(?) WHERE scheme <> 'none'", (directory,))}
        real = {key: value for key, value in values_of(f"{directory}/oracle/oracle.safetensors").items() if value.ndim == 2 and key in packed}
        if not real:
            continue
        changes, parts = {}, {}
        for weight, value in real.items():
            a, b = (encoded(0.1 * chance.standard_normal(shape), "F32") for shape in ((2, value.shape[1]), (value.shape[0], 2)))
            parts |= {f"{PREFIX}{weight.removesuffix('weight')}lora_A.weight": a, f"{PREFIX}{weight.removesuffix('weight')}lora_B.weight": b}
            changes[weight] = decoded(b) @ decoded(a)
        making.file(f"{ROOT}/on {name}/adapter_model.safetensors", parts)
        printed = merged(directory, f"{ROOT}/on {name}", f"{ROOT}/{name}", dtype="F32")[0]
        tally.check("The base was packed (" in printed, f"{name}: it is told that it was packed", printed)
        got = values_of(f"{ROOT}/{name}/model.safetensors")
        for weight, value in real.items():
            error = np.max(np.abs(got[weight] - value - changes[weight])) if weight in got else "missing"
            tally.check(weight in got and error <= 0.01 * np.max(np.abs(value)), f"{name}: {weight}", error)
        db = connect()
        left = db.execute("SELECT group_concat(name) FROM safetensors_weights(?) WHERE scheme <> 'none' OR role IN ('scale', 'marker')",
                          (f"{ROOT}/{name}",)).fetchone()[0]
        tally.equal(left, None, f"{name}: nothing is packed any more")
        if os.path.exists(f"{directory}/config.json"):
            with open(f"{ROOT}/{name}/config.json", encoding="utf-8") as file:
                tally.check("quantization" not in file.read(), f"{name}: its configuration is of no packed model")
        merges += 1
    print(f"{merges} packed models have an adapter merged")


def test_models_of_diffusers():
    """A component of a pipeline, and the part of an adapter that belongs to it."""
    if not os.path.isdir(MODELS):
        return
    base = f"{MODELS}/diffusers/sd15-with-fp16-variant/unet"
    whole = f"{base}/diffusion_pytorch_model.safetensors"
    for name in ("lora-sd15-metadata", "lora-kohya-from-diffusers"):
        directory, out = f"{MODELS}/diffusers/{name}", f"{ROOT}/unet of {name}"
        merged(whole, directory, out, modules="*unet?*")
        tally.equal(sorted(os.listdir(out)), ["config.json", "diffusion_pytorch_model.safetensors"], "a component keeps its name")
        got, old = values_of(f"{out}/diffusion_pytorch_model.safetensors"), values_of(whole)
        with open(f"{directory}/ORACLE.json", encoding="utf-8") as file:
            norms = {f"{module}.weight": row["delta_norm"] for module, row in json.load(file)["modules"]["unet"].items()}
        for weight in old:
            norm = float(np.linalg.norm(got[weight] - old[weight]))
            tally.check(abs(norm - norms.get(weight, 0)) <= 1e-5 * norm, f"{name}: {weight}", norm, norms.get(weight, 0))
    tally.equal(fails("lora_merge", ":base is one model, found 2: ", base=base, adapters=directory, out=f"{ROOT}/never", modules="*unet?*"), "", "two variants are no base")


def test_dora_converted():
    """Magnitudes are a vector in PEFT's files, and a column in kohya's."""
    if not os.path.isdir(MODELS):
        return
    base, path = f"{MODELS}/peft/base-llama", f"{MODELS}/peft/lora-dora"
    fails("lora_merged", "it cannot be said without the base", "It cannot be said without the base: :base is not set.", path=path, model=base)
    kohya, back = f"{ROOT}/dora_kohya.safetensors", f"{ROOT}/dora_back"
    run("lora_convert", path=path, out=kohya, component="text_encoder")
    name = "lora_te_model_layers_0_self_attn_q_proj.dora_scale"
    tally.equal(making.tensors_of(kohya)[name][1], [32, 1], "a column")
    run("lora_convert", path=kohya, out=back, base=base)
    ours, theirs = making.tensors_of(f"{back}/adapter_model.safetensors"), making.tensors_of(f"{path}/adapter_model.safetensors")
    tally.equal({name: ours.get(name) for name in theirs}, theirs, "and back")
    right = merged(base, path)[1]
    close(merged(base, kohya)[1], right, "DoRA by kohya's names")
    close(merged(base, back)[1], right, "and back again")


def test_models_converted():
    """The changes of diffusers' and kohya's files are those that diffusers loads, by whatever names."""
    if not os.path.isdir(MODELS):
        return
    for name, component in (("kohya-lora-alphas", "unet"), ("lora-sd15-metadata", None), ("lora-sdxl-rslora-metadata", None), ("lora-flux-metadata", None),
                            ("lora-sd15-rank-pattern-metadata", None), ("kohya-loha", "unet"), ("lora-kohya-from-diffusers", "text_encoder")):
        path, out = f"{MODELS}/diffusers/{name}", f"{ROOT}/{name}"
        run("lora_convert", path=path, out=out if component else f"{out}.safetensors", **({"component": component} if component else {}))
        before, after = changes_of(path), changes_of(out if component else f"{out}.safetensors")
        plain = lambda module: module.replace(".", "_").removeprefix("lora_").removeprefix("unet_").removeprefix("text_encoder_").removeprefix(  # noqa: E731
            "transformer_").removeprefix("te1_").removeprefix("te_")
        chosen = {plain(module): change for module, change in before.items() if component is None or (component == "unet") == ("unet" in module)}
        same_changes({plain(module): change for module, change in after.items()}, chosen, name)


tally.run(globals(), ROOT)
