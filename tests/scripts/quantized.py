"""sql/quantized.sql, on models made here, whose output was worked out by hand, and on the packed models of MODELS
(../shared/models), whose errors their makers have computed. What is recognised as what, the tests of
safetensors_weights say.

Covers little: of all lines, others reach nearly as many.
"""

import functools
import json
import os
import struct
import subprocess
import tempfile

import making
import shell
from tally import BUILD, Tally

MODELS = os.environ.get("MODELS", "../shared/models")
tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
shows = functools.partial(shell.shows, tally, ROOT)
ONE, TWO, NAN = 0x38, 0x40, 0x7F  # in E4M3


def f32(*values, shape=None):
    return "F32", [len(values)] if shape is None else shape, struct.pack(f"<{len(values)}f", *values)


def fp8(*codes, shape):
    return "F8_E4M3", shape, bytes(codes)


def said(code_wanted, sentence, **parameters):
    """Runs the script, whose verdict is no, or yes if the sentence is empty. Returns its lines."""
    code, out, error = shell.script("quantized", **parameters)
    tally.check(code == code_wanted and (sentence + " (19)\n" in error if sentence else error == "") and error.count("\n") == bool(sentence),
                f"sql/quantized.sql of {parameters}: {sentence}", code, out, error)
    lines = [line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()]
    tally.check(all(shell.is_narrow(line) for line in lines if not line.startswith("safetensors: ")), "sql/quantized.sql is narrow enough", out)
    return lines


def section(lines, title):
    rest = lines[lines.index(f"== {title}") + 1:] if f"== {title}" in lines else []
    ends = [i for i, line in enumerate(rest) if line.startswith("== ")]
    return [line for line in (rest[:ends[0]] if ends else rest) if line]


def layers(count, scale=1.0):
    """FP8 weights of 1 and 2, each with a scale."""
    model = {f"layers.{i}.up.weight": fp8(ONE, TWO, ONE, TWO, shape=[2, 2]) for i in range(count)}
    return {**model, **{f"layers.{i}.up.weight_scale": f32(scale) for i in range(count)}, "norm": f32(1, 1)}


def test_whole():
    # of each weight 4 bytes and 4 for its scale, for 4 numbers: 16 bits; all is 24 bytes and 10 numbers
    path = making.file(f"{ROOT}/whole.safetensors", layers(2))
    shows("quantized", """
2 of 3 weights are packed (fp8), at 16.00 bits each; all are whole.
In all 10 parameters in 24 B: 19.20 bits each.

== Schemes
scheme  weights  not_whole  parameters    bits     bytes
------  -------  ---------  ----------  ------  --------
fp8           2          0           8   16.00      16 B
none          1          0           2   32.00       8 B
""", path=path)
    shows("quantized", """
The only weight is not packed.
In all 2 parameters in 8 B: 32.00 bits each.

== Schemes
scheme  weights  not_whole  parameters    bits     bytes
------  -------  ---------  ----------  ------  --------
none          1          0           2   32.00       8 B
""", path=making.file(f"{ROOT}/plain.safetensors", {"w": f32(1, 2)}))
    code, out, error = shell.script("quantized", path=making.file(f"{ROOT}/nothing.safetensors", {}))
    tally.check((code, out, error.count("\n")) == (1, "", 1) and ":path has a model with tensors" in error, "no tensor is a failure", code, out, error)


