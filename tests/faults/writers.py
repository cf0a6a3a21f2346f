"""Writers that are killed at random moments, with readers beside them; and several that write the same file or
model at once. A reader gets all rows of one writer, or an error that asks it to run the statement again; never a mixture.

WRITE_KILLS is how many writers are killed: `make kills` takes 300."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

from tally import Tally, connect

KILLS = int(os.environ.get("WRITE_KILLS", "16"))
SECONDS = 2
TENSORS, BYTES = 6, 20000
tally = Tally()

TARGETS = {"a file": ("f.safetensors", None), "a model": ("m.safetensors.index.json", 3 * BYTES)}
PAUSE = 0.1  # between the writes of one who is not killed: a model is read when it has stayed for a moment


def connect_writer():
    db = connect()
    db.isolation_level = None  # each statement is a transaction
    return db


def write(db, path, limit, value):
    """Replaces the checkpoint by one whose bytes are all `value`."""
    db.execute("INSERT INTO safetensors_write(path, name, dtype, shape, data, max_shard_bytes, mode) "
               "SELECT ?1, 't' || value, 'U8', json_array(?2), CAST(replace(hex(zeroblob(?2 / 2)), '00', ?3) AS BLOB), ?4, 'replace' "
               "FROM json_each(?5)", [path, BYTES, value, limit, str(list(range(TENSORS)))])


def values_of(db, path):
    """The value of each tensor's first and last byte, each once."""
    return db.execute("SELECT count(*), group_concat(DISTINCT substr(data, 1, 1) || substr(data, -1, 1)) FROM safetensors_tensors(?)",
                      [path]).fetchone()


def is_whole(found):
    return found[0] == TENSORS and len(found[1]) == 2 and found[1][0] == found[1][1]


# ---- Processes ----

def write_for_ever(path, limit, first, pause):
    db, limit, number = connect_writer(), int(limit) or None, int(first)
    print("begun", flush=True)
    while True:
        letter = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number % 26]
        try:
            write(db, path, limit, letter + letter)
            print(letter, flush=True)
        except sqlite3.Error as problem:
            print(f"! {problem}", flush=True)
        number += 1
        time.sleep(float(pause) * random.random() * 2)


def read_for_ever(path):
    db = connect()
    print("begun", flush=True)
    while True:
        try:
            found = values_of(db, path)
            print("whole" if is_whole(found) else f"MIXED {found}", flush=True)
        except sqlite3.Error as problem:
            print("again" if "run the statement again" in str(problem) else f"! {problem}", flush=True)


def start(what, *arguments):
    child = subprocess.Popen([sys.executable, __file__, what, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    return child


def end(child):
    """Kills the child, and returns the lines that it has printed."""
    child.send_signal(signal.SIGKILL)
    printed = child.stdout.read().splitlines()
    child.wait()
    return printed


# ---- Tests ----

def check_reads(printed, title):
    kinds = {kind: printed.count(kind) for kind in set(printed)}
    # The last line may be cut short by the end of its reader.
    others = [line for line in printed[:-1] if line not in ("whole", "again")]
    tally.check(kinds.get("whole", 0) > 0 and not others, f"{title}: what readers get", others[:3] or kinds)
    return kinds


def left_over(directory):
    """What is there beside the checkpoint's own files, which the next write has made."""
    shards = [name for name in os.listdir(directory) if "-of-" in name]
    return [name for name in os.listdir(directory) if name.startswith(".")], len(shards)


def kills(directory, title):
    chance, db = random.Random(7), connect_writer()
    name, limit = TARGETS[title]
    path = f"{directory}/{name}"
    # twice, so that its shards have a generation: those of the first are nobody's for sure
    write(db, path, limit, "aa")
    write(db, path, limit, "aa")
    reader, writes = start("read", path), 0
    for number in range(KILLS // 2):
        child = start("write", path, limit or 0, number, 0)
        time.sleep(chance.uniform(0, 0.08))
        writes += len(end(child))
        found = values_of(db, path)
        tally.check(is_whole(found), f"{title}: after kill {number}", found)
    reads = check_reads(end(reader), f"{title}, killed writers")
    before = left_over(directory)
    write(db, path, limit, "zz")
    tally.check(is_whole(values_of(db, path)), f"{title}: the next write")
    tally.equal(left_over(directory), ([], 2 if limit else 0), f"{title}: what is left goes with the next write")
    tally.equal(db.execute("SELECT * FROM safetensors_check(?)", [path]).fetchall(), [], f"{title}: the check")
    print(f"{title}: {KILLS // 2} kills during {writes} writes; left then: {before}; reads: {reads}")


def together(directory, title):
    db = connect_writer()
    name, limit = TARGETS[title]
    path = f"{directory}/{name}"
    write(db, path, limit, "aa")
    write(db, path, limit, "aa")
    children = [start("write", path, limit or 0, 0, PAUSE), start("write", path, limit or 0, 13, PAUSE), start("read", path)]
    time.sleep(SECONDS)
    *printed, reads = [end(child) for child in children]
    for lines in printed:
        other_lines = [line for line in lines[:-1] if line.startswith("!") and "somebody else" not in line]
        tally.check(not other_lines, f"{title}: the second writer gets an error", other_lines[:3])
        tally.check(any(not line.startswith("!") for line in lines), f"{title}: both write", lines[:3])
    check_reads(reads, f"{title}, two writers")
    tally.check(is_whole(values_of(db, path)), f"{title}: it is one writer's", values_of(db, path))
    write(db, path, limit, "zz")
    tally.equal(left_over(directory), ([], 2 if limit else 0), f"{title}: nothing is left over")
    seconds = sum(line.startswith("!") for lines in printed for line in lines)
    print(f"{title}: {sum(map(len, printed))} writes by two writers, {seconds} of them second; reads: {len(reads)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write_for_ever(*sys.argv[2:])
    elif sys.argv[1:2] == ["read"]:
        read_for_ever(*sys.argv[2:])
    MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # nothing there waits for a disk
    for part in (kills, together):
        for target in TARGETS:
            with tempfile.TemporaryDirectory(dir=MEMORY) as place:
                part(place, target)
    tally.finish()
