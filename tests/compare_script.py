"""sql/compare.sql, on models made here: what it prints was worked out by hand."""

import functools
import shutil
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
head  only_a    U8 [2]
new   only_b    U8 [2]
x     reshaped  [2] > [1,2]
norm  retyped   F32 > BF16

== Untouched groups
untouched      tensors  parameters
-------------  -------  ----------
layers.0 to 1  2                 4
embed          1                 4
""", a=a, b=b)
    # with itself, and without tensors
    shows("compare", """
== Tensors by status
status  tensors  parameters    differ
------  -------  ----------  --------
same    7                15         0
All tensors are the same, byte for byte.

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
    lines = section(printed(b=moved), "Renamed")
    tally.equal((len(lines), lines[-1]), (23, "and 5 more"), "moved tensors")
    tally.equal(lines[2].split(), ["model.layers.0.a...d_another_one.weight", "model.h.0.a_modu...d_another_one.weight"], "a moved tensor")
    lines = printed(b=adapter, c=prefixed)
    tally.equal(section(lines, "Weights of a that the LoRA adapter b changes")[2:], ["model.w.weight  1        8      yes"], "an adapter")
    tally.equal([line.split() for line in section(lines, "Three ways: b and c, each compared with a")[2:]],
                [["-", "only_b", "26"], ["only_a", "only_a", "26"], ["only_b", "-", "2"]], "three ways")


try:
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
finally:
    shutil.rmtree(ROOT)
tally.finish()
