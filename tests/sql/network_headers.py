#!/usr/bin/env python3
"""What is asked for to read headers at addresses: how many bytes at first, of which shards, and what is not asked for again,
because the header cache has it or because the server says that nothing has changed."""

import json
import os
import shutil
import struct
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from store_server import StoreWeb  # noqa: E402  pylint: disable=wrong-import-position
from tally import Tally, connect  # noqa: E402  pylint: disable=wrong-import-position
from web_server import COMMIT, Web  # noqa: E402  pylint: disable=wrong-import-position

tally = Tally()
root = tempfile.mkdtemp()


def model(names):
    header = {name: {"dtype": "BF16", "shape": [2, 2], "data_offsets": [8 * i, 8 * i + 8]} for i, name in enumerate(names)}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8 * len(names))


# Three shards with headers of 400 kB and one with a small one, as transformers writes them.
NAMES = {f"model-{i:05}-of-00004.safetensors": [f"model.layers.{i}.mlp.experts.{e}.{part}_proj.weight" for e in range(1200 if i < 4 else 2) for part in ("up", "down", "gate")]
         for i in range(1, 5)}
SHARDS = {shard: model(names) for shard, names in NAMES.items()}
INDEX = json.dumps({"metadata": {"total_size": 8 * sum(map(len, NAMES.values()))}, "weight_map": {name: shard for shard, names in NAMES.items() for name in names}}, indent=2).encode()
HEADERS = {shard: 8 + struct.unpack("<Q", body[:8])[0] for shard, body in SHARDS.items()}
SMALL = model(["a", "b"])

web = Web({**SHARDS, "model.safetensors.index.json": INDEX, "config.json": b"{}"}, plain=True)
other = Web({"small.safetensors": SMALL, "large.safetensors": SHARDS["model-00001-of-00004.safetensors"]})
store = StoreWeb({"large.safetensors": other.files["large.safetensors"]})
for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("AWS_", "HF_"))]:
    del os.environ[variable]
os.environ.update(XDG_CACHE_HOME=os.path.join(root, "cache"), HF_ENDPOINT=web.hub, HF_HUB_CACHE=os.path.join(root, "hub"), AWS_ENDPOINT_URL=store.address,
                  AWS_ACCESS_KEY_ID="AKTEST", AWS_SECRET_ACCESS_KEY="secret/+key")
KEPT = os.path.join(root, "cache", "sqlite-safetensors")
PINNED = f"hf://org/name@{COMMIT}"


def rows(sql, *arguments, db=None, cache="on"):
    db = db or online(cache)
    return db.execute(sql, arguments).fetchall()


def online(cache="on"):
    db = connect()
    for name, value in ("network", "on"), ("header_cache", cache):
        db.execute("SELECT safetensors_config(?, ?)", (name, value)).fetchall()
    return db


def forget():
    shutil.rmtree(KEPT, ignore_errors=True)
    for server in web, other, store:
        server.log.clear()


def ranges(server=web):
    """What the CDN was asked for since the last call: names and ranges."""
    found = [(line[2].split("?")[0].rsplit("/", 1)[-1].split("+")[-1], line[3]) for line in server.log if line[0] in ("Cdn", "Store")]
    server.log.clear()
    return found


def test_guesses():
    """The index says how long the headers are: each comes in one request, of the bytes of the names and 110 for each tensor,
    or few more."""
    forget()
    tally.equal(rows("SELECT count(*) FROM safetensors_tensors(?)", PINNED), [(sum(map(len, NAMES.values())),)], "all tensors")
    asked = ranges()
    for shard, length in HEADERS.items():
        of_shard = [int(part.split("-")[1]) + 1 for name, part in asked if name == shard]
        most = sum(len(name) + 120 for name in NAMES[shard]) + 4200
        tally.check(len(of_shard) == 1 and length <= of_shard[0] <= most, f"{shard}: one request for a header of {length} bytes", str(of_shard))
    tally.check(len([name for name, _ in asked if name.endswith(".json")]) == 2, "the index in two", str(asked))


def test_one_shard():
    """A tensor that the index finds: its shard alone is asked for."""
    forget()
    rows("SELECT tensor_item(? || '#model.layers.3.mlp.experts.7.up_proj.weight', 1, 1)", PINNED, cache="off")
    tally.equal({name for name, _ in ranges() if not name.endswith(".json")}, {"model-00003-of-00004.safetensors"}, "an item")


def test_pinned():
    """Of a commit nothing is asked for twice, by another connection: headers, index, lists, and which files are not there."""
    forget()
    for sql in ("SELECT name, shape FROM safetensors_tensors(?)", "SELECT key, value FROM safetensors_metadata(?)", "SELECT name, scheme FROM safetensors_weights(?)",
                "SELECT file, size, tensors FROM safetensors_files(?)", "SELECT module FROM safetensors_adapter(?)"):
        for path in PINNED, f"{PINNED}/model.safetensors.index.json", f"{PINNED}/model-00004-of-00004.safetensors":
            first = rows(sql, path)
            web.log.clear()
            tally.equal(rows(sql, path), first, f"{sql} again: {path}")
            tally.equal([line[2] for line in web.log], [], f"{sql}: nobody is asked again: {path}")


