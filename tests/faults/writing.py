"""What the writer leaves behind when it does not come to its end: after statements that fail around
it, interrupts, full disks, every system call that can fail, and kill -9. The target must be as it
was, or the new file, whole; and nothing else may be there.

WRITE_KILLS is how many writing processes are killed: `make kills` takes 200."""

import hashlib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import reader
from tally import BUILD, Tally, connect

KILLS = int(os.environ.get("WRITE_KILLS", "20"))
tally = Tally()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def state(directory):
    """All files in a directory, with digests of their bytes."""
    return {name: hashlib.sha256(read(f"{directory}/{name}")).hexdigest() for name in os.listdir(directory)}


def sparse(path, dtype, numel):
    """A file with one tensor x, all zeros, that takes no space."""
    nbytes = numel * reader.BITS[dtype] // 8
    header = f'{{"x":{{"dtype":"{dtype}","shape":[{numel}],"data_offsets":[0,{nbytes}]}}}}'.encode()
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + nbytes)
    return path


COLUMNS = "safetensors_write(path, name, dtype, shape, data, max_shard_bytes, mode)"
INDEX = "m.safetensors.index.json"


def writer():
    db = connect()
    db.isolation_level = None  # each statement is a transaction
    return db


def insert(db, path, name, dtype, shape, data, limit=None):
    """Writes a file of one tensor."""
    db.execute(f"INSERT INTO {COLUMNS} VALUES(?, ?, ?, ?, ?, ?, 'replace')", [path, name, dtype, shape, data, limit])


# ---- Statements that fail around the rows ----

ROWS = "WITH RECURSIVE r(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM r WHERE v < 5) "
BAD = "json(iif(v = 4, '{', '1'))"  # an error in row 4
FAILING = [
    "SELECT {w} FROM r WHERE {bad}",
    "SELECT {w} FROM r WHERE abs(-9223372036854775804 - v)",
    "SELECT {w} FROM r WHERE failing(v)",
    "SELECT {w} FROM (SELECT v FROM r ORDER BY {bad})",
    "SELECT {w} FROM (SELECT v FROM r UNION ALL SELECT v + 10 FROM r WHERE {bad})",
    "SELECT {w} FROM r GROUP BY v HAVING max({bad})",
]


def abandoned(directory):
    db = writer()
    db.create_function("failing", 1, lambda v: 1 / (v - 5))
    for path, limit in (("/a.safetensors", "NULL"), (f"/{INDEX}", "2")):
        row = f"'{directory}{path}', 't' || v, 'U8', '[1]', x'00', {limit}, 'replace'"
        for sql in FAILING:
            sql = f"{ROWS}INSERT INTO {COLUMNS} {sql.format(w=row, bad=BAD)}"
            before = state(directory)
            try:
                db.execute(sql)
                tally.check(False, f"fails: {sql}")
            except sqlite3.Error:
                pass
            tally.equal(state(directory), before, f"left behind by {sql}")
            good = sql.replace(BAD, "1").replace("- v", "+ v").replace("failing(v)", "1")
            db.execute(good)
            tally.equal(db.execute("SELECT changes()").fetchone()[0], 10 if "+ 10" in good else 5, f"written by {good}")
            tally.check(state(directory) != before, f"written by {good}")
            for name in os.listdir(directory):
                os.unlink(f"{directory}/{name}")
    # rows that RETURNING gives are there, the file when the statement has ended
    rows = db.execute(f"INSERT INTO {COLUMNS} SELECT '{directory}/r.safetensors', 't' || value, 'U8', '[0]', x'', NULL, NULL "
                      "FROM json_each('[1,2,3]') RETURNING name")
    rows.fetchone()
    rows.close()
    tally.check(sorted(os.listdir(directory)) in ([], ["r.safetensors"]), "RETURNING, half read", os.listdir(directory))


# ---- Interrupts ----

