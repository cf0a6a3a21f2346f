"""tensor_sha256, safetensors_digest and safetensors_verify against hashlib, git and small programs of this file's own:
every kind over a corpus, every claim whole, damaged and missing, files that change while they are read."""

import base64
import glob
import hashlib
import json
import os
import shutil
import struct
import tarfile
import tempfile
import threading
import time

import making
from tally import Tally, connect, database_error

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="digests.")
CORPUS = os.environ.get("CORPUS", "../shared/corpus")
MODELS = os.environ.get("MODELS", "../shared/models")
db = connect()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def one(sql, *parameters):
    return db.execute(sql, parameters).fetchone()[0]


def fails(sql, expected):
    found = database_error(db, sql)
    tally.check(expected in found, sql, f"expected {expected!r}", f"got      {found!r}")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def payload(data):
    return data[8 + struct.unpack("<Q", data[:8])[0]:]


def content(files):
    """By the definition: lines of json_array(name, dtype, shape, sha256), sorted by the bytes of names."""
    lines = []
    for data in files:
        header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                lines.append((name.encode(), json.dumps([name, entry["dtype"], entry["shape"], sha256(payload(data)[begin:end])],
                                                        separators=(",", ":"), ensure_ascii=False)))
    return sha256("".join(line + "\n" for _, line in sorted(lines)).encode())


def legacy(data):
    """addnet_hash_legacy() over what safetensors.torch.save() makes of tensors of one dtype and the ss_ metadata."""
    header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
    kept = {key: value for key, value in header.pop("__metadata__", {}).items() if key.startswith("ss_")}
    entries, tensors, at = {"__metadata__": kept}, [], 0
    for name in sorted(header, key=str.encode):
        begin, end = header[name]["data_offsets"]
        tensors.append(payload(data)[begin:end])
        entries[name] = {"dtype": header[name]["dtype"], "shape": header[name]["shape"], "data_offsets": [at, at + end - begin]}
        at += end - begin
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    whole = struct.pack("<Q", len(text)) + text + b"".join(tensors)
    return sha256(whole[0x100000:0x110000])[:8]


def check_kinds(path, valid):
    data = read(path)
    expected = {"sha256": sha256(data), "git": git(data), "autov2": sha256(data)[:10],
                "autov1": sha256(data[0x100000:0x110000])[:8] if len(data) > 0x100000 else None}
    if valid:
        expected.update(payload=sha256(payload(data)), autov3=sha256(payload(data))[:12], content=content([data]))
    for kind, value in expected.items():
        tally.equal(one("SELECT safetensors_digest(?, ?)", path, kind), value, f"{kind} of {os.path.basename(path)}")


def test_kinds():
    floats = {f"layers.{i}.Größe \"{i}\"": ("F32", [400, 300], os.urandom(480000)) for i in range(4)}
    path = f"{ROOT}/kinds.safetensors"
    making.file(path, floats, {"ss_network_dim": "4", "ss_tag": "a \"b\" \n ü", "other": "x" * 1000})
    check_kinds(path, True)
    tally.equal(one("SELECT safetensors_digest(?, 'legacy')", path), legacy(read(path)), "legacy")
    small = f"{ROOT}/small.safetensors"
    making.file(small, {"a": ("F32", [2], b"\0" * 8)}, {"modelspec.title": "x"})
    check_kinds(small, True)
    tally.equal(one("SELECT safetensors_digest(?, 'legacy')", small), "e3b0c442", "legacy of a short file")
    tally.equal(one("SELECT safetensors_digest(?, 'content')", read(path)), content([read(path)]), "content of a BLOB")
    tally.equal(one("SELECT safetensors_digest(?, 'sha256')", read(path)), sha256(read(path)), "sha256 of a BLOB")
    for name, (dtype, shape, data) in floats.items():
        ref = one("SELECT ref FROM safetensors_tensors(?) WHERE name = ?", path, name)
        tally.equal(one("SELECT tensor_sha256(?)", ref), sha256(data), "tensor_sha256 of a ref")
        tally.equal(one("SELECT tensor_sha256(?, ?, ?)", data, dtype, json.dumps(shape)), sha256(data), "of a BLOB")
        tally.equal(one("SELECT tensor_sha256(tensor_transpose(?))", ref),
                    sha256(b"".join(data[4 * (r * 300 + c):][:4] for c in range(300) for r in range(400))), "of an expression")
        tally.equal(one("SELECT tensor_sha256(?)", ref.replace("#", "?slice=1:3#", 1)), sha256(data[1200:3600]), "of a slice")
    tally.equal(one("SELECT tensor_sha256(NULL) IS NULL AND safetensors_digest(NULL, 'git') IS NULL"), 1, "NULL")


