"""The scripts of sql/ that look at values, on tensors made here: what they print was worked out by hand.

Covers little: of all lines, others reach nearly as many.
"""

import functools
import json
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


def test_extremes():
    """They are those of all elements sorted: over rows, with NaN, with infinities of one sign and of both, in rank 3."""
    draw = random.Random(7)
    inf, nan = float("inf"), float("nan")
    rows = [draw.randrange(-1000, 1000) / 8 for _ in range(60)]
    kinds = {"plain": rows, "nan": [nan] * 7 + rows[7:], "up": rows[:9] + [inf] + rows[10:], "down": rows[:9] + [-inf] + rows[10:],
             "both": rows[:50] + [inf, -inf, inf, nan, inf, -inf, -inf, inf, -inf, -inf], "all": [inf] * 60, "none": [nan] * 60}
    path = making.file(f"{ROOT}/extremes.safetensors", {
        f"{kind}.{name}": ("F32", shape, struct.pack("<60f", *values))
        for kind, values in kinds.items() for name, shape in (("1", [60]), ("2", [12, 5]), ("3", [3, 4, 5]))})
    for kind, values in kinds.items():
        order = sorted((value for value in values if not math.isnan(value)))
        for rank in (1, 2, 3):
            found = json.loads(shell.script("values", path=path, name=f"{kind}.{rank}", format="json")[1].replace("Infinity", "9e999"))["extremes"]
            tally.equal([float(row["value"]) for row in found], order[::-1][:3] + order[:3], f"extremes of {kind} in rank {rank}")
            strides = {1: [1], 2: [5, 1], 3: [20, 5, 1]}[rank]
            tally.check(all(values[sum(map(operator.mul, json.loads(row["coord"]), strides))] == float(row["value"]) for row in found),
                        f"their places in {kind}, rank {rank}", found)


def test_values_of_every_kind():
    """Complex numbers are shown as pairs, NaN by name, integers as they are."""
    path = making.file(f"{ROOT}/kinds.safetensors", {
        "c": ("C64", [2], struct.pack("<4f", 1, 2.5, 0, -0.5)), "f": ("F32", [2], struct.pack("<2f", float("nan"), 1.5)),
        "i": ("I8", [2], b"\1\xff"),
        "j": ("I64", [3], struct.pack("<3q", 9999999, -10000000, -2**63)),
        "k": ("C64", [2], struct.pack("<4f", float("nan"), 1e-30, 1, 1)), "none": ("F32", [2, 0], b"")})
    shows("values", """
c: C64 [2], 2 elements.
The first elements of 6 tensors.
error: the first elements of 2 tensors have NaN or infinities, as those of f

== First elements
dtype  first_elements             name
-----  -------------------------  ----
C64    [1,2.5]                    c
F32    nan 1.5                    f
I8     1 -1                       i
I64    9999999 -1e+07 -9.223e+18  j
C64    [null,1e-30]               k
F32                               none

== First rows of the named tensor
i  first_elements
-  --------------
0  [1,2.5]
1  [0,-0.5]

== Its largest and smallest elements
None: complex numbers have no order.
""", path=path, name="c")
    shows("values", """
f: F32 [2], 2 elements.
The first elements of 6 tensors.
error: 1 of its elements is NaN, 0 infinite: f
error: the first elements of 2 tensors have NaN or infinities, as those of f

== First elements
dtype  first_elements             name
-----  -------------------------  ----
C64    [1,2.5]                    c
F32    nan 1.5                    f
I8     1 -1                       i
I64    9999999 -1e+07 -9.223e+18  j
C64    [null,1e-30]               k
F32                               none

== First rows of the named tensor
i  first_elements
-  --------------
0  nan
1  1.5

== Its largest and smallest elements
coord  value
-----  -----
[1]    1.5
[1]    1.5
""", path=path, name="f")


def test_neighbours():
    """Rows of zeros, which have no direction, are nobody's neighbours; an empty answer says why."""
    path = making.file(f"{ROOT}/embedding.safetensors", {
        "e": ("F32", [4, 2], struct.pack("<8f", 1, 0, 0, 2, 0, 0, 3, 3))})
    shows("neighbours", """
The rows that are nearest to row 0, of 3 others, by cosine:
    token  cosine
---------  --------
        3  0.707107
        1  0.000000
""", path=path, name="e", token="0")
    shows("neighbours", """
The rows that are nearest to row 3, of 3 others, by cosine:
    token  cosine
---------  --------
        0  0.707107
        1  0.707107
""", path=path, name="e", token="-1")
    code, out, error = shell.script("neighbours", path=path, name="e", token="2")
    tally.check((code, out) == (1, "error: row 2 has no direction, as all its elements are 0: no row is near to it.\n")
                and "row :token has no direction: all its elements are 0" in error, "neighbours of zeros", code, out, error)
    for token in ("4", "-5"):
        code, out, error = shell.script("neighbours", path=path, name="e", token=token)
        tally.check((code, out) == (1, "") and ":token is one of the rows" in error, f"neighbours of row {token}", code, out, error)
    making.file(f"{ROOT}/alone.safetensors", {"e": ("F32", [2, 2], struct.pack("<4f", 1, 0, 0, 0)), "flat": ("F32", [2], bytes(8))})
    shows("neighbours", "None: every other row is all zero, or has NaN or infinities.", path=f"{ROOT}/alone.safetensors", name="e", token="0")
    code, out, error = shell.script("neighbours", path=f"{ROOT}/alone.safetensors", name="flat", token="0")
    tally.check((code, out) == (1, "") and ":name has two or more dimensions" in error, "neighbours in a vector", code, out, error)


def test_neighbours_of_nan():
    """A row with NaN or infinities is nobody's neighbour, whatever its other elements are, and has none."""
    inf, nan = math.inf, math.nan
    path = making.file(f"{ROOT}/not_finite.safetensors", {"e": ("F32", [5, 2], struct.pack("<10f", 1, 0, 1, nan, 2, 2, inf, 1, 1, 0.5))})
    shows("neighbours", """
Of 4 other rows, 2 have NaN or infinities and are left out.
The rows that are nearest to row 0, of 4 others, by cosine:
    token  cosine
---------  --------
        4  0.894427
        2  0.707107
""", path=path, name="e", token="0")
    for token in ("1", "3"):
        code, out, error = shell.script("neighbours", path=path, name="e", token=token)
        tally.check(code == 1 and out.startswith(f"error: row {token} has NaN or infinities: ") and "row :token has NaN or infinities" in error, f"neighbours of row {token}", code, out, error)


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
    shows("neighbours", "\n".join(["The rows that are nearest to row 7, of 19,999 others, by cosine:", "    token  cosine", "---------  --------",
                                   *(f"{-i:9}  {cosine:.6f}" for cosine, i in best)]),
          path=path, name="e", token="7")
    taken = time.monotonic() - start
    print(f"the neighbours among {rows} rows of {columns}: {taken:.2f} s")
    tally.check(taken < 8, "neighbours in one pass", taken)


def test_rows_without_elements():
    """As many rows as a shape promises are not gone through when they have no bytes."""
    path = making.file(f"{ROOT}/promise.safetensors", {"p": ("F32", [2**62, 0], b"")})
    code, out, error = shell.script("neighbours", path=path, name="p", token="5")
    tally.check(code == 1 and "row :token has no direction" in error, "neighbours of no elements", code, out, error)


tally.run(globals(), ROOT)
