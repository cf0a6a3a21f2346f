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
