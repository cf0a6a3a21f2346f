"""tensor_histogram, every count, against Python's own comparison of numbers with the edges of numpy.histogram: every
dtype, any bits, ranges of every kind (given or not, empty, huge, of the smallest width, far from 0), edges that lie on
elements, 1 to 65,536 bins, every set of kernels' own choice, blobs and files, any number of threads.

Covers little: of all lines, others reach nearly as many.
"""

import bisect
import math
import os
import random
import struct
import tempfile

import making
import reader
import reader_values
from tally import Tally, connect

CASES = 600
LARGE = 700_003  # elements, which are enough blocks for several threads
BINS = [1, 2, 3, 7, 10, 62, 63, 64, 65, 100, 125, 126, 127, 200, 256, 1000, 2000, 4095, 5000, 65536]
PACKED = {"F16": "e", "F32": "f", "F64": "d", "I8": "b", "U8": "B", "I16": "h", "U16": "H", "I32": "i", "U32": "I",
          "I64": "q", "U64": "Q"}
tally = Tally()
db = connect()
rng = random.Random(20261201)


def edges_of(lo, hi, bins):
    """The formula of numpy.histogram_bin_edges, and where the width of the range is no double, the same of halves."""
    if lo == hi:
        lo, hi = lo - 0.5, hi + 0.5
    unit = 1.0 if math.isfinite(hi - lo) else 2.0
    step = (hi / unit - lo / unit) / bins
    distances = [i * step if step else i / bins * (hi - lo) for i in range(bins)]
    return [(lo / unit + distance) * unit for distance in distances] + [hi]


def count(numbers, edges):
    counts = [0] * (len(edges) - 1)
    for number in numbers:
        if edges[0] <= number <= edges[-1]:
            counts[min(bisect.bisect_right(edges, number) - 1, len(counts) - 1)] += 1
    return counts


def numbers_of(dtype, data):
    """The finite elements as doubles."""
    if dtype == "C64":
        parts = struct.unpack(f"<{len(data) // 4}f", data)
        squares = [a * a + b * b for a, b in zip(parts[::2], parts[1::2])]
        return [math.sqrt(square) for square in squares if math.isfinite(square)]
    values = reader_values.flat(dtype, data, reader.BITS[dtype])
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def compare(what, arguments, numbers, bins, limits):
    asked = ", ".join("?" * (len(arguments) + 1 + len(limits)))
    got = db.execute(f"SELECT lo, hi, count FROM tensor_histogram({asked})", (*arguments, bins, *limits)).fetchall()
    if not limits and not numbers:
        tally.equal(got, [], f"{what}: no rows")
        return
    edges = edges_of(*(limits or (min(numbers), max(numbers))), bins)
    tally.equal([row[:2] for row in got], list(zip(edges, edges[1:])), f"{what}: edges")
    tally.equal([row[2] for row in got], count(numbers, edges), f"{what}: counts")


# ---- Elements, and ranges for them ----

