"""sql/health.sql, on models made here, whose output was worked out by hand."""

import functools
import json
import math
import os
import struct
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
shows = functools.partial(shell.shows, tally, ROOT)


def f32(*values, shape=None):
    return "F32", [len(values)] if shape is None else shape, struct.pack(f"<{len(values)}f", *values)


def says(sentence, expected, **parameters):
    """What is printed before a verdict that is no."""
    code, out, error = shell.script("health", **parameters)
    tally.check(code == 1 and error.count("\n") == 1 and f"{sentence} (19)\n" in error, f"sql/health.sql of {parameters}: {sentence}", code, error)
    lines = [line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()]
    tally.equal("\n".join(lines).strip(), expected.strip(), f"sql/health.sql of {parameters}")
    tally.check(all(shell.is_narrow(line) for line in lines if not line.startswith("safetensors: ")), "it is narrow enough", out)


def tables(code, **parameters):
    """The tables, as JSON."""
    got, out, error = shell.script("health", format="json", **parameters)
    tally.check(got == code and error.count("\n") == code, f"sql/health.sql of {parameters} as JSON", got, error)
    return json.loads(out)


# Of layer 1: 16 + 16 + 4 * 0.25 = 33, over 8 elements. Kinds a and b have three tensors each; the median of a is 1, of b
# 0.5, and 8 is 16 times that. The longest bar is that of layer 0, whose rms is 5.701; of layer 1 it is 2.5 tenths of it.
SICK = making.file(f"{ROOT}/sick.safetensors", {
    "embed_with_a_name_that_is_longer_than_the_column_of_names": f32(math.nan, math.inf, -math.inf, 3),
    "layers.0.a": f32(1, -1, 1, -1), "layers.0.b": f32(8, -8, 8, -8),
    "layers.1.a": f32(2, 2, 2, -4 + 2), "layers.1.b": f32(0.5, -0.5, 0.5, -0.5),
    "layers.2.a": f32(0, 0, 0, 0), "layers.2.b": f32(0.5, 0.5, 0.5, 0.5), "one": f32(7), "none": f32()})


def test_sick():
    says("a tensor has NaN or infinities", """
1 of 9 tensors has 1 NaN and 2 Inf.
1 tensor is all zero, 1 is all the same; 2 norms stand out.

== NaN and infinities
     nan       inf    share  rows x columns  first_nan  first_inf  tensor
--------  --------  -------  --------------  ---------  ---------  ---------------------------------------------------------
       1         2   75.00%  -               [0]        [1]        embed_with_a_name_that_is_longer_than_the_column_of_names

== All zero, or all the same
     value  dtype  shape  tensor
----------  -----  -----  ----------
         0  F32    [4]    layers.2.a
       0.5  F32    [4]    layers.2.b

== Norms that stand out
      rms     median  among     times  tensor
---------  ---------  -----  --------  ----------
        0          1      3         0  layers.2.a
        8        0.5      3        16  layers.0.b

== Norms by layer
tensors         l2        rms    abs_max   zeros  relative    layer
-------  ---------  ---------  ---------  ------  ----------  --------
      3      7.616      5.385          7    0.0%  NaN or Inf  -
      2      16.12      5.701          8    0.0%  ##########  layers.0
      2      4.123      1.458          2    0.0%  ##          layers.1
      2          1     0.3536        0.5   50.0%              layers.2
""", path=SICK)


def test_well():
    shows("health", """
All 2 tensors are finite.
No tensor is all zero or all the same, and no norm stands out.

== Norms by layer
tensors         l2        rms    abs_max   zeros  relative    layer
-------  ---------  ---------  ---------  ------  ----------  --------
      1          5      3.536          4    0.0%  ##########  -
      1          2          1          1    0.0%  ##########  layers.7
""", path=making.file(f"{ROOT}/well.safetensors", {"w": f32(3, 4), "layers.7.w": f32(1, -1, 1, -1)}))


def test_nothing():
    code, out, error = shell.script("health", path=making.file(f"{ROOT}/nothing.safetensors", {}))
    tally.check((code, out, error.count("\n")) == (1, "", 1) and ":path has a model with tensors" in error, "no tensor is a failure", code, out, error)


