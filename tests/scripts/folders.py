"""The scripts of sql/ about what lies in folders, inventory, duplicates and shards, on files made here: what they say was
worked out by hand.

Covers little: of all lines, others reach nearly as many.
"""

import json
import math
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import tempfile

import making
import shell
from tally import BUILD, Tally, connect

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="folders.")
OLD = 1_000_000_000  # 2001-09-09 01:46:40


def f32(*values):
    return "F32", [len(values)], struct.pack(f"<{len(values)}f", *values)


def lines(script, code, /, database=":memory:", **parameters):
    """What a script prints, without what pads its lines, with ROOT for the directory; and that it ends like this."""
    got, out, error = shell.script(script, database, **parameters)
    tally.check(got == code and error.count("\n") == code, f"sql/{script}.sql of {parameters} ends with {code}", got, out, error)
    tally.check(all(shell.is_narrow(line) for line in out.splitlines() if "SELECT" not in line and ": " not in line), f"sql/{script}.sql is narrow", out)
    return [line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()]


def shows(script, code, expected, /, database=":memory:", **parameters):
    got = "\n".join(lines(script, code, database, **parameters))
    tally.equal(*(re.sub("-+$", "-", text.strip(), flags=re.MULTILINE) for text in (got, expected)), f"sql/{script}.sql of {parameters}")


def facts(script, code, **parameters):
    """Its tables, by name."""
    got, out, error = shell.script(script, format="json", **parameters)
    tally.equal(got, code, f"sql/{script}.sql as JSON: {error}")
    return json.loads(out)


# ---- inventory ----


def stock(name, tensors, metadata=None):
    os.utime(making.file(f"{ROOT}/stock/{name}.safetensors", tensors, metadata), (OLD, OLD))


def pages(path):
    return os.stat(path).st_size


