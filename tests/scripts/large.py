"""convert_dtype of tensors that no BLOB could hold: under a length limit lower than any of them, and of more than 2 GiB;
in a file and in shards, on several threads; how much memory that takes.

Long: left out where all takes longer.

Covers little: of all lines, others reach nearly as many.
"""

import json
import os
import random
import resource
import struct
import subprocess
import tempfile

import making
import reader
import shell
from tally import BUILD, Tally

LENGTH = 100_000  # the connection's length limit
MOST = 100 << 10  # kB of memory, of which the shell itself takes a tenth
LARGE = 290_000_000  # elements of F64: 2.3 GB
tally = Tally()
ROOT = tempfile.mkdtemp(prefix="large.")
rng = random.Random(7)


def convert(threads, limited, **parameters):
    command = ["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors", "-cmd", f"PRAGMA threads = {threads}"]
    if limited:
        command += ["-cmd", f".limit length {LENGTH}"]
    for key, value in parameters.items():
        command += ["-cmd", shell.parameter(key, value)]
    with open("sql/convert_dtype.sql", encoding="utf-8") as file:
        done = subprocess.run(command + [":memory:"], stdin=file, capture_output=True, text=True, check=False)
    tally.equal((done.returncode, done.stderr), (0, ""), f"conversion with {parameters}, {threads} threads more")


def to_bf16(code):
    """The code of a float, rounded to nearest, ties to even."""
    upper, lower = divmod(code, 1 << 16)
    return upper + (lower > 0x8000 or (lower == 0x8000 and upper % 2 == 1))


def contents(path):
    with open(path, "rb") as file:
        data = file.read()
    return {name: (dtype, shape, data[begin:end]) for name, dtype, shape, begin, end in reader.read(data)[0]}


def test_more_than_two_gib():
    """First, as what it takes is the most that any process so far has taken."""
    path, out = f"{ROOT}/large.safetensors", f"{ROOT}/out.safetensors"
    header = json.dumps({"x": {"dtype": "F64", "shape": [LARGE], "data_offsets": [0, 8 * LARGE]}}).encode()
    places = {0: 1.0, (1 << 28) - 1: 1.5, 1 << 28: -2.0, LARGE - 1: 3.0}  # about 2 GiB from the beginning
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for place, number in places.items():
            file.seek(8 + len(header) + 8 * place)
            file.write(struct.pack("<d", number))
    convert(2, False, path=path, out=out, dtype="F8_E5M2")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    tally.check(most < MOST, "memory", f"{most} kB, not less than {MOST}")
    codes = {0: 0x3c, (1 << 28) - 1: 0x3e, 1 << 28: 0xc0, LARGE - 1: 0x42}  # exponents with a bias of 15, 2 bits more
    with open(out, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        tally.equal(json.loads(file.read(length))["x"], {"dtype": "F8_E5M2", "shape": [LARGE], "data_offsets": [0, LARGE]}, "header")
        found, at = {}, 0
        while part := file.read(1 << 20):
            if any(part):
                found.update({at + i: byte for i, byte in enumerate(part) if byte})
            at += len(part)
    tally.equal((at, found), (LARGE, codes), "a tensor of more than 2 GiB")
    os.remove(path)
    os.remove(out)


def test_length_limit():
    tensors, expected = {}, {}
    for i in range(3):
        codes = [rng.randrange(0x7f7f8000) | rng.getrandbits(1) << 31 for _ in range(200_000 + i)]
        codes[:4] = [0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff]  # ties, and what is next to one
        tensors[f"t{i}"] = ("F32", [len(codes)], struct.pack(f"<{len(codes)}I", *codes))
        expected[f"t{i}"] = ("BF16", [len(codes)], struct.pack(f"<{len(codes)}H", *map(to_bf16, codes)))
    path, directory = making.file(f"{ROOT}/model.safetensors", tensors), f"{ROOT}/shards"
    os.mkdir(directory)
    for threads in 0, 3:
        convert(threads, True, path=path, out=f"{ROOT}/out.safetensors", dtype="BF16")
        tally.check(contents(f"{ROOT}/out.safetensors") == expected, f"a file, {threads} threads more")
        index = f"{directory}/model.safetensors.index.json"
        convert(threads, True, path=path, out=index, dtype="BF16", limit="500000")
        names = sorted(name for name in os.listdir(directory) if name.endswith(".safetensors"))
        tally.equal(len(names), 3, "shards")
        got = {}
        for name in names:
            got.update(contents(f"{directory}/{name}"))
        tally.check(got == expected, f"shards, {threads} threads more")
        convert(threads, True, path=index, out=f"{ROOT}/out.safetensors", dtype="F32")
        widened = {name: ("F32", shape, b"".join(b"\0\0" + data[i:i + 2] for i in range(0, len(data), 2)))
                   for name, (_, shape, data) in expected.items()}
        tally.check(contents(f"{ROOT}/out.safetensors") == widened, f"one file of shards, {threads} threads more")


tally.run(globals(), ROOT)
