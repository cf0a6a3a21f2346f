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


def shell(sql, token=TOKEN, loaded=True):
    command = ["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors"]
    if loaded:
        command += ["-cmd", f".load {VEC0}"]
    for name, value in [("path", BASE), ("name", NAME), ("token", token)] + [("vec0", VEC0)] * (not loaded):
        command += ["-cmd", f".param set :{name} {value}"]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    tally.equal((done.returncode, done.stderr), (0, ""), f"runs: {sql[:60]}")
    return done.stdout


def neighbours(name, token=TOKEN, loaded=True):
    with open(f"sql/{name}.sql", encoding="utf-8") as file:
        found = re.findall(r"^ *(\d+) +(-?\d\.\d{6})", shell(file.read(), token, loaded), re.MULTILINE)
    return [int(token) for token, _ in found], [float(cosine) for _, cosine in found]


def check():
    subprocess.run(["tests/make_demo", f"{BUILD}/demo"], check=True)
    tokens, cosines = neighbours("neighbours")
    tally.equal(len(tokens), 10, "ten neighbours")
    got_tokens, got_cosines = neighbours("neighbours_vec")
    tally.equal(got_tokens, tokens, "neighbours_vec.sql: tokens")
    tally.check(all(abs(a - b) < 3e-6 for a, b in zip(got_cosines, cosines)), "neighbours_vec.sql: cosines",
                got_cosines, cosines)
    tally.equal(neighbours("neighbours_vec", loaded=False)[0], tokens, "neighbours_vec.sql with the extension's path")
    last = neighbours("neighbours", -1)[0]
    tally.check(255 not in last, "the last row, -1, is not its own neighbour", last)
    tally.equal((neighbours("neighbours_vec", -1)[0], neighbours("neighbours", 255)[0]), (last, last), "-1 is the last row")
    got = shell("""
        CREATE VIRTUAL TABLE embedding USING vec0(vector float[32] distance_metric=cosine);
        INSERT INTO embedding(rowid, vector)
          SELECT i, tensor_cast(ref, 'F32') FROM tensor_rows(tensor_ref(:path, :name));
        SELECT rowid FROM embedding
        WHERE vector MATCH tensor_cast(tensor_ref(:path, :name, :token), 'F32') AND k = 11 ORDER BY distance;""")
    tally.equal([int(row) for row in got.split()], [TOKEN, *tokens], "a vec0 table")


if os.path.exists(VEC0):
    check()
else:
    print(f"skipped: sqlite-vec ({VEC0} is not there; VEC0 may name another, and .ci/deps asks npm)")
tally.finish()
