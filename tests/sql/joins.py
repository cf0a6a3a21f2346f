"""Joins and comparisons of two models of 91,991 tensors, single files and shards, in one order and in another: the
rows, against sets in Python; that no header is read twice and no data at all, by the kernel's counts.

Long: left out where all takes longer.
"""

import ctypes
import mmap
import os
import random
import shutil
import struct
import sys
import tempfile
import time

import making
from tally import Tally, connect

TENSORS, SHARDS = 91991, 163
tally = Tally()
ROOT = tempfile.mkdtemp(prefix="joins.")
rng = random.Random(20260701)
COUNTER = "/proc/self/io"


def names_of(layers):
    return [f"model.layers.{i // 1500}.mlp.experts.{i % 1500}.down_proj.weight_scale_inv" for i in layers]


# What a and b have: 1,000 tensors only a, 2,000 only b; every 97th of another dtype, every 89th of another shape.
COMMON = range(1000, TENSORS)
IN_A, IN_B = range(TENSORS), range(1000, TENSORS + 2000)
RETYPED = {i for i in COMMON if i % 97 == 0}
RESHAPED = {i for i in COMMON if i % 89 == 0}


def content(numbers, is_b):
    return {name: ("F16" if is_b and i in RETYPED else "BF16", [2, 1] if is_b and i in RESHAPED else [2], b"\0\1\2\3")
            for i, name in zip(numbers, names_of(numbers))}


def make_shards(directory, tensors):
    """Neighbours are in different shards, so that lookups in order go from shard to shard."""
    shards = {f"model-{i + 1:05}-of-{SHARDS:05}.safetensors": {} for i in range(SHARDS)}
    for i, (name, tensor) in enumerate(tensors.items()):
        shards[f"model-{i % SHARDS + 1:05}-of-{SHARDS:05}.safetensors"][name] = tensor
    return making.model(directory, shards)


def shuffled(tensors):
    items = list(tensors.items())
    rng.shuffle(items)
    return dict(items)


def wait_for_clock():
    """Lets files become so old that their times say which state they are in."""
    time.sleep(0.1)


def counted(db, sql):
    """A query's rows, how often it reads from files, and how many bytes."""
    def counters():
        if not os.path.exists(COUNTER):
            return 0, 0
        with open(COUNTER, encoding="ascii") as io:
            lines = dict(line.split(": ") for line in io)
        return int(lines["syscr"]), int(lines["rchar"])

    calls, size = counters()
    rows = db.execute(sql).fetchall()
    more_calls, more_size = counters()
    return rows, more_calls - calls - 2, more_size - size


HEADERS_ONLY = "name, dtype_a, dtype_b, shape_a, shape_b"
EXPECTED = (TENSORS + 2000, len(COMMON), 1000, 2000, len(RETYPED), len(RESHAPED))


def joined(a, b):
    return (f"SELECT count(*), sum(a.name IS NOT NULL AND b.name IS NOT NULL), sum(b.name IS NULL), sum(a.name IS NULL), "
            f"sum(a.dtype <> b.dtype), sum(a.shape <> b.shape) FROM {a} a FULL JOIN {b} b USING (name)")


def compared(a, b):
    return (f"SELECT count(*), count(dtype_a || dtype_b), sum(dtype_b IS NULL), sum(dtype_a IS NULL), sum(dtype_a <> dtype_b), "
            f"sum(shape_a <> shape_b) FROM safetensors_diff('{a}', '{b}')")


def test_pair(a, b, files, what):
    """`files` is how many there are."""
    db = connect()
    rows, reads, _ = counted(db, compared(a, b))
    tally.equal(rows, [EXPECTED], f"{what}: safetensors_diff")
    tally.check(reads <= 4 * files, f"{what}: each file is read once", reads)
    for sql in (joined(f"safetensors_tensors('{a}')", f"safetensors_tensors('{b}')"), compared(a, b)):
        rows, reads, _ = counted(db, sql)
        tally.equal(rows, [EXPECTED], f"{what}: {sql[:30]}")
        tally.check(reads <= 8, f"{what}: and never again", reads)  # indexes apart
    db.execute(f"CREATE VIRTUAL TABLE temp.named_a USING safetensors('{a}')")
    db.execute(f"CREATE VIRTUAL TABLE temp.named_b USING safetensors('{b}')")
    tally.equal(db.execute(joined("named_a", "named_b")).fetchall(), [EXPECTED], f"{what}: named tables")
    rows = db.execute("SELECT x.name = y.name AND x.status = y.status, count(*) FROM "
                      f"safetensors_diff('{a}', '{b}') x JOIN safetensors_diff('{b}', '{a}') y USING (name) "
                      "WHERE x.status IN ('retyped', 'reshaped') GROUP BY 1").fetchall()
    tally.equal(rows, [(1, len(RETYPED | RESHAPED))], f"{what}: two comparisons joined")
    db.close()


