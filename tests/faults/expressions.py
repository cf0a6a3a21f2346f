"""Computed tensors when things fail: the disk of their temporary file is full, the work is cancelled and begun again. And what
they cost: time in proportion to the text."""

import json
import os
import resource
import signal
import sqlite3
import struct
import tempfile
import time

from tally import BUILD, Tally

MB = 1 << 20
KEPT = "tensor_transpose(tensor_neg(tensor_random('[1000,3000]', 1)), '[1,0]')"  # 24 MB of doubles
tally = Tally()


def connect():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(os.path.join(BUILD, "safetensors"))
    return db


def make(path, tensors):
    """A file of holes: all zero."""
    header, end = {}, 0
    for name, dtype, shape, nbytes in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + nbytes]}
        end += nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def temporary_files():
    """Those of SQLite that this process has open; they have no name any more."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            pass
    return [link for link in links if "etilqs" in link]


def message(db, sql, *values):
    try:
        return f"finished with {db.execute(sql, values).fetchall()}"
    except sqlite3.Error as error:
        return str(error)


# ---- The temporary file ----

def limited(db, limit, value, sql):
    before = resource.getrlimit(limit)
    resource.setrlimit(limit, (value, before[1]))
    try:
        return message(db, sql)
    finally:
        resource.setrlimit(limit, before)


def check_temporary(db, directory):
    sql = f"SELECT tensor_item({KEPT}, 5, 6)"
    right = db.execute("SELECT -tensor_item(tensor_random('[1000,3000]', 1), 6, 5)").fetchone()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for name, limit, value, found in (("full", resource.RLIMIT_FSIZE, MB, "temporary file: expected to write a file"),
                                      ("no descriptors", resource.RLIMIT_NOFILE, 0, "temporary file: expected to create a file")):
        got = limited(db, limit, value, sql)
        tally.check(found in got and got.startswith("safetensors: "), f"{name}: a sentence", got)
        tally.equal((temporary_files(), os.listdir(directory)), ([], []), f"{name}: nothing left")
        tally.equal(db.execute(sql).fetchone(), right, f"{name}: right afterwards")
        tally.equal((temporary_files(), os.listdir(directory)), ([], []), f"{name}: nothing left afterwards")
    target = os.path.join(directory, "out.safetensors")
    db.execute("BEGIN")
    db.execute(f"INSERT INTO safetensors_write(path, name, data) SELECT ?, 'x', {KEPT}", (target,))
    got = limited(db, resource.RLIMIT_FSIZE, MB, "COMMIT")
    tally.check("temporary file" in got, "a full disk at COMMIT: a sentence", got)
    if db.in_transaction:
        db.execute("ROLLBACK")
    tally.equal((temporary_files(), os.listdir(directory)), ([], []), "a full disk at COMMIT: nothing left")


# ---- Cancelled, and begun again ----

def cancelled(db, sql):
    """Whether the statement is ended by the progress handler, which says so when it is called again and again."""
    began = time.monotonic()
    db.set_progress_handler(lambda: time.monotonic() - began > 0.05, 1000)
    got = message(db, sql)
    db.set_progress_handler(None, 0)
    return "interrupt" in got, got


def check_cancelled(db, directory):
    """A row whose preparation is cancelled can be asked for again: what it had kept is not left behind."""
    large = "tensor_transpose(tensor_exp(tensor_random('[3000,3000]', 1)), '[1,0]')"
    db.execute("BEGIN")
    db.execute(f"INSERT INTO safetensors_write(path, name, data) SELECT ?, 'x', {large}", (os.path.join(directory, "out.safetensors"),))
    for attempt in range(3):
        ended, got = cancelled(db, "SELECT length(data) FROM safetensors_write")
        tally.check(ended, f"attempt {attempt}: cancelled", got)
        if not db.in_transaction:
            return  # SQLite has rolled back
        tally.check(len(temporary_files()) <= 1, f"attempt {attempt}: one temporary file at most", temporary_files())
    db.execute("ROLLBACK")
    tally.equal((temporary_files(), os.listdir(directory)), ([], []), "cancelled: nothing left")


# ---- Time ----

def overlapping(levels):
    """A step whose arguments are the one before, and the same in another order: the text doubles with each level."""
    text = '{"op":"full","shape":[2],"value":1}'
    for _ in range(levels):
        text = f'{{"op":"add","args":[{text},{{"op":"take","args":[{text}],"axis":0,"indices":[1,0]}}]}}'
    return text


def check_time(db):
    times = []
    for levels in 7, 11:
        text = overlapping(levels)
        began = time.process_time()
        tally.equal(db.execute("SELECT tensor_json(?)", (text,)).fetchone(), (f"[{2.0 ** levels},{2.0 ** levels}]",), f"{levels} levels")
        times.append(time.process_time() - began)
    tally.check(times[1] < 64 * max(times[0], 0.0005), "time in proportion to the text: 16 times as long, not 256", times)


with tempfile.TemporaryDirectory() as directory:
    os.environ["SQLITE_TMPDIR"] = directory
    db = connect()
    check_temporary(db, directory)
    check_cancelled(db, directory)
    check_time(db)
    db.close()
tally.finish()
