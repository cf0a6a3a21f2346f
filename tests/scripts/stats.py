"""The scripts of sql/ about values: what they print of models made here, worked out by hand."""

import functools
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


def f32(*values):
    return "F32", [len(values)], struct.pack(f"<{len(values)}f", *values)


NOTHING = making.file(f"{ROOT}/nothing.safetensors", {})


def test_duplicates():
    directory = f"{ROOT}/copies"
    making.file(f"{directory}/a.safetensors", {"embed": f32(1, 2, 3, 4), "lm_head": f32(1, 2, 3, 4), "x": f32(5, 6),
                                            "zeros": f32(0), "other": f32(1, 2, 3, 5),
                                            "nan": f32(math.nan, 0, 0), "nan_too": f32(math.nan, 0, 0)})
    making.file(f"{directory}/b.safetensors", {
        "embed": f32(1, 2, 3, 4), "as_bytes": ("U8", [8], struct.pack("<2f", 5, 6)), "zeros": f32(0),
        "empty": f32(), "a_name_that_is_longer_than_its_column": f32(0)})
    shows("duplicates", """
== Sets of equal tensors
set  copies  each  wasted  files  note
---  ------  ----  ------  -----  --------
1    3       16 B  32 B    2
2    2       12 B  12 B    1
3    3       4 B   8 B     2      all zero
4    2       8 B   8 B     2

== The tensors
set  name                                dtype  file
---  ----------------------------------  -----  ----
1    embed                               F32    a
1    lm_head                             F32    a
1    embed                               F32    b
2    nan                                 F32    a
2    nan_too                             F32    a
3    zeros                               F32    a
3    zeros                               F32    b
3    a_name_that_is_longer_t...s_column  F32    b
4    x                                   F32    a
4    as_bytes                            U8     b
""", path=directory)
    shows("duplicates", """
== Sets of equal tensors
No two tensors have the same bytes.

== The tensors
None.
""", path=NOTHING)


def test_distribution():
    # Four bins of 0 to 4: 1, 2, 0 and 4 numbers; in eighths of 34 characters 68, 136, 0 and 272.
    path = making.file(f"{ROOT}/spread.safetensors", {
        "small": f32(1), "w": f32(0, 1, 1.5, 3, 3, 3.5, 4, math.nan), "bad": f32(math.nan, math.inf)})
    shows("distribution", """
w, F32 [8]: from 0 to 4, mean 2.2857, deviation 1.359.
error: 1 of its elements is NaN, 0 infinite: w

== Tensor
      min        max       mean        std    zeros  name
---------  ---------  ---------  ---------  -------  ----
        0          4      2.286      1.359        1  w

== Distribution
       from           to            count
          0            1                1  ████████▌
          1            2                2  █████████████████
          2            3                0
          3            4                4  ██████████████████████████████████
""", path=path, bins="4")
    shows("distribution", """
w, F32 [8]: from 0 to 4, mean 2.2857, deviation 1.359.
error: 1 of its elements is NaN, 0 infinite: w

== Tensor
      min        max       mean        std    zeros  name
---------  ---------  ---------  ---------  -------  ----
        0          4      2.286      1.359        1  w

== Distribution
       from           to            count
          1            2                2  ██████████████████████████████████
          2            3                2  ██████████████████████████████████
3 finite elements are outside.
""", path=path, name="w", bins="2", lo="1", hi="3")
    shows("distribution", """
bad, F32 [2]: no finite elements.
error: 1 of its elements is NaN, 1 infinite: bad

== Tensor
      min        max       mean        std    zeros  name
---------  ---------  ---------  ---------  -------  ----
        -          -          -          -        0  bad
""", path=path, name="bad")
    code, out, error = shell.script("distribution", path=NOTHING)
    tally.check((code, out) == (1, "") and ":path has tensors" in error, "no tensors", code, out, error)


tally.run(globals(), ROOT)