def any_bits(dtype, size):
    return rng.randbytes((size * reader.BITS[dtype] + 7) // 8)


def few(dtype, size):
    """A few numbers again and again, so that they lie on edges."""
    some = [any_bits(dtype, 8) for _ in range(3)]
    return b"".join(rng.choice(some) for _ in range((size + 7) // 8))


def usual(dtype, size):
    """As weights are; multiples of a power of two every other time."""
    spread, step = rng.choice([1e-30, 0.02, 1, 1000]), rng.choice([0, 2.0 ** rng.randint(-12, 1)])
    numbers = [rng.gauss(0, spread) for _ in range(size)]
    if step:
        numbers = [round(number / step) * step for number in numbers]
    if dtype == "BF16":
        return b"".join(struct.pack("<f", number)[2:] for number in numbers)
    if dtype == "C64":
        return b"".join(struct.pack("<ff", number, 0) for number in numbers)
    if PACKED[dtype] not in "efd":
        bits = reader.BITS[dtype]
        low, high = (0, 2**bits - 1) if dtype[0] == "U" else (-2**(bits - 1), 2**(bits - 1) - 1)
        numbers = [min(max(int(number * 100), low), high) for number in numbers]
    return struct.pack(f"<{size}{PACKED[dtype]}", *(max(-60000, min(number, 60000)) if dtype == "F16" else number
                                                      for number in numbers))


def range_for(numbers):
    """None, or limits."""
    numbers = numbers or [0.0, 1.0]
    a, b = rng.choice(numbers), rng.choice(numbers)
    kind = rng.randrange(12)
    if kind < 4:
        return ()
    if kind < 6:
        return min(a, b), max(a, b)
    return {6: (a, a), 7: (-1.7e308, 1.7e308), 8: (a, math.nextafter(a, math.inf)), 9: (-1, 1), 10: (0, 5e-324 * rng.randint(1, 99)),
            11: (1e9, 1e9 + 1)}[kind]


def elements_for(dtype, size):
    makers = [any_bits, few] + [usual] * (2 if dtype in PACKED or dtype in ("BF16", "C64") else 0)
    return rng.choice(makers)(dtype, size)


def check_blobs():
    dtypes = list(reader.BITS)
    for case in range(CASES):
        dtype = dtypes[case % len(dtypes)]
        size = rng.choice([1, 2, 63, 64, 65, 200, 1000, 4100])
        data = elements_for(dtype, size if reader.BITS[dtype] >= 8 else size * 4)
        numbers = numbers_of(dtype, data)
        limits = range_for(numbers)
        bins = rng.choice(BINS)
        if dtype == "C64" and any(abs(number) > 1e150 or 0 < abs(number) < 1e-150 for number in numbers):
            continue  # whose squares are no doubles
        if limits == () and numbers and max(numbers) > 1e308:
            limits = (-1, 1)
        compare(f"{case}: {dtype}, {bins} bins, {limits}", (data, dtype), numbers, bins, limits)


# ---- Every bin's edge, and the numbers beside it ----

def check_edges():
    for dtype in "F32", "F64":
        for lo, hi, bins in (-1, 1, 100), (-1, 1, 64), (0, 3, 7), (-0.1, 0.1, 126), (-0.1, 0.1, 1000), (1000, 1001, 50), (-8, 8, 2000):
            near = []
            for edge in edges_of(lo, hi, bins):
                edge = struct.unpack("<f", struct.pack("<f", edge))[0] if dtype == "F32" else edge
                bits = struct.unpack("<i" if dtype == "F32" else "<q", struct.pack("<" + PACKED[dtype], edge))[0]
                near += [bits + (away if bits > 0 or away >= 0 else 0) for away in (-2, -1, 0, 0, 1, 2)]
            rng.shuffle(near)
            data = struct.pack(f"<{len(near)}{'i' if dtype == 'F32' else 'q'}", *near)
            compare(f"{dtype}, {bins} bins from {lo} to {hi}: beside the edges", (data, dtype), numbers_of(dtype, data), bins, (lo, hi))


# ---- Files ----

def check_files():
    with tempfile.TemporaryDirectory() as directory:
        for dtype in "F32", "F16", "BF16", "I16", "F64", "I32":
            data = usual(dtype, LARGE)
            path = os.path.join(directory, f"{dtype}.safetensors")
            making.file(path, {"x": (dtype, [LARGE], data)})
            numbers = numbers_of(dtype, data)
            for threads in 0, 3:
                db.execute(f"PRAGMA threads = {threads}")
                for bins, limits in (100, ()), (100, (-0.05, 0.05)), (20, (-1, 1)), (400, ()):
                    compare(f"{dtype}, a file, {threads} threads, {bins} bins", (f"{path}#x",), numbers, bins, limits)
            half = f'{{"op":"add","args":["{path}#x","{path}#x"]}}'
            if dtype in ("F32", "F64"):
                compare(f"{dtype}, an expression", (half,), [2 * number for number in numbers], 100, (-0.05, 0.05))
        for dtype in "U8", "F8_E4M3", "F6_E3M2", "F4", "BOOL":
            data = any_bits("U8", 600_000)
            path = os.path.join(directory, f"{dtype}.safetensors")
            making.file(path, {"x": (dtype, [len(data) * 8 // reader.BITS[dtype]], data)})
            compare(f"{dtype}, a file", (f"{path}#x",), numbers_of(dtype, data), 100, ())
        db.execute("PRAGMA threads = 0")


check_edges()
check_blobs()
check_files()
tally.finish()
