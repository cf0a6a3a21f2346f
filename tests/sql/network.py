#!/usr/bin/env python3
"""Checkpoints at addresses, asked for part by part: those of a hub, of a store and of the web, all on loopback. Tables, refs,
expressions and writers give what the files themselves give; nothing is asked while the network is off; every fault is an
error and never another answer."""

import json
import os
import random
import shutil
import sqlite3
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from store_server import StoreWeb  # noqa: E402  pylint: disable=wrong-import-position
from tally import Tally, connect, database_error  # noqa: E402  pylint: disable=wrong-import-position
from web_server import COMMIT, Web  # noqa: E402  pylint: disable=wrong-import-position

tally = Tally()
root = tempfile.mkdtemp()


def write(name, tensors):
    """A file of F32 tensors, by name: shape and first number."""
    header, data = {}, b""
    for tensor, (shape, first) in tensors.items():
        count = 1
        for size in shape:
            count *= size
        values = struct.pack(f"<{count}f", *((first + i) % 1000 / 8 for i in range(count)))
        header[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(root, name), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    with open(os.path.join(root, name), "rb") as file:
        return file.read()


SHARDS = {f"model-0000{i}-of-00003.safetensors": write(f"model-0000{i}-of-00003.safetensors", {f"layer.{i}.{n}": ([20, 50], i * 100 + n) for n in (1, 2)})
          for i in (1, 2, 3)}
INDEX = json.dumps({"metadata": {"total_size": 24000}, "weight_map": {f"layer.{i}.{n}": f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3) for n in (1, 2)}}).encode()
os.makedirs(os.path.join(root, "one"))
LARGE = write("one/large.safetensors", {"a": ([1000, 1000], 1), "b": ([1000, 1000], 2), **{f"x.{i}": ([1], i) for i in range(3000)}})
with open(os.path.join(root, "model.safetensors.index.json"), "wb") as index_file:
    index_file.write(INDEX)

web = Web({**SHARDS, "model.safetensors.index.json": INDEX, "config.json": b'{"torch_dtype": "bfloat16"}'}, plain=True)
other = Web({"large.safetensors": LARGE, **SHARDS, "bad.safetensors": b"\xff" * 200, "cut.safetensors": LARGE[:100000]})
store = StoreWeb({"run/1/model.safetensors": SHARDS["model-00001-of-00003.safetensors"], "run/2/model.safetensors": SHARDS["model-00002-of-00003.safetensors"],
                  "run/notes.txt": b"x"})
for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("AWS_", "HF_"))]:
    del os.environ[variable]
os.environ.update(SAFETENSORS_HEADER_CACHE="off", XDG_CACHE_HOME=os.path.join(root, "xdg"), HF_ENDPOINT=web.hub, HF_TOKEN="hf_test", HF_HUB_CACHE=os.path.join(root, "cache"), AWS_ENDPOINT_URL=store.address,
                  AWS_ACCESS_KEY_ID="AKTEST", AWS_SECRET_ACCESS_KEY="secret/+key")
BASE = f"{other.hub}/any/where/resolve/main"
HUB = "hf://org/name"


def online(**settings):
    db = connect()
    for name, value in {"network": "on", **settings}.items():
        db.execute("SELECT safetensors_config(?, ?)", (name, value)).fetchall()
    return db


def rows(db, sql, *arguments):
    return db.execute(sql, arguments).fetchall()


COLUMNS = "name, dtype, shape, numel, nbytes, offset, layer, pattern"


def test_tables():
    db = online()
    for remote, local in ((HUB, root + "/model.safetensors.index.json"), (f"{HUB}@{COMMIT}/model.safetensors.index.json", root + "/model.safetensors.index.json"),
                          (f"{web.hub}/org/name", root + "/model.safetensors.index.json"), (f"{BASE}/plain+large.safetensors", root + "/one/large.safetensors"),
                          (f"{HUB}/model-00002-of-00003.safetensors", root + "/model-00002-of-00003.safetensors"),
                          ("s3://models/run/1/model.safetensors", root + "/model-00001-of-00003.safetensors")):
        for table, columns in (("tensors", COLUMNS), ("metadata", "key, value"), ("files", "size, header_size, tensors, numel, nbytes, status"),
                               ("weights", "name, scheme, shape, numel, nbytes, status"), ("adapter", "module, kind"), ("check", "severity, code, tensor, offset")):
            sql = f"SELECT {columns} FROM safetensors_{table}(?)"
            tally.equal(rows(db, sql, remote), rows(db, sql, local), f"safetensors_{table}('{remote}')")


