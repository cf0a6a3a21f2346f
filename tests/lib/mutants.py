"""Damaged safetensors files at random: valid ones, written in one of the ways that JSON allows, with one thing
wrong, or several: an offset, a dtype, a shape, a duplicate, an escape, whitespace, the length, its end, any byte.
Seed `chance` first."""

import json
import random
import struct

import reader

chance = random.Random()

NAMES = ["a", "b", "weight", "model.layers.0.weight", "é", "😀", "", " ", "__metadata", "a\"b", "a\\b", "dtype",
         "x/y"]
WHOLE = [dtype for dtype, bits in reader.BITS.items() if bits % 8 == 0]


class Raw(str):
    """JSON as it is to be written."""


def space():
    return chance.choice(["", "", "", "", " ", "\n", "\t ", "\r\n"])


def string(text):
    """A JSON string, with or without escapes."""
    way = chance.randrange(4)
    if way < 2:
        return json.dumps(text, ensure_ascii=way == 0)
    out = ""
    for character in text:
        units = character.encode("utf-16-be")
        escaped = "".join(f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2))
        plain = json.dumps(character, ensure_ascii=False)[1:-1]
        out += escaped if chance.random() < 0.3 else plain
    return f'"{out}"'


def write(value, wide):
    """JSON; objects are lists of pairs."""
    gap = space if wide else str
    if isinstance(value, Raw):
        return value
    if isinstance(value, str):
        return string(value) if wide else json.dumps(value, ensure_ascii=False)
    if isinstance(value, reader.Pairs):
        members = [f"{gap()}{write(k, wide)}{gap()}:{gap()}{write(v, wide)}{gap()}" for k, v in value]
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(f"{gap()}{write(item, wide)}{gap()}" for item in value) + "]"
    return json.dumps(value)


class File:
    """A valid file, as what it is made of."""

    def __init__(self):
        self.header = reader.Pairs()
        self.at = 0
        for name in chance.sample(NAMES, chance.randrange(6)):
            self.add(name)
        if chance.random() < 0.4:
            pairs = reader.Pairs((key, chance.choice(["", "pt", "a\nb", "\0", "é"]))
                                 for key in chance.sample(NAMES, chance.randrange(4)))
            self.header.insert(chance.randrange(len(self.header) + 1),
                               ("__metadata__", chance.choice([pairs, pairs, None])))
        if chance.random() < 0.3:
            chance.shuffle(self.header)
        self.wide = chance.random() < 0.5
        self.before, self.after, self.length, self.data, self.cut = "", "", 0, bytes(self.at), None
        self.padding = " " * chance.randrange(9)

    def add(self, name):
        dtype = chance.choice(WHOLE if chance.random() < 0.8 else ["F4", "F6_E2M3", "F6_E3M2"])
        shape = [chance.choice([0, 1, 2, 3, 4]) for _ in range(chance.randrange(4))]
        if dtype not in WHOLE:
            shape.append(4)
        size = reader.nbytes(name, dtype, shape)
        entry = reader.Pairs([("dtype", dtype), ("shape", shape), ("data_offsets", [self.at, self.at + size])])
        if chance.random() < 0.2:
            entry.append((chance.choice(["comment", "x", "Dtype"]),
                          chance.choice([None, 1.5, [], reader.Pairs([("y", [True])])])))
        if chance.random() < 0.3:
            chance.shuffle(entry)
        self.at += size
        self.header.append((name, entry))

    def bytes(self):
        text = self.before + write(self.header, self.wide) + self.padding + self.after
        text = text.encode("utf-8", "surrogatepass")
        return (struct.pack("<Q", (len(text) + self.length) % 2**64) + text + self.data)[:self.cut]

    def tensor(self):
        """The entry of some tensor, made when there is none."""
        if not any(key != "__metadata__" for key, _ in self.header):
            self.add("t")
            self.data = bytes(self.at)
        return chance.choice([value for key, value in self.header if key != "__metadata__"])


def get(entry, key):
    return next(value for k, value in entry if k == key)


def put(entry, key, value):
    entry[:] = [(k, value if k == key else v) for k, v in entry]


NUMBERS = [Raw(text) for text in (
    "-1", "-0", "0.0", "1.0", "1e0", "1E+2", "01", "+1", ".5", "1.", "0x1", "null", "true", '"1"', "[]", "{}",
    "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e400", "NaN",
    "Infinity", "-", "1_000", "1 2")]
DTYPES = [*reader.BITS, "f32", "F128", "", "F32 ", "FLOAT", None, 32, [], reader.Pairs([("F32", None)]),
          *map(Raw, ("F32", "'F32'", '"F\\u00332"', '"F\\u33"'))]
