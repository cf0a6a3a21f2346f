"""Models in shards that are edited, and files that others move or write meanwhile: what is on the disk then, what the
check says of it, and what a connection sees that has the table since before."""

import json
import os
import random
import sqlite3
import tempfile

import making
from tally import Tally, connect

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="editing.")
SHARDS = {f"model-0000{n}-of-00003.safetensors": {name: name.encode()} for n, name in enumerate("abc", 1)}


def fresh(name):
    """A directory with a model of three shards, its index, and a connection with a table over it."""
    directory = f"{ROOT}/{name}"
    index = making.model(directory, SHARDS)
    return directory, index, edit(index)


def edit(path):
    db = connect()
    db.isolation_level = None
    db.execute(f"CREATE VIRTUAL TABLE temp.m USING safetensors('{path}')")
    return db


def problem(db, sql, *values):
    try:
        db.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        return str(error).removeprefix("safetensors: ")
    return None


def bytes_of(index):
    """By the index alone."""
    directory = os.path.dirname(index)
    with open(index, encoding="utf-8") as file:
        weight_map = json.load(file)["weight_map"]
    return {name: making.tensors_of(f"{directory}/{shard}")[name][2] for name, shard in weight_map.items()}


def findings(path):
    return [row[0] for row in connect().execute("SELECT code FROM safetensors_check(?)", [path])]


def test_generations():
    """Shards of several writes are no gap, in whatever order they came to be; one that the index lacks is."""
    directory, index, db = fresh("generations")
    for statement in ("UPDATE m SET name = 'bb' WHERE name = 'b'", "UPDATE m SET name = 'bbb' WHERE name = 'bb'",
                      "UPDATE m SET name = 'cc' WHERE name = 'c'", "DELETE FROM m WHERE name = 'bbb'",
                      "INSERT INTO m(name, dtype, shape, data) VALUES ('d', 'U8', '[1]', x'64')"):
        db.execute(statement)
        tally.equal(findings(index), [], statement)
        tally.equal(findings(directory), [], f"{statement}; the directory")
    tally.equal(bytes_of(index), {"a": b"a", "cc": b"c", "d": b"d"}, "after all of them")
    making.model(f"{ROOT}/gap", {"model-r2-00001-of-00002.safetensors": {"a": b"a"}})
    tally.equal(findings(f"{ROOT}/gap/model.safetensors.index.json"), ["shard-gap"], "a gap in one write's shards")


def test_moved_shard():
    """A table that is there already takes a shard's bytes from where the index says now."""
    directory, index, db = fresh("moved")
    db.execute("SELECT hex(data) FROM m").fetchall()
    os.mkdir(f"{directory}/below")
    os.rename(f"{directory}/model-00002-of-00003.safetensors", f"{directory}/below/model-00002-of-00003.safetensors")
    making.index(index, {"a": "model-00001-of-00003.safetensors", "b": "below/model-00002-of-00003.safetensors",
                         "c": "model-00003-of-00003.safetensors"})
    tally.equal(db.execute("SELECT hex(data), file, ref FROM m WHERE name = 'b'").fetchall(),
                [("62", f"{directory}/below/model-00002-of-00003.safetensors",
                  f"{directory}/below/model-00002-of-00003.safetensors#b")], "a shard that was moved, read")
    tally.equal(problem(db, "UPDATE m SET name = 'bb' WHERE name = 'b'"), None, "a shard that was moved, edited")
    tally.equal(bytes_of(index), {"a": b"a", "bb": b"b", "c": b"c"}, "a shard that was moved, afterwards")


def test_two_names():
    """A file with two names is called by the one that the table, or the row, has for it."""
    path = making.file(f"{ROOT}/names/one.safetensors", {"x": b"x"})
    os.link(path, f"{ROOT}/names/two.safetensors")
    db = edit(path)
    db.execute(f"CREATE VIRTUAL TABLE temp.two USING safetensors('{ROOT}/names/two.safetensors')")
    for table, name in (("m", "one"), ("two", "two"), ("m", "one")):
        tally.equal(db.execute(f"SELECT file, ref FROM {table}").fetchall(),
                    [(f"{ROOT}/names/{name}.safetensors", f"{ROOT}/names/{name}.safetensors#x")], f"{table}: its name")


