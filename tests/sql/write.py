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

import making
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
db.isolation_level = None  # each statement is a transaction


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
        "INSERT INTO safetensors_write(path, name, dtype, shape, data, metadata, mode) "
        f"SELECT ?1, name, dtype, shape, {data}, "
        "(SELECT json_group_object(key, value) FROM safetensors_metadata(?2)), 'replace' "
        "FROM safetensors_tensors(?2)", [path, source]).rowcount


def read(path):
    with open(path, "rb") as file:
        return file.read()


def contents(data):
    tensors, metadata = reader.read(data)
    return sorted((n, d, s, data[b:e]) for n, d, s, b, e in tensors), metadata


# ---- Every file, read and written again ----

def round_trip(path, directory):
    """Whether the written file is the same to the byte."""
    data = read(path)
    tensors, metadata = contents(data)
    if not tensors:  # no row names a path
        got = db.execute("SELECT safetensors_serialize(name, dtype, shape, ref, (SELECT json_group_object("
                         "key, value) FROM safetensors_metadata(?1))) FROM (SELECT 1) LEFT JOIN "
                         "safetensors_tensors(?1)", [path]).fetchone()[0]
        tally.check(got == layout(tensors, metadata), f"{path}: layout of no tensors")
        return got == data
    target = os.path.join(directory, "written.safetensors")
    tally.equal(write(target, path), len(tensors), f"{path}: tensors written")
    got = read(target)
    tally.check(got == layout(tensors, metadata), f"{path}: layout")
    tally.equal(contents(got), (tensors, metadata), f"{path}: the independent reader, of the copy")
    findings = db.execute("SELECT severity, code, message FROM safetensors_check(?)", [target]).fetchall()
    original = {code for code, in db.execute("SELECT code FROM safetensors_check(?)", [path])}
    of_tensors = {"no-tensors", "placeholders"} & original  # what a copy has if its original has
    tally.equal([row for row in findings if row[1] not in of_tensors], [], f"{path}: what safetensors_check finds in the copy")
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


def round_trips(directory):
    for path in sorted(glob.glob(f"{BUILD}/fixtures/**/*.safetensors", recursive=True)):
        if is_readable(path):
            round_trip(path, directory)
    if not os.path.exists(f"{CORPUS}/MANIFEST.tsv"):
        print(f"skipped: the corpus ({CORPUS or 'CORPUS'} is not there)")
        return
    identical = 0
    with open(f"{CORPUS}/MANIFEST.tsv", newline="", encoding="utf-8") as manifest:
        for row in csv.DictReader(manifest, delimiter="\t"):
            path = os.path.join(CORPUS, row["file"])
            if row["verdict"] != "valid" or not is_readable(path):
                continue
            same = round_trip(path, directory)
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


def write_shards(index, limit, model, metadata=None):
    rows = "SELECT value ->> 0 AS name, value ->> 1 AS dtype, value ->> 2 AS shape, value ->> 3 AS hex FROM json_each(?)"
    text = json.dumps([[n, d, s, b.hex()] for n, (d, s, b) in model.items()])
    db.create_function("unhex_py", 1, bytes.fromhex)
    return db.execute("INSERT INTO safetensors_write(path, name, dtype, shape, data, max_shard_bytes, metadata, mode) "
                      f"SELECT ?, name, dtype, shape, unhex_py(hex), ?, ?, 'replace' FROM ({rows})",
                      [index, limit, metadata, text]).rowcount


