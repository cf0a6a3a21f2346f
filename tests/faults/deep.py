"""Tensors of a million dimensions: their JSON in 50 MB, and at once where it would be too long."""

import os
import struct
import subprocess
import sys
import tempfile

from tally import Tally

RANK = 1_000_000
MEMORY = 50  # MB on top of what Python and SQLite take
PROGRAM = """
import sqlite3, sys, time
from tally import connect

def peak():
    with open("/proc/self/status") as file:
        return [int(line.split()[1]) for line in file if line.startswith("VmHWM")][0]

db = connect()
db.execute("SELECT tensor_json(x'00', 'U8')").fetchone()
before = peak()
began = time.monotonic()
try:
    text = db.execute("SELECT tensor_json(?)", [sys.argv[1]]).fetchone()[0]
    length = len(text)
    answer = f"{length} {text[:3]} {text.count('[')} {text.count(']')} {text.strip('[')[:2]}"
except sqlite3.Error as error:
    answer = str(error)
print(peak() - before, time.monotonic() - began, answer)
"""
tally = Tally()


def ask(path, sizes, count):
    shape = ",".join([str(size) for size in sizes] + ["1"] * (RANK - len(sizes)))
    header = f'{{"x":{{"dtype":"U8","shape":[{shape}],"data_offsets":[0,{count}]}}}}'.encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + b"\7" * count)
    done = subprocess.run([sys.executable, "-c", PROGRAM, f"{path}#x"], capture_output=True, text=True, check=True)
    memory, seconds, answer = done.stdout.split(maxsplit=2)
    return int(memory) / 1000, float(seconds), answer.strip()


with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "deep.safetensors")
    # Each of 2 elements in a million brackets, but for the outermost, which is of both.
    memory, seconds, answer = ask(path, [2], 2)
    brackets = 1 + 2 * (RANK - 1)
    tally.equal(answer, f"{2 * brackets + 3} [[[ {brackets} {brackets} 7]", "2 elements")
    text = 2 * 2 * (2 * brackets + 3) / 1e6  # SQLite's, growing, and Python's
    print(f"2 elements: {memory:.0f} MB, {text:.0f} of them for the text")
    tally.check(memory < MEMORY + text, "2 elements: memory", memory)
    memory, seconds, answer = ask(path, [1000], 1000)
    print(f"1000 elements: {memory:.0f} MB, {seconds:.2f} s")
    tally.check("expected JSON of at most" in answer, "1000 elements", answer)
    tally.check(memory < MEMORY, "1000 elements: memory", memory)
    tally.check(seconds < 1, "1000 elements: at once", seconds)
    memory, seconds, answer = ask(path, [1000, 0], 0)
    tally.equal(answer, f"{2 + 999 + 2 * 1000} [[] 1001 1001 ],", "none")
tally.finish()
