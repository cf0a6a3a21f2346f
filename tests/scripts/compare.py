"""sql/compare.sql, on models made here: what it prints was worked out by hand."""

import functools
import math
import re
import struct
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
shows = functools.partial(shell.shows, tally, ROOT)


def test_compare():
    one = b"\0\0\x80\x3f"
    base = {"embed": b"\1\2\3\4", "layers.0.w": b"\5\5", "layers.1.w": b"\6\6", "layers.2.w": b"\3\4",
            "head": b"\7\7", "norm": ("F32", [1], one), "x": b"\0\0"}
    # layers.2.w moves by 3, and its norm was 5
    tune = {"embed": b"\1\2\3\4", "layers.0.w": b"\5\5", "layers.1.w": b"\6\6", "layers.2.w": b"\0\4",
            "norm": ("BF16", [1], one[2:]), "x": ("U8", [1, 2], b"\0\0"), "new": b"\1\1"}
    a, b = (making.file(f"{ROOT}/compare/{name}.safetensors", tensors) for name, tensors in (("a", base), ("b", tune)))
    shows("compare", """
== Verdict
warning: 1 tensor has another shape.
warning: 1 tensor of a is not in b.
1 of 5 tensors that can be compared has other values, 1 has another dtype.
1 tensor is only in b.
No NaN and no infinity is new in b.

== Tensors by status
status    tensors  parameters    differ
--------  -------  ----------  --------
same      3                 8         0
changed   1                 2         1
only_a    1                 2         -
only_b    1                 2         -
reshaped  1                 2         -
retyped   1                 1         0

== By layer
layer  tensors  not_same   share  values_differ  rel_l2
-----  -------  --------  ------  -------------  ------
-      5        4          80.0%    0.0%         0
0      1        0           0.0%    0.0%         0
1      1        0           0.0%    0.0%         0
2      1        1         100.0%   50.0%         0.6

== Twenty most changed tensors
name        differ  max  rel_l2  cosine
----------  ------  ---  ------  --------
layers.2.w   50.0%  3    0.6     0.800000

== In one only, retyped or reshaped
name  status    what
----  --------  -----------
x     reshaped  [2] > [1,2]
head  only_a    U8 [2]
new   only_b    U8 [2]
norm  retyped   F32 > BF16

== Untouched groups
untouched      tensors  parameters
-------------  -------  ----------
layers.0 to 1  2                 4
embed          1                 4
""", a=a, b=b)
    # with itself, and without tensors
    shows("compare", """
== Verdict
All tensors are the same, byte for byte.
No NaN and no infinity is new in b.

== Tensors by status
status  tensors  parameters    differ
------  -------  ----------  --------
same    7                15         0

== By layer
layer  tensors  not_same   share  values_differ  rel_l2
-----  -------  --------  ------  -------------  ------
-      4        0           0.0%    0.0%         0
0      1        0           0.0%    0.0%         0
1      1        0           0.0%    0.0%         0
2      1        0           0.0%    0.0%         0

== Twenty most changed tensors
None: what both have, with one shape, has the same values.

== In one only, retyped or reshaped
None.

== Untouched groups
untouched      tensors  parameters
-------------  -------  ----------
layers.0 to 2  3                 6
embed          1                 4
head           1                 2
norm           1                 1
x              1                 2
""", a=a, b=a)
    nothing = making.file(f"{ROOT}/compare/nothing.safetensors", {})
    shows("compare", """
== Verdict
Neither has a tensor.

== Tensors by status
None: neither has a tensor.

== By layer
None.

== Twenty most changed tensors
None: what both have, with one shape, has the same values.

== In one only, retyped or reshaped
None.

== Untouched groups
None.
""", a=nothing, b=nothing)


