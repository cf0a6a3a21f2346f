"""sqlite3_interrupt() and a progress handler end a long call, and the connection goes on.

Covers little: of all lines, others reach nearly as many.
"""

import json
import math
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
    "SELECT tensor_quantile('{ref}', 0.5)",
]
WIDE = 1 << 17  # rows and columns of as many bytes as PASSED
EXPRESSIONS = [
    "SELECT l2 FROM tensor_stats(tensor_add('{ref}', tensor_mul('{ref}', 2)))",
    "SELECT n_nan FROM tensor_stats(tensor_exp('{ref}'))",
    "SELECT sum(i) FROM tensor_nearest('{wide}', zeroblob(131072), 'U8')",  # rows of two blocks
    "SELECT i FROM tensor_nearest(tensor_slice('{wide}', ':, ::2'), tensor_slice('{wide}', '0, ::2'), 5, 'l2')",
    "SELECT l2 FROM tensor_stats(tensor_matmul('{wide}', '{wide}'))",
    "SELECT l2 FROM tensor_stats(tensor_transpose('{wide}'))",
    "SELECT l2 FROM tensor_stats(tensor_norm('{wide}', 0))",
    "SELECT max_abs_diff FROM tensor_compare(tensor_neg('{ref}'), '{ref}')",
    "SELECT tensor_item(tensor_slerp('{ref}', tensor_neg('{ref}'), 0.5), 0)",
    "SELECT tensor_item(tensor_matmul('{wide}', tensor_neg('{wide}')), 0, 0)",  # what is kept in a temporary file
    "SELECT length(tensor_data(tensor_matmul('{wide}', '{wide}'), ':1000'))",
    "SELECT sum(value) FROM tensor_elements(tensor_matmul('{wide}', '{wide}'))",
    "INSERT INTO safetensors_write(path, name, data) SELECT '{out}', 'x', tensor_matmul('{wide}', '{wide}')",
    # what is computed as a whole, first; waves; and a large product by blocks
    "SELECT tensor_item(tensor_delta('oft', json_object('oft_R', tensor_random('[2,523776]', 1)), '{{\"use_cayley_neumann\":false}}', "
    "tensor_random('[1,2048]', 2)), 0, 0)",
    "SELECT l2 FROM tensor_stats(tensor_delta('fourierft', json_object('fourierft_spectrum', tensor_random('[9999]', 1)), "
    "'{{\"shape\":[14000,14000]}}'))",
    "SELECT l2 FROM tensor_stats(tensor_delta('oft', json_object('oft_R', tensor_random('[1,496]', 1)), '{{}}', '{wide}'))",
]
HANDLED = [
    "SELECT std FROM tensor_stats('{ref}')",
    "SELECT std FROM tensor_stats('{path}?slice=::1000#x')",  # 64 MB of the file for each block
    "SELECT sum(count) FROM tensor_histogram('{path}?slice=::100000#x', 10, 0, 1)",
    "SELECT rmse FROM tensor_compare('{ref}', '{ref}')",
    "SELECT tensor_hash('{ref}')",
    "SELECT tensor_sparkline('{ref}')",
    "SELECT tensor_quantile('{path}?slice=::100000#x', 0.5, 'lower')",
    "SELECT length(tensor_json('{path}?slice=:400000000#x'))",
    "SELECT length(tensor_cast('{path}?slice=::40#x', 'F16'))",
]
PERIODS = [1, 1000, 10000]  # steps of the virtual machine
LIMIT = 0.1  # seconds, the handler's
WITHIN = 2  # seconds; a twentieth of it, when nothing else runs
tally = Tally()


def connect(mode):
    db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(os.path.join(BUILD, "safetensors"))
    db.execute("SELECT safetensors_config('io', ?)", [mode])
    return db


class Interrupts:
    """Interrupts a connection, again and again, since one that comes before its statement begins is forgotten."""

    def __init__(self, db):
        self.db, self.done, self.began = db, threading.Event(), math.inf
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        time.sleep(HEAD_START)  # by then the statement runs, as a rule, and one call does all its work
        self.began = time.monotonic()
        while not self.done.is_set():
            self.db.interrupt()
            time.sleep(0.005)

    def end(self):
        self.done.set()
        self.thread.join()