def test_places():
    db = online()
    names = [name for name, in rows(db, "SELECT DISTINCT file FROM safetensors_tensors('s3://models/run/*/model.safetensors')")]
    tally.equal(names, ["s3://models/run/1/model.safetensors", "s3://models/run/2/model.safetensors"], "a pattern in a store")
    tally.equal(rows(db, "SELECT count(DISTINCT file) FROM safetensors_tensors('s3://models/**/m*.safetensors')"), [(2,)], "a pattern of any depth")
    tally.equal(rows(db, "SELECT file FROM safetensors_files('s3://models/run/1')"), [("s3://models/run/1/model.safetensors",)], "a folder of a store")
    tally.equal(rows(db, "SELECT count(DISTINCT file) FROM safetensors_tensors('hf://org/name/*-00002-*.safetensors')"), [(1,)], "a pattern in a repository")
    for address, words in (("s3://models/none/", "found none"), ("s3://models/run/*/x", "found none"), ("hf://org/none", "found none of that name"),
                           ("hf://org/name@v9", "no such one"), (f"{BASE}/missing+large.safetensors", "404"), ("https://example.invalid/x.safetensors", "example.invalid"),
                           (f"{HUB}/none.safetensors", "found that it has no such one")):
        problem = database_error(db, "SELECT count(*) FROM safetensors_tensors(?)", address)
        tally.check(problem.startswith("safetensors: ") and words in problem, address, problem)


def test_values():
    """What refs give, by every way of reading."""
    for settings in {}, {"io": "pread"}:
        for threads in 0, 3:
            db = online(**settings)
            db.execute(f"PRAGMA threads = {threads}")
            far, near = f"{BASE}/plain+large.safetensors#", root + "/one/large.safetensors#"
            for sql in ("SELECT * FROM tensor_stats('{}a')", "SELECT tensor_hash('{}b')", "SELECT * FROM tensor_compare('{}a', '{}b')",
                        "SELECT sum(value) FROM tensor_elements('{}b', '990:, ::7')", "SELECT tensor_item('{}a', 3, 4)", "SELECT * FROM tensor_histogram('{}a', 7)",
                        "SELECT max FROM tensor_stats(tensor_add('{}a', '{}b'))", "SELECT hex(tensor_data('{}x.7'))", "SELECT length(tensor_data('{}a')), max(tensor_data('{}b')) IS NOT NULL",
                        "SELECT tensor_quantile('{}a', 0.25)", "SELECT count(*), sum(length(data)) FROM tensor_rows('{}a')", "SELECT tensor_json('{}a', '5, :9')"):
                tally.equal(rows(db, sql.replace("{}", far)), rows(db, sql.replace("{}", near)), f"{sql} {settings} {threads}")


def test_escapes():
    """The escapes of an address are its own: in refs and columns, too, they stay as they are."""
    db = online()
    address = f"{other.hub}/caf%C3%A9/a%20b%2525/plain+large.safetensors"
    tally.equal(rows(db, "SELECT DISTINCT file FROM safetensors_tensors(?)", address), [(address,)], "an address with escapes")
    tally.equal(rows(db, "SELECT tensor_hash(ref) FROM safetensors_tensors(?) WHERE name = 'b'", address), rows(db, "SELECT tensor_hash(?)", root + "/one/large.safetensors#b"), "its refs")


