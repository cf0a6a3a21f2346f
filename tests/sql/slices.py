"""Slices of random tensors of every dtype, as NumPy takes them of the elements' numbers: tensor_data,
tensor_json, tensor_elements, tensor_item, tensor_rows, tensor_cast and refs with slices; ranks 0 to 6,
empty tensors, strides, bounds out of range; the file mapped, and read into buffers."""

import json
import math
import os
import random
import sqlite3
import struct
import tempfile

import reader
import reader_values
from tally import Tally, connect

try:
    import numpy
except ImportError:
    numpy = None

CASES = 3000
tally = Tally()
db = connect()
rng = random.Random(20260101)


def one(sql, *arguments):
    return db.execute(sql, arguments).fetchone()[0]


def marks(arguments):
    return ", ".join("?" * len(arguments))


class Tensor:
    """Random bytes of a dtype and shape, and what the independent reader makes of them."""

    def __init__(self):
        self.dtype = rng.choice(list(reader.BITS) + ["F4", "F6_E2M3", "F6_E3M2"] * 3)
        self.bits = reader.BITS[self.dtype]
        while True:
            self.shape = [rng.choice([0, 1, 1, 2, 3, 4, 5, 5]) if rng.random() < 0.9 else rng.randint(0, 9)
                          for _ in range(rng.randint(0, 6))]
            numel = math.prod(self.shape)
            if numel * self.bits % 8 == 0:
                break
        self.raw = rng.randbytes(numel * self.bits // 8)
        self.codes = reader_values.codes(self.raw, self.bits)
        self.values = reader_values.flat(self.dtype, self.raw, self.bits)
        self.places = numpy.arange(numel).reshape(self.shape)

    def packed(self, places):
        """The bytes of these elements, one behind the other."""
        number = sum(self.codes[place] << self.bits * i for i, place in enumerate(places))
        return number.to_bytes((len(places) * self.bits + 7) // 8, "little")

    def in_whole_bytes(self, places):
        """Whether the elements that follow one another in the tensor start and end on a byte."""
        starts = [p for i, p in enumerate(places) if i == 0 or places[i - 1] != p - 1]
        ends = [p + 1 for i, p in enumerate(places) if i == len(places) - 1 or places[i + 1] != p + 1]
        return all(p * self.bits % 8 == 0 for p in starts + ends)

    def write(self, path):
        header = json.dumps({"x": {"dtype": self.dtype, "shape": self.shape,
                                   "data_offsets": [0, len(self.raw)]}}).encode()
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header + self.raw)


def random_index(size):
    """(text, the index in Python) over a dimension of this size."""
    if size > 0 and rng.random() < 0.35:
        at = rng.randint(-size, size - 1)
        return str(at), at
    start, stop = (rng.choice(["", *map(str, range(-size - 2, size + 3))]) for _ in range(2))
    step = rng.choice(["", "", "1", "2", "3", "100", str(2**70)])
    text = f"{start}:{stop}" + (f":{step}" if step or rng.random() < 0.2 else "")
    space = rng.choice(["", "", " "])
    return space + text.replace(":", space + ":" + space), slice(
        int(start) if start else None, int(stop) if stop else None, int(step) if step else None)


def random_slice(shape):
    count = rng.randint(0, len(shape))
    head = rng.randint(0, count)
    tail = count - head
    ellipsis = tail > 0 or count == 0 or rng.random() < 0.2
    indices = [random_index(size) for size in shape[:head]]
    if ellipsis:
        indices.append(("...", Ellipsis))
    indices += [random_index(size) for size in shape[len(shape) - tail:]]
    return rng.choice([",", ", "]).join(text for text, _ in indices), tuple(i for _, i in indices)


def nested(values, shape):
    return reader_values.nested(values, shape) if math.prod(shape) else reader_values.empties(shape)


def exact(value):
    """Distinguishes 0.0 from -0.0, True from 1, and 1 from 1.0."""
    return json.dumps(value)


def element(value):
    """An SQL value as the reader has it: the text of a complex number taken apart, no infinities."""
    if isinstance(value, str):
        return json.loads(value)
    return reader_values.plain(value) if value is not None else None


def as_sql(value):
    if isinstance(value, int) and value >= 2**63:
        return float(value)  # SQL's integers end there
    return int(value) if isinstance(value, bool) else value


def compare_data(tensor, places, arguments, what):
    try:
        got = one(f"SELECT tensor_data({marks(arguments)})", *arguments)
    except sqlite3.OperationalError as error:
        got = "refused" if "starts and ends on a byte" in str(error) else error
    expected = tensor.packed(places) if tensor.in_whole_bytes(places) else "refused"
    tally.equal(got, expected, f"tensor_data, {what}")


def compare_elements(tensor, places, shape, arguments, what):
    rows = db.execute(f"SELECT idx, coord, value FROM tensor_elements({marks(arguments)})", arguments).fetchall()
    got = [(i, json.loads(c), element(v)) for i, c, v in rows]
    coordinates = [list(c) for c in numpy.ndindex(*shape)] if places else []
    values = [as_sql(tensor.values[p]) for p in places]
    tally.equal(exact(got), exact(list(zip(range(len(places)), coordinates, values))), f"tensor_elements, {what}")


def compare_cast(tensor, places, ref, what):
    """To its own dtype; and to F64, which all but integers beyond 2^53 are exactly."""
    if len(places) * tensor.bits % 8 == 0:
        tally.equal(one("SELECT tensor_cast(?, ?)", ref, tensor.dtype), tensor.packed(places),
                    f"tensor_cast to the same, {what}")
    got = struct.unpack(f"<{len(places)}d", one("SELECT tensor_cast(?, 'F64')", ref))
    values = [tensor.values[p] for p in places]
    if tensor.dtype == "C64":
        values = [value[0] for value in values]
    tally.equal(exact([reader_values.plain(v) for v in got]),
                exact([None if v is None else float(v) for v in values]), f"tensor_cast to F64, {what}")


def compare_rows(tensor, places, ref, what):
    rows = db.execute("SELECT i, ref, tensor_json(ref) FROM tensor_rows(?)", [ref]).fetchall()
    values = [nested([tensor.values[p] for p in row.ravel()], list(row.shape)) for row in places]
    tally.equal(exact([(i, json.loads(text)) for i, _, text in rows]), exact(list(enumerate(values))),
                f"tensor_rows, {what}")
    for (i, row_ref, _), row in zip(rows, places):
        row_places = row.ravel().tolist()
        compare_data(tensor, row_places, [row_ref], f"row {i} of {what}")
        if tensor.in_whole_bytes(row_places):
            tally.equal(one("SELECT data FROM tensor_rows(?) WHERE i = ?", ref, i), tensor.packed(row_places),
                        f"data of row {i} of {what}")


def compare(number, directory):
    tensor = Tensor()
    text, index = random_slice(tensor.shape)
    path = os.path.join(directory, f"{number}.safetensors")
    tensor.write(path)
    mode = one("SELECT safetensors_config('io', ?)", rng.choice(["map", "pread"]))
    sliced = numpy.asarray(tensor.places[index])
    places, shape = sliced.ravel().tolist(), list(sliced.shape)
    whole, ref = f"{path}#x", one("SELECT tensor_ref(?, 'x', ?)", path, text)
    raw = (tensor.raw, tensor.dtype, json.dumps(tensor.shape))
    for name, arguments in [("ref and slice", (whole, text)), ("ref with slice", (ref,)),
                            ("raw and slice", (*raw, text))]:
        what = f"{name}: {tensor.dtype} {tensor.shape} [{text}] io={mode}"
        compare_data(tensor, places, arguments, what)
        got = json.loads(one(f"SELECT tensor_json({marks(arguments)})", *arguments))
        tally.equal(exact(got), exact(nested([tensor.values[p] for p in places], shape)), f"tensor_json, {what}")
        compare_elements(tensor, places, shape, arguments, what)
    what = f"{tensor.dtype} {tensor.shape} [{text}] io={mode}"
    tally.equal(json.loads(one("SELECT tensor_shape(?)", ref)), shape, f"tensor_shape: {what}")
    compare_cast(tensor, places, ref, what)
    if shape and shape[0]:
        compare_rows(tensor, sliced.reshape(shape), ref, what)
    if places:
        place = [rng.randint(-n, n - 1) for n in shape]
        for arguments in [(ref, *place)] + ([(*raw, *place)] if shape == tensor.shape and text == "..." else []):
            got = element(one(f"SELECT tensor_item({marks(arguments)})", *arguments))
            tally.equal(exact(got), exact(as_sql(tensor.values[sliced[tuple(place)]])),
                        f"tensor_item{place}: {what}")
    os.unlink(path)


if numpy is None:
    print("skipped: slices against NumPy (python3-numpy is not installed)")
else:
    with tempfile.TemporaryDirectory() as directory:
        for number in range(CASES):
            compare(number, directory)
tally.finish()
