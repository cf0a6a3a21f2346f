"""The scripts of sql/ that look at values, on tensors made here: what they print was worked out by hand."""

import functools
import math
import operator
import random
import struct
import tempfile
import time

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
shows = functools.partial(shell.shows, tally, ROOT)


def test_values_of_every_kind():
    """Complex numbers are shown as pairs, NaN by name, integers as they are."""
    path = making.file(f"{ROOT}/kinds.safetensors", {
        "c": ("C64", [2], struct.pack("<4f", 1, 2.5, 0, -0.5)), "f": ("F32", [2], struct.pack("<2f", float("nan"), 1.5)),
        "i": ("I8", [2], b"\1\xff"),
        "j": ("I64", [3], struct.pack("<3q", 9999999, -10000000, -2**63)),
        "k": ("C64", [2], struct.pack("<4f", float("nan"), 1e-30, 1, 1)), "none": ("F32", [2, 0], b"")})
    shows("values", """
== First elements
name  dtype  first_elements
----  -----  -------------------------
c     C64    [1,2.5]
f     F32    nan 1.5
i     I8     1 -1
j     I64    9999999 -1e+07 -9.223e+18
k     C64    [null,1e-30]
none  F32

== First rows of the named tensor
i  first_elements
-  --------------
0  [1,2.5]
1  [0,-0.5]

== Its largest and smallest elements
None: complex numbers have no order.
""", path=path, name="c")


def test_neighbours():
    """Rows of zeros, which have no direction, are nobody's neighbours; an empty answer says why."""
    path = making.file(f"{ROOT}/embedding.safetensors", {
        "e": ("F32", [4, 2], struct.pack("<8f", 1, 0, 0, 2, 0, 0, 3, 3))})
    shows("neighbours", """
token  cosine
-----  --------
3      0.707107
1      0.000000
""", path=path, name="e", token="0")
    shows("neighbours", "None: all elements of this row, or of every other, are 0.", path=path, name="e", token="2")
    shows("neighbours", """
token  cosine
-----  --------
0      0.707107
1      0.707107
""", path=path, name="e", token="-1")


def test_neighbours_of_many():
    """Against cosines by Python, and fast: what takes a statement for each element takes half a minute here."""
    rows, columns = 20000, 256
    number = random.Random(5)
    values = [[number.gauss(0, 1) for _ in range(columns)] for _ in range(rows)]
    as_halves = [struct.pack(f"<{columns}e", *row) for row in values]
    path = making.file(f"{ROOT}/many.safetensors", {"e": ("F16", [rows, columns], b"".join(as_halves))})
    stored = [struct.unpack(f"<{columns}e", row) for row in as_halves]
    wanted, norm = stored[7], math.sqrt(math.fsum(x * x for x in stored[7]))
    cosines = [(math.fsum(map(operator.mul, row, wanted)) / norm / math.sqrt(math.fsum(x * x for x in row)), -i)
               for i, row in enumerate(stored) if i != 7]
    best = sorted(cosines, reverse=True)[:10]
    start = time.monotonic()
    shows("neighbours", "\n".join(["token  cosine", "-----  --------", *(f"{-i:<5}  {cosine:.6f}" for cosine, i in best)]),
          path=path, name="e", token="7")
    taken = time.monotonic() - start
    print(f"the neighbours among {rows} rows of {columns}: {taken:.2f} s")
    tally.check(taken < 8, "neighbours in one pass", taken)


def test_rows_without_elements():
    """As many rows as a shape promises are not gone through when they have no bytes."""
    path = making.file(f"{ROOT}/promise.safetensors", {"p": ("F32", [2**62, 0], b"")})
    shows("neighbours", "None: all elements of this row, or of every other, are 0.", path=path, name="p", token="5")


tally.run(globals(), ROOT)
