"""sqlite3_interrupt() ends a long call, and the connection goes on."""

import json
import os
import sqlite3
import struct
import tempfile
import threading
import time

from tally import BUILD, Tally

NBYTES = 400_000_000  # all zero, and a hole in the file
HEAD_START = 0.03  # seconds
STATEMENTS = [
    "SELECT length(tensor_json('{ref}'))",
    "SELECT length(tensor_cast('{ref}', 'I16'))",
    "SELECT length(tensor_data('{ref}', ':, ::2'))",
    "SELECT max_abs_diff FROM tensor_compare('{ref}', '{ref}')",
    "SELECT tensor_allclose('{ref}', '{ref}')",
    "SELECT rmse FROM safetensors_diff('{path}', '{path}')",
]
NOTHING = 300_000_000  # rows without bytes, which are 900 MB of JSON
PASSED = 64 << 30  # bytes of a tensor that takes seconds, whatever the machine; a hole, too
PASSES = [
    "SELECT l2 FROM tensor_stats('{ref}')",
    "SELECT n_nan FROM tensor_stats('{ref}')",
    "SELECT sum(count) FROM tensor_histogram('{ref}', 10, 0, 1)",
    "SELECT sum(count) FROM tensor_histogram('{ref}', 1000000, 0, 1e-320)",  # most bins have no width
    "SELECT tensor_hash('{ref}')",
]
WITHIN = 1  # seconds; a tenth of it, when nothing else runs
tally = Tally()


def connect(mode):
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(os.path.join(BUILD, "safetensors"))
    db.execute("SELECT safetensors_config('io', ?)", [mode])
    return db


def check(db, path, sql, what):
    done = threading.Event()

    def interrupt():
        time.sleep(HEAD_START)  # by then the statement runs, and one call does all its work
        while not done.is_set():
            db.interrupt()
            time.sleep(0.005)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        got = f"finished with {db.execute(sql).fetchone()}"
    except sqlite3.OperationalError as error:
        got = error.sqlite_errorname, str(error)
    done.set()
    thread.join()
    # in our words: SQLite itself would notice as soon as the call is done
    tally.equal(got, ("SQLITE_INTERRUPT", f"safetensors: {path}: interrupted"), what)
    tally.equal(db.execute("SELECT tensor_item(x'07', 'U8', 0)").fetchone(), (7,), f"{what}: afterwards")


def make(path, dtype, shape, nbytes):
    header = json.dumps({"x": {"dtype": dtype, "shape": shape, "data_offsets": [0, nbytes]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + nbytes)


def check_pass(db, sql, threads, what):
    """One interrupt, in the middle of a pass: how long until the call returns, and what is left."""
    db.execute(f"PRAGMA threads = {threads}")
    tasks, called = len(os.listdir("/proc/self/task")), []

    def interrupt():
        time.sleep(HEAD_START)
        called.append(time.monotonic())
        db.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        got = f"finished with {db.execute(sql).fetchone()}"
    except sqlite3.OperationalError as error:
        got = error.sqlite_errorname
    ended = time.monotonic()
    thread.join()
    tally.equal(got, "SQLITE_INTERRUPT", what)
    tally.check(ended - called[0] < WITHIN, f"{what}: soon", ended - called[0])
    tally.equal(len(os.listdir("/proc/self/task")), tasks, f"{what}: threads")


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "large.safetensors")
    make(path, "U8", [NBYTES // 1000, 1000], NBYTES)
    empty = os.path.join(folder, "empty.safetensors")
    make(empty, "U8", [NOTHING, 0], 0)
    huge = os.path.join(folder, "huge.safetensors")
    make(huge, "F32", [PASSED // 4], PASSED)
    for mode in "map", "pread":
        db = connect(mode)
        for sql in STATEMENTS:
            check(db, path, sql.format(ref=f"{path}#x", path=path), f"{sql}, io={mode}")
        check(db, empty, f"SELECT length(tensor_json('{empty}#x'))", f"rows of nothing, io={mode}")
        for sql in PASSES:
            for threads in 0, 3:
                check_pass(db, sql.format(ref=f"{huge}#x"), threads, f"{sql}, io={mode}, {threads} threads more")
        db.close()
tally.finish()
