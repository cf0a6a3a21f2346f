"""sql/check.sql and tensors.sql over several models, what junit and sarif say of check, verify and lockfile, and that
scripts which write refuse several models with their names. The expected texts were written by hand."""

import csv
import functools
import hashlib
import io
import json
import os
import tempfile
import xml.etree.ElementTree as ElementTree

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="checking.")
shows = functools.partial(shell.shows, tally, ROOT)


def says(name, status, expected, sentence, /, **parameters):
    """What a script prints, and the sentence that it ends with."""
    code, out, error = shell.script(name, **parameters)
    lines = [line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()]
    tally.equal((code, "\n".join(lines).strip()), (status, expected.strip()), f"sql/{name}.sql of {parameters}")
    tally.check(sentence in error.replace(ROOT, "ROOT") and error.count("\n") == bool(sentence), f"sql/{name}.sql ends with {sentence!r}", error)


def cases(name, **parameters):
    """The tests of a script as JUnit: class, name, and what is within."""
    code, out, _ = shell.script(name, format="junit", **parameters)
    suite, = ElementTree.fromstring(out)
    return code, [(case.get("classname").replace(ROOT, "ROOT"), case.get("name"), [(child.tag, child.get("message")) for child in case]) for case in suite]


def make():
    for name in ("one", "two/deep"):
        making.file(f"{ROOT}/models/{name}/model.safetensors", {"x": ("F32", [2], bytes(8)), "y.w": b"123"})
    path = making.file(f"{ROOT}/models/cut.safetensors", {f"t{i}": bytes(10) for i in range(6)})
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 1)
    making.file(f"{ROOT}/models/odd.safetensors", {"a": ("F32", [3, 0], b"")}, {"k": "v"})


def test_check():
    tally.equal(shell.script("check", path=f"{ROOT}/models/one"), (0, "Intact: 0 errors, 0 warnings in 1 file.\n", ""), "one model")
    cut = os.path.getsize(f"{ROOT}/models/cut.safetensors")
    error = f"{cut}: tensor \"t5\": expected at least {cut + 1} bytes by the header, found {cut}: this tensor is cut short, and so are those after it"
    says("check", 1, f"""
1 of 4 models in 3 folders has errors: 1 error, 0 warnings in 4 files.

severity        n  models  code
error           1       1  truncated

error: ROOT/models/cut.safetensors:{error} [truncated]
""", ": some of the models have errors", path=f"{ROOT}/models")
    code, found = cases("check", path=f"{ROOT}/models")
    tally.equal((code, found), (1, [("ROOT/models/cut.safetensors", "truncated: t5", [("failure", error.partition(": ")[2].partition(": ")[2])]),
                                    ("ROOT/models/odd.safetensors", "intact", []), ("ROOT/models/one/model.safetensors", "intact", []),
                                    ("ROOT/models/two/deep/model.safetensors", "intact", [])]), "a test for each model, and for each finding")
    code, out, _ = shell.script("check", path=f"{ROOT}/models", format="sarif")
    results = json.loads(out)["runs"][0]["results"]
    tally.equal([(result["ruleId"], result.get("kind", "fail"), result["level"]) for result in results],
                [("truncated", "fail", "error")] + [("intact", "pass", "none")] * 3, "its results")
    tally.equal(results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], f"file://{ROOT}/models/cut.safetensors", "where it is")
    table = json.loads(shell.script("check", path=f"{ROOT}/models", format="json")[1])["checked_models"]
    tally.equal([(row["errors"], row["warnings"]) for row in table], [(1, 0), (0, 0), (0, 0), (0, 0)], "a row for each model")


def test_groups():
    """Of many findings of one kind, three are shown, and all are counted."""
    index = making.model(f"{ROOT}/lost", {"a.safetensors": {"x": b"1"}})
    making.index(index, {"x": "a.safetensors", **{f"y{i}": "a.safetensors" for i in range(9)}})
    code, out, error = shell.script("check", path=f"{ROOT}/lost")
    lines = out.splitlines()
    tally.check(code == 1 and error.endswith("the checkpoint has errors (19)\n"), "its verdict", error)
    tally.check("error           9       1  missing-tensor" in lines, "the count of a kind", out)
    tally.equal([line.startswith("error: ") and "missing-tensor" in line for line in lines].count(True), 3, "the first three")
    tally.check("  and 6 more of missing-tensor" in lines, "how many there are besides", out)
    rows = list(csv.DictReader(io.StringIO(shell.script("check", path=f"{ROOT}/lost", format="csv")[1])))
    tally.equal(sum(row["code"] == "missing-tensor" for row in rows), 9, "all of them in CSV")