def test_compare_names():
    """A prefix, names that moved, an adapter, and a third checkpoint; long names in 80 columns."""
    base = {f"model.layers.{i}.a_module_with_quite_a_long_name.and_another_one.weight": bytes([i, 1]) for i in range(25)}
    base["model.w.weight"] = "F32", [2, 3], bytes(24)
    tune = {name: bytes([byte ^ 1 for byte in value]) if isinstance(value, bytes) else value for name, value in base.items()}
    a = making.file(f"{ROOT}/names/a.safetensors", base)
    prefixed = making.file(f"{ROOT}/names/prefixed.safetensors", {f"inner.{name}": value for name, value in tune.items()})
    moved = making.file(f"{ROOT}/names/moved.safetensors", {name.replace("layers", "h"): value for name, value in base.items()})
    adapter = making.file(f"{ROOT}/names/adapter.safetensors", {
        "base_model.model.model.w.lora_A.weight": ("F32", [8, 3], bytes(96)),
        "base_model.model.model.w.lora_B.weight": ("F32", [2, 8], bytes(64))})

    def printed(**parameters):
        code, out, error = shell.script("compare", a=a, **parameters)
        tally.equal((code, error), (0, ""), f"sql/compare.sql runs with {parameters}")
        lines = [line.rstrip() for line in out.splitlines()]
        tally.check(all(len(line) <= shell.WIDTH for line in lines), "sql/compare.sql is narrow enough", out)
        return lines

    def section(lines, title):
        rest = lines[lines.index(f"== {title}") + 1:]
        return rest[:rest.index("")] if "" in rest else rest

    lines = printed(b=prefixed, prefix_a="model.", prefix_b="inner.model.")
    tally.equal([line.split() for line in section(lines, "Tensors by status")[2:]],
                [["changed", "25", "50", "50"], ["same", "1", "6", "0"]], "a prefix")
    tally.equal(section(lines, "Twenty most changed tensors")[-1], "and 5 more", "more than twenty")
    tally.check("== Renamed" not in lines, "nothing is renamed")
    bare = making.file(f"{ROOT}/bare.safetensors", {"w": f32(1, 2), "v": f32(3)})
    wrapped = making.file(f"{ROOT}/wrapped.safetensors", {"module.w": f32(1, 4), "module.v": f32(3)})
    for names, parameters in (((bare, wrapped), {"prefix_b": "module."}), ((wrapped, bare), {"prefix_a": "module."})):
        code, out, error = shell.script("compare", a=names[0], b=names[1], **parameters)
        tally.check(code == 0 and "\n1 of 2 tensors that can be compared has other values.\n" in out, f"one prefix: {parameters}", out, error)
    lines = section(printed(b=moved), "Renamed")
    tally.equal((len(lines), lines[-1]), (23, "and 5 more"), "moved tensors")
    tally.equal(lines[2].split(), ["model.layers.0.a_module...r_one.weight", "model.h.0.a_module_w...ther_one.weight"], "a moved tensor")
    lines = printed(b=adapter, c=prefixed)
    tally.equal(section(lines, "Weights of a that the LoRA adapter b changes")[2:], ["model.w.weight  1        8      yes"], "an adapter")
    tally.equal([line.split() for line in section(lines, "Three ways: b and c, each compared with a")[2:]],
                [["-", "only_b", "26"], ["only_a", "only_a", "26"], ["only_b", "-", "2"]], "three ways")


def section(text, title):
    """The lines of a section, or [] where it is not printed."""
    lines = [line.rstrip() for line in text.splitlines()]
    if f"== {title}" not in lines:
        return []
    rest = lines[lines.index(f"== {title}") + 1:]
    return rest[:rest.index("")] if "" in rest else rest


def compared(a, b, **parameters):
    code, out, error = shell.script("compare", a=a, b=b, **parameters)
    tally.equal((code, error), (0, ""), "sql/compare.sql runs")
    tally.check(all(len(line.rstrip()) <= shell.WIDTH for line in out.splitlines()), "sql/compare.sql is narrow enough", out)
    return out


def f32(*values):
    return "F32", [len(values)], struct.pack(f"<{len(values)}f", *values)


