"""Many files: 10,000 adapters by a pattern, a model of 163 shards and 91,991 tensors; with no more
than 64 file descriptors, and what is read counted by the kernel.

Long: left out where all takes longer.
"""

import os
import resource
import struct
import subprocess
import sys
import tempfile
import time

import making
from tally import Tally, connect

ADAPTERS, SHARDS, TENSORS = 10000, 163, 91991
LARGE = 12000000  # bytes of a header, of which a connection keeps about five
KEPT = 64 << 20  # SESSION_HEADER_BYTES
HUGE = 95000000  # bytes of a header of which three are more than that

# What stands before this process counts in its children's limit.
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="scale.")


def rows(sql, *arguments):
    return db.execute(sql, arguments).fetchall()


COUNTER = "/proc/self/io"


def reads():
    """How often this process has read from files so far; asking takes two reads more."""
    with open(COUNTER, encoding="ascii") as io:
        return int(next(line for line in io if line.startswith("syscr")).split()[1])


def check(sql, expected, most, what):
    """A query's rows, and how often it reads from files at most."""
    before = reads() if COUNTER else 0
    tally.equal(rows(sql), expected, what)
    if COUNTER:
        count = reads() - before - 2
        tally.check(count <= most, f"{what}: reads", f"{count} of at most {most}")


if not os.path.exists(COUNTER):
    print(f"skipped: the number of reads (no {COUNTER})")
    COUNTER = None


def wait_for_clock():
    """Lets files become so old that their times say which state they are in."""
    time.sleep(0.1)


def test_adapters():
    directory = f"{ROOT}/adapters"
    content = {f"layers.{i}.lora_{ab}": ("F16", [2, 2], bytes(8)) for i in range(8) for ab in "AB"}
    with open(making.file(f"{directory}/adapter-0.safetensors", content), "rb") as file:
        data = file.read()
    for i in range(1, ADAPTERS):
        with open(f"{directory}/adapter-{i}.safetensors", "wb") as file:
            file.write(data)
    pattern = f"{directory}/*.safetensors"
    last = f"{directory}/adapter-{ADAPTERS - 1}.safetensors"
    wait_for_clock()
    check(f"SELECT count(*), sum(status = 'ok'), sum(tensors), count(DISTINCT rowid) FROM safetensors_files('{pattern}')",
          [(ADAPTERS, ADAPTERS, ADAPTERS * 16, ADAPTERS)], 2 * ADAPTERS + 100,
          "10,000 files, prefix and header of each")
    check(f"SELECT count(*), sum(t.nbytes), count(DISTINCT t.file) FROM safetensors_files('{pattern}') f, "
          "safetensors_tensors(f.file) t WHERE f.status = 'ok'", [(ADAPTERS * 16, ADAPTERS * 128, ADAPTERS)], 100,
          "10,000 files joined with their tensors, all headers known")
    tally.equal(rows(f"SELECT file FROM safetensors_files('{pattern}') LIMIT 1 OFFSET {ADAPTERS - 1}"), [(last,)],
                "the last in natural order")
    tally.equal(rows(f"SELECT count(*) FROM safetensors_tensors('{last}') a JOIN safetensors_tensors('{pattern}') b "
                     "USING (name)"), [(ADAPTERS * 16,)], "names looked up in 10,000 files")
    tally.equal(rows(f"SELECT count(*), max(offset) - min(offset) FROM (SELECT * FROM safetensors_tensors('{pattern}') "
                     "ORDER BY offset)"), [(ADAPTERS * 16, 120)], "10,000 files by offset")
    tally.equal(rows(f"SELECT count(tensor_data(ref)) FROM safetensors_tensors('{pattern}') "
                     "WHERE name = 'layers.0.lora_A'"), [(ADAPTERS,)], "bytes of 10,000 files")