def test_inventory():
    directory, history = f"{ROOT}/stock", f"{ROOT}/history.db"
    stock("a", {"x.weight": making.zeros("F32", 2)})
    stock("deep/b", {"x.weight": making.zeros("F16", 4), "y.weight": making.zeros("U8", 1)}, {"epoch": "1"})
    stock("c", {"x.weight": making.zeros("U8", 1)})
    making.model(f"{directory}/set", {"m-00001-of-00002.safetensors": {"a": bytes(3)}, "m-00002-of-00002.safetensors": {"b": bytes(5)}})
    with open(f"{directory}/bad.safetensors", "wb") as out:
        out.write(b"1234567")
    first = lines("inventory", 1, history, path=directory)
    # headers of 64, 144, 64, 56 and 56 bytes behind 8; data of 8, 9, 1, 3 and 5; the bad file has 7
    size = sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(directory) for name in names if name.endswith(".safetensors"))
    tally.check(first[0].startswith("First look: 5 models in 2 folders, ") or first[0].startswith("First look: 5 models in 3 folders, "), "how many", first[0])
    tally.check(first[0].endswith(", 16 parameters; 1 cannot be read.") and f"{size} B" in first[0], "2 + 5 + 1 + 8 parameters, all bytes", first[0], size)
    tally.equal(first[1:4], ["", "== Cannot be read", "ROOT/stock/bad.safetensors: expected at least 8 bytes, found 7: too small for a header"], "the worst first")
    tally.equal([line.split("  ")[-1].strip() for line in first if "..." in line], ["...deep/b.safetensors", "...set", "...a.safetensors", "...c.safetensors"],
                "then by size")
    before = pages(history)
    for _ in range(20):
        same = lines("inventory", 1, history, path=f"{directory}/")
    tally.check(same[0].startswith("Nothing has changed since 20") and same[0].endswith("cannot be read.") and not any("Changes" in line for line in same),
                "nothing has changed", same)
    tally.equal(pages(history), before, "the database does not grow")
    db = sqlite3.connect(history)
    tally.equal(db.execute("SELECT count(*), count(DISTINCT taken) FROM model_history").fetchone(), (5, 1), "nor its history")
    db.close()
    stock("deep/b", {"x.weight": making.zeros("F16", 4), "y.weight": making.zeros("U8", 1)}, {"epoch": "2"})
    os.utime(f"{directory}/deep/b.safetensors", (OLD + 5, OLD + 5))
    stock("bad", {"z.weight": making.zeros("U8", 1)})
    os.utime(f"{directory}/a.safetensors", (OLD + 1, OLD + 1))
    os.rename(f"{directory}/c.safetensors", f"{directory}/d.safetensors")
    changed = lines("inventory", 0, history, path=directory)
    tally.check(": 1 gone, 3 changed, 1 new; now 5 models in " in changed[0] and "cannot" not in changed[0], "what has changed", changed[0])
    at = changed.index(next(line for line in changed if line.startswith("== Changes since 20")))
    tally.equal([" ".join(line.split()) for line in changed[at + 3:at + 8]],
                ["gone ...c.safetensors", "changed modified ...a.safetensors", "changed status kind size names metadata modified ...bad.safetensors",
                 "changed metadata modified ...deep/b.safetensors", "new ...d.safetensors"], "and how")
    # The table is an ordinary one: no extension is there to read it.
    rows = sqlite3.connect(history).execute("SELECT change, status, files, size, tensors, parameters, dtypes, metadata, modified, error "
                                            "FROM model_history WHERE model LIKE '%/b.safetensors' ORDER BY taken").fetchall()
    size = os.path.getsize(f"{directory}/deep/b.safetensors")
    tally.equal(rows, [(change, "ok", 1, size, 2, 5, "F16,U8", f'{{"epoch":"{n}"}}', time * 10**9, None)
                       for n, change, time in ((1, "new", OLD), (2, "changed", OLD + 5))], "the history of a model")
    names = sqlite3.connect(history).execute("SELECT count(DISTINCT names), max(length(names)) FROM model_history").fetchone()
    tally.equal(names, (5, 64), "fingerprints of names: a, b, c and d, the set, the second bad")
    with open(f"{directory}/model.safetensors", "wb") as out:
        out.write(b"1234567")
    tables = facts("inventory", 1, path=directory)
    tally.equal((tables["inventory_now"][0]["model"], tables["inventory_now"][0]["status"]), (f"{directory}/model.safetensors", "invalid"), "as JSON")
    shutil.rmtree(directory)
    code, out, error = shell.script("inventory", history, path=directory)
    tally.equal((code, out, error.count("\n")), (1, "", 1), "a directory that is gone may only be unmounted")
    tally.equal(sqlite3.connect(history).execute("SELECT count(*) FROM model_history WHERE change = 'gone'").fetchone(), (1,), "and is not taken")
    os.mkdir(directory)
    gone = lines("inventory", 0, history, path=directory)
    tally.check(": 5 gone; now 0 models" in gone[0] and sum(line.startswith("gone ") for line in gone) == 5, "one that is empty is", gone)
    tally.check(lines("inventory", 0, history, path=directory)[0].startswith("Nothing has changed since"), "once")


# ---- duplicates ----