def test_content_of_shards():
    """Equal however a model is sharded and ordered, and whatever its metadata says; different where a bit is."""
    tensors = {f"t{i}": ("F32", [i, 3], os.urandom(12 * i)) for i in range(1, 8)}
    one_file, folder = f"{ROOT}/whole.safetensors", f"{ROOT}/sharded"
    making.file(one_file, tensors, {"a": "b"})
    os.makedirs(folder)
    names = list(tensors)
    weight_map = {}
    for i in range(3):
        shard = f"model-0000{i + 1}-of-00003.safetensors"
        making.file(f"{folder}/{shard}", {name: tensors[name] for name in reversed(names[i::3])})
        weight_map.update({name: shard for name in names[i::3]})
    write(f"{folder}/model.safetensors.index.json", json.dumps({"weight_map": weight_map}))
    whole = one("SELECT safetensors_digest(?, 'content')", one_file)
    for threads in (0, 2):
        db.execute(f"PRAGMA threads = {threads}")
        tally.equal(one("SELECT safetensors_digest(?, 'content')", folder), whole, f"content of shards, {threads} threads")
    db.execute("PRAGMA threads = 0")
    data = bytearray(read(f"{folder}/model-00002-of-00003.safetensors"))
    data[-1] ^= 1
    write(f"{folder}/model-00002-of-00003.safetensors", bytes(data))
    tally.check(one("SELECT safetensors_digest(?, 'content')", folder) != whole, "a flipped bit")
    for kind in ("sha256", "payload", "legacy"):
        fails(f"SELECT safetensors_digest('{folder}', '{kind}')", "expected one file")
    fails(f"SELECT safetensors_digest('{one_file}', 'md5')", "expected sha256, git, payload")
    fails("SELECT safetensors_digest('/nowhere/x.safetensors', 'sha256')", "no such file")


def test_corpus():
    if not os.path.isdir(CORPUS):
        print(f"skipped: digests of a corpus ({CORPUS} is not there)")
        return
    with open(f"{CORPUS}/MANIFEST.tsv", encoding="utf-8") as manifest:
        print(manifest.readline().strip()[:0], end="")
    for path in sorted(glob.glob(f"{CORPUS}/**/*.safetensors", recursive=True)):
        if os.path.isfile(path) and os.path.getsize(path) < 50_000_000:
            valid = one("SELECT status FROM safetensors_files(?)", path.replace("[", "[[]")) == "ok"
            try:
                check_kinds(path, valid)
            except (UnicodeDecodeError, RecursionError, json.JSONDecodeError):
                continue


def statuses(path):
    return {(os.path.basename(file), claim): status for file, claim, status in
            db.execute("SELECT file, claim, status FROM safetensors_verify(?)", (path,))}


def model(path, metadata=None):
    making.file(path, {"w": ("F32", [4, 4], os.urandom(64))}, metadata)
    return read(path)