def test_link_to_index():
    """Shards are looked for beside the link, and written beside the file: not when these are two directories."""
    directory, index, db = fresh("link/there")
    link = f"{ROOT}/link/model.safetensors.index.json"
    os.symlink(index, link)
    for shard in SHARDS:
        os.symlink(f"{directory}/{shard}", f"{ROOT}/link/{shard}")
    before = sorted(os.listdir(directory))
    refusal = f"{link}: expected an index beside its shards, found a link to one in another directory, {index}; write that one, or a copy"
    db = edit(link)
    tally.equal(db.execute("SELECT count(*) FROM m").fetchone(), (3,), "a link to an index, read")
    tally.equal(problem(db, "UPDATE m SET name = 'A' WHERE name = 'a'"), refusal, "a link to an index, edited")
    insert = ("INSERT INTO safetensors_write(path, name, dtype, shape, data, max_shard_bytes, mode) "
              "VALUES (?, 'n', 'U8', '[1]', x'00', 10, 'replace')")
    tally.equal(problem(db, insert, link), refusal, "a link to an index, replaced")
    tally.equal(sorted(os.listdir(directory)), before, "a link to an index, afterwards")
    # A link beside the index, of another name: the shards keep that of the file.
    os.symlink("model.safetensors.index.json", f"{directory}/other.safetensors.index.json")
    db = edit(f"{directory}/other.safetensors.index.json")
    for old, new in (("a", "A"), ("A", "AA")):
        tally.equal(problem(db, "UPDATE m SET name = ? WHERE name = ?", new, old), None, "a link beside the index, edited")
    tally.equal(bytes_of(index), {"AA": b"a", "b": b"b", "c": b"c"}, "a link beside the index, afterwards")
    tally.equal(sorted(os.listdir(directory)), sorted(["model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors",
                "model-r3-00001-of-00003.safetensors", "model.safetensors.index.json", "other.safetensors.index.json"]),
                "a link beside the index: nothing is left over")


def test_appearing():
    """A file that somebody else writes where there was none when the first row came stays, whatever the mode."""
    for name, suffix, limit in (("file", ".safetensors", None), ("model", ".safetensors.index.json", 10)):
        os.makedirs(f"{ROOT}/appearing/{name}")
        path = f"{ROOT}/appearing/{name}/{name}{suffix}"
        insert = ("INSERT INTO safetensors_write(path, name, dtype, shape, data, max_shard_bytes, mode) "
                  "VALUES (?, ?, 'U8', '[1]', x'00', ?, 'replace')")
        one, two = connect(), connect()
        one.isolation_level = two.isolation_level = None
        one.execute("BEGIN")
        one.execute(insert, (path, "mine", limit))
        two.execute(insert, (path, "theirs", limit))
        tally.check("expected no file there, as when its first row came" in str(problem(one, "COMMIT")), f"{name}: COMMIT")
        tally.equal(two.execute("SELECT name FROM safetensors_tensors(?)", [path]).fetchall(), [("theirs",)], f"{name}: stays")
        tally.equal(findings(path), [], f"{name}: nothing is left over")


def test_names():
    """The table of names against a dictionary: rows come, go, are renamed and brought back, by the thousand."""
    chance = random.Random(17)
    path = making.file(f"{ROOT}/many/many.safetensors", {})
    db = edit(path)
    names = {}
    for transaction in range(12):
        db.execute("BEGIN")
        held = dict(names)
        for _ in range(400):
            name, value = f"t{chance.randrange(600)}", chance.randrange(256)
            row = (name, bytes([value]))
            choice = chance.random()
            if choice < 0.5:
                found = problem(db, "INSERT INTO m(name, dtype, shape, data) VALUES (?, 'U8', '[1]', ?)", *row)
                tally.equal(found is not None, name in held, f"INSERT of {name}: {found}")
                held.setdefault(name, value)
            elif choice < 0.7:
                db.execute("INSERT OR REPLACE INTO m(name, dtype, shape, data) VALUES (?, 'U8', '[1]', ?)", row)
                held[name] = value
            elif choice < 0.9:
                db.execute("DELETE FROM m WHERE name = ?", (name,))
                held.pop(name, None)
            else:
                db.execute("UPDATE OR REPLACE m SET name = ? WHERE name = ?", (f"{name}'", name))
                if name in held:
                    held[f"{name}'"] = held.pop(name)
        tally.equal({n: bytes.fromhex(h)[0] for n, h in db.execute("SELECT name, hex(data) FROM m")}, held, "pending")
        kept = chance.random() < 0.7
        db.execute("COMMIT" if kept else "ROLLBACK")
        names = held if kept else names
        tally.equal({n: t[2][0] for n, t in making.tensors_of(path).items()}, names, f"transaction {transaction}")


tally.run(globals(), ROOT)
