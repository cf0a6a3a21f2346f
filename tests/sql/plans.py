"""Plans of joins: a pass over tensors' bytes comes after every lookup that can spare it, whatever is known of the
ordinary tables beside. Which table is read in which order, by EXPLAIN QUERY PLAN."""

import itertools
import re
import sqlite3

import making
from tally import BUILD, Tally, connect

tally = Tally()
BIG, FEW = f"{BUILD}/plans_big.safetensors", f"{BUILD}/plans_few.safetensors"
making.file(BIG, {f"layers.{i}.w": ("U8", [8], bytes(8)) for i in range(200)})
making.file(FEW, {"layers.7.w": ("U8", [8], bytes(8))})

# What a statement joins: `t`, `a` and `b` are tensors of checkpoints; x and y read bytes, and come last.
JOINS = {
    "allow-list": "safetensors_tensors(:big) a JOIN allow ON allow.name = a.name JOIN {x}",
    "allow-list, CROSS JOIN": "safetensors_tensors(:big) a JOIN allow ON allow.name = a.name CROSS JOIN {x}",
    "allow-list behind": "safetensors_tensors(:big) a JOIN {x} JOIN allow ON allow.name = a.name",
    "allow-list, USING": "safetensors_tensors(:big) a JOIN allow USING (name) JOIN {x}",
    "IN allow-list": "safetensors_tensors(:big) a, {x} WHERE a.name IN (SELECT name FROM allow) AND 1",
    "two models": "safetensors_tensors(:big) a JOIN safetensors_tensors(:few) b USING (name) JOIN {x}",
    "two models, bytes between": "safetensors_tensors(:big) a JOIN {x} JOIN safetensors_tensors(:few) b USING (name)",
    "two models, CROSS JOIN": "safetensors_tensors(:big) a JOIN safetensors_tensors(:few) b USING (name) CROSS JOIN {x}",
    "few first": "safetensors_tensors(:few) b JOIN safetensors_tensors(:big) a USING (name) JOIN {x}",
    "three models": "safetensors_tensors(:big) a JOIN safetensors_tensors(:few) b USING (name) "
                    "JOIN safetensors_tensors(:few) c USING (name) JOIN {x}",
    "LIKE": "safetensors_tensors(:big) a JOIN {x} JOIN allow ON allow.name = a.name WHERE a.name LIKE '%.7.w' AND 1",
    "small list": "safetensors_tensors(:big) a JOIN {x} JOIN few ON few.name = a.name",
}
# What reads bytes: its table, and conditions on what it gives.
READS = {
    "tensor_stats(a.ref) x": ["", "x.l2 > 0", "x.n_nan = 0"],
    "tensor_histogram(a.ref) x": ["", "x.bin = 3", "x.count > 0 AND x.bin < 5"],
    "tensor_compare(a.ref, a.ref) x": ["", "x.n_diff = 0"],
    "tensor_elements(a.ref) x": ["", "x.value = 3", "x.idx < 3"],
    "tensor_rows(a.ref) x": ["", "x.i >= 3"],
    "tensor_nearest(a.ref, x'00') x": ["", "x.i >= 3", "x.score > 0.5"],
}
STATES = {
    "without statistics": [],
    "with statistics": ["ANALYZE"],
}
SHAPES_OF_TWO = [
    "safetensors_tensors(:big) a JOIN safetensors_tensors(:few) b USING (name) JOIN tensor_stats(a.ref) x JOIN tensor_stats(b.ref) y",
    "safetensors_tensors(:big) a JOIN tensor_stats(a.ref) x JOIN safetensors_tensors(:few) b USING (name) JOIN tensor_stats(b.ref) y",
    "safetensors_tensors(:big) a JOIN safetensors_tensors(:few) b USING (name) CROSS JOIN tensor_stats(a.ref) x JOIN tensor_stats(b.ref) y",
    "safetensors_tensors(:big) a JOIN safetensors_tensors(:few) b USING (name) JOIN tensor_compare(a.ref, b.ref) x",
    "safetensors_tensors(:big) a JOIN allow USING (name) JOIN safetensors_tensors(:few) b USING (name) JOIN tensor_compare(a.ref, b.ref) x",
]


def order(db, sql):
    """The tables of a plan in their order, without those of subqueries."""
    rows = db.execute("EXPLAIN QUERY PLAN " + sql, {"big": BIG, "few": FEW}).fetchall()
    top = {row[0] for row in rows if row[1] == 0}
    found = [re.match(r"(?:SCAN|SEARCH) (\w+)", row[3]) for row in rows if row[0] in top]
    return [match.group(1) for match in found if match]


def with_condition(join, condition):
    if not condition:
        return join
    return f"{join} AND {condition}" if " WHERE " in join else f"{join} WHERE {condition}"


for state, statements in STATES.items():
    db = connect()
    db.executescript("""CREATE TABLE allow(name TEXT PRIMARY KEY, x) WITHOUT ROWID;
        CREATE TABLE few(name TEXT, x); CREATE INDEX few_names ON few(name);
        INSERT INTO few VALUES ('layers.7.w', 0), ('layers.8.w', 0), ('layers.9.w', 0);
        WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i<100000) INSERT INTO allow SELECT 'n'||i, i FROM c;
        INSERT INTO allow VALUES('layers.7.w',0);""")
    for statement in statements:
        db.execute(statement)
    for (title, join), (read, conditions) in itertools.product(JOINS.items(), READS.items()):
        for condition in conditions:
            sql = "SELECT a.name FROM " + with_condition(join.format(x=read), condition)
            got = order(db, sql)
            tally.check(got[-1] == "x" and "x" not in got[:-1], f"{title}, {state}: {sql}", got)
    for join in SHAPES_OF_TWO:
        for condition in ["", "x.l2_a > 0" if "compare" in join else "x.l2 > 0"]:
            got = order(db, "SELECT a.name FROM " + with_condition(join, condition))
            passes = {"x", "y"} & set(got)
            tally.check(set(got[-len(passes):]) == passes, f"two tensors, {state}: {join}", got)

# Rows that OFFSET skips are not gone through, by the count of SQLite's steps.
making.file(MANY := f"{BUILD}/plans_many.safetensors", {"w": ("U8", [3000000], bytes(3000000))})
calls = []
db = connect()
db.set_progress_handler(lambda: calls.append(1), 1000)
got = db.execute("SELECT idx, value FROM tensor_elements(? || '#w') LIMIT 2 OFFSET 2999999", (MANY,)).fetchall()
tally.equal(got, [(2999999, 0)], "the last element by OFFSET")
if sqlite3.sqlite_version_info >= (3, 46):
    tally.check(len(calls) < 10, "OFFSET costs nothing", len(calls))
else:
    print(f"skipped: that OFFSET costs nothing, which needs SQLite 3.46 (this is {sqlite3.sqlite_version})")
tally.finish()
