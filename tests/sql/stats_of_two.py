"""tensor_stats of a + b, a - b, a * b, a / b, where it is scanned while it is computed, against that of the same
elements handed over as bytes: of all numbers and of few, of all lengths around a group's, with one thread and two."""

import os
import random
import struct
import tempfile

import making
from tally import Tally, connect

SIZE = {"F32": 4, "F16": 2, "BF16": 2}
LENGTHS = 0, 1, 31, 32, 33, 300, 4095, 4096, 4129, 66000
OPERATORS = "tensor_add", "tensor_sub", "tensor_mul", "tensor_div"
tally = Tally()
random.seed(19)


def usual(dtype, count):
    """Numbers such as weights are, some of them equal in every tensor."""
    numbers = [0.25 if random.random() < 0.2 else random.gauss(0, 0.02) for _ in range(count)]
    if dtype == "F16":
        return struct.pack(f"<{count}e", *numbers)
    data = struct.pack(f"<{count}f", *numbers)
    return data if dtype == "F32" else b"".join(data[i + 2:i + 4] for i in range(0, len(data), 4))


def anything(dtype, count):
    """Any bits: NaN, infinities, and numbers of all magnitudes."""
    return random.randbytes(count * SIZE[dtype])


def near(dtype, count):
    """All nearly the same, so that their spread is much smaller than they are."""
    return usual(dtype, 1) * count if count < 4096 else usual(dtype, 3) * (count // 3) + usual(dtype, count % 3)


def same(pair, threads):
    db = connect()
    db.execute(f"PRAGMA threads = {threads}")
    for operator in OPERATORS:
        text, = db.execute(f"SELECT {operator}(?, ?)", pair).fetchone()
        for columns in "*", "n_nan, n_inf, n_zero, min, max, abs_max", "mean":
            got = db.execute(f"SELECT {columns} FROM tensor_stats(?)", (text,)).fetchone()
            plain = db.execute(f"SELECT {columns} FROM tensor_stats(tensor_data(?), 'F32', tensor_shape(?))",
                               (text, text)).fetchone()
            tally.equal(repr(got), repr(plain), f"{operator} of {pair}, {threads} threads: {columns}")


with tempfile.TemporaryDirectory() as directory:
    for dtype, make in [(dtype, make) for dtype in SIZE for make in (usual, anything, near)]:
        path = os.path.join(directory, f"{dtype}_{make.__name__}.safetensors")
        making.file(path, {f"{side}{count}": (dtype, [count], make(dtype, count))
                           for count in LENGTHS for side in "ab"})
        for count in LENGTHS:
            same((f"{path}#a{count}", f"{path}#b{count}"), 0)
        same((f"{path}#a66000", f"{path}#b66000"), 1)
        same((f"{path}?slice=3:4200#a66000", f"{path}?slice=1:4198#b66000"), 0)
        same((f"{path}?slice=::2#a66000", f"{path}?slice=:33000#b66000"), 0)
tally.finish()