def check(db, path, sql, what):
    interrupts = Interrupts(db)
    try:
        got = f"finished with {db.execute(sql).fetchone()}"
    except sqlite3.OperationalError as error:
        got = error.sqlite_errorname, str(error)
    interrupts.end()
    # in our words: SQLite itself would notice as soon as the call is done
    tally.equal(got, ("SQLITE_INTERRUPT", f"safetensors: {path}: interrupted"), what)
    tally.equal(db.execute("SELECT tensor_item(x'07', 'U8', 0)").fetchone(), (7,), f"{what}: afterwards")


def make(path, dtype, shape, nbytes):
    header = json.dumps({"x": {"dtype": dtype, "shape": shape, "data_offsets": [0, nbytes]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + nbytes)


def make_long_headers(directory):
    """A header of 80 MB with as many tensors as it can hold, in an order that has to be sorted; one of metadata alone;
    and metadata as an argument. Each takes seconds when nothing stops it."""
    count = 1_200_000
    tensors = ",".join(f'"{i:x}":{{"dtype":"U8","shape":[{i % 2}],"data_offsets":[{i // 2},{(i + 1) // 2}]}}'
                       for i in range(count - 1, -1, -1)).encode()
    metadata = b'"__metadata__":{' + b",".join(b'"%x":""' % i for i in range(8_000_000)) + b"}"
    paths = []
    for name, text, nbytes in (("tensors", tensors, count // 2), ("metadata", metadata, 0)):
        paths.append(os.path.join(directory, f"{name}.safetensors"))
        with open(paths[-1], "wb") as file:
            file.write(struct.pack("<Q", len(text) + 2) + b"{" + text + b"}")
            file.truncate(file.tell() + nbytes)
    # one entry that is the whole header, whatever takes it: a plain one, one with a key of its own, a name of parts
    shape = b"[" + b"1," * 15_000_000 + b"1]"
    for name, text in (("rank", b'{"x":{"dtype":"U8","shape":' + shape + b',"data_offsets":[0,1]}}'),
                       ("odd", b'{"x":{"dtype":"U8","shape":' + shape + b',"odd":0,"data_offsets":[0,1]}}'),
                       ("name", b'{"' + b"1." * 45_000_000 + b'":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}')):
        paths.append(os.path.join(directory, f"{name}.safetensors"))
        with open(paths[-1], "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + b"1")
    return *paths, "{" + ",".join(f'"{i:x}":""' for i in range(3_000_000)) + "}"


def threads_left():
    """How many threads this process has, once those that have ended are gone: joining one can return a moment before."""
    until = time.monotonic() + 2
    while (count := len(os.listdir("/proc/self/task"))) > 1 and time.monotonic() < until:
        time.sleep(0.001)
    return count


def temporary_files():
    """Those of SQLite that this process has open; they have no name any more."""
    links = [os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
    return [name for name in (os.readlink(link) for link in links if os.path.lexists(link)) if "etilqs" in name]


def check_pass(db, sql, threads, what, *values):
    """Interrupts in the middle of a pass: how long until the call returns, and what is left."""
    db.execute(f"PRAGMA threads = {threads}")
    interrupts = Interrupts(db)
    try:
        got = words = f"finished with {str(db.execute(sql, values).fetchone())[:200]}"
    except sqlite3.OperationalError as error:
        got, words = error.sqlite_errorname, str(error)
    ended = time.monotonic()
    interrupts.end()
    tally.equal(got, "SQLITE_INTERRUPT", what)
    tally.check(ended - interrupts.began < WITHIN, f"{what}: soon", ended - interrupts.began)
    tally.equal(threads_left(), 1, f"{what}: threads")
    return words


def check_handler(db, sql, period, what):
    """A handler that ends what takes longer than LIMIT, as Datasette's."""
    began = time.monotonic()
    db.set_progress_handler(lambda: time.monotonic() - began > LIMIT, period)
    try:
        got = f"finished with {db.execute(sql).fetchone()}"
    except sqlite3.OperationalError as error:
        got = error.sqlite_errorname
    took = time.monotonic() - began
    db.set_progress_handler(None, 0)
    tally.equal(got, "SQLITE_INTERRUPT", what)
    tally.check(took < LIMIT + WITHIN, f"{what}: soon", took)
    return took


with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "large.safetensors")
    make(path, "U8", [NBYTES // 1000, 1000], NBYTES)
    empty = os.path.join(directory, "empty.safetensors")
    make(empty, "U8", [NOTHING, 0], 0)
    huge = os.path.join(directory, "huge.safetensors")
    make(huge, "F32", [PASSED // 4], PASSED)
    wide = os.path.join(directory, "wide.safetensors")
    make(wide, "F32", [WIDE, WIDE], PASSED)
    for mode in "map", "pread":
        db = connect(mode)
        for sql in STATEMENTS:
            check(db, path, sql.format(ref=f"{path}#x", path=path), f"{sql}, io={mode}")
        check(db, empty, f"SELECT length(tensor_json('{empty}#x'))", f"rows of nothing, io={mode}")
        for sql in PASSES:
            for threads in 0, 3:
                check_pass(db, sql.format(ref=f"{huge}#x"), threads, f"{sql}, io={mode}, {threads} threads more")
        before = sorted(os.listdir(directory))
        for sql in EXPRESSIONS:
            for threads in 0, 3:
                check_pass(db, sql.format(ref=f"{huge}#x", wide=f"{wide}#x", out=os.path.join(directory, "out.safetensors")), threads,
                           f"{sql}, io={mode}, {threads} threads more")
                tally.equal((temporary_files(), sorted(os.listdir(directory))), ([], before), f"{sql}: nothing left")
        longest = 0
        for sql in HANDLED:
            for threads in 0, 3:
                db.execute(f"PRAGMA threads = {threads}")
                for period in PERIODS:
                    took = check_handler(db, sql.format(ref=f"{huge}#x", path=huge), period,
                                         f"{sql}, io={mode}, {threads} threads more, every {period} steps")
                    longest = max(longest, took)
        print(f"io={mode}: a progress handler ended calls {longest - LIMIT:.2f} s after its limit, at most")
        db.close()
    tensors, metadata, rank, odd, name, argument = make_long_headers(directory)
    for sql in (f"SELECT count(*) FROM safetensors_tensors('{tensors}')", f"SELECT tensor_numel('{tensors}#1')",
                f"SELECT max(offset) FROM (SELECT * FROM safetensors_tensors('{directory}/t*.safetensors') ORDER BY offset)",
                f"SELECT count(*) FROM safetensors_diff('{tensors}', '{tensors}')",
                f"SELECT count(*) FROM safetensors_metadata('{metadata}')",
                "SELECT safetensors_serialize('a', 'U8', '[1]', x'01', ?)"):
        db = connect("map")
        words = check_pass(db, sql, 0, sql, *[argument] * ("?" in sql))
        tally.check("safetensors: " in words, f"{sql}: in our words, not when all is done", words)
        db.close()
    # an interrupt says nothing about a file: no row calls one invalid for it, here or in a later statement
    for sql in (f"SELECT file, status, error FROM safetensors_files('{tensors}')", f"SELECT count(*) FROM safetensors_check('{tensors}')",
                f"SELECT file, status, error FROM safetensors_files('{directory}/t*.safetensors')"):
        db = connect("map")
        for period in PERIODS:
            check_handler(db, sql, period, f"{sql}, every {period} steps")
        tally.equal(db.execute(f"SELECT status, error FROM safetensors_files('{tensors}')").fetchall(), [("ok", None)], f"{sql}: afterwards")
        db.close()
    # once the work that is asked about has begun: how long it still takes (some of these are done within a second)
    for sql, delays in ((f"SELECT count(*) FROM safetensors_tensors('{odd}')", (0.2, 0.5, 1)),
                        (f"SELECT count(*) FROM safetensors_check('{rank}')", (0.1, 0.2)),
                        (f"SELECT count(*) FROM safetensors_check('{odd}')", (0.1, 0.2)),
                        (f"SELECT length(pattern) FROM safetensors_tensors('{name}')", (0.2, 0.4, 0.6))):
        longest = 0
        for delay in delays:
            db, called = connect("map"), []
            timer = threading.Timer(delay, lambda: (called.append(time.monotonic()), db.interrupt()))
            timer.start()
            try:
                db.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                tally.equal(error.sqlite_errorname, "SQLITE_INTERRUPT", sql)
            ended = time.monotonic()
            timer.join()
            longest = max(longest, ended - called[0])
            db.close()
        print(f"{sql.replace(directory, '')}: {longest:.2f} s after the interrupt, at most")
        tally.check(longest < WITHIN, f"{sql}: soon", longest)
tally.finish()