def test_duplicates():
    directory = f"{ROOT}/copies"
    tensors = {"embed": f32(1, 2, 3, 4), "lm_head": f32(1, 2, 3, 4), "x": f32(5, 6), "nan": f32(math.nan, 0, 0), "none": f32()}
    making.file(f"{directory}/a.safetensors", tensors, {"title": "a"})
    making.model(f"{directory}/sharded", {"m-1.safetensors": {name: tensors[name] for name in ("x", "none", "lm_head")},
                                          "m-2.safetensors": {name: tensors[name] for name in ("nan", "embed")}})
    os.link(f"{directory}/a.safetensors", f"{directory}/link.safetensors")
    making.file(f"{directory}/near.safetensors", {**tensors, "x": f32(5, 7)})
    making.file(f"{directory}/renamed.safetensors", {**{name: value for name, value in tensors.items() if name != "x"}, "y": tensors["x"]})
    making.file(f"{directory}/zeros.safetensors", {"z": f32(0, 0), "zz": ("U8", [8], bytes(8))})
    with open(f"{directory}/bad.safetensors", "wb") as out:
        out.write(b"1234567")
    size = sum(os.path.getsize(f"{directory}/sharded/m-{i}.safetensors") for i in (1, 2))
    out = lines("duplicates", 1, path=directory)
    # a, near and renamed are left, each with embed twice (16 bytes, 5 of 6 to spare), nan (12 bytes, 2 of 3), and two have x;
    # zeros holds 8 bytes twice.
    tally.equal(out[0], f"2 of 7 models are copies of another: {size} B can be freed. In what remains 13 tensors are in 4 sets of equal ones, which hold 120 B more "
                "than once. 1 model cannot be read.".replace(" more than", " more than"), "the first line")
    tally.equal(out[2:4], ["== Cannot be read", "ROOT/copies/bad.safetensors: expected at least 8 bytes, found 7: too small for a header"], "the worst first")
    tables = facts("duplicates", 1, path=directory)
    tally.equal([(row["set_number"], os.path.basename(row["model"]), row["frees"], row["keep"]) for row in tables["duplicate_models"]],
                [(1, "a.safetensors", 0, 1), (1, "link.safetensors", 0, 0), (1, "sharded", size, 0)], "copies of a model, a link among them")
    tally.equal([(row["copies"], row["nbytes"], row["wasted"], row["models"], row["all_zero"]) for row in tables["duplicates"]],
                [(6, 16, 80, 3, 0), (3, 12, 24, 3, 0), (2, 8, 8, 2, 0), (2, 8, 8, 1, 1)], "sets of equal tensors")
    db = connect()
    for row, name in zip(tables["duplicates"], ("embed", "nan", "x")):
        tally.equal(row["hash"], db.execute("SELECT tensor_hash(?, 'U8')", [tensors[name][2]]).fetchone()[0], f"the hash of {name}")
    tally.equal([row["name"] for row in tables["duplicate_tensors"] if row["set_number"] == 3], ["x", "y"], "equal tensors of other names")
    shows("duplicates", 0, "No two tensors have the same bytes.", path=making.file(f"{ROOT}/single.safetensors", {"a": f32(1), "b": f32(2)}))
    shows("duplicates", 0, """
No two of 2 models have the same content. No two tensors have the same bytes.
""", path=os.path.dirname(making.file(f"{ROOT}/two/a.safetensors", {"a": f32(1)})) and
          os.path.dirname(making.file(f"{ROOT}/two/b.safetensors", {"a": f32(2)})))
    code, out, error = shell.script("duplicates", path=f"{directory}/bad.safetensors")
    tally.check(code == 1 and out == "" and "found 7: too small" in error, "a bad file alone ends with its error", out, error)


def test_duplicates_of_many():
    """300 models of 40 tensors, of which every third is a copy: no join is quadratic."""
    for i in range(300):
        making.file(f"{ROOT}/many/{i:03}.safetensors", {f"layers.{k}.w": ("F32", [1], struct.pack("<I", (i - i % 3 % 2) * 1000 + k)) for k in range(40)})
    tables = facts("duplicates", 0, path=f"{ROOT}/many")
    tally.equal((len(tables["duplicate_models"]), sum(1 - row["keep"] for row in tables["duplicate_models"])), (200, 100), "copies among many")
    tally.equal(tables["duplicates"], [], "and nothing beyond them")


# ---- shards ----


def rebuild(path):
    """The statement that shards prints, run in the sqlite3 shell."""
    _, out, _ = shell.script("shards", path=path)
    statements = [line for line in out.splitlines() if line.startswith("SELECT writefile(")]
    tally.equal(len(statements), 1, f"one statement for {path}")
    done = subprocess.run(["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors", ":memory:"], input="\n".join(statements),
                          capture_output=True, text=True, check=False)
    tally.equal((done.returncode, done.stderr), (0, ""), "it runs")


