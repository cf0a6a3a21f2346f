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
]
tally = Tally()


def connect(mode):
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(os.path.join(BUILD, "safetensors"))
    db.execute("SELECT safetensors_config('io', ?)", [mode])
    return db


def check(db, sql, what):
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


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "large.safetensors")
    header = json.dumps({"x": {"dtype": "U8", "shape": [NBYTES // 1000, 1000], "data_offsets": [0, NBYTES]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + NBYTES)
    for mode in "map", "pread":
        db = connect(mode)
        for sql in STATEMENTS:
            check(db, sql.format(ref=f"{path}#x"), f"{sql}, io={mode}")
        db.close()
tally.finish()
