"""What the writer leaves behind when it does not come to its end: after statements that fail around
it, interrupts, full disks, every system call that can fail, and kill -9. The target must be as it
was, or the new file, whole; and nothing else may be there.

WRITE_KILLS is how many writing processes are killed: `make kills` takes 200."""

import hashlib
import os
import random
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


def state(folder):
    """All files in a folder, with what tells their bytes apart."""
    return {name: hashlib.sha256(read(f"{folder}/{name}")).hexdigest() for name in os.listdir(folder)}


def sparse(path, dtype, numel):
    """A file with one tensor x, all zeros, that takes no space."""
    nbytes = numel * reader.BITS[dtype] // 8
    header = f'{{"x":{{"dtype":"{dtype}","shape":[{numel}],"data_offsets":[0,{nbytes}]}}}}'.encode()
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + nbytes)
    return path


# ---- Statements that fail around the writer ----

ROWS = "WITH RECURSIVE r(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM r WHERE v < 5) "
WRITE = "safetensors_write(:path, 't' || v, 'U8', '[1]', x'00')"
SHARDS = "safetensors_write_sharded(:path || '.safetensors.index.json', 2, 't' || v, 'U8', '[1]', x'00')"
BAD = "json(iif(v = 4, '{', '1'))"  # an error in row 4
FAILING = [
    "SELECT {w}, max({bad}) FROM r",
    "SELECT max({bad}), {w} FROM r",
    "SELECT {w} FROM r WHERE {bad}",
    "SELECT {w} FROM r WHERE abs(-9223372036854775804 - v)",
    "SELECT {w} FROM r GROUP BY v > 0 HAVING max({bad})",
    "SELECT (SELECT {w} FROM r WHERE {bad})",
    "SELECT * FROM (SELECT {w} AS n FROM r WHERE {bad} GROUP BY v % 1) WHERE n > 2",
    "SELECT v FROM r WHERE v = (SELECT {w} FROM r WHERE {bad})",
    "INSERT INTO t SELECT {w} FROM r WHERE {bad}",
    "INSERT INTO t SELECT {w} FROM r WHERE failing(v)",
    "SELECT {w} FROM (SELECT v FROM r ORDER BY {bad})",
    "SELECT {w} FROM (SELECT v FROM r UNION ALL SELECT v + 10 FROM r WHERE {bad})",
]


def abandoned(folder):
    db = connect()
    db.create_function("failing", 1, lambda v: 1 / (v - 5))
    db.execute("CREATE TABLE t(v UNIQUE)")
    for writer in (WRITE, SHARDS):
        for sql in FAILING:
            sql = ROWS + sql.format(w=writer, bad=BAD)
            before = state(folder)
            try:
                db.execute(sql, {"path": f"{folder}/a"}).fetchall()
                tally.check(False, f"fails: {sql}")
            except sqlite3.Error as problem:
                tally.check("not written" not in str(problem), f"the cause is told: {sql}", problem)
            tally.equal(state(folder), before, f"left behind by {sql}")
            good = sql.replace(BAD, "1").replace("- v", "+ v").replace("failing(v)", "1")
            db.execute(good, {"path": f"{folder}/a"}).fetchall()
            tally.check(state(folder) != before, f"written by {good}")
            for name in os.listdir(folder):
                os.unlink(f"{folder}/{name}")
            db.execute("DELETE FROM t")
    triggers(db, folder)
    reset(db, folder)


def triggers(db, folder):
    for bad in (BAD.replace("v", "new.v + v"), "iif(new.v + v = 4, raise(ignore), 1)", "iif(new.v + v = 4, raise(abort, 'no'), 1)"):
        sql = f"SELECT {WRITE} FROM (SELECT 1 AS v UNION ALL SELECT 2 UNION ALL SELECT 3) WHERE {bad}".replace(":path", "new.path")
        db.execute("CREATE TABLE u(v, path)")
        db.execute(f"CREATE TEMP TRIGGER a BEFORE INSERT ON u BEGIN {sql}; END")
        try:
            db.execute("INSERT INTO u VALUES(1, ?)", [f"{folder}/a"])
        except sqlite3.Error:
            pass
        tally.equal(os.listdir(folder), [], f"left behind by a trigger with {bad}")
        db.execute("INSERT INTO u VALUES(10, ?)", [f"{folder}/a"])
        tally.equal(os.listdir(folder), ["a"], "written by a trigger")
        os.unlink(f"{folder}/a")
        db.execute("DROP TABLE u")


