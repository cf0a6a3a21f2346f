"""An independent reader of safetensors files, in Python's standard library alone.

It judges as the reference implementation does (safetensors/src/tensor.rs), with the strictnesses that
ext/docs/reference.md documents as a separate verdict, and shares no code with the extension."""

import json
import math
import struct

BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}
LIMIT = 100_000_000


class Invalid(Exception):
    """The reference refuses the file."""


class Stricter(Exception):
    """The reference reads the file, the extension refuses it on purpose."""


class Pairs(list):
    """A JSON object, with its duplicate keys."""


class Number(str):
    """A JSON number, as written."""


def refuse(constant):
    raise Invalid(f"{constant} is not JSON")


def load(text):
    decoder = json.JSONDecoder(object_pairs_hook=Pairs, parse_int=Number, parse_float=Number,
                               parse_constant=refuse)
    try:
        body = text.strip(" \t\r\n")
        value, end = decoder.raw_decode(body)
    except (ValueError, RecursionError) as problem:
        raise Invalid(f"not JSON: {problem}") from None
    if end != len(body):
        raise Invalid("text after the JSON")
    return value


def check_string(text):
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise Invalid("lone surrogate")


def check_number(text):
    if math.isinf(float(text)):
        raise Invalid("number out of range")


def depth(value):
    """How deep arrays and objects nest, without recursion."""
    deepest, level = 0, [value]
    while level:
        below = []
        for item in level:
            if isinstance(item, Pairs):
                below += [v for _, v in item]
            elif isinstance(item, list):
                below += item
        if any(isinstance(item, list) for item in level):
            deepest += 1
        level = below
    return deepest


def walk(value):
    """All strings and numbers within, and all objects."""
    stack = [value]
    while stack:
        item = stack.pop()
        yield item
        if isinstance(item, Pairs):
            for key, inner in item:
                yield key
                stack.append(inner)
        elif isinstance(item, list):
            stack += item


def usize(value):
    if not isinstance(value, Number) or not value.isdigit():
        raise Invalid(f"not an unsigned integer: {value!r}")
    number = int(value)
    if number >= 2**64:
        raise Invalid("integer above 64 bits")
    return number


def unique(pairs, keys):
    for key in keys:
        if [k for k, _ in pairs].count(key) > 1:
            raise Invalid(f"duplicate field {key}")


FIELDS = ("dtype", "shape", "data_offsets")


def is_accident(entry):
    """An entry as an array of its fields, or a dtype as an object: the reference's JSON library takes them."""
    return not isinstance(entry, Pairs) or isinstance(dict(entry)["dtype"], Pairs)


def entry(name, value):
    if isinstance(value, list) and not isinstance(value, Pairs) and len(value) == 3:
        value = Pairs(zip(FIELDS, value))
    if not isinstance(value, Pairs):
        raise Invalid(f"{name!r}: not an object")
    unique(value, FIELDS)
    fields = dict(value)
    dtype, shape, offsets = (fields.get(k) for k in FIELDS)
    if isinstance(dtype, Pairs) and [inner for _, inner in dtype] == [None]:
        dtype = dtype[0][0]
    if not isinstance(dtype, str) or isinstance(dtype, Number) or dtype not in BITS:
        raise Invalid(f"{name!r}: dtype {dtype!r}")
    if not isinstance(shape, list) or isinstance(shape, Pairs):
        raise Invalid(f"{name!r}: shape {shape!r}")
    if not isinstance(offsets, list) or isinstance(offsets, Pairs) or len(offsets) != 2:
        raise Invalid(f"{name!r}: data_offsets {offsets!r}")
    return name, dtype, [usize(d) for d in shape], usize(offsets[0]), usize(offsets[1])


def nbytes(name, dtype, shape):
    product = 1
    for dimension in shape:
        product *= dimension
        if product >= 2**64:
            raise Invalid(f"{name!r}: overflow")
    bits = product * BITS[dtype]
    if bits >= 2**64:
        raise Invalid(f"{name!r}: overflow")
    if bits % 8:
        raise Invalid(f"{name!r}: part of a byte")
    return bits // 8


def metadata_of(pairs):
    found = [v for k, v in pairs if k == "__metadata__"]
    if len(found) > 1:
        raise Invalid("duplicate __metadata__")
    if not found or found[0] is None:
        return []
    if not isinstance(found[0], Pairs):
        raise Invalid("__metadata__ is not an object")
    for key, value in found[0]:
        if not isinstance(value, str) or isinstance(value, Number):
            raise Invalid(f"__metadata__ {key!r} is not a string")
    return list(found[0])


def check_strictness(header):
    if any(is_accident(value) for key, value in header if key != "__metadata__"):
        raise Stricter("another form")
    for item in walk(header):
        if isinstance(item, Pairs):
            keys = [k for k, _ in item]
            if len(set(keys)) != len(keys):
                raise Stricter("duplicate key")
            if any("\0" in k for k in keys):
                raise Stricter("NUL in a key")
        if isinstance(item, Number) and item.lstrip("-").isdigit():
            if not -2**63 <= int(item) < 2**63:
                raise Stricter("integer outside 64 bits")
            if item == "-0":
                raise Stricter("-0")


def read(data, size=None):
    """(tensors by offset, metadata) of a file's bytes; `size` is the file's, if data is only its
    beginning. A tensor is (name, dtype, shape, begin, end), offsets counted from the file's start."""
    size = len(data) if size is None else size
    if size < 8:
        raise Invalid("header too small")
    length = struct.unpack("<Q", data[:8])[0]
    if length > LIMIT:
        raise Invalid("header too large")
    if 8 + length > size:
        raise Invalid("header past the end")
    try:
        text = data[8:8 + length].decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Invalid(f"not UTF-8: {problem}") from None
    header = load(text)
    if not isinstance(header, Pairs):
        raise Invalid("not an object")
    if depth(header) > 127:
        raise Invalid("recursion limit")
    for item in walk(header):
        if isinstance(item, Number):
            check_number(item)
        elif isinstance(item, str):
            check_string(item)
    metadata = metadata_of(header)
    by_name = {}
    for key, value in header:
        if key != "__metadata__":
            by_name[key] = entry(key, value)
    tensors = sorted(by_name.values(), key=lambda t: (t[3], t[4]))
    at = 0
    for name, dtype, shape, begin, end in tensors:
        if begin != at or end < begin:
            raise Invalid(f"{name!r}: offsets {begin}, {end} where {at} was due")
        if nbytes(name, dtype, shape) != end - begin:
            raise Invalid(f"{name!r}: size")
        at = end
    if 8 + length + at != size:
        raise Invalid("the tensors do not end where the file does")
    check_strictness(header)
    start = 8 + length
    return [(n, d, s, start + b, start + e) for n, d, s, b, e in tensors], metadata
