"""The catalogue of a fleet: what scripts of sql/fleet make of files that are there, change, move and go, of parts that
are merged in any order, and of runs that are killed. What is right is found by walking the folders in Python."""

import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time

import making
import pages
import shell
from store_server import StoreWeb
from tally import BUILD, Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="fleet.")
OLD = 1_700_000_000  # seconds since 1970: long before any look
EXTENSION = os.path.abspath(f"{BUILD}/safetensors")


def at(*parts):
    return os.path.join(ROOT, *parts)


def make(path, tensors, metadata=None, when=OLD):
    """A file that was written at a time."""
    making.file(at(path), tensors, metadata)
    os.utime(at(path), (when, when))
    return at(path)


def floats(*numbers):
    return "F32", [len(numbers)], struct.pack(f"<{len(numbers)}f", *numbers)


def verb(name, database, **parameters):
    """Runs a script; its tables as JSON say what it did."""
    code, out, error = shell.script(f"fleet/{name}", at(database), **{key: str(value) for key, value in parameters.items()}, format="json")
    tally.equal((code, error), (0, ""), f"fleet {name} {parameters}")
    return json.loads(out) if code == 0 else {}


def look(database, node, folder, **more):
    """One look at a folder: its only row."""
    return verb("catalog", database, node=node, path=at(folder), **more)["catalog_look"][0]


def rows(database, sql, *arguments):
    connection = sqlite3.connect(at(database))
    try:
        return connection.execute(sql, arguments).fetchall()
    finally:
        connection.close()


def walk(folder):
    """The files of a folder as they are: path, size, mtime, inode."""
    found = []
    for where, _, names in os.walk(at(folder)):
        for name in names:
            path = os.path.join(where, name)
            status = os.stat(path)
            found.append((os.path.relpath(path, at(folder)), status.st_size, status.st_mtime_ns, status.st_ino))
    return sorted(found)


def listed(database, node):
    return sorted(rows(database, "SELECT path, size, mtime, inode FROM file WHERE node = ? AND status <> 'gone'", node))


def everything(database):
    """All that a catalogue says, without its own numbers of rows."""
    return {
        "node": rows(database, "SELECT * FROM node ORDER BY 1"),
        "file": rows(database, "SELECT node, path, size, mtime, inode, status, error, header_size, tensors, f.numel, f.nbytes, metadata, taken, found, "
                               "changed, hash, l2, (SELECT layout FROM layout AS y WHERE y.id = f.layout) FROM file AS f ORDER BY 1, 2"),
        "tensor": rows(database, "SELECT * FROM tensor ORDER BY node, path, n"),
        "content": rows(database, "SELECT f.node, f.path, c.n, c.hash FROM content AS c LEFT JOIN file AS f ON f.id = c.file ORDER BY 1, 2, 3"),
    }


# ---- One node ----


