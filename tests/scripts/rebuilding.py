"""The scripts of sql/ that make new tensors, but for merge.sql: averages of a run, joined and split projections, stacked
experts, resized vocabularies; on models made here, against NumPy.

Covers little: of all lines, others reach nearly as many.
"""

import json
import os
import tempfile

import making
import shell
from tally import Tally

try:
    import numpy as np
    from arrays import decoded, encoded, rounded
except ImportError:
    print("skipped: scripts that make new tensors (python3-numpy is not installed)")
    Tally().finish()

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="rebuilding.")
OUT = f"{ROOT}/out.safetensors"
chance = np.random.default_rng(20)


def some(dtype, *shape):
    return encoded(chance.standard_normal(shape), dtype)


def runs(script, **parameters):
    """Runs a script, and returns what it prints."""
    code, printed, error = shell.script(script, **parameters)
    tally.equal((code, error), (0, ""), f"sql/{script}.sql of {parameters}")
    tally.check(all(map(shell.is_narrow, map(str.rstrip, printed.splitlines()))), f"sql/{script}.sql is narrow enough", printed)
    return printed


def fails(script, message, **parameters):
    before = sorted((path, os.stat(path).st_mtime_ns) for where, _, names in os.walk(ROOT) for path in (f"{where}/{name}" for name in names))
    code, _, error = shell.script(script, **parameters)
    tally.check(code == 1 and message in error and error.count("\n") == 1, f"sql/{script}.sql says {message}", code, error)
    after = sorted((path, os.stat(path).st_mtime_ns) for where, _, names in os.walk(ROOT) for path in (f"{where}/{name}" for name in names))
    tally.equal(after, before, f"sql/{script}.sql changes nothing when it fails")


def listed(printed, title):
    """The rows below a title: the name, which is the last column, and why."""
    rows = printed.partition(f"== {title}\n")[2].partition("\n\n")[0].splitlines()[2:]
    return [(name, why.rstrip()) for why, _, name in (line.rstrip().rpartition("  ") for line in rows)]


def same_tensors(got, expected, what):
    tally.equal(sorted(got), sorted(expected), f"{what}: names")
    for name in expected:
        tally.check(got.get(name) == expected[name], f"{what}: {name}", got.get(name), expected[name])


RUN = f"{ROOT}/a [run]"
STEPS = (9, 20, 100)  # in this order, which that of text is not


def make_run():
    """Checkpoints of which the last has a configuration, and one more that another pattern names."""
    made = []
    for step in STEPS:
        made.append({"w": some("F32", 3, 4), "v": some("BF16", 7), "h": some("F16", 2, 2), "d": some("F64", 3),
                     "steps": ("I64", [], step.to_bytes(8, "little"))})
        making.file(f"{RUN}/checkpoint-{step}/model.safetensors", made[-1], {"format": "pt"})
    making.file(f"{RUN}/best/model.safetensors", made[0])
    os.mkdir(f"{RUN}/checkpoint-100/global_step")
    for name, data in (("config.json", b'{"dtype": "float32"}'), ("tokenizer.model", bytes(range(256))), ("scheduler.pt", b"x")):
        with open(f"{RUN}/checkpoint-100/{name}", "wb") as file:
            file.write(data)
    return made


def averaged(made, weights, dtype=None):
    """The weighted average of checkpoints, and the integers of the last."""
    return {name: made[-1][name] if name == "steps" else rounded(
        sum(w * decoded(m[name]) for w, m in zip(weights, made)) / sum(weights), [made[-1][name]], dtype or made[-1][name][0]) for name in made[0]}