def test_shards():
    directory = f"{ROOT}/shards"
    # 24, 16 and 8 bytes: 48, of which 50%, 33.3% and 16.7%; the mean is 16. Layer 1 is in both of the first.
    shards = {"model-00001-of-00003.safetensors": {"embed": making.zeros("U8", 8), "layers.0.w": making.zeros("F16", 4), "layers.1.w": making.zeros("F32", 2)},
              "model-00002-of-00003.safetensors": {"layers.1.v": making.zeros("U8", 12), "layers.2.w": making.zeros("U8", 4)},
              "model-00003-of-00003.safetensors": {"norm": making.zeros("F32", 2)}}
    making.model(directory, shards)
    shows("shards", 0, """
Complete: 3 files, 48 B, the largest 1.50 times the mean; the index fits.

== Files
tensors     bytes   share  relative    file
-------  --------  ------  ----------  -----------------------------------
      3      24 B   50.0%  ##########  ...model-00001-of-00003.safetensors
      2      16 B   33.3%  ######      ...model-00002-of-00003.safetensors
      1       8 B   16.7%  ###         ...model-00003-of-00003.safetensors

== Layers in more than one file
layer  tensors  files  model
-----  -------  -----  -----------
    1        2      2  ROOT/shards
""", path=directory)
    os.remove(f"{directory}/model-00002-of-00003.safetensors")
    with open(f"{directory}/model-00003-of-00003.safetensors", "wb") as file:
        file.write(b"1234567")
    shows("shards", 1, """
Not complete: 1 of 3 files is missing, 1 cannot be read.

== What is wrong
model-00003-of-00003.safetensors: expected at least 8 bytes, found 7: too small for a header
missing-shard: expected shard model-00002-of-00003.safetensors, which the index says has 2 of the tensors, found no such file

== Files
tensors     bytes   share  relative    file
-------  --------  ------  ----------  -----------------------------------
      3      24 B  100.0%  ##########  ...model-00001-of-00003.safetensors
missing                                ...model-00002-of-00003.safetensors
invalid                                ...model-00003-of-00003.safetensors
""", path=directory)