def resident(path):
    """Which pages of a file are in memory, without touching it."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        size = os.fstat(file.fileno()).st_size
        mapped = mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    pages = (ctypes.c_ubyte * ((size + mmap.PAGESIZE - 1) // mmap.PAGESIZE))()
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
    if ctypes.CDLL(None).mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), pages) != 0:
        raise OSError("mincore")
    return [page & 1 for page in pages]


def drop(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_no_data_page():
    """Two files of 91,991 tensors of 16 KB, dropped from memory: what comes back is the header, and nothing is mapped."""
    paths = [f"{ROOT}/{x}.sparse" for x in "ab"]
    for path, numbers in zip(paths, (IN_A, IN_B)):
        each = 16384
        entries = ",".join(f'"{name}":{{"dtype":"U8","shape":[{each}],"data_offsets":[{i * each},{(i + 1) * each}]}}'
                           for i, name in enumerate(names_of(numbers)))
        header = ("{" + entries + "}").encode()
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header)
            file.truncate(8 + len(header) + each * len(numbers))
        drop(path)
    ends = []
    for path in paths:
        with open(path, "rb") as file:
            ends.append(8 + struct.unpack("<Q", file.read(8))[0] + mmap.PAGESIZE)  # the last page of the header
    for path in paths:
        drop(path)
    if any(sum(resident(path)) > 1000 for path in paths):
        print("skipped: which pages were read (this file system keeps what it is asked to drop)")
        return
    db = connect()
    for sql, expected in [
            (f"SELECT count(*), count(shape_a || dtype_a), count(shape_b || dtype_b) FROM safetensors_diff('{paths[0]}', '{paths[1]}')",
             (TENSORS + 2000, TENSORS, TENSORS + 1000)),
            (f"SELECT count(*), min(status), max(status) FROM safetensors_diff('{paths[0]}', '{paths[1]}') "
             "WHERE status IN ('only_a', 'only_b', 'retyped', 'reshaped')", (3000, "only_a", "only_b"))]:
        tally.equal(db.execute(sql).fetchone(), expected, sql)
    with open("/proc/self/maps", encoding="utf-8") as maps:
        tally.check(not any(path in line for line in maps for path in paths), "nothing is mapped")
    for path, end in zip(paths, ends):
        tally.equal(sum(resident(path)[end // mmap.PAGESIZE:]), 0, "pages of data in memory")
    # And that a page would have been seen: the first row of another status reads from both.
    sql = f"SELECT status FROM safetensors_diff('{paths[0]}', '{paths[1]}') WHERE name = '{names_of([90000])[0]}'"
    tally.equal(db.execute(sql).fetchone(), ("same",), "a status that needs bytes")
    tally.check(all(any(resident(path)[end // mmap.PAGESIZE:]) for path, end in zip(paths, ends)), "pages that were read are seen")


try:
    a, b = content(IN_A, False), content(IN_B, True)
    files = [making.file(f"{ROOT}/a.safetensors", a), making.file(f"{ROOT}/b.safetensors", b),
             making.file(f"{ROOT}/shuffled.safetensors", shuffled(b))]
    wait_for_clock()
    make_shards(f"{ROOT}/a", a)
    make_shards(f"{ROOT}/b", b)
    wait_for_clock()
    test_pair(files[0], files[1], 2, "two files")
    test_pair(files[0], files[2], 2, "two files, another order")
    test_pair(f"{ROOT}/a", f"{ROOT}/b", 2 * SHARDS + 2, "two models of 163 shards")
    test_pair(files[0], f"{ROOT}/b", SHARDS + 2, "a file and a model")
    os.remove(f"{ROOT}/b/model.safetensors.index.json")
    test_pair(files[0], f"{ROOT}/b", SHARDS + 1, "a file and a directory without an index")
    test_no_data_page()
finally:
    shutil.rmtree(ROOT)
tally.finish()
