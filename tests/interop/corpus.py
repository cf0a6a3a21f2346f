"""Every file of a corpus, and of the fixtures, as the extension sees it and as an independent reader
does: the verdict, names, dtypes, shapes, metadata, and all bytes.

CORPUS is a directory with a MANIFEST.tsv whose columns begin with file and verdict. Without it the
fixtures alone are compared.

Suite: files
"""

import csv
import glob
import json
import math
import os

import reader
import reader_values
from tally import BUILD, Tally, connect

LARGEST = 10000  # elements

CORPUS = os.environ.get("CORPUS", "")
tally = Tally()
db = connect()


def extension_verdict(path):
    return db.execute("SELECT status, error FROM safetensors_files(?)", [path]).fetchone()


def compare(path, data):
    """The rows of a file that both read."""
    tensors, metadata = reader.read(data)
    rows = db.execute("SELECT name, dtype, shape, offset, nbytes, data, tensor_data(ref) "
                      "FROM safetensors_tensors(?)", [path]).fetchall()
    # The order of empty tensors at one offset is nobody's promise.
    got = sorted((n, d, json.loads(s), o, o + b) for n, d, s, o, b, _, _ in rows)
    tally.equal(got, sorted(tensors), f"{path}: tensors")
    wrong = [n for n, _, _, o, b, blob, by_ref in rows
             if blob != data[o:o + b] or by_ref != data[o:o + b]]
    tally.equal(wrong, [], f"{path}: tensors whose bytes differ")
    offsets = [(row[3], row[3] + row[4]) for row in rows]
    tally.equal(offsets, sorted(offsets), f"{path}: order by offset")
    compare_values(path, data, tensors)
    got = db.execute("SELECT key, value FROM safetensors_metadata(?)", [path]).fetchall()
    tally.equal(got, metadata, f"{path}: metadata")


def exact(values):
    """Values such that == distinguishes 0.0 from -0.0, and True from 1."""
    return json.dumps(values)


def compare_values(path, data, tensors):
    """tensor_json of each tensor that is not large, to the bit."""
    for name, dtype, shape, begin, end in tensors:
        bits = reader.BITS[dtype]
        numel = (end - begin) * 8 // bits
        if numel >= LARGEST or (numel == 0 and max(shape) > LARGEST):
            continue
        text = db.execute("SELECT tensor_json(tensor_ref(?, ?))", [path, name]).fetchone()[0]
        values = reader_values.flat(dtype, data[begin:end], bits)
        expected = reader_values.nested(values, shape) if numel else reader_values.empties(shape)
        tally.check(exact(json.loads(text)) == exact(expected), f"{path}: values of {name!r}, {dtype} {shape}")
        if dtype not in ("BOOL", "C64") and numel:
            got = [v for v, in db.execute("SELECT value FROM tensor_elements(tensor_ref(?, ?))", [path, name])]
            # SQL has infinities, and JSON has not
            got = [None if v is None or v in (math.inf, -math.inf) else v for v in got]
            values = [float(v) if v >= 2**63 else v for v in values] if dtype == "U64" else values  # SQL's integers end there
            tally.check(exact(got) == exact(values), f"{path}: elements of {name!r}, {dtype} {shape}")


def check(path, manifest_verdict):
    with open(path, "rb") as file:
        data = file.read()
    stricter = None
    try:
        reader.read(data)
        expected = "valid"
    except reader.Invalid as problem:
        expected = "invalid"
        stricter = problem
    except reader.Stricter as problem:
        expected = "stricter"
        stricter = problem
    if manifest_verdict is not None:
        known = "invalid" if expected == "invalid" else "valid"
        tally.equal(known, manifest_verdict, f"{path}: the independent reader ({stricter})")
    status, error = extension_verdict(path)
    tally.equal(status, "ok" if expected == "valid" else "invalid", f"{path}: status ({error}; {stricter})")
    blob = db.execute("SELECT status FROM safetensors_files(?)", [data]).fetchone()
    tally.equal(blob, (status,), f"{path}: status as a BLOB")
    if status == "ok" and expected == "valid":
        compare(path, data)
    else:
        tally.check(error.startswith(f"safetensors: {path}: "), f"{path}: the error names the file", error)


for path in sorted(glob.glob(f"{BUILD}/fixtures/**/*.safetensors", recursive=True)):
    check(path, None)

if os.path.exists(f"{CORPUS}/MANIFEST.tsv"):
    with open(f"{CORPUS}/MANIFEST.tsv", newline="", encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest, delimiter="\t"):
            if row["verdict"] in ("valid", "invalid"):
                check(os.path.join(CORPUS, row["file"]), row["verdict"])
else:
    print(f"skipped: the corpus ({CORPUS or 'CORPUS'} is not there)")
tally.finish()
