"""tensor_compare and its functions against sums in Python and NumPy, in doubles: every pair of dtypes, random
values and special ones, all tail lengths, slices; with every set of kernels, with threads, mapped and read.

Covers little: of all lines, others reach nearly as many.
"""

import itertools
import math
import os
import random
import re
import subprocess
import sys
import tempfile

import making
import reader
import reader_values
from tally import Tally, connect

try:
    import numpy
except ImportError:
    numpy = None

if numpy:
    numpy.seterr(all="ignore")  # NaNs are meant
tally = Tally()
rng = random.Random(20260501)
db = connect()
COLUMNS = "equal, n_diff, max_abs_diff, mean_abs_diff, rmse, rel_l2, cosine, n_nan, n_nan_one, l2_a, l2_b, l2_diff"
NAMES = COLUMNS.split(", ")


def numbers(dtype, data):
    """A tensor's elements: int, float (with NaN and infinities), or complex."""
    bits = reader.BITS[dtype]
    if dtype == "C64":
        parts = numpy.frombuffer(data, "<f4").astype(float)
        return [complex(*pair) for pair in zip(parts[::2], parts[1::2])]
    if dtype in ("F32", "F64", "F16"):
        return numpy.frombuffer(data, {"F32": "<f4", "F64": "<f8", "F16": "<f2"}[dtype]).astype(float).tolist()
    if dtype in ("I64", "U64"):
        return numpy.frombuffer(data, {"I64": "<i8", "U64": "<u8"}[dtype]).tolist()
    if dtype == "F8_E8M0":
        return [math.nan if code == 255 else math.ldexp(1.0, code - 127) for code in data]
    if dtype in reader_values.FLOATS:
        return [reader_values.small_float(code, *reader_values.FLOATS[dtype]) for code in reader_values.codes(data, bits)]
    return [int(v) for v in reader_values.flat(dtype, data, bits)]


def is_nan(x):
    return x != x


def is_infinite(x):
    return math.isinf(x.real) or math.isinf(x.imag)


def norm(numbers):
    """The Euclidean norm, and the numbers divided by it; no square of theirs overflows or vanishes."""
    largest = max(max(abs(x.real), abs(x.imag)) for x in numbers)
    if largest == 0:
        return 0.0, numbers
    scaled = [complex(x.real / largest, x.imag / largest) for x in numbers]
    size = math.sqrt(math.fsum(part * part for x in scaled for part in (x.real, x.imag)))
    return largest * size, [x / size for x in scaled]


def expected(a, b):
    """The row that two lists of numbers give, by the definitions in ext/docs/reference.md."""
    n_nan = n_nan_one = n_diff = infinite = 0
    pairs = []
    for x, y in zip(a, b):
        if is_nan(x) and is_nan(y):
            n_nan += 1
        elif is_nan(x) or is_nan(y):
            n_nan_one += 1
            n_diff += 1
        elif x == y:
            pairs.append((x, y) if not is_infinite(x) else (0, 0))
        elif is_infinite(x) or is_infinite(y):
            n_diff += 1
            infinite += 1
            pairs.append((0, 0))
        else:
            n_diff += 1
            pairs.append((x, y))
    row = dict.fromkeys(NAMES)
    row.update(equal=int(n_diff == 0), n_diff=n_diff, n_nan=n_nan, n_nan_one=n_nan_one)
    if not pairs:
        return row
    differences = [abs(x - y) for x, y in pairs]
    (a_size, a_unit), (b_size, b_unit) = (norm([complex(x) for x in side]) for side in zip(*pairs))
    size, _ = norm([complex(x) for x in differences])
    inf = math.inf if infinite else 0.0
    row.update(max_abs_diff=max(inf, float(max(differences))),
               mean_abs_diff=inf + math.fsum(differences) / len(pairs), rmse=inf + size / math.sqrt(len(pairs)),
               l2_diff=inf + size, l2_a=a_size, l2_b=b_size)
    if infinite or not size:
        row["rel_l2"] = inf
    else:
        row["rel_l2"] = size / a_size if a_size else math.inf
    if not infinite and a_size and b_size:
        row["cosine"] = math.fsum(part for x, y in zip(a_unit, b_unit) for part in (x.real * y.real, x.imag * y.imag))
    return row