def test_joins():
    db = online()
    tally.equal(rows(db, "SELECT status, count(*), sum(n_diff) FROM safetensors_diff(?, ?) GROUP BY 1", HUB, root + "/model.safetensors.index.json"),
                [("same", 6, 0)], "a repository and its copy")
    tally.equal(rows(db, "SELECT count(*) FROM safetensors_tensors(?) AS a JOIN safetensors_tensors(?) AS b USING (name)", HUB, root + "/model.safetensors.index.json"),
                [(6,)], "a join")


def test_writers():
    """Refs of the network are written as others are, copied or converted."""
    db = online()
    path = os.path.join(root, "copy.safetensors")
    db.execute("INSERT INTO safetensors_write SELECT ?, name, iif(name = 'a', 'BF16', dtype), shape, ref FROM safetensors_tensors(?) WHERE numel > 1", (path, f"{BASE}/plain+large.safetensors"))
    db.commit()
    expected = rows(db, "SELECT tensor_hash(tensor_cast(ref, 'BF16'), 'BF16') FROM safetensors_tensors(?) WHERE name = 'a'", root + "/one/large.safetensors")
    tally.equal(rows(db, "SELECT tensor_hash(ref) FROM safetensors_tensors(?) WHERE name = 'a'", path), expected, "converted")
    tally.equal(rows(db, "SELECT tensor_equal(?, ?)", path + "#b", root + "/one/large.safetensors#b"), [(1,)], "copied")
    problem = database_error(db, "INSERT INTO safetensors_write SELECT 'https://example.invalid/x.safetensors', name, NULL, NULL, ref FROM safetensors_tensors(?)", HUB)
    tally.check("address" in problem, "writing to an address", problem)


def test_requests():
    """What is asked: headers, and bytes that are wanted."""
    db = online()
    other.log.clear()
    rows(db, "SELECT name FROM safetensors_tensors(?)", f"{BASE}/plain+large.safetensors")
    tally.equal([line[3] for line in other.log if line[0] == "Cdn"], ["bytes=0-131071", f"bytes=131072-{7 + struct.unpack('<Q', LARGE[:8])[0]}"], "a header of 250 kB")
    other.log.clear()
    begin = 8 + struct.unpack("<Q", LARGE[:8])[0]
    rows(db, "SELECT tensor_item(?, 500, 2)", f"{BASE}/plain+large.safetensors#a")
    fetched = [line[3] for line in other.log if line[0] == "Cdn"]
    tally.check(sum(int(r.split("-")[1]) - int(r[6:].split("-")[0]) + 1 for r in fetched[2:]) < 70000 and str(begin)[:2], "an item", str(fetched))
    web.log.clear()
    rows(db, "SELECT name FROM safetensors_tensors(?)", HUB)
    rows(db, "SELECT name FROM safetensors_tensors(?)", HUB)
    asked = [line[2].split("?")[0] for line in web.log if line[0] == "Hub"]
    tally.equal((sum("/api/" in path for path in asked), sum("/resolve/" in path for path in asked)), (5, 4), "a repository, twice: commit, four pages, index, three shards")


def test_cache():
    """Files that this machine's cache has at that commit are not asked for."""
    snapshot = os.path.join(root, "cache", "models--org--name", "snapshots", COMMIT)
    os.makedirs(snapshot)
    os.makedirs(os.path.join(root, "cache", "models--org--name", "refs"))
    with open(os.path.join(root, "cache", "models--org--name", "refs", "main"), "w", encoding="utf-8") as file:
        file.write("f" * 40)
    shutil.copy(os.path.join(root, "model-00002-of-00003.safetensors"), snapshot)
    db = online()
    web.log.clear()
    files = [os.path.dirname(file) for file, in rows(db, "SELECT DISTINCT file FROM safetensors_tensors(?)", HUB)]
    tally.equal(files, [f"{HUB}@{COMMIT}", snapshot, f"{HUB}@{COMMIT}"], "one shard of the cache")
    tally.check(not any("00002-of" in line[2] for line in web.log), "it is not asked for")
    os.environ["HF_HUB_OFFLINE"] = "1"
    web.log.clear()
    problem = database_error(online(), "SELECT count(*) FROM safetensors_tensors(?)", HUB)
    tally.check("snapshots/ffff" in problem and not web.log, "offline, what the cache says is main", problem)
    del os.environ["HF_HUB_OFFLINE"]
    shutil.rmtree(os.path.join(root, "cache"))


