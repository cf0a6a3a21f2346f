"""safetensors_salvage, and refs with damaged=1: what of a damaged file is whole, by hand for each kind of damage;
of a valid file all of it; and of any file rows that hold, or a sentence.

CORPUS is a directory with a MANIFEST.tsv whose columns begin with file and verdict."""

import csv
import glob
import json
import os
import random
import sqlite3
import struct
import tempfile

import making
from tally import BUILD, Tally, connect

CORPUS = os.environ.get("CORPUS", "")
tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="salvage.")

DATA = bytes(range(28))
ENTRIES = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
           "b": {"dtype": "U8", "shape": [4], "data_offsets": [8, 12]},
           "c": {"dtype": "F32", "shape": [2, 2], "data_offsets": [12, 28]}}
BYTES = {"a": DATA[:8], "b": DATA[8:12], "c": DATA[12:]}


def write(name, header, data=DATA, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    path = f"{ROOT}/{name}.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def rows(path):
    return db.execute("SELECT name, status, message, ref FROM safetensors_salvage(?)", [path]).fetchall()


def statuses(path):
    return [(name, status) for name, status, _, _ in rows(path)]


def refused(sql, *arguments):
    try:
        return f"no error, but {db.execute(sql, arguments).fetchall()}"
    except sqlite3.Error as error:
        return str(error)


def expect(what, path, expected, words=()):
    """Names and states, by hand; of what is whole the bytes, read as nothing else reads the file."""
    found = rows(path)
    tally.equal([(name, status) for name, status, _, _ in found], expected, what)
    strict = refused("SELECT name FROM safetensors_tensors(?)", path)
    tally.check(not strict.startswith("no error"), f"{what}: strict opening refuses it", strict)
    for name, status, message, ref in found:
        if status == "whole":
            tally.equal((message, ref), (None, f"{path}?damaged=1#{name}"), f"{what}: {name}")
            tally.equal(db.execute("SELECT tensor_data(?)", [ref]).fetchone()[0], BYTES[name], f"{what}: bytes of {name}")
        else:
            tally.check(message and ref is None, f"{what}: {name} says why", message)
            error = refused("SELECT tensor_data(?)", f"{path}?damaged=1#{name}")
            tally.check(name is None or "is not whole" in error, f"{what}: {name} does not open", error)
        tally.equal(db.execute("SELECT name, status, message, ref FROM safetensors_salvage(?) WHERE name IS ?", [path, name])
                    .fetchall(), [row for row in found if row[0] == name], f"{what}: {name} looked up")
        if name is not None:
            tally.equal(db.execute("SELECT status FROM safetensors_salvage(?) WHERE name = ?", [path, name]).fetchall(),
                        [(row[1],) for row in found if row[0] == name], f"{what}: {name} looked up by =")
    for word in words:
        tally.check(word in str(found), f"{what}: says {word!r}", found)
    blob = open(path, "rb").read()
    tally.equal(db.execute("SELECT name, status, ref FROM safetensors_salvage(?)", [blob]).fetchall(),
                [(name, status, None) for name, status in expected], f"{what}: as a BLOB")


ALL = [("a", "whole"), ("b", "whole"), ("c", "whole")]


def header(**changes):
    return {**ENTRIES, **changes}


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_kinds():
    data = 8 + len(json.dumps(ENTRIES, separators=(",", ":")))
    expect("the last tensor cut short", write("cut", ENTRIES, DATA[:20]), [*ALL[:2], ("c", "cut")],
           [f"expected bytes {data + 12} to {data + 28} of the file, found its end at {data + 20}"])
    expect("all data lost", write("lost", ENTRIES, b""), [(name, "cut") for name in "abc"])
    expect("trailing bytes", write("trailing", ENTRIES, DATA + b"more"), ALL)
    expect("numbers in the metadata", write("numbers", {"__metadata__": {"step": 7, "format": "pt", "none": None}, **ENTRIES}), ALL)
    expect("metadata that is a list", write("list", {"__metadata__": [1, "}"], **ENTRIES}), ALL)
    expect("a gap, and no b", write("gap", {"a": ENTRIES["a"], "c": ENTRIES["c"]}), [ALL[0], ALL[2]])
    expect("overlapping tensors", write("overlap", header(b=entry("U8", [5], 8, 13))),
           [("a", "whole"), ("b", "overlaps"), ("c", "overlaps")], ['those of tensor "c"', "[8,13]"])
    expect("one tensor over all others", write("over", header(z=entry("U8", [28], 0, 28))),
           [("a", "overlaps"), ("z", "overlaps"), ("b", "overlaps"), ("c", "overlaps")])
    expect("an entry of an unknown dtype", write("dtype", header(b=entry("Q8", [4], 8, 12))),
           [("a", "whole"), ("c", "whole"), ("b", "unreadable")], ['found "Q8"'])
    expect("an entry that is a number", write("number", header(b=3)), [("a", "whole"), ("c", "whole"), ("b", "unreadable")])
    expect("an entry without a shape", write("shapeless", header(b={"dtype": "U8", "data_offsets": [8, 12]})),
           [("a", "whole"), ("c", "whole"), ("b", "unreadable")])
    expect("sizes that contradict each other", write("size", header(b=entry("U8", [3], 8, 12))),
           [("a", "whole"), ("c", "whole"), ("b", "unreadable")], ["take 3 bytes, found 4 in data_offsets [8,12]"])
    # What contradicts itself claims nothing: a wrong end does not cost those that follow.
    expect("an end that is too far", write("far", header(a=entry("F32", [2], 0, 28))),
           [("b", "whole"), ("c", "whole"), ("a", "unreadable")])
    expect("an end before its begin", write("backward", header(b=entry("U8", [4], 12, 8))),
           [("a", "whole"), ("c", "whole"), ("b", "unreadable")], ["end before begin"])
    expect("more elements than 64 bits count", write("overflow", header(b=entry("U8", [2**62, 2**62], 8, 12))),
           [("a", "whole"), ("c", "whole"), ("b", "unreadable")], ["overflow 64 bits"])
    expect("half a byte", write("half", header(b=entry("F4", [9], 8, 12))),
           [("a", "whole"), ("c", "whole"), ("b", "unreadable")], ["inside a byte"])
    expect("NUL in a name", write("nul", header(**{"n\0": entry("U8", [0], 0, 0)})), [*ALL, ("n\0", "unreadable")])


def test_names():
    text = json.dumps(ENTRIES, separators=(",", ":"))
    later = json.dumps({"a": entry("U8", [4], 24, 28)}, separators=(",", ":"))
    path = write("twice", (text[:-1] + "," + later[1:]).replace("[2,2]", "[3]").replace("[12,28]", "[12,24]").encode())
    found = rows(path)
    tally.equal([(name, status) for name, status, _, _ in found],
                [("b", "whole"), ("c", "whole"), ("a", "whole"), ("a", "overlaps")], "a name twice: the last stands for it")
    tally.check("later entry" in found[3][2], "a name twice: said", found)
    tally.equal(db.execute("SELECT tensor_data(?)", [f"{path}?damaged=1#a"]).fetchone()[0], DATA[24:], "a name twice: its bytes")
    tally.equal(db.execute("SELECT status FROM safetensors_salvage(?) WHERE name = 'a'", [path]).fetchall(),
                [("whole",), ("overlaps",)], "a name twice: looked up")
    path = write("latin", text.replace('"b"', '"\xff"').encode("latin-1"))
    tally.equal(statuses(path), [("a", "whole"), ("c", "whole"), ("%FF", "unreadable")], "a name that is not UTF-8")
    path = write("metadata", b'{"__metadata__":{"k":"\xff","format":"pt","n":[1,{"x":2}]},' + text[1:].encode())
    tally.equal(statuses(path), ALL, "metadata that is not UTF-8")
    tally.equal(db.execute("SELECT DISTINCT metadata FROM safetensors_salvage(?)", [path]).fetchall(),
                [('{"format":"pt","n":"[1,{\\"x\\":2}]"}',)], "metadata: what can be read of it, as strings")


def test_headers():
    text = json.dumps(ENTRIES, separators=(",", ":")).encode()
    cut = text.index(b'"c"') + 20
    path = write("short", text[:cut], b"", len(text))
    expect("a header cut short", path, [("a", "cut"), ("b", "cut"), ("c", "unreadable"), (None, "unreadable")])
    # Zeros where the third entry was: what stood before is there, and so are the bytes.
    path = write("zeros", text[:cut] + bytes(len(text) - cut))
    expect("a header with zeros at its end", path, [("a", "whole"), ("b", "whole"), ("c", "unreadable"), (None, "unreadable")])
    path = write("comma", text.replace(b',"c"', b'"c"'))
    tally.equal([row for row in statuses(path) if row[0] is not None][:2], ALL[:2], "a comma missing")
    path = write("brace", text.replace(b'"b":{', b'"b":{{'))
    tally.equal(("a", "whole") in statuses(path), True, "a brace too many")
    tally.check(("b", "whole") not in statuses(path), "a brace too many: its entry", statuses(path))
    for name, header_text in (("text", b"no header"), ("array", b"[1]"), ("number", b"17")):
        error = refused("SELECT * FROM safetensors_salvage(?)", write(f"no-{name}", header_text))
        tally.check("expected a header that begins with '{'" in error, f"no header, {name}", error)
    for name, content in (("empty", b""), ("tiny", b"abc"), ("zip", b"PK\3\4" + bytes(60)), ("huge", b"\xff" * 64)):
        path = f"{ROOT}/{name}.safetensors"
        open(path, "wb").write(content)
        error = refused("SELECT * FROM safetensors_salvage(?)", path)
        tally.check(error.startswith(f"safetensors: {path}: "), f"{name} is no safetensors file", error)
    error = refused("SELECT * FROM safetensors_salvage(?)", f"{ROOT}/none.safetensors")
    tally.check(error.startswith(f"safetensors: {ROOT}/none.safetensors: "), "no such file", error)


def test_columns():
    path = write("columns", header(b=entry("U8", [5], 8, 13), d=entry("Q8", [4], 8, 12), e=entry("U8", [3], 8, 12)), DATA[:20])
    data = 8 + struct.unpack("<Q", open(path, "rb").read(8))[0]
    tally.equal(db.execute("SELECT name, dtype, shape, numel, nbytes, offset, status FROM safetensors_salvage(?)", [path]).fetchall(),
                [("a", "F32", "[2]", 2, 8, data, "whole"), ("e", "U8", "[3]", 3, 3, data + 8, "unreadable"),
                 ("b", "U8", "[5]", 5, 5, data + 8, "overlaps"), ("c", "F32", "[2,2]", 4, 16, data + 12, "overlaps"),
                 ("d", None, None, None, None, None, "unreadable")], "what is known is reported")
    names = [row[1] for row in db.execute("PRAGMA table_xinfo(safetensors_salvage)") if row[6] == 0]
    tally.equal(names, ["name", "dtype", "shape", "numel", "nbytes", "offset", "status", "message"], "columns")
    tally.equal(db.execute("SELECT count(*), count(DISTINCT rowid) FROM safetensors_salvage(?)", [path]).fetchone(), (5, 5), "rowids")
    for name in "abcde":
        both = [db.execute(f"SELECT rowid FROM safetensors_salvage(?) WHERE {term} = ?", [path, name]).fetchall()
                for term in ("name", "+name")]
        tally.equal(both[0], both[1], f"rowid of {name}, looked up and not")
    plan = str(db.execute("EXPLAIN QUERY PLAN SELECT * FROM safetensors_salvage(?) WHERE name = 'a'", [path]).fetchall())
    tally.check("INDEX 3" in plan, "a name is looked up", plan)
    tally.equal(db.execute("SELECT * FROM safetensors_salvage(NULL)").fetchall(), [], "NULL gives no rows")
    tally.check("expected a path" in refused("SELECT * FROM safetensors_salvage"), "no path")
    tally.check("expected one argument" in refused("SELECT * FROM safetensors_salvage('a', 'b')"), "two paths")


def test_refs():
    path = write("refs", {"__metadata__": {"step": 7}, **ENTRIES})
    ref = f"{path}?damaged=1#c"
    f32 = struct.unpack("<4f", BYTES["c"])
    for query in ("damaged=1&slice=1", "slice=1&damaged=1"):
        tally.equal(db.execute("SELECT tensor_data(?)", [f"{path}?{query}#c"]).fetchone()[0], BYTES["c"][8:], query)
    got = db.execute("SELECT tensor_shape(?1), tensor_dtype(?1), tensor_nbytes(?1), tensor_item(?1, 1, 0), tensor_json(?1)", [ref]).fetchone()
    tally.equal(got[:4], ("[2,2]", "F32", 16, f32[2]), "functions of a ref")
    tally.equal(json.loads(got[4]), [list(f32[:2]), list(f32[2:])], "tensor_json")
    got = db.execute("SELECT ref, tensor_data(ref) FROM tensor_rows(?)", [ref]).fetchall()
    tally.equal(got, [(f"{path}?damaged=1&slice={i},:#c", BYTES["c"][8 * i:8 * i + 8]) for i in range(2)], "rows are refs of the damaged file")
    tally.equal(db.execute("SELECT value FROM tensor_elements(?)", [ref]).fetchall(), [(value,) for value in f32], "tensor_elements")
    tally.equal(db.execute("SELECT equal FROM tensor_compare(?, ?)", [ref, ref]).fetchall(), [(1,)], "tensor_compare")
    tally.check("number" in refused("SELECT tensor_data(?)", f"{path}#c"), "without damaged=1 the file is refused")
    for query in ("damaged=0", "damaged=1&damaged=1", "damaged", "damaged=1&", "slice=0&slice=1", "damage=1", "damaged=1&x=1", ""):
        error = refused("SELECT tensor_data(?)", f"{path}?{query}#c")
        tally.check("expected '?slice=' in the ref" in error, f"?{query} is none", error)
    error = refused("SELECT tensor_data(?)", f"{path}?damaged=1#d")
    tally.check('expected a tensor "d", found none' in error, "a name that it has not", error)
    valid = making.file(f"{ROOT}/valid.safetensors", {"x": b"abc"})
    tally.equal(db.execute("SELECT tensor_data(?)", [f"{valid}?damaged=1#x"]).fetchone()[0], b"abc", "of a valid file, too")
    both = "SELECT s.name FROM safetensors_tensors(?1) t JOIN safetensors_salvage(?1) s USING (name) WHERE tensor_equal(t.ref, s.ref)"
    tally.equal(db.execute(both, [valid]).fetchall(), [("x",)], "read both ways in one statement")


def test_changes():
    """What was whole when the statement began may be gone: an error, and not a crash."""
    path = write("shrinks", {"__metadata__": {"step": 7}, "a": entry("U8", [1 << 20], 0, 1 << 20)}, bytes(1 << 20))
    cursor = db.execute("SELECT ref FROM safetensors_salvage(?) AS s, (SELECT 1 UNION ALL SELECT 2)", [path])
    ref, = cursor.fetchone()
    os.truncate(path, 4096)
    error = refused("SELECT tensor_hash(?)", ref)
    tally.check("safetensors: " in error, "a file cut short while it is read", error)
    cursor.close()
    tally.equal(statuses(path), [("a", "cut")], "the next statement sees what is")


def test_several():
    directory = f"{ROOT}/several"
    making.file(f"{directory}/one.safetensors", {"x": b"1"})
    making.file(f"{directory}/two.safetensors", {"x": b"22", "y": b"3"})
    open(f"{directory}/bad.safetensors", "wb").write(b"no file")
    expected = [(None, "unreadable"), ("x", "whole"), ("x", "whole"), ("y", "whole")]
    for path in (directory, f"{directory}/*.safetensors"):
        found = rows(path)
        tally.equal([row[:2] for row in found], expected, "several files, one of which cannot be read")
        tally.check("bad.safetensors" in found[0][2], "which one is said", found[0])
        tally.equal([db.execute("SELECT tensor_data(?)", [row[3]]).fetchone()[0] for row in found[1:]], [b"1", b"22", b"3"], "their refs")
    tally.equal(db.execute("SELECT count(DISTINCT rowid) FROM safetensors_salvage(?)", [directory]).fetchone(), (4,), "rowids of several")
    db.execute("SELECT safetensors_config('errors', 'skip')")
    tally.equal([row[:2] for row in rows(directory)], expected[1:], "errors = skip passes over it")
    db.execute("SELECT safetensors_config('errors', 'stop')")


def test_shards():
    directory = f"{ROOT}/shards"
    shards = {"m-00001-of-00003.safetensors": {"a": b"1", "b": b"2"}, "m-00002-of-00003.safetensors": {"c": b"33"},
              "m-00003-of-00003.safetensors": {"d": b"4", "e": b"5"}}
    path = making.model(directory, shards)
    names = [("a", "whole"), ("b", "whole"), ("c", "whole"), ("d", "whole"), ("e", "whole")]
    tally.equal(statuses(path), names, "a model whose shards are all there")
    # b is in the second shard too, c is longer than its file, the third shard is gone
    making.file(f"{directory}/m-00002-of-00003.safetensors", {"b": b"9", "c": b"33"})
    os.truncate(f"{directory}/m-00002-of-00003.safetensors", os.path.getsize(f"{directory}/m-00002-of-00003.safetensors") - 1)
    os.remove(f"{directory}/m-00003-of-00003.safetensors")
    found = rows(path)
    tally.equal([row[:2] for row in found],
                [("a", "whole"), ("b", "whole"), ("b", "overlaps"), ("c", "cut"), ("d", "unreadable"), ("e", "unreadable")], "damaged shards")
    tally.check("m-00001-of-00003" in found[2][2] and "m-00003-of-00003" in found[4][2], "which shards is said", found)
    tally.equal([db.execute("SELECT tensor_data(?)", [row[3]]).fetchone()[0] for row in found[:2]], [b"1", b"2"], "their refs")
    for name in "abcde":
        tally.equal(db.execute("SELECT name, status, message, ref FROM safetensors_salvage(?) WHERE name = ?", [path, name]).fetchall(),
                    [row for row in found if row[0] == name], f"{name} of damaged shards, looked up")
    tally.equal(db.execute("SELECT count(DISTINCT rowid) FROM safetensors_salvage(?)", [path]).fetchone(), (6,), "rowids of shards")
    # the index has f in the first shard, which has it not
    making.index(path, {"a": "m-00001-of-00003.safetensors", "f": "m-00001-of-00003.safetensors"})
    found = rows(path)
    tally.equal([row[:2] for row in found], [("a", "whole"), ("b", "whole"), ("f", "unreadable")], "a tensor that its shard has not")
    tally.check("found none of that name" in found[2][2], "which is said", found[2])


def holds(path, data):
    """Of any file: rows of which those that are whole lie in the file, apart from each other, and open; or a sentence."""
    try:
        found = db.execute("SELECT name, offset, nbytes, status, ref FROM safetensors_salvage(?)", [path]).fetchall()
    except sqlite3.Error as error:
        return str(error).startswith(f"safetensors: {path}: ")
    at = 0
    for name, offset, nbytes, status, ref in sorted((row for row in found if row[3] == "whole"), key=lambda row: (row[1], row[2])):
        if offset + nbytes > len(data) or (nbytes > 0 and offset < at):
            return False
        at = max(at, offset + nbytes)
        if db.execute("SELECT tensor_data(?)", [ref]).fetchone()[0] != data[offset:offset + nbytes]:
            return False
    return all(ref is None for *_, status, ref in found if status != "whole")


def test_corpus():
    files = [(path, None) for path in sorted(glob.glob(f"{BUILD}/fixtures/**/*.safetensors", recursive=True))]
    if os.path.exists(f"{CORPUS}/MANIFEST.tsv"):
        with open(f"{CORPUS}/MANIFEST.tsv", newline="", encoding="utf-8") as manifest:
            files += [(os.path.join(CORPUS, row["file"]), row["verdict"]) for row in csv.DictReader(manifest, delimiter="\t")
                      if row["file"].endswith(".safetensors")]
    else:
        print(f"skipped: the corpus ({CORPUS or 'CORPUS'} is not there)")
    for path, verdict in files:
        with open(path, "rb") as file:
            tally.check(holds(path, file.read()), f"{path}: rows that hold, or a sentence", rows(path) if verdict == "valid" else None)
        if db.execute("SELECT status FROM safetensors_files(?)", [path]).fetchone() == ("ok",):
            same = "name, dtype, shape, numel, nbytes, offset"
            strict = db.execute(f"SELECT {same}, 'whole', NULL FROM safetensors_tensors(?)", [path]).fetchall()
            tally.equal(db.execute("SELECT * FROM safetensors_salvage(?)", [path]).fetchall(), strict, f"{path}: all of it is whole")


def test_mutations():
    """Bytes changed at random, and files cut: nothing is reported as whole that is not."""
    chance = random.Random(20240229)
    text = json.dumps({"__metadata__": {"format": "pt"}, **ENTRIES}, separators=(",", ":")).encode()
    whole = struct.pack("<Q", len(text)) + text + DATA
    wrong = saved = 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 5])):
            data[chance.randrange(len(data) if chance.random() < 0.2 else 8 + len(text))] = chance.choice(b'{}[]",:0123456789\0\\ \xff')
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)):]
        path = f"{ROOT}/mutant.safetensors"
        with open(path, "wb") as file:
            file.write(data)
        wrong += not holds(path, bytes(data))
        try:
            saved += len(db.execute("SELECT 1 FROM safetensors_salvage(?) WHERE status = 'whole'", [path]).fetchall())
        except sqlite3.Error:
            pass
    tally.equal(wrong, 0, "mutants of which a row does not hold")
    tally.check(saved > 2000, "many tensors of damaged files are saved", saved)


for test in (test_kinds, test_names, test_headers, test_columns, test_refs, test_changes, test_several, test_shards,
             test_corpus, test_mutations):
    test()
tally.finish()
