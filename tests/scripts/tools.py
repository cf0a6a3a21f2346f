"""What is seen from outside: exported symbols, query plans, the scripts of sql/ in the sqlite3 shell."""

import os
import re
import sqlite3
import subprocess
import tempfile

import shell
from tally import BUILD, Tally, connect

tally = Tally()
demo = os.path.join(BUILD, "demo")
subprocess.run(["tests/make_demo", demo], check=True)
BASE, TUNE = (os.path.join(demo, f"{name}.safetensors") for name in ("base", "tune"))


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


# One exported symbol.
code, out, _ = run("nm", "-D", "--defined-only", f"{BUILD}/safetensors.so")
names = [line.split()[-1] for line in out.splitlines()]
if any("asan" in name for name in run("nm", "-D", f"{BUILD}/safetensors.so")[1].split()):
    print("skipped: the exported symbols, in a build with sanitizers")
else:
    tally.equal(names, ["sqlite3_safetensors_init"], "symbols of safetensors.so")
code, out, _ = run("nm", "-g", "--defined-only", f"{BUILD}/libsafetensors.a")
names = [line.split()[-1] for line in out.splitlines() if " T " in line or " D " in line]
tally.equal(names, ["sqlite3_safetensors_init"], "symbols of libsafetensors.a")

# The version is the header's, once.
with open("ext/safetensors.h", encoding="utf-8") as file:
    version = [line.split('"')[1] for line in file if "define SAFETENSORS_VERSION" in line]
db = connect()
version_text = db.execute("SELECT safetensors_version()").fetchone()[0]
tally.check(version_text.startswith(f"safetensors {version[0]}, SQLite "), "safetensors_version()", version_text)


# Query plans.
def plan(sql):
    return [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql)]


A, B = f"safetensors_tensors('{BASE}') a", f"safetensors_tensors('{TUNE}') b"
SCAN = "VIRTUAL TABLE INDEX 1:all tensors of path"
LOOKUP = "VIRTUAL TABLE INDEX 3:name lookup in path"
PLANS = [
    (f"SELECT dtype FROM {A} WHERE name = 'x'", [f"SCAN a {LOOKUP}"]),
    (f"SELECT dtype FROM {A} WHERE name IN ('x', 'y')", [f"SCAN a {LOOKUP}"]),
    (f"SELECT dtype FROM {A} WHERE name = 'x' COLLATE NOCASE", [f"SCAN a {SCAN}"]),
    (f"SELECT dtype FROM {A} WHERE name LIKE 'x'", [f"SCAN a {SCAN}"]),
    (f"SELECT dtype FROM {A} ORDER BY offset", [f"SCAN a {SCAN.replace('1', '5')}, by offset"]),
    (f"SELECT dtype FROM {A} ORDER BY offset DESC",
     [f"SCAN a {SCAN}", "USE TEMP B-TREE FOR ORDER BY"]),
    (f"SELECT dtype FROM {A} ORDER BY name", [f"SCAN a {SCAN}", "USE TEMP B-TREE FOR ORDER BY"]),
    (f"SELECT 1 FROM {A} JOIN {B} USING (name)", [f"SCAN a {SCAN}", f"SCAN b {LOOKUP}"]),
    (f"SELECT 1 FROM {A} JOIN {B} ON b.name = 'x' || a.name", [f"SCAN a {SCAN}", f"SCAN b {LOOKUP}"]),
    (f"SELECT 1 FROM {A} LEFT JOIN {B} USING (name)",
     [f"SCAN a {SCAN}", f"SCAN b {LOOKUP} LEFT-JOIN"]),
    (f"SELECT 1 FROM {A} FULL JOIN {B} USING (name)",
     [f"SCAN a {SCAN}", f"SCAN b {LOOKUP} LEFT-JOIN", "RIGHT-JOIN safetensors_tensors", f"SCAN b {SCAN}"]),
]
E, R = f"tensor_elements('{BASE}#model.norm.weight') e", f"tensor_rows('{BASE}#lm_head.weight') r"
ALL, RANGE, ONE = ("VIRTUAL TABLE INDEX {}:all positions", "VIRTUAL TABLE INDEX {}:range of positions",
                   "VIRTUAL TABLE INDEX {}:one position")
