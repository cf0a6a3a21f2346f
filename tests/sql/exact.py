"""tensor_stats against exact arithmetic (fractions) on data made to lose digits; tensor_histogram
against NumPy. EXACT_ELEMENTS=100000000 for the full length of the longest.

Long: left out where all takes longer.
"""

import math
import os
import random
import struct
import sys
import tempfile
from decimal import Decimal, localcontext
from fractions import Fraction

import making
import reader
import reader_values
from tally import Tally, connect

try:
    import numpy
except ImportError:
    numpy = None

ELEMENTS = int(os.environ.get("EXACT_ELEMENTS", "1000000"))
tally = Tally()
db = connect()
random.seed(5)

MEAN_ERROR = Fraction(1, 2**51)  # of the exact value: two units in the last place
ROOT_ERROR = Fraction(1, 10**14)
SMALLEST = Fraction(1, 2**1074)  # double; a result so small is rounded to a multiple of it


def root_error(got, square):
    """The relative error of `got` as the root of a Fraction, squared errors left out."""
    if square == 0:
        return Fraction(got)
    return abs(Fraction(got) ** 2 / square - 1) / 2


def check(what, table, arguments, numbers, zeros=None):
    """One row of tensor_stats against that of the exact numbers, which are all finite."""
    count, total = len(numbers), sum(map(Fraction, numbers))
    squares = sum(Fraction(number) ** 2 for number in numbers)
    got = dict(zip(("n_nan", "n_inf", "n_zero", "min", "max", "mean", "std", "abs_max", "l2"),
                   db.execute(f"SELECT * FROM {table}", arguments).fetchone()))
    tally.equal([got["n_zero"], got["min"], got["max"], got["abs_max"]],
                [sum(number == 0 for number in numbers), as_sql(min(numbers)), as_sql(max(numbers)),
                 as_sql(max(map(abs, numbers)))],
                f"{what}: counts and range")
    mean, variance = total / count, squares / count - (total / count) ** 2
    error = abs(Fraction(got["mean"]) - mean)
    tally.check(error <= MEAN_ERROR * abs(mean) + SMALLEST,
                f"{what}: mean", got["mean"], float(mean))
    for name, square in ("std", variance), ("l2", squares):
        good = root_error(got[name], square) <= ROOT_ERROR or \
            square < 2**-1000 and abs(Fraction(got[name]) ** 2 - square) < 4 * SMALLEST * Fraction(got[name])
        tally.check(good, f"{what}: {name}", got[name], f"error {float(root_error(got[name], square))}")


def as_sql(number):
    """What an element is in SQL: INTEGER as far as that goes."""
    return float(number) if isinstance(number, int) and number >= 2**63 else number


FORMATS = {"F64": "d", "F32": "f", "F16": "e", "I64": "q", "U64": "Q", "I32": "i", "U8": "B", "I8": "b", "U16": "H", "I16": "h"}


def check_list(what, dtype, numbers):
    data = struct.pack(f"<{len(numbers)}{FORMATS[dtype]}", *numbers)
    stored = struct.unpack(f"<{len(numbers)}{FORMATS[dtype]}", data)
    check(f"{dtype}, {what}", "tensor_stats(?, ?)", (data, dtype), stored)


def many(make, count=70001):
    """More than one block of a pass, and not a round number."""
    return [make(i) for i in range(count)]