def check_shards(directory, stem, limit, model, generation):
    shards = split([(n, len(b)) for n, (_, _, b) in model.items()], limit)
    fresh = f"-r{generation}" if generation > 1 else ""
    names = [f"{stem}{fresh}-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
    index = {"metadata": {"total_size": sum(len(b) for _, _, b in model.values())},
             "weight_map": {tensor: name for name, shard in zip(names, shards) for tensor in shard}}
    text = json.dumps(index, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    tally.check(read(f"{directory}/{stem}.safetensors.index.json") == text.encode(), "the index", text)
    tally.equal(sorted(os.listdir(directory)), sorted(names + [f"{stem}.safetensors.index.json"]), "the files of a model")
    for name, shard in zip(names, shards):
        tensors = [(tensor, *model[tensor]) for tensor in shard]
        tally.check(read(f"{directory}/{name}") == layout(tensors, [("format", "pt")]), f"shard {name} of {shards}")
    got = db.execute("SELECT name, dtype, shape, data FROM safetensors_tensors(?)", [directory]).fetchall()
    tally.equal(sorted((n, d, json.loads(s), b) for n, d, s, b in got),
                sorted((n, d, s, b) for n, (d, s, b) in model.items()), "a model in shards, read")


def sharding(directory):
    """Random models, one over the other in one directory: longer sets and shorter ones."""
    chance = random.Random(7)
    index = f"{directory}/model.safetensors.index.json"
    for generation in range(1, 41):
        model, limit = making.random_model(chance, DTYPES), chance.choice([1, 30, 100, 300, 10**9])
        tally.equal(write_shards(index, limit, model, '{"format":"pt"}'), len(model), "tensors in shards")
        check_shards(directory, "model", limit, model, generation)
    os.mkdir(f"{directory}/other")
    write_shards(f"{directory}/other/a_b.c.safetensors.index.json", 1, {"x": ("U8", [1], b"1")}, '{"format":"pt"}')
    check_shards(f"{directory}/other", "a_b.c", 1, {"x": ("U8", [1], b"1")}, 1)


def bystanders(directory):
    """Of the files beside an index, only the old index's shards go, and what a write that was not finished has left."""
    index = f"{directory}/model.safetensors.index.json"
    model = {f"t{i}": ("U8", [4], b"%04d" % i) for i in range(4)}
    write_shards(index, 4, model)
    stay = ["model-00009-of-00010.safetensors", "other-00001-of-00004.safetensors", "model-r2.safetensors"]
    for name in (*stay, "model-r9-00001-of-00002.safetensors"):
        os.link(f"{directory}/model-00001-of-00004.safetensors", f"{directory}/{name}")
    os.chmod(index, 0o640)
    write_shards(index, 8, model)
    tally.equal(sorted(os.listdir(directory)), sorted([*stay, "model-r2-00001-of-00002.safetensors",
                                                    "model-r2-00002-of-00002.safetensors", "model.safetensors.index.json"]),
                "files that no old index names stay, but for another generation's")
    tally.equal(stat.S_IMODE(os.stat(index).st_mode), 0o640, "the index's mode")
    # an old index's shards of other names are not this writer's
    foreign = {"t0": "other-00001-of-00004.safetensors", "t2": "model-00001-of-00002.safetensors.safetensors",
               "t3": "model-1-of-2.safetensors"}
    for name in foreign.values():
        if not os.path.exists(f"{directory}/{name}"):
            os.link(f"{directory}/model-r2.safetensors", f"{directory}/{name}")
    with open(index, "w", encoding="utf-8") as file:
        json.dump({"weight_map": foreign}, file)
    write_shards(index, 8, model)
    tally.equal([name for name in foreign.values() if not os.path.exists(f"{directory}/{name}")], [], "shards of other names stay")
    # loaders would take a model in one file that lies beside the index
    os.link(f"{directory}/model-r2.safetensors", f"{directory}/model.safetensors")
    try:
        write_shards(index, 8, model)
        tally.check(False, "refused: a lone file beside the index")
    except sqlite3.Error as problem:
        tally.check("expected no model.safetensors beside the index" in str(problem), "refused: a lone file", problem)


# ---- Tensors of many blocks ----

def large(directory):
    """Copied, sliced and converted, on one thread and on several, mapped and read."""
    rows, columns = 3000, 100
    codes = random.Random(11).randbytes(rows * columns * 2)
    source, target = f"{directory}/source.safetensors", f"{directory}/target.safetensors"
    db.execute("INSERT INTO safetensors_write VALUES(?, 'x', 'BF16', ?, ?)", [source, f"[{rows},{columns}]", codes])
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
                "INSERT INTO safetensors_write(path, name, dtype, shape, data, mode) "
                "SELECT ?, column1, column2, column3, tensor_ref(?, 'x', column4), 'replace' FROM (VALUES "
                "('copy', NULL, NULL, '...'), ('wide', 'F32', ?, '...'), ('odd', NULL, NULL, '1::2'), "
                "('third', 'F32', NULL, ':, 1::3'), ('row', 'F32', NULL, '7'))",
                [target, source, f"[{rows * columns}]"]).rowcount
            tally.check(count == 5 and read(target) == expected, f"large tensors, {io}, {threads} threads more")
    db.execute("SELECT safetensors_config('io', 'map')").fetchall()
    db.execute("PRAGMA threads = 0").fetchall()


# ---- The target ----

def one(path, value):
    db.execute("INSERT INTO safetensors_write(path, name, dtype, shape, data, mode) VALUES(?, 'x', 'U8', '[1]', ?, 'replace')",
               [path, bytes([value])])


def refused(path, message):
    try:
        one(path, 1)
        tally.check(False, f"refused: {message}")
    except sqlite3.Error as problem:
        tally.check(message in str(problem), f"refused: {message}", problem)


def holds(path, value):
    return contents(read(path))[0] == [("x", "U8", [1], bytes([value]))]


def targets(directory):
    path = f"{directory}/a.safetensors"
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
    tally.equal(os.listdir(directory), ["a.safetensors"], "nothing else is left")
    # links: absolute, relative, to a link
    os.mkdir(f"{directory}/far")
    os.symlink(path, f"{directory}/far/absolute.safetensors")
    os.symlink("../a.safetensors", f"{directory}/far/relative.safetensors")
    os.symlink("far/relative.safetensors", f"{directory}/twice.safetensors")
    os.symlink("far/new.safetensors", f"{directory}/dangling.safetensors")
    os.symlink("loop.safetensors", f"{directory}/loop.safetensors")
    for value, link in enumerate(("far/absolute", "far/relative", "twice"), 3):
        one(f"{directory}/{link}.safetensors", value)
        tally.check(holds(path, value) and os.path.islink(f"{directory}/{link}.safetensors"), f"{link} is written through")
    refused(f"{directory}/dangling.safetensors", "found a link that leads nowhere")
    refused(f"{directory}/loop.safetensors", "ymbolic links")
    # what is no safetensors file is not replaced, but for an empty one
    for text, message in ((b"[section]\nkey = value\n", "only such a file is replaced"), (b"", None)):
        with open(f"{directory}/config.safetensors", "wb") as file:
            file.write(text)
        if message:
            refused(f"{directory}/config.safetensors", message)
            tally.check(read(f"{directory}/config.safetensors") == text, "what is no safetensors file stays")
        else:
            one(f"{directory}/config.safetensors", 1)
            tally.check(holds(f"{directory}/config.safetensors", 1), "an empty file is replaced")
    os.unlink(f"{directory}/config.safetensors")
    # what its owner protects from writing
    os.chmod(path, 0o444)
    os.chmod(directory, 0o777)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    refused(path, "cannot write the file: Permission denied")
    os.seteuid(user)
    tally.check(holds(path, 5), "a file that must not be written")
    # what was read before the file is replaced stays what it was
    rows = db.execute("SELECT data FROM safetensors_tensors(?), (VALUES (1), (2))", [path])
    first = rows.fetchone()[0]
    one(path, 6)
    tally.equal((first, rows.fetchone()[0]), (b"\x05", b"\x05"), "mapped bytes outlive their file")
    tally.check(holds(path, 6), "the file that was replaced under them")
    tally.equal(sorted(os.listdir(directory)), ["a.safetensors", "dangling.safetensors", "far", "loop.safetensors", "twice.safetensors"], "nothing else stays")


def cache_links(directory):
    """A file in the blobs of a Hugging Face cache is not written, nor by way of a snapshot's link."""
    snapshot, blobs = f"{directory}/models--a--b/snapshots/0", f"{directory}/models--a--b/blobs"
    os.makedirs(snapshot)
    os.makedirs(blobs)
    one(f"{directory}/made.safetensors", 1)
    os.rename(f"{directory}/made.safetensors", f"{blobs}/hash.safetensors")
    os.symlink("../../blobs/hash.safetensors", f"{snapshot}/model.safetensors")
    for path in (f"{snapshot}/model.safetensors", f"{blobs}/hash.safetensors", f"{blobs}/new.safetensors"):
        refused(path, "found one in the blobs of a Hugging Face cache")
    tally.check(holds(f"{blobs}/hash.safetensors", 1), "the cache stays as it was")
    one(f"{snapshot}/other.safetensors", 2)
    tally.check(holds(f"{snapshot}/other.safetensors", 2), "a file that is no link is written beside them")


def in_new_directory(path, value=1, name="x", count=1):
    """Writes so many bytes, all of this value; 2 is a count that the shape does not have."""
    db.execute("INSERT INTO safetensors_write(path, name, dtype, shape, data, mode, make_directory) VALUES(?, ?, 'U8', '[1]', ?, 'replace', 1)",
               [path, name, bytes([value]) * count])


def is_refused(path, words, **row):
    try:
        in_new_directory(path, **row)
        got = "written"
    except sqlite3.Error as error:
        got = str(error)
    tally.check(words in got, f"{path}: {words}", got)


def made_directories(directory):
    """Those that were made stay with what was written, and go with what was not. No other goes."""
    def found():
        return sorted(os.path.relpath(os.path.join(top, name), directory) for top, folders, files in os.walk(directory) for name in folders + files)

    in_new_directory(f"{directory}/a/b/1.safetensors")
    tally.equal(found(), ["a", "a/b", "a/b/1.safetensors"], "two are made")
    tally.equal(stat.S_IMODE(os.stat(f"{directory}/a/b").st_mode), 0o777 & ~umask(), "with the usual mode")
    before = found()
    is_refused(f"{directory}/a/c/d/1.safetensors", "expected 1 bytes", count=2)
    tally.equal(found(), before, "a row that is refused: they go")
    db.execute("BEGIN")
    in_new_directory(f"{directory}/e/f/1.safetensors")
    is_refused(f"{directory}/e/f/1.safetensors", "found it twice")
    tally.check(os.path.isdir(f"{directory}/e/f"), "in a transaction they are there")
    os.chdir("/")
    db.execute("ROLLBACK")
    tally.equal(found(), before, "ROLLBACK: they go")
    for last in ("ROLLBACK TO s", "RELEASE s"):
        db.execute("BEGIN")
        in_new_directory(f"{directory}/g/1.safetensors")
        db.execute("SAVEPOINT s")
        in_new_directory(f"{directory}/h/1.safetensors")
        db.execute(last)
        db.execute("COMMIT")
        tally.equal(os.path.exists(f"{directory}/h"), last == "RELEASE s", f"{last}: one goes, or stays")
        tally.check(holds(f"{directory}/g/1.safetensors", 1), f"{last}: the other stays")
    os.mkdir(f"{directory}/mine")
    before = found()
    db.execute("BEGIN")
    in_new_directory(f"{directory}/mine/1.safetensors")
    in_new_directory(f"{directory}/i/j/1.safetensors")
    in_new_directory(f"{directory}/k/1.safetensors")
    with open(f"{directory}/i/note", "w", encoding="utf-8"):
        pass  # somebody else's
    os.rmdir(f"{directory}/k")
    os.symlink("mine", f"{directory}/k")
    db.execute("ROLLBACK")
    tally.equal(sorted(set(found()) - set(before)), ["i", "i/note", "k"], "what was there before, or has become somebody's, stays")
    tally.check(os.path.isdir(f"{directory}/mine"), "an empty directory that was there stays")
    os.chdir(directory)
    in_new_directory("l/m/../1.safetensors", 3)
    tally.check(holds(f"{directory}/l/1.safetensors", 3), "a relative path")
    is_refused("~/n/1.safetensors", "'~' is the home directory in a shell only")
    is_refused(f"{directory}/i/note/o/1.safetensors", "cannot make the directory")
    is_refused(f"{directory}/p/1.txt", "expected a path that ends in .safetensors")
    os.chdir("/")
    db.execute("SELECT safetensors_config('writing', 'off')")  # for good
    is_refused(f"{directory}/p/1.safetensors", "expected a connection that may write files")
    tally.check(not os.path.exists(f"{directory}/p") and not os.path.exists(f"{directory}/~"), "nothing is made for what is refused")


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


for part in (round_trips, sharding, bystanders, large, targets, cache_links, made_directories):
    with tempfile.TemporaryDirectory() as place:
        part(place)
tally.finish()
