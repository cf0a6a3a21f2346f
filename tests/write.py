"""What the writer writes, against independent models in Python of the reference implementation's
layout and of Hugging Face's way to shard: every valid file of the corpus and of the fixtures, read
and written again, and random models."""

import csv
import glob
import json
import os
import random
import re
import sqlite3
import stat
import struct
import tempfile

import reader
from tally import BUILD, Tally, connect

CORPUS = os.environ.get("CORPUS", "")
DTYPES = list(reader.BITS)  # in the reference's order

# By the manifest the reference wrote it, but not with today's layout.
OTHERWISE = {
    "snakers4+silero-vad__src__silero_vad__data__silero_vad_16k.safetensors": "tensors as they were added",
}

tally = Tally()
db = connect()


def layout(tensors, metadata):
    """A file's bytes as the reference writes them: tensors are (name, dtype, shape, bytes)."""
    tensors = sorted(tensors, key=lambda t: (-DTYPES.index(t[1]), t[0].encode()))
    header, at = {}, 0
    if metadata:
        header["__metadata__"] = dict(metadata)
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(t[3] for t in tensors)


def write(path, source, data="ref"):
    return db.execute(
        f"SELECT safetensors_write(?1, name, dtype, shape, {data}, "
        "(SELECT json_group_object(key, value) FROM safetensors_metadata(?2))) "
        "FROM safetensors_tensors(?2)", [path, source]).fetchone()[0]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def contents(data):
    tensors, metadata = reader.read(data)
    return sorted((n, d, s, data[b:e]) for n, d, s, b, e in tensors), metadata


# ---- Every file, read and written again ----

def round_trip(path, folder):
    """Whether the written file is the same to the byte."""
    data = read(path)
    tensors, metadata = contents(data)
    if not tensors:  # no row names a path: serialize is what there is
        got = db.execute("SELECT safetensors_serialize(name, dtype, shape, ref, (SELECT json_group_object("
                         "key, value) FROM safetensors_metadata(?1))) FROM (SELECT 1) LEFT JOIN "
                         "safetensors_tensors(?1)", [path]).fetchone()[0]
        tally.check(got == layout(tensors, metadata), f"{path}: layout of no tensors")
        return got == data
    target = os.path.join(folder, "written.safetensors")
    tally.equal(write(target, path), len(tensors), f"{path}: tensors written")
    got = read(target)
    tally.check(got == layout(tensors, metadata), f"{path}: layout")
    tally.equal(contents(got), (tensors, metadata), f"{path}: the independent reader, of the copy")
    findings = db.execute("SELECT severity, code, message FROM safetensors_check(?)", [target]).fetchall()
    tally.equal(findings, [], f"{path}: what safetensors_check finds in the copy")
    write(target, path, data="data")
    tally.check(read(target) == got, f"{path}: the same from bytes")
    return got == data


def is_readable(path):
    return db.execute("SELECT status FROM safetensors_files(?)", [path]).fetchone() == ("ok",)


def written_by_reference(row, data):
    """By today's reference: early versions did not pad the header."""
    return (re.match("python (ref|torch|numpy)", row["writer"]) is not None
            and struct.unpack("<Q", data[:8])[0] % 8 == 0
            and row["metadata_keys"].count(";") == 0
            and os.path.basename(row["file"]) not in OTHERWISE)


def round_trips(folder):
    for path in sorted(glob.glob(f"{BUILD}/fixtures/**/*.safetensors", recursive=True)):
        if is_readable(path):
            round_trip(path, folder)
    if not os.path.exists(f"{CORPUS}/MANIFEST.tsv"):
        print(f"skipped: the corpus ({CORPUS or 'CORPUS'} is not there)")
        return
    identical = 0
    with open(f"{CORPUS}/MANIFEST.tsv", newline="", encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest, delimiter="\t"):
            path = os.path.join(CORPUS, row["file"])
            if row["verdict"] != "valid" or not is_readable(path):
                continue
            same = round_trip(path, folder)
            if written_by_reference(row, read(path)):
                tally.check(same, f"{path}: the same bytes as the reference's")
                identical += same
    tally.check(identical >= 20, f"{identical} files of the reference are written the same")


