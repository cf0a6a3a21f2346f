"""Every file of a corpus, and of the fixtures, as the extension sees it and as an independent reader
does: the verdict, names, dtypes, shapes, metadata, and all bytes.

CORPUS is a folder with a MANIFEST.tsv whose columns begin with file and verdict. Without it the
fixtures alone are compared."""

import csv
import glob
import json
import os

import reader
from tally import BUILD, Tally, connect

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
    # A statement cannot fetch text with NUL from Python's sqlite3 cut short: it does not cut.
    got = db.execute("SELECT key, value FROM safetensors_metadata(?)", [path]).fetchall()
    tally.equal(got, metadata, f"{path}: metadata")


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
