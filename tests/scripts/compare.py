"""sql/compare.sql, on models made here: what it prints was worked out by hand.

Covers little: of all lines, others reach nearly as many.
"""

import collections
import csv
import io
import json
import math
import random
import struct
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")


def printed(a, b, code=0, **parameters):
    status, out, error = shell.script("compare", a=a, b=b, **parameters)
    tally.equal((status, error), (code, "" if code == 0 else error), f"sql/compare.sql runs with {parameters}")
    tally.check(all(shell.is_narrow(line.rstrip()) for line in out.splitlines()[1:]), "all but the verdict is narrow enough", out)
    return out


def tables(a, b, code=0, **parameters):
    """What a machine reads: the tables by name, with the verdict as `said` and the tensors by name as `by_name`."""
    status, out, error = shell.script("compare", a=a, b=b, format="json", **parameters)
    tally.equal((status, error.count("\n")), (code, code), f"sql/compare.sql runs with {parameters}: {error}")
    found = json.loads(out)
    found["said"] = found["comparison"][0]["verdict"]
    found["kind"] = found["comparison"][0]["kind"]
    found["by_name"] = {row["name"]: row for row in found["compared"]}
    return found


def section(text, title):
    """The lines of a section, or [] where it is not printed."""
    lines = [line.rstrip() for line in text.splitlines()]
    if f"== {title}" not in lines:
        return []
    rest = lines[lines.index(f"== {title}") + 1:]
    return rest[:rest.index("")] if "" in rest else rest


def f32(*values, shape=None):
    return "F32", shape or [len(values)], struct.pack(f"<{len(values)}f", *values)


def bf16(values, shape):
    """Rounded to nearest, ties to even."""
    words = struct.unpack(f"<{len(values)}I", struct.pack(f"<{len(values)}f", *values))
    return "BF16", shape, struct.pack(f"<{len(values)}H", *((word + 0x7FFF + (word >> 16 & 1)) >> 16 for word in words))


def test_compare():
    one = b"\0\0\x80\x3f"
    base = {"embed": b"\1\2\3\4", "layers.0.w": b"\5\5", "layers.1.w": b"\6\6", "layers.2.w": b"\3\4",
            "head": b"\7\7", "norm": ("F32", [1], one), "x": b"\0\0"}
    # layers.2.w moves by 3, and its norm was 5
    tune = {"embed": b"\1\2\3\4", "layers.0.w": b"\5\5", "layers.1.w": b"\6\6", "layers.2.w": b"\0\4",
            "norm": ("BF16", [1], one[2:]), "x": ("U8", [1, 2], b"\0\0"), "new": b"\1\1"}
    a, b = (making.file(f"{ROOT}/compare/{name}.safetensors", tensors) for name, tensors in (("a", base), ("b", tune)))
    tally.equal("\n".join(line.rstrip() for line in printed(a, b).splitlines()), """
Fine-tune: layer 2 changed, by 0.6 of their norm, 1 reshaped, 1 retyped, 1 only in a, 1 only in b.
6 of 7 tensors were compared as numbers; no NaN and no infinity is new in b.

== Other shapes, names and dtypes
status    what                            name
--------  ------------------------------  ----
reshaped  [2] > [1,2]                     x
only_a    U8 [2]                          head
only_b    U8 [2]                          new
retyped   F32 > BF16                      norm

== Layers that changed
tensors  changed  differ     rel_l2   share  not compared  layer
-------  -------  ------  ---------  ------  ------------  -----
      1        1   50.0%        0.6  100.0%                layers.2

== Most changed tensors
 differ       max    rel_l2     cosine  not finite  name
-------  --------  --------  ---------  ----------  ----
  50.0%         3       0.6   0.800000              layers.2.w

== Untouched
tensors  parameters  untouched
-------  ----------  ---------
      2           4  layers.0-1
      1           4  embed
      1           1  norm
""".strip(), "what is printed")
    tally.equal(printed(a, a), "Identical: all 7 tensors are the same, byte for byte.\n"
                "7 of 7 tensors were compared as numbers; no NaN and no infinity is new in b.\n", "with itself")