def test_one_file_again_and_again():
    directory = f"{ROOT}/again"
    making.file(f"{directory}/a.safetensors", {"x": b"\1"})
    making.file(f"{directory}/b.safetensors", {"x": b"\2"})
    wait_for_clock()
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
    path = f"'{directory}/' || iif(i % 2, 'a', 'b') || '.safetensors'"  # in turn: a join cannot just keep one open
    check(f"{numbers} SELECT count(*), sum(t.nbytes) FROM n, safetensors_tensors({path}) t", [(10000, 10000)], 4,
          "a join that opens two files 10,000 times, prefix and header of each once")
    check(f"{numbers} SELECT sum(tensor_numel({path} || '#x')) FROM n", [(10000,)], 0, "10,000 refs to two files")
    making.file(f"{directory}/a.safetensors", {"x": b"\1", "y": b"\1"})
    tally.equal(rows(f"SELECT count(*) FROM safetensors_tensors('{directory}/a.safetensors')"), [(2,)], "a changed file")


def test_model():
    directory = f"{ROOT}/model"
    weight_map = {}
    os.makedirs(directory)
    for shard in range(SHARDS):
        name = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
        count = TENSORS // SHARDS + (shard < TENSORS % SHARDS)
        content = {f"model.layers.{shard}.mlp.experts.{i}.down_proj.weight_scale_inv": b"\1" for i in range(count)}
        making.file(f"{directory}/{name}", content)
        weight_map.update(dict.fromkeys(content, name))
    making.index(f"{directory}/model.safetensors.index.json", weight_map, total_size=TENSORS)
    wait_for_clock()
    table = f"safetensors_tensors('{directory}')"
    windows = os.path.getsize(f"{directory}/model.safetensors.index.json") // (512 << 10) + 1  # the index is read in these
    check(f"SELECT count(*), sum(nbytes), count(DISTINCT file) FROM {table}", [(TENSORS, TENSORS, SHARDS)],
          2 * SHARDS + 10 + windows, "163 shards, 91,991 tensors")
    middle = "model.layers.99.mlp.experts.99.down_proj.weight_scale_inv"
    check(f"SELECT file LIKE '%/model-00100-of-00163.safetensors' FROM {table} WHERE name = '{middle}'", [(1,)], 0,
          "a lookup")
    tally.equal(rows(f"SELECT count(*), sum(a.rowid = b.rowid) FROM {table} a JOIN {table} b USING (name)"),
                [(TENSORS, TENSORS)], "the model joined with itself")
    tally.equal(rows(f"SELECT count(tensor_dtype(ref)) FROM {table}"), [(TENSORS,)], "91,991 refs")
    offsets = [offset for offset, in rows(f"SELECT offset FROM {table} ORDER BY offset")]
    tally.equal(offsets, sorted(offsets), "by offset")


def test_huge_headers():
    """To and fro between three files whose headers take more together than may be kept of others."""
    directory = f"{ROOT}/huge"
    os.makedirs(directory)
    entry = b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"y":"'
    for name in "abc":
        text = entry + b"y" * (HUGE - len(entry) - 3) + b'"}}'
        with open(f"{directory}/{name}.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + b"\1")
    wait_for_clock()
    numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 29)"
    path = f"'{directory}/' || substr('abc', 1 + i % 3, 1) || '.safetensors'"
    check(f"{numbers} SELECT count(*), sum(tensor_numel({path} || '#x')) FROM n", [(30, 30)], 6,
          "refs to three files in turn, prefix and header of each once")
    check(f"{numbers} SELECT count(*), sum(t.numel) FROM n, safetensors_tensors({path}) t", [(30, 30)], 0,
          "a join that opens them in turn")


def test_memory():
    """Headers of 360 MB, of which 64 MB may be kept: a process that has read them all says how much it took."""
    directory = f"{ROOT}/large"
    os.makedirs(directory)
    text = b'{"__metadata__":{"x":"' + b"y" * (LARGE - 25) + b'"}}'
    for i in range(30):
        with open(f"{directory}/{i}.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
    wait_for_clock()
    program = f"""
from tally import connect
db = connect()
assert db.execute("SELECT sum(status = 'ok') FROM safetensors_files('{directory}')").fetchone() == (30,)
with open("/proc/self/status") as status:
    print(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    tally.check(int(done.stdout) * 1024 < KEPT + 5 * LARGE, "memory is bounded, Python's 35 MB included", done.stdout)


tally.run(globals(), ROOT)
