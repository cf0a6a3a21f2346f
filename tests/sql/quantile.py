"""tensor_quantile against numpy.quantile in float64: every dtype and method, any bits, few different numbers, numbers
that are far apart, slices; the file mapped, and read into buffers; any number of threads, which read nothing twice.

Covers little: of all lines, others reach nearly as many.
"""

import math
import os
import random
import struct
import tempfile
import warnings

import making
import reader
import reader_values
from tally import Tally, connect

try:
    import numpy
except ImportError:
    print("skipped: quantiles (no NumPy)\n0 passed, 0 failed")
    raise SystemExit(0) from None

CASES = 2000
LARGE = 1_500_000  # elements, which are enough blocks for several threads
METHODS = ["linear", "lower", "higher", "nearest"]
PLACES = [0, 1, 0.5, 0.25, 0.75, 0.1, 0.9, 0.99, 1 / 3, 1e-300, 1 - 2**-53]
NUMPY = {"U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
         "F16": "<f2", "F32": "<f4", "F64": "<f8"}
COUNTER = "/proc/self/io"
tally = Tally()
db = connect()
rng = random.Random(20260102)
warnings.simplefilter("ignore")  # NaNs are meant


def finite_numbers(dtype, data):
    """The elements that count, as numbers."""
    if dtype == "C64":
        parts = numpy.frombuffer(data, "<f4").astype("f8")
        squares = parts[::2] ** 2 + parts[1::2] ** 2  # each square is exact
        return [math.sqrt(square) if math.isfinite(square) else None for square in squares]
    return reader_values.flat(dtype, data, reader.BITS[dtype])


def expected(numbers, q, method):
    finite = numpy.array([math.nan if number is None else number for number in numbers] if isinstance(numbers, list)
                         else numbers, "f8")
    finite = finite[numpy.isfinite(finite)]
    return float(numpy.quantile(finite, q, method=method)) if len(finite) else None


def compare(what, table, arguments, numbers, q, method, tolerance=0.0):
    got = db.execute(f"SELECT tensor_quantile({', '.join('?' * len(arguments))}, ?, ?)", (*arguments, q, method)).fetchone()[0]
    want = expected(numbers, q, method)
    good = got is None if want is None else got is not None and abs(float(got) - want) <= tolerance * abs(want)
    tally.check(good, f"{what}, {q}, {method} of {table}", f"expected {want!r}", f"got      {got!r}")


