"""Every dtype's numbers in NumPy: codes to doubles and back, and codes to the bytes of a tensor.

Independent of the extension: the formats come from their specifications (IEEE 754, OFP8, arXiv:2206.02915, OCP MX),
as tables of all their numbers, and rounding is a search in such a table. What a number becomes that a dtype cannot
hold is what ext/docs/reference.md says under "Casts".
"""

import numpy

# exponent bits, mantissa bits, bias, and what the codes above the largest number are
FLOATS = {
    "F4": (2, 1, 1, "none"), "F6_E2M3": (2, 3, 1, "none"), "F6_E3M2": (3, 2, 3, "none"),
    "F8_E5M2": (5, 2, 15, "ieee"), "F8_E4M3": (4, 3, 7, "one nan"), "F8_E4M3FNUZ": (4, 3, 8, "fnuz"),
    "F8_E5M2FNUZ": (5, 2, 16, "fnuz"), "F16": (5, 10, 15, "ieee"), "BF16": (8, 7, 127, "ieee"),
}
INTEGERS = {"U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8"}
BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "F16": 16, "BF16": 16, "F32": 32, "C64": 64, "F64": 64,
    **{name: 8 * numpy.dtype(kind).itemsize for name, kind in INTEGERS.items()},
}
DTYPES = list(BITS)
SIGN = 1 << 63


def positive_numbers(dtype):
    """The finite numbers that are not negative, in the order of their codes, and the one that would come next."""
    exponent_bits, mantissa_bits, bias, specials = FLOATS[dtype]
    last = {"none": 0, "ieee": 1 << mantissa_bits, "one nan": 1, "fnuz": 0}[specials]
    codes = numpy.arange((1 << exponent_bits + mantissa_bits) - last + 1)
    exponent, mantissa = codes >> mantissa_bits, codes & (1 << mantissa_bits) - 1
    significand = numpy.where(exponent > 0, mantissa + (1 << mantissa_bits), mantissa).astype("f8")
    return numpy.ldexp(significand, numpy.maximum(exponent, 1) - bias - mantissa_bits)


NUMBERS = {dtype: positive_numbers(dtype) for dtype in FLOATS}
MIDPOINTS = {dtype: (numbers[1:] + numbers[:-1]) / 2 for dtype, numbers in NUMBERS.items()}


def decode_table(dtype):
    """The number of each code."""
    exponent_bits, mantissa_bits, _, specials = FLOATS[dtype]
    finite = NUMBERS[dtype][:-1]
    half = numpy.full(1 << exponent_bits + mantissa_bits, numpy.nan)
    half[:len(finite)] = finite
    if specials == "ieee":
        half[len(finite)] = numpy.inf
    both = numpy.concatenate([half, -half])
    if specials == "fnuz":
        both[len(half)] = numpy.nan
    return both


TABLES = {dtype: decode_table(dtype) for dtype in FLOATS}


def decode(dtype, codes):
    """Doubles; for C64 complex numbers. `codes` is an array of uint64, and keeps its shape."""
    if dtype in FLOATS:
        return TABLES[dtype][codes]
    if dtype in INTEGERS:
        return integers(dtype, codes).astype("f8")
    if dtype == "BOOL":
        return (codes != 0).astype("f8")
    if dtype == "F8_E8M0":
        return numpy.where(codes == 255, numpy.nan, numpy.ldexp(1.0, codes.astype("i8") - 127))
    with numpy.errstate(invalid="ignore"):  # signalling NaNs
        if dtype == "F32":
            return codes.astype("<u4").view("<f4").astype("f8")
        if dtype == "C64":
            return codes.astype("<u8", order="C").view("<c8").astype("c16")
    return codes.astype("<u8").view("<f8").copy()


def integers(dtype, codes):
    """The exact numbers of an integer dtype."""
    return codes.astype(f"u{BITS[dtype] // 8}").view(INTEGERS[dtype])


def encode(dtype, values):
    """The nearest codes of doubles, or of complex numbers, whose imaginary part only C64 keeps."""
    if dtype == "C64":
        with numpy.errstate(over="ignore", invalid="ignore"):
            return numpy.ascontiguousarray(values, "c16").astype("<c8").view("<u8").reshape(numpy.shape(values))
    if numpy.iscomplexobj(values):
        if dtype == "BOOL":
            return ((values.real != 0) | (values.imag != 0)).astype("u8")
        values = values.real
    values = numpy.array(values, "f8")
    if dtype == "F64":
        return values.view("<u8").reshape(values.shape)
    if dtype == "F32":
        with numpy.errstate(over="ignore", under="ignore", invalid="ignore"):
            return values.astype("<f4").view("<u4").astype("u8").reshape(values.shape)
    if dtype == "BOOL":
        return (values != 0).astype("u8")
    if dtype == "F8_E8M0":
        return encode_power(numpy.abs(values))
    if dtype in INTEGERS:
        return encode_integer(dtype, values)
    return encode_small(dtype, values)