VALUES = [Raw(text) for text in (
    "9223372036854775808", "-0", "-0.0", "-9223372036854775809", "1e400", "1e-400", "[1,-0]", '{"y":1,"y":1}',
    '{"\\u0000":1}', '"\\u0000"', '"\\ud800"', "[" * 125 + "]" * 125, "[" * 126 + "]" * 126, '[{"z":{}},{"z":{}}]',
    "1" * 400, "\x7f", '"\x7f"', '"\x1f"')]
NAMES_WRITTEN = [Raw(text) for text in (
    '"\\u0000"', '"n\\u0000"', '"\\ud83d"', '"\\ude00"', '"\\ud83d\\u0041"', '"\\ud83d\\ude00"', '"\\x41"', '"\\u12"',
    '"\\u12G4"', '"\t"', '"\x7f"', "'n'", "n", "1", '"\ud800"', '"\\/\\b\\f\\n\\r\\t"')]
METADATA = [Raw(text) for text in (
    "null", "[]", "1", '"x"', '{"a":1}', '{"a":null}', '{"a":{}}', '{"a":"1","a":"2"}', '{"a":"1","\\u0061":"2"}',
    '{"a":"\\u0000"}', '{"\\u0000":""}', '{"a":"\\ud800"}', '{"a":"\\ud83d\\ude00"}', '{"a":"b",}', '{"a" "b"}',
    '{"a":}', "{,}", '{a:"b"}', '{"a":-0}', '{"a":"\x01"}', "{", "nul", '{"a":"b"]')]
AROUND = [" ", "\n", "\t\r", "\0", "\f", "\v", "\xa0", "\ufeff", "x", "}", "{", ",", "//", "[]", "null", "\u2003"]
LAYOUT = {"hole", "overlap", "truncated", "trailing-bytes", "size-mismatch", "bad-offsets"}


def change_offset(file):
    entry = file.tensor()
    offsets = list(get(entry, "data_offsets"))
    which = chance.randrange(2)
    offsets[which] = max(0, offsets[which] + chance.choice([-8, -2, -1, 0, 1, 2, 8, 2**32, 2**62]))
    put(entry, "data_offsets", offsets)
    return LAYOUT


def swap_offsets(file):
    one, other = file.tensor(), file.tensor()
    if chance.random() < 0.5:
        put(one, "data_offsets", get(one, "data_offsets")[::-1])
    else:
        first, second = get(one, "data_offsets"), get(other, "data_offsets")
        put(one, "data_offsets", second)
        put(other, "data_offsets", first)
    return LAYOUT


def bad_offset(file):
    entry = file.tensor()
    offsets = list(get(entry, "data_offsets"))
    way = chance.randrange(5)
    if way == 0:
        offsets = chance.choice([[], offsets[:1], offsets + [0], None, "x", 3, reader.Pairs()])
    else:
        offsets[chance.randrange(2)] = chance.choice(NUMBERS)
    put(entry, "data_offsets", offsets)
    return LAYOUT | {"not-json"}


def change_shape(file):
    entry = file.tensor()
    shape = list(get(entry, "shape"))
    way = chance.randrange(4)
    if way == 0 or not shape:
        shape.insert(chance.randrange(len(shape) + 1), chance.choice([0, 1, 2, 2**31, 2**61, 2**63 - 1, *NUMBERS]))
    elif way == 1:
        shape[chance.randrange(len(shape))] = chance.choice([0, 1, 5, *NUMBERS])
    elif way == 2:
        del shape[chance.randrange(len(shape))]
    else:
        shape = chance.choice([None, "[1]", 1, reader.Pairs(), [shape]])
    put(entry, "shape", shape)
    return {"bad-shape", "size-mismatch", "overflow", "sub-byte-remainder", "not-json"}


def change_dtype(file):
    put(file.tensor(), "dtype", chance.choice(DTYPES))
    return {"bad-dtype", "size-mismatch", "sub-byte-remainder", "overflow", "not-json"}


def change_fields(file):
    entry = file.tensor()
    way = chance.randrange(4)
    key, value = chance.choice(entry)
    if way == 0:
        entry.remove((key, value))
    elif way == 1:
        again = Raw(f'"\\u{ord(key[0]):04x}{key[1:]}"')
        entry.insert(chance.randrange(len(entry) + 1), (chance.choice([key, again]), value))
    elif way == 2:
        entry.append(("x", chance.choice(VALUES)))
    else:
        other = chance.choice([None, 1, "x", True, [], reader.Pairs(), [get(entry, name) for name in reader.FIELDS]])
        file.header[:] = [(k, other if v is entry else v) for k, v in file.header]
    return {"bad-entry", "duplicate-key", "nul-in-key", "bad-number", "not-json"}


