"""One file of several that cannot be read: it ends no query that asks for the others only; and it has no
rows, and NULL, where safetensors_config('errors', 'skip') says so."""

import os
import shutil
import sqlite3
import tempfile

import making
from tally import Tally, connect

tally = Tally()
directory = tempfile.mkdtemp()
GOOD = {"k": "v"}
for name in "ac":
    making.file(f"{directory}/{name}.safetensors", {"w": b"\1\1\1\1"}, GOOD)
with open(f"{directory}/b.safetensors", "wb") as bad:
    bad.write(b"no header here")
shards = making.model(f"{directory}/sharded", {"m-00001-of-00002.safetensors": {"x": b"xx"},
                                            "m-00002-of-00002.safetensors": {"y": b"yy"}})
os.unlink(f"{directory}/sharded/m-00002-of-00002.safetensors")

FILES = f"safetensors_files('{directory}/*.safetensors') f"
A = f"{directory}/a.safetensors"
db = connect()


def rows(sql, *values):
    try:
        return db.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        return str(error)


def fails(sql, words="b.safetensors"):
    got = rows(sql)
    tally.check(isinstance(got, str) and words in got, sql, f"got {got!r}")


def three(good, bad=None):
    return [("a", good), ("b", bad), ("c", good)]


# What may stand to the right of the LEFT JOIN: a column, the table, and the column's value for a good file.
RIGHT = [
    ("key", "safetensors_metadata(f.file)", "k"),
    ("name", "safetensors_tensors(f.file)", "w"),
    ("max", "tensor_stats(f.file || '#w')", 1),
    ("sum(r.value)", "tensor_elements(f.file || '#w')", 4),
    ("sum(r.i)", "tensor_rows(f.file || '#w')", 6),
    ("count", "tensor_histogram(f.file || '#w', 1)", 4),
    ("sum(r.i)", "tensor_nearest(f.file || '#w', x'01', 'U8')", 6),
    ("equal", "tensor_compare(f.file || '#w', ?1 || '#w')", 1),
    ("status", "safetensors_diff(?1, f.file)", "same"),
]

for column, table, good in RIGHT:
    column = column if "r." in column else f"r.{column}"
    stem = "replace(replace(f.file, ?1, 'a'), '.safetensors', '')"
    sql = f"SELECT substr(f.file, -13, 1), {column} FROM {FILES} LEFT JOIN {table} r ON {{}} GROUP BY f.file"
    for condition in ("f.status = 'ok'", "f.error IS NULL", "f.file NOT LIKE '%b.safetensors'",
                      "f.status IN ('ok', 'fine')", "CASE f.status WHEN 'ok' THEN 1 END", "f.tensors > 0"):
        got = rows(sql.format(condition), *[A] * ("?1" in table))
        tally.equal(got, three(good), f"{table}: LEFT JOIN ON {condition}")
    # the bad file is asked for
    got = rows(sql.format("f.status <> 'ok'"), *[A] * ("?1" in table))
    tally.check("b.safetensors: expected " in str(got), f"{table}: LEFT JOIN ON status <> 'ok'", got)
    got = rows(sql.replace(" ON {}", ""), *[A] * ("?1" in table))
    tally.check("b.safetensors: expected " in str(got), f"{table}: LEFT JOIN without ON", got)
    # an inner join asks first
    got = rows(sql.replace("LEFT JOIN", ",").replace("ON {}", "WHERE f.status = 'ok'"), *[A] * ("?1" in table))
    tally.equal(got, [("a", good), ("c", good)], f"{table}: comma join")
    for kind in ("LEFT JOIN", "JOIN"):
        got = rows(f"SELECT count(*) FROM {FILES} {kind} {table} r", *[A] * ("?1" in table))
        tally.check("b.safetensors: expected " in str(got), f"{table}: count(*), {kind}", got)

tally.equal(rows(f"SELECT count(*) FROM {FILES} LEFT JOIN safetensors_metadata(f.file) m ON f.status = 'ok'"), [(3,)],
            "a count of the rows alone")
tally.equal(rows(f"SELECT f.tensors, r.name FROM (SELECT * FROM {FILES}) f LEFT JOIN safetensors_tensors(f.file) r "
                 "ON f.status = 'ok' AND r.name = 'w' ORDER BY r.offset, f.file"),
            [(None, None), (1, "w"), (1, "w")], "a subquery, two conditions, and an order")
db.execute(f"CREATE TEMP VIEW v AS SELECT f.file, m.key FROM {FILES} LEFT JOIN safetensors_metadata(f.file) m "
           "ON f.status = 'ok'")