PLANS += [
    (f"SELECT value FROM {E}", [f"SCAN e {ALL.format(1)}"]),
    (f"SELECT value FROM {E} WHERE idx = 3", [f"SCAN e {ONE.format(9)}"]),
    (f"SELECT value FROM {E} WHERE idx > 3 AND idx <= 5", [f"SCAN e {RANGE.format(1 + 16 + 128)}"]),
    (f"SELECT value FROM {E} WHERE idx BETWEEN 3 AND 5", [f"SCAN e {RANGE.format(1 + 32 + 128)}"]),
    (f"SELECT value FROM {E} WHERE idx < 5 ORDER BY idx DESC LIMIT 2", [f"SCAN e {RANGE.format(1 + 64 + 256)}"]),
    (f"SELECT value FROM {E} ORDER BY idx, value LIMIT 2", [f"SCAN e {ALL.format(1)}"]),
    (f"SELECT value FROM {E} ORDER BY value", [f"SCAN e {ALL.format(1)}", "USE TEMP B-TREE FOR ORDER BY"]),
    (f"SELECT value FROM {E} WHERE value > 3", [f"SCAN e {ALL.format(1)}"]),
    (f"SELECT data FROM {R} WHERE i >= 5", [f"SCAN r {RANGE.format(1 + 32)}"]),
    (f"SELECT data FROM {R} ORDER BY i DESC", [f"SCAN r {ALL.format(1 + 256)}"]),
    (f"SELECT 1 FROM {E} JOIN {R} ON r.i = e.idx", [f"SCAN e {ALL.format(1)}", f"SCAN r {ONE.format(9)}"]),
]
for sql, expected in PLANS:
    # Newer SQLite names the kinds of join otherwise.
    got = [line.replace(" LEFT-JOIN", "").strip() for line in plan(sql)]
    tally.equal(got, [line.replace(" LEFT-JOIN", "") for line in expected], f"plan of {sql}")
db.execute(f"CREATE VIRTUAL TABLE temp.a USING safetensors('{BASE}')")
db.execute(f"CREATE VIRTUAL TABLE temp.b USING safetensors('{TUNE}')")
got = plan("SELECT 1 FROM a FULL JOIN b USING (name)")[:2]
tally.equal([line.replace(" LEFT-JOIN", "") for line in got],
            ["SCAN a VIRTUAL TABLE INDEX 0:all tensors", "SCAN b VIRTUAL TABLE INDEX 2:name lookup"],
            "plan of named tables")

# A RIGHT JOIN, to which SQLite 3.40 and 3.41 do not pass its right table's path: the right rows, or a
# sentence.
FIXTURES = os.path.join(BUILD, "fixtures")
subprocess.run([f"{BUILD}/tests/fixtures", FIXTURES], check=True)
try:
    got = db.execute(f"SELECT name FROM safetensors_tensors('{FIXTURES}/left.safetensors') a "
                     f"RIGHT JOIN safetensors_tensors('{FIXTURES}/right.safetensors') b USING (name)").fetchall()
    tally.equal(sorted(name for name, in got), ["both", "case", "dtype", "only_right", "shape"], "RIGHT JOIN")
except sqlite3.OperationalError as error:
    tally.check("forgets it in a RIGHT JOIN: write a LEFT JOIN the other way round" in str(error), "RIGHT JOIN", error)

# A table that cannot be declared says why: one cause is a limit of the connection's.
limited = connect()
limited.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, 5)
for table in "safetensors_tensors", "tensor_stats", "safetensors_help":
    try:
        limited.execute(f"SELECT 1 FROM {table}('x')")
        tally.check(False, f"{table} has more columns than the connection allows")
    except sqlite3.OperationalError as error:
        tally.check(str(error).startswith(f"safetensors: {table}: ") and "too many columns" in str(error), table, error)

# The reference describes casts as the header does.
with open("ext/tensor/encode.h", encoding="utf-8") as file:
    comment = file.read().split("*/")[0].removeprefix("/*\n")
casts = "".join(line.removeprefix("**").removeprefix(" ") for line in comment.splitlines(keepends=True))
with open("ext/docs/reference.md", encoding="utf-8") as file:
    tally.check(f"\n```\n{casts}```\n" in file.read(), "the reference has the table of casts", casts)

# The scripts of sql/.
for script, parameters, wanted in [
        ("summary", {"path": BASE}, ["== Files", "78.1 k", "lm_head.weight", "tiny-gpt", "F32"]),
        ("layers", {"path": BASE}, ["model.layers.#.mlp.up_proj.weight", "15.4 k", "19.7%"]),
        ("values", {"path": BASE, "name": "lm_head.weight"}, ["== First elements", "0.0293 0.02734 -0.009766 -0.003906", "[0,1]   0.029296875", "and 19 more"]),
        ("neighbours", {"path": BASE, "name": "model.embed_tokens.weight", "token": "42"}, ["cosine"]),
        ("compare", {"a": BASE, "b": TUNE},
         ["Fine-tune: layers 2-3 changed", "1 retyped, 1 only in a, 1 only in b.", "[256,32]                   lm_head.weight", "score.weight"])]:
    code, out, error = shell.script(script, **parameters)
    tally.equal((code, error), (0, ""), f"sql/{script}.sql runs")
    for text in wanted:
        tally.check(text in out, f"sql/{script}.sql shows {text}", out)
    tally.check(all(map(shell.is_narrow, map(str.rstrip, out.splitlines()))), f"sql/{script}.sql is narrow enough", out)

# demo on one's own files, oddly named.
with tempfile.TemporaryDirectory() as directory:
    odd = os.path.join(directory, "it's \"my\" model.safetensors")
    os.link(BASE, odd) if os.stat(directory).st_dev == os.stat(BASE).st_dev else \
        run("cp", BASE, odd)
    done = subprocess.run(["tests/demo"], env={**os.environ, "MODEL": odd, "BUILD": BUILD},
                          capture_output=True, text=True, check=False)
    tally.check(done.returncode == 0 and "78.1 k" in done.stdout, "demo with MODEL", done.stdout,
                done.stderr)
tally.finish()