def test_damage():
    """What is missing, left over or unknown is named, the worst first, in groups of one pattern; the exit status is 1."""
    model = {f"layers.{i}.q.{part}": making.zeros(*tensor) for i in range(12) for part, tensor in (
        ("qweight", ("I32", 4, 32)), ("qzeros", ("I32", 1, 4)), ("scales", ("F16", 1, 32)))}
    for i in (3, 4, 5):
        del model[f"layers.{i}.q.scales"]
    del model["layers.7.q.qzeros"]
    model["layers.8.k.scales"] = making.zeros("F16", 1, 32)
    model["head.codes"], model["head.codebook"] = making.zeros("U8", 8, 4), making.zeros("F16", 256, 8)
    making.file(f"{ROOT}/damaged/model.safetensors", model)
    with open(f"{ROOT}/damaged/config.json", "w", encoding="utf-8") as file:
        json.dump({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": -1, "checkpoint_format": "gptq_v2"}}, file)
    lines = said(1, "a weight is not whole, or in doubt", path=f"{ROOT}/damaged")
    tally.equal(lines[:3], ["error: 4 weights are not whole.", "error: 1 scale has no weight.",
                            "error: 1 tensor looks packed in a way that is not known here."], "the verdict")
    tally.check(lines[3].startswith("12 of 14 weights are packed (gptq), at ") and lines[3].endswith(" bits each."), "and how much is packed", lines)
    whole = section(lines, "Not whole, or in doubt")
    tally.equal(whole[0], "3 of layers.#.q.weight:", "the most frequent first")
    tally.check("scales" in whole[1] and whole[2] == "layers.7.q.weight:" and "qzeros" in whole[3], "what is wrong", whole)
    tally.equal(section(lines, "Scales without weights")[0], "layers.8.k.scales:", "a scale")
    tally.equal(section(lines, "Packed in a way that is not known here")[:2], ["head.codes:", "  U8: packed in a way that is not known here"], "unknown")
    # each by itself
    for change, sentence in (({"b.weight_scale": f32(1)}, "a scale has no weight"),
                             ({"b.codes": making.zeros("U8", 8, 4), "b.codebook": making.zeros("F16", 256, 8)},
                              "something is packed in a way that is not known here")):
        said(1, sentence, path=making.file(f"{ROOT}/change.safetensors", {**layers(1), **change}))
    # a second scale that only some have
    nvfp4 = {}
    for i in range(3):
        nvfp4 |= {f"layers.{i}.up.weight": making.zeros("U8", 8, 8), f"layers.{i}.up.weight_scale": making.zeros("F8_E4M3", 8, 1)}
        if i != 1:
            nvfp4[f"layers.{i}.up.weight_scale_2"] = making.zeros("F32")
    lines = said(1, "a weight is not whole, or in doubt", path=making.file(f"{ROOT}/nvfp4.safetensors", nvfp4))
    tally.check("layers.1.up.weight:" in lines and "weight_scale_2" in " ".join(lines), "a second scale", lines)


def test_announced():
    """A configuration that announces a quantization, of which the tensors show nothing."""
    making.file(f"{ROOT}/announced/model.safetensors", {"norm.weight": f32(1)})
    with open(f"{ROOT}/announced/config.json", "w", encoding="utf-8") as file:
        json.dump({"quantization_config": {"quant_method": "newpack"}}, file)
    lines = said(0, "", path=f"{ROOT}/announced")
    tally.check("warning: config.json announces a quantization, newpack, but no weight is packed." in lines, "it is told", lines)


def test_files():
    """A file that cannot be read is a line, and the verdict; nothing that can be read is one sentence, and no verdict."""
    making.file(f"{ROOT}/some/a.safetensors", layers(1))
    with open(f"{ROOT}/some/b.safetensors", "wb") as file:
        file.write(b"1234567")
    lines = said(1, "a file of the model cannot be read", path=f"{ROOT}/some")
    tally.equal((lines[0], section(lines, "Models that cannot be read, or are not whole")),
                ("error: 1 of 2 models cannot be read, or not whole.",
                 ["...b.safetensors:", "  expected at least 8 bytes, found 7: too small for a header"]), "a bad file")
    tally.check("fp8           1          0           4   16.00       8 B" in lines, "the rest is told", lines)
    whole = making.file(f"{ROOT}/whole.safetensors", layers(1))
    for parameters in ({"path": f"{ROOT}/none"}, {"path": f"{ROOT}/some/b.safetensors"}, {"path": whole, "base": f"{ROOT}/none"}, {"base": whole},
                       {"path": whole, "base": making.file(f"{ROOT}/other.safetensors", {"x": f32(1)})}):
        code, out, error = shell.script("quantized", **parameters)
        tally.check((code, out, error.count("\n")) == (1, "", 1) and "None" not in error, f"one sentence: {parameters}", code, out, error)


def test_base():
    """The error of what the weights stand for."""
    # 1.5 3 1.5 3 for 2 3 2 3: in each 0.5 twice, of 4 + 9 + 4 + 9: 0.5 of 26; in the last 1.5 of 21
    path = making.file(f"{ROOT}/packed.safetensors", layers(3, 1.5))
    base = {f"layers.{i}.up.weight": f32(2, 3, 2, 3, shape=[2, 2]) for i in range(3)}
    base["layers.2.up.weight"] = f32(2, 2, 2, 3, shape=[2, 2])
    shows("quantized", """
3 of 4 weights are packed (fp8), at 16.00 bits each; all are whole.
In all 14 parameters in 32 B: 18.29 bits each.
From the base they differ by 0.185 of its norm: at most 0.267 in one weight.

== Schemes
scheme  weights  not_whole  parameters    bits     bytes
------  -------  ---------  ----------  ------  --------
fp8           3          0          12   16.00      24 B
none          1          0           2   32.00       8 B

== Error by layer
weights    rel_l2       max  layer
-------  --------  --------  --------
      1     0.267         1  layers.2
      1     0.139       0.5  layers.0
      1     0.139       0.5  layers.1

== Twenty weights with the greatest error
  rel_l2       max     cosine  name
--------  --------  ---------  ------------------
   0.267         1   0.966092  layers.2.up.weight
   0.139       0.5   0.992278  layers.0.up.weight
   0.139       0.5   0.992278  layers.1.up.weight
""", path=path, base=making.file(f"{ROOT}/base.safetensors", base))
    base["layers.1.up.weight"] = f32(2, 3, 2, 3)
    del base["layers.0.up.weight"]
    lines = said(0, "", path=path, base=making.file(f"{ROOT}/base.safetensors", base))
    tally.check("warning: 2 packed weights are not compared with the base." in lines, "what the base does not have", lines)
    tally.equal(section(lines, "Not compared with the base"), ["layers.0.up.weight:", "  the base has no such weight", "layers.1.up.weight:",
                                                               "  the base has [4], not [2,2]"], "and why")
    packed = {**layers(3, 1.5), "layers.2.up.weight": fp8(ONE, NAN, ONE, TWO, shape=[2, 2])}
    lines = said(1, "a packed weight has NaN or infinities that the base does not have", path=making.file(f"{ROOT}/nan.safetensors", packed),
                 base=f"{ROOT}/base.safetensors")
    tally.equal((lines[0], section(lines, "Error by layer")[2].split()),
                ("error: 1 packed weight has NaN or infinities where the base has numbers.", ["1", "NaN", "NaN", "layers.2"]), "a NaN is no distance")


def test_models():
    """Models that tools have packed are whole, and as far from their base as the tools say."""
    if not os.path.isdir(f"{MODELS}/quant"):
        print(f"skipped: packed models of the tools ({MODELS}/quant is not there)")
        return
    for name in sorted(os.listdir(f"{MODELS}/quant")):
        with open(f"{MODELS}/quant/{name}/ORACLE.json", encoding="utf-8") as file:
            oracle = json.load(file)
        lines = said(0, "", path=f"{MODELS}/quant/{name}")
        tally.check(name.startswith("ct-base") or lines[0].endswith("; all are whole."), f"{name} is whole", lines)
        errors = oracle.get("dequantised_rel_error_to_base")
        if not errors or not name.startswith("ct-") or "moe" in name:
            continue
        command = ["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors"]
        for key, value in (("path", f"{MODELS}/quant/{name}"), ("base", f"{MODELS}/quant/ct-base-bf16")):
            command += ["-cmd", shell.parameter(key, value)]
        with open("sql/quantized.sql", encoding="utf-8") as file:
            text = file.read() + ".mode list\n.headers off\n.print ===\nSELECT json_group_object(weight, rel_l2) FROM quantized_errors;\n"
        done = subprocess.run([*command, ":memory:"], input=text, capture_output=True, text=True, check=False)
        got = json.loads(done.stdout.rpartition("===\n")[2].splitlines()[-1]) if done.returncode == 0 else {}
        # what tools dequantize to is rounded to BF16
        tally.check(got.keys() >= errors.keys() and all(abs(got[weight] - error) < 2e-3 + 5e-3 * error for weight, error in errors.items()),
                    f"{name}: errors", got, errors, done.stderr)


tally.run(globals(), ROOT)