def reset(db, folder):
    """A statement that is given up after its first row; one that fails in its second group."""
    sql = ROWS + f"SELECT {WRITE} FROM r GROUP BY v > 2".replace(":path", ":path || (v > 2)")
    cursor = db.execute(sql, {"path": f"{folder}/a"})
    cursor.fetchone()
    cursor.close()
    tally.check("a0" in os.listdir(folder) and not any(n.startswith(".") for n in os.listdir(folder)),
                "a statement given up", os.listdir(folder))
    for name in os.listdir(folder):
        os.unlink(f"{folder}/{name}")
    try:
        db.execute(sql.replace("FROM r G", f", max({BAD}) FROM r G"), {"path": f"{folder}/a"}).fetchall()
    except sqlite3.Error:
        pass
    tally.equal(os.listdir(folder), ["a0"], "the groups before the one that failed")


# ---- Interrupts ----

def interrupts(folder):
    source = sparse(f"{folder}/source", "F32", 1 << 31)
    target = f"{folder}/target"
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.enable_load_extension(True)
    db.load_extension(f"{BUILD}/safetensors")
    db.execute("SELECT safetensors_write(?, 'x', 'U8', '[1]', x'07')", [target]).fetchall()
    before = read(target)
    for dtype in ("F32", "BF16"):
        timer = threading.Timer(0.2, db.interrupt)
        timer.start()
        start = time.monotonic()
        try:
            db.execute("SELECT safetensors_write(?, 'x', ?, NULL, ?)", [target, dtype, f"{source}#x"]).fetchall()
            tally.check(False, f"interrupted: to {dtype}")
        except sqlite3.Error as problem:
            tally.check("interrupted" in str(problem), f"interrupted: to {dtype}", problem)
        timer.join()
        print(f"to {dtype}: {time.monotonic() - start:.2f} s until interrupted")
        tally.check(read(target) == before and sorted(os.listdir(folder)) == ["source", "target"],
                    f"interrupted: to {dtype}: what is there", os.listdir(folder))
    calls = []
    db.set_progress_handler(lambda: calls.append(1) or len(calls) > 3, 10)
    try:
        db.execute(ROWS + f"SELECT {WRITE} FROM r", {"path": target}).fetchall()
        tally.check(False, "interrupted between rows")
    except sqlite3.Error:
        pass
    db.set_progress_handler(None, 0)
    tally.check(read(target) == before and len(os.listdir(folder)) == 2, "interrupted between rows: what is there")


# ---- Sources that change between a row and the writing ----

def changes(folder):
    target, source = f"{folder}/target", f"{folder}/source"
    db = connect()

    def overwrite():
        with open(source, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x09")

    def replace():
        sparse(f"{folder}/new", "U8", 100000)
        os.replace(f"{folder}/new", source)

    for way in (overwrite, replace, lambda: os.truncate(source, 5000), lambda: os.unlink(source)):
        sparse(source, "U8", 100000)
        os.utime(source, ns=(1, 1))
        db.execute("SELECT safetensors_write(?, 'x', 'U8', '[1]', x'07')", [target]).fetchall()
        before = read(target)
        db.create_function("change", 0, lambda way=way: way() or "later")
        for dtype in ("U8", "I16"):
            try:
                db.execute("SELECT safetensors_write(?, column1, ?, NULL, ?) FROM (SELECT 'x' AS column1 UNION ALL SELECT change())",
                           [target, dtype, f"{source}#x"]).fetchall()
                tally.check(False, f"a source that changes: to {dtype}")
            except sqlite3.Error as problem:
                tally.check(str(problem).startswith(f"safetensors: {target}: tensor "), "a source that changes", problem)
            tally.check(read(target) == before, "a source that changes: the target")
            sparse(source, "U8", 100000)
    tally.equal(sorted(os.listdir(folder)), ["source", "target"], "sources that change: what is there")


# ---- Full disks ----

def full_disk(folder):
    os.mkdir(f"{folder}/disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", f"{folder}/disk"],
                             capture_output=True, check=False).returncode == 0
    if not mounted:
        print("skipped: full disks (no tmpfs can be mounted here)")
        return
    try:
        fill_disk(folder, f"{folder}/disk")
    finally:
        subprocess.run(["umount", f"{folder}/disk"], check=True)