def test_header_cache():
    """Headers and lists of a commit are asked for once by all connections; what is damaged is asked for again."""
    sql, kept = "SELECT name, dtype, shape, ref FROM safetensors_tensors(?)", os.path.join(root, "xdg", "sqlite-safetensors")
    first = rows(online(header_cache="on"), sql, HUB)
    web.log.clear()
    tally.equal(rows(online(header_cache="on"), sql, HUB), first, "from the cache")
    asked = [line[2].split("?")[0] for line in web.log]
    tally.equal(asked, ["/api/models/org/name/revision/main"], "the commit alone is asked for")
    web.log.clear()
    pinned = f"{HUB}@{COMMIT}/model-00001-of-00003.safetensors"
    tally.equal(rows(online(header_cache="on"), sql, pinned)[0][0], "layer.1.1", "a file of a commit")
    tally.equal(web.log, [], "nobody is asked")
    local = rows(online(), "SELECT tensor_hash(?)", root + "/model-00001-of-00003.safetensors#layer.1.1")
    tally.equal(rows(online(header_cache="on"), "SELECT tensor_hash(?)", pinned + "#layer.1.1"), local, "bytes behind a header that was kept")
    names = os.listdir(kept)
    tally.check(len(names) >= 4, "what is kept", str(names))
    for name in names:
        with open(os.path.join(kept, name), "r+b") as file:
            file.seek(60)
            file.write(b"\xff")
    web.log.clear()
    tally.equal(rows(online(header_cache="on"), sql, HUB), first, "damaged files")
    tally.check(sum("/resolve/" in line[2] for line in web.log) >= 4, "they are asked for again")
    web.log.clear()
    rows(online(), sql, pinned)
    tally.check(len(web.log) > 0, "switched off")


def test_off():
    """Nothing is asked for unless the network is on; and once it is never, it stays so."""
    for log in web.log, other.log, store.log:
        log.clear()
    db = connect()
    for address in HUB, f"{BASE}/plain+large.safetensors", "s3://models/run/1/model.safetensors", f"{web.hub}/org/name":
        for sql in "SELECT * FROM safetensors_tensors(?)", "SELECT tensor_hash(? || '#a')", "SELECT * FROM safetensors_files(?)", "SELECT * FROM safetensors_weights(?)":
            problem = database_error(db, sql, address)
            tally.check("safetensors_config('network', 'on')" in problem or sql.startswith("SELECT * FROM safetensors_files"), f"{sql} {address}", problem)
    tally.equal((web.log, other.log, store.log), ([], [], []), "nobody was asked")
    tally.equal(rows(db, "SELECT safetensors_config('network')"), [("off",)], "off at first")
    rows(db, "SELECT safetensors_config('network', 'never')")
    tally.check("to stay never" in database_error(db, "SELECT safetensors_config('network', 'on')"), "never")
    tally.check("expected off, on or never" in database_error(connect(), "SELECT safetensors_config('network', 'maybe')"), "another word")
    locked = connect()
    rows(locked, "SELECT safetensors_config('locked', 'on')")
    tally.check("locked" in database_error(locked, "SELECT safetensors_config('network', 'on')"), "locked")
    tally.check("locked" in database_error(locked, "SELECT safetensors_config('network_limit', 5)"), "its limit, too")
    os.environ["SAFETENSORS_NETWORK"] = "on"
    tally.equal(rows(connect(), "SELECT safetensors_config('network')"), [("on",)], "SAFETENSORS_NETWORK")
    del os.environ["SAFETENSORS_NETWORK"]
    on = online()
    rows(on, "SELECT count(*) FROM safetensors_tensors(?)", HUB)
    rows(on, "SELECT safetensors_config('network', 'off')")
    tally.check("switches it on" in database_error(on, "SELECT count(*) FROM safetensors_tensors(?)", f"{HUB}@{COMMIT}/model-00001-of-00003.safetensors") or
                "network" in database_error(on, "SELECT count(*) FROM safetensors_tensors(?)", HUB), "switched off again")


