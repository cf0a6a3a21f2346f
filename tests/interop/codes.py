"""The small floating-point formats against ml_dtypes, which JAX and others decode them with: every code of each, and
what numbers become in them.

Suite: interop
"""

import random

from reader import BITS
from tally import Tally, connect

try:
    import ml_dtypes
    import numpy
except ImportError:
    print("skipped: every code of the small formats (ml_dtypes and NumPy are not installed: make interop)")
    Tally().finish()

THEIRS = {
    "BF16": ml_dtypes.bfloat16, "F8_E5M2": ml_dtypes.float8_e5m2, "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu, "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz, "F6_E2M3": ml_dtypes.float6_e2m3fn, "F6_E3M2": ml_dtypes.float6_e3m2fn,
    "F4": ml_dtypes.float4_e2m1fn,
}
COUNT = 100000  # numbers that are encoded
tally = Tally()
db = connect()


def packed(codes, bits):
    """As a tensor's bytes: the first code in the lowest bits."""
    whole = sum(int(code) << bits * i for i, code in enumerate(codes))
    return whole.to_bytes(len(codes) * bits // 8, "little")


def decoded(dtype, codes):
    """By ml_dtypes, which has a byte for each code of less than 8 bits."""
    with numpy.errstate(invalid="ignore"):  # signalling NaNs
        return codes.astype("u2" if BITS[dtype] == 16 else "u1").view(THEIRS[dtype]).astype("f8")


def same(got, expected):
    """Equal numbers, the sign of zeros too; any NaN is like another."""
    nan = numpy.isnan(expected)
    return numpy.array_equal(numpy.isnan(got), nan) and got[~nan].tobytes() == expected[~nan].tobytes()


def cast(data, source, target):
    return db.execute("SELECT tensor_cast(?, ?, ?)", [data, source, target]).fetchone()[0]


def check_codes(dtype):
    codes = numpy.arange(2**BITS[dtype])
    data, expected = packed(codes, BITS[dtype]), decoded(dtype, codes)
    got = numpy.frombuffer(cast(data, dtype, "F64"), "<f8")
    tally.check(same(got, expected), f"{dtype}: every code as F64", got[:300], expected[:300])
    rows = [value for value, in db.execute("SELECT value FROM tensor_elements(?, ?)", [data, dtype])]
    rows = numpy.array([numpy.nan if value is None else value for value in rows])
    tally.check(same(rows, expected), f"{dtype}: every code as an element", rows[:300], expected[:300])


def check_numbers(dtype):
    """Numbers within the format's range, where there is one rule: to the nearest, ties to even. Each lies on a number
    of the format, between two, or in the middle of them."""
    finite = numpy.unique(decoded(dtype, numpy.arange(2**BITS[dtype])))
    finite = finite[numpy.isfinite(finite)]
    chance = numpy.random.Generator(numpy.random.PCG64(SEED))
    at = chance.integers(0, len(finite) - 1, COUNT)
    part = chance.choice([0, 0.5, 1, chance.random()], COUNT)
    with numpy.errstate(over="ignore", under="ignore"):
        numbers = (finite[at] * (1 - part) + finite[at + 1] * part).astype("<f4")
    if dtype == "F8_E8M0":
        numbers = finite[at].astype("<f4")  # powers of two; between them libraries round in different ways
    with numpy.errstate(over="ignore"):
        expected = numbers.astype(THEIRS[dtype]).astype("f8")
    got = numpy.frombuffer(cast(cast(numbers.tobytes(), "F32", dtype), dtype, "F64"), "<f8")
    differ = numpy.flatnonzero(got != expected)[:5]
    tally.check(same(got, expected), f"{dtype}: {COUNT} numbers encoded", numbers[differ], got[differ], expected[differ])


SEED = random.randrange(2**32)
print(f"ml_dtypes {ml_dtypes.__version__}, seed {SEED}")
for name in THEIRS:
    check_codes(name)
    check_numbers(name)
tally.finish()
