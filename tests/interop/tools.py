"""Hand in hand with other tools: sqlite-vec over embeddings of real models, json_each, CSV, and Parquet by
way of DuckDB. What is not installed is skipped."""

import csv
import io
import json
import os
import shutil
import struct
import subprocess
import tempfile

from tally import BUILD, Tally, connect

tally = Tally()
CORPUS = os.environ.get("CORPUS", "../shared/corpus")
VEC0 = os.environ.get("VEC0", f"{BUILD}/npm/node_modules/sqlite-vec-linux-x64/vec0")
BASE = f"{BUILD}/demo/base.safetensors"
subprocess.run(["tests/make_demo", f"{BUILD}/demo"], check=True)
with open(BASE, "rb") as file:
    (length,) = struct.unpack("<Q", file.read(8))
    HEADER = {name: entry for name, entry in json.loads(file.read(length)).items() if name != "__metadata__"}


def shell(*arguments, text=None):
    command = ["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    tally.equal((done.returncode, done.stderr), (0, ""), f"runs: {arguments}")
    return done.stdout


def check_vec(numpy):
    """Nearest neighbours, against NumPy: by cosine over rows of 5120 numbers, by distance in a vec0 table."""
    def rows(path, name):
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            entry = json.loads(file.read(length))[name]
            begin, end = entry["data_offsets"]
            file.seek(8 + length + begin)
            return numpy.frombuffer(file.read(end - begin), "float16").astype("float64").reshape(entry["shape"])

    db = connect()
    db.enable_load_extension(True)
    db.load_extension(VEC0)
    path = f"{CORPUS}/valid/SceneWorks+mlx-gen__mlx-gen-seedvr2__data__neg_embed.safetensors"
    vectors = rows(path, "embedding")
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    similar = unit @ unit[7]
    expected = [int(i) for i in numpy.argsort(-similar) if i != 7][:10]
    got = db.execute("""
        SELECT r.i, 1 - vec_distance_cosine(tensor_cast(r.ref, 'F32'), tensor_cast(tensor_ref(:p, 'embedding', 7), 'F32'))
        FROM tensor_rows(tensor_ref(:p, 'embedding')) AS r WHERE r.i <> 7 ORDER BY 2 DESC LIMIT 10""", {"p": path}).fetchall()
    tally.equal([i for i, _ in got], expected, "neighbours by cosine")
    tally.check(all(abs(cosine - similar[i]) < 1e-5 for i, cosine in got), "cosines", got)

    path = f"{CORPUS}/valid/MinishLab+model2vec-rs__tests__fixtures__test-model-float16__model.safetensors"
    vectors = rows(path, "embeddings")
    db.execute("CREATE VIRTUAL TABLE embedding USING vec0(vector float[2])")
    db.execute("INSERT INTO embedding(rowid, vector) SELECT i, tensor_cast(ref, 'F32') "
               "FROM tensor_rows(tensor_ref(?, 'embeddings'))", (path,))
    got = db.execute("SELECT rowid, distance FROM embedding "
                     "WHERE vector MATCH tensor_cast(tensor_ref(?, 'embeddings', '1234'), 'F32') AND k = 20", (path,))
    distances = numpy.linalg.norm(vectors - vectors[1234], axis=1)
    found = got.fetchall()
    tally.equal(found[0][0], 1234, "a vector's nearest is itself")
    tally.check(numpy.allclose([distance for _, distance in found], numpy.sort(distances)[:20], atol=1e-6),
                "neighbours in a vec0 table", found)


def check_json():
    db = connect()
    got = db.execute("SELECT name, json_each.key, json_each.value FROM safetensors_tensors(?), json_each(shape)", (BASE,))
    expected = [(name, i, size) for name, entry in HEADER.items() for i, size in enumerate(entry["shape"])]
    tally.equal(sorted(got), sorted(expected), "json_each(shape)")
    got = db.execute("SELECT sum(json_each.value) FROM json_each(tensor_json(tensor_ref(?, 'lm_head.weight', '3')))",
                     (BASE,)).fetchone()[0]
    expected = db.execute("SELECT sum(value) FROM tensor_elements(tensor_ref(?, 'lm_head.weight', '3'))", (BASE,))
    tally.check(abs(got - expected.fetchone()[0]) < 1e-12, "json_each(tensor_json)")


def check_csv():
    """Out of the shell as CSV, and into a table again."""
    text = shell("-csv", "-header", ":memory:", f"SELECT name, dtype, shape, nbytes FROM safetensors_tensors('{BASE}')")
    got = list(csv.DictReader(io.StringIO(text)))
    tally.equal({row["name"]: json.loads(row["shape"]) for row in got},
                {name: entry["shape"] for name, entry in HEADER.items()}, "CSV out of the shell")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "wanted.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("name\nlm_head.weight\nmodel.norm.weight\nnot there\n")
        out = shell(":memory:", text=f""".import --csv {path} wanted
            SELECT name, dtype FROM wanted LEFT JOIN safetensors_tensors('{BASE}') USING (name);""")
        tally.equal(out, "lm_head.weight|BF16\nmodel.norm.weight|F32\nnot there|\n", "CSV into the shell")


def check_parquet():
    with tempfile.TemporaryDirectory() as directory:
        table = os.path.join(directory, "tensors.parquet")
        text = shell("-csv", "-header", ":memory:", f"SELECT name, numel FROM safetensors_tensors('{BASE}')")
        for sql in [f"COPY (FROM read_csv('/dev/stdin')) TO '{table}'",
                    f"COPY (SELECT count(*), sum(numel) FROM '{table}') TO '/dev/stdout' (FORMAT csv, HEADER false)"]:
            done = subprocess.run(["duckdb", "-c", sql], input=text, capture_output=True, text=True, check=False)
            tally.equal((done.returncode, done.stderr), (0, ""), f"duckdb runs {sql}")
        tally.equal(done.stdout.split()[0], "39,78112", "Parquet by way of DuckDB")


try:
    import numpy
except ImportError:
    numpy = None
if numpy is None or not os.path.exists(VEC0 + ".so") or not os.path.isdir(CORPUS):
    print("skipped: sqlite-vec over embeddings of real models (needs NumPy, sqlite-vec from npm, the corpus)")
else:
    check_vec(numpy)
check_json()
check_csv()
if shutil.which("duckdb"):
    check_parquet()
else:
    print("skipped: Parquet by way of DuckDB (duckdb, its command line, is not installed)")
tally.finish()