check_list("normal", "F32", many(lambda i: random.gauss(0, 0.02)))
check_list("normal", "F16", many(lambda i: random.gauss(0, 0.02)))
check_list("normal", "F64", many(lambda i: random.gauss(0, 0.02)))
check_list("positive", "F32", many(lambda i: random.random()))
check_list("near 1", "F32", many(lambda i: 1 + random.gauss(0, 1e-3)))
check_list("an offset", "F32", many(lambda i: 16777216 - random.randrange(8)))
check_list("1e8 +- 1e-2", "F64", many(lambda i: 1e8 + random.choice((-1e-2, 1e-2))))
check_list("1e15 and more", "F64", many(lambda i: 1e15 + i))
check_list("alternating", "F64", many(lambda i: (-1) ** i * 1e300 + 1e290 * (i % 7)))
check_list("alternating", "F32", many(lambda i: (1e30, 1, -1e30, 1)[i % 4]))
check_list("cancelling", "F64", many(lambda i: (1e16, 1, -1e16, 1)[i % 4]))
check_list("cancelling far apart", "F64", many(lambda i: (1e25, 1e-3, -1e25)[i % 3], 70002))
# What cancels, to the last digit of the largest, and leaves something of which twice a double's digits
# keep nothing.
check_list("cancelling, three magnitudes", "F64", many(lambda i: (1e300, 1e150, 1, -1e300, -1e150)[i % 5], 70005))
check_list("cancelling at the ends", "F64", [1.2e308, 1e200, 5e-324] + [0.0] * 70000 + [-1.2e308, -1e200])
check_list("cancelling, three magnitudes", "F32", many(lambda i: (3e38, 1e15, 1e-40, -3e38, -1e15)[i % 5], 70005))
check_list("cancelling to subnormals", "F64", many(lambda i: (1e300, 5e-324, -1e300)[i % 3], 70002))
for dtype, most in ("F64", 1000), ("F32", 120):
    half = many(lambda i: math.ldexp(random.gauss(0, 1), random.randint(-most, most)), 40000)
    rest = [math.ldexp(random.random(), -most + 20) for _ in range(5)]
    both = [struct.unpack("<" + FORMATS[dtype], struct.pack("<" + FORMATS[dtype], number))[0] for number in half]
    both += [-number for number in both]
    random.shuffle(both)
    check_list("both signs of any magnitude", dtype, both + rest)
    check_list("both signs of any magnitude, nothing left", dtype, both)
