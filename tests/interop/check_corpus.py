"""safetensors_check over a corpus, against what its MANIFEST.tsv says of each file: whether the reference
implementation loads it, and by which error not. CORPUS is its directory; without it nothing is tested.

Suite: files
"""

import csv
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import reader
from tally import Tally, connect

CORPUS = os.environ.get("CORPUS", "")
tally = Tally()
db = connect()

SIGNATURES = {"empty", "lfs-pointer", "pickle", "zip", "gguf", "html", "hdf5", "numpy", "gzip", "sqlite", "text",
              "zeros", "json"}

# reference_error begins with one of these: one of the codes must be among the findings.
CODES = [
    ("HeaderTooSmall", {"header-too-small"} | SIGNATURES),
    ("HeaderTooLarge", {"header-too-large"} | SIGNATURES),
    ("InvalidHeaderLength", {"truncated"} | SIGNATURES),
    ("InvalidHeader(utf8)", {"not-utf8"}),
    ("InvalidHeaderDeserialization: header is not a JSON object", {"not-an-object"}),
    ("InvalidHeaderDeserialization: __metadata__", {"bad-metadata"}),
    ("InvalidHeaderDeserialization: duplicate field", {"duplicate-key"}),
    ("InvalidHeaderDeserialization: missing field", {"bad-entry"}),
    ("InvalidHeaderDeserialization: descriptor of", {"bad-entry"}),
    ("InvalidHeaderDeserialization: unknown dtype", {"bad-dtype"}),
    ("InvalidHeaderDeserialization: shape not array", {"bad-shape"}),
    ("InvalidHeaderDeserialization: not usize", {"bad-shape", "bad-offsets"}),
    ("InvalidHeaderDeserialization: data_offsets not a pair", {"bad-offsets"}),
    ("InvalidHeaderDeserialization", {"not-json", "zeros"}),  # in the words of a JSON library
    ("InvalidOffset", {"hole", "overlap", "bad-offsets"}),
    ("MetadataIncompleteBuffer", {"truncated", "trailing-bytes"}),
    ("TensorInvalidInfo", {"size-mismatch"}),
    ("MisalignedSlice", {"sub-byte-remainder"}),
    ("ValidationOverflow", {"overflow"}),
]

# What ext/docs/reference.md lists as refused though the reference reads it, and how the independent reader calls it.
STRICTNESSES = {"duplicate key": {"duplicate-key"}, "NUL in a key": {"nul-in-key"},
                "integer outside 64 bits": {"bad-number", "overflow", "bad-offsets"}, "-0": {"bad-number"}, "another form": {"bad-entry", "bad-dtype"}}

# The features column's words for advice.
ADVICE = {"data-not-8-aligned": "data-not-8-aligned", "misaligned-tensor": "misaligned-tensor",
          "header-order!=offset-order": "header-not-in-offset-order"}

# Directories under index/ by the end of their name: the errors, and what safetensors_tensors says; without an
# error it lists the model.
MODELS = {
    # What stands beside weight_map makes no index unusable: here it is the shard that is missing.
    "malformed__duplicate-metadata-decoded": ({"missing-shard"}, "no such file"),
    "malformed__duplicate-tensor-across-shards": ({"duplicate-across-shards"}, "found in several"),
    "malformed__empty-weight-map": ({"bad-weight-map"}, "found none"),
    "malformed__excessive-nesting": ({"not-json", "missing-shard"}, "127 levels"),
    "malformed__invalid-json": ({"not-json"}, "found the index's end"),
    "malformed__malformed-shard": ({"header-too-small"}, "expected at least 8 bytes"),
    "malformed__metadata-not-object": ({"missing-shard"}, "no such file"),
    "malformed__missing-weight-map": ({"bad-weight-map"}, "an object as weight_map"),
    "malformed__total-size-boolean": ({"missing-shard"}, "no such file"),
    "malformed__total-size-exponent": ({"missing-shard"}, "no such file"),
    "malformed__total-size-mismatch": (set(), None),
    "malformed__total-size-null": ({"missing-shard"}, "no such file"),
    "malformed__total-size-overflow": ({"missing-shard"}, "no such file"),
    "malformed__weight-map-not-object": ({"bad-weight-map"}, "an object as weight_map"),
    "malformed__wrong-route": ({"misplaced-tensor"}, "by the index, found in"),
    "security__absolute-posix": ({"bad-path"}, "an absolute path"),
    "security__colon": ({"bad-path"}, "a colon"),
    "security__dot": ({"bad-path"}, "'.'"),
    "security__dot-dot": ({"bad-path"}, "'..'"),
    # Sub-directories are allowed: this one is not there.
    "security__nested-path": ({"missing-shard"}, "no such file"),
    "security__parent-traversal": ({"bad-path"}, "'..'"),
    "security__url": ({"bad-path"}, "a colon"),
    "security__windows-unc": ({"bad-path"}, "a backslash"),
    "valid__multiple": (set(), None),
    "valid__reference": (set(), None),
}


def check(path_or_bytes):
    return db.execute("SELECT severity, code FROM safetensors_check(?)", [path_or_bytes]).fetchall()


def errors(found):
    return {code for severity, code in found if severity == "error"}


def strictness(data):
    """The codes by which the extension refuses what the reference reads; None when it does not."""
    try:
        reader.read(data)
        return None
    except reader.Stricter as problem:
        return STRICTNESSES[str(problem)]


