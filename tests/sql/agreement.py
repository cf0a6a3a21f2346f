"""Three ways to a value are one: the text of tensor_json is what Python's json.dumps writes of the independent
reader's values, and json_each over it, tensor_elements and tensor_item agree to the bit."""

import json
import random
import struct

import reader
import reader_values
from tally import Tally, connect

COUNT = 20000  # elements; all codes of the smaller dtypes are among them
ITEMS = 200
tally = Tally()
db = connect()
rng = random.Random(20260401)


def random_raw(bits):
    codes = list(range(1 << bits)) if bits <= 8 else []
    codes += [rng.getrandbits(bits) for _ in range(COUNT - len(codes))]
    return sum(code << bits * i for i, code in enumerate(codes)).to_bytes(len(codes) * bits // 8, "little") \
        if bits < 8 else b"".join(code.to_bytes(bits // 8, "little") for code in codes)


def exact(value):
    """Distinguishes values that differ in type or in a bit; booleans are SQL's integers."""
    if isinstance(value, float):
        return "real", struct.pack("<d", value)
    return type(value).__name__, value


def finite(value):
    """JSON has no infinities."""
    return reader_values.plain(value) if isinstance(value, float) else value


for dtype, bits in reader.BITS.items():
    raw = random_raw(bits)
    values = reader_values.flat(dtype, raw, bits)
    text = db.execute("SELECT tensor_json(?, ?)", [raw, dtype]).fetchone()[0]
    expected = json.dumps(values, separators=(",", ":"))
    first = next((i for i, (a, b) in enumerate(zip(text, expected)) if a != b), len(expected))
    tally.check(text == expected, f"{dtype}: text", text[first - 30:first + 30], expected[first - 30:first + 30])
    by_json = [exact(v) for v, in db.execute("SELECT value FROM json_each(tensor_json(?, ?))", [raw, dtype])]
    elements = [exact(finite(v)) for v, in db.execute("SELECT value FROM tensor_elements(?, ?)", [raw, dtype])]
    wrong = [(i, a, b) for i, (a, b) in enumerate(zip(by_json, elements)) if a != b]
    tally.check(len(by_json) == len(elements) == COUNT and not wrong, f"{dtype}: json_each, tensor_elements", wrong[:5])
    places = rng.sample(range(COUNT), ITEMS)
    items = [exact(finite(db.execute("SELECT tensor_item(?, ?, ?)", [raw, dtype, i]).fetchone()[0])) for i in places]
    tally.equal(items, [elements[i] for i in places], f"{dtype}: tensor_item, tensor_elements")
tally.finish()