def encode_small(dtype, values):
    exponent_bits, mantissa_bits, _, specials = FLOATS[dtype]
    sign_bit = 1 << exponent_bits + mantissa_bits
    midpoints, magnitudes = MIDPOINTS[dtype], numpy.abs(values)
    below, through = (numpy.searchsorted(midpoints, magnitudes, side) for side in ("left", "right"))
    codes = numpy.where(below % 2 == 0, below, through)  # they differ at a midpoint, where the even code is meant
    largest = len(midpoints) - 1
    nan = numpy.isnan(values)
    negative = numpy.signbit(values)
    if specials == "none":
        codes = numpy.where(nan, largest, numpy.minimum(codes, largest))
        negative = negative & ~nan
    elif specials == "fnuz":
        nan = nan | (codes > largest)
        negative = negative & ~nan & (codes > 0)
        codes = numpy.where(nan, sign_bit, codes)
    elif specials == "one nan":
        codes = numpy.where(nan, largest + 1, codes)
    else:
        codes = numpy.where(nan, sign_bit - 1 if dtype == "F8_E5M2" else largest + 1 + (1 << mantissa_bits - 1), codes)
    return codes.astype("u8") | numpy.where(negative, sign_bit, 0).astype("u8")


def encode_power(magnitudes):
    """F8_E8M0."""
    mantissa, exponent = numpy.frexp(numpy.where(numpy.isfinite(magnitudes), magnitudes, 1))
    codes = exponent - 1 + 127 + (mantissa >= 0.75)
    codes = numpy.where(magnitudes < 2.0**-126, 1, codes)
    codes = numpy.where(magnitudes <= 2.0**-127, 0, codes)
    return numpy.where(numpy.isfinite(magnitudes), numpy.minimum(codes, 255), 255).astype("u8")


def encode_integer(dtype, values):
    """A truncation to 32 or 64 bits, whose low bits are kept."""
    bits, signed = BITS[dtype], dtype[0] == "I"
    width = 32 if signed and bits <= 32 else 64
    with numpy.errstate(invalid="ignore"):
        whole = numpy.trunc(values)
        fits = (whole >= -2.0**(width - 1)) & (whole < 2.0**(width - 1))
        result = numpy.where(fits, whole, -2.0**(width - 1)).astype("i8").view("u8")
        if dtype == "U64":
            large = (values >= 2.0**63) & (values < 2.0**64)
            result = numpy.where(large, numpy.where(large, values, 0).astype("u8"), result)
    return result.reshape(values.shape) & numpy.uint64((1 << bits) - 1)


def encode_exactly(dtype, source, codes):
    """What the integers or booleans `codes` of the dtype `source` become: rounded once."""
    numbers = (codes != 0).astype("i8") if source == "BOOL" else integers(source, codes)
    if dtype in INTEGERS:
        return numbers.astype("i8" if numbers.dtype.kind == "i" else "u8").view("u8") & numpy.uint64((1 << BITS[dtype]) - 1)
    if dtype in ("F64", "BOOL"):
        return encode(dtype, numbers.astype("f8"))
    # A double that is on the same side of every number and every midpoint that matters: its last bit is 1 if any bit
    # below it was.
    magnitude = numpy.where(numbers < 0, -numbers.astype("i8"), numbers).astype("u8") if source[0] == "I" else numbers.astype("u8")
    inexact = (magnitude & numpy.uint64(0x7ff) != 0) & (magnitude >= 1 << 53)
    odd = numpy.where(inexact, magnitude & ~numpy.uint64(0x7ff) | numpy.uint64(0x800), magnitude).astype("f8")
    return encode(dtype, numpy.where(numbers < 0, -odd, odd))


def pack(dtype, codes):
    """A tensor's bytes: elements of less than a byte as a stream of bits, the first in the lowest."""
    bits, codes = BITS[dtype], numpy.ascontiguousarray(codes, "<u8").reshape(-1)
    if bits % 8:
        stream = numpy.unpackbits(codes.view("u1").reshape(-1, 8)[:, :1], axis=1, count=bits, bitorder="little")
        return numpy.packbits(stream.reshape(-1), bitorder="little").tobytes()
    return codes.view("u1").reshape(-1, 8)[:, :bits // 8].tobytes()


def unpack(dtype, data, shape):
    """The codes of a tensor's bytes."""
    bits, count = BITS[dtype], int(numpy.prod(shape, dtype=object))
    whole = numpy.zeros((count, 8), "u1")
    if bits % 8:
        stream = numpy.unpackbits(numpy.frombuffer(data, "u1"), bitorder="little")[:count * bits].reshape(-1, bits)
        whole[:, 0] = numpy.packbits(stream, axis=1, bitorder="little")[:, 0] if count else 0
    else:
        whole[:, :bits // 8] = numpy.frombuffer(data, "u1").reshape(count, bits // 8)
    return whole.reshape(-1).view("<u8").reshape(shape)