def test_tensors():
    says("tensors", 1, """
5 tensors of 10 elements, 22 B, in 4 models in 3 folders; 1 cannot be read.
error: ROOT/models/cut.safetensors: truncated: %s

== ...odd.safetensors
dtype           bytes  shape                     name
F32               0 B  [3,0]                     a

== ...one/model.safetensors
dtype           bytes  shape                     name
F32               8 B  [2]                       x
U8                3 B  [3]                       y.w

== ...two/deep/model.safetensors
dtype           bytes  shape                     name
F32               8 B  [2]                       x
U8                3 B  [3]                       y.w
""" % shell.script("tensors", path=f"{ROOT}/models/cut.safetensors")[2].partition("truncated: ")[2].rpartition(" (")[0],
         ": not all models can be read", path=f"{ROOT}/models")
    says("tensors", 1, "", "no tensor's name matches :names", path=f"{ROOT}/models", names="z*")
    making.file(f"{ROOT}/none/model.safetensors", {}, {"k": "v"})
    says("tensors", 1, "", "there are no tensors", path=f"{ROOT}/none")


def test_refused():
    """A script that writes takes one model; of several it says which there are."""
    names = ", ".join(f"ROOT/models/{name}.safetensors" for name in ("cut", "odd", "one/model", "two/deep/model"))
    for name, parameters in {"strip_prefix": {"out": f"{ROOT}/out.safetensors", "prefix": "y."}, "extract": {"out": f"{ROOT}/out.safetensors"},
                             "reshard": {"out": f"{ROOT}/out.safetensors"}, "edit_metadata": {"patch": '{"a":"b"}'}}.items():
        says(name, 1, "", f"expected one model as :path, found 4: {names}", path=f"{ROOT}/models", **parameters)
    tally.check(not os.path.exists(f"{ROOT}/out.safetensors"), "nothing is written")
    shows("extract", """
1 tensor is copied, 3 B, in ROOT/out.safetensors.

== Kinds of tensors
tensors  dtypes  parameters  pattern
-------  ------  ----------  -------
      1  U8               3  y.w
""", path=f"{ROOT}/models/two", out=f"{ROOT}/out.safetensors", names="y*")


def test_claims():
    path = making.file(f"{ROOT}/claimed/x.safetensors", {"x": b"1"})
    with open(path, "rb") as file, open(f"{ROOT}/claimed/SHA256SUMS", "w", encoding="utf-8") as sums:
        digest = hashlib.sha256(file.read()).hexdigest()
        sums.write(f"{digest}  x.safetensors\n{'0' * 64}  gone.safetensors\n")
    code, found = cases("verify", path=f"{ROOT}/claimed")
    tally.equal((code, sorted(found)), (1, [("ROOT/claimed/SHA256SUMS", "claimed", [("skipped", "no claim")]),
                                            ("ROOT/claimed/gone.safetensors", "checksum list", [("failure", "missing")]),
                                            ("ROOT/claimed/x.safetensors", "checksum list", [])]), "claims as tests")
    code, found = cases("verify", path=f"{ROOT}/models/one")
    tally.equal((code, found[-1]), (1, ("verified", "published", [("failure", "nothing that can be checked is claimed about the files")])), "nothing is claimed")
    lock = f"{ROOT}/claimed.lock"
    tally.equal(shell.script("lockfile", path=f"{ROOT}/claimed", lock=lock)[0], 0, "a lock")
    with open(path, "ab") as file:
        file.write(b"!")
    now = hashlib.sha256(open(path, "rb").read()).hexdigest()
    code, found = cases("lockfile", path=f"{ROOT}/claimed", lock=lock, check="1")
    tally.equal((code, found), (1, [("x.safetensors", "differs", [("failure", f"it was {digest}, and is {now}")]), ("SHA256SUMS", "unchanged", [])]), "changes as tests")


make()
tally.run(globals(), ROOT)
