"""The scripts of sql/ that write, on models made here: what they print, and the files, worked out by
hand."""

import json
import math
import os
import re
import struct
import tempfile

import making
import reader
import shell
from tally import Tally

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
    tally.check(all(shell.is_narrow(line) for line in lines if not line.startswith("safetensors: ")), f"sql/{script}.sql is narrow enough", out)
    return squeezed("\n".join(lines))


def fails(script, message, **parameters):
    before = files(ROOT)
    code, out, error = shell.script(script, **parameters)
    tally.check(code != 0 and message in error, f"sql/{script}.sql fails with {parameters}", out, error)
    tally.equal(files(ROOT), before, f"what sql/{script}.sql changes when it fails")


def files(directory):
    found = {}
    for where, _, names in os.walk(directory):
        for name in names:
            with open(f"{where}/{name}", "rb") as file:
                found[os.path.relpath(f"{where}/{name}", directory)] = file.read()
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
    tally.equal(got, squeezed(f"""The metadata of the file are changed.

== Written
tensors  file
-------  ----------------------
      5  ROOT/model.safetensors

== Metadata
key     value
------  --------------------------------------------------
author  me
note    {"x" * 47}...
new     1"""), "sql/edit_metadata.sql")
    tally.equal(contents(MODEL), (before, [("author", "me"), ("note", "x" * 60), ("new", "1")]), "edited metadata")
    nothing = "Nothing changed: the metadata of the file are already so."
    for patch in ("{}", '{"author":"me","none":null}'):
        written = os.stat(MODEL).st_mtime_ns
        tally.equal((runs("edit_metadata", path=MODEL, patch=patch), os.stat(MODEL).st_mtime_ns), (nothing, written), f"nothing is written for {patch}")
    tally.equal(contents(MODEL)[1], [("author", "me"), ("note", "x" * 60), ("new", "1")], "an empty patch")
    got = runs("edit_metadata", path=MODEL, patch='{"author":null,"note":null,"new":null}')
    tally.check(got.endswith("== Metadata\nNone."), "no metadata", got)
    tally.equal(contents(MODEL), (before, []), "all metadata removed")
    fails("edit_metadata", "expected metadata, a JSON object of strings, found an integer", path=MODEL, patch='{"a":1}')
    for patch in ("{", "[]", "author"):
        fails("edit_metadata", ":patch is a JSON object", path=MODEL, patch=patch)
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
    tally.equal(got, squeezed("""3 of 5 tensors are renamed, in ROOT/out.safetensors.

== First names
model.norm
  > norm
model.layers.0.w
  > layers.0.w
model.layers.1.w
  > layers.1.w"""), "sql/strip_prefix.sql")
    tally.equal(runs("strip_prefix", path=MODEL, prefix="model.", new="model.", out=OUT),
                "Nothing changed: the new names are the old ones, in ROOT/out.safetensors.", "a prefix that stays")
    runs("strip_prefix", path=MODEL, prefix="model.", out=OUT)
    tally.equal(contents(OUT), ({n.removeprefix("model."): t for n, t in before.items()}, metadata), "stripped names")
    tally.equal(contents(MODEL)[0], before, "the source stays")
    runs("strip_prefix", path=MODEL, prefix="model.layers.", new="blocks_", out=MODEL)
    tally.equal(set(contents(MODEL)[0]), {"model.norm", "blocks_0.w", "blocks_1.w", "lm_head", "ids"}, "renamed in place")
    making.file(MODEL, {}, {"k": "v"})
    fails("strip_prefix", "no tensor's name begins with :prefix", path=MODEL, prefix="a.", out=OUT)
    making.file(MODEL, {"a.x": b"1", "x": b"2"})
    fails("strip_prefix", 'tensor "x": expected each name once, found it twice', path=MODEL, prefix="a.", out=MODEL)