def test_new_nan():
    """What is not finite in b, and was finite in a, is an error above all else, and in no distance."""
    nan, inf = math.nan, math.inf
    both = {f"layers.{i}.w": f32(i, 1) for i in range(40)}
    tune = {f"layers.{i}.w": f32(i, 2 + i) for i in range(40)}
    a = making.file(f"{ROOT}/nan/a.safetensors", both | {
        "one": f32(1, 2, 3, 4), "old": f32(nan, inf, 1, 1), "moved": f32(inf, 1, 1, -inf), "gone": f32(nan, inf, 1, 1),
        "grown": f32(1, 1), "wide": f32(1, 1e30)})
    b = making.file(f"{ROOT}/nan/b.safetensors", tune | {
        "one": f32(1, nan, 3, inf), "old": f32(nan, inf, 1, 2), "moved": f32(1, inf, 1, -inf), "gone": f32(1, 1, 1, 1),
        "grown": f32(1, 1, nan), "wide": ("F16", [2], struct.pack("<2e", 1, inf)), "new": f32(nan, nan, -inf)})
    out = compared(a, b)
    # one: a NaN and an infinity; moved: one of two infinities has another place; grown and new by themselves
    tally.equal(section(out, "Verdict")[:2], [
        "error: 5 tensors of b have NaN or infinities where a has none: 4 NaN,", "  4 infinite."], "the verdict")
    tally.check("warning: 1 tensor of a has NaN where b has numbers: left out of distances." in section(out, "Verdict"),
                "a NaN that is gone", out)
    tally.equal(section(out, "New NaN and infinities"), [
        "name   dtype  nan  inf   share", "-----  -----  ---  ---  ------", "new    F32    2    1    100.0%",
        "one    F32    1    1     50.0%", "moved  F32    0    1     25.0%", "grown  F32    1    0     33.3%",
        "wide   F16    0    1     50.0%"], "new NaN and infinities")
    tally.check(out.index("== New NaN") < out.index("== Tensors by status"), "they come first", out)
    changed = [line.split() for line in section(out, "Twenty most changed tensors")[2:5]]
    tally.equal([changed[0][0], changed[0][2:]], ["one", ["NaN", "NaN", "NaN"]], "a NaN is not a distance of 0")
    tally.equal(sorted(row[0] for row in changed), ["moved", "one", "wide"], "and stands first among what changed")
    tally.check(["-", "7", "7", "100.0%", "44.4%", "not", "finite"] in [line.split() for line in section(out, "By layer")], "by layer", out)
    # more than are shown
    a = making.file(f"{ROOT}/nan/many_a.safetensors", {f"t{i:02}": f32(1) for i in range(25)})
    b = making.file(f"{ROOT}/nan/many_b.safetensors", {f"t{i:02}": f32(nan) for i in range(25)})
    out = compared(a, b)
    tally.equal(section(out, "New NaN and infinities")[-1], "and 5 more, with 5 NaN and 0 infinities", "more than twenty")
    # under another prefix, and in a tensor that has its old infinities in the same places
    a = making.file(f"{ROOT}/nan/prefix_a.safetensors", {"x.w": f32(1, inf), "x.v": f32(inf, 1)})
    b = making.file(f"{ROOT}/nan/prefix_b.safetensors", {"y.w": f32(nan, inf), "y.v": f32(inf, 2)})
    out = compared(a, b, prefix_a="x.", prefix_b="y.")
    tally.equal([line.split() for line in section(out, "New NaN and infinities")[2:]], [["x.w", "F32", "1", "0", "50.0%"]], "under a prefix")
    tally.check("No NaN and no infinity is new in b." in compared(a, a), "what a has is not new")


