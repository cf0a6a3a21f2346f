"""sql/verify.sql, lockfile.sql and sbom.sql: verdicts, what is printed, and what is written."""

import functools
import hashlib
import json
import os
import shutil
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
shows = functools.partial(shell.shows, tally, ROOT)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def flip(path):
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))


def says_no(name, expected, /, **parameters):
    code, out, error = shell.script(name, **parameters)
    lines = [line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()]
    tally.equal((code, error.count("\n")), (1, 1), f"sql/{name}.sql of {parameters} says no")
    tally.equal("\n".join(lines).strip(), expected.strip(), f"sql/{name}.sql of {parameters}")


def make(directory):
    model = making.model(directory, {"model-00001-of-00002.safetensors": {"a": b"1"}, "model-00002-of-00002.safetensors": {"b": b"22"}})
    write(f"{directory}/config.json", '{"architectures":["TinyModel"]}')
    write(f"{directory}/README.md", "---\nlicense: mit\nbase_model: org/base\n---\n# Tiny\n")
    return model


def test_verify():
    directory = f"{ROOT}/model"
    make(directory)
    says_no("verify", """
Unknown: nothing is claimed about these files.

Nothing is claimed about 5 of 5 files.
""", path=directory)
    names = sorted(os.listdir(directory))
    write(f"{directory}/SHA256SUMS", "".join(f"{digest(f'{directory}/{name}')}  {name}\n" for name in names if name.startswith("model-")))
    yes = """
Yes: all 2 claims are true.

== Claims
claim          algorithm    files      ok  differs  missing  unchecked
-------------  ---------  -------  ------  -------  -------  ---------
checksum list  sha256           2       2        0        0          0

Nothing is claimed about 4 of 6 files:
  README.md
  SHA256SUMS
  config.json
  model.safetensors.index.json
"""
    shows("verify", yes, path=directory)
    says_no("verify", yes.replace("Yes: all 2 claims are true.", "No: nothing is claimed about 4 of 6 files."), path=directory, strict="1")
    flip(f"{directory}/model-00002-of-00002.safetensors")
    now = digest(f"{directory}/model-00002-of-00002.safetensors")
    flip(f"{directory}/model-00002-of-00002.safetensors")
    before = digest(f"{directory}/model-00002-of-00002.safetensors")
    flip(f"{directory}/model-00002-of-00002.safetensors")
    os.remove(f"{directory}/model-00001-of-00002.safetensors")
    says_no("verify", f"""
No: 2 of 2 claims are not true.
model-00001-of-00002.safetensors: missing (checksum list)
model-00002-of-00002.safetensors: differs (checksum list)
  expected {before}
  found    {now}

== Claims
claim          algorithm    files      ok  differs  missing  unchecked
-------------  ---------  -------  ------  -------  -------  ---------
checksum list  sha256           2       0        1        1          0

Nothing is claimed about 4 of 6 files:
  README.md
  SHA256SUMS
  config.json
  model.safetensors.index.json
""", path=directory)
    path = making.file(f"{ROOT}/alone/x.safetensors", {"x": b"1"}, {"sshs_model_hash": "nonsense"})
    says_no("verify", """
Unknown: the only claim cannot be checked.
x.safetensors: cannot check: it is no digest of this kind (sshs_model_hash)

== Claims
claim            algorithm    files      ok  differs  missing  unchecked
---------------  ---------  -------  ------  -------  -------  ---------
sshs_model_hash                   1       0        0        0          1
""", path=path)


    # what a hub's client has not yet, or was stopped at
    root = f"{ROOT}/cache/models--a--b"
    write(f"{root}/blobs/{hashlib.sha256(b'1').hexdigest()}", "1")
    write(f"{root}/blobs/{'a' * 64}.incomplete", "1")
    code, out, _ = shell.script("verify", path=f"{ROOT}/cache")
    tally.equal((code, out.split("\n")[0]), (1, "No: 1 download is not complete."), "half a download")


def test_lockfile():
    directory, lock = f"{ROOT}/locked", f"{ROOT}/locked/model.lock"
    make(directory)
    size = sum(os.path.getsize(f"{directory}/{name}") for name in os.listdir(directory))
    shows("lockfile", f"Locked 5 files, {size} B, in ROOT/locked/model.lock.", path=directory, lock=lock, tensors="1")
    with open(lock, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    wanted = [{"file": name, "size": os.path.getsize(f"{directory}/{name}"), "sha256": digest(f"{directory}/{name}")}
              for name in ("README.md", "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                           "model.safetensors.index.json")]
    wanted += [{"file": f"model-0000{i}-of-00002.safetensors", "tensor": name, "dtype": "U8", "shape": [len(data)],
                "sha256": hashlib.sha256(data).hexdigest()} for i, name, data in ((1, "a", b"1"), (2, "b", b"22"))]
    tally.equal(lines, wanted, "the lines of a lock")
    shows("lockfile", "Yes: 5 files are as they were when they were locked.", path=directory, lock=lock, check="1")
    tally.check(shell.script("lockfile", path=directory, lock=lock)[0] == 1, "a lock is not replaced by itself")
    shutil.copytree(directory, f"{ROOT}/elsewhere")
    shows("lockfile", "Yes: 5 files are as they were when they were locked.", path=f"{ROOT}/elsewhere", lock=f"{ROOT}/elsewhere/model.lock",
          check="1")
    flip(f"{directory}/model-00002-of-00002.safetensors")
    os.remove(f"{directory}/config.json")
    write(f"{directory}/sub/new.txt", "new")
    says_no("lockfile", """
No: 1 of 5 files differ, 1 is gone, 1 is new.

== Files
change   file
-------  --------------------------------
gone     config.json
differs  model-00002-of-00002.safetensors
new      sub/new.txt

== Tensors
change   what   tensor
-------  -----  ------
differs  bytes  b
""", path=directory, lock=lock, check="1")
    tally.check("is there" in shell.script("lockfile", path=directory, lock=f"{ROOT}/none.lock", check="1")[2], "a lock that is not there")
    write(f"{ROOT}/bad.lock", "nonsense\n")
    tally.check("JSON object" in shell.script("lockfile", path=directory, lock=f"{ROOT}/bad.lock", check="1")[2], "a lock that is none")


def test_sbom():
    directory, out = f"{ROOT}/bill", f"{ROOT}/bill.json"
    make(directory)
    code, _, error = shell.script("sbom", path=directory, out=out, version="1.0")
    tally.equal((code, error), (0, ""), "sql/sbom.sql runs")
    with open(out, encoding="utf-8") as file:
        document = json.load(file)
    model = document["metadata"]["component"]
    tally.equal((document["bomFormat"], document["specVersion"], model["type"], model["name"], model["version"]),
                ("CycloneDX", "1.6", "machine-learning-model", "bill", "1.0"), "the head of a bill of materials")
    tally.equal((model["licenses"], model["pedigree"]["ancestors"][0]["name"], model["modelCard"]["modelParameters"]),
                ([{"license": {"name": "mit"}}], "org/base", {"modelArchitecture": "TinyModel"}), "what lies beside the weights")
    tally.equal({component["name"]: component["hashes"] for component in document["components"]},
                {name: [{"alg": "SHA-256", "content": digest(f"{directory}/{name}")}] for name in os.listdir(directory)}, "its files")
    code, text, _ = shell.script("sbom", path=f"{directory}/model-00001-of-00002.safetensors")
    tally.equal((code, [component["name"] for component in json.loads(text)["components"]]), (0, ["model-00001-of-00002.safetensors"]),
                "of one file, printed")


tally.run(globals(), ROOT)