data = struct.pack("<6d", 1e300, math.nan, 1e100, math.inf, -1e300, -1e100) + struct.pack("<d", 2**-900)
row = db.execute("SELECT n_nan, n_inf, mean FROM tensor_stats(?, 'F64')", (data,)).fetchone()
tally.equal(row, (1, 1, 2**-900 / 5), "cancelling beside what is not finite")
check_list("of any magnitude", "F32", many(lambda i: math.ldexp(random.gauss(0, 1), random.randint(-120, 120))))
check_list("of any magnitude", "F64", many(lambda i: math.ldexp(random.gauss(0, 1), random.randint(-280, 280))))
check_list("very large", "F64", many(lambda i: math.ldexp(random.uniform(0.5, 1), 1010 - i % 3)))
check_list("very small", "F64", many(lambda i: math.ldexp(random.gauss(0, 1), -900)))
check_list("subnormal", "F64", many(lambda i: math.ldexp(random.randrange(1 << 20), -1074)))
check_list("subnormal", "F32", many(lambda i: math.ldexp(random.randrange(1 << 20), -149)))
check_list("blocks of all sizes", "F64", many(lambda i: math.ldexp(random.gauss(0, 1), (i // 5000) * 60 - 400)))
check_list("very small after zeros", "F64", many(lambda i: 1e-200 * i if i >= 4096 else 0))
check_list("zeros after very small", "F64", many(lambda i: 1e-200 * i if i < 4096 else 0))
check_list("a ramp", "I32", many(lambda i: 2**31 - 1 - i))
check_list("near 2^62", "I64", many(lambda i: 2**62 + random.randrange(-5, 6)))
check_list("near -2^63", "I64", many(lambda i: -2**63 + random.randrange(1000)))
check_list("near 2^64", "U64", many(lambda i: 2**64 - 1 - random.randrange(4)))
check_list("small", "I64", many(lambda i: random.randrange(50000)))
check_list("all", "U8", many(lambda i: i * 7 % 256))
check_list("all", "I8", many(lambda i: i * 7 % 256 - 128))
# All sums of small integers are exact, of any numbers: only the results are rounded, here of one block.
for dtype, low, high in ("I8", -128, 127), ("U8", 0, 255), ("I16", -32768, 32767), ("U16", 0, 65535):
    for what, numbers in ("at an end", [high - i % 7 // 6 for i in range(65531)]), ("all but one", [high] * 999 + [high - 1]), \
            ("far apart", [low, high] * 32768), ("any", [random.randint(low, high) for _ in range(40001)]), \
            ("all lowest", [low] * 65536), ("around the middle", [(low + high) // 2 + i % 3 for i in range(333)]):
        check_list(what, dtype, numbers)
        std, l2 = db.execute("SELECT std, l2 FROM tensor_stats(?, ?)", (struct.pack(f"<{len(numbers)}{FORMATS[dtype]}", *numbers), dtype)).fetchone()
        variance = Fraction(sum(n * n for n in numbers), len(numbers)) - Fraction(sum(numbers), len(numbers)) ** 2
        tally.check(root_error(std, variance) <= Fraction(1, 2**52), f"{dtype}, {what}: std to the last digit", std)
        tally.check(root_error(l2, Fraction(sum(n * n for n in numbers))) <= Fraction(1, 2**51), f"{dtype}, {what}: l2", l2)
for count in list(range(1, 40)) + [4095, 4096, 4097, 65535, 65536, 65537]:
    check_list(f"{count} elements", "F32", [random.gauss(1, 1) for _ in range(count)])

# All equal: the deviation is 0, the mean that number.
for dtype, number in ("F64", 0.1), ("F32", 0.1), ("F32", 1e30), ("F64", 1e-310), ("F64", 1.7e308), ("F16", 3.0), \
        ("I64", 2**62 + 1), ("U8", 7):
    for count in 1, 3, 4099, 200003:
        stored = struct.unpack("<" + FORMATS[dtype], struct.pack("<" + FORMATS[dtype], number))[0]
        data = struct.pack("<" + FORMATS[dtype], number) * count
        row = db.execute("SELECT mean, std FROM tensor_stats(?, ?)", (data, dtype)).fetchone()
        tally.equal(row, (float(stored), 0.0), f"{dtype}, {count} times {number}")

# 16- and 8-bit floats by their codes: any, such as are all finite, and one alone.
def check_codes(what, dtype, codes):
    data = packed(codes, reader.BITS[dtype])
    numbers = [number for number in reader_values.flat(dtype, data, reader.BITS[dtype]) if number is not None]
    if numbers:
        check(f"{dtype}, {what}", "tensor_stats(?, ?)", (data, dtype), numbers)


def packed(codes, bits):
    return sum(code << bits * i for i, code in enumerate(codes)).to_bytes(len(codes) * bits // 8, "little") \
        if bits < 8 else b"".join(code.to_bytes(bits // 8, "little") for code in codes)


def check_slices(dtype):
    """That begin and end within a byte."""
    bits, count = reader.BITS[dtype], 1000
    data = packed([random.randrange(1 << bits) for _ in range(count)], bits)
    numbers = reader_values.flat(dtype, data, bits)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "slices.safetensors")
        making.file(path, {"x": (dtype, [count], data)})
        for begin in range(6):
            for end in list(range(begin + 1, begin + 12)) + [count - 2, count - 1, count]:
                check(f"{dtype}, {begin}:{end}", "tensor_stats(?)", (f"{path}?slice={begin}:{end}#x",),
                      numbers[begin:end])


def finite_codes(dtype):
    bits = reader.BITS[dtype]
    data = packed(range(1 << bits), bits)
    return [code for code, number in enumerate(reader_values.flat(dtype, data, bits)) if number is not None]


check_slices("F4")
check_slices("F6_E2M3")
check_slices("F6_E3M2")
for dtype in "F4", "F6_E2M3", "F6_E3M2":
    check_codes("any number", dtype, many(lambda i: random.randrange(1 << reader.BITS[dtype]), 70004))
    check_codes("the same", dtype, [7] * 4100)
for dtype in "BF16", "F16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ":
    finite = finite_codes(dtype)
    check_codes("any code", dtype, many(lambda i: random.randrange(1 << reader.BITS[dtype]), 9001))
    check_codes("any number", dtype, many(lambda i: random.choice(finite)))
    check_codes("small numbers", dtype, many(lambda i: finite[random.randrange(len(finite) // 8)], 9001))
    check_codes("a few numbers", dtype, many(lambda i: finite[-1 - i % 3], 9001))
    for count in list(range(1, 40)) + [63, 64, 65, 127, 129, 4097, 8191, 8193]:
        check_codes(f"{count} elements", dtype, [random.choice(finite) for _ in range(count)])
        check_codes(f"{count} times the same", dtype, [random.choice(finite)] * count)


row = db.execute("SELECT mean, std, l2 FROM tensor_stats(?, 'F64')", (struct.pack("<4d", *[1.7e308] * 4),)).fetchone()
tally.equal(row, (1.7e308, 0.0, math.inf), "a norm that no double is as large as")

# C64, by magnitudes: the root of each is taken in Decimal, to 150 digits.
def check_complex(what, parts):
    parts = [struct.unpack("<2f", struct.pack("<2f", *pair)) for pair in parts]
    squares = [Decimal(real) ** 2 + Decimal(imaginary) ** 2 for real, imaginary in parts]
    roots = [square.sqrt() for square in squares]
    got = db.execute("SELECT min, max, abs_max, mean, std, l2 FROM tensor_stats(?, 'C64')",
                     (b"".join(struct.pack("<2f", *pair) for pair in parts),)).fetchone()
    tally.equal(got[:3], (float(min(roots)), float(max(roots)), float(max(roots))), f"C64, {what}: range")
    mean = sum(roots) / len(roots)
    deviation = (sum((root - mean) ** 2 for root in roots) / len(roots)).sqrt()
    if deviation < mean / Decimal(10) ** 100:
        deviation = Decimal(0)  # what is left of rounding
    for name, number, right in ("mean", got[3], mean), ("std", got[4], deviation), ("l2", got[5], sum(squares).sqrt()):
        bound = Decimal(2) ** -51 if name == "mean" else Decimal(10) ** -14
        tally.check(abs(Decimal(number) - right) <= bound * right, f"C64, {what}: {name}", number, right)


with localcontext() as context:
    context.prec = 150
    check_complex("normal", many(lambda i: (random.gauss(0, 1), random.gauss(0, 1)), 9001))
    for exponent in range(2, 14):  # down to spreads of 1e-27 of the mean
        check_complex(f"spread by 1e-{exponent}", many(lambda i: (1, random.gauss(0, 10.0**-exponent)), 9001))
    check_complex("on a circle", many(lambda i: (math.cos(i), math.sin(i)), 9001))
    check_complex("all equal", [(0.1, 0.7)] * 5000)
    check_complex("of any magnitude", many(lambda i: (math.ldexp(random.gauss(0, 1), random.randint(-120, 120)),
                                                      math.ldexp(random.gauss(0, 1), random.randint(-120, 120))), 5000))
    check_complex("subnormal", many(lambda i: (random.randrange(99) * 2.0**-149, random.randrange(99) * 2.0**-149), 999))
    check_complex("far out", many(lambda i: (3.4e38, random.choice((0, 3.4e38, 1))), 999))
    for odd in range(1, 400, 2):  # roots within 2^-106 of the middle between two doubles
        check_complex(f"1 and {odd} * 2^-26", [(1, odd * 2.0**-26)])
        check_complex(f"3 and {odd} * 2^-25", [(-3, odd * 2.0**-25)])
    for i in range(2000):
        check_complex(f"one, number {i}", [(random.gauss(0, 1), math.ldexp(random.gauss(0, 1), -random.randrange(30)))])


# 64-bit integers too far apart for their differences, which are rounded to doubles.
extremes = [random.randrange(-2**63, 2**63) for _ in range(70001)]
row = db.execute("SELECT min, max, mean, std FROM tensor_stats(?, 'I64')",
                 (struct.pack("<70001q", *extremes),)).fetchone()
mean = Fraction(sum(extremes), 70001)
variance = sum((number - mean) ** 2 for number in extremes) / 70001
tally.equal(row[:2], (min(extremes), max(extremes)), "I64, any: range")
tally.check(abs(Fraction(row[2]) - mean) <= MEAN_ERROR * abs(mean) and root_error(row[3], variance) < ROOT_ERROR,
            "I64, any: mean and std", row)
check_list("cancelling", "I64", many(lambda i: (2**62 + 1, -2**62)[i % 2], 70002))
check_list("cancelling", "I64", many(lambda i: (-2**63, 2**63 - 1, 2)[i % 3], 70002))
check_list("far apart", "U64", many(lambda i: (2**64 - 1, 1)[i % 2]))


def check_long():
    """1e8 +- 1e-2, in units of 2^-26, the distance of doubles there, so that sums of integers are exact."""
    offsets = numpy.random.default_rng(1).integers(-671089, 671089, ELEMENTS)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "long.safetensors")
        making.file(path, {"x": ("F64", [ELEMENTS], (1e8 + offsets * 2.0**-26).tobytes())})
        for threads in 0, 3:
            db.execute(f"PRAGMA threads = {threads}")
            got = db.execute("SELECT mean, std, l2 FROM tensor_stats(?)", (f"{path}#x",)).fetchone()
            if threads == 0:
                first = got
        tally.equal(got, first, "1e8 +- 1e-2, on several threads")
        db.execute("PRAGMA threads = 0")
    total = int(offsets.sum())
    squares = sum(int((part * part).sum()) for part in numpy.array_split(offsets, ELEMENTS // 1000000 + 1))
    unit, base = Fraction(1, 2**26), Fraction(10**8)
    mean = Fraction(total, ELEMENTS)
    variance = (Fraction(squares, ELEMENTS) - mean**2) * unit**2
    mean = base + mean * unit
    tally.check(abs(Fraction(first[0]) - mean) <= MEAN_ERROR * mean, f"{ELEMENTS} times 1e8 +- 1e-2: mean", first)
    tally.check(root_error(first[1], variance) <= ROOT_ERROR, f"{ELEMENTS} times 1e8 +- 1e-2: std", first,
                float(root_error(first[1], variance)))
    tally.check(root_error(first[2], (variance + mean**2) * ELEMENTS) <= ROOT_ERROR,
                f"{ELEMENTS} times 1e8 +- 1e-2: l2", first)


def check_histogram(what, dtype, array, bins, limits=None):
    asked = f"?, ?, {bins}" + (f", {limits[0]!r}, {limits[1]!r}" if limits else "")
    got = db.execute(f"SELECT lo, hi, count FROM tensor_histogram({asked})", (array.tobytes(), dtype)).fetchall()
    numbers = array.astype("f8")
    numbers = numbers[numpy.isfinite(numbers)]
    counts, edges = numpy.histogram(numbers, bins, limits)
    tally.equal([row[2] for row in got], counts.tolist(), f"histogram of {dtype}, {what}: counts")
    tally.equal([(row[0], row[1]) for row in got], list(zip(edges[:-1].tolist(), edges[1:].tolist())),
                f"histogram of {dtype}, {what}: edges")


def check_histogram_by_edges(what, numbers, bins):
    """Where NumPy's way of finding a bin, a guess that is at most one off, does not do."""
    got = db.execute(f"SELECT lo, hi, count FROM tensor_histogram(?, 'F64', {bins})", (numbers.tobytes(),)).fetchall()
    edges = numpy.histogram_bin_edges(numpy.zeros(1), bins, (numbers.min(), numbers.max()))
    tally.equal([(row[0], row[1]) for row in got], list(zip(edges[:-1].tolist(), edges[1:].tolist())),
                f"histogram, {what}: edges")
    places = numpy.searchsorted([row[0] for row in got], numbers, side="right") - 1
    tally.equal([row[2] for row in got], numpy.bincount(places, minlength=bins).tolist(),
                f"histogram, {what}: counts")


def check_histograms():
    generator = numpy.random.default_rng(2)
    normal = generator.normal(0, 1, 200003)
    with_nan = normal.copy()
    with_nan[::17] = numpy.nan
    with_nan[5::31] = numpy.inf
    for bins in 1, 2, 10, 37, 1000, 5000:
        check_histogram(f"{bins} bins", "F32", normal.astype("f4"), bins)
        check_histogram(f"{bins} bins, limits", "F64", normal, bins, (-0.3, 1.1))
    check_histogram("few values", "F16", normal.astype("f2"), 77)
    check_histogram("NaN and infinities", "F32", with_nan.astype("f4"), 10)
    check_histogram("whole numbers", "I32", generator.integers(-1000, 1000, 99999).astype("i4"), 50)
    check_histogram("whole numbers", "U8", generator.integers(0, 256, 99999).astype("u1"), 64)
    check_histogram("all equal", "F32", numpy.full(10, 3, "f4"), 4)
    check_histogram("an offset", "F64", 1e9 + generator.random(1000), 100)
    for bins in 10, 777, 100000:
        few = generator.integers(0, 100, 5000)
        check_histogram_by_edges(f"{bins} bins between 100 doubles", 1e16 + 2.0 * few, bins)
        check_histogram_by_edges(f"{bins} bins between 1000 subnormal doubles", 5e-324 * 10 * few, bins)


if numpy:
    check_long()
    check_histograms()
else:
    print("skipped: sums of many elements and histograms (no NumPy)")
tally.finish()