tally.equal(len(rows("SELECT * FROM v")), 3, "a temporary view")
tally.equal(rows(f"SELECT CASE WHEN f.status = 'ok' THEN (SELECT count(*) FROM safetensors_tensors(f.file)) END "
                 f"FROM {FILES}"), [(1,), (None,), (1,)], "CASE")
tally.equal(rows(f"SELECT count(*) FROM {FILES} LEFT JOIN safetensors_check(f.file) c ON f.status = 'ok'"), [(3,)],
            "check")

# A model of which a shard is missing: a tensor of another one is there by name, as it is by ref.
for path in (shards, f"{directory}/sharded"):
    tally.equal(rows("SELECT name, nbytes FROM safetensors_tensors(?) WHERE name = 'x'", path), [("x", 2)], "a good shard")
    fails(f"SELECT name FROM safetensors_tensors('{path}') WHERE name = 'y'", "m-00002")
    fails(f"SELECT name FROM safetensors_tensors('{path}') WHERE name = 'z'", "m-00002")
    fails(f"SELECT name FROM safetensors_tensors('{path}')", "m-00002")

# ---- errors = skip ----

tally.equal(rows("SELECT safetensors_config('errors', 'skip')"), [("skip",)], "skip")
for column, table, good in RIGHT:
    column = column if "r." in column else f"r.{column}"
    sql = f"SELECT substr(f.file, -13, 1), {column} FROM {FILES} LEFT JOIN {table} r GROUP BY f.file"
    tally.equal(rows(sql, *[A] * ("?1" in table)), three(good), f"{table}: skip")
    tally.equal(rows(sql.replace("LEFT JOIN", ","), *[A] * ("?1" in table)), [("a", good), ("c", good)], f"{table}: skip, join")
for function, good in [("tensor_hash(r)", "36c1c489e531d74963be1b784a82604f"), ("tensor_json(r)", "[1,1,1,1]"),
                       ("tensor_dtype(r)", "U8"), ("tensor_shape(r)", "[4]"), ("tensor_numel(r)", 4),
                       ("tensor_nbytes(r)", 4), ("tensor_item(r, 0)", 1), ("tensor_data(r)", b"\1\1\1\1"),
                       ("hex(tensor_cast(r, 'I16'))", "0100" * 4), ("tensor_equal(r, r)", 1), ("tensor_cosine(r, r)", 1.0),
                       ("tensor_allclose(r, r)", 1), ("tensor_max_abs_diff(r, r)", 0.0)]:
    expected = [(good,), ("" if "hex(" in function else None,), (good,)]
    tally.equal(rows(f"SELECT {function} FROM (SELECT file || '#w' AS r FROM {FILES})"), expected, f"skip: {function}")
everything = f"{directory}/*.safetensors"
tally.equal(rows("SELECT count(*) FROM safetensors_tensors(?)", everything), [(2,)], "skip: tensors of a pattern")
tally.equal(rows("SELECT count(*) FROM safetensors_tensors(?) WHERE name = 'w'", everything), [(2,)], "skip: by name")
tally.equal(rows("SELECT count(*) FROM (SELECT * FROM safetensors_tensors(?) ORDER BY offset)", everything), [(2,)], "skip: ordered")
tally.equal(rows("SELECT key FROM safetensors_metadata(?)", everything), [("k",)] * 2, "skip: metadata of a pattern")
tally.equal(rows("SELECT count(*) FROM safetensors_tensors(?)", f"{directory}/nowhere"), [(0,)], "skip: nothing there")
tally.equal(rows("SELECT name FROM safetensors_tensors(?)", shards), [("x",)], "skip: a shard")
tally.equal(rows("SELECT name FROM safetensors_tensors(?) WHERE name = 'y'", shards), [], "skip: a name in that shard")
# never that a bad file's tensors were added or removed
tally.equal(rows("SELECT * FROM safetensors_diff(?, ?)", A, f"{directory}/b.safetensors"), [], "skip: diff")
tally.equal(rows("SELECT * FROM safetensors_diff(?, ?)", shards, shards), [], "skip: diff of a model with a bad shard")
tally.equal(rows(f"SELECT status FROM {FILES}"), [("ok",), ("invalid",), ("ok",)], "skip: files says which")
# what is wrong with the statement is still an error, and so is a write
fails(f"SELECT tensor_hash('{A}#no')", "found none")
fails("SELECT * FROM safetensors_tensors('a', 2)", "behind a path")
fails(f"SELECT safetensors_serialize('w', NULL, NULL, '{directory}/b.safetensors#w')")
fails(f"CREATE VIRTUAL TABLE temp.b USING safetensors('{directory}/b.safetensors')")

db.close()
shutil.rmtree(directory)
tally.finish()
