"""Slices of random tensors, as NumPy takes them: tensor_data, tensor_json, tensor_elements, tensor_item,
tensor_rows and refs with slices; ranks 0 to 6, empty tensors, strides, bounds out of range."""

import json
import os
import random
import struct
import tempfile

from tally import Tally, connect

try:
    import numpy
except ImportError:
    numpy = None

CASES = 3000
DTYPES = {"U8": "<u1", "I16": "<i2", "F32": "<f4", "F64": "<f8", "I64": "<i8"}
tally = Tally()
db = connect()
rng = random.Random(20260101)


def one(sql, *arguments):
    return db.execute(sql, arguments).fetchone()[0]


def random_tensor():
    dtype = rng.choice(list(DTYPES))
    shape = [rng.choice([0, 1, 1, 2, 3, 4, 5, 5]) if rng.random() < 0.9 else rng.randint(0, 9)
             for _ in range(rng.randint(0, 6))]
    numel = 1
    for dimension in shape:
        numel *= dimension
    values = numpy.arange(numel) % 251 - (0 if dtype == "U8" else 100)
    return dtype, numpy.array(values, dtype=DTYPES[dtype]).reshape(shape)


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


def write(path, dtype, array):
    header = json.dumps({"x": {"dtype": dtype, "shape": list(array.shape),
                               "data_offsets": [0, array.nbytes]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + array.tobytes())


def compare(number, folder):
    dtype, array = random_tensor()
    text, index = random_slice(array.shape)
    expected = numpy.asarray(array[index])
    path = os.path.join(folder, f"{number}.safetensors")
    write(path, dtype, array)
    whole, ref = f"{path}#x", one("SELECT tensor_ref(?, 'x', ?)", path, text)
    what = f"{dtype} {list(array.shape)} [{text}]"
    raw = (array.tobytes(), dtype, json.dumps(list(array.shape)))
    for name, arguments in [("ref and slice", (whole, text)), ("ref with slice", (ref,)),
                            ("raw and slice", (*raw, text))]:
        marks = ", ".join("?" * len(arguments))
        tally.equal(one(f"SELECT tensor_data({marks})", *arguments), expected.tobytes(),
                    f"tensor_data, {name}: {what}")
        tally.equal(json.loads(one(f"SELECT tensor_json({marks})", *arguments)), expected.tolist(),
                    f"tensor_json, {name}: {what}")
        rows = db.execute(f"SELECT idx, coord, value FROM tensor_elements({marks})",
                          arguments).fetchall()
        coordinates = [list(c) for c in numpy.ndindex(*expected.shape)] if expected.size else []
        tally.equal([(i, json.loads(c), v) for i, c, v in rows],
                    list(zip(range(expected.size), coordinates, expected.ravel().tolist())),
                    f"tensor_elements, {name}: {what}")
    tally.equal(json.loads(one("SELECT tensor_shape(?)", ref)), list(expected.shape),
                f"tensor_shape: {what}")
    if expected.ndim and expected.shape[0]:
        rows = db.execute("SELECT i, data, tensor_data(ref), tensor_json(ref) FROM tensor_rows(?)",
                          [ref]).fetchall()
        tally.equal([(i, d, r, json.loads(j)) for i, d, r, j in rows],
                    [(i, row.tobytes(), row.tobytes(), row.tolist())
                     for i, row in enumerate(map(numpy.asarray, expected))],
                    f"tensor_rows: {what}")
    if expected.size:
        place = [rng.randint(-n, n - 1) for n in expected.shape]
        marks = "".join(", ?" for _ in place)
        tally.equal(one(f"SELECT tensor_item(?{marks})", ref, *place), expected[tuple(place)].item(),
                    f"tensor_item{place}: {what}")
    os.unlink(path)


if numpy is None:
    print("skipped: slices against NumPy (python3-numpy is not installed)")
else:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(CASES):
            compare(number, folder)
tally.finish()