def same(got, wanted):
    if wanted is None or got is None or isinstance(wanted, int):
        return got == wanted and type(got) is type(wanted)
    return type(got) is type(wanted) and (got == wanted or math.isclose(got, wanted, rel_tol=1e-12, abs_tol=0))


def check(a_dtype, a_data, b_dtype, b_data, what, connection=db):
    got = connection.execute(f"SELECT {COLUMNS} FROM tensor_compare(?, ?, ?, ?)",
                             (a_data, a_dtype, b_data, b_dtype)).fetchone()
    wanted = expected(numbers(a_dtype, a_data), numbers(b_dtype, b_data))
    for name, value in zip(NAMES, got):
        tally.check(same(value, wanted[name]), f"{what}: {name}", f"expected {wanted[name]!r}", f"got      {value!r}")
    return got


# Codes that are moderate numbers, so that pairs can be random without being far apart.
def random_data(dtype, count):
    bits = reader.BITS[dtype]
    if dtype in ("F32", "F64"):
        return numpy.random.default_rng(rng.randrange(2**32)).normal(size=count).astype("<f4" if dtype == "F32" else "<f8").tobytes()
    if dtype == "C64":
        return random_data("F32", 2 * count)
    if dtype in ("F16", "BF16"):
        return b"".join((rng.choice((0, 0x8000)) + rng.randrange(0x3000, 0x4000)).to_bytes(2, "little") for _ in range(count))
    if dtype == "BOOL":
        return bytes(rng.choice((0, 1, 1, 7)) for _ in range(count))
    if dtype.startswith("F8"):
        finite = [code for code in range(256) if math.isfinite(numbers(dtype, bytes([code]))[0])]
        return bytes(rng.choice(finite) for _ in range(count))
    return rng.randbytes((count * bits + 7) // 8)


def changed(dtype, data):
    """A copy with a few elements changed."""
    size = max(reader.BITS[dtype] // 8, 1)
    copy = bytearray(data)
    for _ in range(rng.randrange(4)):
        if copy:
            at = rng.randrange(len(copy) // size) * size
            copy[at:at + size] = random_data(dtype, 8)[:size]
    return bytes(copy)


def test_every_pair():
    for a, b in itertools.product(reader.BITS, repeat=2):
        count = 8 * rng.randrange(1, 300)
        check(a, random_data(a, count), b, random_data(b, count), f"{a} and {b}, {count} elements")


def test_little_changed():
    for dtype in reader.BITS:
        for count in (8, 64, 1024, 1032, 4096, 70000 if reader.BITS[dtype] > 8 else 80):
            data = random_data(dtype, count)
            check(dtype, data, dtype, changed(dtype, data), f"{dtype}, {count} elements, few changed")
            check(dtype, data, dtype, data, f"{dtype}, {count} elements, the same")


def test_tails():
    for dtype, count in itertools.product(("F32", "BF16", "F16", "F64", "F8_E4M3", "I64", "C64"), (*range(34), 1023, 1025)):
        check(dtype, random_data(dtype, count), dtype, random_data(dtype, count), f"{dtype}, {count} elements")


def test_special_codes():
    """All bit patterns: NaN, infinities, subnormal and extreme numbers."""
    for a, b in itertools.product(("F64", "F32", "C64", "BF16", "F16", "F8_E5M2", "F8_E4M3FNUZ", "F8_E8M0", "U64"), repeat=2):
        if "F64" in (a, b) and a != b:
            continue
        count = 8 * rng.randrange(1, 40)
        x, y = (bytearray(rng.randbytes(count * reader.BITS[dtype] // 8)) for dtype in (a, b))
        if a == b:
            for at in range(0, len(x) // 2, 8):
                y[at:at + 8] = x[at:at + 8]
        if "F64" not in (a, b):  # whose extremes are beyond Python's doubles when they are squared
            check(a, bytes(x), b, bytes(y), f"{a} and {b}, any bits")
    special = numpy.array([0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 5e-324, 1e-310])
    for dtype, kind in (("F64", "<f8"), ("F32", "<f4"), ("F16", "<f2")):
        for x, y in itertools.product(special.astype(kind), repeat=2):
            check(dtype, x.tobytes(), dtype, y.tobytes(), f"{dtype}, {x} and {y}")
            check(dtype, x.tobytes() + numpy.ones(9, kind).tobytes(), "F64",
                  numpy.append(y, numpy.full(9, 2)).astype("<f8").tobytes(), f"{dtype} and F64, {x} and {y} among others")


def test_extreme_doubles():
    """What NumPy's squares overflow or vanish at."""
    for scale in (2.0**700, 2.0**-700, 2.0**1000, 2.0**-1060):
        a, b = (numpy.random.default_rng(7 + i).normal(size=3000) for i in range(2))
        plain = db.execute(f"SELECT {COLUMNS} FROM tensor_compare(?, 'F64', ?, 'F64')", (a.tobytes(), b.tobytes())).fetchone()
        got = db.execute(f"SELECT {COLUMNS} FROM tensor_compare(?, 'F64', ?, 'F64')",
                         ((a * scale).tobytes(), (b * scale).tobytes())).fetchone()
        for name, value, unscaled in zip(NAMES, got, plain):
            factor = scale if name in ("max_abs_diff", "mean_abs_diff", "rmse", "l2_a", "l2_b", "l2_diff") else 1
            tolerance = 1e-12 if scale > 2.0**-1000 else 1e-2  # subnormal numbers have few digits
            tally.check(math.isclose(value, unscaled * factor, rel_tol=tolerance), f"doubles times {scale}: {name}",
                        value, unscaled * factor)
    row = db.execute("SELECT n_diff, max_abs_diff, rel_l2, cosine FROM tensor_compare(?, 'F64', ?, 'F64')",
                     (numpy.array([1e308, 1e308]).tobytes(), numpy.array([-1e308, 1e308]).tobytes())).fetchone()
    tally.check(row[0] == 1 and row[1] == math.inf and math.isclose(row[2], math.sqrt(2)) and abs(row[3]) < 1e-15,
                "a difference beyond the largest double", row)


def test_long_integers():
    for a, b, x, y in [("I64", "I64", [2**53 + 1], [2**53]), ("U64", "U64", [2**64 - 1], [2**64 - 2]),
                       ("I64", "U64", [-2**63], [2**64 - 1]), ("U64", "I64", [2**64 - 1], [-1]), ("I64", "I64", [-2**63], [2**63 - 1]),
                       ("I64", "BOOL", [1, 2], [1, 1]), ("I64", "I8", [-1, 2**40], [-1, 127]), ("U64", "I64", [2**63], [-2**63])]:
        pack = {"I64": "<i8", "U64": "<u8", "BOOL": "u1", "I8": "i1"}
        check(a, numpy.array(x, pack[a]).tobytes(), b, numpy.array(y, pack[b]).tobytes(), f"{a} {x} and {b} {y}")


def test_functions():
    for a, b in itertools.product(("F32", "BF16", "F16", "F64", "I64", "C64", "F8_E4M3", "BOOL"), repeat=2):
        count = 8 * rng.randrange(1, 30)
        x, y = random_data(a, count), random_data(b, count)
        if a == b and rng.random() < 0.5:
            y = x
        args = (x, a, y, b)
        wanted = expected(numbers(a, x), numbers(b, y))
        got = db.execute("SELECT tensor_equal(?1,?2,?3,?4), tensor_max_abs_diff(?1,?2,?3,?4), tensor_cosine(?1,?2,?3,?4)", args).fetchone()
        for value, name in zip(got, ("equal", "max_abs_diff", "cosine")):
            tally.check(same(value, wanted[name]), f"tensor_{name} of {a} and {b}", value, wanted[name])


def test_allclose():
    with numpy.errstate(all="ignore"):
        for case in range(400):
            kinds = rng.choice([("F32", "F32"), ("F64", "F64"), ("F32", "F64"), ("C64", "C64"), ("I64", "I64"), ("F16", "F32")])
            count = rng.choice((1, 3, 8, 9, 1030))
            a = numpy.random.default_rng(case).normal(size=count) * 100
            b = a * (1 + rng.choice((0, 1e-6, 9e-6, 1.1e-5, 1e-3)) * numpy.random.default_rng(case + 1).normal(size=count))
            for place in range(rng.choice((0, 0, 1, 2))):
                special = rng.choice((math.nan, math.inf, -math.inf, 0.0, -0.0))
                if "C64" in kinds and math.isinf(special):
                    continue  # which NumPy 1.24 multiplies by 1 + 0j, and gets NaN
                a[place % count] = special
                b[place % count] = special if rng.random() < 0.7 else 1.0
            rtol, atol = rng.choice(((1e-5, 1e-8), (0, 0), (0, 1e-3), (1e-2, 0)))
            types = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "C64": "<c8", "I64": "<i8"}
            if "I64" in kinds:
                a, b = (numpy.nan_to_num(side, posinf=0, neginf=0) for side in (a, b))
            x, y = (side.astype(types[kind]) for side, kind in zip((a, b), kinds))
            wide = complex if "C64" in kinds else float
            for left, right, arrays in ((0, 1, (x, y)), (1, 0, (y, x))):
                wanted = int(numpy.allclose(arrays[0].astype(wide), arrays[1].astype(wide), rtol, atol))
                args = (arrays[0].tobytes(), kinds[left], arrays[1].tobytes(), kinds[right])
                got, = db.execute("SELECT tensor_allclose(?, ?, ?, ?, ?, ?)", (*args, rtol, atol)).fetchone()
                tally.equal(got, wanted, f"tensor_allclose {kinds} {rtol} {atol} {arrays}")
                if (rtol, atol) == (1e-5, 1e-8):
                    tally.equal(db.execute("SELECT tensor_allclose(?, ?, ?, ?)", args).fetchone()[0], wanted, "tolerances left out")


def test_slices():
    """Views of every kind, also of elements that share bytes, against the numbers that NumPy picks."""
    with tempfile.TemporaryDirectory() as directory:
        shape = [6, 8, 10]
        tensors = {dtype: (dtype, shape, random_data(dtype, 480)) for dtype in
                   ("F4", "F6_E2M3", "F6_E3M2", "F8_E4M3", "BF16", "F32", "F64", "C64", "I64", "BOOL")}
        path = making.file(f"{directory}/slices.safetensors", tensors)
        arrays = {name: numpy.array(numbers(*tensor[::2]), dtype=object).reshape(shape) for name, tensor in tensors.items()}
        for part in ("1:5", "::2", ":, 3", "1:4, 1:7:2, 3:10", "..., ::3", "2, :, 1:8:3", ":, ::7, 9", "5, 7, 9", "3:3", ":, :, 1:2"):
            for a, b in itertools.product(tensors, repeat=2):
                refs = [db.execute("SELECT tensor_ref(?, ?, ?)", (path, name, part)).fetchone()[0] for name in (a, b)]
                got = db.execute(f"SELECT {COLUMNS} FROM tensor_compare(?, ?)", refs).fetchone()
                sides = [eval(f"array[{part}]", {"array": arrays[name]}) for name in (a, b)]
                wanted = expected(*[side.ravel().tolist() if isinstance(side, numpy.ndarray) else [side] for side in sides])
                for name, value in zip(NAMES, got):
                    tally.check(same(value, wanted[name]), f"{a} and {b}, slice {part}: {name}", value, wanted[name])


def test_equal_but_other_bytes():
    """Zeros of other signs, other NaNs: the status is about bytes, the numbers are not."""
    with tempfile.TemporaryDirectory() as directory:
        zero, minus_zero, nan, other_nan = b"\0\0", b"\0\x80", b"\xc0\x7f", b"\xc1\x7f"
        paths = [making.file(f"{directory}/{name}.safetensors", {"zero": ("BF16", [1], x), "nan": ("BF16", [1], y), "flag": ("BOOL", [1], z)})
                 for name, x, y, z in (("a", zero, nan, b"\1"), ("b", minus_zero, other_nan, b"\2"))]
        rows = db.execute("SELECT name, status, n_diff, n_nan FROM safetensors_diff(?, ?) ORDER BY name", paths).fetchall()
        tally.equal(rows, [("flag", "changed", 0, 0), ("nan", "changed", 0, 1), ("zero", "changed", 0, 0)], "other bytes, equal values")
        rows = db.execute("SELECT name, status FROM safetensors_diff(?, ?) WHERE status = 'changed' ORDER BY name", paths).fetchall()
        tally.equal(rows, [("flag", "changed"), ("nan", "changed"), ("zero", "changed")], "the status alone")
        tally.equal(db.execute("SELECT sum(tensor_equal(ref_a, ref_b)) FROM safetensors_diff(?, ?)", paths).fetchone(), (3,), "tensor_equal")


def test_scales():
    """Blocks of other orders of magnitude: the squares of some are no doubles."""
    for scale in (2.0 ** 600, 2.0 ** -600):
        for blocks in ((1.0, scale), (scale, 1.0), (scale, 1.0, scale)):
            numbers = numpy.repeat(blocks, 65536)
            largest = max(blocks)
            norm = largest * math.sqrt(sum((block / largest) ** 2 for block in blocks) * 65536)
            row = db.execute("SELECT n_diff, l2_a, l2_b, rmse, cosine FROM tensor_compare(?1, 'F64', ?2, 'F64')",
                             (numbers.tobytes(), bytes(numbers.nbytes))).fetchone()
            tally.check(row[0] == len(numbers) and abs(row[1] / norm - 1) < 1e-13 and row[2] == 0 and
                        abs(row[3] / (norm / math.sqrt(len(numbers))) - 1) < 1e-13 and row[4] is None,
                        f"blocks of {blocks}", row)


# What threads, kernels and ways of reading have to agree on, to the last bit. Run as a process of its own for each.
def print_rows(path):
    connection = connect()
    connection.execute(f"PRAGMA threads = {os.environ.get('THREADS', '0')}")
    names = [row[0] for row in connection.execute(f"SELECT name FROM safetensors_tensors('{path}') ORDER BY name")]
    for a, b in itertools.product(names, repeat=2):
        for slices in (("", ""), ("::2, :", "::2, :"), (":, 1:", ":, 1:")):
            refs = [connection.execute("SELECT tensor_ref(?, ?" + (", ?)" if part else ")"), (path, name, part)[:3 if part else 2]).fetchone()[0]
                    for name, part in zip((a, b), slices)]
            row = connection.execute(f"SELECT {COLUMNS} FROM tensor_compare(?, ?)", refs).fetchone()
            print(a, b, *slices, *[value.hex() if isinstance(value, float) else value for value in row])


def run_with(path, kernels, threads, io):
    return subprocess.run([sys.executable, __file__, path], capture_output=True, text=True, check=False,
                          env={**os.environ, "SAFETENSORS_KERNELS": kernels, "THREADS": str(threads), "SAFETENSORS_IO": io})


def test_independence():
    many = 200 if "FEW_FAULTS" in os.environ else 450  # where all takes long, 200: a few blocks
    with tempfile.TemporaryDirectory() as directory:
        tensors = {}
        for dtype in ("F32", "BF16", "F16", "F64", "F8_E5M2", "F4", "C64", "I64", "U8"):
            rows = 150 if dtype in ("C64", "I64", "F4") else many
            data = random_data(dtype, rows * 1000)
            tensors[dtype] = (dtype, [rows, 1000], data)
            if rows == many and dtype != "U8":
                tensors[dtype + " changed"] = (dtype, [rows, 1000], changed(dtype, data))
        special = numpy.frombuffer(tensors["F32"][2], "<f4").copy()
        special[len(special) // 5:len(special) // 2:7] = math.nan
        special[len(special) * 2 // 3] = math.inf
        tensors["special"] = ("F32", [many, 1000], special.tobytes())
        by_rows = {}
        for name, tensor in tensors.items():
            by_rows.setdefault(tensor[1][0], {})[name] = tensor
        for rows, part in by_rows.items():
            path = making.file(f"{directory}/{rows}.safetensors", part)
            outputs = {}
            # If no name is close, all names are reported, the best one last.
            names = re.search("expected (.*), as this machine", run_with(path, "?", 0, "map").stderr).group(1).replace(" or ", ", ").split(", ")
            for kernels, threads, io in [*[(name, 0, "map") for name in names], ("", 3, "map"), (names[0], 1, "pread"), ("", 0, "pread")]:
                done = run_with(path, kernels, threads, io)
                if "as this machine has it" in done.stderr:
                    print(f"skipped: kernels {kernels}, which this machine cannot run")
                    continue
                outputs[f"{kernels} kernels, {threads} threads, {io}"] = done.stdout or done.stderr
            first, *others = outputs
            tally.check(outputs[first].count("\n") == 3 * len(part) ** 2, "all rows are there", outputs[first][-1000:])
            for other in others:
                tally.check(outputs[other] == outputs[first], f"{other}: as with {first}")


if len(sys.argv) > 1:
    print_rows(sys.argv[1])
elif numpy is None:
    print("skipped: comparisons (python3-numpy is not installed)")
    tally.finish()
else:
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
    tally.finish()