def flipped(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def test_lists():
    folder = f"{ROOT}/lists"
    os.makedirs(f"{folder}/sub")
    a, b, c = (model(f"{folder}/{name}.safetensors") for name in ("a", "b", "sub/c"))
    write(f"{folder}/config.json", "{}")
    write(f"{folder}/a.safetensors.sha256", sha256(a).upper())
    write(f"{folder}/SHA256SUMS", f"{sha256(a)}  a.safetensors\n{sha256(flipped(b))} *b.safetensors\r\n"
          f"{sha256(c)}  ./sub/c.safetensors\n{'0' * 64}  gone.safetensors\n\\{sha256(b'{}')}  config.json\nnonsense\n"
          f"{sha256(a)}  ../outside\n")
    write(f"{folder}/sub/bsd.sha256", f"SHA256 (c.safetensors) = {sha256(c)}\n")
    found = statuses(folder)
    expected = {("a.safetensors", "sha256 file"): "ok", ("a.safetensors", "checksum list"): "ok",
                ("b.safetensors", "checksum list"): "differs", ("gone.safetensors", "checksum list"): "missing",
                ("config.json", "checksum list"): "ok", ("c.safetensors", "checksum list"): "ok",
                ("SHA256SUMS", None): "no claim", ("a.safetensors.sha256", None): "no claim", ("bsd.sha256", None): "no claim"}
    tally.equal(found, expected, "lists of checksums")
    rows = db.execute("SELECT file, expected, actual, algorithm FROM safetensors_verify(?) WHERE file = ?",
                      (folder, f"{folder}/b.safetensors")).fetchall()
    tally.equal(rows, [(f"{folder}/b.safetensors", sha256(flipped(b)), sha256(b), "sha256")], "a lookup")
    tally.equal(statuses(f"{folder}/a.safetensors"), {("a.safetensors", "sha256 file"): "ok", ("a.safetensors", "checksum list"): "ok"},
                "one file")
    rowids = db.execute("SELECT count(*), count(DISTINCT rowid) FROM safetensors_verify(?)", (folder,)).fetchone()
    tally.equal(rowids[0], rowids[1], "rowids")


def test_metadata():
    folder = f"{ROOT}/notes"
    os.makedirs(folder)
    data = model(f"{folder}/m.safetensors")
    right = sha256(payload(data))
    tensors = {"w": ("F32", [4, 4], payload(data))}
    making.file(f"{folder}/m.safetensors", tensors, {"sshs_model_hash": right, "modelspec.hash_sha256": "0x" + right.upper(),
                                                     "sshs_legacy_hash": "e3b0c442"})
    making.file(f"{folder}/n.safetensors", tensors, {"sshs_model_hash": sha256(b""), "modelspec.hash_sha256": "0x12"})
    found = statuses(folder)
    tally.equal(found[("m.safetensors", "sshs_model_hash")], "ok", "model hash")
    tally.equal(found[("m.safetensors", "modelspec.hash_sha256")], "ok", "modelspec hash")
    tally.check(found[("m.safetensors", "sshs_legacy_hash")].startswith("cannot check"), "the digest of nothing")
    tally.equal(found[("n.safetensors", "sshs_model_hash")], "differs", "the digest of nothing where there are bytes")
    tally.check(found[("n.safetensors", "modelspec.hash_sha256")].startswith("cannot check"), "no digest")
    big = {f"t{i}": ("F32", [1000, 100], os.urandom(400000)) for i in range(4)}
    making.file(f"{folder}/big.safetensors", big, {"ss_a": "b"})
    value = legacy(read(f"{folder}/big.safetensors"))
    making.file(f"{folder}/big.safetensors", big, {"ss_a": "b", "sshs_legacy_hash": value, "c": "d"})
    tally.equal(statuses(f"{folder}/big.safetensors")[("big.safetensors", "sshs_legacy_hash")], "ok", "legacy hash after an edit")
    write(f"{folder}/big.safetensors", flipped(read(f"{folder}/big.safetensors")[:0x108000]) + read(f"{folder}/big.safetensors")[0x108000:])
    tally.equal(statuses(f"{folder}/big.safetensors")[("big.safetensors", "sshs_legacy_hash")], "differs", "a bit within it")


def test_signing():
    folder = f"{ROOT}/signed"
    os.makedirs(folder)
    data = model(f"{folder}/model.safetensors")

    def bundle(statement):
        payload_ = base64.b64encode(json.dumps(statement).encode()).decode()
        write(f"{folder}/model.sig", json.dumps({"dsseEnvelope": {"payload": payload_, "payloadType": "application/vnd.in-toto+json"}}))

    claim = "model signing (the signature is not checked)"
    bundle({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://model_signing/signature/v1.0",
            "subject": [{"name": "signed", "digest": {"sha256": "ab" * 32}}],
            "predicate": {"resources": [{"name": "model.safetensors", "algorithm": "sha256", "digest": sha256(data)},
                                        {"name": "gone.bin", "algorithm": "sha256", "digest": sha256(b"")},
                                        {"name": "model.safetensors", "algorithm": "blake2b", "digest": "00"}]}})
    rows = db.execute("SELECT file, claim, status FROM safetensors_verify(?) ORDER BY 1, 3", (folder,)).fetchall()
    tally.equal([(os.path.basename(file), claim_, status) for file, claim_, status in rows],
                [("gone.bin", claim, "missing"), ("model.safetensors", claim, "cannot check: the algorithm is not known here"),
                 ("model.safetensors", claim, "ok"), ("model.sig", None, "no claim")], "model signing v1.0")
    bundle({"predicateType": "https://model_signing/Digests/v0.1",
            "subject": [{"name": "model.safetensors", "digest": {"sha256": sha256(flipped(data))}}]})
    tally.equal(statuses(folder)[("model.safetensors", claim)], "differs", "model signing v0.1")
    write(f"{folder}/model.sig", b"\xff{")
    tally.equal(statuses(folder)[("model.safetensors", None)], "no claim", "a bundle that is none")


def test_lfs():
    folder = f"{ROOT}/lfs"
    os.makedirs(folder)
    data = model(f"{folder}/a.safetensors")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(data)}\nsize {len(data)}\n"
    write(f"{folder}/a.safetensors.pointer", pointer)
    write(f"{folder}/b.safetensors", pointer)
    found = statuses(folder)
    tally.equal(found[("a.safetensors", "lfs pointer")], "ok", "a pointer beside its file")
    tally.equal(found[("b.safetensors", "lfs pointer")], "missing", "a pointer in the place of its file")
    stored = f"{folder}/.git/lfs/objects/{sha256(data)[:2]}/{sha256(data)[2:4]}/{sha256(data)}"
    write(stored, data)
    tally.equal(statuses(stored)[(sha256(data), "lfs object")], "ok", "an object of git-lfs")
    write(stored, flipped(data))
    tally.equal(statuses(stored)[(sha256(data), "lfs object")], "differs", "a changed object")


