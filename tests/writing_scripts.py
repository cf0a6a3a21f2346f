"""The scripts of sql/ that write, on models made here: what they print, and the files, worked out by
hand."""

import os
import re
import struct
import tempfile

import making
import reader
import shell
from tally import Tally

WIDTH = 80
tally = Tally()
ROOT = tempfile.mkdtemp(prefix="writing.")
MODEL = f"{ROOT}/model.safetensors"
OUT = f"{ROOT}/out.safetensors"


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


def bf16(*values):
    return b"".join(struct.pack("<f", value)[2:] for value in values)


def make_model(metadata=None):
    return making.file(MODEL, {
        "model.norm": ("F32", [2], f32(1, 2)), "model.layers.0.w": ("F32", [2, 2], f32(1, 2, 3, 1.00390625)),
        "model.layers.1.w": ("BF16", [2], bf16(4, 5)), "lm_head": ("F16", [1], struct.pack("<e", 6)), "ids": ("U8", [3], b"abc"),
    }, metadata)


def squeezed(text):
    """A table whatever the width of its columns, which depends on the length of ROOT."""
    return re.sub(" {2,}", "  ", re.sub("-{2,}", "--", text))


def runs(script, **parameters):
    code, out, error = shell.script(script, **parameters)
    tally.equal((code, error), (0, ""), f"sql/{script}.sql runs with {parameters}")
    lines = [line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()]
    tally.check(all(len(line) <= WIDTH for line in lines), f"sql/{script}.sql is narrow enough", out)
    with open(f"sql/{script}.sql", encoding="utf-8") as file:
        tally.check("sqlite3 -cmd" in file.read(), f"sql/{script}.sql shows its command line")
    return squeezed("\n".join(lines))


def fails(script, message, **parameters):
    before = files(ROOT)
    code, out, error = shell.script(script, **parameters)
    tally.check(code != 0 and message in error, f"sql/{script}.sql fails with {parameters}", out, error)
    tally.equal(files(ROOT), before, f"what sql/{script}.sql changes when it fails")


def files(folder):
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            with open(f"{where}/{name}", "rb") as file:
                found[os.path.relpath(f"{where}/{name}", folder)] = file.read()
    return found


def contents(path):
    with open(path, "rb") as file:
        data = file.read()
    tensors, metadata = reader.read(data)
    return {n: (d, s, data[b:e]) for n, d, s, b, e in tensors}, metadata


def test_edit_metadata():
    make_model({"format": "pt", "author": "you", "note": "x" * 60})
    before = contents(MODEL)[0]
    got = runs("edit_metadata", path=MODEL, patch='{"format":null,"author":"me","new":"1"}')
    tally.equal(got, squeezed(f"""== Written
file                    tensors
----------------------  -------
ROOT/model.safetensors  5

== Metadata
key     value
------  --------------------------------------------------
author  me
note    {"x" * 47}...
new     1"""), "sql/edit_metadata.sql")
    tally.equal(contents(MODEL), (before, [("author", "me"), ("note", "x" * 60), ("new", "1")]), "edited metadata")
    runs("edit_metadata", path=MODEL)
    tally.equal(contents(MODEL)[1], [("author", "me"), ("note", "x" * 60), ("new", "1")], "no patch")
    runs("edit_metadata", path=MODEL, patch='{"author":null,"note":null,"new":null}')
    tally.equal(contents(MODEL), (before, []), "all metadata removed")
    fails("edit_metadata", "expected metadata, a JSON object of strings, found an integer", path=MODEL, patch='{"a":1}')
    fails("edit_metadata", "malformed JSON", path=MODEL, patch='{')
    fails("edit_metadata", "no such file", path=f"{ROOT}/none", patch='{"a":"1"}')
    # each shard, and a file without tensors
    making.model(f"{ROOT}/sharded", {"a.safetensors": {"x": b"1"}, "b.safetensors": {"y": b"2"}})
    runs("edit_metadata", path=f"{ROOT}/sharded", patch='{"k":"v"}')
    for name, tensor in (("a", "x"), ("b", "y")):
        got = contents(f"{ROOT}/sharded/{name}.safetensors")
        tally.equal((list(got[0]), got[1]), ([tensor], [("k", "v")]), "metadata of a shard")
    making.file(f"{ROOT}/empty.safetensors", {})
    runs("edit_metadata", path=f"{ROOT}/empty.safetensors", patch='{"k":"v"}')
    tally.equal(contents(f"{ROOT}/empty.safetensors"), ({}, [("k", "v")]), "metadata of a file without tensors")


def test_strip_prefix():
    make_model({"b": "1", "a": "2"})
    before, metadata = contents(MODEL)
    got = runs("strip_prefix", path=MODEL, prefix="model.", out=OUT)
    tally.equal(got, squeezed("""== Written
file                  renamed  tensors
--------------------  -------  -------
ROOT/out.safetensors  3        5

== First names
name              new_name
----------------  ----------
model.norm        norm
model.layers.0.w  layers.0.w
model.layers.1.w  layers.1.w"""), "sql/strip_prefix.sql")
    tally.equal(contents(OUT), ({n.removeprefix("model."): t for n, t in before.items()}, metadata), "stripped names")
    tally.equal(contents(MODEL)[0], before, "the source stays")
    runs("strip_prefix", path=MODEL, prefix="model.layers.", new="blocks_")
    tally.equal(set(contents(MODEL)[0]), {"model.norm", "blocks_0.w", "blocks_1.w", "lm_head", "ids"}, "renamed in place")
    making.file(MODEL, {}, {"k": "v"})
    got = runs("strip_prefix", path=MODEL, prefix="a.", out=OUT)
    tally.check(got.endswith("  0  0\n\n== First names\nNone: no name begins so."), "nothing to rename", got)
    tally.equal(contents(OUT), ({}, [("k", "v")]), "a file without tensors, stripped")
    making.file(MODEL, {"a.x": b"1", "x": b"2"})
    fails("strip_prefix", 'tensor "x": expected each name once, found it twice', path=MODEL, prefix="a.")