def test_convert_dtype():
    make_model({"k": "v"})
    before = contents(MODEL)[0]
    got = runs("convert_dtype", path=MODEL, dtype="BF16", keep="*norm*", out=OUT)
    tally.equal(got, squeezed("""2 of 5 tensors converted to BF16: 25 B, before 33 B.
Written to ROOT/out.safetensors.

== Tensors by dtype
from  to    tensors  bytes_before  bytes_after
----  ----  -------  ------------  -----------
F32   BF16        1          16 B          8 B
F32   F32         1           8 B          8 B
BF16  BF16        1           4 B          4 B
U8    U8          1           3 B          3 B
F16   BF16        1           2 B          2 B"""), "sql/convert_dtype.sql")
    expected = dict(before)
    expected["model.layers.0.w"] = ("BF16", [2, 2], bf16(1, 2, 3, 1))  # 1.00390625, a tie, goes to even
    expected["lm_head"] = ("BF16", [1], bf16(6))
    tally.equal(contents(OUT), (expected, [("k", "v")]), "converted")
    making.file(OUT, before)
    runs("convert_dtype", path=OUT, dtype="F32", out=OUT)
    tally.equal({n: t[0] for n, t in contents(OUT)[0].items()},
                {"model.norm": "F32", "model.layers.0.w": "F32", "model.layers.1.w": "F32", "lm_head": "F32", "ids": "U8"},
                "converted in place")
    making.file(f"{ROOT}/empty.safetensors", {}, {"k": "v"})
    fails("convert_dtype", ":path has a tensor", path=f"{ROOT}/empty.safetensors", dtype="BF16", out=OUT)
    making.file(f"{ROOT}/no_float.safetensors", {"x": b"1"}, {"k": "v"})
    got = runs("convert_dtype", path=f"{ROOT}/no_float.safetensors", dtype="BF16", out=OUT)
    tally.check(got.startswith("No tensor is converted: none is of another floating-point dtype than BF16."), "nothing to convert", got)
    tally.equal(contents(OUT), ({"x": ("U8", [1], b"1")}, [("k", "v")]), "a file without floats, converted")
    fails("convert_dtype", "expected a known dtype", path=MODEL, dtype="B16", out=OUT)
    os.mkdir(f"{ROOT}/converted")
    index = f"{ROOT}/converted/m.safetensors.index.json"
    runs("convert_dtype", path=MODEL, dtype="BF16", keep="*norm*", out=index, limit="12")
    names = [f"m-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    tally.equal(sorted(os.listdir(f"{ROOT}/converted")), names + ["m.safetensors.index.json"], "converted shards")
    shards = [contents(f"{ROOT}/converted/{name}") for name in names]
    tally.equal([list(shard[0]) for shard in shards], [["model.norm"], ["model.layers.0.w", "model.layers.1.w"], ["lm_head", "ids"]],
                "the names of converted shards")  # 8, 8 + 4, 2 + 3
    tally.equal({name: tensor for shard in shards for name, tensor in shard[0].items()}, expected, "converted into shards")
    tally.equal([shard[1] for shard in shards], [[("k", "v")]] * 3, "the metadata of converted shards")
    runs("convert_dtype", path=f"{ROOT}/converted", dtype="F16", out=index)
    tally.equal(sorted(os.listdir(f"{ROOT}/converted")), ["m-r2-00001-of-00001.safetensors", "m.safetensors.index.json"],
                "a model of shards, converted in place, into shards of the usual size")
    runs("convert_dtype", path=index, dtype="F32", out=OUT)
    tally.equal({n: t[0] for n, t in contents(OUT)[0].items()}, {n: "U8" if n == "ids" else "F32" for n in expected},
                "a model of shards, converted into one file")
    for name in "ab":
        making.file(f"{ROOT}/several/{name}/x.safetensors", {"x": b"1"})
    fails("convert_dtype", ":path is one model, found 2: ", path=f"{ROOT}/several", dtype="F16", out=OUT)
    fails("convert_dtype", ":path is one model, found 2: ", path=f"{ROOT}/several/*/x.safetensors", dtype="F16", out=OUT)
    making.file(f"{ROOT}/several/x.safetensors", {"y": b"1"})
    runs("convert_dtype", path=f"{ROOT}/several", dtype="F16", out=OUT)
    tally.equal(list(contents(OUT)[0]), ["y"], "what is below a model is not of it")
    fails("convert_dtype", ":limit is greater than 0", path=MODEL, dtype="F16", out=index, limit="0")
    fails("convert_dtype", ":limit is a number of bytes", path=MODEL, dtype="F16", out=index, limit="5GB")


def test_convert_packed():
    """Scales and other parts of packed weights stay as they are, and those that belong to no weight, or to none that is known."""
    path, scale = f"{ROOT}/packed.safetensors", ("F32", [1], struct.pack("<f", 1 + 2**-20))
    packed = {"a.weight": ("F8_E4M3", [2, 2], bytes(4)), "a.weight_scale_inv": scale, "a.bias": scale, "b.weight_scale": scale,
              "c.weight": ("BF16", [16, 1], bytes(32)), "c.weight.absmax": scale, "c.weight.quant_map": ("F32", [16], bytes(64)),
              "d.codes": ("U8", [2, 2], bytes(4)), "d.codebook": scale}
    making.file(path, packed)
    got = runs("convert_dtype", path=path, dtype="F16", out=OUT)
    tally.check(got.startswith("1 of 9 tensors converted to F16: ") and "\n8 tensors stay as they are, parts of packed weights (" in got, "what it says", got)
    tally.equal(contents(OUT)[0], {**packed, "a.bias": ("F16", [1], struct.pack("<e", 1))}, "what is converted")


def test_convert_range():
    """Values that are too large or too small for the dtype are counted, with NaN and infinities that were there left out."""
    inf, nan = math.inf, math.nan
    path = making.file(f"{ROOT}/range.safetensors", {
        "a": ("F32", [7], struct.pack("<7f", 1, 65519, 65520, -1e9, 2**-25, 2**-24, 0)), "b": ("F32", [4], struct.pack("<4f", inf, nan, -inf, 0)),
        "c": ("F64", [2], struct.pack("<2d", 1e300, 1e-300)), "d": ("F16", [1], struct.pack("<e", 6e-8)), "e": ("I64", [1], bytes(8))})
    for dtype, expected in (("F16", {"a": (2, 1), "b": (0, 0), "c": (1, 1), "d": (0, 0), "e": (0, 0)}),  # 65520 and 2**-25 are halfway
                            ("F32", {"a": (0, 0), "b": (0, 0), "c": (1, 1), "d": (0, 0), "e": (0, 0)}),
                            ("BF16", {"a": (0, 0), "b": (0, 0), "c": (1, 1), "d": (0, 0), "e": (0, 0)}),
                            ("F8_E4M3", {"a": (3, 2), "b": (0, 0), "c": (1, 1), "d": (0, 1), "e": (0, 0)}),
                            ("I8", {"a": (3, 2), "b": (0, 0), "c": (1, 1), "d": (0, 1), "e": (0, 0)})):
        code, out, error = shell.script("convert_dtype", path=path, dtype=dtype, out=OUT, format="json")
        tally.equal((code, error), (0, ""), f"converts to {dtype}")
        tally.equal({row["name"]: (row["overflow"], row["underflow"]) for row in json.loads(out)["converted"]}, expected, f"what does not fit {dtype}")
    got = runs("convert_dtype", path=path, dtype="F16", out=OUT)
    tally.check(got.startswith("error: 3 values are too large for F16, and not what they were.\n"), "what does not fit stands first", got)


def test_reshard():
    make_model({"k": "v"})
    before = contents(MODEL)
    os.mkdir(f"{ROOT}/shards")
    index = f"{ROOT}/shards/m.safetensors.index.json"
    got = runs("reshard", path=MODEL, out=index, limit="20")
    tally.equal(got, squeezed("""5 tensors, 33 B, are in ROOT/shards/m.safetensors.index.json and its 3 shards.

== Files
tensors     bytes  name
-------  --------  ----------------------------
      1       8 B  m-00001-of-00003.safetensors
      2      20 B  m-00002-of-00003.safetensors
      2       5 B  m-00003-of-00003.safetensors"""), "sql/reshard.sql")  # 8, 16 + 4, 2 + 3
    tally.equal(sorted(os.listdir(f"{ROOT}/shards")),
                [f"m-0000{i}-of-00003.safetensors" for i in (1, 2, 3)] + ["m.safetensors.index.json"], "shards")
    runs("reshard", path=f"{ROOT}/shards", out=index, limit="1000")
    tally.equal(sorted(os.listdir(f"{ROOT}/shards")), ["m-r2-00001-of-00001.safetensors", "m.safetensors.index.json"], "one shard")
    got = runs("reshard", path=index, out=OUT)
    tally.equal(got, squeezed("""5 tensors, 33 B, are in ROOT/out.safetensors.

== Files
tensors     bytes  name
-------  --------  ---------------
      5      33 B  out.safetensors"""), "sql/reshard.sql into one file")
    tally.equal(contents(OUT), before, "one file of a model")
    fails("reshard", ":limit is greater than 0", path=MODEL, out=index, limit="0")
    fails("reshard", ":limit is set if :out is an index", path=MODEL, out=index)
    making.file(f"{ROOT}/empty.safetensors", {}, {"k": "v"})
    runs("reshard", path=f"{ROOT}/empty.safetensors", out=OUT)
    tally.equal(contents(OUT), ({}, [("k", "v")]), "a file without tensors, in one file")
    fails("reshard", "expected tensors for the index to name", path=f"{ROOT}/empty.safetensors", out=index, limit="9")
    fails("reshard", ":limit is a number of bytes", path=MODEL, out=index, limit="5GB")


def test_extract():
    make_model({"k": "v"})
    before = contents(MODEL)[0]
    got = runs("extract", path=MODEL, names="model.*", without="*norm", out=OUT)
    tally.equal(got, squeezed("""2 tensors are copied, 20 B, in ROOT/out.safetensors.

== Kinds of tensors
tensors  dtypes    parameters  pattern
-------  --------  ----------  ----------------
      2  F32,BF16           6  model.layers.#.w"""), "sql/extract.sql")
    tally.equal(contents(OUT), ({n: before[n] for n in ("model.layers.0.w", "model.layers.1.w")}, [("k", "v")]), "extracted")
    runs("extract", path=MODEL, without="lm_head", out=OUT)
    tally.equal(set(contents(OUT)[0]), set(before) - {"lm_head"}, "all but one")
    fails("extract", "no tensor's name matches :names, and not :without", path=MODEL, names="none", out=OUT)


def test_index():
    directory = f"{ROOT}/indexed"
    name = "model-0000{}-of-00003.safetensors"
    index = making.model(directory, {name.format(i): {f"t{i}": b"12", f"u{i}": b"3"} for i in (1, 2, 3)})
    making.index(index, {f"{kind}{i}": name.format(i) for i in (1, 2, 3) for kind in "tu"}, total_size=9, note="kept")
    with open(index, "rb") as file:
        before = file.read()
    os.remove(f"{directory}/{name.format(2)}")
    got = runs("index", path=directory)
    tally.equal(got, squeezed("""model.safetensors.index.json names 4 tensors, 6 B, in 2 shards; 2 of 6 tensors of the old index are in no shard, and dropped.

== Dropped
tensors  missing_from                      first
-------  --------------------------------  -----
      2  model-00002-of-00003.safetensors  t2

== What is still wrong
warning: expected 3 shards model-..., found 1 missing: 2 [shard-gap]"""), "sql/index.sql")
    expected = {f"{kind}{i}": name.format(i) for i in (1, 3) for kind in "tu"}
    tally.equal(json.load(open(index, encoding="utf-8")),
                {"metadata": {"total_size": 6, "note": "kept"}, "weight_map": expected}, "the new index")
    tally.equal(files(directory)["model.safetensors.index.json.old"], before, "the old index is kept")
    # again, and with a shard that cannot be read
    with open(f"{directory}/{name.format(3)}", "ab") as file:
        file.write(b"more")
    got = runs("index", path=f"{directory}/")
    tally.check(f"\nerror: ROOT/indexed/{name.format(3)}: trailing bytes" in got,
                "a shard that cannot be read", got)
    tally.equal(json.load(open(index, encoding="utf-8"))["weight_map"], {f"{kind}1": name.format(1) for kind in "tu"}, "is left out")
    tally.equal(files(directory)["model.safetensors.index.json.old"], before, "the first index is kept")
    # without an index, in a directory whose name is a pattern, with a model beside it
    odd = f"{ROOT}/od[d]*"
    for i in (1, 2):
        making.file(f"{odd}/a-0000{i}-of-00002.safetensors", {f"t{i}": b"1"})
    making.file(f"{odd}/consolidated.safetensors", {"t1": b"1", "t2": b"1"})
    fails("index", "a tensor is in two files: :shards says which files are meant", path=odd)
    got = runs("index", path=odd, shards="a-*.safetensors", out=f"{odd}/a.safetensors.index.json")
    tally.check(got.startswith("a.safetensors.index.json names 2 tensors, 2 B, in 2 shards.\n") and got.endswith("Nothing."), "an index where there was none", got)
    tally.equal(json.load(open(f"{odd}/a.safetensors.index.json", encoding="utf-8")),
                {"metadata": {"total_size": 2}, "weight_map": {f"t{i}": f"a-0000{i}-of-00002.safetensors" for i in (1, 2)}}, "that index")
    fails("index", ":out is a *.safetensors.index.json in the directory of the shards", path=odd, shards="a-*", out=f"{ROOT}/x.safetensors.index.json")
    fails("index", "found none", path=odd, shards="b-*")
    fails("index", "no such file", path=f"{ROOT}/none")
    os.symlink(index, f"{odd}/l.safetensors.index.json")
    fails("index", ":out is no link", path=odd, shards="a-*", out=f"{odd}/l.safetensors.index.json")
    with open(f"{odd}/a.safetensors.index.json", "w", encoding="utf-8") as file:
        file.write("{ no index")
    got = runs("index", path=odd, shards="a-*", out=f"{odd}/a.safetensors.index.json")
    tally.check("\nwarning: the old index was no JSON.\n" in got, "an index that is no JSON", got)


def damage(name, tensors, metadata=None, cut=0, more=b""):
    path = making.file(f"{ROOT}/{name}.safetensors", tensors, metadata)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data[:len(data) - cut] + more)
    return path


