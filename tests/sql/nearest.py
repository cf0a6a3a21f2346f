"""tensor_nearest against NumPy in float64: every dtype, rows of any length, slices and expressions, rows with NaN,
infinities and zeros; that a score is the very number of tensor_cosine and tensor_compare; and that it does not depend
on threads, kernels, the way of reading, or k.

Covers little: of all lines, others reach nearly as many.
"""

import math
import os
import shutil
import subprocess
import sys
import tempfile

import making
from tally import Tally, connect

try:
    import numpy
    import number_formats as formats
except ImportError:
    numpy = None

tally = Tally()
METRICS = ("cosine", "dot", "l2")
ROOT = tempfile.mkdtemp()
if numpy:
    numpy.seterr(all="ignore")  # NaNs and infinities are meant
    rng = numpy.random.default_rng(20261201)
    db = connect()


def some_codes(dtype, rows, columns):
    """Random elements; some rows all zero, or with what is not finite; and one row twice."""
    if dtype in formats.FLOATS or dtype in ("F32", "F64", "C64"):
        numbers = rng.standard_normal((rows, columns)) * 2
        if dtype == "C64":
            numbers = numbers + 1j * rng.standard_normal((rows, columns))
        codes = formats.encode(dtype, numbers).reshape(rows, columns)
    else:
        codes = rng.integers(0, 1 << min(formats.BITS[dtype], 63), (rows, columns), dtype="u8", endpoint=False)
        if dtype == "BOOL":
            codes &= numpy.uint64(1)
        if dtype == "F8_E8M0":
            codes = numpy.where(codes == 255, 0, codes % 20 + 120)
    for row, special in ((3, math.nan), (5, math.inf), (6, -math.inf), (8, 0.0)):
        if row < rows and (special == 0 or dtype in formats.FLOATS and formats.FLOATS[dtype][3] == "ieee" or dtype in ("F32", "F64")):
            places = slice(None) if special == 0 else columns // 2
            codes[row, places] = formats.encode(dtype, numpy.array([special]))[0]
    if rows > 12:
        codes[11] = codes[2]
    return codes


def scores(matrix, query, metric):
    """In float64, and None for no score. Infinities of a cosine or a distance are as tensor_compare has them."""
    result = []
    for row in matrix:
        row, other = (numpy.concatenate([side.real, side.imag]) if numpy.iscomplexobj(matrix) else side for side in (row, query))
        infinite = numpy.isinf(row) | numpy.isinf(other)
        if numpy.isnan(row).any() or numpy.isnan(other).any():
            result.append(None)
        elif metric == "dot":
            product = float((row * other)[~infinite].sum() + (row * other)[infinite].sum())
            result.append(None if math.isnan(product) else product)
        elif (row[infinite] != other[infinite]).any():
            result.append(math.inf if metric == "l2" else None)
        elif metric == "l2":
            result.append(float(numpy.sqrt(((row - other)[~infinite] ** 2).sum())))
        else:
            a, b = row[~infinite], other[~infinite]
            norms = float(numpy.sqrt((a * a).sum()) * numpy.sqrt((b * b).sum()))
            result.append(None if norms == 0 else float((a * b).sum()) / norms)
    return result


def is_close(got, expected, scale):
    if got is None or expected is None or math.isinf(expected) or math.isinf(got):
        return got == expected
    return abs(got - expected) <= 1e-12 * scale


def in_order(rows, metric):
    """By the score, no score last, then by i."""
    sign = 1 if metric == "l2" else -1
    return sorted(rows, key=lambda row: (row[1] is None, 0 if row[1] is None else sign * row[1], row[0]))