def test_convert_dtype():
    make_model({"k": "v"})
    before = contents(MODEL)[0]
    got = runs("convert_dtype", path=MODEL, dtype="BF16", keep="*norm*", out=OUT)
    tally.equal(got, squeezed("""== Written
file                  tensors
--------------------  -------
ROOT/out.safetensors  5

== Tensors by dtype
from  to    tensors  bytes_before     bytes
----  ----  -------  ------------  --------
F32   BF16  1            16 B               8 B
F32   F32   1             8 B               8 B
BF16  BF16  1             4 B               4 B
U8    U8    1             3 B               3 B
F16   BF16  1             2 B               2 B"""), "sql/convert_dtype.sql")
    expected = dict(before)
    expected["model.layers.0.w"] = ("BF16", [2, 2], bf16(1, 2, 3, 1))  # 1.00390625, a tie, goes to even
    expected["lm_head"] = ("BF16", [1], bf16(6))
    tally.equal(contents(OUT), (expected, [("k", "v")]), "converted")
    making.file(OUT, before)
    runs("convert_dtype", path=OUT, dtype="F32")
    tally.equal({n: t[0] for n, t in contents(OUT)[0].items()},
                {"model.norm": "F32", "model.layers.0.w": "F32", "model.layers.1.w": "F32", "lm_head": "F32", "ids": "U8"},
                "converted in place")
    making.file(f"{ROOT}/empty.safetensors", {}, {"k": "v"})
    got = runs("convert_dtype", path=f"{ROOT}/empty.safetensors", dtype="BF16", out=OUT)
    tally.check(got.endswith("== Tensors by dtype\nNone."), "nothing to convert", got)
    tally.equal(contents(OUT), ({}, [("k", "v")]), "a file without tensors, converted")
    fails("convert_dtype", "expected a known dtype", path=MODEL, dtype="B16", out=OUT)


def test_reshard():
    make_model({"k": "v"})
    before = contents(MODEL)
    os.mkdir(f"{ROOT}/shards")
    index = f"{ROOT}/shards/m.safetensors.index.json"
    got = runs("reshard", path=MODEL, out=index, limit="20")
    tally.equal(got, squeezed("""== Written
index                                 tensors
------------------------------------  -------
ROOT/shards/m.safetensors.index.json  5

== Files
name                          tensors     bytes
----------------------------  -------  --------
m-00001-of-00003.safetensors  1             8 B
m-00002-of-00003.safetensors  2            20 B
m-00003-of-00003.safetensors  2             5 B"""), "sql/reshard.sql")  # 8, 16 + 4, 2 + 3
    tally.equal(sorted(os.listdir(f"{ROOT}/shards")),
                [f"m-0000{i}-of-00003.safetensors" for i in (1, 2, 3)] + ["m.safetensors.index.json"], "shards")
    runs("reshard", path=f"{ROOT}/shards", out=index, limit="1000")
    tally.equal(sorted(os.listdir(f"{ROOT}/shards")), ["m-00001-of-00001.safetensors", "m.safetensors.index.json"], "one shard")
    got = runs("reshard", path=index, out=OUT)
    tally.equal(got, squeezed("""== Written
file                  tensors
--------------------  -------
ROOT/out.safetensors  5

== Files
name             tensors     bytes
---------------  -------  --------
out.safetensors  5            33 B"""), "sql/reshard.sql into one file")
    tally.equal(contents(OUT), before, "one file of a model")
    fails("reshard", "expected the most bytes of a shard, a positive INTEGER", path=MODEL, out=index, limit="0")
    making.file(f"{ROOT}/empty.safetensors", {}, {"k": "v"})
    runs("reshard", path=f"{ROOT}/empty.safetensors", out=OUT)
    tally.equal(contents(OUT), ({}, [("k", "v")]), "a file without tensors, in one file")
    fails("reshard", "expected tensors for the index to name", path=f"{ROOT}/empty.safetensors", out=index, limit="9")
    fails("reshard", "expected the most bytes of a shard, a positive INTEGER", path=MODEL, out=index, limit="5GB")


def test_extract():
    make_model({"k": "v"})
    before = contents(MODEL)[0]
    got = runs("extract", path=MODEL, names="model.*", without="*norm", out=OUT)
    tally.equal(got, squeezed("""== Written
file                  tensors
--------------------  -------
ROOT/out.safetensors  2

== Kinds of tensors
pattern           tensors  dtypes    parameters
----------------  -------  --------  ----------------
model.layers.#.w  2        F32,BF16                 6"""), "sql/extract.sql")
    tally.equal(contents(OUT), ({n: before[n] for n in ("model.layers.0.w", "model.layers.1.w")}, [("k", "v")]), "extracted")
    runs("extract", path=MODEL, without="lm_head", out=OUT)
    tally.equal(set(contents(OUT)[0]), set(before) - {"lm_head"}, "all but one")
    fails("extract", "a tensor's name matches :names, and not :without", path=MODEL, names="none", out=OUT)


for test in (test_edit_metadata, test_strip_prefix, test_convert_dtype, test_reshard, test_extract):
    test()
tally.finish()