def test_a_first_look():
    tensors = {"b": floats(1, 2), "a": ("I8", [3], b"\1\2\3"), "model.layers.7.w": floats(0)}
    make("first/one.safetensors", tensors, {"k": "v", "format": "pt"})
    make("first/deep/er/two.safetensors", tensors, {"other": "x"})
    make("first/'odd\"\\ name*.safetensors", {"é": floats(1)})
    making.file(at("first/.hidden/three.safetensors"), tensors)
    with open(at("first/bad.safetensors"), "wb") as file:
        file.write(b"bad")
    os.utime(file.name, (OLD, OLD))
    os.symlink("nowhere", at("first/link.safetensors"))
    tally.equal(look("first.db", "n", "first"), {"node": "n", "listed": 5, "read": 5, "renamed": 0, "gone": 0, "bad": 2, "layouts": 2}, "the first look")
    tally.equal(rows("first.db", "SELECT path, status, tensors, numel, nbytes, metadata FROM file ORDER BY path"),
                [("'odd\"\\ name*.safetensors", "ok", 1, 1, 4, "{}"), ("bad.safetensors", "invalid", None, None, None, None),
                 ("deep/er/two.safetensors", "ok", 3, 6, 15, '{"other":"x"}'), ("link.safetensors", "missing", None, None, None, None),
                 ("one.safetensors", "ok", 3, 6, 15, '{"k":"v","format":"pt"}')], "files")
    with open(at("first/one.safetensors"), "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
    expected = sorted((header[name]["data_offsets"][0] + 8 + length, name, header[name]["dtype"], json.dumps(header[name]["shape"]).replace(" ", ""))
                      for name in tensors)
    tally.equal(rows("first.db", "SELECT offset, name, dtype, shape FROM tensor WHERE path = 'one.safetensors' ORDER BY n"), expected, "tensors")
    tally.equal(rows("first.db", "SELECT count(*), sum(tensors) FROM layout"), [(2, 4)], "layouts are shared")
    tally.equal(rows("first.db", "SELECT layer, pattern FROM layout_tensor WHERE layer IS NOT NULL"), [(7, "model.layers.#.w")], "layers")
    tally.equal(look("first.db", "n", "first")["read"], 1, "what is missing is looked at again, and nothing else")
    tally.equal(rows("first.db", "SELECT node, root FROM node"), [("n", at("first"))], "the node")


def test_only_changes_are_read():
    for number in range(300):
        make(f"many/{number // 100}/{number}.safetensors", {"w": floats(number)}, {"step": str(number)})
    tally.equal(look("many.db", "n", "many")["read"], 300, "all")
    before = everything("many.db")
    again = look("many.db", "n", "many")
    tally.equal((again["listed"], again["read"], again["layouts"]), (300, 0, 0), "nothing")
    after = everything("many.db")
    tally.equal([after[table] for table in ("file", "tensor", "content")], [before[table] for table in ("file", "tensor", "content")], "nothing has changed")
    tally.check(after["node"][0][2] > before["node"][0][2], "but the time of the look", after["node"])
    for number in (5, 150, 299):
        make(f"many/{number // 100}/{number}.safetensors", {"w": floats(number, 1)}, {"step": "changed"}, OLD + 5)
    tally.equal(look("many.db", "n", "many")["read"], 3, "one per cent")
    tally.equal(rows("many.db", "SELECT path FROM file WHERE changed > found ORDER BY path"), [("0/5.safetensors",), ("1/150.safetensors",), ("2/299.safetensors",)],
                "what has changed")
    tally.equal(listed("many.db", "n"), walk("many"), "all is as it is on the disk")
    # The same size and time, but another file.
    shutil.copy(at("many/0/6.safetensors"), at("many/copy"))
    os.utime(at("many/copy"), (OLD, OLD))
    os.replace(at("many/copy"), at("many/0/7.safetensors"))
    tally.equal(look("many.db", "n", "many")["read"], 1, "a file that took the place of one of the same size and time")
    tally.equal(rows("many.db", "SELECT metadata FROM file WHERE path = '0/7.safetensors'"), [('{"step":"6"}',)], "is read")


def test_racily_clean():
    """A file that was just written may be written again with the same size and time."""
    path = make("racy/a.safetensors", {"w": floats(1)}, {"x": "1"}, time.time())
    inode, when = os.stat(path).st_ino, os.stat(path).st_mtime_ns
    tally.equal(look("racy.db", "n", "racy")["read"], 1, "read")
    with open(path, "r+b") as file:
        content = file.read().replace(b'"x":"1"', b'"x":"2"').replace(b'"x": "1"', b'"x": "2"')
        file.seek(0)
        file.write(content)
    os.utime(path, ns=(when, when))
    tally.equal((os.stat(path).st_ino, os.stat(path).st_mtime_ns), (inode, when), "the file looks unchanged")
    tally.equal(look("racy.db", "n", "racy")["read"], 1, "read again")
    tally.equal(rows("racy.db", "SELECT metadata FROM file"), [('{"x":"2"}',)], "what was written")
    tally.equal(verb("content", "racy.db", node="n", reads="all")["content_look"][0]["tensors"], 0, "its bytes are not read yet")
    os.utime(path, ns=(when - 3 * 10**9, when - 3 * 10**9))
    tally.equal((look("racy.db", "n", "racy")["read"], look("racy.db", "n", "racy")["read"]), (1, 0), "read once more when it is older, then no more")


def test_content():
    make("content/a.safetensors", {"x": floats(1, -3), "own": ("U8", [7], b"1234567")})
    make("content/b.safetensors", {"x": floats(float("nan"), float("inf")), "z": floats(0, 0)})
    look("content.db", "n", "content")
    first = verb("content", "content.db", node="n")["content_look"][0]
    tally.equal((first["files"], first["tensors"], first["nbytes"], first["left_tensors"]), (2, 3, 24, 0), "tensors that another file may have")
    tally.equal(rows("content.db", "SELECT name, n_nan, n_inf, abs_max, round(l2, 6) FROM tensor WHERE hash IS NOT NULL ORDER BY path, name"),
                [("x", 0, 0, 3.0, round(10 ** 0.5, 6)), ("x", 1, 1, None, 0.0), ("z", 0, 0, 0.0, 0.0)], "statistics")
    tally.equal(rows("content.db", "SELECT path, hash IS NOT NULL FROM file ORDER BY path"), [("a.safetensors", 0), ("b.safetensors", 1)], "whole files")
    tally.equal(verb("content", "content.db", node="n", reads="all", most="1e-9")["content_look"][0]["tensors"], 1, "at most so many bytes, but one")
    tally.equal(verb("content", "content.db", node="n", reads="all")["content_look"][0]["tensors"], 0, "and nothing twice")
    tally.equal(rows("content.db", "SELECT count(*) FROM content"), [(4,)], "all tensors")
    tally.equal(rows("content.db", "SELECT abs_max, l2 FROM tensor WHERE name = 'own'"), [(55.0, sum(i * i for i in b"1234567") ** 0.5)], "a tensor of integers")
    tally.equal(rows("content.db", "SELECT count(*) FROM content WHERE n_nan > 0"), [(1,)], "NaN")

    before = rows("content.db", "SELECT name, hash, l2 FROM tensor WHERE path = 'a.safetensors' ORDER BY n")
    whole = rows("content.db", "SELECT hash, l2 FROM file WHERE path = 'a.safetensors'")
    os.makedirs(at("content/moved"))
    os.rename(at("content/a.safetensors"), at("content/moved/c.safetensors"))
    found = look("content.db", "n", "content")
    tally.equal((found["listed"], found["read"], found["renamed"], found["gone"]), (2, 0, 1, 0), "a file that was renamed")
    tally.equal(rows("content.db", "SELECT name, hash, l2 FROM tensor WHERE path = 'moved/c.safetensors' ORDER BY n"), before, "takes its content along")
    tally.equal(rows("content.db", "SELECT hash, l2 FROM file WHERE path = 'moved/c.safetensors'"), whole, "and that of the whole")
    tally.equal(rows("content.db", "SELECT status, layout FROM file WHERE path = 'a.safetensors'"), [("gone", None)], "and leaves a stone")
    tally.equal(rows("content.db", "SELECT count(*) FROM content"), [(4,)], "nothing is there twice")
    make("content/b.safetensors", {"x": floats(1), "z": floats(0, 0)}, None, OLD + 1)
    look("content.db", "n", "content")
    tally.equal(rows("content.db", "SELECT count(*), count(hash) FROM tensor WHERE path = 'b.safetensors'"), [(2, 0)], "what has changed loses its content")
    os.remove(at("content/b.safetensors"))
    tally.equal(look("content.db", "n", "content")["gone"], 1, "gone")
    tally.equal(rows("content.db", "SELECT count(*) FROM content AS c JOIN file AS f ON f.id = c.file WHERE f.path = 'b.safetensors'"), [(0,)], "with its content")
    make("content/b.safetensors", {"x": floats(1), "z": floats(0, 0)})
    tally.equal(look("content.db", "n", "content")["read"], 1, "back")
    tally.equal(listed("content.db", "n"), walk("content"), "all is as it is on the disk")


def test_nothing_left():
    """A folder without files may be one whose disk is not there."""
    make("left/sub/a.safetensors", {"x": floats(1)})
    look("left.db", "n", "left")
    os.remove(at("left/sub/a.safetensors"))
    code, out, error = shell.script("fleet/catalog", at("left.db"), node="n", path=at("left"))
    tally.check(code == 1 and out == "" and ":empty is set" in error, "an empty folder is refused", code, out, error)
    tally.equal(rows("left.db", "SELECT status FROM file"), [("ok",)], "and nothing is gone")
    tally.equal(look("left.db", "n", "left", empty=1)["gone"], 1, "unless it is said that it is empty")


def test_unlisted():
    """Below a directory that cannot be listed, nobody knows what is gone."""
    make("rights/closed/a.safetensors", {"x": floats(1)})
    make("rights/open/b.safetensors", {"x": floats(1)})
    look("rights.db", "n", "rights")
    os.chmod(at("rights/closed"), 0)
    try:
        if os.access(at("rights/closed"), os.R_OK):
            print("skipped: a directory that cannot be listed (this user may list all)")
            return
        tally.equal(look("rights.db", "n", "rights")["gone"], 0, "nothing is gone")
        tally.equal(rows("rights.db", "SELECT status FROM file ORDER BY path"), [("ok",), ("ok",)], "both are known")
    finally:
        os.chmod(at("rights/closed"), 0o700)


def content_of(tensors, metadata):
    path = making.file(at("object"), tensors, metadata)
    with open(path, "rb") as file:
        return file.read()


def test_object_store():
    """A bucket and prefix are a node; an object is unchanged while its size and ETag are."""
    objects = {"run/1/a.safetensors": content_of({"x": floats(1)}, {"n": "a"}), "run/2/b.safetensors": content_of({"x": floats(2)}, {"n": "b"}),
               "run/bad.safetensors": b"bad", "run/note.txt": b"", "other/c.safetensors": b"1"}
    web = StoreWeb(objects)
    kept = dict(os.environ)
    os.environ.update({"AWS_ENDPOINT_URL": web.address + "/", "SAFETENSORS_NETWORK": "on", "HOME": ROOT})
    try:
        def look_at_bucket():
            return verb("catalog", "bucket.db", node="bucket", path="s3://public/run")["catalog_look"][0]

        found = look_at_bucket()
        tally.equal((found["listed"], found["read"], found["bad"]), (3, 3, 1), "a bucket")
        tally.equal(rows("bucket.db", "SELECT path, size, status, metadata FROM file ORDER BY path"),
                    [("1/a.safetensors", len(objects["run/1/a.safetensors"]), "ok", '{"n":"a"}'), ("2/b.safetensors", len(objects["run/2/b.safetensors"]), "ok", '{"n":"b"}'),
                     ("bad.safetensors", 3, "invalid", None)], "its objects")
        tally.equal(look_at_bucket()["read"], 0, "nothing has changed")
        objects["run/1/a.safetensors"] = content_of({"x": floats(1)}, {"n": "c"})
        del objects["run/2/b.safetensors"]
        found = look_at_bucket()
        tally.equal((found["listed"], found["read"], found["gone"]), (2, 1, 1), "an object of the same size, and one that is gone")
        tally.equal(rows("bucket.db", "SELECT path, status, metadata FROM file ORDER BY path"),
                    [("1/a.safetensors", "ok", '{"n":"c"}'), ("2/b.safetensors", "gone", None), ("bad.safetensors", "invalid", None)], "are read")
    finally:
        os.environ.clear()
        os.environ.update(kept)
        web.stop()


# ---- Several nodes ----


def digest(database):
    return hashlib.sha256(repr(everything(database)).encode()).hexdigest()


def keep(database, name):
    shutil.copy(at(database), at("parts", name))
    return f"parts/{name}"


def make_parts():
    """Looks at three nodes: at n0 three times, at n1 twice, of which one has read its tensors; at n2 once."""
    os.makedirs(at("parts"))
    parts = []
    for node in range(3):
        for number in range(4):
            make(f"nodes/{node}/{number}.safetensors", {"x": floats(number), f"y{node}": floats(1, 2)})
    look("p0.db", "n0", "nodes/0")
    parts.append(keep("p0.db", "0a"))
    verb("content", "p0.db", node="n0")
    parts.append(keep("p0.db", "0b"))
    os.remove(at("nodes/0/1.safetensors"))
    make("nodes/0/2.safetensors", {"x": floats(9)}, None, OLD + 1)
    look("p0.db", "n0", "nodes/0")
    parts.append(keep("p0.db", "0c"))
    look("p1.db", "n1", "nodes/1")
    parts.append(keep("p1.db", "1a"))
    os.remove(at("p1.db"))  # lost: the next look begins from nothing
    os.rename(at("nodes/1/3.safetensors"), at("nodes/1/4.safetensors"))
    look("p1.db", "n1", "nodes/1")
    verb("content", "p1.db", node="n1", reads="all")
    parts.append(keep("p1.db", "1b"))
    look("p2.db", "n2", "nodes/2")
    # n2 has a clock that is a day ahead, and n1 one that is a year behind.
    for part, seconds in (("2a", 86400), ("1a", -31536000), ("1b", -31536000)):
        if part == "2a":
            parts.append(keep("p2.db", "2a"))
        connection = sqlite3.connect(at("parts", part))
        connection.execute("UPDATE node SET taken = taken + ?", (seconds * 10**9,))
        connection.execute("UPDATE file SET taken = taken + ?1, found = found + ?1, changed = changed + ?1", (seconds * 10**9,))
        connection.commit()
        connection.close()
    return parts


def merge(database, *parts):
    for part in parts:
        verb("merge", database, part=at(part))


def test_merge_in_every_order():
    parts = make_parts()
    seed = random.randrange(10**6)
    orders = list(itertools.permutations(parts))
    chosen = [tuple(parts), tuple(reversed(parts))] + random.Random(seed).sample(orders, 14)
    merge("all.db", *parts)
    expected = everything("all.db")
    tally.equal(sorted(rows("all.db", "SELECT node, path, status FROM file")),
                sorted([("n0", "0.safetensors", "ok"), ("n0", "1.safetensors", "gone"), ("n0", "2.safetensors", "ok"), ("n0", "3.safetensors", "ok"),
                        *(("n1", f"{number}.safetensors", "ok") for number in (0, 1, 2, 4)), *(("n2", f"{number}.safetensors", "ok") for number in range(4))]),
                "the last look at each node")
    tally.equal(rows("all.db", "SELECT f.node, count(*) FROM content AS c JOIN file AS f ON f.id = c.file GROUP BY 1"), [("n0", 4), ("n1", 8)], "content")
    for number, order in enumerate(chosen):
        database = f"order{number}.db"
        merge(database, *order)
        tally.equal(everything(database), expected, f"merged in the order {order}, seed {seed}")
        os.remove(at(database))
    merge("all.db", *parts)
    tally.equal(everything("all.db"), expected, "all of them again")
    merge("left_half.db", *parts[:3])
    merge("right_half.db", *parts[3:])
    merge("halves.db", "right_half.db", "left_half.db")
    tally.equal(everything("halves.db"), expected, "merged of two that were merged")
    shutil.copy(at(parts[4]), at("into.db"))
    merge("into.db", *parts)
    tally.equal(everything("into.db"), expected, "into one of the parts")
    late = verb("merge", "all.db", part=at(parts[0]))["merge_look"]
    tally.equal(late, [{"node": "n0", "files": 4, "gone": 0, "is_later": 0}], "an older part that comes late")
    tally.equal(rows("all.db", "SELECT status FROM file WHERE node = 'n0' AND path = '1.safetensors'"), [("gone",)], "brings nothing back")
    schemas = [sorted(rows(database, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")) for database in ("all.db", "p0.db")]
    tally.equal(*schemas, "a part and what is merged have one schema")
    code, out, error = shell.script("fleet/merge", at("none.db"), part=at("parts/none"))
    tally.check(code == 1 and out == "" and not os.path.exists(at("parts/none")), "a part that is not there is not made", out, error)


def test_a_clock_that_is_set_back():
    make("back/a.safetensors", {"x": floats(1)})
    look("back.db", "n", "back")
    connection = sqlite3.connect(at("back.db"))
    connection.execute("UPDATE node SET taken = taken + 86400 * 1000000000")
    connection.commit()
    connection.close()
    shutil.copy(at("back.db"), at("ahead.db"))
    os.remove(at("back/a.safetensors"))
    make("back/b.safetensors", {"x": floats(1)})
    look("back.db", "n", "back")
    merge("ahead.db", "back.db")
    tally.equal(sorted(rows("ahead.db", "SELECT path, status FROM file")), [("a.safetensors", "gone"), ("b.safetensors", "ok")], "the later look counts")


# ---- Questions ----


def vary(chance, tensors, names):
    """A model with other values in these tensors."""
    return {name: floats(*(chance.gauss(0, 1) for _ in range(64))) if name in names else value for name, value in tensors.items()}


def make_family():
    """A base, tunes of it and of each other, on two nodes; a copy, a link, a model of another origin, and a hundred files
    of zeros and ones."""
    chance = random.Random(5)
    names = [f"layers.{i}.w" for i in range(8)]
    same = {"ones": floats(*[1] * 64), "zeros": floats(*[0] * 64), "minus": floats(*[-2, 2] * 32)}
    base = {**vary(chance, dict.fromkeys(names), names), **same}
    tune = vary(chance, base, names[:2])
    child = vary(chance, tune, names[7:])
    second = vary(chance, base, names[:4])
    nan = vary(chance, second, names[4:5])
    nan[names[5]] = floats(float("nan"), *[1] * 62, float("nan"))
    for when, (path, tensors) in enumerate({"a/base": base, "a/tune": tune, "b/child": child, "a/second": second, "b/nan": nan, "b/copy": child,
                                           "b/alone": vary(chance, base, names)}.items()):
        make(f"family/{path}.safetensors", tensors, {"n": path}, OLD + 100 * when)
    os.link(at("family/b/copy.safetensors"), at("family/b/link.safetensors"))
    os.symlink(at("family/a"), at("shared_a"))
    for number in range(100):
        make(f"family/a/constant/{number}.safetensors", {f"c{i}": same["zeros" if i % 2 else "ones"] for i in range(20)}, {"n": str(number)}, OLD + number)


def test_questions():
    make_family()
    for node in "ab":
        look("family.db", node, f"family/{node}")
    # The folder of a, as another machine sees it.
    look("family.db", "a2", "shared_a")
    for node in ("a", "b", "a2"):
        verb("content", "family.db", node=node, reads="all")
    begun = time.monotonic()
    answers = verb("questions", "family.db")
    tally.check(time.monotonic() - begun < 20, "zeros that many files have cost nothing")
    big = {path: os.path.getsize(at("family", f"{path}.safetensors")) for path in ("b/copy",)}
    copies = [(row["node"], row["path"], row["keep"], row["frees"]) for row in answers["fleet_copies"] if "constant" not in row["path"]]
    tally.equal(sorted(row for row in copies if row[0] == "b"), [("b", "child.safetensors", 1, 0), ("b", "copy.safetensors", 0, big["b/copy"]), ("b", "link.safetensors", 0, 0)],
                "a copy costs what it takes, and a link nothing")
    tally.equal({row[3] for row in copies if row[0] != "b"}, {0}, "what two machines see is no copy")
    constants = [row for row in answers["fleet_copies"] if "constant" in row["path"]]
    tally.equal((len(constants), sum(row["keep"] for row in constants), sum(row["frees"] > 0 for row in constants)), (200, 1, 99), "a hundred copies, seen by two machines")
    lineage = {(row["node"], row["path"]): (row["base_node"], row["base_path"], round(row["shared"] * 11 * 256)) for row in answers["fleet_lineage"] if row["shared"]}
    names = {"a": {"tune.safetensors": ("base", 6), "second.safetensors": ("base", 4)},
             "b": {"child.safetensors": ("tune", 7), "nan.safetensors": ("second", 6), "copy.safetensors": ("tune", 7), "link.safetensors": ("tune", 7)}}
    for node, files in names.items():
        for path, (expected, shared) in files.items():
            found = lineage.get((node, path))
            tally.check(found is not None and found[1] == f"{expected}.safetensors" and found[2] == shared * 256, f"the base of {path}", found)
    tally.check(not any(path.startswith(("base", "constant")) or path == "alone.safetensors" for _, path in lineage), "and of no others", lineage)
    tally.equal([(row["node"], row["path"], row["tensors"], row["n_nan"], row["first"]) for row in answers["fleet_nan"]], [("b", "nan.safetensors", 1, 2, "layers.5.w")], "NaN")
    tally.equal([(row["files"], row["tensors"], row["layers"], row["dtypes"]) for row in answers["fleet_architectures"]], [(200, 20, 0, "F32"), (11, 11, 8, "F32")], "layouts")
    tally.equal(answers["fleet_dtypes"], [{"dtype": "F32", "files": 211, "tensors": 200 * 20 + 11 * 11, "nbytes": (200 * 20 + 11 * 11) * 256}], "dtypes")
    tally.equal([(row["node"], row["files"], row["bad"], row["gone"], row["unread"]) for row in answers["fleet_nodes"]],
                [("a", 103, 0, 0, 0), ("a2", 103, 0, 0, 0), ("b", 5, 0, 0, 0)], "nodes")
    tally.equal(len(answers["fleet_changes"]), 211, "all is new")
    os.remove(at("family/b/copy.safetensors"))
    make("family/b/alone.safetensors", {"x": floats(1)}, None, OLD)
    look("family.db", "b", "family/b")
    tally.equal(sorted((row["change"], row["path"]) for row in verb("questions", "family.db")["fleet_changes"] if row["node"] == "b" and row["change"] != "new"),
                [("changed", "alone.safetensors"), ("gone", "copy.safetensors")], "what has changed")
    tally.equal(verb("questions", "family.db", since="2100-01-01")["fleet_changes"], [], "since a day")
    tally.check(all(isinstance(row[0], int) for view in ("copies", "sharing", "lineage", "nan_census", "architectures", "dtypes", "changes", "nodes", "tensor")
                    for row in rows("family.db", f"SELECT count(*) FROM {view}")), "views are read without the extension")


def test_report():
    code, page, error = shell.script("fleet/report", at("family.db"), title="<b>&")
    tally.equal((code, error), (0, ""), "a page")
    pages.check(tally, page, "the page of a fleet")
    tally.check("&lt;b&gt;&amp;" in page and "1 file has NaN" in page and "b:nan.safetensors" in page and len(page) < 300000, "says what is wrong first", page[:300])
    tally.check(page.index("<h2>NaN") < page.index("<h2>Copies") < page.index("<h2>Lineage") < page.index("<h2>Nodes"), "in its order")
    tree = re.findall(r"padding-left:([\d.]+)rem\">(?:&#8627; )?<code>([^<]*)", page)
    depths = dict((name, float(depth)) for depth, name in tree)
    tally.check(depths.get("b:child.safetensors", 0) == 2 * depths.get("a:tune.safetensors", 1) > 0, "a child stands below its base", tree)
    code, out, error = shell.script("fleet/report", at("p1.db"))
    tally.check(code == 1 and out == "" and "fleet questions" in error, "a catalogue without questions", out, error)


# ---- scan.sh ----


def scan(*words, **options):
    return subprocess.Popen(["sql/fleet/scan.sh", *words], env={**os.environ, "EXTENSION": EXTENSION}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, start_new_session=True, **options)


def scanned(*words):
    process = scan(*words)
    out, error = process.communicate()
    return process.returncode, out, error


def is_whole(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    finally:
        connection.close()


def left_over(part):
    return [name for name in os.listdir(ROOT) if name.startswith(f"{part}.")]


def test_scan():
    for number in range(20):
        make(f"scan/{number}.safetensors", {"x": floats(number)})
    node = "it's \"a\\node\" $HOME"
    code, out, error = scanned(node, at("scan"), at("it's a part.db"), "all")
    tally.equal((code, error), (0, ""), "scan.sh")
    tally.check("20 files, 20 read" in out and "20 tensors of 20 files" in out, "and what it says", out)
    tally.equal(rows("it's a part.db", "SELECT node, count(*), count(hash) FROM file"), [(node, 20, 20)], "any name of a node")
    tally.equal((listed("it's a part.db", node), left_over("it's a part.db")), (walk("scan"), []), "all files, and nothing else is left")
    reader = sqlite3.connect(at("it's a part.db"), isolation_level=None)
    reader.execute("BEGIN")
    before = reader.execute("SELECT count(*) FROM file WHERE status = 'ok'").fetchone()
    os.remove(at("scan/0.safetensors"))
    tally.equal(scanned(node, at("scan"), at("it's a part.db"))[0], 0, "a part is replaced while it is read")
    tally.equal((before, reader.execute("SELECT count(*) FROM file WHERE status = 'ok'").fetchone()), ((20,), (20,)), "who reads it sees the old one")
    reader.close()
    tally.equal(len(listed("it's a part.db", node)), 19, "and then the new one")
    tally.check(is_whole(at("it's a part.db")), "which is whole")
    code, out, error = scanned(node, at("nowhere"), at("it's a part.db"))
    tally.check(code != 0 and error.count("\n") == 1 and left_over("it's a part.db") == [], "a folder that is not there", code, out, error)
    tally.equal(len(listed("it's a part.db", node)), 19, "leaves the part as it is")
    tally.check(scanned(node)[0] != 0, "no words")


def test_a_full_disk():
    """A limit of the size of files, which must be enough for the old part: it stays."""
    for number in range(400):
        make(f"full/{number}.safetensors", {"x": floats(number)}, {"long": "x" * 500})
    tally.equal(scanned("n", at("scan"), at("full.db"))[0], 0, "a small part")
    with open(at("full.db"), "rb") as file:
        before = file.read()
    command = f"trap '' XFSZ; ulimit -f {len(before) // 512 + 100}; exec sql/fleet/scan.sh m '{at('full')}' '{at('full.db')}'"
    done = subprocess.run(["bash", "-c", command], env={**os.environ, "EXTENSION": EXTENSION}, capture_output=True, text=True, check=False)
    with open(at("full.db"), "rb") as file:
        tally.check(done.returncode != 0 and file.read() == before, "where there is no room, the old part stays", done.returncode, done.stdout, done.stderr)
    tally.equal(left_over("full.db"), [], "and nothing is left")
    tally.equal(scanned("m", at("full"), at("full.db"))[0], 0, "with room it is made")
    tally.equal(len(listed("full.db", "m")), 400, "whole")


def test_killed():
    """Killed at any time, the part is whole: the old one or the new one; and the next run completes it."""
    for number in range(60):
        make(f"killed/{number}.safetensors", {f"t{i}": floats(i) for i in range(number + 1)})
    begun = time.monotonic()
    tally.equal(scanned("n", at("killed"), at("killed.db"))[0], 0, "a part")
    lasts = time.monotonic() - begun
    seed = random.randrange(10**6)
    rnd = random.Random(seed)
    stopped = 0
    for turn in range(12):
        make(f"killed/{turn}.safetensors", {f"new{turn}": floats(turn)}, None, OLD + 10 + turn)
        process = scan("n", at("killed"), at("killed.db"))
        time.sleep(rnd.random() * lasts * 1.5)
        if turn % 2 == 0:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()  # the shell alone
        process.communicate()
        stopped += process.returncode == -signal.SIGKILL
        tally.check(is_whole(at("killed.db")), f"the part is whole, seed {seed}")
        found = rows("killed.db", "SELECT count(*), count(DISTINCT path) FROM file")
        tally.equal(found, [(60, 60)], f"and has every file once, seed {seed}")
    tally.check(stopped > 0, "some runs were killed", stopped)
    tally.equal(scanned("n", at("killed"), at("killed.db"))[0], 0, "the next run")
    tally.equal((listed("killed.db", "n"), left_over("killed.db")), (walk("killed"), []), "completes it, and removes what is left")
    tally.equal(rows("killed.db", "SELECT sum(tensors), count(*) FROM file WHERE status = 'ok'"), [(12 + sum(range(13, 61)), 60)], "all are read")


def test_race():
    """Files that vanish and are replaced, by good ones and bad ones, while the script runs: it never fails, and the next
    look finds what is there."""
    seed = random.randrange(10**6)
    rnd = random.Random(seed)
    died = 0
    for turn in range(30):
        shutil.rmtree(at("race"), ignore_errors=True)
        for number in range(60):
            make(f"race/{number % 5}/{number}.safetensors", {f"t{i}": floats(i) for i in range(number % 7 + 30)}, {"n": str(number)})
        victims = rnd.sample(range(60), 40)

        def disturb(victims=victims, end=time.monotonic() + 0.02 + 0.04 * rnd.random()):
            for victim in victims:
                time.sleep(max(0, (end - time.monotonic()) / 20))
                path = at(f"race/{victim % 5}/{victim}.safetensors")
                if victim % 4 == 0:
                    os.remove(path)
                elif victim % 4 == 1:
                    with open(at("race/new"), "wb") as file:
                        file.write(b"\x10\0\0\0\0\0\0\0{\"a\":{\"dt")
                    os.replace(at("race/new"), path)
                elif victim % 4 == 2:
                    making.file(at("race/good"), {f"other{victim}": floats(1)}, {"n": "replaced"})
                    os.replace(at("race/good"), path)
                else:
                    with open(path, "r+b") as file:
                        file.truncate(20)

        thread = threading.Thread(target=disturb)
        thread.start()
        code, _, error = shell.script("fleet/catalog", at("race.db"), node="n", path=at("race"))
        thread.join()
        died += code != 0
        tally.equal((code, error), (0, ""), f"a scan while files change, seed {seed}")
        for path, _, when, _ in walk("race"):
            os.utime(at("race", path), ns=(when - 10**10, when - 10**10))
        look("race.db", "n", "race")
        tally.equal(listed("race.db", "n"), walk("race"), f"then all is as it is on the disk, seed {seed}")
        bad = [path for path, *_ in walk("race") if not is_good(at("race", path))]
        tally.equal(sorted(rows("race.db", "SELECT path FROM file WHERE status = 'invalid'")), [(path,) for path in bad], f"and bad ones are bad, seed {seed}")
        odd = rows("race.db", "SELECT f.path, f.tensors, (SELECT count(*) FROM layout_tensor AS t WHERE t.layout = f.layout) AS n FROM file AS f "
                              "WHERE status = 'ok' AND tensors <> n")
        tally.equal(odd, [], f"each file has the tensors of its layout, seed {seed}")
    tally.equal(died, 0, "scans that died")


def is_good(path):
    with open(path, "rb") as file:
        content = file.read()
    if len(content) < 8:
        return False
    length = struct.unpack("<Q", content[:8])[0]
    try:
        header = json.loads(content[8:8 + length])
    except ValueError:
        return False
    return 8 + length + max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0) == len(content)


if __name__ == "__main__":
    tally.run(globals(), ROOT)
