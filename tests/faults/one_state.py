"""One statement, one state: models that are replaced while they are read, directories that were left half replaced, and
headers where the times of the file system tell too little (whole seconds, a clock ahead of this machine's).

Long: left out where all takes longer.
"""

import json
import multiprocessing
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

from tally import BUILD, Tally, connect

tally = Tally()
directory = tempfile.mkdtemp(prefix="one_state.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
SHARDS = 8


def write(path, tensors):
    """A file of U8 tensors, {name: bytes}, put in place by rename."""
    header, offset = {}, 0
    for name, data in tensors.items():
        header[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    with open(path + "~", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(tensors.values()))
    os.rename(path + "~", path)


def shard(model, number, count=SHARDS):
    return f"{model}/m-{number:05}-of-{count:05}.safetensors"


def write_index(model, count=SHARDS):
    weight_map = {f"t{i}": os.path.basename(shard(model, i, count)) for i in range(1, count + 1)}
    with open(model + "/index~", "w", encoding="ascii") as file:
        json.dump({"metadata": {}, "weight_map": weight_map}, file)
    os.rename(model + "/index~", model + "/m.safetensors.index.json")


def new_model(name, state=b"a", count=SHARDS, index=True):
    model = os.path.join(directory, name)
    shutil.rmtree(model, ignore_errors=True)
    os.mkdir(model)
    for i in range(1, count + 1):
        write(shard(model, i, count), {f"t{i}": state * 9})
    if index:
        write_index(model, count)
    return model


def settle():
    time.sleep(0.06)


def rows(db, sql, *arguments):
    try:
        return db.execute(sql, arguments).fetchall()
    except sqlite3.Error as error:
        return str(error)


# ---- What is run as a process of its own, at the end.

def replaced_in_a_second(path):
    """How often a statement returns the names of a file that is no longer there."""
    db, stale = connect(), 0
    for i in range(20):
        with open(path, "wb") as file:  # in place: the same inode, the same size
            header = json.dumps({f"name{i:04}": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}).encode()
            file.write(struct.pack("<Q", len(header)) + header + b"ab")
        time.sleep(0.07)
        stale += rows(db, "SELECT name FROM safetensors_tensors(?)", path) != [(f"name{i:04}",)]
    return stale


def seconds_of(path, sql):
    db = connect()
    began = time.monotonic()
    found = rows(db, sql, path)
    tally.equal(found, [(3000,)], sql)
    return time.monotonic() - began


FAR = "SELECT count(tensor_shape(ref)) FROM safetensors_tensors(?)"
if len(sys.argv) > 1:
    if sys.argv[1] == "stale":
        print(replaced_in_a_second(sys.argv[2]))
    else:
        print(seconds_of(sys.argv[2], FAR))
    shutil.rmtree(directory)
    sys.exit(0)

# ---- Replaced while it is read: by names that stay, one file after the other.

def replace_again_and_again(model, pause, hide_index):
    state = 0
    while True:
        state ^= 1
        if hide_index:
            os.rename(model + "/m.safetensors.index.json", model + "/.index")
        for i in range(1, SHARDS + 1):
            write(shard(model, i), {f"t{i}": b"ab"[state:state + 1] * 9})
        write_index(model)
        time.sleep(pause)


def finish_later(model, data):
    time.sleep(0.12)
    for i in range(SHARDS // 2 + 1, SHARDS + 1):
        write(shard(model, i), {f"t{i}": data})
    write_index(model)


def read_while_replaced(what, path, pause, hide_index):
    model = new_model("replaced")
    writer = multiprocessing.Process(target=replace_again_and_again, args=(model, pause, hide_index), daemon=True)
    writer.start()
    good = other = 0
    until = time.monotonic() + 3
    mixed = []
    while time.monotonic() < until:
        found = rows(connect(), "SELECT data FROM safetensors_tensors(?)", model + path)
        if isinstance(found, str):
            other += 1
            if not found.startswith("safetensors: "):
                mixed.append(found)
        elif len(found) == SHARDS and len(set(found)) == 1:
            good += 1
        else:
            mixed.append(found)
    writer.terminate()
    writer.join()
    tally.check(not mixed, f"{what}: {good} good, {other} errors", mixed[:1], len(mixed))
    if pause > 0.1:
        tally.check(good > 0, f"{what}: some are good", f"{other} errors")


for hidden in False, True:
    for pause in 0, 0.15:
        how = f"pauses of {pause} s, index {'hidden' if hidden else 'there'}"
        read_while_replaced(f"by directory, {how}", "", pause, hidden)
        read_while_replaced(f"by index, {how}", "/m.safetensors.index.json", pause, hidden)

# ---- Read while a writer on a busy machine has come half way: the index is still the old one.

model = new_model("halfway")
settle()
for path in model, model + "/m.safetensors.index.json":
    for state in b"bc":
        for i in range(1, SHARDS // 2 + 1):
            write(shard(model, i), {f"t{i}": bytes([state]) * 9})
        rest = multiprocessing.Process(target=finish_later, args=(model, bytes([state]) * 9), daemon=True)
        rest.start()
        found = rows(connect(), "SELECT DISTINCT data FROM safetensors_tensors(?)", path)
        rest.join()
        tally.check(found == [(bytes([state]) * 9,)] or "run the statement again" in found, "half way: one state", found)

# ---- Replaced between the rows of a statement: the next shard is another state's.

model = new_model("between")
settle()
for path in model, model + "/m.safetensors.index.json":
    for i in range(1, SHARDS + 1):
        write(shard(model, i), {f"t{i}": b"a" * 9})
    settle()
    cursor = connect().execute("SELECT data FROM safetensors_tensors(?)", [path])
    tally.equal(cursor.fetchone(), (b"a" * 9,), "before")
    for i in range(1, SHARDS + 1):
        write(shard(model, i), {f"t{i}": b"b" * 9})
    try:
        found = set(cursor.fetchall())
    except sqlite3.Error as error:
        found = str(error)
    tally.check("run the statement again" in found, "replaced between rows", found)

# ---- Refs of one statement lead to one state, and the next statement sees the new one.

path = os.path.join(directory, "one.safetensors")
for what, sql in [("hash", "SELECT tensor_hash(ref) FROM safetensors_tensors(?)"),
                  ("stats", "SELECT max FROM safetensors_tensors(?) t, tensor_stats(t.ref)"),
                  ("data", "SELECT tensor_data(ref) FROM safetensors_tensors(?)"),
                  ("subquery", "SELECT (SELECT data FROM safetensors_tensors(t.file) u WHERE u.name = t.name) "
                               "FROM safetensors_tensors(?) t")]:
    for io in "map", "pread":
        db = connect()
        db.execute("SELECT safetensors_config('io', ?)", [io])
        write(path, {"a": b"a" * 9000, "b": b"a" * 9000})
        cursor = db.execute(sql, [path])
        first = cursor.fetchone()
        write(path, {"a": b"b" * 9000, "b": b"b" * 9000})
        try:
            found = [first] + cursor.fetchall()
            same = len(set(found)) == 1
        except sqlite3.Error as error:
            found, same = str(error), "run the statement again" in str(error)
        tally.check(same, f"{what}, {io}: one state", found)
        found = rows(db, sql, path)
        tally.check(len(found) == 2 and found[0] != first, f"{what}, {io}: the next statement", found)

# So it is with what an address or a directory stands for: the cache's `main` moves on, a directory gets an index.

def snapshot(state, commit):
    repository = os.path.join(directory, "hub/models--org--name")
    place = f"{repository}/snapshots/{commit * 40}"
    os.makedirs(place, exist_ok=True)
    os.makedirs(f"{repository}/refs", exist_ok=True)
    write(f"{place}/model.safetensors", {f"t{i}": state * 9 for i in range(4)})
    with open(f"{repository}/refs/main~", "w", encoding="ascii") as file:
        file.write(commit * 40)
    os.rename(f"{repository}/refs/main~", f"{repository}/refs/main")


def move_on():
    snapshot(b"b", "2")


def get_index():
    write(f"{lone}/m-00001-of-00001.safetensors", {f"t{i}": b"b" * 9 for i in range(4)})
    with open(f"{lone}/m.safetensors.index.json", "w", encoding="ascii") as file:
        json.dump({"weight_map": {f"t{i}": "m-00001-of-00001.safetensors" for i in range(4)}}, file)


os.environ["HF_HUB_CACHE"] = os.path.join(directory, "hub")
snapshot(b"a", "1")
lone = os.path.join(directory, "lone")
os.mkdir(lone)
write(f"{lone}/model.safetensors", {f"t{i}": b"a" * 9 for i in range(4)})
settle()
for place, change in ("hf://org/name", move_on), (lone, get_index):
    for what, sql in [("refs", "SELECT tensor_hash(?1 || '#' || name) FROM safetensors_tensors(?1)"),
                      ("stats", "SELECT max FROM safetensors_tensors(?1) t, tensor_stats(?1 || '#' || t.name)"),
                      ("join", "SELECT (SELECT data FROM safetensors_tensors(?1) u WHERE u.name = t.name) "
                               "FROM safetensors_tensors(?1) t")]:
        if change is get_index and os.path.exists(f"{lone}/m.safetensors.index.json"):
            os.remove(f"{lone}/m.safetensors.index.json")
            os.remove(f"{lone}/m-00001-of-00001.safetensors")
        elif change is move_on:
            snapshot(b"a", "1")
        db = connect()
        cursor = db.execute(sql, [place])
        first = cursor.fetchone()
        change()
        try:
            found = [first] + cursor.fetchall()
            same = len(set(found)) == 1
        except sqlite3.Error as error:
            found, same = str(error), "run the statement again" in str(error)
        tally.check(same, f"{what} of {place}: one state", found)
        found = rows(db, sql, place)
        tally.check(len(found) == 4 and found[0] != first, f"{what} of {place}: the next statement", found)

# A file that is cut while it is read, whichever way that is noticed.
cut = os.path.join(directory, "cut.safetensors")
for io in "map", "pread":
    for sql in ("SELECT data FROM tensor_rows(?)", "SELECT value FROM tensor_elements(?)"):
        header = json.dumps({"a": {"dtype": "U8", "shape": [4096, 1024], "data_offsets": [0, 1 << 22]}}).encode()
        with open(cut, "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header + bytes(1 << 22))
        settle()
        db = connect()
        db.execute("SELECT safetensors_config('io', ?)", [io])
        cursor = db.execute(sql, [cut + "#a"])
        cursor.fetchone()
        os.truncate(cut, 5000)
        try:
            found = f"{len(cursor.fetchall())} rows"
        except sqlite3.Error as error:
            found = str(error)
        tally.check(found.endswith("run the statement again"), f"{sql}, {io}: cut", found)

# A statement that is begun later may see what is there by then, while another one is open.
db = connect()
write(path, {"a": b"a" * 9, "b": b"a" * 9})
outer = db.execute("SELECT data FROM safetensors_tensors(?)", [path])
outer.fetchone()
write(path, {"a": b"b" * 9, "b": b"b" * 9})
tally.equal(rows(db, "SELECT DISTINCT data FROM safetensors_tensors(?)", path), [(b"b" * 9,)], "a statement within")
outer.close()

# ---- Directories of shards without an index.

def tensors_of(model):
    settle()
    return rows(connect(), "SELECT name FROM safetensors_tensors(?)", model)


whole = new_model("whole", count=3, index=False)
tally.equal(tensors_of(whole), [("t1",), ("t2",), ("t3",)], "a whole set")
os.remove(shard(whole, 2, 3))
tally.check("of 3 there lack 2" in tensors_of(whole), "a set without its second shard", tensors_of(whole))
tally.equal(tensors_of(whole + "/*.safetensors"), [("t1",), ("t3",)], "the same, by a pattern")
write(shard(whole, 2, 3), {"t1": b"x"})
tally.check("in several" in tensors_of(whole), "the same tensor twice", tensors_of(whole))
write(shard(whole, 2, 3), {"t2": b"x"})
write(shard(whole, 1, 2), {"u1": b"x"})
write(shard(whole, 2, 2), {"u2": b"x"})
tally.check("found two" in tensors_of(whole), "two sets of one name", tensors_of(whole))
os.remove(shard(whole, 1, 2))
os.remove(shard(whole, 2, 2))
write(whole + "/other-00001-of-00001.safetensors", {"t1": b"x"})
write(whole + "/lora.safetensors", {"t1": b"x"})
tally.equal(tensors_of(whole), [("t1",)] + [(f"t{i}",) for i in (1, 2, 3)] + [("t1",)], "other files beside it")
os.close(os.open(whole + "/.safetensors-0123456789abcdef.old", os.O_CREAT | os.O_WRONLY))
tally.check("was not finished" in tensors_of(whole), "what an unfinished write left", tensors_of(whole))
write(whole + "/m-00001-of-00001.safetensors", {"t1": b"x"})

# ---- Times that tell too little: of whole seconds, or of a clock that is ahead.

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
static void change(struct timespec *t) {
  long tick = atol(getenv("TICK")), ahead = atol(getenv("AHEAD"));
  t->tv_sec += ahead;
  if (tick == 0) return;
  t->tv_nsec = 0;
  t->tv_sec -= t->tv_sec % tick;
}
#define OF(function, type, record)                                   \
  int function(type argument, struct record *s) {                    \
    int (*next)(type, struct record *) = dlsym(RTLD_NEXT, #function); \
    int result = next(argument, s);                                  \
    if (result == 0) change(&s->st_mtim), change(&s->st_ctim);       \
    return result;                                                   \
  }
OF(stat, const char *, stat)
OF(fstat, int, stat)
OF(stat64, const char *, stat64)
OF(fstat64, int, stat64)
"""


shim = os.path.join(directory, "shim.so")
built = subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", shim, "-x", "c", "-", "-ldl"],
                       input=SHIM, text=True, check=False).returncode == 0


def shimmed(what, path, tick, ahead):
    done = subprocess.run([sys.executable, __file__, what, path], capture_output=True, text=True, check=False,
                          env={**os.environ, "LD_PRELOAD": shim, "TICK": str(tick), "AHEAD": str(ahead)})
    return done.stdout.strip() or done.stderr


if not built or "asan" in subprocess.run(["nm", "-D", f"{BUILD}/safetensors.so"], capture_output=True, text=True,
                                         check=False).stdout:
    print("skipped: times of whole seconds, and a clock that is ahead (no compiler, or a build with sanitizers)")
else:
    for tick in 1, 2:
        tally.equal(shimmed("stale", path, tick, 0), "0", f"old names on a file system of {tick} s")
    many = os.path.join(directory, "many.safetensors")
    write(many, {f"model.layers.{i}.weight": b"12345678" for i in range(3000)})
    now, ahead = (float(shimmed("time", many, 0, hours)) for hours in (0, 3600))
    tally.check(ahead < 10 * now + 0.5, "a file of the time to come is not read for every ref", now, ahead)
    print(f"3000 refs: {now:.3f} s; of a file whose clock is an hour ahead: {ahead:.3f} s")

# A file system that really has whole seconds: ext4 with inodes of 128 bytes.
mount = os.path.join(directory, "mount")
image = mount + ".img"
os.mkdir(mount)
with open(image, "wb") as file:
    file.truncate(16 << 20)
made = shutil.which("mkfs.ext4") and subprocess.run(["mkfs.ext4", "-q", "-I", "128", image], capture_output=True,
                                                    check=False).returncode == 0
if made and subprocess.run(["mount", "-o", "loop", image, mount], capture_output=True, check=False).returncode == 0:
    tally.equal(replaced_in_a_second(mount + "/m.safetensors"), 0, "old names on ext4 with inodes of 128 bytes")
    subprocess.run(["umount", mount], check=False)
else:
    print("skipped: ext4 with inodes of 128 bytes (it takes root, mkfs.ext4 and a loop device)")
shutil.rmtree(directory)
tally.finish()