def test_places():
    """The first NaN and the first infinity are found wherever they are, and named with their layers."""
    chance = [0, 1, 4095, 4096, 4097, 12287, 12288, 99998, 99999]
    model, first, spread = {}, {}, {}
    for i, at in enumerate(chance):
        values = [1.0] * 100_000
        values[at] = math.nan
        if at < 99_990:
            values[at + 5], values[99_999] = -math.inf, math.nan
        name = f"model.layers.{i}.w" if i < 5 else f"visual.blocks.{2 * i}.w"
        model[name] = f32(*values, shape=[100, 1000])
        places = {at, 99_999 if at < 99_990 else at, at + 5 if at < 99_990 else at}
        spread[name] = len({place // 1000 for place in places}), len({place % 1000 for place in places})
        first[name] = [[at // 1000, at % 1000], [(at + 5) // 1000, (at + 5) % 1000] if at < 99_990 else None]
    path = making.file(f"{ROOT}/places.safetensors", model)
    found = tables(1, path=path)
    got = {row["name"]: [row["first_nan"] and json.loads(row["first_nan"]), row["first_inf"] and json.loads(row["first_inf"])] for row in found["health"]}
    tally.equal(got, first, "the first of each")
    tally.equal({row["name"]: (row["bad_rows"], row["bad_columns"]) for row in found["health"]}, spread, "rows and columns")
    tally.equal(found["health_models"][0]["layers"], "model.layers 0-4; visual.blocks 4 layers", "the layers, by their numbering")
    code, out, _ = shell.script("health", path=path)
    tally.check(out.startswith("9 of 9 tensors have 16 NaN and 7 Inf, in model.layers 0-4; visual.blocks 4 layers.\n"), "in words", code, out)


def test_complex():
    found = tables(1, path=making.file(f"{ROOT}/complex.safetensors", {"c": ("C64", [2, 2], struct.pack("<8f", 1, 2, 3, 4, 5, math.nan, 6, 7))}))
    tally.equal([(row["n_nan"], row["first_nan"], row["first_inf"]) for row in found["health"]], [(1, "[1,0]", None)], "complex numbers")


def test_packed():
    """Packed weights are what they stand for; the part that has a NaN is named."""
    one, nan = 0x38, 0x7F
    model = {}
    for i in range(4):
        model[f"layers.{i}.w.weight"] = "F8_E4M3", [2, 2], bytes((one, one, nan if i == 1 else one, one + 8))
        model[f"layers.{i}.w.weight_scale"] = f32(math.nan if i == 2 else 100 if i == 3 else 1)
    found = tables(1, path=making.file(f"{ROOT}/packed.safetensors", model))
    # 1 1 1 2 is sqrt(7 / 4), without a 1 sqrt(2), which is the median of three; of a NaN as scale there is nothing but NaN
    bad = {row["name"]: (row["n_nan"], row["first_nan"], row["part"]) for row in found["health"] if row["n_nan"]}
    tally.equal(bad, {"layers.1.w.weight": (1, "[1,0]", "layers.1.w.weight"), "layers.2.w.weight": (4, "[0,0]", "layers.2.w.weight_scale")}, "the parts")
    tally.equal([(row["name"], round(row["times"], 6)) for row in found["health_extremes"]],
                [("layers.3.w.weight", round(100 * math.sqrt(7 / 4) / math.sqrt(2), 6))], "norms of what codes stand for")
    tally.equal([row["message"] for row in found["health_findings"] if row["rule"] == "finite"],
                ["1 NaN, the first at [1,0]; in 1 row and 1 column of layers.1.w.weight",
                 "4 NaN, the first at [0,0]; in 2 rows and 2 columns of layers.2.w.weight"], "the findings")


def test_integers():
    """Codes, indexes and masks have no norms, and are not constant weights."""
    found = tables(0, path=making.file(f"{ROOT}/integers.safetensors", {
        "a.position_ids": ("I64", [2], bytes(16)), "mask": ("BOOL", [4], b"\1" * 4), "w": f32(1, 2)}))
    model = found["health_models"][0]
    tally.equal((model["tensors"], model["zero"], model["constant"]), (3, 0, 0), "none is constant")
    tally.equal([(row["layer"], row["tensors"]) for row in found["health_layers"]], [(None, 1)], "norms")


def test_many():
    """Each model for itself, the worst first; a bad file is a row."""
    folder = f"{ROOT}/many"
    for i in range(4):
        making.file(f"{folder}/{'abcd'[i]}/model.safetensors", {"layers.0.w": f32(1, math.nan if i == 2 else 2), "v": f32(0, 0)})
    with open(f"{folder}/cut.safetensors", "wb") as file:
        file.write(b"1234567")
    says("a tensor has NaN or infinities", """
1 of 5 models has NaN or infinities: 1 NaN, 0 Inf in 1 tensor.
error: 1 of 5 models cannot be read, or not whole.
4 tensors are all zero, 0 are all the same; 0 norms stand out.
5 models in 5 folders were looked at.

== Models
   nan     inf   zero  constant  norm  tensors  status   model
------  ------  -----  --------  ----  -------  -------  ----------------------
     1       0      1         0     0        2  ok       ...c/model.safetensors
     -       -      -         -     -        -  invalid  ...cut.safetensors
     0       0      1         0     0        2  ok       ...a/model.safetensors
     0       0      1         0     0        2  ok       ...b/model.safetensors
     0       0      1         0     0        2  ok       ...d/model.safetensors

== Cannot be read
...cut.safetensors:
  expected at least 8 bytes, found 7: too small for a header

== NaN and infinities
     nan       inf    share  rows x columns  first_nan  first_inf  tensor
--------  --------  -------  --------------  ---------  ---------  ---------------------------------
       1         0   50.00%  -               [1]        -          ...c/model.safetensors#layers.0.w

== All zero, or all the same
     value  dtype  shape  tensor
----------  -----  -----  ------------------------
         0  F32    [2]    ...a/model.safetensors#v
         0  F32    [2]    ...b/model.safetensors#v
         0  F32    [2]    ...c/model.safetensors#v
         0  F32    [2]    ...d/model.safetensors#v
""", path=folder)
    os.remove(f"{folder}/c/model.safetensors")
    code, out, error = shell.script("health", path=folder)
    tally.check(code == 1 and "a model cannot be read, or is not whole" in error, "a bad file is a verdict", code, out, error)
    code, out, error = shell.script("health", path=f"{folder}/cut.safetensors")
    tally.check((code, out, error.count("\n")) == (1, "", 1) and "too small for a header" in error, "alone it is an error", code, out, error)


def test_findings():
    """JUnit and SARIF name the tensor; a model without findings is a test that passes."""
    tally.equal([row["message"] for row in tables(1, path=SICK)["health_findings"] if row["rule"] == "finite"],
                ["1 NaN, the first at [0]; 2 Inf, the first at [1]"], "the message")
    code, out, _ = shell.script("health", path=SICK, format="junit")
    tally.check(code == 1 and "embed_with_a_name" in out and "<failure" in out, "JUnit", code, out)
    code, out, _ = shell.script("health", path=SICK, format="sarif")
    results = json.loads(out)["runs"][0]["results"]
    tally.check(code == 1 and any(r["ruleId"] == "finite" and r["level"] == "error" for r in results), "SARIF", code, out)


tally.run(globals(), ROOT)