# ---- Shards ----

def mask():
    current = os.umask(0)
    os.umask(current)
    return current


def split(sizes, limit):
    """Hugging Face's rule (split_state_dict_into_shards_factory), over names and sizes."""
    shards, current, total = [], [], 0
    for name, size in sizes:
        if size > limit:
            shards.append([name])
            continue
        if total + size > limit:
            shards.append(current)
            current, total = [], 0
        current.append(name)
        total += size
    if current:
        shards.append(current)
    return shards


def random_model(chance):
    model = {}
    for i in range(chance.randrange(1, 60)):
        dtype = chance.choice(["F32", "BF16", "U8", "I64", "BOOL"])
        shape = [chance.randrange(0, 9) for _ in range(chance.randrange(0, 3))]
        numel = 1
        for dimension in shape:
            numel *= dimension
        name = chance.choice(["layer", "é", "Z", 'q"b\\', ""]) + f".{i}"
        model[name] = (dtype, shape, chance.randbytes(numel * reader.BITS[dtype] // 8))
    return model


def write_shards(index, limit, model, metadata=None):
    rows = "SELECT value ->> 0 AS name, value ->> 1 AS dtype, value ->> 2 AS shape, value ->> 3 AS hex FROM json_each(?)"
    text = json.dumps([[n, d, s, b.hex()] for n, (d, s, b) in model.items()])
    db.create_function("unhex_py", 1, bytes.fromhex)
    return db.execute(f"SELECT safetensors_write_sharded(?, ?, name, dtype, shape, unhex_py(hex), ?) FROM ({rows})",
                      [index, limit, metadata, text]).fetchone()[0]


def check_shards(folder, stem, limit, model):
    shards = split([(n, len(b)) for n, (_, _, b) in model.items()], limit)
    names = [f"{stem}-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
    index = {"metadata": {"total_size": sum(len(b) for _, _, b in model.values())},
             "weight_map": {tensor: name for name, shard in zip(names, shards) for tensor in shard}}
    text = json.dumps(index, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    tally.check(read(f"{folder}/{stem}.safetensors.index.json") == text.encode(), "the index", text)
    tally.equal(sorted(os.listdir(folder)), sorted(names + [f"{stem}.safetensors.index.json"]), "the files of a model")
    for name, shard in zip(names, shards):
        tensors = [(tensor, *model[tensor]) for tensor in shard]
        tally.check(read(f"{folder}/{name}") == layout(tensors, [("format", "pt")]), f"shard {name} of {shards}")
    got = db.execute("SELECT name, dtype, shape, data FROM safetensors_tensors(?)", [folder]).fetchall()
    tally.equal(sorted((n, d, json.loads(s), b) for n, d, s, b in got),
                sorted((n, d, s, b) for n, (d, s, b) in model.items()), "a model in shards, read")


def sharding(folder):
    """Random models, one over the other in one folder: longer sets and shorter ones."""
    chance = random.Random(7)
    index = f"{folder}/model.safetensors.index.json"
    for _ in range(40):
        model, limit = random_model(chance), chance.choice([1, 30, 100, 300, 10**9])
        tally.equal(write_shards(index, limit, model, '{"format":"pt"}'), len(model), "tensors in shards")
        check_shards(folder, "model", limit, model)
    os.mkdir(f"{folder}/other")
    write_shards(f"{folder}/other/a_b.c.safetensors.index.json", 1, {"x": ("U8", [1], b"1")}, '{"format":"pt"}')
    check_shards(f"{folder}/other", "a_b.c", 1, {"x": ("U8", [1], b"1")})


def bystanders(folder):
    """Of the files beside an index, only the old index's shards go."""
    index = f"{folder}/model.safetensors.index.json"
    model = {f"t{i}": ("U8", [4], b"%04d" % i) for i in range(4)}
    write_shards(index, 4, model)
    for name in ("model-00009-of-00010.safetensors", "other-00001-of-00004.safetensors", "model.safetensors"):
        os.link(f"{folder}/model-00001-of-00004.safetensors", f"{folder}/{name}")
    os.chmod(index, 0o640)
    write_shards(index, 8, model)
    tally.equal(sorted(os.listdir(folder)),
                ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                 "model-00009-of-00010.safetensors", "model.safetensors", "model.safetensors.index.json",
                 "other-00001-of-00004.safetensors"], "files that no old index names stay")
    tally.equal(stat.S_IMODE(os.stat(index).st_mode), 0o640, "the index's mode")
    # an old index's shards of other names are not this writer's
    foreign = {"t0": "other-00001-of-00004.safetensors", "t1": "model.safetensors",
               "t2": "model-00001-of-00002.safetensors.safetensors", "t3": "model-1-of-2.safetensors"}
    for name in foreign.values():
        if not os.path.exists(f"{folder}/{name}"):
            os.link(f"{folder}/model.safetensors", f"{folder}/{name}")
    with open(index, "w", encoding="utf-8") as file:
        json.dump({"weight_map": foreign}, file)
    write_shards(index, 8, model)
    tally.equal([name for name in foreign.values() if not os.path.exists(f"{folder}/{name}")], [], "shards of other names stay")
    # an index that cannot be read names no shards
    with open(index, "w", encoding="utf-8") as file:
        file.write("no JSON")
    write_shards(index, 100, model)
    tally.check(os.path.exists(f"{folder}/model-00002-of-00002.safetensors"), "shards of a broken index stay")
    # a shard that is a link is replaced, not followed
    os.mkdir(f"{folder}/blobs")
    os.rename(f"{folder}/model-00001-of-00001.safetensors", f"{folder}/blobs/1")
    os.symlink("blobs/1", f"{folder}/model-00001-of-00001.safetensors")
    before = read(f"{folder}/blobs/1")
    write_shards(index, 100, {"other": ("U8", [1], b"x")})
    tally.equal(stat.S_IMODE(os.stat(f"{folder}/model-00001-of-00001.safetensors").st_mode), 0o666 & ~mask(), "its mode is a new file's")
    tally.check(read(f"{folder}/blobs/1") == before and not os.path.islink(f"{folder}/model-00001-of-00001.safetensors"),
                "the file that a shard linked to stays")


# ---- Tensors of many blocks ----

def large(folder):
    """Copied, sliced and converted, on one thread and on several, mapped and read."""
    rows, columns = 3000, 100
    codes = random.Random(11).randbytes(rows * columns * 2)
    source, target = f"{folder}/source", f"{folder}/target"
    db.execute("SELECT safetensors_write(?, 'x', 'BF16', ?, ?)", [source, f"[{rows},{columns}]", codes]).fetchall()
    elements = [codes[2 * i:2 * i + 2] for i in range(rows * columns)]
    wide = [b"\0\0" + code for code in elements]  # BF16 is the upper half of F32
    odd = [r * columns + c for r in range(1, rows, 2) for c in range(columns)]
    third = [r * columns + c for r in range(rows) for c in range(1, columns, 3)]
    row = list(range(7 * columns, 8 * columns))
    expected = layout([("copy", "BF16", [rows, columns], codes), ("wide", "F32", [rows * columns], b"".join(wide)),
                       ("odd", "BF16", [rows // 2, columns], b"".join(elements[i] for i in odd)),
                       ("third", "F32", [rows, 33], b"".join(wide[i] for i in third)),
                       ("row", "F32", [columns], b"".join(wide[i] for i in row))], [])
    for io in ("map", "pread"):
        for threads in (0, 3):
            db.execute("SELECT safetensors_config('io', ?)", [io]).fetchall()
            db.execute(f"PRAGMA threads = {threads}").fetchall()
            count = db.execute(
                "SELECT safetensors_write(?, column1, column2, column3, tensor_ref(?, 'x', column4)) FROM (VALUES "
                "('copy', NULL, NULL, '...'), ('wide', 'F32', ?, '...'), ('odd', NULL, NULL, '1::2'), "
                "('third', 'F32', NULL, ':, 1::3'), ('row', 'F32', NULL, '7'))",
                [target, source, f"[{rows * columns}]"]).fetchone()[0]
            tally.check(count == 5 and read(target) == expected, f"large tensors, {io}, {threads} threads more")
    db.execute("SELECT safetensors_config('io', 'map')").fetchall()
    db.execute("PRAGMA threads = 0").fetchall()


# ---- The target ----

def one(path, value):
    db.execute("SELECT safetensors_write(?, 'x', 'U8', '[1]', ?)", [path, bytes([value])]).fetchall()


def refused(path, message):
    try:
        one(path, 1)
        tally.check(False, f"refused: {message}")
    except sqlite3.Error as problem:
        tally.check(message in str(problem), f"refused: {message}", problem)


def holds(path, value):
    return contents(read(path))[0] == [("x", "U8", [1], bytes([value]))]


def targets(folder):
    path = f"{folder}/a.safetensors"
    mask = os.umask(0o027)
    one(path, 1)
    os.umask(mask)
    tally.equal(stat.S_IMODE(os.stat(path).st_mode), 0o640, "a new file's mode is the umask's")
    os.chmod(path, 0o604)
    if os.geteuid() == 0:
        os.chown(path, 12, 34)
    before = os.stat(path)
    one(path, 2)
    after = os.stat(path)
    tally.equal((after.st_mode, after.st_uid, after.st_gid), (before.st_mode, before.st_uid, before.st_gid),
                "the mode, and for root the owner, of a file that is replaced")
    # what a killed writer left of this target goes
    hashed = 0xcbf29ce484222325
    for byte in b"a.safetensors":
        hashed = (hashed ^ byte) * 0x100000001b3 % 2 ** 64
    os.link(path, f"{folder}/.safetensors-{hashed:016x}.old")
    one(path, 2)
    tally.equal(os.listdir(folder), ["a.safetensors"], "nothing of a killed writer stays")
    # links: absolute, relative, to a link, to what is not there yet
    os.mkdir(f"{folder}/far")
    os.symlink(path, f"{folder}/far/absolute")
    os.symlink("../a.safetensors", f"{folder}/far/relative")
    os.symlink("far/relative", f"{folder}/twice")
    os.symlink("far/new.safetensors", f"{folder}/dangling")
    os.symlink("loop", f"{folder}/loop")
    for value, link in enumerate(("far/absolute", "far/relative", "twice"), 3):
        one(f"{folder}/{link}", value)
        tally.check(holds(path, value) and os.path.islink(f"{folder}/{link}"), f"{link} is written through")
    one(f"{folder}/dangling", 9)
    tally.check(holds(f"{folder}/far/new.safetensors", 9), "a link to what is not there makes it")
    refused(f"{folder}/loop", "too many symbolic links")
    # what its owner protects from writing
    os.chmod(path, 0o444)
    os.chmod(folder, 0o777)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    refused(path, "cannot write: Permission denied")
    os.seteuid(user)
    tally.check(holds(path, 5), "a file that must not be written")
    # what was read before the file is replaced stays what it was
    rows = db.execute("SELECT data FROM safetensors_tensors(?), (VALUES (1), (2))", [path])
    first = rows.fetchone()[0]
    one(path, 6)
    tally.equal((first, rows.fetchone()[0]), (b"\x05", b"\x05"), "mapped bytes outlive their file")
    tally.check(holds(path, 6), "the file that was replaced under them")
    tally.equal(sorted(os.listdir(folder)), ["a.safetensors", "dangling", "far", "loop", "twice"], "nothing else stays")


def cache_links(folder):
    """A snapshot's link in the Hugging Face cache is not written through."""
    snapshot, blobs = f"{folder}/models--a--b/snapshots/0", f"{folder}/models--a--b/blobs"
    os.makedirs(snapshot)
    os.makedirs(blobs)
    one(f"{blobs}/hash", 1)
    os.symlink("../../blobs/hash", f"{snapshot}/model.safetensors")
    os.environ["HF_HUB_CACHE"] = folder
    refused(f"{snapshot}/model.safetensors", "found a link into the Hugging Face cache")
    del os.environ["HF_HUB_CACHE"]
    tally.check(holds(f"{blobs}/hash", 1), "the cache stays as it was")


for part in (round_trips, sharding, bystanders, large, targets, cache_links):
    with tempfile.TemporaryDirectory() as place:
        part(place)
tally.finish()
