"""Links: a model's files may be links to anywhere, as in git-annex, DVC and the directories of older hub clients; with
safetensors_config('links', 'within') they may not leave its directory, whoever exchanges them meanwhile."""

import functools
import multiprocessing
import os
import sqlite3
import tempfile
import time

import making
from tally import Tally, connect, database_error

tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="links.")
for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
    os.environ.pop(variable, None)
os.environ["HOME"] = f"{ROOT}/home"
INDEX = "model.safetensors.index.json"
LEAVES = "found a link that leaves it"


def rows(sql, *arguments):
    return db.execute(sql, arguments).fetchall()


def names(path):
    return [name for name, in rows("SELECT name FROM safetensors_tensors(?)", path)]


def files(path):
    return [(os.path.relpath(file, ROOT), status) for file, status in
            rows("SELECT file, status FROM safetensors_files(?)", path)]


error_of = functools.partial(database_error, db)


def within(sql_or_function, *arguments):
    """The same where links must not leave the directory."""
    rows("SELECT safetensors_config('links', 'within')")
    try:
        return sql_or_function(*arguments)
    finally:
        rows("SELECT safetensors_config('links', 'follow')")


def whole(path, what):
    tally.equal(names(path), ["a", "b"], f"{what}: tensors")
    tally.equal(rows("SELECT name, tensor_json(ref) FROM safetensors_tensors(?)", path), [("a", "[1]"), ("b", "[2]")],
                f"{what}: values")
    tally.equal(rows("SELECT tensor_json(?)", f"{path}#b"), [("[2]",)], f"{what}: a ref")
    tally.equal(rows("SELECT * FROM safetensors_check(?)", path), [], f"{what}: check")


def test_stores():
    """One directory of links, all of whose targets lie in directories of their own."""
    for what, absolute, with_index in [("git-annex", False, True), ("DVC", True, False), ("a second disk", True, True)]:
        store, directory = f"{ROOT}/{what}/store", f"{ROOT}/{what}/model"
        making.model(directory, {"model-1.safetensors": {"a": b"\1"}, "model-2.safetensors": {"b": b"\2"}})
        for n, file in enumerate(os.listdir(directory)):
            if file == INDEX and with_index:
                continue
            os.makedirs(f"{store}/{n}")
            target = f"{store}/{n}/object"
            os.rename(f"{directory}/{file}", target)
            os.symlink(target if absolute else f"../store/{n}/object", f"{directory}/{file}")
        whole(directory, what)
        whole(f"{directory}/{INDEX}", what)
        tally.check(LEAVES in within(error_of, "SELECT * FROM safetensors_tensors(?)", directory), f"{what}: within")
        tally.equal(len(within(names, f"{directory}/*.safetensors")), 2, f"{what}: without an index, within")