def some_data(dtype):
    """Bytes of a random kind and number of elements."""
    bits = reader.BITS[dtype]
    count = rng.choice([0, 4, 8, 12, 40, 100, 1000]) if bits < 8 else rng.choice([0, 1, 2, 3, 5, 11, 100, 999, 3000])
    size = count * bits // 8
    kind = rng.randrange(4)
    if kind == 0 or size == 0:
        return rng.randbytes(size)
    if kind == 1:  # a few elements, again and again
        unit = 3 if bits == 6 else max(bits // 8, 1)
        few = [rng.randbytes(unit) for _ in range(rng.randrange(1, 4))]
        return b"".join(rng.choice(few) for _ in range(size // unit))
    if kind == 2 and dtype in ("F64", "F32", "F16", "C64"):  # of different magnitudes, and both zeros
        format_of, most = {"F64": ("d", 1000), "F16": ("e", 12)}.get(dtype, ("f", 100))
        numbers = [math.ldexp(rng.uniform(-1, 1), rng.randint(-most, most)) * rng.choice([0, 1, 1, 1])
                   for _ in range(size // struct.calcsize(format_of))]
        return struct.pack(f"<{len(numbers)}{format_of}", *numbers)
    return bytes(rng.choice([0, 1, 0x3f, 0x80, 0xff]) for _ in range(size))


def test_any():
    for _ in range(CASES):
        dtype = rng.choice(list(reader.BITS))
        data = some_data(dtype)
        q = rng.choice(PLACES + [rng.random()])
        # a sum of squares in doubles is off by its own rounding, and that of the root
        compare("any", dtype, (data, dtype), finite_numbers(dtype, data), q, rng.choice(METHODS),
                2**-51 if dtype == "C64" else 0)


def test_far_apart():
    """Neighbours in order whose upper digits differ, in the last of them or in all; nothing else is between."""
    for dtype, format_of in ("F64", "d"), ("F32", "f"), ("I64", "q"), ("U64", "Q"), ("I32", "i"), ("U32", "I"):
        bits = reader.BITS[dtype]
        for low_bits in range(0, bits, 3):
            code = 1 << low_bits
            for codes in ([code - 1, code], [code, code - 1, code, code + 1], [(1 << bits - 1) - 1 - code, (1 << bits - 1) + code]):
                data = b"".join((c % (1 << bits)).to_bytes(bits // 8, "little") for c in codes)
                numbers = list(struct.unpack(f"<{len(codes)}{format_of}", data))
                numbers = [n if math.isfinite(n) else None for n in numbers]
                for q in 0.5, 1 / 3, 0.7:
                    for method in METHODS:
                        compare("far apart", dtype, (data, dtype), numbers, q, method)


def test_exact_integers():
    """Elements themselves, where doubles would not do."""
    for dtype in "I64", "U64":
        low = -2**63 if dtype == "I64" else 0
        numbers = [rng.randrange(low, 2**63) for _ in range(101)]
        data = numpy.array(numbers, NUMPY[dtype]).tobytes()
        for place, number in enumerate(sorted(numbers)):
            got = db.execute("SELECT tensor_quantile(?, ?, ?, 'nearest')", (data, dtype, place / 100)).fetchone()[0]
            tally.equal(got, number, f"{dtype}: number {place} of 101")


def test_overflow():
    """Where NumPy's difference of two neighbours is infinite."""
    data = struct.pack("<2d", -1.5e308, 1.5e308)
    for q, want in (0, -1.5e308), (0.25, -0.75e308), (0.5, 0.0), (0.75, 0.75e308), (1, 1.5e308):
        tally.equal(db.execute("SELECT tensor_quantile(?, 'F64', ?)", (data, q)).fetchone()[0], want, f"overflow, {q}")


def read_so_far():
    with open(COUNTER, encoding="ascii") as io:
        return int(next(line for line in io if line.startswith("rchar")).split()[1])


def check_reading(sql, most, what):
    """How many bytes of files a query reads."""
    if not os.path.exists(COUNTER):
        print(f"skipped: what is read (no {COUNTER})")
        return
    before = read_so_far()
    db.execute(sql).fetchall()
    got = read_so_far() - before
    tally.check(got < most, f"{what}: bytes read", f"{got}, not fewer than {most}")


def test_files(root):
    generator = numpy.random.default_rng(3)
    normal = generator.normal(0, 0.02, LARGE)
    normal[::1000] = numpy.nan
    normal[5::1000] = numpy.inf
    for dtype in "F64", "F32", "F16", "I32", "U16", "I8":
        array = normal if dtype.startswith("F") else generator.integers(0, 100 if dtype == "I8" else 60000, LARGE)
        array = array.astype(NUMPY[dtype])
        path = making.file(f"{root}/{dtype}.safetensors", {"x": (dtype, [LARGE // 1000, 1000], array.tobytes())})
        for mode in "map", "pread":
            db.execute("SELECT safetensors_config('io', ?)", (mode,))
            for threads in 0, 1, 3:
                db.execute(f"PRAGMA threads = {threads}")
                what = f"{mode}, {threads} threads more"
                for slices, part in ("", array), ("?slice=3:-1", array[3000:-1000]), \
                        ("?slice=:,1::3", array.reshape(-1, 1000)[:, 1::3]):
                    q, method = rng.random(), rng.choice(METHODS)
                    compare(what, dtype + slices, (f"{path}{slices}#x",), part.astype("f8").ravel(), q, method)
                passes = -(-array.itemsize // 2)
                if mode == "pread":
                    check_reading(f"SELECT tensor_quantile('{path}#x', 0.5)", passes * array.nbytes * 1.01 + 10000,
                                  f"{dtype}, {what}")


def test_expressions(root):
    """A tensor that is computed, and is no element of any file."""
    values = numpy.random.default_rng(4).normal(0, 1, LARGE // 10).astype("<f4")
    path = making.file(f"{root}/operand.safetensors", {"x": ("F32", [len(values)], values.tobytes())})
    for q in 0.1, 0.5, 0.999:
        got = db.execute("SELECT tensor_quantile(tensor_add(?, ?), ?)", (f"{path}#x", f"{path}#x", q)).fetchone()[0]
        tally.equal(got, expected((values + values).astype("f8"), q, "linear"), f"expression, {q}")


test_any()
test_far_apart()
test_exact_integers()
test_overflow()
with tempfile.TemporaryDirectory(prefix="quantile.") as directory:
    test_files(directory)
    test_expressions(directory)
tally.finish()