def test_limit():
    db = online(network_limit=1_000_000)
    tally.equal(rows(db, "SELECT safetensors_config('network_limit')"), [(1_000_000,)], "the limit")
    ref = f"{BASE}/plain+large.safetensors#a"
    tally.check("network_limit" in database_error(db, "SELECT tensor_hash(?)", ref), "a statement that needs more")
    tally.equal(rows(db, "SELECT tensor_item(?, 0, 0)", ref), rows(db, "SELECT tensor_item(?, 0, 0)", root + "/one/large.safetensors#a"), "the next one has it again")
    for value in "x", -1, 1.5:
        tally.check("expected a number of bytes" in database_error(db, "SELECT safetensors_config('network_limit', ?)", value), f"network_limit {value}")


def test_faults():
    """Each fault of the server, for a header and for bytes: the right answer or an error, in time."""
    right = rows(connect(), "SELECT tensor_hash(?)", root + "/one/large.safetensors#a")
    for fault in ("missing", "gated", "expired", "change", "norange", "gzip", "slow", "nohead", "loop", "inside", "relative", "words", "longheader", "unsized", "wrongrange", "nowhere", "limit", "cutonce"):
        other.counts.clear()
        start = time.monotonic()
        try:
            got = rows(online(), "SELECT tensor_hash(?)", f"{BASE}/{fault}+large.safetensors#a")
        except sqlite3.Error as problem:
            tally.check(str(problem).startswith("safetensors: http"), fault, str(problem))
        else:
            tally.equal(got, right, fault)
        tally.check(time.monotonic() - start < 30, f"{fault}: in time")
    for name, words in ("bad.safetensors", "safetensors"), ("cut.safetensors", "header"):
        problem = database_error(online(), "SELECT count(*) FROM safetensors_tensors(?)", f"{BASE}/plain+{name}")
        tally.check(words in problem and problem.startswith("safetensors: http"), name, problem)
        tally.equal(rows(online(), "SELECT status FROM safetensors_files(?)", f"{BASE}/plain+{name}"), [("invalid",)], f"{name}: its row")


def test_interrupt():
    for address in f"{BASE}/stall+large.safetensors", f"{BASE}/failing+large.safetensors":
        db = online()
        timer = threading.Timer(0.5, db.interrupt)
        start = time.monotonic()
        timer.start()
        problem = database_error(db, "SELECT count(*) FROM safetensors_tensors(?)", address)
        tally.check("interrupted" in problem and time.monotonic() - start < 0.8, f"an interrupt: {address}", problem, f"{time.monotonic() - start:.2f} s")
        tally.equal(rows(db, "SELECT count(*) FROM safetensors_tensors(?)", f"{BASE}/plain+large.safetensors"), [(3002,)], "the connection goes on")


def test_many():
    """Random mixtures of tensors, slices and statements over one connection."""
    db, chance = online(), random.Random(5)
    near, far = root + "/one/large.safetensors", f"{BASE}/plain+large.safetensors"
    for _ in range(40):
        begin = chance.randrange(1000)
        slice_ = f"{begin}:{begin + chance.randrange(1, 60)}, ::{chance.randrange(1, 5)}"
        name = chance.choice("ab")
        sql = chance.choice(("SELECT tensor_json(?, ?)", "SELECT hex(tensor_hash(tensor_slice(?, ?)))", "SELECT sum(value), count(*) FROM tensor_elements(?, ?)"))
        tally.equal(rows(db, sql, f"{far}#{name}", slice_), rows(db, sql, f"{near}#{name}", slice_), f"{sql} {name} {slice_}")


probe = database_error(online(), "SELECT count(*) FROM safetensors_tensors(?)", HUB)
if "install libcurl" in probe:
    print("skipped: the network (neither libcurl nor curl)")
    tally.finish()
try:
    tally.run(globals(), root)
finally:
    for server in web, other, store:
        server.stop()