def interrupts(directory):
    source = sparse(f"{directory}/source.safetensors", "F32", 1 << 31)
    target = f"{directory}/target.safetensors"
    db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    db.enable_load_extension(True)
    db.load_extension(f"{BUILD}/safetensors")
    insert(db, target, "x", "U8", "[1]", b"\x07")
    before = read(target)
    for dtype in ("F32", "BF16"):
        timer = threading.Timer(0.2, db.interrupt)
        timer.start()
        start = time.monotonic()
        try:
            insert(db, target, "x", dtype, None, f"{source}#x")
            tally.check(False, f"interrupted: to {dtype}")
        except sqlite3.Error as problem:
            tally.check("interrupted" in str(problem), f"interrupted: to {dtype}", problem)
        timer.join()
        print(f"to {dtype}: {time.monotonic() - start:.2f} s until interrupted")
        tally.check(read(target) == before and sorted(os.listdir(directory)) == ["source.safetensors", "target.safetensors"],
                    f"interrupted: to {dtype}: what is there", os.listdir(directory))
    timer = threading.Timer(0.2, db.interrupt)
    timer.start()
    try:
        db.execute("INSERT INTO safetensors_write(path, name, data, make_directory) VALUES(?, 'x', ?, 1)",
                   [f"{directory}/new/er/x.safetensors", f"{source}#x"])
        tally.check(False, "interrupted: in a new directory")
    except sqlite3.Error as problem:
        tally.check("interrupted" in str(problem), "interrupted: in a new directory", problem)
    timer.join()
    tally.equal(sorted(os.listdir(directory)), ["source.safetensors", "target.safetensors"], "interrupted: in a new directory, which goes")
    calls = []
    db.set_progress_handler(lambda: calls.append(1) or len(calls) > 3, 10)
    try:
        db.execute(f"{ROWS}INSERT INTO {COLUMNS} SELECT ?, 't' || v, 'U8', '[1]', x'00', NULL, 'replace' FROM r", [target])
        tally.check(False, "interrupted between rows")
    except sqlite3.Error:
        pass
    db.set_progress_handler(None, 0)
    tally.check(read(target) == before and len(os.listdir(directory)) == 2, "interrupted between rows: what is there")


# ---- Sources that change between a row and the writing ----

def changes(directory):
    target, source = f"{directory}/target.safetensors", f"{directory}/source.safetensors"
    db = writer()

    def overwrite():
        with open(source, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x09")

    def replace():
        sparse(f"{directory}/new", "U8", 100000)
        os.replace(f"{directory}/new", source)

    for way, kept in ((overwrite, False), (replace, True), (lambda: os.truncate(source, 5000), False),
                      (lambda: os.unlink(source), True)):
        sparse(source, "U8", 100000)
        os.utime(source, ns=(1, 1))
        for dtype in ("U8", "I16"):
            insert(db, target, "x", "U8", "[1]", b"\x07")
            before = read(target)
            db.execute("BEGIN")
            insert(db, target, "x", dtype, None, f"{source}#x")
            way()
            try:
                db.execute("COMMIT")
                tally.check(kept, f"a source that changes in place: to {dtype}")
                tally.equal(len(read(target)) > 100000, True, "a source that is replaced gives what it had")
            except sqlite3.Error as problem:
                tally.check(not kept and str(problem).startswith(f"safetensors: {target}: tensor "), "a source that changes", problem)
                tally.check(read(target) == before, "a source that changes: the target")
                tally.check(not db.in_transaction, "a COMMIT that fails ends the transaction")
            sparse(source, "U8", 100000)
    tally.equal(sorted(os.listdir(directory)), ["source.safetensors", "target.safetensors"], "sources that change: what is there")


# ---- Full disks ----

def full_disk(directory):
    os.mkdir(f"{directory}/disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", f"{directory}/disk"],
                             capture_output=True, check=False).returncode == 0
    if not mounted:
        print("skipped: full disks (no tmpfs can be mounted here)")
        return
    try:
        fill_disk(directory, f"{directory}/disk")
    finally:
        subprocess.run(["umount", f"{directory}/disk"], check=True)


