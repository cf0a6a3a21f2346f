"""Headers beside the crate in Rust, safetensors in Python, and DuckDB: a model of many shards, opening one file,
joining two, and a whole process from its start to its end."""

import json
import os
import shutil
import subprocess
import sys

from directories import write
from index import model
from measure import BUILD, DIRECTORY, Shell, Stopwatch, in_fresh_shell, numpy, scaled, torch
from peers_report import Peer, against, agree, process, table

try:
    from safetensors import safe_open
except ImportError:
    safe_open = None
try:
    import duckdb
except ImportError:
    duckdb = None

RUST = os.path.join(BUILD, "peers", "rust", "release", "peers")
NO_RUST = "it was not built (no cargo, or no crates.io)"
TENSORS = 100_000
MEMBERS = "MAP(VARCHAR, STRUCT(dtype VARCHAR, shape BIGINT[], data_offsets BIGINT[]))"


# ---- The peers ----

class Rust:
    """The program peers_rust, which has just been started."""

    def __init__(self):
        self.process = subprocess.Popen([RUST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def run(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().rstrip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def in_rust(line):
    """A contestant, or None: that line in a program that knows nothing yet, whose start is not counted."""
    def contestant():
        with Rust() as rust:
            watch = Stopwatch(rust.process.pid)
            rust.run(line)
            return watch.spent()
    return contestant if os.path.exists(RUST) else None


def agrees_with_rust(what, sql, line):
    if os.path.exists(RUST):
        with Shell() as shell, Rust() as rust:
            agree(what, shell.run(sql)[0], rust.run(line).split("|"))


def keys_in_python(path):
    with safe_open(path, framework="np") as file:
        return len(file.keys())


def model_in_python(directory):
    with open(f"{directory}/model.safetensors.index.json", encoding="utf-8") as file:
        shards = set(json.load(file)["weight_map"].values())
    return sum(keys_in_python(os.path.join(directory, shard)) for shard in sorted(shards))


# ---- What is measured ----

def sharded():
    shards, tensors = 163, scaled(500_000)
    directory = model(shards, tensors)
    index = f"{directory}/model.safetensors.index.json"
    by_index, by_glob = (f"SELECT count(*), sum(nbytes) FROM safetensors_tensors('{path}')"
                         for path in (index, f"{directory}/*.safetensors"))
    agrees_with_rust("the model", by_index, f"index {index}")
    table(f"a model opened by its index: {shards} shards, {tensors:,} tensors")
    against(in_fresh_shell(by_index),
            Peer("Rust: serde_json, the crate for each shard", in_rust(f"index {index}"), 2, NO_RUST),
            Peer("the extension, the shards by a pattern", in_fresh_shell(by_glob)))
    against(in_fresh_shell(by_index),
            Peer("Python: json, safe_open for each shard", (lambda: model_in_python(directory)) if safe_open else None),
            most=7)
    shutil.rmtree(directory)


def names(count):
    """Tensors of a mixture of experts."""
    return [f"model.layers.{n // 3072}.mlp.experts.{n // 12 % 256}.{('gate', 'up', 'down')[n // 4 % 3]}_proj."
            f"{('weight', 'weight_packed', 'weight_scale', 'weight_shape')[n % 4]}" for n in range(count)]


def opening(path, tensors):
    sql = f"SELECT count(*), sum(nbytes) FROM safetensors_tensors('{path}')"
    agrees_with_rust("the file", sql, f"open {path}")
    table(f"one file opened and validated: {tensors:,} tensors")
    against(in_fresh_shell(sql), Peer("Rust: the crate", in_rust(f"open {path}"), 6, NO_RUST),
            Peer("Python: safe_open", (lambda: keys_in_python(path)) if safe_open else None, 6))


def header_alone(path):
    """The header as a file of JSON, which DuckDB can read."""
    with open(path, "rb") as file:
        text = file.read(int.from_bytes(file.read(8), "little"))
    with open(f"{path}.json", "wb") as file:
        file.write(text)
    return f"{path}.json"


def in_duckdb(paths):
    """Two contestants: the headers read and joined, and joined when they were tables before."""
    database = duckdb.connect()
    database.execute("SET threads = 1")
    headers = []
    for name, path in zip("ab", paths):
        entries = (f"SELECT unnest(map_entries(json)) AS entry FROM read_json('{header_alone(path)}', format = 'unstructured', "
                   f"records = false, maximum_object_size = 1000000000, columns = {{json: '{MEMBERS}'}})")
        headers.append("(SELECT entry.key AS name, entry.value.data_offsets[2] - entry.value.data_offsets[1] AS nbytes "
                       f"FROM ({entries}))")
        database.execute(f"CREATE TABLE {name} AS FROM {headers[-1]}")
    join = "SELECT count(*), sum(a.nbytes + b.nbytes) FROM {} a JOIN {} b USING (name)"
    return [lambda tables=tables: database.execute(join.format(*tables)).fetchone() for tables in (headers, "ab")]


def joining(paths, tensors):
    a, b = (f"safetensors_tensors('{path}')" for path in paths)
    sql = f"SELECT count(*), sum(a.nbytes + b.nbytes) FROM {a} a JOIN {b} b USING (name)"
    read, loaded = in_duckdb(paths) if duckdb else (None, None)
    table(f"two files joined by name: {tensors:,} tensors each")
    with Shell(sql) as shell:
        if duckdb:
            agree("the join", shell.run(sql)[0], read())
        against(in_fresh_shell(sql), Peer("DuckDB: read_json of both headers, join", read, 2))
        against(shell.timed(sql), Peer("DuckDB: join of tables (ours: headers known)", loaded))


def whole_process():
    tensors = 300
    path = os.path.join(DIRECTORY, "peers_300.safetensors")
    write(path, names(tensors))
    python = ("import sys; from safetensors import safe_open; file = safe_open(sys.argv[1], framework=sys.argv[2]); "
              "[print(name, file.get_slice(name).get_shape()) for name in file.keys()]")
    ours = process("sqlite3", "-batch", ":memory:", f".load {BUILD}/safetensors",
                   f"SELECT name, shape FROM safetensors_tensors('{path}')")
    table(f"a process from start to end: names and shapes of {tensors} tensors")
    against(ours, Peer("sqlite3 alone, which answers SELECT 1", process("sqlite3", "-batch", ":memory:", "SELECT 1")),
            within=3, least=20, most=100)
    against(ours, Peer("Rust: a program of its own", process(RUST, "list", path) if os.path.exists(RUST) else None,
                       missing=NO_RUST), least=20, most=100)
    against(ours, Peer("Python: safe_open, for NumPy",
                       process(sys.executable, "-c", python, path, "np") if safe_open and numpy else None),
            Peer("Python: safe_open, for PyTorch",
                 process(sys.executable, "-c", python, path, "pt") if safe_open and torch else None),
            most=9)
    os.remove(path)


def run():
    sharded()
    tensors = scaled(TENSORS)
    paths = [os.path.join(DIRECTORY, f"peers_{x}.safetensors") for x in "ab"]
    for path in paths:
        write(path, names(tensors))
    opening(paths[0], tensors)
    joining(paths, tensors)
    for path in paths:
        os.remove(path)
        if duckdb:
            os.remove(f"{path}.json")
    whole_process()
