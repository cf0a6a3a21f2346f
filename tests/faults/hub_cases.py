#!/usr/bin/env python3
"""Files at a hub with a CDN and faults by name that others have written (../shared/cases/hub/hub.py), if it is beside the project:
each fault gives the right rows or a sentence; and headers of every length around the first request come whole.

Covers little: of all lines, others reach nearly as many.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from tally import Tally, connect, database_error  # noqa: E402  pylint: disable=wrong-import-position

PROGRAM = os.path.join(HERE, "..", "..", "..", "shared", "cases", "hub", "hub.py")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
tally = Tally()
if not os.path.exists(PROGRAM):
    print("skipped: a hub with faults, which is not beside the project")
    tally.finish()
for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("HF_")]:
    del os.environ[variable]
root = tempfile.mkdtemp()


def model(length, data=4000):
    """A file whose header has exactly so many bytes, many of them metadata, and a tensor of I8 that is described last."""
    tensors = {"__metadata__": {"text": ""}, "data": {"dtype": "I8", "shape": [data], "data_offsets": [0, data]}}
    tensors["__metadata__"]["text"] = "x" * (length - len(json.dumps(tensors)))
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + bytes(i % 100 for i in range(1000)) * (data // 1000)


LENGTHS = [*range(99_994, 100_009, 2), *range((128 << 10) - 16, (128 << 10) + 9, 4)]
FAULTS = ("", "limit", "norange", "change", "cut", "gated", "expire")
for name, body in {**{f"{fault}model.safetensors": model(300) for fault in FAULTS}, **{f"{fault}large.safetensors": model(300, 9_000_000) for fault in FAULTS}, **{f"header-{length}.safetensors": model(length) for length in LENGTHS}}.items():
    with open(os.path.join(root, name), "wb") as file:
        file.write(body)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def online():
    db = connect()
    db.execute("SELECT safetensors_config('network', 'on'), safetensors_config('header_cache', 'off')").fetchall()
    return db


HUB, CDN = free_port(), free_port()
server = subprocess.Popen([sys.executable, PROGRAM, root, str(HUB), str(CDN)], cwd=root, stdout=subprocess.PIPE, env={**os.environ, "LIFE": "200"})
server.stdout.readline()
os.environ.update(HF_ENDPOINT=f"http://localhost:{HUB}", HF_HUB_CACHE=os.path.join(root, "none"), XDG_CACHE_HOME=os.path.join(root, "xdg"), HOME=root)
SQL = "SELECT name, dtype, shape, tensor_hash(ref) FROM safetensors_tensors(?)"


def address(file):
    return f"hf://org/name@{COMMIT}/{file}"


def local(file):
    return connect().execute(SQL, (os.path.join(root, file),)).fetchall()


def log():
    with open(os.path.join(root, "requests.log"), encoding="utf-8") as file:
        return file.read().splitlines()


def test_faults():
    for fault, file in ("", "model"), ("limit", "model"), ("norange", "model"), ("change", "model"):
        tally.equal(online().execute(SQL, (address(f"{fault}{file}.safetensors"),)).fetchall(), local(f"{file}.safetensors"), f"{fault}{file}")
    for fault, file, words in (("norange", "large", "gives it whole, and it is larger than 8 MB"), ("", "none", "no such one"), ("gated", "model", "accept its terms"),
                               ("change", "large", "it has changed there"), ("cut", "model", "expected an answer of localhost, found: ")):
        begin = time.monotonic()
        problem = database_error(online(), SQL, address(f"{fault}{file}.safetensors"))
        tally.check(words in problem and time.monotonic() - begin < 30, f"{fault}{file}", problem)
    os.environ["HF_TOKEN"] = "hf_test"
    tally.equal(online().execute(SQL, (address("gatedmodel.safetensors"),)).fetchall(), local("model.safetensors"), "gated, with a token")
    del os.environ["HF_TOKEN"]
    tally.check(not any(line.startswith("cdn ") and "auth=None" not in line for line in log()), "the token goes to the hub alone")


def test_expiry():
    """The signature expires between the header and the bytes."""
    db = online()
    path = address("expirelarge.safetensors")
    cursor = db.execute("SELECT name FROM safetensors_tensors(?)", (path,))
    cursor.fetchone()
    time.sleep(1.2)
    tally.equal(db.execute("SELECT tensor_hash(?)", (path + "#data",)).fetchall(), connect().execute("SELECT tensor_hash(?)", (os.path.join(root, "large.safetensors#data"),)).fetchall(),
                "bytes behind an address that has expired")
    cursor.close()
    tally.check(any(line.endswith("-> 403") for line in log()), "it had expired")


def test_lengths():
    """Headers around 100,000 bytes, which the hub's client asks for, and around 128 kB, which we do: one request, or two."""
    for length in LENGTHS:
        before = len(log())
        tally.equal(online().execute("SELECT name, shape, offset FROM safetensors_tensors(?)", (address(f"header-{length}.safetensors"),)).fetchall(),
                    connect().execute("SELECT name, shape, offset FROM safetensors_tensors(?)", (os.path.join(root, f"header-{length}.safetensors"),)).fetchall(), f"a header of {length} bytes")
        asked = sum(line.startswith("cdn ") for line in log()[before:])
        tally.equal(asked, 1 if 8 + length <= 128 << 10 else 2, f"requests for a header of {length} bytes")


try:
    test_faults()
    test_expiry()
    test_lengths()
finally:
    server.terminate()
    server.wait()
    shutil.rmtree(root)
tally.finish()