def test_kinds():
    """The verdict's kinds, on models whose differences are made so."""
    chance = random.Random(5)
    values = lambda count, size=0.02: [chance.gauss(0, size) for _ in range(count)]  # noqa: E731
    shapes = {"embed_tokens.weight": [40, 32], **{f"layers.{i}.{k}.weight": [64, 32] for i in range(4) for k in ("q", "v")}}
    numbers = {name: values(rows * columns) for name, (rows, columns) in shapes.items()}
    rounded = {name: struct.unpack(f"<{len(row)}f", b"".join(b"\0\0" + bf16(row, [])[2][i:i + 2] for i in range(0, 2 * len(row), 2)))
               for name, row in numbers.items()}

    def write(name, content, make=bf16, prefix=""):
        return making.file(f"{ROOT}/kinds/{name}.safetensors", {prefix + key: make(row, shapes.get(key, [len(row)])) for key, row in content.items()})

    def wide(row, shape):
        return f32(*row, shape=shape)

    def moved(size, names):
        return {name: [x + y for x, y in zip(row, values(len(row), size))] if names in name else row for name, row in rounded.items()}

    def low(rank, decay=0):
        """As merging an adapter of this rank does it, and rounding then. With a decay the directions become smaller."""
        new = dict(rounded)
        for name, (rows, columns) in shapes.items():
            if "q" in name:
                up, down = values(rows * rank, 0.1), values(rank * columns, 0.1)
                new[name] = [x + sum(up[i // columns * rank + k] * down[k * columns + i % columns] / (k + 1) ** decay for k in range(rank))
                             for i, x in enumerate(rounded[name])]
        return new

    base = write("base", rounded)
    for what, b, kind, said in (
            ("the same under other names", write("named", rounded, prefix="model."), "identical", "9 renamed"),
            ("in F32", write("wide", rounded, wide), "retyped", "9 BF16 → F32"),
            ("every tensor", write("all", moved(0.001, "")), "continued", "all 4 layers changed, embed_tokens.weight changed"),
            ("some layers", write("some", moved(0.001, "s.2.")), "layers", "layer 2 changed, by "),
            ("two layers", write("two", {**moved(0.001, "s.2."), **{k: v for k, v in moved(0.001, "").items() if "s.3." in k}}), "layers", "layers 2-3 changed"),
            ("other weights", write("new", {name: values(len(row)) for name, row in rounded.items()}), "retrained", "unrelated weights"),
            ("a merged adapter", write("low", low(2)), "low-rank", "all 4 layers changed in q.weight, by"),
            ("a part", write("part", {k: v for k, v in rounded.items() if "s.1." in k}), "part", "b is a part of a: its 2 tensors are the same, 7 only in a"),
            ("another model", making.file(f"{ROOT}/kinds/other.safetensors", {"h.0.w": f32(1, 2), "h.1.w": f32(1, 3)}), "other", "Another model: 0 of 9"),
            ("an adapter", making.file(f"{ROOT}/kinds/adapter.safetensors", {
                f"base_model.model.layers.1.q.lora_{part}.weight": f32(*[1.0] * 8 * size, shape=shape)
                for part, size, shape in (("A", 32, [8, 32]), ("B", 64, [64, 8]))}), "adapter", "lora of rank 8 for 1 weight")):
        found = tables(base, b)
        tally.check(found["kind"] == kind and said in found["said"], what, found["said"])
    # rounding is known as such, in either direction, and what comes on top of it is not called that
    full = write("full", numbers, wide)
    found = tables(full, write("rounded", numbers))
    tally.check(found["kind"] == "retyped" and {row["rounded"] for row in found["compared"]} == {1}, "F32 to BF16", found["said"])
    tally.equal(tables(write("rounded", numbers), full)["kind"], "retyped", "BF16 to the F32 that it comes from")
    tally.equal(tables(full, write("trained", moved(0.0001, "")))["kind"], "continued", "trained in BF16")
    cut = {name: f32(*row)[2] for name, row in numbers.items()}
    cut = making.file(f"{ROOT}/kinds/cut.safetensors", {name: ("BF16", shapes[name], b"".join(words[i + 2:i + 4] for i in range(0, len(words), 4))) for name, words in cut.items()})
    tally.equal([tables(full, cut)["kind"], tables(cut, full)["kind"]], ["retyped", "retyped"], "the upper halves of F32")
    half = {name: ("F16", shapes[name], struct.pack(f"<{len(row)}e", *row)) for name, row in numbers.items()}
    half, bfloat = making.file(f"{ROOT}/kinds/half.safetensors", half), write("rounded", numbers)
    tally.equal([tables(half, bfloat)["kind"], tables(bfloat, half)["kind"]], ["retyped", "retyped"], "F16 and BF16 of the same numbers")
    # adapters are no fine-tunes
    lora = {f"base_model.model.layers.{i}.q.lora_{part}.weight": values(32 * 8) for i in range(3) for part in "AB"}
    a, b, c = (making.file(f"{ROOT}/kinds/lora_{name}.safetensors", {key: f32(*(x + y for x, y in zip(row, values(256, size))), shape=[8, 32] if "A" in key else [32, 8])
                                                                     for key, row in lora.items()}) for name, size in (("a", 0), ("b", 0.001), ("c", 1)))
    tally.equal([tables(a, b)["said"].split(":")[0], tables(a, c)["said"].split(":")[0]], ["Another version of the adapter", "Another adapter"], "adapters")
    # norms of ones in two models are no tensors that were renamed, but those of one model are
    ones = {f"n.{i}.norm": f32(1, 1) for i in range(3)}
    unrelated = making.file(f"{ROOT}/ones/b.safetensors", {**{f"o{i}": f32(1, 1) for i in range(3)}, "w": f32(1, 2)})
    tally.equal(tables(making.file(f"{ROOT}/ones/a.safetensors", {**ones, "w": f32(1, 2)}), unrelated)["comparison"][0]["paired"], 1, "ones in two models")
    # a rank that half of the rows have is low, and more is not said to be
    tally.equal([row["directions"] for row in tables(base, f"{ROOT}/kinds/low.safetensors")["compared_ranks"]], [2], "the directions")
    smaller = tables(write("wide_base", numbers, wide), write("smaller", {name: [x + y - z for x, y, z in zip(numbers[name], row, rounded[name])]
                                                                        for name, row in low(32, 1).items()}, wide))
    tally.check(smaller["kind"] == "layers" and [row["low"] for row in smaller["compared_ranks"]] == [0], "a change of full rank whose directions become smaller", smaller["said"])
    tally.equal([row["low"] for row in tables(base, f"{ROOT}/kinds/all.safetensors")["compared_ranks"]], [0, 0], "no low rank")
    # several numberings of layers
    two = {f"{stack}.{i}.w": f32(i, 1) for stack, n in (("model.layers", 4), ("visual.blocks", 3), ("mtp", 1)) for i in range(n)}
    a = making.file(f"{ROOT}/stacks/a.safetensors", two)
    b = making.file(f"{ROOT}/stacks/b.safetensors", {**two, "model.layers.3.w": f32(3, 2), "visual.blocks.0.w": f32(0, 2), "visual.blocks.2.w": f32(2, 2)})
    found = tables(a, b)
    tally.check("model.layers layer 3, visual.blocks layers 0, 2 changed" in found["said"], "several numberings", found["said"])
    tally.equal([(row["stack"], row["layer"], row["changed"]) for row in found["compared_layers"] if row["changed"]],
                [("model.layers.", 3, 1), ("visual.blocks.", 0, 1), ("visual.blocks.", 2, 1)], "their layers")
    tally.equal({row["untouched"] for row in found["untouched"]}, {"model.layers.0-2", "visual.blocks.1", "mtp.0"}, "what is untouched")
    tally.equal([round(row["share"], 6) for row in found["compared_layers"] if row["changed"]], [0.333333] * 3, "each has a third of the change")


def test_resized():
    """What is longer is compared as far as both go; the rows that are new, and those that changed, are listed."""
    rows = [[i, 1, 2, 3] for i in range(40)]
    grown = [list(row) for row in rows] + [[9, 9, 9, 9]] * 3
    for i in (5, 7, 8):
        grown[i][1] += 1
    flat = lambda rows: f32(*(x for row in rows for x in row), shape=[len(rows), 4])  # noqa: E731
    a = making.file(f"{ROOT}/resized/a.safetensors", {"embed_tokens.weight": flat(rows), "w": f32(1, 2, 3, 4), "turned": f32(*range(6), shape=[2, 3]),
                                                      "scalar": ("F32", [], f32(3)[2]), "none": ("F32", [0, 3], b"")})
    b = making.file(f"{ROOT}/resized/b.safetensors", {"embed_tokens.weight": flat(grown), "w": f32(1, 2, 3, 5, shape=[2, 2]), "turned": f32(*range(6), shape=[3, 2]),
                                                      "scalar": f32(3), "none": ("F32", [0, 3], b"")})
    found = tables(a, b)
    embed = found["by_name"]["embed_tokens.weight"]
    tally.equal((embed["status"], embed["n_diff"], embed["max_abs_diff"], round(embed["l2_diff"], 6)), ("resized", 3, 1, 1.732051), "the overlap")
    tally.equal([(row["first"], row["last"], row["status"]) for row in found["compared_rows"]], [(40, 42, "new"), (5, 5, "changed"), (7, 8, "changed")], "its rows")
    tally.check("embedding resized 40 → 43" in found["said"], "the verdict", found["said"])
    tally.equal({name: (found["by_name"][name]["status"], found["by_name"][name]["not_compared"], found["by_name"][name]["n_diff"])
                 for name in ("w", "turned", "scalar", "none")},
                {"w": ("reshaped", "the dimensions do not fit", None), "turned": ("reshaped", "the dimensions do not fit", None),
                 "scalar": ("reshaped", None, 0), "none": ("same", None, 0)}, "other shapes")
    tally.check("2 could not be compared" in found["said"], "which the verdict says", found["said"])
    tally.equal(section(printed(a, b), "Rows of embeddings"), ["embed_tokens.weight: 3 rows new: 40-42", "embed_tokens.weight: 3 rows changed: 5, 7-8"], "as text")
    tally.check("3 rows of embed_tokens.weight changed" in found["said"], "how many rows", found["said"])
    back = tables(b, a)
    tally.equal([(row["first"], row["last"], row["status"]) for row in back["compared_rows"]][0], (40, 42, "gone"), "the other way")
    # a NaN in a row that is new is new
    grown[41] = [math.nan, 1, 1, math.inf]
    found = tables(a, making.file(f"{ROOT}/resized/c.safetensors", {"embed_tokens.weight": flat(grown)}), code=1)
    tally.equal((found["comparison"][0]["new_nan"], found["comparison"][0]["new_inf"]), (1, 1), "a NaN in a new row")


def test_compare_names():
    """A prefix, given and found; names that moved; a third model."""
    base = {f"model.layers.{i}.a_module_with_quite_a_long_name.and_another_one.weight": bytes([i, 1]) for i in range(25)}
    base["model.w.weight"] = "F32", [2, 3], bytes(24)
    tune = {name: bytes([byte ^ 1 for byte in value]) if isinstance(value, bytes) else value for name, value in base.items()}
    a = making.file(f"{ROOT}/names/a.safetensors", base)
    prefixed = making.file(f"{ROOT}/names/prefixed.safetensors", {f"inner.{name}": value for name, value in tune.items()})
    moved = making.file(f"{ROOT}/names/moved.safetensors", {name.replace("layers", "h"): value for name, value in base.items()})
    for parameters in ({"prefix_a": "model.", "prefix_b": "inner.model."}, {"prefix_b": "inner."}, {}):
        found = tables(a, prefixed, **parameters)
        tally.equal(collections.Counter(row["status"] for row in found["compared"]), {"changed": 25, "same": 1}, f"a prefix: {parameters}")
        tally.check("26 renamed" in found["said"], "which the verdict says", found["said"])
    out = printed(a, prefixed)
    tally.equal((section(out, "Renamed"), section(out, "Most changed tensors")[-1]),
                (["26 tensors: * → inner.*"], "and 5 more"), "as text")
    out = printed(a, making.file(f"{ROOT}/names/less.safetensors", {name.replace("layers", "h"): value for name, value in list(base.items())[1:]}))
    tally.check(0 < out.find("== Renamed") < out.find("== Other shapes, names and dtypes"), "what was renamed stands before what is gone", out)
    bare = making.file(f"{ROOT}/bare.safetensors", {"w": f32(1, 2), "v": f32(3)})
    wrapped = making.file(f"{ROOT}/wrapped.safetensors", {"module.w": f32(1, 4), "module.v": f32(3)})
    for names, parameters in (((bare, wrapped), {"prefix_b": "module."}), ((wrapped, bare), {"prefix_a": "module."}), ((bare, wrapped), {})):
        found = tables(*names, **parameters)
        tally.equal([row["status"] for row in found["compared"]], ["changed", "same"], f"one prefix: {parameters}")
    found = tables(a, moved)
    tally.equal([(row["name"], row["name_b"]) for row in found["compared"]], [(name, name.replace("layers", "h")) for name in base], "moved tensors")
    tally.check(found["kind"] == "identical", "are the same", found["said"])
    # by bytes alone, where nothing in the names tells
    c = making.file(f"{ROOT}/names/c.safetensors", {f"n{i}": value for i, value in enumerate(base.values())})
    tally.equal([row["name_b"] for row in tables(a, c)["compared"]], [f"n{i}" for i in range(26)], "by bytes")
    # ends that agree by chance are no names that moved
    one = making.file(f"{ROOT}/names/one.safetensors", {"image.layer.w.weight": f32(1, 2, 3, 4), "image.layer.v.weight": f32(1, 2), "same": f32(1)})
    other = making.file(f"{ROOT}/names/other.safetensors", {"sound.layer.w.weight": f32(4, -3, 2, -1), "sound.layer.v.weight": f32(-2, 1), "same": f32(1)})
    tally.equal(collections.Counter(row["status"] for row in tables(one, other)["compared"]), {"only_a": 2, "only_b": 2, "same": 1}, "by chance")
    # three ways: w and v move in both, once together and once against each other
    paths = [making.file(f"{ROOT}/three/{name}.safetensors", {"w": f32(*w), "v": f32(*v), "u": f32(5)}) for name, w, v in
             (("a", (1, 1), (1, 1)), ("b", (2, 1), (2, 1)), ("c", (3, 1), (0, 1)))]
    found = tables(paths[0], paths[1], c=paths[2])
    tally.equal([(row["name"], row["status_b"], row["status_c"], row["cosine"]) for row in found["compared_c"]],
                [("w", "changed", "changed", 1), ("v", "changed", "changed", -1), ("u", "same", "same", None)], "three ways")
    tally.equal([line.split() for line in section(printed(paths[0], paths[1], c=paths[2]), "Three ways: b and c, each compared with a")[2:]],
                [["2", "changed", "changed", "0.000"], ["1", "same", "same", "-"]], "as text")


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
    out = printed(a, b, code=1)
    # one: a NaN and an infinity; moved: one of two infinities has another place; grown and new by themselves
    first = out.splitlines()[0]
    tally.check("3 tensors have NaN in b, 4 tensors have Inf in b, 1 tensor has NaN in both, 1 tensor has NaN in a alone." in first, "the verdict", first)
    tally.equal(out.splitlines()[1], "46 of 47 tensors were compared as numbers; 4 NaN and 4 infinite values are new in b.", "how many")
    tally.equal([line.split() for line in section(out, "Not finite")[2:]], [
        ["2", "1", "100.0%", "F32", "new"], ["1", "1", "50.0%", "F32", "one"], ["1", "25.0%", "F32", "moved"],
        ["1", "33.3%", "F32", "grown"], ["1", "50.0%", "F16", "wide"], ["1", "25.0%", "F32", "old"], ["1", "25.0%", "F32", "gone"]], "new NaN and infinities")
    tally.check(out.index("== Not finite") < out.index("== Other shapes") < out.index("== Most changed"), "they come first", out)
    changed = [line.split() for line in section(out, "Most changed tensors")[2:5]]
    tally.equal([changed[0][-1], changed[0][1:4]], ["one", ["NaN", "NaN", "NaN"]], "a NaN is not a distance of 0")
    tally.equal(sorted(row[-1] for row in changed), ["moved", "one", "wide"], "and stands first among what changed")
    tally.check(section(out, "Layers that changed")[2].split()[3:] == ["NaN", "-", "outside", "layers"], "by layer", out)
    found = tables(a, b, code=1)
    tally.equal({row["tensor"]: row["rule"] for row in found["compared_findings"] if row["level"] == "error" and row["tensor"]},
                {"one": "infinity", "grown": "nan", "new": "infinity", "moved": "infinity", "wide": "infinity"}, "the findings")
    tally.equal([(row["level"], row["message"]) for row in found["compared_findings"]][0], ("error", found["said"]), "the first of them")
    # more than are shown
    a = making.file(f"{ROOT}/nan/many_a.safetensors", {f"t{i:02}": f32(1) for i in range(25)})
    b = making.file(f"{ROOT}/nan/many_b.safetensors", {f"t{i:02}": f32(nan) for i in range(25)})
    tally.equal(section(printed(a, b, code=1), "Not finite")[-1], "and 5 more", "more than twenty")
    found = tables(a, b, code=1)
    tally.equal({(row["rel_l2"], row["not_compared"]) for row in found["compared"]}, {(None, "no number stands in the place of another")}, "no distance")
    # under another prefix, and in a tensor that has its old infinities in the same places
    a = making.file(f"{ROOT}/nan/prefix_a.safetensors", {"x.w": f32(1, inf), "x.v": f32(inf, 1)})
    b = making.file(f"{ROOT}/nan/prefix_b.safetensors", {"y.w": f32(nan, inf), "y.v": f32(inf, 2)})
    found = tables(a, b, code=1, prefix_a="x.", prefix_b="y.")
    tally.equal([(row["name"], row["new_nan"], row["new_inf"]) for row in found["compared"]], [("x.w", 1, 0), ("x.v", 0, 0)], "under a prefix")
    tally.check("no NaN and no infinity is new in b" in printed(a, a), "what a has is not new")
    same = making.file(f"{ROOT}/nan/same.safetensors", {"x": f32(nan, 1)})
    two = making.file(f"{ROOT}/nan/two.safetensors", {"x": f32(nan, nan)})
    found = tables(same, two, code=1)
    tally.equal([(row["nan_both"], row["new_nan"]) for row in found["compared"]], [(1, 1)], "one in both, one in b")
    all_nan = making.file(f"{ROOT}/nan/all.safetensors", {"x": f32(nan, nan), "y": f32(1)})
    tally.check(tables(all_nan, all_nan)["said"].startswith("Identical: all 2 tensors are the same, byte for byte"), "NaN alone is the same, too")
    tally.equal(tables(same, same)["said"], "Identical: the only tensor is the same, byte for byte, 1 tensor has NaN in both.", "a NaN in both")


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

    packed = ["m.layers.0.q.weight", "m.layers.1.bnb.weight", "m.layers.2.fp8.weight", "m.layers.3.hqq.weight", "m.layers.4.quanto.weight"]
    a = making.file(f"{ROOT}/codes/a.safetensors", quantized(3, b"\x38\x38"))  # twice 1 in E4M3
    b = making.file(f"{ROOT}/codes/b.safetensors", quantized(5, b"\x38\x40"))  # 1 and 2
    found = tables(a, b)
    rows = found["by_name"]
    tally.equal({name: (row["status"], row["rel_l2"], row["n_diff"]) for name, row in rows.items() if row["not_compared"]},
                {name: ("changed", None, None) for name in packed}, "codes with codes")
    tally.check(all("missing" in rows[name]["not_compared"] or "expected" in rows[name]["not_compared"] for name in packed), "why", rows)
    # without a scale of its own F8 is plain numbers
    tally.equal([round(rows[f"m.layers.5.{name}.weight"]["rel_l2"], 12) for name in ("cast", "attn")], [round(math.sqrt(0.5), 12)] * 2, "what is numbers")
    tally.check("5 could not be compared" in found["said"], "the verdict", found["said"])
    out = printed(a, b)
    tally.equal(len(section(out, "Not compared as numbers")) - 2, 5, "as text")
    layers = {line.split()[-1]: line.split()[3] for line in section(out, "Layers that changed")[2:]}
    tally.equal([layers[f"m.layers.{i}"] for i in range(6)], ["-"] * 5 + ["0.679"], "by layer")  # of 1, 1, 1, 1 and 3, by 1, 1 and 2: sqrt(6 / 13)
    tally.equal({row["status"] for row in tables(a, a)["compared"]}, {"same"}, "codes that are the same")
    # values before, codes afterwards
    plain = making.file(f"{ROOT}/codes/plain.safetensors", {
        "m.layers.2.fp8.weight": ("BF16", [8, 8], bytes(128)), "m.layers.0.q.weight": ("BF16", [8, 4], bytes(64)),
        "m.layers.1.bnb.weight": ("BF16", [8, 16], bytes(256))})
    rows = tables(plain, b)["by_name"]
    tally.equal([rows[name]["rel_l2"] for name in packed[:3]] + [rows[name]["not_compared"][:3] for name in packed[:3]], [None] * 3 + ["b: "] * 3, "values with codes")


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
    for first, second, dtypes, rel in ((a, b, ("F32", "int8"), 0.4), (b, a, ("int8", "F32"), 2 / math.sqrt(13))):
        found = tables(first, second)
        row = found["by_name"][name.format(1)]
        tally.equal(((row["dtype_a"], row["dtype_b"]), row["n_diff"], row["max_abs_diff"], round(row["rel_l2"], 9)), (dtypes, 1, 2, round(rel, 9)), "what differs")
        tally.equal([row["name"] for row in found["compared"]], [name.format(0), name.format(1), "norm"], "no rows of parts")
        tally.check(found["kind"] == "retyped" and "the other is the same" in found["said"], "the verdict", found["said"])
    # packed alike: the same by bytes; by numbers alone; not the same. 2 2 2 4 for 1 2 2 4
    for codes, scale, kind, status in (([one, two, two, four], 1, "identical", "same"), ([0x30, one, one, two], 2, "identical", "changed"),
                                       ([two, two, two, four], 1, "layers", "changed")):
        a = making.file(f"{ROOT}/packed/a.safetensors", fp8([one, two, two, four], 1, norm=f32(1)))
        b = making.file(f"{ROOT}/packed/b.safetensors", fp8(codes, scale, norm=f32(1)))
        found = tables(a, b)
        tally.equal((found["kind"], found["by_name"][name.format(0)]["status"]), (kind, status), f"packed alike: {codes}")
    # under a prefix, and with a NaN that is new
    b = making.file(f"{ROOT}/packed/b.safetensors", {f"p.{key}": value for key, value in fp8([one, two, 0x7F, four], 1).items()})
    found = tables(a, b, code=1, prefix_b="p.")
    tally.check("1 tensor has NaN in b" in found["said"], "a NaN as packed", found["said"])
    row = found["by_name"][name.format(0)]
    tally.equal((row["new_nan"], row["dtype_b"], row["name_b"]), (1, "fp8", f"p.{name.format(0)}"), "where it is")


def test_formats():
    """The same facts for machines; names from files reach no terminal as they are."""
    evil = "a\x1b[31m\u202e.0.w"
    a = making.file(f"{ROOT}/formats/a.safetensors", {evil: f32(1, 2), "x": f32(1)})
    b = making.file(f"{ROOT}/formats/b.safetensors", {evil: f32(1, 3), "x": f32(math.nan)})
    for form in ("text", "csv", "junit", "sarif"):
        code, out, error = shell.script("compare", a=a, b=b, format=form)
        tally.check(code == 1 and "infinities that a has not" in error, f"{form} has the status", code, error)
        tally.check(form != "text" or not {"\x1b", "\u202e"} & set(out), "no control characters", out)
        if form == "csv":
            rows = list(csv.DictReader(io.StringIO(out)))
            tally.equal([(row["name"], row["status"], row["n_diff"]) for row in rows], [(evil.replace("\x1b", "\ufffd"), "changed", "1"), ("x", "changed", "1")], "csv is of the first table")
        if form == "junit":
            tally.check(out.count("<testcase") == 3 and out.count("<failure") == 2, "junit: the verdict, the NaN, and what was not compared", out)


def test_units():
    """a and b are one model each: a folder of many is refused with what is in it."""
    a = making.file(f"{ROOT}/units/a.safetensors", {"x": b"1"})
    making.file(f"{ROOT}/units/b.safetensors", {"x": b"2"})
    code, out, error = shell.script("compare", a=a, b=f"{ROOT}/units")
    tally.check(code == 1 and out == "" and ":b is 2 models" in error and "a.safetensors" in error and "b.safetensors" in error and error.count("\n") == 1, "several", error)
    # shards and one file are the same model
    whole = {f"layers.{i}.w": f32(i, 1) for i in range(4)}
    making.model(f"{ROOT}/sharded", {f"model-{k + 1:05}-of-00002.safetensors": {f"layers.{i}.w": f32(i, 1) for i in (2 * k, 2 * k + 1)} for k in (0, 1)})
    single = making.file(f"{ROOT}/single/model.safetensors", whole)
    for path in (f"{ROOT}/sharded", f"{ROOT}/sharded/model.safetensors.index.json"):
        tally.equal(tables(single, path)["said"], "Identical: all 4 tensors are the same, byte for byte.", "sharded")
    # beside the checkpoints below it, a folder is the model in it
    making.file(f"{ROOT}/single/checkpoint-1/model.safetensors", whole)
    tally.equal(tables(f"{ROOT}/single", single)["kind"], "identical", "a run's folder")


def test_missing():
    """A missing path ends it with one sentence and nothing else, whichever it is."""
    a = making.file(f"{ROOT}/missing/a.safetensors", {"x": b"1"})
    nothing = making.file(f"{ROOT}/missing/nothing.safetensors", {})
    for parameters in ({"a": a}, {"b": a}, {"a": a, "b": "/none"}, {"a": "/none", "b": a}, {"a": a, "b": a, "c": "/none"}, {"a": nothing, "b": a},
                       {"a": a, "b": nothing}, {"a": nothing, "b": nothing}, {"a": a, "b": a, "prefixa": "x"}, {"a": a, "b": a, "format": "xml"}):
        code, out, error = shell.script("compare", **parameters)
        tally.equal((code, out, error.count("\n")), (1, "", 1), f"sql/compare.sql with {list(parameters)}: {error}")


tally.run(globals(), ROOT)
