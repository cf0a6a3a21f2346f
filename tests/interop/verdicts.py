"""Which files the reference implementation (PyPI's safetensors) accepts, the extension accepts, and no other; and
what either reads in them: verdicts.py [COUNT [SEED]]

Over every file of a corpus (CORPUS is its directory), and over COUNT damaged files, 10,000 by default: such as mutants.py
makes, and small files of the corpus with bytes of the header changed. What the extension refuses on purpose, and
ext/docs/reference.md lists, reader.py distinguishes from the rest.

Suite: interop
"""

import collections
import glob
import os
import sqlite3
import sys
import tempfile
import time

import mutants
import reader
from tally import Tally, connect

try:
    from safetensors import SafetensorError, deserialize, safe_open
except ImportError:
    print("skipped: verdicts of the reference implementation (safetensors is not installed: make interop)")
    Tally().finish()

CORPUS = os.environ.get("CORPUS", "../shared/corpus")
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
SMALL = 16384  # bytes of a file of the corpus that is damaged
tally = Tally()
db = connect()
counts = collections.Counter()


def by_reference(data):
    """Its tensors by name, or why it refuses the file."""
    try:
        return {name: (tensor["dtype"], tensor["shape"], bytes(tensor["data"])) for name, tensor in deserialize(data)}
    except SafetensorError as problem:
        return str(problem)


def by_reader(data):
    """Its tensors by name with their place, metadata; or "invalid", or why the extension is stricter."""
    try:
        tensors, metadata = reader.read(data)
        return {name: (dtype, shape, begin, end) for name, dtype, shape, begin, end in tensors}, dict(metadata)
    except reader.Stricter as rule:
        return str(rule)
    except reader.Invalid:
        return "invalid"


def by_us(data):
    """The same of the extension, with the bytes; or its error."""
    try:
        rows = db.execute("SELECT name, dtype, json(shape), offset, offset + nbytes, data FROM safetensors_tensors(?)",
                          [data]).fetchall()
        return {name: (dtype, shape, begin, end, content) for name, dtype, shape, begin, end, content in rows}
    except sqlite3.Error as problem:
        return str(problem)


def metadata_by_reference(data):
    scratch.seek(0)
    scratch.truncate()
    scratch.write(data)
    with safe_open(scratch.name, "numpy") as file:
        return file.metadata() or {}


def agree(data, expected, known, found):
    """Whether all three say the same of a file that the extension reads."""
    tensors, metadata = known
    got = dict(db.execute("SELECT key, value FROM safetensors_metadata(?)", [data]).fetchall())
    return (isinstance(found, dict) and found.keys() == expected.keys() == tensors.keys()
            and all(found[name] == (dtype, str(shape).replace(" ", ""), *tensors[name][2:], content)
                    and tensors[name][:2] == (dtype, shape) and data[slice(*tensors[name][2:])] == content
                    for name, (dtype, shape, content) in expected.items())
            and got == metadata == metadata_by_reference(data))


def judge(data, what):
    expected, known, found = by_reference(data), by_reader(data), by_us(data)
    errors, = db.execute("SELECT count(*) FROM safetensors_check(?) WHERE severity = 'error'", [data]).fetchone()
    if isinstance(expected, str):
        good = known == "invalid" and isinstance(found, str) and errors > 0
        counts["refused"] += 1
    elif isinstance(known, str):
        good = known != "invalid" and isinstance(found, str) and errors > 0
        counts[known] += 1
    else:
        good = errors == 0 and agree(data, expected, known, found)
        counts["read"] += 1
    good = good and (not isinstance(found, str) or found.startswith("safetensors: "))
    tally.check(good, f"{what}: {data[:2000]!r}", f"the reference: {str(expected)[:500]}", f"reader.py: {str(known)[:500]}",
                f"the extension: {str(found)[:500]}", f"safetensors_check: {errors} errors")


def read(path):
    with open(path, "rb") as file:
        return file.read()


mutants.chance.seed(SEED)
files = sorted(glob.glob(f"{CORPUS}/*valid/*.safetensors"))
if not files:
    print(f"skipped: the reference's verdicts over a corpus ({CORPUS} is not there)")
with tempfile.NamedTemporaryFile(buffering=0) as scratch:
    for path in files:
        judge(read(path), path)
    small = [path for path in files if os.path.getsize(path) <= SMALL]
    for number in range(COUNT):
        if small and number % 2:
            path = mutants.chance.choice(small)
            judge(mutants.change_header(read(path)), f"damaged: {path}")
        else:
            content, done, _ = mutants.damaged()
            judge(content, done)
        if tally.failed > 10:
            break
print(dict(counts), f"seed {SEED}")
if COUNT >= 10000:
    stricter = COUNT + len(files) - counts["read"] - counts["refused"]
    tally.check(min(counts["read"] // 5, counts["refused"] // 20, stricter) >= COUNT // 100, "enough of each verdict", counts)
tally.finish()