def test_average():
    made = make_run()
    for weights, parameters in (((1, 1, 1), {}), ((1, 1), {"last": "2"}), ((1, 1, 1), {"last": "7"}), ((0.5, 0, 2), {"method": "weighted", "weights": "[0.5,0,2]"}),
                                ((0.25, 0.5, 1), {"method": "exponential", "decay": "0.5"}), ((0.81, 0.9, 1), {"method": "exponential"}),
                                ((0.9, 1), {"method": "exponential", "last": "2"})):
        printed = runs("average", path=RUN, out=OUT, replace="1", **parameters)
        same_tensors(making.tensors_of(OUT), averaged(made[-len(weights):], weights), f"average {parameters}")
    tally.check(printed.startswith("4 of 5 tensors averaged over 2 checkpoints (exponential), 1 copied.\n"), "its verdict", printed)
    printed = runs("average", path=f"{RUN}/", out=f"{ROOT}/new/average", dtype="BF16", limit="40")
    written = sorted(os.listdir(f"{ROOT}/new/average"))
    tally.equal([name for name in written if not name.startswith("model")], ["config.json", "tokenizer.model"], "files beside it")
    tensors = {name: tensor for shard in written if shard.endswith(".safetensors") for name, tensor in making.tensors_of(f"{ROOT}/new/average/{shard}").items()}
    same_tensors(tensors, averaged(made, (1, 1, 1), "BF16"), "average in shards")
    with open(f"{ROOT}/new/average/config.json", "rb") as file:
        tally.equal(file.read(), b'{"dtype":"bfloat16"}', "its configuration")
    runs("average", path=RUN, out=OUT, checkpoints="best", replace="1")
    same_tensors(making.tensors_of(OUT), made[0], "one checkpoint")
    # files, of which some lack a tensor or have it in another shape or dtype, and values that are not finite
    files = f"{ROOT}/files"
    nan, inf = float("nan"), float("inf")
    making.file(f"{files}/s2.safetensors", {"a": encoded(np.array([1.0, nan, 1e5]), "F32"), "b": some("F32", 2), "c": some("F32", 2), "e": ("F32", [0], b"")})
    making.file(f"{files}/s10.safetensors", {"a": encoded(np.array([3, 1, 1e5]), "F16"), "b": some("F32", 3), "d": some("F32", 2), "e": ("F32", [0], b"")})
    os.remove(OUT)
    printed = runs("average", path=files, out=OUT, checkpoints="s*", dtype="F16")
    values = decoded(making.tensors_of(OUT)["a"])
    tally.check(values[0] == 2 and np.isnan(values[1]) and values[2] == inf, "what is not finite", values)
    tally.check(printed.startswith("error: 2 values are NaN or infinite, as in the checkpoints.\n1 of 4 tensors averaged over 2 checkpoints (plain), 3 copied.\n"
                                   "warning: 3 tensors of the checkpoints took no part.\n"), "is told, and what took no part", printed)
    making.file(f"{files}/s10.safetensors", {"a": encoded(np.array([3, 1, 9e4]), "F32")})
    printed = runs("average", path=files, out=OUT, checkpoints="s*", dtype="F16", replace="1")
    tally.check("error: 1 value of 1 tensor overflowed in F16.\n" in printed, "what overflows is told", printed)
    for message, parameters in ((":checkpoints matches names in the directory", {"checkpoints": "x*"}), (":weights has a number for each checkpoint", {"method": "weighted", "weights": "[1]"}),
                                (":weights has a number for each checkpoint", {"method": "weighted", "weights": '[1,"x",2]'}), (":weights do not add up to 0", {"method": "weighted", "weights": "[1,-2,1]"}),
                                (":weights is set for weighted, and only then", {"method": "weighted"}), (":weights is set for weighted, and only then", {"weights": "[1,1,1]"}),
                                (":decay is greater than 0, and at most 1", {"method": "exponential", "decay": "1.5"}), (":weights is a JSON array", {"method": "weighted", "weights": "1"}),
                                (":out is not there, or :replace is set", {"out": f"{ROOT}/new/average"}), ("no such file", {"path": f"{ROOT}/nowhere"})):
        fails("average", message, **{"path": RUN, "out": f"{ROOT}/not.safetensors", **parameters})
    making.file(f"{files}/s2.safetensors", {"w.weight": ("U8", [1, 1], b"1"), "w.scales": some("F32", 1), "a": some("F32", 1)})
    making.file(f"{files}/s10.safetensors", making.tensors_of(f"{files}/s2.safetensors"))
    fails("average", "a checkpoint has packed weights", path=files, out=f"{ROOT}/not.safetensors", checkpoints="s*")


def joined(*tensors, axis=0):
    return encoded(np.concatenate([decoded(tensor) for tensor in tensors], axis), tensors[0][0])