def test_web():
    """A file of the web or of a store, which may change, is asked for with what is kept of it: 304 if it is the same."""
    sql = "SELECT name, dtype, shape FROM safetensors_tensors(?)"
    for address, server, name in ((f"{other.hub}/x/version+large.safetensors", other, "large.safetensors"), (f"{other.hub}/x/version+small.safetensors", other, "small.safetensors"),
                                  ("s3://models/large.safetensors", store, "large.safetensors")):
        forget()
        body = server.files[name]
        first = rows(sql, address)
        tally.equal(len(ranges(server)), 2 if name[0] == "l" else 1, f"the first time: {address}")
        tally.equal(rows(sql, address), first, f"from the cache: {address}")
        tally.equal(len(ranges(server)), 1, f"one request, which says that nothing has changed: {address}")
        received = rows("SELECT tensor_hash(? || '#' || name) FROM safetensors_tensors(?) LIMIT 2", address, address)
        local = os.path.join(root, "local.safetensors")
        with open(local, "wb") as file:
            file.write(body)
        tally.equal(received, rows("SELECT tensor_hash(ref) FROM safetensors_tensors(?) LIMIT 2", local), f"bytes behind it: {address}")
        server.files[name] = model(["changed", "x" * 300])
        tally.equal([row[0] for row in rows(sql, address)], ["changed", "x" * 300], f"a change is seen: {address}")
        ranges(server)
        tally.equal([row[0] for row in rows(sql, address)], ["changed", "x" * 300], f"and kept: {address}")
        tally.equal(len(ranges(server)), 1, f"asked once: {address}")
        server.files[name] = body
        tally.equal(rows(sql, address, cache="off"), first, f"switched off: {address}")
        # Within one period, a header of the cache and bytes of another state are an error.
        db = online()
        server.files[name] = model(["changed", "x" * 300])
        tally.equal(len(rows(sql, address, db=db)), 2, f"the other state: {address}")


def test_ahead():
    """Bytes that are read one after another are asked for ahead, in ever larger parts; not those behind a slice or a few rows."""
    text = json.dumps({"a": {"dtype": "U8", "shape": [2000, 10000], "data_offsets": [0, 20_000_000]}}).encode()
    other.files["ahead.safetensors"] = struct.pack("<Q", len(text)) + text + bytes(i % 251 for i in range(10_000)) * 2000
    ref = f"{other.hub}/x/plain+ahead.safetensors#a"
    local = os.path.join(root, "ahead.safetensors")
    with open(local, "wb") as file:
        file.write(other.files["ahead.safetensors"])
    for io in "map", "pread":
        for threads in 0, 3:
            for sql, most, least in (("SELECT mean FROM tensor_stats('{}')", 12, 20_000_000), ("SELECT sum(length(data)) FROM tensor_rows('{}')", 16, 20_000_000),
                                     ("SELECT hex(substr(tensor_data('{}'), 12345, 6))", 12, 20_000_000), ("SELECT sum(value) FROM tensor_elements('{}', ':100')", 8, 1_000_000),
                                     ("SELECT sum(length(data)) FROM (SELECT data FROM tensor_rows('{}') LIMIT 3)", 4, 30_000), ("SELECT tensor_item('{}', 1500, 7)", 2, 131_072)):
                db = online("off")
                db.execute("SELECT safetensors_config('io', ?)", (io,)).fetchall()
                db.execute(f"PRAGMA threads = {threads}")
                tally.equal(rows(sql.replace("{}", ref), db=db), rows(sql.replace("{}", local + "#a")), f"{sql} {io} {threads}")
                sizes = [int(part[1].split("-")[1]) - int(part[1].split("=")[1].split("-")[0]) + 1 for part in ranges(other)]
                tally.check(len(sizes) <= most and sum(sizes) < least + 1_500_000, f"{sql} {io} {threads}: what is asked for", str(sizes))


def test_not_kept():
    """Nothing is kept of addresses with a query, which may be a signature, and of files without a strong ETag."""
    forget()
    for address in f"{other.hub}/x/version+small.safetensors?X-Amz-Signature=secret", f"{other.hub}/x/weak+small.safetensors":
        for _ in range(2):
            tally.equal(len(rows("SELECT name FROM safetensors_tensors(?)", address)), 2, address)
        tally.check(not os.path.exists(KEPT) or not os.listdir(KEPT), f"nothing is kept: {address}")


def test_secrets():
    """What is kept has no token, no key and no signature in it, and nobody else may read it."""
    forget()
    os.environ["HF_TOKEN"] = "hf_test"
    rows("SELECT count(*) FROM safetensors_tensors('hf://org/name')")
    rows("SELECT count(*) FROM safetensors_tensors(?)", f"{other.hub}/x/version+large.safetensors")
    rows("SELECT count(*) FROM safetensors_tensors('s3://models/large.safetensors')")
    del os.environ["HF_TOKEN"]
    names = os.listdir(KEPT)
    tally.check(len(names) >= 7, "what is kept", str(names))
    for name in names:
        with open(os.path.join(KEPT, name), "rb") as file:
            text = file.read()
        tally.check(not any(secret in text for secret in (b"hf_test", b"secret", b"Signature", b"AKTEST")), f"no secret in {name}")
        tally.equal(os.stat(os.path.join(KEPT, name)).st_mode & 0o077, 0, f"{name} is its owner's")
    tally.equal(os.stat(KEPT).st_mode & 0o077, 0, "so is the directory")


try:
    for test in [value for name, value in list(globals().items()) if name.startswith("test_")]:
        test()
finally:
    for started in web, other, store:
        started.stop()
    shutil.rmtree(root)
tally.finish()
