"""The values of a tensor's elements, decoded by the formats' formulas in Python's standard library alone.

Shares no code with the extension, nor its way of decoding: each float is sign * mantissa * 2 ** exponent,
straight from the specifications."""

import math
import struct

STRUCT = {"U8": "B", "I8": "b", "U16": "H", "I16": "h", "U32": "I", "I32": "i", "U64": "Q", "I64": "q",
          "F16": "e", "F32": "f", "F64": "d"}

# exponent bits, mantissa bits, bias, and which codes are special
FLOATS = {
    "BF16": (8, 7, 127, "ieee"),
    "F8_E5M2": (5, 2, 15, "ieee"),
    "F8_E4M3": (4, 3, 7, "fn"),
    "F8_E4M3FNUZ": (4, 3, 8, "fnuz"),
    "F8_E5M2FNUZ": (5, 2, 16, "fnuz"),
    "F6_E2M3": (2, 3, 1, "none"),
    "F6_E3M2": (3, 2, 3, "none"),
    "F4": (2, 1, 1, "none"),
}


def small_float(code, exponent_bits, mantissa_bits, bias, specials):
    sign = -1.0 if code >> (exponent_bits + mantissa_bits) else 1.0
    exponent = code >> mantissa_bits & (1 << exponent_bits) - 1
    mantissa = code & (1 << mantissa_bits) - 1
    top = (1 << exponent_bits) - 1
    if specials == "ieee" and exponent == top:
        return math.nan if mantissa else sign * math.inf
    if specials == "fn" and exponent == top and mantissa == (1 << mantissa_bits) - 1:
        return math.nan
    if specials == "fnuz" and sign < 0 and exponent == 0 and mantissa == 0:
        return math.nan
    if exponent == 0:
        return sign * math.ldexp(mantissa, 1 - bias - mantissa_bits)
    return sign * math.ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits)


def codes(data, bits):
    """The elements' bits, as integers, first element in the lowest bits."""
    if bits % 8 == 0:
        step = bits // 8
        return [int.from_bytes(data[i:i + step], "little") for i in range(0, len(data), step)]
    whole = int.from_bytes(data, "little")
    return [whole >> at & (1 << bits) - 1 for at in range(0, len(data) * 8, bits)]


def flat(dtype, data, bits):
    """What json.loads gives for each element: NaN and infinities are None."""
    if dtype == "BOOL":
        return [byte != 0 for byte in data]
    if dtype == "C64":
        parts = [plain(v) for v in struct.unpack(f"<{len(data) // 4}f", data)]
        return [list(pair) for pair in zip(parts[::2], parts[1::2])]
    if dtype in STRUCT:
        values = struct.unpack(f"<{len(data) * 8 // bits}{STRUCT[dtype]}", data)
        return [plain(v) for v in values]
    if dtype == "F8_E8M0":
        return [None if code == 255 else math.ldexp(1.0, code - 127) for code in data]
    return [plain(small_float(code, *FLOATS[dtype])) for code in codes(data, bits)]


def plain(value):
    return value if isinstance(value, int) or math.isfinite(value) else None


def nested(values, shape):
    """The flat list in the arrays that the shape says."""
    for dimension in reversed(shape[1:]):
        count = len(values) // dimension if dimension else 0
        values = [values[i * dimension:(i + 1) * dimension] for i in range(count)]
    if not shape:
        return values[0]
    return values


def empties(shape):
    """Nested arrays without an element in them."""
    return [] if not shape or shape[0] == 0 else [empties(shape[1:]) for _ in range(shape[0])]