def test_rebuilding():
    """A wrong index, one that is no JSON, and none: the statement makes one with which all is well."""
    wrong = f"{ROOT}/wrong's [index]"
    making.file(f"{wrong}/1.safetensors", {"a": making.zeros("U8", 1), "b": making.zeros("U8", 1)})
    making.file(f"{wrong}/2.safetensors", {"c": making.zeros("U8", 1), "new": making.zeros("U8", 1)})
    making.index(f"{wrong}/model.safetensors.index.json",
                 {"a": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors", **{f"gone{n}": "1.safetensors" for n in range(5)}})
    out = lines("shards", 1, path=wrong)
    tally.equal(out[0], "The index does not fit the files: 7 findings.", "1 misplaced, 5 missing, 1 not named")
    tally.check("misplaced-tensor: tensor a: expected in shard 2.safetensors by the index, found in 1.safetensors" in out and
                "and 2 more of missing-tensor: check.sql lists them all" in out and "unindexed-tensor: tensor new: expected the tensor in the index, found none of that name"
                in out, "which", out)
    rebuild(wrong)
    with open(f"{wrong}/model.safetensors.index.json", encoding="utf-8") as file:
        index = json.load(file)
    tally.equal(index, {"metadata": {"total_size": 4}, "weight_map": {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors", "new": "2.safetensors"}},
                "a new index")
    tally.check(lines("shards", 0, path=wrong)[0].endswith("; the index fits."), "which fits")
    for name, text in (("broken", "{"), ("none", None)):
        directory = f"{ROOT}/{name}"
        for i in (1, 2):
            making.file(f"{directory}/model-0000{i}-of-00002.safetensors", {f"layers.{i}.w": making.zeros("U8", i)})
        making.file(f"{directory}/model-other.safetensors", {"layers.1.w": making.zeros("U8", 1)})
        if text is not None:
            with open(f"{directory}/model.safetensors.index.json", "w", encoding="utf-8") as file:
                file.write(text)
        model = f"{directory}/model.safetensors.index.json" if text is not None else f"{directory}/model-?????-of-00002.safetensors"
        first = lines("shards", 1 if text is not None else 0, path=model)[0]
        tally.check(first == "The index cannot be read." or first.endswith("; there is no index."), f"{name}: the first line", first)
        rebuild(model)
        with open(f"{directory}/model.safetensors.index.json", encoding="utf-8") as file:
            tally.equal(json.load(file), {"metadata": {"total_size": 3}, "weight_map": {f"layers.{i}.w": f"model-0000{i}-of-00002.safetensors" for i in (1, 2)}},
                        f"{name}: a new index")
        tally.check(lines("shards", 0, path=f"{directory}/model.safetensors.index.json")[0].endswith("; the index fits."), f"{name}: which fits")


def test_not_rebuilding():
    """Where shards are missing, or have a tensor twice, there is no statement."""
    for number in (1, 3):
        making.file(f"{ROOT}/gap/model-0000{number}-of-00003.safetensors", {f"layers.{number}.w": making.zeros("U8", 8)})
    out = lines("shards", 1, path=f"{ROOT}/gap")
    tally.check(out[0].startswith("Not complete: ") and any("found 1 missing: 2" in line for line in out) and not any("writefile" in line for line in out),
                "a shard is missing", out)
    making.model(f"{ROOT}/linked", {f"model-0000{i}-of-00002.safetensors": {f"{i}": bytes(i)} for i in (1, 2)})
    making.index(f"{ROOT}/blob", {"1": "model-00002-of-00002.safetensors", "2": "model-00002-of-00002.safetensors"})
    os.remove(f"{ROOT}/linked/model.safetensors.index.json")
    os.symlink("../blob", f"{ROOT}/linked/model.safetensors.index.json")
    out = lines("shards", 1, path=f"{ROOT}/linked")
    tally.check(out[0].startswith("The index does not fit") and not any("writefile" in line for line in out), "an index that is a link is not written", out)
    for number in (1, 2):
        making.file(f"{ROOT}/twice/model-0000{number}-of-00002.safetensors", {"w": making.zeros("U8", 8)})
    out = lines("shards", 1, path=f"{ROOT}/twice")
    tally.check(not any("writefile" in line for line in out) and any("duplicate-across-shards" in line for line in out), "a tensor is in two", out)
    code, out, error = shell.script("shards", path=making.file(f"{ROOT}/x/\x1b[2J-00001-of-00002.safetensors", {"a": bytes(1)}) and
                                    making.file(f"{ROOT}/x/\x1b[2J-00002-of-00002.safetensors", {"b": bytes(1)}) and f"{ROOT}/x")
    tally.check("\x1b" not in out + error and "shard_rebuild has it" in out, "no control character reaches the terminal", out, error)


def test_shards_of_many():
    for i in range(3):
        making.model(f"{ROOT}/several/{i}", {f"m-0000{k}-of-00002.safetensors": {f"layers.{k}.w": making.zeros("U8", 8)} for k in (1, 2)})
    making.file(f"{ROOT}/several/lone.safetensors", {"w": making.zeros("U8", 8)})
    tally.equal(lines("shards", 0, path=f"{ROOT}/several")[0], "4 models, 3 of them sharded: 4 complete.", "of several models")
    os.remove(f"{ROOT}/several/1/m-00001-of-00002.safetensors")
    tally.equal(lines("shards", 1, path=f"{ROOT}/several")[0], "4 models, 3 of them sharded: 3 complete, 1 not complete.", "of which one is not")
    tables = facts("shards", 1, path=f"{ROOT}/several")
    tally.equal([(os.path.relpath(row["file"], f"{ROOT}/several"), row["status"]) for row in tables["shards"] if row["status"] != "ok"],
                [("1/m-00001-of-00002.safetensors", "missing")], "which")


tally.run(globals(), ROOT)