def test_hub():
    archive = f"{MODELS}/hub.tar.xz"
    if not os.path.exists(archive):
        print(f"skipped: the caches of the hub's client ({archive} is not there)")
        return
    with tarfile.open(archive) as file:
        file.extractall(f"{ROOT}/hub")
    seen = 0
    for snapshot in glob.glob(f"{ROOT}/hub/hub/*/hub/*/snapshots/*"):
        links = [os.path.join(path, name) for path, _, names in os.walk(snapshot) for name in names]
        rows = db.execute("SELECT file, claim, algorithm, status FROM safetensors_verify(?)", (snapshot,)).fetchall()
        tally.equal(sorted(row[0] for row in rows), sorted(links), "all files of a snapshot")
        for file, claim, algorithm, status in rows:
            blob = os.path.basename(os.path.realpath(file))
            tally.equal((claim, algorithm, status), ("hub blob", "sha256" if len(blob) == 64 else "git", "ok"), "a blob")
            seen += 1
    tally.check(seen > 20, "snapshots were found")
    local = f"{ROOT}/hub/hub/local-dir/llama"
    rows = db.execute("SELECT claim, status, count(*) FROM safetensors_verify(?) GROUP BY 1, 2", (local,)).fetchall()
    tally.equal(rows, [("hub download", "ok", 10)], "a local_dir")
    inner = glob.glob(f"{ROOT}/hub/hub/local-dir/sd15/unet/*.safetensors")[0]
    tally.equal(statuses(inner), {(os.path.basename(inner), "hub download"): "ok"}, "a file in a folder of a local_dir")
    link = next(path for path in links if path.endswith(".safetensors"))
    blob = os.path.realpath(link)
    data = read(blob)
    os.chmod(blob, 0o644)
    write(blob, flipped(data))
    tally.equal(statuses(link)[(os.path.basename(link), "hub blob")], "differs", "a blob whose name lies")


def test_changes():
    """A file that is truncated or replaced while it is read: an error or 'cannot check', never a wrong digest."""
    path = f"{ROOT}/changing/x.safetensors"
    os.makedirs(os.path.dirname(path))
    making.file(path, {"w": ("F32", [25_000_000], b"\0" * 100_000_000)})
    before = sha256(read(path))
    write(path + ".sha256", before)
    size = os.path.getsize(path)
    own = connect()

    def disturb(change):
        timer = threading.Timer(0.02, change)
        timer.start()
        try:
            result = own.execute("SELECT status FROM safetensors_verify(?)", (path,)).fetchone()[0]
        except Exception as error:  # pylint: disable=broad-except
            result = f"error: {error}"
        timer.join()
        return result

    for _ in range(3):
        result = disturb(lambda: os.truncate(path, size - 1000))
        tally.check(result in ("ok", "differs") or result.startswith(("cannot check", "error")), f"truncated: {result}")
        tally.check(result != "ok" or os.path.getsize(path) != size, "truncated after it was read")
        with open(path, "r+b") as file:
            file.truncate(size)
        tally.equal(own.execute("SELECT status FROM safetensors_verify(?)", (path,)).fetchone()[0], "ok", "whole again")

    def overwrite():
        with open(path, "r+b") as file:
            file.seek(size - 1)
            file.write(b"\1")

    result = disturb(overwrite)
    tally.check(result in ("ok", "differs") or result.startswith(("cannot check", "error")), f"overwritten: {result}")
    # Another file in its place, which is as large: the digest of neither is that of what the path leads to.
    with open(path, "r+b") as file:
        file.seek(size - 1)
        file.write(b"\0")
    shutil.copyfile(path, path + ".new")
    with open(path + ".new", "r+b") as file:
        file.seek(size - 1)
        file.write(b"\2")
    result = disturb(lambda: os.replace(path + ".new", path))
    tally.check(result == "differs" or result.startswith(("cannot check", "error")), f"replaced: {result}")
    began = time.monotonic()
    timer = threading.Timer(0.03, own.interrupt)
    timer.start()
    try:
        while time.monotonic() - began < 5:
            own.execute("SELECT safetensors_digest(?, 'sha256')", (path,)).fetchone()
            interrupted = None
        tally.check(False, "an interrupt ends a digest")
    except Exception as error:  # pylint: disable=broad-except
        interrupted = str(error)
    tally.check("interrupted" in interrupted, "an interrupt ends a digest", interrupted)


tally.run(globals(), ROOT)
