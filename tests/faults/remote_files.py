#!/usr/bin/env python3
"""Files at web addresses, of which ranges are fetched (model/remote_file.c), from the hub and the CDN of
tests/lib/web_server.py: the bytes are right, nothing is fetched twice, a file that changes is an error, and so is every
answer that is not what was asked for."""

import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from fetching import Fetching  # noqa: E402  pylint: disable=wrong-import-position
from tally import Tally  # noqa: E402  pylint: disable=wrong-import-position
from web_server import Web  # noqa: E402  pylint: disable=wrong-import-position

BYTES = random.Random(1).randbytes(20 << 20)
FILES = {"a": BYTES, "small": BYTES[:5000], "empty": b"", "eight": BYTES[:8 << 20], "more": BYTES[:(8 << 20) + 1]}
tally = Tally()
fetching = Fetching(tally)
web = Web(FILES)
base = f"{web.hub}/org/name/resolve/main"


def fetch(ranges, *names, limit=1 << 30, options=()):
    words = [name if "://" in name else f"{base}/{name}" for name in names]
    lines, _ = fetching.fetch(*options, "--files", str(limit), *ranges, *words)
    return lines


def one(name, *ranges, **more):
    """What came of each range."""
    return fetch(ranges, name, **more)[:-1]


def total(begin, size, body=BYTES):
    return sum(body[begin:begin + size])


def test_ranges():
    lines = fetch(["0+131072", "1000000+10", "1000005+10", "19000000+5000000", "999990+40"], "plain+a")
    tally.equal([line["sum"] for line in lines[:5]], [total(0, 131072), total(1000000, 10), total(1000005, 10), total(19000000, 5000000), total(999990, 40)],
                "the bytes of ranges")
    tally.check(all(line["size"] == len(BYTES) and line["state"] == '"v1"' and "error" not in line for line in lines[:5]), "size and state", str(lines))
    fetched = 131072 + 10 + 5 + len(BYTES) - 19000000 + 25
    tally.equal(lines[5], {"requests": 1 + 1 + 4 + 1, "received": fetched}, "nothing is fetched twice, and the hub is asked once")


def test_large():
    """Three pieces of 8 MB, then nothing more."""
    before = len(web.log)
    lines = fetch(["0+100", f"0+{len(BYTES)}", "5+10"], "plain+a")
    tally.equal([line["sum"] for line in lines[:3]], [total(0, 100), total(0, len(BYTES)), total(5, 10)], "a whole file")
    tally.equal(lines[3]["received"], len(BYTES), "bytes")
    ranges = sorted(line[3] for line in web.log[before:] if line[0] == "Cdn")
    tally.equal(ranges, ["bytes=0-99", "bytes=100-8388707", "bytes=16777316-20971519", "bytes=8388708-16777315"], "its pieces")


def test_many():
    lines = fetch(["0+1000", "2000+10"], *(f"plain+small?{number}" for number in range(200)))
    good = all(line["sum"] == (total(0, 1000) if line["range"] == 1 else total(2000, 10)) for line in lines[:-1])
    tally.check(good and len(lines) == 401, "200 files at a time", str(lines[-1]))


def test_ends():
    lines = fetch(["0+131072", "4990+100", "5000+1", "9999+5"], "plain+small")
    tally.equal([line["sum"] for line in lines[:4]], [total(0, 5000), total(4990, 10), 0, 0], "the end of a file")
    tally.equal((lines[0]["size"], lines[4]["requests"]), (5000, 2), "asked once")
    lines = fetch(["0+100", "0+100"], "plain+empty")
    tally.check(all(line["size"] == 0 and "error" not in line for line in lines[:2]) and lines[2]["requests"] == 2, "an empty file", str(lines))


def test_whole():
    """A server that does not know ranges: small files come whole, large ones do not."""
    for fault in "norange", "unsized":
        for name in "small", "eight", "empty":
            body = FILES[name]
            lines = fetch(["0+1000", "4000+500"], f"{fault}+{name}")
            tally.equal([line["sum"] for line in lines[:2]], [total(0, 1000, body), total(4000, 500, body)], f"{fault}+{name}")
            tally.equal(lines[2]["requests"], 2, f"{fault}+{name}: asked once")
        line = one(f"{fault}+more", "0+1000")[0]
        tally.check("one that gives it whole, and it is larger than 8 MB" in line.get("error", ""), f"{fault}+more", str(line))


def test_changes():
    lines = one("change+a", "0+1000", "5000+10", "6000+10")
    tally.equal(lines[0]["sum"], total(0, 1000), "before a change")
    tally.check(all("it has changed there" in line.get("error", "") for line in lines[1:]), "after it", str(lines))


def test_expiry():
    """An address that has expired is renewed, once for each request."""
    web.counts.clear()
    lines = one("expired+a", "0+1000")
    tally.equal(lines[0]["sum"], total(0, 1000), "the first address")
    lines = fetching.fetch("--files", "1000000000", "0+1000", "10000000+10", f"{base}/expiring+a", f"{base}/slow+a", f"{base}/slow+small")[0]
    tally.check(all("error" not in line for line in lines[:-1]), "an address that lives for half a second", str(lines))
    line = one("words+a", "0+1000")[0]
    tally.check("status 403" in line.get("error", ""), "one that stays forbidden", str(line))


def test_faults():
    for fault, words in {"missing": "status 404", "gated": "status 403", "never": "status 503", "wrongrange": "expected the bytes 0 to 999, found",
                         "gzip": "packed", "loop": "redirects", "nowhere": "status 302", "inside": "expected https://", "longheader": "headers"}.items():
        line = one(f"{fault}+a", "0+1000")[0]
        tally.check(words in line.get("error", "") and line["sum"] == 0, fault, str(line))
    for fault in "slow", "relative", "limit":
        web.counts.clear()
        line = one(f"{fault}+a", "5+1000")[0]
        tally.equal(line["sum"], total(5, 1000), fault)


def test_budget():
    lines = one("plain+a", "0+1000", "2000+1000", "0+1000", limit=1999)
    tally.equal((lines[0]["sum"], lines[2]["sum"]), (total(0, 1000), total(0, 1000)), "within the budget")
    tally.check("found that it needs more: safetensors_config('network_limit'" in lines[1].get("error", ""), "beyond it", str(lines[1]))


def test_interrupt():
    """Of several files; all are waited for again after the interrupt, and fail at once."""
    lines, seconds = fetching.fetch("--interrupt", "1", "--files", "1000000", "0+1000", f"{base}/stall+a", f"{base}/stall+small", f"{base}/plain+small")
    tally.check(all("interrupted" in line.get("error", "") for line in lines[:2]) and seconds < 1.5, "an interrupt", str(lines), f"{seconds:.2f} s")


try:
    fetching.run_all(globals(), web.counts.clear)
finally:
    web.stop()
tally.finish()
