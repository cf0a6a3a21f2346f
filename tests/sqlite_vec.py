"""Rows of an embedding as sqlite-vec's vectors: sql/neighbours_vec.sql finds what sql/neighbours.sql finds, and
so does a vec0 table that is filled from tensor_rows.

VEC0 is the path of sqlite-vec's loadable extension; without it, that which .ci/deps got from npm is taken."""

import os
import re
import subprocess

from tally import BUILD, Tally

VEC0 = os.environ.get("VEC0", f"{BUILD}/npm/node_modules/sqlite-vec-linux-x64/vec0.so")
BASE = f"{BUILD}/demo/base.safetensors"
NAME, TOKEN = "model.embed_tokens.weight", 42
tally = Tally()


def shell(sql):
    command = ["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors", "-cmd", f".load {VEC0}"]
    for name, value in [("path", BASE), ("name", NAME), ("token", TOKEN)]:
        command += ["-cmd", f".param set :{name} {value}"]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    tally.equal((done.returncode, done.stderr), (0, ""), f"runs: {sql[:60]}")
    return done.stdout


def script(name):
    with open(f"sql/{name}.sql", encoding="utf-8") as file:
        return shell(file.read())


def check():
    subprocess.run([f"{BUILD}/tests/fixtures", "--demo", f"{BUILD}/demo"], check=True)
    expected = script("neighbours")
    tally.equal(len(re.findall(r"^\d+ +0\.\d{6}", expected, re.MULTILINE)), 10, "ten neighbours")
    tally.equal(script("neighbours_vec"), expected, "neighbours_vec.sql")
    nearest = re.findall(r"^(\d+) ", expected, re.MULTILINE)
    got = shell("""
        CREATE VIRTUAL TABLE embedding USING vec0(vector float[32] distance_metric=cosine);
        INSERT INTO embedding(rowid, vector)
          SELECT i, tensor_cast(ref, 'F32') FROM tensor_rows(tensor_ref(:path, :name));
        SELECT rowid FROM embedding
        WHERE vector MATCH tensor_cast(tensor_ref(:path, :name, :token), 'F32') AND k = 11 ORDER BY distance;""")
    tally.equal(got.split(), [str(TOKEN), *nearest], "a vec0 table")


if os.path.exists(VEC0):
    check()
else:
    print(f"skipped: sqlite-vec ({VEC0} is not there; VEC0 may name another, and .ci/deps asks npm)")
tally.finish()