def test_repair():
    three = {"a": ("F32", [2], f32(1, 2)), "b": b"abcd", "c": ("F32", [2], f32(3, 4))}
    path, out = damage("truncated", three, {"format": "pt"}, cut=1), f"{ROOT}/repaired.safetensors"
    got = runs("repair", path=path, out=out)
    tally.check(got.startswith(squeezed("""1 of 3 tensors is lost, the others are whole: 12 B, in ROOT/repaired.safetensors.

== Lost
cut  c
  expected bytes""")), "sql/repair.sql", got)
    tally.equal(contents(out), ({"a": three["a"], "b": ("U8", [4], b"abcd")}, [("format", "pt")]), "what is whole")
    fails("repair", "expected no file there", path=path, out=out)
    os.remove(out)
    for path, metadata in ((damage("trailing", three, {"format": "pt"}, more=b"!"), [("format", "pt")]),
                           (damage("numbers", three, {"format": "pt", "step": 7, "null": None}),
                            [("format", "pt"), ("step", "7"), ("null", "null")])):
        got = runs("repair", path=path, out=out)
        tally.check(got.startswith("All 3 tensors are whole: 20 B, in ROOT/repaired.safetensors."), "nothing is lost", got)
        tally.equal(contents(out), ({**three, "b": ("U8", [4], b"abcd")}, metadata), f"{path}: all of it")
        os.remove(out)
    path = making.model(f"{ROOT}/missing", {"x-1.safetensors": {"a": b"1"}, "x-2.safetensors": {"b": b"2"}})
    os.remove(f"{ROOT}/missing/x-2.safetensors")
    got = runs("repair", path=path, out=out)
    tally.check(got.startswith("1 of 2 tensors is lost, the other one is whole: 1 B"), "a model that lacks a shard", got)
    tally.equal(contents(out)[0], {"a": ("U8", [1], b"1")}, "what is there of it")
    os.remove(out)
    fails("repair", "nothing of it can be saved", path=damage("nothing", {"a": b"1234"}, cut=2), out=out)
    fails("repair", "found an empty file", path=damage("void", {}, cut=1000), out=out)
    making.file(f"{ROOT}/{'long' * 20}.safetensors", {f"{'n' * 70}{i}": b"1" for i in range(60)})
    runs("repair", path=damage("long" * 20, {f"{'n' * 70}{i:02}": bytes(100) for i in range(60)}, cut=5000), out=out)


for test in (test_edit_metadata, test_strip_prefix, test_convert_dtype, test_convert_packed, test_convert_range, test_reshard, test_extract, test_index, test_repair):
    test()
tally.finish()