def fill_disk(directory, disk):
    db = writer()
    source = sparse(f"{directory}/source.safetensors", "F32", 100000)  # 400 kB
    rows = f"FROM (SELECT 't' || value AS v, '{source}#x' AS ref FROM json_each('[1,2,3]'))"
    insert(db, f"{disk}/a.safetensors", "x", "U8", "[1]", b"\x07")
    before = state(disk)
    for arguments in ("'F32', NULL, ref", "'F64', NULL, ref", "'F32', '[100000]', zeroblob(400000)"):
        for path, limit in (("a.safetensors", "NULL"), (INDEX, "500000")):
            sql = f"INSERT INTO {COLUMNS} SELECT '{disk}/{path}', v, {arguments}, {limit}, 'replace' {rows}"
            try:
                db.execute(sql)
                tally.check(False, f"the disk is full: {sql}")
            except sqlite3.Error as problem:
                tally.check("No space left on device" in str(problem), f"the disk is full: {sql}", problem)
            tally.equal(state(disk), before, f"the disk is full: {sql}: what is there")
    # a row that does not fit leaves those before it
    db.execute("BEGIN")
    big = f"INSERT INTO {COLUMNS} VALUES('{disk}/b.safetensors', ?, 'U8', ?, zeroblob(?), NULL, NULL)"
    db.execute(big, ["small", "[1000]", 1000])
    try:
        db.execute(big, ["large", "[2000000]", 2000000])
        tally.check(False, "the disk is full: a row")
    except sqlite3.Error as problem:
        tally.check("No space left on device" in str(problem) and db.in_transaction, "the disk is full: a row", problem)
    db.execute("COMMIT")
    tally.equal(len(read(f"{disk}/b.safetensors")) > 1000, True, "the rows before it are written")
    os.unlink(f"{disk}/b.safetensors")
    db.execute(f"INSERT INTO {COLUMNS} SELECT '{disk}/a.safetensors', v, 'BF16', NULL, ref, NULL, 'replace' {rows}")
    tally.check(len(read(f"{disk}/a.safetensors")) > 600000, "the disk has room again")


# ---- Each system call that can fail, and kill -9 at each ----

CALLS = {"write": "ENOSPC", "pwrite64": "ENOSPC", "copy_file_range": "EIO", "fsync": "EIO", "renameat2": "EACCES",
         "linkat": "EACCES", "openat": "EACCES", "flock": "EIO"}
# There is another way then, or the call was the shell's, or it tidies up.
SURVIVABLE = {"linkat", "openat", "write", "flock", "pwrite64", "copy_file_range"}


def strace(directory, sql, calls, inject):
    """Runs a statement in the shell, with something injected into calls that have to do with `work`;
    whether it was, and whether the statement came to its end."""
    command = ["strace", "-f", "-q", "-o", f"{directory}/trace", "-e", f"trace={calls}", "-e", f"inject={calls}:{inject}"]
    if calls == "openat":
        command += ["-P", f"{directory}/work"]  # not the libraries of the shell
    done = subprocess.run([*command, "sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors", ":memory:", sql],
                          capture_output=True, text=True, check=False)
    trace = read(f"{directory}/trace").decode(errors="replace")
    return "INJECTED" in trace or "SIGKILL" in trace, done.returncode == 0


def may_trace():
    probe = shutil.which("strace") and subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False)
    return bool(probe) and probe.returncode == 0


def injected(directory):
    if not may_trace():
        print("skipped: failing system calls (strace is not there, or may not trace)")
        return
    chance = random.Random(3)
    source = f"{directory}/source.safetensors"
    db = writer()
    insert(db, source, "x", "BF16", "[2000,100]", chance.randbytes(400000))
    rows = f"FROM (SELECT 't' || value AS v, '{source}#x' AS ref FROM json_each('[1,2,3]'))"
    target = f"'{directory}/work/a.safetensors'"
    index = f"'{directory}/work/{INDEX}'"
    for values, old in [
            (f"{target}, v, iif(v = 't1', 'F32', NULL), NULL, ref, NULL", True),
            (f"{target}, v, 'BF16', '[200000]', tensor_data(ref), NULL", False),
            (f"{index}, v, NULL, NULL, ref, 500000", True),
            (f"{index}, v, 'F32', NULL, ref, 500000", False)]:
        sql = f"INSERT INTO {COLUMNS} SELECT {values}, 'replace' {rows}"
        os.mkdir(f"{directory}/work")
        if old:
            db.execute(sql.replace(" v,", " 'old' || v,", 1))
        os.rename(f"{directory}/work", f"{directory}/before")
        shutil.copytree(f"{directory}/before", f"{directory}/work")
        db.execute(sql)
        os.rename(f"{directory}/work", f"{directory}/after")
        fail_each(directory, sql)
        kill_each(directory, sql)
        shutil.rmtree(f"{directory}/before")
        shutil.rmtree(f"{directory}/after")


