#!/usr/bin/env python3
"""Every fault at every request of a statement, over hf://, https:// (which is http:// on loopback) and s3://: the right rows or
one sentence, in time, and never a mixture of two states of a file. Then the same connection gives the right rows.

Long: left out where all takes longer."""

import concurrent.futures
import json
import os
import sqlite3
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from faulty_web import FAULTS, LASTING, Case, FaultyWeb  # noqa: E402  pylint: disable=wrong-import-position
from tally import Tally, connect, database_error  # noqa: E402  pylint: disable=wrong-import-position

AT_A_TIME, STALL = 64, 3
tally = Tally()
root = tempfile.mkdtemp()
web = FaultyWeb()
for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("AWS_", "HF_"))]:
    del os.environ[variable]
os.environ.update(SAFETENSORS_HEADER_CACHE="off", HF_ENDPOINT=web.hub, HF_TOKEN="hf_test", HF_HUB_CACHE=os.path.join(root, "cache"), HF_HUB_DOWNLOAD_TIMEOUT=str(STALL),
                  AWS_ENDPOINT_URL=web.store, HOME=root)


def model(shard, state):
    """A file with a header of 140 kB and tensors that are not the same in two states, though its header is."""
    header, data = {}, b""
    for number in range(2):
        values = struct.pack("<30000f", *((shard + state * 7 + i * (number + 1)) % 977 for i in range(30000)))
        header[f"layer.{shard}.{number}"] = {"dtype": "F32", "shape": [300, 100], "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    header.update({f"pad.{shard}.{number}": {"dtype": "U8", "shape": [0], "data_offsets": [len(data), len(data)]} for number in range(2000)})
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def repository(state):
    shards = {f"model-0000{i}-of-00002.safetensors": model(i, state) for i in (1, 2)}
    names = {name: file for file, body in shards.items() for name in json.loads(body[8:8 + struct.unpack("<Q", body[:8])[0]])}
    return {**shards, "model.safetensors.index.json": json.dumps({"weight_map": names}).encode()}


def store(state):
    return {f"run/{i}/model.safetensors": model(i, state) for i in (1, 2)}


# A kind: its files in two states, the address of a case, and how many requests the statement makes without a fault.
KINDS = {
    "hf": (repository(0), repository(1), lambda case: f"hf://org/{case}"),
    "https": ({"a.safetensors": model(1, 0)}, {"a.safetensors": model(1, 1)}, lambda case: f"{web.cdn}/web/{case}/a.safetensors"),
    "s3": (store(0), store(1), lambda case: f"s3://{case}/run/*/model.safetensors"),
}
SQL = ("SELECT count(*), sum(nbytes), group_concat(tensor_hash(ref), ' '), sum(tensor_item(ref, 7, 3)) FROM "
       "(SELECT nbytes, ref FROM safetensors_tensors(?) WHERE rank = 2 ORDER BY name)")


class Clock:
    """Seconds in which this process was not kept from running."""

    def __init__(self):
        self.lost = 0.0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            before = time.monotonic()
            time.sleep(0.1)
            gap = time.monotonic() - before
            self.lost += gap - 0.1 if gap > 0.3 else 0

    def now(self):
        return time.monotonic() - self.lost


clock = Clock()


def online():
    db = connect()
    db.execute("SELECT safetensors_config('network', 'on')").fetchall()
    return db


def local_rows(files):
    """What the statement gives for such files of this machine."""
    with tempfile.TemporaryDirectory(dir=root) as directory:
        for name, body in files.items():
            with open(os.path.join(directory, name.replace("/", "-")), "wb") as file:
                file.write(body)
        return connect().execute(SQL, (directory,)).fetchall()


def right_answers(old, new):
    """Of all mixtures of whole files, as each may be of either state when it is asked for first."""
    names = [name for name in old if name.endswith(".safetensors")]
    return {number: local_rows({**old, **{name: new[name] for i, name in enumerate(names) if number >> i & 1}}) for number in range(1 << len(names))}


def run(kind, fault, number, always, right):
    old, new, address = KINDS[kind]
    name = f"{kind}-{list(FAULTS).index(fault)}-{number}-{int(always)}"
    title = f"{kind}: {fault} at request {number}{', always' if always else ''}"
    case = web.cases[name] = Case(old, fault, number, always, new)
    db = online()
    start, found, checks = clock.now(), None, []
    try:
        found = db.execute(SQL, (address(name),)).fetchall()
    except (sqlite3.Error, MemoryError) as problem:
        message = str(problem)
        checks.append((message.startswith("safetensors: ") and "\n" not in message and "hf_test" not in message and "out of memory" not in message, f"{title}: a sentence", message))
    seconds = clock.now() - start
    if found is not None:
        checks.append((found in (right.values() if fault in ("newer", "other ETag") else [right[0]]), f"{title}: the right rows", str(found)))
    checks.append((seconds < 33 and case.count >= number, f"{title}: in time", f"{seconds:.1f} s, {case.count} requests"))
    for _, path, _, authorization, _, port in case.asked:
        checks.append((authorization in (None, "Bearer hf_test") and (authorization is None or (f":{port}" in web.hub and path.startswith(("/api/", "/org/")))),
                       f"{title}: the token", f"{path} {authorization}"))
    case.number = case.place = None
    again = database_error(db, SQL, address(name)) if found is None else "no error"
    if fault not in ("newer", "too short"):  # after that, the next answer on the connection begins with what was left
        checks.append((again == "no error", f"{title}: the connection goes on", again))
    db.close()
    del web.cases[name]
    return checks


def count_requests(kind):
    old, _, address = KINDS[kind]
    case = web.cases[f"{kind}-count"] = Case(old, "404", 0, False)
    online().execute(SQL, (address(f"{kind}-count"),)).fetchall()
    return case.count


def test_everything():
    jobs = []
    chosen = sys.argv[1:] or FAULTS
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for kind, (old, new, _) in KINDS.items():
            right, requests = right_answers(old, new), count_requests(kind)
            tally.check(requests >= 3 and len(set(map(str, right.values()))) == len(right), f"{kind}: {requests} requests")
            jobs += [(fault in ("stalled", "quiet") or always, kind, fault, number, always, right)
                     for fault in chosen for number in range(1, requests + 1) for always in ((False, True) if fault in LASTING else (False,))]
        jobs.sort(key=lambda job: not job[0])  # what takes long comes first
        for checks in pool.map(lambda job: run(*job[1:]), jobs):
            for good, what, details in checks:
                tally.check(good, what, details)


if "install libcurl" in database_error(online(), SQL, "hf://org/none"):
    print("skipped: the network (neither libcurl nor curl)")
    tally.finish()
try:
    tally.run(globals(), root)
finally:
    web.stop()
