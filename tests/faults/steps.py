"""A file that changes between two rows of a statement whose functions take its tensors by refs: the next row is an
error, whatever is kept from the row before. And within one row, by a function that the statement calls, rows go on
with what the file was, or there is an error.

Covers little: of all lines, others reach nearly as many.
"""

import os
import shutil
import sqlite3
import struct
import tempfile
import time

import making
from tally import Tally, connect

ROWS, COLUMNS = 200, 64
ROOT = tempfile.mkdtemp()
PATH, OTHER = f"{ROOT}/m.safetensors", f"{ROOT}/other.safetensors"
tally = Tally()


def write(path, number):
    """A matrix of one number."""
    data = struct.pack("<f", number) * (ROWS * COLUMNS)
    return making.file(path, {"w": ("F32", [ROWS, COLUMNS], data), "b": ("F32", [COLUMNS], data[:4 * COLUMNS])})


def overwrite():
    with open(PATH, "r+b") as file:
        file.seek(-4 * (ROWS + 1) * COLUMNS, os.SEEK_END)
        file.write(struct.pack("<f", 2) * (ROWS * COLUMNS))


def cut():
    os.truncate(PATH, os.path.getsize(PATH) - 4)


def replace():
    os.replace(OTHER, PATH)


CHANGES = {"overwritten": overwrite, "cut short": cut, "replaced": replace, "removed": lambda: os.remove(PATH)}
QUERIES = {
    "tensor_item": ("tensor_item(r.ref, 3)", 1.0),
    "tensor_cosine": (f"tensor_cosine(r.ref, '{PATH}?slice=0#w')", 1.0),
    "tensor_max_abs_diff": (f"tensor_max_abs_diff(r.ref, '{PATH}#b')", 0.0),
    "tensor_json": ("tensor_json(r.ref, '0')", "1.0"),
    "tensor_data": ("hex(substr(tensor_data(r.ref), 1, 4))", "0000803F"),
    "tensor_cast": ("hex(substr(tensor_cast(r.ref, 'F16'), 1, 2))", "003C"),
    "tensor_quantile": ("tensor_quantile(r.ref, 0.5)", 1.0),
    "tensor_stats": ("(SELECT max FROM tensor_stats(r.ref))", 1.0),
    "expression": ("tensor_item(tensor_neg(r.ref), 0)", -1.0),
}
# The refs are made beforehand, so that nothing but the function looks at the file.
SQL = "WITH r(ref) AS (SELECT value FROM json_each(?)) SELECT {} FROM r"


def prepare(mode):
    write(PATH, 1)
    write(OTHER, 5)
    for path in PATH, OTHER:
        os.utime(path, (1e9, 1e9))
    time.sleep(0.06)  # so that every change shows in the times
    db = connect()
    db.execute("SELECT safetensors_config('io', ?)", (mode,))
    refs, = db.execute("SELECT json_group_array(ref) FROM (SELECT ref FROM tensor_rows(?))", (f"{PATH}#w",)).fetchone()
    return db, refs


def test_between_rows():
    for mode in "map", "pread":
        for change, make in CHANGES.items():
            for name, (call, value) in QUERIES.items():
                db, refs = prepare(mode)
                cursor = db.execute(SQL.format(call), (refs,))
                tally.equal([cursor.fetchone()[0] for _ in range(5)], [value] * 5, f"{name}, {mode}: before")
                make()
                try:
                    got = cursor.fetchone()
                except sqlite3.Error as problem:
                    got = str(problem)
                tally.check(isinstance(got, str) and got.startswith("safetensors: "), f"{name}, {mode}: {change} between two rows", got)
                cursor.close()
                db.close()


def test_within_a_row():
    for mode in "map", "pread":
        for change, make in CHANGES.items():
            for name, (call, value) in QUERIES.items():
                db, refs = prepare(mode)
                called = []

                def act(make=make, called=called):
                    called.append(1)
                    if len(called) == 7:
                        make()
                    return 0

                db.create_function("act", 0, act)
                try:
                    got, = db.execute(f"SELECT json_group_array(v) FROM ({SQL.format(call + ' AS v, act()')})", (refs,)).fetchone()
                    got = "old" if got == db.execute("SELECT json_group_array(?) FROM json_each(?)", (value, refs)).fetchone()[0] else got
                except sqlite3.Error as problem:
                    got = str(problem)
                tally.check(got == "old" or got.startswith("safetensors: "), f"{name}, {mode}: {change} within a row", got[:200])
                db.close()


def test_a_long_step():
    """A statement that takes long notices within a moment that a path leads elsewhere."""
    db, refs = prepare("map")
    called = []

    def act():
        called.append(1)
        if len(called) == 3:
            replace()
        time.sleep(0.002)
        return 0

    db.create_function("act", 0, act)
    try:
        got = db.execute(f"SELECT count(v + w) FROM ({SQL.format('tensor_item(r.ref, 0) AS v, act() AS w')})", (refs,)).fetchone()
    except sqlite3.Error as problem:
        got = str(problem)
    tally.check("replaced" in str(got) and len(called) < 150, "replaced in a long step", got, len(called))


def test_next_statement():
    """The next statement sees what is there by then."""
    for change, make in (("overwritten", overwrite), ("replaced", replace)):
        db, refs = prepare("map")
        for name, (call, value) in QUERIES.items():
            tally.equal(db.execute(SQL.format(call), (refs,)).fetchone()[0], value, f"{name}: before")
        make()
        number = 2.0 if change == "overwritten" else 5.0
        tally.equal(db.execute(SQL.format("tensor_item(r.ref, 0)"), (refs,)).fetchone()[0], number, f"{change}: the next statement")
        db.close()


try:
    test_between_rows()
    test_within_a_row()
    test_a_long_step()
    test_next_statement()
finally:
    shutil.rmtree(ROOT)
tally.finish()
