"""safetensors_check over a corpus, against what its MANIFEST.tsv says of each file: whether the reference
implementation loads it, and by which error not. CORPUS is its folder; without it nothing is tested."""

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

SIGNATURES = {"empty", "lfs-pointer", "pickle", "zip", "gguf", "html", "hdf5", "numpy", "gzip", "sqlite"}

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
    ("InvalidHeaderDeserialization", {"not-json"}),  # in the words of a JSON library
    ("InvalidOffset", {"hole", "overlap", "bad-offsets"}),
    ("MetadataIncompleteBuffer", {"truncated", "trailing-bytes"}),
    ("TensorInvalidInfo", {"size-mismatch"}),
    ("MisalignedSlice", {"sub-byte-remainder"}),
    ("ValidationOverflow", {"overflow"}),
]

# What README lists as refused though the reference reads it, and how the independent reader calls it.
STRICTNESSES = {"duplicate key": {"duplicate-key"}, "NUL in a key": {"nul-in-key"},
                "integer outside 64 bits": {"bad-number", "overflow", "bad-offsets"}, "-0": {"bad-number"}}

# The features column's words for advice.
ADVICE = {"data-not-8-aligned": "data-not-8-aligned", "misaligned-tensor": "misaligned-tensor",
          "header-order!=offset-order": "header-not-in-offset-order"}

# Folders under index/ by the end of their name: the errors, and what safetensors_tensors says; without an
# error it lists the model.
MODELS = {
    "malformed__duplicate-metadata-decoded": ({"duplicate-key", "missing-shard"}, "duplicate object key"),
    "malformed__duplicate-tensor-across-shards": ({"duplicate-across-shards"}, "found in several"),
    "malformed__empty-weight-map": ({"bad-weight-map"}, "found none"),
    "malformed__excessive-nesting": ({"not-json", "missing-shard"}, "127 levels"),
    "malformed__invalid-json": ({"not-json"}, "expected JSON"),
    "malformed__malformed-shard": ({"header-too-small"}, "expected at least 8 bytes"),
    "malformed__metadata-not-object": ({"bad-metadata", "missing-shard"}, "an object as metadata"),
    "malformed__missing-weight-map": ({"bad-weight-map"}, "an object as weight_map"),
    "malformed__total-size-boolean": ({"bad-metadata", "missing-shard"}, "total_size"),
    "malformed__total-size-exponent": ({"bad-metadata", "missing-shard"}, "total_size"),
    "malformed__total-size-mismatch": ({"total-size-differs"}, None),
    "malformed__total-size-null": ({"bad-metadata", "missing-shard"}, "total_size"),
    "malformed__total-size-overflow": ({"bad-metadata", "missing-shard"}, "total_size"),
    "malformed__weight-map-not-object": ({"bad-weight-map"}, "an object as weight_map"),
    "malformed__wrong-route": ({"misplaced-tensor"}, "by the index, found in"),
    "security__absolute-posix": ({"bad-path"}, "an absolute path"),
    "security__colon": ({"bad-path"}, "a colon"),
    "security__dot": ({"bad-path"}, "'.'"),
    "security__dot-dot": ({"bad-path"}, "'..'"),
    # Sub-folders are allowed: this one is not there.
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


def check_model(folder):
    codes, words = next((MODELS[end] for end in MODELS if folder.endswith(end)), (None, None))
    if codes is None:
        tally.check(False, f"{folder} is not in the table of this test")
        return
    for path in (folder, f"{folder}/model.safetensors.index.json"):
        tally.equal(errors(check(path)), codes, f"{path}: errors")
        refused = refusal(path)
        tally.check(words in refused if words is not None and refused is not None else refused == words,
                    f"{path}: safetensors_tensors", refused)
        states = {status for status, in db.execute("SELECT status FROM safetensors_files(?)", [path])}
        index_is_bad = codes - {"missing-shard", "duplicate-across-shards", "misplaced-tensor", "total-size-differs"}
        expected = {"invalid"} if index_is_bad else {"missing"} if "missing-shard" in codes else {"ok"}
        tally.equal(states, expected, f"{path}: safetensors_files")


def visit(folders):
    """All that looks at a model, for what the kernel sees of it."""
    for folder in folders:
        check(folder)
        refusal(folder)
        db.execute("SELECT * FROM safetensors_files(?)", [folder]).fetchall()


def index_allows(name):
    """A shard's name that is one, though this shard is missing."""
    return re.fullmatch(r"[a-z]+/[a-z]+\.safetensors", name)


def check_nothing_outside(folders):
    """No system call names a shard of a hostile index; the index itself is seen to be named."""
    with tempfile.NamedTemporaryFile() as trace:
        try:
            subprocess.run(["strace", "-f", "-s", "4096", "-o", trace.name, "-e", "trace=%file",
                            sys.executable, __file__, *folders], capture_output=True, check=True)
        except (FileNotFoundError, subprocess.CalledProcessError):
            print("skipped: what hostile indexes open (strace is not installed, or cannot trace here)")
            return
        calls = trace.read().decode("utf-8", "replace").splitlines()
    texts = [text for call in calls for text in re.findall(r'"((?:[^"\\]|\\.)*)"', call)]
    paths = {text.encode().decode("unicode_escape") for text in texts}
    for folder in folders:
        index = f"{folder}/model.safetensors.index.json"
        tally.check(index in paths, f"{index} is opened")
        with open(index, encoding="utf-8") as file:
            names = json.load(file)["weight_map"].values()
        for name in names:
            target = os.path.join(folder, name)
            if index_allows(name):
                tally.check(target in paths, f"{folder}: {name!r} is looked at")
                continue
            forbidden = {target, os.path.normpath(target)} - {os.path.normpath(folder), os.path.dirname(folder)}
            tally.equal(paths & forbidden, set(), f"{folder}: {name!r} is not looked at")


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