def fill_disk(folder, disk):
    db = connect()
    source = sparse(f"{folder}/source", "F32", 100000)  # 400 kB
    rows = f"FROM (SELECT 't' || value AS v, '{source}#x' AS ref FROM json_each('[1,2,3]'))"
    db.execute("SELECT safetensors_write(?, 'x', 'U8', '[1]', x'07')", [f"{disk}/a"]).fetchall()
    before = state(disk)
    for arguments in ("'F32', NULL, ref", "'F64', NULL, ref", "'F32', '[100000]', zeroblob(400000)"):
        for writer in (f"safetensors_write('{disk}/a', v, {arguments})",
                       f"safetensors_write_sharded('{disk}/m.safetensors.index.json', 500000, v, {arguments})"):
            try:
                db.execute(f"SELECT {writer} {rows}").fetchall()
                tally.check(False, f"the disk is full: {writer}")
            except sqlite3.Error as problem:
                tally.check("No space left on device" in str(problem), f"the disk is full: {writer}", problem)
            tally.equal(state(disk), before, f"the disk is full: {writer}: what is there")
    db.execute(f"SELECT safetensors_write('{disk}/a', v, 'BF16', NULL, ref) {rows}").fetchall()
    tally.check(len(read(f"{disk}/a")) > 600000, "the disk has room again")


# ---- Each system call that can fail, and kill -9 at each ----

CALLS = {"write": "ENOSPC", "copy_file_range": "EIO", "fsync": "EIO", "rename": "EACCES", "linkat": "EACCES",
         "fchmod": "EPERM", "openat": "EACCES"}
# There is another way then, or the call was the shell's.
SURVIVABLE = {"linkat", "openat", "write"}


def strace(folder, sql, calls, inject):
    """Runs a statement in the shell, with something injected into calls that have to do with `work`;
    whether it was, and whether the statement came to its end."""
    command = ["strace", "-f", "-q", "-o", f"{folder}/trace", "-e", f"trace={calls}", "-e", f"inject={calls}:{inject}"]
    if calls == "openat":
        command += ["-P", f"{folder}/work"]  # not the libraries of the shell
    done = subprocess.run([*command, "sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors", ":memory:", sql],
                          capture_output=True, text=True, check=False)
    trace = read(f"{folder}/trace").decode(errors="replace")
    return "INJECTED" in trace or "SIGKILL" in trace, done.returncode == 0


def injected(folder):
    probe = shutil.which("strace") and subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False)
    if not probe or probe.returncode != 0:
        print("skipped: failing system calls (strace is not there, or may not trace)")
        return
    chance = random.Random(3)
    source = f"{folder}/source"
    db = connect()
    db.execute("SELECT safetensors_write(?, 'x', 'BF16', '[2000,100]', ?)", [source, chance.randbytes(400000)]).fetchall()
    rows = f"FROM (SELECT 't' || value AS v, '{source}#x' AS ref FROM json_each('[1,2,3]'))"
    target = f"'{folder}/work/a'"
    index = f"'{folder}/work/m.safetensors.index.json', 500000"
    for sql, old in [
            (f"safetensors_write({target}, v, iif(v = 't1', 'F32', NULL), NULL, ref)", True),
            (f"safetensors_write({target}, v, 'BF16', '[200000]', tensor_data(ref))", False),
            (f"safetensors_write_sharded({index}, v, NULL, NULL, ref)", True),
            (f"safetensors_write_sharded({index}, v, 'F32', NULL, ref)", False)]:
        os.mkdir(f"{folder}/before")
        os.rename(f"{folder}/before", f"{folder}/work")
        if old:
            db.execute(f"SELECT {sql} {rows}".replace(" v,", " 'old' || v,", 1)).fetchall()
        os.rename(f"{folder}/work", f"{folder}/before")
        shutil.copytree(f"{folder}/before", f"{folder}/work")
        db.execute(f"SELECT {sql} {rows}").fetchall()
        os.rename(f"{folder}/work", f"{folder}/after")
        fail_each(folder, f"SELECT {sql} {rows}")
        kill_each(folder, f"SELECT {sql} {rows}")
        shutil.rmtree(f"{folder}/before")
        shutil.rmtree(f"{folder}/after")


def run_each(folder, sql, calls, inject):
    """Runs the statement with the injection at the first, second, ... such call, until there is none.
    Yields whether it ended, and what to call it, while the folder is there to be looked at."""
    for when in range(1, 100):
        shutil.copytree(f"{folder}/before", f"{folder}/work")
        met, ended = strace(folder, sql, calls, f"{inject}:when={when}")
        if met:
            yield ended, f"{calls} number {when} of {sql}"
        else:
            tally.equal(state(f"{folder}/work"), state(f"{folder}/after"), f"without a fault: {sql}")
        shutil.rmtree(f"{folder}/work")
        if not met:
            return
    tally.check(False, f"too many calls of {calls}: {sql}")


