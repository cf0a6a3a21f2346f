#!/usr/bin/env python3
"""Files at addresses of the network, for a connection (model/network.c): of the hub, of a store and of the web. Each is
asked for once in a period, in which it has one state; nothing at all when the network is off."""

import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from fetching import Fetching  # noqa: E402  pylint: disable=wrong-import-position
from store_server import StoreWeb  # noqa: E402  pylint: disable=wrong-import-position
from tally import Tally  # noqa: E402  pylint: disable=wrong-import-position
from web_server import COMMIT, Web  # noqa: E402  pylint: disable=wrong-import-position


def model(names):
    """A safetensors file with a header for these names, and bytes behind it."""
    text = json.dumps({f"layer.{i}": {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(names)}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(i % 251 for i in range(names))


SMALL, LARGE = model(10), model(4000)  # a header of 250 kB
assert len(LARGE) > 128 << 10
FILES = {"small": SMALL, "large": LARGE, "cut": LARGE[:200000], "odd": b"\xff" * 100, "empty": b""}
tally = Tally()
fetching = Fetching(tally)
web, store = Web(FILES), StoreWeb({"run/a/x.safetensors": SMALL, "run/a/y.safetensors": LARGE, "run/b.safetensors": SMALL, "top": b"1"})
HUB = f"hf://org/name@{COMMIT}"
ENVIRONMENT = {"HF_ENDPOINT": web.hub, "HF_TOKEN": "hf_test", "AWS_ENDPOINT_URL": store.address, "AWS_ACCESS_KEY_ID": "AKTEST",
               "AWS_SECRET_ACCESS_KEY": "secret/+key"}


def ask(*words, mode="on", limit=1 << 30, **environment):
    return fetching.fetch("--network", mode, str(limit), *words, environment={**ENVIRONMENT, **environment})[0]


def requests(kind):
    """The requests to a server since the last call."""
    found = [line for line in web.log if line[0] == kind]
    web.log[:] = [line for line in web.log if line[0] != kind]
    return found


def test_headers():
    requests("Hub"), requests("Cdn")
    for name, body, fetched in ("small", SMALL, 1), ("large", LARGE, 2):
        end = 8 + struct.unpack("<Q", body[:8])[0]
        line = ask("header", f"{HUB}/model-plain+{name}", "header", f"{HUB}/model-plain+{name}")
        tally.check(all(row.get("sum") == sum(body[:end]) and row["size"] == len(body) and row["same"] for row in line), f"the header of {name}", str(line))
        tally.equal((len(requests("Hub")), len(requests("Cdn"))), (1, fetched), f"requests for the header of {name}")
    line = ask("header", f"{HUB}/model-plain+odd", "header", f"{HUB}/model-plain+empty")
    tally.check(line[0].get("size") == 100 and "end of the file" in line[1].get("error", ""), "files without a header are for the reader to refuse", str(line))


def test_kinds():
    for address, body in ((f"{HUB}/x-plain+large", LARGE), (f"{web.hub}/any/where/resolve/main/plain+large", LARGE),
                          ("s3://models/run/a/y.safetensors", LARGE)):
        lines = ask("5+1000", address, "200000+100", address, "period", "5+1000", address)
        tally.equal([line.get("sum") for line in lines], [sum(body[5:1005]), sum(body[200000:200100]), sum(body[5:1005])], address)
        tally.equal(len({line.get("inode") for line in lines}), 1, f"the identity of {address}")


def test_periods():
    """A file is asked for once in each period; a change is an error within one alone."""
    requests("Cdn")
    ask("0+10", f"{HUB}/x-plain+small", "5+10", f"{HUB}/x-plain+small", "period", "0+10", f"{HUB}/x-plain+small")
    tally.equal(len(requests("Cdn")), 2, "a file of a commit")
    address = f"{web.hub}/any/where/resolve/main/plain+small"
    ask("0+10", address, "5+10", address, "period", "0+10", address)
    tally.equal(len(requests("Cdn")), 2, "a file of the web")
    address = f"{web.hub}/any/where/resolve/main/change+large"
    web.counts.clear()
    lines = ask("0+10", address, "200000+10", address, "period", "0+10", address, "200000+10", address)
    tally.check("it has changed there" in lines[1].get("error", "") and lines[2].get("sum") == sum(LARGE[:10]) and lines[3].get("sum") == sum(LARGE[200000:200010]),
                "a file that changes", str(lines))
    tally.check(lines[0]["inode"] != lines[2]["inode"], "its other state is another file")


def test_off():
    requests("Hub"), requests("Cdn")
    for mode, words in ("off", "SAFETENSORS_NETWORK=on switches it on"), ("never", "off for good"):
        for address in f"{HUB}/x-plain+small", "s3://models/top", f"{web.hub}/x", "https://example.invalid/x":
            lines = ask("0+10", address, "pin", address, "list", address, mode=mode)
            errors = [line["error"] for line in lines if "error" in line]
            tally.check(words in errors[0] and (words in errors[-1] or "has no list" in errors[-1]), f"{address}: {mode}", str(lines))
    tally.equal((requests("Hub"), requests("Cdn"), store.log[:0]), ([], [], []), "nobody is asked")


def test_pins():
    requests("Hub")
    lines = ask("pin", "hf://org/name", "pin", "hf://org/name@main/model-small", "pin", f"hf://org/name@{COMMIT}", "pin", "hf://datasets/org/name@refs/pr/1/x",
                "pin", f"{web.hub}/org/name/resolve/main/model-small", "pin", "s3://models/x", "pin", "hf://org/none", "pin", "hf://org/name@v9/x")
    tally.equal([line.get("pinned") for line in lines[:6]],
                [HUB, f"{HUB}/model-small", HUB, f"hf://datasets/org/name@{COMMIT}/x", f"{HUB}/model-small", "s3://models/x"], "addresses with their commit")
    tally.check("found none of that name" in lines[6].get("error", "") and "no such one" in lines[7]["error"], "what the hub does not have", str(lines[6:]))
    asked = [line[2] for line in requests("Hub")]
    tally.equal(sum("/models/org/name/revision/main" in path for path in asked), 1, "a revision is asked for once")
    lines = ask("pin", "hf://org/name", HF_HUB_OFFLINE="1")
    tally.check("HF_HUB_OFFLINE" in lines[0]["error"], "offline", str(lines))
    tally.equal(requests("Hub"), [], "nobody is asked when offline")


def test_lists():
    lines = ask("list", HUB, "list", f"{HUB}/sub", "list", "s3://models/", "list", "s3://models/run/", "list", "s3://models/run/a/", "list", f"{web.hub}/x/")
    tally.equal([line.get("names") for line in lines[:5]],
                [["model-cut", "model-empty", "model-large", "model-odd", "model-small", "sub/"], ["a b#1.json"], ["run/", "top"], ["a/", "b.safetensors"],
                 ["x.safetensors", "y.safetensors"]], "names in places")
    tally.check("has no list" in lines[6]["error"], "the web", str(lines[5:]))


def test_many():
    """All files that are expected are asked for at a time: the answers of a hub that waits come together."""
    web.delay = 0.1
    addresses = [f"{HUB}/{number}-plain+small" for number in range(32)]
    lines, seconds = fetching.fetch("--network", "on", "1000000000", *(word for address in addresses for word in ("0+10", address)), environment=ENVIRONMENT)
    web.delay = 0
    tally.check(all(line.get("sum") == sum(SMALL[:10]) for line in lines) and len(lines) == 32, "32 files", str(lines[-1]))
    tally.check(seconds < 3, "at a time", f"{seconds:.1f} s, one after another they take 6.4 s")


def test_limit():
    lines = ask("0+10", f"{HUB}/x-plain+large", "200000+2000", f"{HUB}/x-plain+large", "period", "200000+1000", f"{HUB}/x-plain+large", limit=(128 << 10) + 1999)
    tally.check(lines[0]["sum"] == sum(LARGE[:10]) and "network_limit" in lines[1].get("error", "") and lines[2].get("sum") == sum(LARGE[200000:201000]),
                "the limit of a period", str(lines))


try:
    fetching.run_all(globals(), web.counts.clear)
finally:
    web.stop()
    store.stop()
tally.finish()