def repeat_name(file):
    file.tensor()
    name, value = chance.choice(file.header)
    units = struct.iter_unpack(">H", name.encode("utf-16-be"))
    again = Raw('"' + "".join(f"\\u{unit:04x}" for unit, in units) + '"')
    file.header.insert(chance.randrange(len(file.header) + 1), (chance.choice([name, again]), value))
    return {"duplicate-key", "overlap"}


def odd_name(file):
    name = chance.choice(NAMES_WRITTEN)
    entry = file.tensor()
    file.header[:] = [(name if value is entry else key, value) for key, value in file.header]
    return {"nul-in-key", "not-json", "not-utf8", "duplicate-key"}


def change_metadata(file):
    value = chance.choice(METADATA)
    file.header[:] = [(k, v) for k, v in file.header if k != "__metadata__"]
    file.header.insert(chance.randrange(len(file.header) + 1), ("__metadata__", value))
    return {"bad-metadata", "duplicate-key", "nul-in-key", "not-json"}


def change_around(file):
    way = chance.randrange(2)
    text = chance.choice(AROUND)
    if way == 0:
        file.before = text
    else:
        file.after = text
    return {"not-json", "not-an-object"}


def change_size(file):
    way = chance.randrange(4)
    if way == 0:
        file.data += bytes(chance.choice([1, 2, 8]))
    elif way == 1:
        file.data = file.data[:max(0, len(file.data) - chance.choice([1, 2, 8]))]
    elif way == 2:
        file.cut = chance.randrange(chance.choice([10, len(file.bytes())]))
    else:
        file.length = chance.choice([-9, -2, -1, 1, 2, 9, 10**8, 10**9, 2**63])
    return {"truncated", "trailing-bytes", "header-too-small", "header-too-large", "empty", "not-json",
            "byte-order-mark", "json"}  # which the length may look like


MUTATIONS = [change_offset, swap_offsets, bad_offset, change_shape, change_dtype, change_fields, repeat_name, odd_name,
             change_metadata, change_around, change_size]


def mutate(file, mutations):
    """The codes that go with them."""
    allowed = set()
    for mutation in mutations:
        try:
            allowed |= mutation(file)
        except (AttributeError, IndexError, StopIteration, TypeError, ValueError):
            if len(mutations) == 1:  # else the one before has taken away what it is for
                raise
    return allowed


def change_some(data, end):
    """A few of the bytes before the end changed, taken away, or put in; mostly not those of the length."""
    for _ in range(chance.choice([1, 1, 2, 4])):
        end = min(end, len(data))
        if end == 0:
            break
        at = chance.randrange(end)
        if chance.random() < 0.9:
            at = min(at + 8, end - 1)
        way = chance.randrange(4)
        if way == 0:
            data[at] = chance.randrange(256)
        elif way == 1:
            data[at] = ord(chance.choice('{}[]",:\\ \n-+.eE0123456789ntf'))
        elif way == 2:
            del data[at]
        else:
            data.insert(at, ord(chance.choice('{}[]",:\\ 0')))


def change_bytes(data):
    """Any byte of a small file; mostly the length goes with it."""
    data = bytearray(data)
    change_some(data, len(data))
    if chance.random() < 0.8 and len(data) > 8:
        end = data.rfind(b"}") + 1
        data[:8] = struct.pack("<Q", max(0, end - 8))
    return bytes(data)


def change_header(data):
    """Bytes of the header of any file, be it one or not; mostly the length goes with it."""
    data, size = bytearray(data), len(data)
    end = min(size, 8 + int.from_bytes(data[:8], "little"))
    change_some(data, end)
    if chance.random() < 0.8 and len(data) > 8:
        data[:8] = struct.pack("<Q", max(0, end - 8 + len(data) - size))
    return bytes(data)


def damaged():
    """A file's bytes, what was done to it, and the codes of findings of which one must be found if there is an
    error: None for any."""
    made = File()
    several = chance.random() < 0.15
    done = chance.sample(MUTATIONS, 3 if several else 1) if chance.randrange(10) else []
    allowed = mutate(made, done)
    content = made.bytes()
    if chance.random() < 0.15:
        content, allowed = change_bytes(content), None
    return content, "+".join(mutation.__name__ for mutation in done), None if several else allowed