def check_file(row):
    path = os.path.join(CORPUS, row["file"])
    with open(path, "rb") as file:
        data = file.read()
    found = check(path)
    tally.equal(check(data), found, f"{path}: as a BLOB")
    if row["verdict"] == "valid":
        expected = strictness(data)
        tally.equal(errors(found) <= (expected or set()) and bool(errors(found)) == (expected is not None), True,
                    f"{path}: valid, strictness {expected}, errors {errors(found)}")
        advice = {ADVICE[word] for word in row["features"].split() if word in ADVICE}
        tally.equal({code for _, code in found} & set(ADVICE.values()), advice, f"{path}: advice")
    else:
        expected = next((codes for start, codes in CODES if row["reference_error"].startswith(start)), set())
        tally.check(errors(found) & expected, f"{path}: {row['reference_error']}", found)
    status, = db.execute("SELECT status FROM safetensors_files(?)", [path]).fetchone()
    tally.equal(status == "ok", not errors(found), f"{path}: safetensors_files agrees")


def refusal(path):
    """What safetensors_tensors says, None when it lists the model."""
    try:
        db.execute("SELECT * FROM safetensors_tensors(?)", [path]).fetchall()
    except Exception as problem:
        return str(problem)
    return None


def check_model(directory):
    codes, words = next((MODELS[end] for end in MODELS if directory.endswith(end)), (None, None))
    if codes is None:
        tally.check(False, f"{directory} is not in the table of this test")
        return
    odd = next((ODD[end] for end in ODD if directory.endswith(end)), None)
    for path in (directory, f"{directory}/model.safetensors.index.json"):
        tally.equal(errors(check(path)), codes, f"{path}: errors")
        tally.check(odd is None or ("warning", odd) in check(path), f"{path}: {odd}", check(path))
        refused = refusal(path)
        tally.check(words in refused if words is not None and refused is not None else refused == words,
                    f"{path}: safetensors_tensors", refused)
        states = {status for status, in db.execute("SELECT status FROM safetensors_files(?)", [path])}
        index_is_bad = codes - {"missing-shard", "duplicate-across-shards", "misplaced-tensor"}
        expected = {"invalid"} if index_is_bad else {"missing"} if "missing-shard" in codes else {"ok"}
        tally.equal(states, expected, f"{path}: safetensors_files")


# Directories by the end of their name whose index has something odd beside weight_map: the warning.
ODD = {"malformed__duplicate-metadata-decoded": "odd-index", "malformed__metadata-not-object": "odd-index",
       "malformed__total-size-boolean": "odd-index", "malformed__total-size-exponent": "odd-index",
       "malformed__total-size-mismatch": "total-size-differs", "malformed__total-size-null": "odd-index",
       "malformed__total-size-overflow": "odd-index"}


def visit(directories):
    """All that looks at a model, for what the kernel sees of it."""
    for directory in directories:
        check(directory)
        refusal(directory)
        db.execute("SELECT * FROM safetensors_files(?)", [directory]).fetchall()


def index_allows(name):
    """A shard's name that is one, though this shard is missing."""
    return re.fullmatch(r"[a-z]+/[a-z]+\.safetensors", name)


def check_nothing_outside(directories):
    """No system call names a shard of a hostile index; the index itself is seen to be named."""
    with tempfile.NamedTemporaryFile() as trace:
        try:
            subprocess.run(["strace", "-f", "-s", "4096", "-o", trace.name, "-e", "trace=%file",
                            sys.executable, __file__, *directories], capture_output=True, check=True)
        except (FileNotFoundError, subprocess.CalledProcessError):
            print("skipped: what hostile indexes open (strace is not installed, or cannot trace here)")
            return
        calls = trace.read().decode("utf-8", "replace").splitlines()
    texts = [text for call in calls for text in re.findall(r'"((?:[^"\\]|\\.)*)"', call)]
    paths = {text.encode().decode("unicode_escape") for text in texts}
    for directory in directories:
        index = f"{directory}/model.safetensors.index.json"
        tally.check(index in paths, f"{index} is opened")
        with open(index, encoding="utf-8") as file:
            names = json.load(file)["weight_map"].values()
        for name in names:
            target = os.path.join(directory, name)
            if index_allows(name):
                tally.check(target in paths, f"{directory}: {name!r} is looked at")
                continue
            forbidden = {target, os.path.normpath(target)} - {os.path.normpath(directory), os.path.dirname(directory)}
            tally.equal(paths & forbidden, set(), f"{directory}: {name!r} is not looked at")


if len(sys.argv) > 1:
    visit(sys.argv[1:])
    sys.exit()
if not os.path.exists(f"{CORPUS}/MANIFEST.tsv"):
    print(f"skipped: the corpus ({CORPUS or 'CORPUS'} is not there)")
    tally.finish()
with open(f"{CORPUS}/MANIFEST.tsv", newline="", encoding="utf-8") as manifest:
    for line in csv.DictReader(manifest, delimiter="\t"):
        if line["verdict"] in ("valid", "invalid"):
            check_file(line)
for entry in sorted(glob.glob(f"{CORPUS}/index/*")):
    if os.path.isdir(entry):
        check_model(entry)
    else:
        # Indexes of real models, alone: every shard is missing; one has none.
        empty = "@empty" in entry
        tally.equal(errors(check(entry)), {"bad-weight-map" if empty else "missing-shard"}, f"{entry}: errors")
        tally.check(("found none" if empty else "no such file") in str(refusal(entry)), f"{entry}: refused")
check_nothing_outside(sorted(glob.glob(f"{CORPUS}/index/*__security__*")))
tally.finish()