def test_within():
    outside, directory = f"{ROOT}/outside", f"{ROOT}/links"
    making.file(f"{outside}/secret.safetensors", {"s": b"\1"})
    making.file(f"{directory}/real.safetensors", {"s": b"\2"})
    os.symlink(outside, f"{directory}/way_out")
    os.symlink(f"{outside}/secret.safetensors", f"{directory}/link.safetensors")
    os.symlink("link.safetensors", f"{directory}/link_to_link.safetensors")
    os.symlink(f"/proc/self/root{outside}/secret.safetensors", f"{directory}/proc.safetensors")
    os.symlink("nowhere", f"{directory}/dangling.safetensors")
    os.symlink("real.safetensors", f"{directory}/inner.safetensors")
    outer = ["link.safetensors", "link_to_link.safetensors", "way_out/secret.safetensors"]
    if os.path.exists("/proc/self/root"):
        outer.append("proc.safetensors")
    for name in outer:
        path = making.index(f"{directory}/{INDEX}", {"s": name})
        tally.equal(names(path), ["s"], f"{name} is followed")
        tally.equal(rows("SELECT tensor_json(ref), file FROM safetensors_tensors(?)", path),
                    [("[1]", f"{directory}/{name}")], f"{name} is followed, and has its own name")
        tally.check(LEAVES in within(error_of, "SELECT * FROM safetensors_tensors(?)", path), f"within: {name}")
        tally.equal(within(files, path), [(f"links/{name}", "invalid")], f"within: files of {name}")
        tally.check(LEAVES in within(error_of, "SELECT tensor_data(?)", f"{path}#s"), f"within: a ref to {name}")
        tally.equal(within(rows, "SELECT code, file, tensor FROM safetensors_check(?) WHERE code = 'bad-path'", path),
                    [("bad-path", path, None)], f"within: check of {name}")
        # What the user names is the user's business.
        tally.equal(within(names, f"{directory}/{name}"), ["s"], f"within: {name} itself may be opened")
        tally.check(LEAVES in within(error_of, "SELECT * FROM safetensors_tensors(?)", path),
                    f"within: {name}, when its header is known already")
    making.index(f"{directory}/{INDEX}", {"s": "dangling.safetensors"})
    tally.equal(files(directory), [("links/dangling.safetensors", "missing")], "a link that leads nowhere")
    tally.equal(within(files, directory), [("links/dangling.safetensors", "missing")], "within: a link that leads nowhere")
    words = "dangling.safetensors: no such file: it is a link to nowhere, and nothing is there"
    tally.check(words in rows("SELECT error FROM safetensors_files(?)", directory)[0][0], "files say that it is a link")
    tally.check(words in error_of("SELECT * FROM safetensors_tensors(?)", directory), "tables say that it is a link")
    found = rows("SELECT message FROM safetensors_check(?) WHERE code = 'missing-shard'", directory)
    tally.check("found a link to where nothing is" in found[0][0], "the check says that it is a link", found)
    making.index(f"{directory}/{INDEX}", {"s": "inner.safetensors"})
    os.symlink(directory, f"{ROOT}/linked_directory")
    for path in (directory, f"{ROOT}/linked_directory"):
        tally.equal(within(names, path), ["s"], "within: a link within the directory")
    os.makedirs(f"{ROOT}/shared")
    os.symlink(f"../links/{INDEX}", f"{ROOT}/shared/{INDEX}")
    os.link(f"{directory}/real.safetensors", f"{ROOT}/shared/inner.safetensors")
    tally.equal(names(f"{ROOT}/shared"), ["s"], "an index that is a link")
    tally.check(LEAVES in within(error_of, "SELECT * FROM safetensors_tensors(?)", f"{ROOT}/shared"),
                "within: an index that is a link")
    tally.equal(within(rows, "SELECT code FROM safetensors_check(?)", f"{ROOT}/shared"), [("bad-path",)],
                "within: check of an index that is a link")
    os.chdir(directory)
    tally.equal(within(rows, "SELECT name, file FROM safetensors_tensors(?)", INDEX), [("s", "inner.safetensors")],
                "within: an index in the working directory")
    making.index(f"./{INDEX}", {"s": "link.safetensors"})
    tally.check(LEAVES in within(error_of, "SELECT * FROM safetensors_tensors(?)", INDEX),
                "within: a link that leaves the working directory")
    os.chdir("/")


def swap(directory):
    """For ever: the shard is a file in the directory, then a link to one outside, ..."""
    shard, new = f"{directory}/x.safetensors", f"{directory}/new"
    while True:
        os.link(f"{directory}/ok", new)
        os.replace(new, shard)
        if os.path.lexists(new):
            os.unlink(new)
        os.symlink("../race_outside/secret.safetensors", new)
        os.replace(new, shard)


def test_race():
    """Where links must stay within, no byte from outside is seen, whatever happens between look and use."""
    directory = f"{ROOT}/race"
    making.file(f"{ROOT}/race_outside/secret.safetensors", {"t": b"S"})
    making.file(f"{directory}/ok", {"t": b"O"})
    path = making.index(f"{directory}/{INDEX}", {"t": "x.safetensors"})
    swapper = multiprocessing.Process(target=swap, args=(directory,), daemon=True)
    swapper.start()
    seen = {"O": 0, "S": 0, "refused": 0}

    def look():
        end = time.monotonic() + 2
        while time.monotonic() < end or (not seen["O"] or not seen["refused"]) and time.monotonic() < end + 20:
            for sql in ("SELECT CAST(data AS TEXT) FROM safetensors_tensors(?)",
                        "SELECT CAST(tensor_data(? || '#t') AS TEXT)"):
                try:
                    seen[rows(sql, path)[0][0]] += 1
                except sqlite3.Error:
                    seen["refused"] += 1

    within(look)
    swapper.terminate()
    swapper.join()
    tally.equal(seen["S"], 0, "bytes from outside the directory, while a link is exchanged")
    tally.check(seen["O"] > 0 and seen["refused"] > 0, "both states were met", seen)


tally.run(globals(), ROOT)