def fail_each(folder, sql):
    failures, before, after = 0, state(f"{folder}/before"), state(f"{folder}/after")
    for call, error in CALLS.items():
        for ended, told in run_each(folder, sql, call, f"error={error}"):
            now = state(f"{folder}/work")
            if ended:
                tally.check(call in SURVIVABLE, f"fails: {told}")
                tally.equal(now, after, f"written in spite of {told}")
            elif not (call == "write" and now == after):  # the shell's own, of the result
                failures += 1
                tally.equal(now, before, f"what is there after {told}")
    tally.check(failures >= 6, f"{failures} calls fail: {sql}")


def model(folder):
    """What a user has: the files, but of those beside an index only such as it names."""
    index = "m.safetensors.index.json"
    found = {name: digest for name, digest in state(folder).items() if not name.startswith(".")}
    if index not in found:
        return found
    text = read(f"{folder}/{index}")
    return {name: digest for name, digest in found.items() if name == index or name.encode() in text}


def kill_each(folder, sql):
    kills_met, before, after = 0, model(f"{folder}/before"), model(f"{folder}/after")
    for call in ("write", "copy_file_range", "fsync", "rename", "linkat", "unlink"):
        for _, told in run_each(folder, sql, call, "signal=KILL"):
            kills_met += 1
            now = model(f"{folder}/work")
            if set(before) & set(after) - {"a", "m.safetensors.index.json"} and "m.safetensors.index.json" not in now:
                continue  # a set is replaced name by name: meanwhile there is no index
            tally.check(now in (before, after) or (not before and "m.safetensors.index.json" not in now),
                        f"old or new when killed at {told}", now)
    tally.check(kills_met > 6, f"{kills_met} kills: {sql}")


# ---- Kill -9 at random moments ----

SIZE = 1000000


def write_for_ever(target, *sources):
    """Writes one file after the other over the target, and a line for each."""
    db = connect()
    while True:
        for source in sources:
            db.execute("SELECT safetensors_write(?, 't' || value, NULL, NULL, ?) FROM json_each('[1,2,3]')",
                       [target, f"{source}#x"]).fetchall()
            print(flush=True)


def check_whole(target, told):
    data = read(target)
    tensors, _ = reader.read(data)
    values = {data[b:e] for _, _, _, b, e in tensors}
    tally.check(len(tensors) == 3 and len(values) == 1 and values <= {bytes([1]) * SIZE, bytes([2]) * SIZE},
                f"whole: {told}", [t[:3] for t in tensors])


def kills(folder):
    target, chance, writes = f"{folder}/target", random.Random(5), 0
    db = connect()
    for value in (1, 2):
        db.execute("SELECT safetensors_write(?, 'x', 'U8', ?, ?)",
                   [f"{folder}/{value}", f"[{SIZE}]", bytes([value]) * SIZE]).fetchall()
    for number in range(KILLS):
        child = subprocess.Popen([sys.executable, __file__, "write", target, f"{folder}/1", f"{folder}/2"],
                                 stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(chance.uniform(0, 0.1))
        child.send_signal(signal.SIGKILL)
        writes += 1 + child.stdout.read().count(b"\n")
        child.wait()
        check_whole(target, f"after kill {number}")
    left = [name for name in os.listdir(folder) if name.startswith(".")]
    print(f"{KILLS} kills during {writes} writes; {len(left)} temporary files left")
    tally.check(sum(name.endswith(".old") for name in left) <= 1, "one second name of the target at most", left)
    db.execute("SELECT safetensors_write(?, 'x', 'U8', '[0]', x'')", [target]).fetchall()
    tally.check(not any(name.endswith(".old") for name in os.listdir(folder)), "it goes with the next write")


if sys.argv[1:2] == ["write"]:
    write_for_ever(*sys.argv[2:])
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # nothing there waits for a disk
for part in (abandoned, interrupts, changes, full_disk, injected, kills):
    with tempfile.TemporaryDirectory(dir=MEMORY if part is injected else None) as place:
        begun = time.monotonic()
        part(place)
        if os.environ.get("VERBOSE"):
            print(f"{part.__name__}: {time.monotonic() - begun:.1f} s")
tally.finish()