def projections():
    q, k, v = some("BF16", 8, 6), some("BF16", 4, 6), some("BF16", 4, 6)
    return {**{f"l.0.attn.{name}_proj.weight": tensor for name, tensor in zip("qkv", (q, k, v))},
            **{f"l.0.attn.{name}_proj.bias": some("BF16", *tensor[1][:1]) for name, tensor in zip("qkv", (q, k, v))},
            "l.0.mlp.gate_proj.weight": some("F32", 5, 6), "l.0.mlp.up_proj.weight": some("F32", 5, 6),
            "experts.gate_proj": some("F16", 3, 5, 6), "experts.up_proj": some("F16", 3, 5, 6), "norm.weight": some("F32", 6)}


def check_towers(back):
    """Each tower has its own heads; what does not have the sizes of its configuration is left as it is."""
    text = {f"language_model.l.0.{p}_proj.weight": some("F32", rows, 6) for p, rows in zip("qkv", (8, 4, 4))}
    vision = {f"vision_tower.l.0.{p}_proj.weight": some("F32", 8, 8) for p in "qkv"}
    path = making.file(f"{ROOT}/towers.safetensors", {**text, **vision})
    fused = f"{ROOT}/towers_fused.safetensors"
    runs("fuse", path=path, out=fused)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 2, "hidden_size": 6}
    for config, parts in (({"text_config": heads, "vision_config": {"num_attention_heads": 4, "hidden_size": 8}}, {**text, **vision}),
                          ({**heads, "vision_config": {"num_attention_heads": 2, "hidden_size": 8}}, {**text, **vision}),
                          ({"text_config": heads}, text)):  # of vision nothing is known
        with open(f"{ROOT}/config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        runs("split", path=fused, out=back)
        same_tensors({name: tensor for name, tensor in making.tensors_of(back).items() if name in parts}, parts, f"split of towers by {config}")
        tally.equal(len(making.tensors_of(back)), 6 if "vision_config" in config else 4, "towers: tensors")
    more = {"a.qkv_proj.weight": some("F32", 16, 6), "b.qkv_proj.weight": some("F32", 24, 6), "c.qkv_proj.weight": some("F32", 16, 8),
            "d.gate_up_proj": some("F32", 3, 6, 10), "d.gate_up_proj_bias": some("F32", 3, 10), "e.gate_up_proj": some("F32", 3, 6, 10)}
    printed = runs("split", path=making.file(path, more), out=back)
    tally.equal(sorted(listed(printed, "Not taken apart")), [
        ("b.qkv_proj", "24 outputs, not 16: --sizes"), ("c.qkv_proj", "8 inputs, not 6: --transposed, --sizes"),
        ("d.gate_up_proj", "has gate_up_proj_bias"), ("e.gate_up_proj", "10 inputs, not 6: --transposed, --sizes")], "sizes that config.json does not have")


def test_fuse_and_split():
    model = projections()
    path = making.file(f"{ROOT}/apart.safetensors", model, {"format": "pt"})
    printed = runs("fuse", path=path, out=OUT)
    part = lambda name, leaf: [model[f"l.0.attn.{p}_proj.{leaf}"] for p in name]  # noqa: E731
    fused = {"l.0.attn.qkv_proj.weight": joined(*part("qkv", "weight")), "l.0.attn.qkv_proj.bias": joined(*part("qkv", "bias")),
             "l.0.mlp.gate_up_proj.weight": joined(model["l.0.mlp.gate_proj.weight"], model["l.0.mlp.up_proj.weight"]),
             "experts.gate_up_proj": joined(model["experts.gate_proj"], model["experts.up_proj"], axis=1), "norm.weight": model["norm.weight"]}
    same_tensors(making.tensors_of(OUT), fused, "fuse")
    tally.check("== Not joined" not in printed, "all are joined", printed)
    back = f"{ROOT}/back.safetensors"
    runs("split", path=OUT, out=back, sizes='{"qkv_proj":[2,1,1]}')
    same_tensors(making.tensors_of(back), model, "split")
    # without sizes, by the configuration; gate and up are halves
    printed = runs("split", path=OUT, out=back)
    tally.check("sizes not known: --sizes" in printed, "sizes that are not known", printed)
    tally.equal(sorted(set(making.tensors_of(back)) - set(model)), ["l.0.attn.qkv_proj.bias", "l.0.attn.qkv_proj.weight"], "stay joined")
    for config in ({"num_attention_heads": 4, "num_key_value_heads": 2}, {"text_config": {"num_attention_heads": 4, "num_key_value_heads": 2}}):
        with open(f"{ROOT}/config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        runs("split", path=OUT, out=back)
        same_tensors(making.tensors_of(back), model, f"split by {config}")
    printed = runs("split", path=OUT, out=back, sizes='{"qkv_proj":[3,1,1]}')
    tally.check("16 outputs in 5" in printed, "sizes that do not fit", printed)
    check_towers(back)
    os.remove(f"{ROOT}/config.json")
    # of GPT-2 the outputs are the last dimension
    model = {f"h.{name}.weight": some("F32", 6, size) for name, size in zip("qkv", (4, 2, 2))}
    making.file(path, {**model, "h.q.bias": some("F32", 4), "h.k.bias": some("F32", 2), "h.v.bias": some("F32", 2)})
    modules = '{"c_attn":["q","k","v"]}'
    runs("fuse", path=path, out=OUT, modules=modules, transposed="1")
    tally.equal(making.tensors_of(OUT)["h.c_attn.weight"], joined(*model.values(), axis=1), "fuse --transposed")
    runs("split", path=OUT, out=back, modules=modules, sizes='{"c_attn":[4,2,2]}', transposed="1")
    same_tensors(making.tensors_of(back), making.tensors_of(path), "split --transposed")


def test_what_is_not_joined():
    w, b = some("F32", 2, 3), some("F32", 2)
    making.file(f"{ROOT}/apart.safetensors", {
        "a.gate_proj.weight": w, "b.gate_proj.weight": w, "b.up_proj.weight": some("BF16", 2, 3), "c.gate_proj.weight": w, "c.up_proj.weight": some("F32", 2, 4),
        "d.gate_proj.weight": w, "d.up_proj.weight": w, "d.gate_proj.weight_scale": b, "e.gate_proj.weight": w, "e.up_proj.weight": w, "e.up_proj.bias": b,
        "f.gate_proj.weight": ("I8", [1, 1], b"1"), "f.up_proj.weight": ("I8", [1, 1], b"1"), "g.gate_proj.weight": w, "g.up_proj.weight": w, "g.gate_up_proj.weight": w,
        "h.gate_proj.weight": w, "h.up_proj.weight": some("F32", 7, 3), "xgate_proj.weight": w, "h.gate_proj2.up": w})
    printed = runs("fuse", path=f"{ROOT}/apart.safetensors", out=OUT)
    said = listed(printed, "Not joined")
    tally.equal(said,
                [("a.gate_up_proj", "lacks up_proj"), ("b.gate_up_proj", "other dtypes: F32,BF16"), ("c.gate_up_proj", "other shapes"), ("d.gate_up_proj", "has weight_scale"),
                 ("e.gate_up_proj", "not all parts have a bias"), ("f.gate_up_proj", "no floats: I8"), ("g.gate_up_proj", "is there already")], "what is not joined, and why")
    before, after = making.tensors_of(f"{ROOT}/apart.safetensors"), making.tensors_of(OUT)
    tally.equal(set(before) ^ set(after), {"h.gate_proj.weight", "h.up_proj.weight", "h.gate_up_proj.weight"}, "what is")
    tally.equal({name: after[name] for name in set(before) & set(after)}, {name: before[name] for name in set(before) & set(after)}, "all else is as it was")
    making.file(f"{ROOT}/fused.safetensors", {
        "a.gate_up_proj.weight": some("F32", 5, 3), "b.gate_up_proj.weight": ("I8", [2, 1], b"12"), "c.gate_up_proj.weight": some("F32", 4, 3), "c.gate_proj.weight": w,
        "d.gate_up_proj.weight": some("F32", 4, 3), "d.gate_up_proj.weight_scale": w, "e.gate_up_proj.weight": some("F32", 4, 3)})
    printed = runs("split", path=f"{ROOT}/fused.safetensors", out=OUT)
    said = listed(printed, "Not taken apart")
    tally.equal(said, [("a.gate_up_proj", "5 outputs in 2"), ("b.gate_up_proj", "no floats: I8"),
                                                                  ("c.gate_up_proj", "parts are there already"), ("d.gate_up_proj", "has weight_scale")], "what is not split, and why")
    for script, message, parameters in (
            ("fuse", "there is nothing to join", {"path": f"{ROOT}/fused.safetensors", "modules": '{"z":["x","y"]}'}), ("split", "there is nothing to take apart", {"modules": '{"z":["x","y"]}'}),
            ("fuse", ":modules has arrays of two names or more", {"modules": '{"z":["x"]}'}), ("fuse", ":modules has arrays of two names or more", {"modules": '{"z":1}'}),
            ("fuse", ":modules has names of parts, without points", {"modules": '{"z":["x",1]}'}), ("fuse", ":modules has names of parts, without points", {"modules": '{"z":["x","a.b"]}'}),
            ("fuse", ":modules is a JSON object", {"modules": "[]"}), ("split", ":sizes is a JSON object", {"sizes": "{"}),
            ("split", ":sizes has arrays of whole numbers, one for each part", {"sizes": '{"gate_up_proj":[1]}'}), ("split", ":sizes has arrays of whole numbers, one for each part", {"sizes": '{"gate_up_proj":[1,-1]}'}),
            ("fuse", ":limit is set if :out is an index", {"out": f"{ROOT}/x.safetensors.index.json"})):
        fails(script, message, **{"path": f"{ROOT}/fused.safetensors", "out": OUT, **parameters})


def stacked(tensors):
    dtype, shape, _ = tensors[0]
    return dtype, [len(tensors), *shape], b"".join(data for _, _, data in tensors)


def test_experts():
    """128 of them, in an order that is not theirs; of any dtype."""
    count = 128
    order = sorted(range(count), key=str)
    model = {f"l.{layer}.mlp.experts.{i}.{name}": tensor for layer in (0, 11) for i in order
             for name, tensor in (("up_proj.weight", some("BF16", 2, 3)), ("down_proj.weight", some("F32", 3, 2)), ("scale", some("F32")), ("codes", ("U8", [2], bytes([i, layer]))))}
    others = {"l.0.mlp.shared_experts.up_proj.weight": some("BF16", 2, 3), "l.0.mlp.gate.weight": some("F32", count, 3)}
    path = making.file(f"{ROOT}/moe.safetensors", {**model, **others})
    printed = runs("experts", path=path, out=OUT)
    expected = {f"l.{layer}.mlp.experts.{name}": stacked([model[f"l.{layer}.mlp.experts.{i}.{name}"] for i in range(count)])
                for layer in (0, 11) for name in ("up_proj.weight", "down_proj.weight", "scale", "codes")}
    same_tensors(making.tensors_of(OUT), {**expected, **others}, "experts")
    tally.check(["128", "BF16", "[128,2,3]", "l.11.mlp.experts.up_proj.weight"] in [line.split() for line in printed.splitlines()], "what it prints", printed)
    back = f"{ROOT}/back.safetensors"
    runs("experts", path=OUT, out=back, direction="unstack")
    same_tensors(making.tensors_of(back), {**model, **others}, "experts unstack")


def test_what_is_not_stacked():
    w = some("F32", 2)
    path = making.file(f"{ROOT}/moe.safetensors", {
        **{f"a.experts.{i}.w": w for i in (0, 2)}, **{f"b.experts.{i}.w": some("F32", 2 + i) for i in (0, 1)}, **{f"c.experts.{i}.w": (("F32", "I32")[i], [2], w[2]) for i in (0, 1)},
        **{f"d.experts.{i}.w": w for i in (0, 1)}, "d.experts.1.v": w, **{f"e.experts.{i}.w": w for i in (0, 1)}, "e.experts.w": w, "experts.0.w": w, "f.experts.00.w": w, "f.experts.1x.w": w})
    printed = runs("experts", path=path, out=OUT)
    said = listed(printed, "Left as they are")
    tally.equal([(name, why.strip()) for name, why in said], [("a.experts.w", "numbers up to 2, of 2 experts"), ("b.experts.w", "shapes differ"), ("c.experts.w", "dtypes differ"),
                                                              ("d.experts.v", "1 of 2 experts"), ("e.experts.w", "is there already")], "what is not stacked, and why")
    tally.equal({"d.experts.w", "experts.w"} <= set(making.tensors_of(OUT)), True, "what is")
    path = making.file(f"{ROOT}/moe.safetensors", {"a.experts.w": some("F32", 2, 2), "a.experts.v": some("F32", 3, 2), "b.experts.w": some("F32"), "c.experts.w": ("F32", [0, 2], b""),
                                                   "d.experts.w": some("F32", 2), "d.experts.1.w": w, "e.experts.w": ("F32", [10**12, 0], b""), "f.parts.w": some("F32", 2, 2)})
    printed = runs("experts", path=path, out=OUT, direction="unstack", part="parts")
    tally.equal(sorted(set(making.tensors_of(OUT)) - set(making.tensors_of(path))), ["f.parts.0.w", "f.parts.1.w"], "another part of the name")
    fails("experts", "there are no experts to stack or unstack", path=path, out=OUT, direction="unstack")
    fails("experts", "there are no experts to stack or unstack", path=path, out=OUT, part="none")
    fails("experts", ":part is a name without points", path=path, out=OUT, part="a.b")


def test_resize_vocab():
    nan = float("nan")
    model = {"model.embed_tokens.weight": some("BF16", 8, 4), "lm_head.weight": some("F64", 8, 4), "lm_head.bias": some("F16", 8), "l.0.w": some("F32", 8, 4),
             "odd": some("F32", 8, 2), "wte.weight": some("F32", 3, 2)}
    resized = ("model.embed_tokens.weight", "lm_head.weight", "lm_head.bias")
    directory = f"{ROOT}/vocabulary"
    making.file(f"{directory}/model.safetensors", model, {"format": "pt"})
    for name, data in (("config.json", b'{"vocab_size": 8, "eps": 1e-06, "text_config": {"vocab_size": 8}}'), ("tokenizer.model", bytes(range(256)))):
        with open(f"{directory}/{name}", "wb") as file:
            file.write(data)
    for fill, rows in (("zeros", 11), ("mean", 11), ("zeros", 5)):
        out = f"{ROOT}/resized-{fill}-{rows}"
        printed = runs("resize_vocab", path=directory, out=out, rows=str(rows), fill=fill)
        expected = dict(model)
        for name in resized:
            dtype, values = model[name][0], decoded(model[name])
            mean = decoded(rounded(values.sum(0, keepdims=True) / 8, [model[name]], dtype))
            more = np.repeat(mean if fill == "mean" else np.zeros_like(mean), 3, 0)
            new = np.concatenate([values, more]) if rows == 11 else values[:5]
            expected[name] = encoded(new, dtype)
        same_tensors(making.tensors_of(f"{out}/model.safetensors"), expected, f"resize_vocab {fill} {rows}")
        with open(f"{out}/config.json", "rb") as file:
            tally.equal(file.read(), b'{"vocab_size":%d,"eps":1e-06,"text_config":{"vocab_size":%d}}' % (rows, rows), "its configuration")
        with open(f"{out}/tokenizer.model", "rb") as file:
            tally.equal(file.read(), bytes(range(256)), "its tokenizer")
        tally.check("has not 8 rows   [3,2]  wte.weight" in printed and "has 8 rows, too" in printed, "what stays is told", printed)
    runs("resize_vocab", path=directory, out=OUT, rows="4", names="wte*", replace="1")
    tally.equal(making.tensors_of(OUT)["wte.weight"], encoded(np.concatenate([decoded(model["wte.weight"]), np.zeros((1, 2))]), "F32"), "by a pattern")
    making.file(f"{ROOT}/nan.safetensors", {"lm_head.weight": encoded(np.array([[nan, 1], [2, 3]]), "F32")})
    printed = runs("resize_vocab", path=f"{ROOT}/nan.safetensors", out=OUT, rows="3", fill="mean", replace="1")
    tally.check(printed.startswith("error: the new rows of lm_head.weight are not finite, as its mean is not.\n"), "a mean that is NaN", printed)
    fails("resize_vocab", "no tensor has rows of the vocabulary to add or to drop", path=directory, out=f"{ROOT}/not.safetensors", rows="8")
    fails("resize_vocab", "no tensor has rows of the vocabulary to add or to drop", path=directory, out=f"{ROOT}/not.safetensors", rows="9", names="none")
    fails("resize_vocab", ":rows is greater than 0", path=directory, out=f"{ROOT}/not.safetensors", rows="0")
    fails("resize_vocab", ":out is not there, or :replace is set", path=directory, out=OUT, rows="9")


tally.run(globals(), ROOT)