def run_each(directory, sql, calls, inject):
    """Runs the statement with the injection at the first, second, ... such call, until there is none.
    Yields whether it ended, and what to call it, while the directory is there to be looked at."""
    for when in range(1, 100):
        shutil.copytree(f"{directory}/before", f"{directory}/work")
        met, ended = strace(directory, sql, calls, f"{inject}:when={when}")
        if met:
            yield ended, f"{calls} number {when} of {sql}"
        else:
            tally.equal(state(f"{directory}/work"), state(f"{directory}/after"), f"without a fault: {sql}")
        shutil.rmtree(f"{directory}/work")
        if not met:
            return
    tally.check(False, f"too many calls of {calls}: {sql}")


def fail_each(directory, sql):
    failures, before, after = 0, state(f"{directory}/before"), state(f"{directory}/after")
    for call, error in CALLS.items():
        for ended, fault in run_each(directory, sql, call, f"error={error}"):
            now = state(f"{directory}/work")
            if ended:
                tally.check(call in SURVIVABLE, f"fails: {fault}")
                tally.equal(now, after, f"written in spite of {fault}")
            elif not (call == "write" and now == after):  # the shell's own, of the result
                failures += 1
                tally.equal(now, before, f"what is there after {fault}")
    tally.check(failures >= 6, f"{failures} calls fail: {sql}")


def model(directory):
    """What a user has: the files, but of those beside an index only such as it names."""
    found = {name: digest for name, digest in state(directory).items() if not name.startswith(".")}
    if INDEX not in found:
        return {name: digest for name, digest in found.items() if not name.startswith("m-")}
    text = read(f"{directory}/{INDEX}")
    return {name: digest for name, digest in found.items() if name == INDEX or name.encode() in text}


def kill_each(directory, sql):
    """At each moment there is the whole old model or the whole new one; the next write tidies up."""
    kills_met, before, after = 0, model(f"{directory}/before"), model(f"{directory}/after")
    db = writer()
    for call in ("write", "pwrite64", "copy_file_range", "fsync", "renameat2", "linkat", "unlink", "unlinkat", "flock"):
        for _, fault in run_each(directory, sql, call, "signal=KILL"):
            kills_met += 1
            now = model(f"{directory}/work")
            tally.check(now in (before, after), f"old or new when killed at {fault}", now)
            db.execute(sql)
            # shards of a first generation may be anybody's
            left = [name for name in os.listdir(f"{directory}/work")
                    if name not in model(f"{directory}/work") and not name.startswith("m-0000")]
            tally.equal(left, [], f"left over after the next write, when killed at {fault}")
    tally.check(kills_met > 6, f"{kills_met} kills: {sql}")


# ---- Large files that are given up: the kernel closes them later ----

LARGE = 70_000_000  # bytes
DISCARDS = {"io_uring_setup", "io_uring_register", "close"}


def calls_of(trace):
    """The calls of a trace that has only whole lines: (name, arguments, result)."""
    found = re.findall(r"^\d+ +(\w+)\((.*)\) += (-?\d+)", trace, re.MULTILINE)
    return [(name, arguments, int(result)) for name, arguments, result in found]


def handed_over(calls):
    """How many descriptors were closed after a ring had them, and before the ring was closed."""
    count, held = 0, {}  # the descriptor of each ring
    for name, arguments, result in calls:
        if name == "io_uring_register" and result == 0:
            ring, descriptor = re.fullmatch(r"(\d+), IORING_REGISTER_FILES, \[(\d+)\], 1", arguments).groups()
            held[ring] = descriptor
        elif name == "close" and arguments in held.values():
            held = {ring: None if descriptor == arguments else descriptor for ring, descriptor in held.items()}
        elif name == "close" and arguments in held:
            count += held.pop(arguments) is None
    return count