def test_compare_codes():
    """Packed weights that cannot be unpacked are codes: no distance is reported between them, or between them and weights."""
    def quantized(seed, words):
        code = bytes((i * seed) % 251 for i in range(64))
        scale = struct.pack("<4f", 1, 1, 1, seed)
        return {"m.layers.0.q.qweight": ("I32", [4, 4], code), "m.layers.0.q.scales": ("F32", [4], scale),
                "m.layers.1.bnb.weight": ("U8", [64, 1], code), "m.layers.1.bnb.weight.absmax": ("F32", [1], scale[-4:]),
                "m.layers.2.fp8.weight": ("F8_E4M3", [8, 8], code), "m.layers.2.fp8.weight_scale_inv": ("F32", [3, 3], scale[-4:] * 9),
                "m.layers.3.hqq.W_q": ("U8", [8, 8], code), "m.layers.3.hqq.scale": ("F32", [1, 1], scale[-4:]),
                "m.layers.4.quanto.weight._data._data": ("U8", [8, 8], code), "m.layers.4.quanto.weight._scale": ("F32", [1, 1], scale[-4:]),
                "m.layers.5.cast.weight": ("F8_E4M3", [2], words), "m.layers.5.attn.weight": ("F8_E4M3", [2], words),
                "m.layers.5.attn.k_scale": ("F32", [], scale[-4:])}

    a = making.file(f"{ROOT}/codes/a.safetensors", quantized(3, b"\x38\x38"))  # twice 1 in E4M3
    b = making.file(f"{ROOT}/codes/b.safetensors", quantized(5, b"\x38\x40"))  # 1 and 2
    out = compared(a, b)
    packed = section(out, "Packed, not compared as numbers")[2:]
    tally.equal(sorted((row.split()[0], row.split("  ")[-1].strip()) for row in packed), [
        ("m.layers.0.q.qweight", "codes differ"), ("m.layers.1.bnb.weight", "codes differ"),
        ("m.layers.2.fp8.weight", "codes differ"), ("m.layers.3.hqq.W_q", "codes differ"),
        ("m.layers.4.quanto.weight._data._data", "codes differ")], "codes with codes")
    named = {line.split()[0] for line in section(out, "Twenty most changed tensors")[2:]}
    # without a scale of its own F8 is plain numbers; scales are numbers, too
    tally.check({"m.layers.5.cast.weight", "m.layers.5.attn.weight", "m.layers.0.q.scales"} <= named, "what is numbers", out)
    tally.check(not named & {row.split()[0] for row in packed}, "codes have no distance", out)
    layers = {line.split()[0]: line.split()[-1] for line in section(out, "By layer")[2:]}
    tally.equal([layers[str(i)] for i in range(6)], ["codes"] * 5 + ["0.679"], "by layer")  # of 1, 1, 1, 1 and 3, by 1, 1 and 2: sqrt(6 / 13)
    tally.check("warning: 5 tensors are packed codes: other bytes, but not compared as numbers." in section(out, "Verdict"), "the verdict", out)
    # values before, codes afterwards: under the same name, and under another
    plain = making.file(f"{ROOT}/codes/plain.safetensors", {
        "m.layers.2.fp8.weight": ("BF16", [8, 8], bytes(128)), "m.layers.0.q.weight": ("BF16", [8, 4], bytes(64)),
        "m.layers.1.bnb.weight": ("BF16", [8, 16], bytes(256))})
    out = compared(plain, b)
    tally.equal(sorted((row.split()[0], row.split("  ")[-1].strip()) for row in section(out, "Packed, not compared as numbers")[2:]),
                [("m.layers.1.bnb.weight", "values in a, codes in b"), ("m.layers.2.fp8.weight", "values in a, codes in b")],
                "values with codes")
    tally.check("warning: 1 weight of a is packed in b: not compared." in section(out, "Verdict"), "a weight that is packed", out)
    tally.check(section(out, "Twenty most changed tensors")[0].startswith("None: of what is compared as numbers"), "no distance", out)