def check(what, arguments, matrix, query, metric):
    """The rows of a call (its SQL, and values) against the numbers."""
    sql, values = arguments
    got = db.execute(f"SELECT i, score FROM tensor_nearest({sql}, NULL, '{metric}')", values).fetchall()
    expected = scores(matrix, query, metric)
    if metric == "cosine":
        scale = 1
    else:
        finite = numpy.abs(numpy.where(numpy.isfinite(matrix), matrix, 0))
        scale = float((finite @ numpy.abs(numpy.where(numpy.isfinite(query), query, 0))).max(initial=0) if metric == "dot" else finite.max(initial=1) * 10)
        scale = max(scale, 1.0)
    tally.equal(sorted(i for i, _ in got), list(range(len(matrix))), f"{what}, {metric}: every row")
    bad = [(i, score, expected[i]) for i, score in got if not is_close(score, expected[i], scale)]
    tally.check(not bad, f"{what}, {metric}: scores", bad[:3])
    tally.equal(got, in_order(got, metric), f"{what}, {metric}: order")
    for k in (1, 3, len(matrix) // 2, len(matrix) + 1):
        some = db.execute(f"SELECT i, score FROM tensor_nearest({sql}, {k}, '{metric}')", values).fetchall()
        tally.equal(some, got[:k], f"{what}, {metric}: k = {k}")
    return got


def same_as_functions(what, ref, query, metric, got):
    """The score is a number of tensor_compare, to the last bit, where that has all elements."""
    column = {"cosine": "cosine", "l2": "l2_diff"}.get(metric)
    if column is None:
        return
    rows = dict(db.execute(f"SELECT r.i, iif(c.n_nan + c.n_nan_one = 0, c.{column}, NULL) FROM tensor_rows(?) AS r, tensor_compare(r.ref, ?) AS c", (ref, query)))
    tally.equal({i: score for i, score in got}, rows, f"{what}, {metric}: as tensor_compare")
    if metric == "cosine":
        rows = dict(db.execute("SELECT r.i, tensor_cosine(r.ref, ?) FROM tensor_rows(?) AS r", (query, ref)))
        bad = [i for i, score in got if score is not None and score != rows[i]]
        tally.equal(bad, [], f"{what}: as tensor_cosine")


def number(dtype, codes):
    return formats.decode(dtype, codes)


def test_dtypes():
    for rows, columns in ((1, 1), (40, 1), (40, 2), (17, 8), (9, 13), (200, 64), (14, 300), (6, 4100)):
        tensors, codes = {}, {}
        for dtype in formats.DTYPES:
            if columns * rows * formats.BITS[dtype] % 8:
                continue
            codes[dtype] = some_codes(dtype, rows, columns)
            tensors[dtype] = (dtype, [rows, columns], formats.pack(dtype, codes[dtype]))
        path = making.file(f"{ROOT}/dtypes {rows} {columns}.safetensors", tensors)
        for dtype in tensors:
            what, ref = f"{dtype} [{rows},{columns}]", f"{path}#{dtype}"
            matrix = number(dtype, codes[dtype])
            floats = rng.standard_normal(columns).astype("<f4")
            for metric in METRICS:
                check(f"{what}, floats", ("?, ?", (ref, floats.tobytes())), matrix, floats.astype("f8"), metric)
                check(f"{what}, bytes", ("?, ?, ?, ?", (tensors[dtype][2], dtype, f"[{rows},{columns}]", floats.tobytes())),
                      matrix, floats.astype("f8"), metric)
                for row in (2, 5, 8):
                    if row < rows:
                        query = f"{path}?slice={row}#{dtype}"
                        got = check(f"{what}, row {row}", ("?, ?", (ref, query)), matrix, matrix[row], metric)
                        same_as_functions(f"{what}, row {row}", ref, query, metric, got)
                for other in ("F32", "BF16", "F64", "I8"):
                    query = f"{path}?slice=0#{other}"
                    mixed = number(other, codes[other][0])
                    got = check(f"{what}, a row of {other}", ("?, ?", (ref, query)), matrix, mixed, metric)
                    same_as_functions(f"{what}, a row of {other}", ref, query, metric, got)


def test_slices():
    """Rows and columns apart from each other, and rows that begin within a byte."""
    shape = (30, 6, 20)
    for dtype in ("BF16", "F32", "F64", "C64", "I64", "F8_E4M3", "F6_E2M3", "F4"):
        codes = some_codes(dtype, 30, 120).reshape(shape)
        path = making.file(f"{ROOT}/slices.safetensors", {"t": (dtype, list(shape), formats.pack(dtype, codes))})
        array = number(dtype, codes)
        for part in ("::2", "3:20:3, 2", ":, 1, 1:", ":, ::2, ::3", ":, :, 3", "5, 1:", "..., 7:8", "29:, 5, 0"):
            matrix = eval(f"array[{part}]", {"array": array})
            flat = matrix.reshape(matrix.shape[0], -1)
            ref = f"{path}?slice={part}#t"
            for metric in METRICS:
                query = flat[0]
                name = db.execute("SELECT ref FROM tensor_rows(?)", (ref,)).fetchone()[0]
                got = check(f"{dtype}, slice {part}", ("?, ?", (ref, name)), flat, query, metric)
                if dtype != "I64":
                    same_as_functions(f"{dtype}, slice {part}", ref, name, metric, got)


def test_expressions():
    numbers = {name: rng.standard_normal((50, 40)).astype("<f4") for name in "ab"}
    path = making.file(f"{ROOT}/expressions.safetensors",
                       {name: ("F32", [50, 40], values.tobytes()) for name, values in numbers.items()})
    a, b = (numbers[name].astype("f8") for name in "ab")
    for sql, matrix in ((f"tensor_add('{path}#a', '{path}#b')", (numbers["a"] + numbers["b"]).astype("f8")),
                        (f"tensor_transpose('{path}#a')", a.T), (f"tensor_neg(tensor_slice('{path}#b', '::2, 1:'))", -b[::2, 1:])):
        name = db.execute(f"SELECT {sql}").fetchone()[0]
        query = db.execute("SELECT ref FROM tensor_rows(?) WHERE i = 4", (name,)).fetchone()[0]
        for metric in METRICS:
            got = check(sql, ("?, ?", (name, query)), matrix, matrix[4], metric)
            same_as_functions(sql, name, query, metric, got)


def test_long_rows():
    for dtype, columns in (("BF16", 65536), ("F32", 65537), ("F8_E5M2", 140000), ("F64", 70000), ("F4", 131074)):
        codes = some_codes(dtype, 9, columns)
        path = making.file(f"{ROOT}/long.safetensors", {"t": (dtype, [9, columns], formats.pack(dtype, codes))})
        matrix = number(dtype, codes)
        for metric in METRICS:
            what = f"{dtype} [9,{columns}]"
            for row in (0, 5):
                query = f"{path}?slice={row}#t"
                got = check(what, ("?, ?", (f"{path}#t", query)), matrix, matrix[row], metric)
                same_as_functions(what, f"{path}#t", query, metric, got)


def test_ties():
    """Rows that score the same come in the order of i, whatever k is."""
    data = numpy.tile(numpy.array([[1, 2], [2, 4], [2, 1], [1, 2]], "<f4"), (5000, 1))
    path = making.file(f"{ROOT}/ties.safetensors", {"t": ("F32", [20000, 2], data.tobytes())})
    for metric in METRICS:
        everything = check("ties", ("?, ?", (f"{path}#t", f"{path}?slice=1#t")), data.astype("f8"), data[1].astype("f8"), metric)
        for k in (1, 7, 312, 313, 5000, 19999):
            got = db.execute(f"SELECT i, score FROM tensor_nearest(?, ?, {k}, '{metric}')", (f"{path}#t", f"{path}?slice=1#t")).fetchall()
            tally.equal(got, everything[:k], f"ties, {metric}, k = {k}")


# What threads, kernels and ways of reading have to agree on, to the last bit. Run as a process of its own for each.
def print_rows(path):
    connection = connect()
    connection.execute(f"PRAGMA threads = {os.environ['THREADS']}")
    for name, in connection.execute(f"SELECT name FROM safetensors_tensors('{path}') ORDER BY name").fetchall():
        for metric in METRICS:
            for k in ("NULL", "9"):
                for part in ("", "?slice=::3, 1:"):
                    query = "?slice=0" + (", 1:" if part else "")
                    for i, score in connection.execute(f"SELECT i, score FROM tensor_nearest(?, ?, {k}, '{metric}')",
                                                       (f"{path}{part}#{name}", f"{path}{query}#{name}")):
                        print(name, metric, k, part, i, score if score is None else score.hex())


def test_independence():
    tensors = {}
    for dtype in ("F32", "BF16", "F16", "F64", "F8_E5M2", "F4", "C64", "I64", "U8"):
        for rows, columns in ((700, 500), (9, 70000)) if dtype in ("BF16", "F4", "F32") else ((700, 500),):
            tensors[f"{dtype} {columns}"] = (dtype, [rows, columns], formats.pack(dtype, some_codes(dtype, rows, columns)))
    path = making.file(f"{ROOT}/independence.safetensors", tensors)
    outputs = {}
    for kernels, threads, io in (("", 0, "map"), ("", 3, "map"), ("", 1, "pread"), ("avx2", 2, "map"), ("portable", 0, "pread"), ("neon", 0, "map")):
        done = subprocess.run([sys.executable, __file__, path], capture_output=True, text=True, check=False,
                              env={**os.environ, "SAFETENSORS_KERNELS": kernels, "THREADS": str(threads), "SAFETENSORS_IO": io})
        if done.returncode and "not support" in done.stderr or "expected" in done.stderr and kernels:
            continue
        tally.check(done.returncode == 0, f"{kernels} {threads} {io}", done.stderr[-300:])
        outputs[kernels, threads, io] = done.stdout
    first = outputs["", 0, "map"]
    tally.check(len(first.splitlines()) > 10000, "rows were printed")
    for how, output in outputs.items():
        tally.check(output == first, f"the same with {how}")


if __name__ == "__main__":
    if numpy is None:
        print("skipped: no NumPy")
        shutil.rmtree(ROOT)
    elif len(sys.argv) > 1:
        shutil.rmtree(ROOT)
        print_rows(sys.argv[1])
    else:
        tally.run(globals(), ROOT)