def discarded(directory):
    """One file, or two shards of which one is sealed: the sync fails when LARGE bytes have been written."""
    if not may_trace():
        return
    os.mkdir(f"{directory}/work")
    for path, limit, sync, large in (("a.safetensors", "NULL", 1, 1), (INDEX, LARGE, 2, 2), ("b.safetensors", "NULL", 1, 0)):
        numel = LARGE if large else 1000
        sql = (f"INSERT INTO {COLUMNS} SELECT '{directory}/work/{path}', 't' || value, 'U8', NULL, "
               f"tensor_convert(tensor_full('[{numel}]', value), 'U8'), {limit}, 'create' FROM json_each('[1,2]')")
        for refused in (), ("-e", "inject=io_uring_setup:error=EPERM"):
            command = ["strace", "-f", "-q", "-o", f"{directory}/trace", "-e", f"trace=fsync,{','.join(DISCARDS)}",
                       "-e", f"inject=fsync:error=EIO:when={sync}", *refused]
            done = subprocess.run([*command, "sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors", ":memory:", sql],
                                  capture_output=True, text=True, check=False)
            tally.check(done.returncode != 0 and "cannot write" in done.stderr, f"{path}: the sync fails", done.stderr)
            tally.equal(os.listdir(f"{directory}/work"), [], f"{path}: nothing is left")
            calls = calls_of(read(f"{directory}/trace").decode())
            rings = [result for name, _, result in calls if name == "io_uring_setup"]
            tally.equal(len(rings), large, f"{path}: large files are handed over")
            if refused:
                continue
            if any(result < 0 for result in rings):
                print("skipped: how large files are closed (no io_uring here)")
                continue
            tally.equal(handed_over(calls), large, f"{path}: and closed by the kernel")


# ---- Kill -9 at random moments ----

SIZE = 1000000


def write_for_ever(target, *sources):
    """Writes one file after the other over the target, and a line for each."""
    db = writer()
    while True:
        for source in sources:
            db.execute(f"INSERT INTO {COLUMNS} SELECT ?, 't' || value, NULL, NULL, ?, NULL, 'replace' FROM json_each('[1,2,3]')",
                       [target, f"{source}#x"])
            print(flush=True)


def check_whole(target, fault):
    data = read(target)
    tensors, _ = reader.read(data)
    values = {data[b:e] for _, _, _, b, e in tensors}
    tally.check(len(tensors) == 3 and len(values) == 1 and values <= {bytes([1]) * SIZE, bytes([2]) * SIZE},
                f"whole: {fault}", [t[:3] for t in tensors])


def kills(directory):
    target, chance, writes = f"{directory}/target.safetensors", random.Random(5), 0
    db = writer()
    for value in (1, 2):
        insert(db, f"{directory}/{value}.safetensors", "x", "U8", f"[{SIZE}]", bytes([value]) * SIZE)
    for number in range(KILLS):
        child = subprocess.Popen([sys.executable, __file__, "write", target, f"{directory}/1.safetensors", f"{directory}/2.safetensors"],
                                 stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(chance.uniform(0, 0.1))
        child.send_signal(signal.SIGKILL)
        writes += 1 + child.stdout.read().count(b"\n")
        child.wait()
        check_whole(target, f"after kill {number}")
    left = [name for name in os.listdir(directory) if name.startswith(".")]
    print(f"{KILLS} kills during {writes} writes; {len(left)} temporary files left")
    insert(db, target, "x", "U8", "[0]", b"")
    tally.equal([name for name in os.listdir(directory) if name.startswith(".")], [], "what is left goes with the next write")


if sys.argv[1:2] == ["write"]:
    write_for_ever(*sys.argv[2:])
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # nothing there waits for a disk
for part in (abandoned, interrupts, changes, full_disk, injected, discarded, kills):
    with tempfile.TemporaryDirectory(dir=MEMORY if part in (injected, discarded) else None) as place:
        begun = time.monotonic()
        part(place)
        if os.environ.get("VERBOSE"):
            print(f"{part.__name__}: {time.monotonic() - begun:.1f} s")
tally.finish()