def test_compare_packed():
    """A packed weight is compared with its counterpart by what both stand for: one row, and none for its parts."""
    one, two, four = 0x38, 0x40, 0x48  # in E4M3
    name = "m.layers.{}.w.weight"

    def fp8(codes, scale, **others):
        return {name.format(0): ("F8_E4M3", [2, 2], bytes(codes)), name.format(0) + "_scale": ("F32", [1], struct.pack("<f", scale)), **others}

    def i8(*values):
        return {name.format(1): ("I8", [1, 2], struct.pack("<2b", *values)), name.format(1) + "_scale": ("F32", [1], struct.pack("<f", 0.5))}

    plain = {name.format(0): ("F32", [2, 2], struct.pack("<4f", 1, 2, 2, 4)), name.format(1): ("F32", [1, 2], struct.pack("<2f", 3, 4)),
             "norm": f32(1)}
    a = making.file(f"{ROOT}/packed/plain.safetensors", plain)
    # 1 2 2 4 and 3 2: one of 6 differs, by 2; of squares that are 25 and 25 in a
    b = making.file(f"{ROOT}/packed/packed.safetensors", {**fp8([one, two, two, four], 1), **i8(6, 4), "norm": f32(1)})
    for first, second, side, dtypes in ((a, b, "b", "F32 > int8"), (b, a, "a", "int8 > F32")):
        out = compared(first, second)
        tally.equal(section(out, "Verdict"), [
            f"2 weights are packed in {side} (fp8,int8), and compared dequantized: rel_l2 {'0.283' if side == 'b' else '0.324'}.",
            "1 of 3 tensors that can be compared has other values, 2 have another dtype.", "No NaN and no infinity is new in b."], "the verdict")
        tally.equal([line.split()[:3] for line in section(out, "Twenty most changed tensors")[2:]], [["m.layers.1.w.weight", "50.0%", "2"]], "what differs")
        tally.equal([re.split("  +", line) for line in section(out, "In one only, retyped or reshaped")[2:]],
                    [["m.layers.0.w.weight", "retyped", dtypes.replace("int8", "fp8")], ["m.layers.1.w.weight", "retyped", dtypes]], "no rows of parts")
    # packed alike: the same by bytes; by numbers alone; not the same. 2 2 2 4 for 1 2 2 4
    for codes, scale, said, status in (([one, two, two, four], 1, "All tensors are the same, byte for byte.", "same"),
                                       ([0x30, one, one, two], 2, "0 of 2 tensors that can be compared have other values.", "changed"),
                                       ([two, two, two, four], 1, "1 of 2 tensors that can be compared has other values.", "changed")):
        a = making.file(f"{ROOT}/packed/a.safetensors", fp8([one, two, two, four], 1, norm=f32(1)))
        b = making.file(f"{ROOT}/packed/b.safetensors", fp8(codes, scale, norm=f32(1)))
        out = compared(a, b)
        tally.check(said in section(out, "Verdict"), said, out)
        tally.equal(len(section(out, "Tensors by status")), 3 if status == "same" else 4, f"by status: {status}")
    # under a prefix, and with a NaN that is new
    b = making.file(f"{ROOT}/packed/b.safetensors", {f"p.{key}": value for key, value in fp8([one, two, 0x7F, four], 1).items()})
    out = compared(a, b, prefix_b="p.")
    tally.equal(section(out, "Verdict")[0], "error: 1 tensor of b has NaN or infinities where a has none: 1 NaN,", "a NaN as packed")
    tally.check(section(out, "New NaN and infinities")[2].split() == ["m.layers.0.w.weight", "fp8", "1", "0", "25.0%"], "where it is", out)
    tally.check("1 weight is packed in both (fp8), and compared dequantized: rel_l2 NaN." in section(out, "Verdict"), "no distance", out)


def test_labels():
    """Names that are cut keep the layer and expert, so that rows can be distinguished."""
    names = [f"model.language_model.layers.{layer}.mlp.a_block_of_experts.{expert}.{part}_proj.weight"
             for layer in (3, 27) for expert in (1, 127) for part in ("gate", "down")]
    names += [f"model.language_model.layers.{layer}.{norm}_feedforward_layernorm.weight" for layer in (3, 27) for norm in ("pre", "post")]
    names += [f"lora_unet_down_blocks_{block}_attentions_0_transformer_blocks_{part}_attn1_to_q.lora_down.weight"
              for block in (1, 2) for part in (4, 5)]
    a = making.file(f"{ROOT}/labels/a.safetensors", {name: b"\1" for name in names})
    b = making.file(f"{ROOT}/labels/b.safetensors", {name: b"\2" for name in names})
    shown = [line.split()[0] for line in section(compared(a, b), "Twenty most changed tensors")[2:]]
    tally.equal(len(set(shown)), len(names), f"labels {shown}")
    for name, label in zip(names, shown):
        numbers = [part for part in re.split("[._]", name) if part.isdigit()]
        tally.check(numbers[0] in re.split("[._]", label) and numbers[-1] in re.split("[._]", label), f"numbers of {name}", label)


def test_missing():
    """A missing path ends it with one sentence and nothing else, whichever it is."""
    a = making.file(f"{ROOT}/missing/a.safetensors", {"x": b"1"})
    for parameters in ({"a": a}, {"b": a}, {"a": a, "b": "/none"}, {"a": "/none", "b": a}, {"a": a, "b": a, "c": "/none"}):
        code, out, error = shell.script("compare", **parameters)
        tally.equal((code, out, error.count("\n")), (1, "", 1), f"sql/compare.sql with {list(parameters)}: {error}")


tally.run(globals(), ROOT)
