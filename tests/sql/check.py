"""safetensors_check: each code, the byte it points at, the tensor it names; the reference's table of codes; the
exit status of sql/check.sql.

In a header below, § marks the bytes that findings point at, in the order of their offsets."""

import os
import re
import shutil
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time

import making
from tally import BUILD, Tally, connect

tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="check.")
seen = {}  # code: severity


NOTHING = ("no-tensors", None, None)


def rows(sql, *arguments):
    return db.execute(sql, arguments).fetchall()


def findings(path):
    """(code, file below ROOT, tensor, offset), by file and offset."""
    found = rows("SELECT severity, code, file, tensor, offset FROM safetensors_check(?)", path)
    seen.update({code: severity for severity, code, _, _, _ in found})
    return sorted(((code, file and os.path.relpath(file, ROOT), tensor, offset)
                   for _, code, file, tensor, offset in found), key=repr)


def entry(shape="[1]", offsets="[0,1]", dtype='"U8"'):
    return f'{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}'


def header(text, *expected, data=b"", pad=True, length=None, cut=None):
    """`expected`: (code, tensor) in the order of the marks, or (code, tensor, offset) with an offset
    counted from the data's start, or None."""
    places = []
    while "§" in text:
        places.append(8 + len(text[:text.index("§")].encode("utf-8", "surrogateescape")))
        text = text.replace("§", "", 1)
    content = text.encode("utf-8", "surrogateescape")
    if pad:
        content += b" " * (-len(content) % 8)
    start = 8 + len(content)
    content = struct.pack("<Q", len(content) if length is None else length) + content + data
    content = content[:cut]
    want = []
    for finding in expected:
        code, tensor, *offset = finding
        place = places.pop(0) if not offset else None if offset[0] is None else start + offset[0]
        want.append((code, None, tensor, place))
    tally.equal(places, [], f"marks of {text[:80]!r}")
    tally.equal(findings(content), sorted(want, key=repr), f"findings in {text[:300]!r}")


def file_of(content, *expected):
    tally.equal(findings(content), sorted(((code, None, None, offset) for code, offset in expected), key=repr),
                f"findings in {content[:60]!r}")


def test_whole_files():
    file_of(b"", ("empty", 0))
    file_of(b"1234567", ("header-too-small", 7))
    file_of(struct.pack("<Q", 100_000_001) + b"{}", ("header-too-large", 0))
    file_of(b"\xff" * 9, ("header-too-large", 0))
    for code, start in {
            "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "zip": b"PK\3\4" + bytes(99),
            "pickle": b"\x80\x02}q\0(X\1\0\0\0a", "gguf": b"GGUF\3\0\0\0" + bytes(20), "html": b"  <!DOCTYPE HTML>",
            "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(9), "numpy": b"\x93NUMPY\1\0v\0{}", "gzip": b"\x1f\x8b\x08" + bytes(20),
            "sqlite": b"SQLite format 3\0" + bytes(9), "ggml": b"tjgg\3\0\0\0" + bytes(9), "json": b'{"architectures":["x"]}',
            "xml": b"<?xml version='1.0'?><Error/>", "text": b"Entry not found", "zeros": bytes(999),
            "byte-order-mark": b"\xef\xbb\xbf{}", "apple-double": b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(9),
            "pointer": b"/annex/objects/SHA256E-s1--0\n", "archive": b"7z\xbc\xaf\x27\x1c\0\4" + bytes(9),
            "other-format": b"PAR1\x15\4\x15\4" + bytes(9)}.items():
        file_of(start, (code, 0))
    # Of a pickle whose first bytes make a plausible length.
    file_of(b"\x80\x04\x95\0\0\0\0\0" + bytes(0x950480), ("pickle", 0))
    file_of(struct.pack("<Q", 100) + b'{"a":', ("truncated", 13))
    file_of(struct.pack("<Q", 100), ("truncated", 8))
    tally.equal(findings(f"{ROOT}/nowhere"), [("missing-file", "nowhere", None, None)], "no such file")
    tally.equal(findings(f"{ROOT}/*.none"), [("missing-file", "*.none", None, None)], "no match")
    os.mkdir(f"{ROOT}/empty")
    tally.equal(findings(f"{ROOT}/empty"), [("missing-file", "empty", None, None)], "an empty directory")
    os.mkfifo(f"{ROOT}/pipe")
    tally.equal(findings(f"{ROOT}/pipe"), [("unreadable", "pipe", None, None)], "a pipe")
    tally.equal(findings("hf://org/..")[0][0], "unreadable", "no address")


def test_header():
    good = entry()
    file_of(bytes(8), ("zeros", 0))
    header("§xyz", ("not-json", None))
    header("§[]", ("not-an-object", None))
    header('§[{"a":1}, "x"]', ("not-an-object", None))
    header("§3", ("not-an-object", None))
    header('{"a":§1}', ("bad-entry", "a"))
    header('{"a":§[1,[2]],"b":§"x","c":§null}', ("bad-entry", "a"), ("bad-entry", "b"), ("bad-entry", "c"))
    header('{"a":§{}}', ("bad-entry", "a"))
    header('{"a":§{"dtype":"U8","shape":[1]}}', ("bad-entry", "a"))
    header(f'{{"a":{entry(dtype="§1")}}}', ("bad-dtype", "a"), data=b"x")
    header(f'{{"a":{entry(dtype="§null")}}}', ("bad-dtype", "a"), data=b"x")
    header(f'''{{"a":{entry(dtype='§"u8"')}}}''', ("bad-dtype", "a"), data=b"x")
    for shape in ("§1", "§null", '§"[1]"', "§{}", "[§-1]", "[1,§1.0]", "[§1e0]", '[§"1"]', "[1,§[1]]",
                  "[§-0]", "[1, 1 , §true]", "[§18446744073709551616]", "[§null,-1]"):
        header(f'{{"a":{entry(shape=shape)}}}', ("bad-shape", "a"), data=b"x")
    for offsets in ("§1", "§null", "§{}", "[0,§-1]", "[§0.0,1]", "[§-0,1]", "§[0]", "§[]", "§[0,1,2]", "§[1,0]",
                    '[0,§"1"]', "[0,§1e0]", "[0,§9223372036854775808]"):
        header(f'{{"a":{entry(offsets=offsets)}}}', ("bad-offsets", "a"), data=b"x")
    header(f'''{{"a":{entry(dtype='§"F31"', shape='[§-1]', offsets='§[2,1]')}}}''', ("bad-dtype", "a"),
           ("bad-shape", "a"), ("bad-offsets", "a"))
    header(f'{{"__metadata__":§[],"a":{good}}}', ("bad-metadata", None), data=b"x")
    header('{"__metadata__":{"k":§1,"l":"","m":§{"n":[]}}}', ("bad-metadata", None), ("bad-metadata", None),
           NOTHING)
    header('{"__metadata__":§null}', ("null-metadata", None), NOTHING)
    header('{"a§\udcff\udcfe":' + good + "}", ("not-utf8", None), data=b"x")
    header('{"§\udcff":§1}', ("not-utf8", None), ("bad-entry", "%FF"))


def test_keys():
    good = entry()
    header(f'{{"a":{good},§"a":{good}}}', ("duplicate-key", "a"), data=b"x")
    header(f'{{"a":{good},§"\\u0061":{good}, §"a" :{good}}}', ("duplicate-key", "a"), ("duplicate-key", "a"), data=b"x")
    # The last counts, as for the reference.
    header(f'{{"a":{entry(offsets="[0,1]")},§"a":{entry(offsets="[1,2]")}}}', ("duplicate-key", "a"), ("hole", "a", 0),
           data=b"xy")
    header('{"a":{"dtype":"U8",§"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', ("duplicate-key", "a"), data=b"x")
    header('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":[{"y":1,§"y":2},{"y":3}]}}', ("duplicate-key", "a"),
           data=b"x")
    header('{"__metadata__":{"k":"","l":"",§"k":"",§"k":""},§"__metadata__":{"k":""}}', ("duplicate-key", None),
           ("duplicate-key", None), ("duplicate-key", None), NOTHING)
    header(f'{{§"a\\u0000b":{good}}}', ("nul-in-key", "a\0b"), data=b"x")
    header('{"__metadata__":{§"\\u0000":"\\u0000"}}', ("nul-in-key", None), NOTHING)
    for number in ("9223372036854775808", "-9223372036854775809", "1e309", "-1e999999999999", "-0",
                   "1.7976931348623159e308", "0.000001e315", "1" + "0" * 400, "17976931348623159" + "0" * 292 + ".0"):
        header(f'{{"a":{{"x":{{"y":[0,§{number}]}},"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}',
               ("bad-number", "a"), data=b"x")
    for number in ("9223372036854775807", "-9223372036854775808", "1e308", "1e-999999999999", "-0.0", "-0e1",
                   "1.7976931348623157e308", "0." + "0" * 400 + "1e400", "1" + "0" * 400 + "e-400", "0e999"):
        header(f'{{"a":{{"x":[{number}],"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}', data=b"x")


def test_broken_json():
    """It goes on behind what cannot be read, and still names tensors."""
    bad = "§null"
    after = f'"b":{bad}'
    for broken in ('{"dtype":"U8","shape":[1],§,"data_offsets":[0,1]}', '{"dtype":§U8,"shape":[}', '{"dtype":"§\\u0g"}',
                   '{"shape":[1§}', '{§dtype:"U8"}', '{"dtype"§"U8"}', '{"x":§nul}', '{"x":§tr}',
                   '{"x":"a§\n]}"}', '{"x":"§\\x}"}', '{"x":[1,2§:3]}', '{"x":1.§}', '{"x":1e+§}', '{"x":-§}', '{"x":0§1}',
                   '{"x":"§\\ud800-"}'):
        header(f'{{"a":{broken},{after}}}', ("not-json", "a"), ("bad-entry", "b"))
        header(f'{{"c":{bad},"a":{broken}, "__metadata__":{{"k":§1}}, {after}}}', ("bad-entry", "c"), ("not-json", "a"),
               ("bad-metadata", None), ("bad-entry", "b"))
    header(f'{{"__metadata__":{{"k":§x,"l":§1}},{after}}}', ("not-json", None), ("bad-metadata", None), ("bad-entry", "b"))
    header(f'{{"a":{entry()},§}}', ("not-json", None), data=b"x")
    header(f'{{"a":{entry()} §{after}}}', ("not-json", "b"), ("bad-entry", "b"), data=b"x")
    header(f'{{"a":{entry()},§,,{after}}}', ("not-json", None), ("bad-entry", "b"), data=b"x")
    header('{"a":§', ("not-json", "a"), ("data-not-8-aligned", None, 0), pad=False)
    header('{"a":{"dtype":"U8§', ("not-json", "a"), ("data-not-8-aligned", None, 0), pad=False)
    # No hole is where a tensor may lie that could not be read.
    header(f'{{"a":§0,"b":{entry(offsets="[1,2]")}}}', ("bad-entry", "a"), data=b"xyz")
    header(f'{{"a":{entry()}}}§x', ("not-json", None), data=b"x")
    header("{}§\0\0", ("not-json", None), NOTHING)
    header('{"a":§{"x":' + "[" * 125 + "]" * 125 + "}}", ("bad-entry", "a"))
    header('{"a":{"x":' + "[" * 125 + "§[" + "]" * 126 + f'}},{after}}}', ("not-json", "a"), ("bad-entry", "b"))
    header('{"a":{"x":' + "[" * 125 + "§" + '[{"' * 3000, ("not-json", "a"))


def test_layout():
    def two(a, b, *expected, size, shapes=("[2]", "[2]"), dtype='"U8"'):
        header(f'{{"a":{entry(shapes[0], a, dtype)},"b":{entry(shapes[1], b, dtype)}}}', *expected, data=bytes(size))
    two("[0,2]", "[2,4]", size=4)
    two("[0,2]", "[3,5]", ("hole", "b", 2), size=5)
    two("[1,3]", "[3,5]", ("hole", "a", 0), size=5)
    two("[0,2]", "[1,3]", ("overlap", "b", 1), size=3)
    two("[0,2]", "[0,2]", ("overlap", "b", 0), size=2)
    two("[0,4]", "[1,3]", ("overlap", "b", 1), size=4, shapes=("[4]", "[2]"))
    two("[0,4]", "[2,2]", ("overlap", "b", 2), size=4, shapes=("[4]", "[0]"))
    two("[0,2]", "[2,4]", ("trailing-bytes", None, 4), size=7)
    two("[0,2]", "[2,4]", ("truncated", "b", 3), size=3)
    two("[0,2]", "[2,4]", ("truncated", "a", 1), size=1)
    two("[0,2]", "[2,4]", ("truncated", "a", 0), size=0)
    two("[0,2]", "[2,5]", ("size-mismatch", "b"), size=5, shapes=("[2]", "§[2]"))
    two("[0,2]", "[5,7]", ("size-mismatch", "a"), ("hole", "b", 2), ("trailing-bytes", None, 7), size=9,
        shapes=("§[3]", "[2]"))
    two("[0,1]", "[1,2]", ("sub-byte-remainder", "b"), size=2, shapes=("[2]", "§[ 1 ]"), dtype='"F4"')
    two("[0,0]", "[0,0]", ("overflow", "a"), ("overflow", "b"), size=0, dtype='"F64"',
        shapes=("§[9223372036854775807,3,0]", "§[576460752303423488]"))
    two("[0,0]", "[0,0]", ("overflow", "a"), size=0, shapes=("[0,§18446744073709551615]", "[0]"))
    header("{}", ("trailing-bytes", None, 0), NOTHING, data=b"x")
    header(f'{{"a":{entry("[0]", "[0,0]")},"b":{entry("[]", "[0,1]")}}}', data=b"x")


def test_advice():
    header("{}", ("data-not-8-aligned", None, 0), NOTHING, pad=False)
    header(f'''{{"a":{entry("[1]", "[1,5]", '"F32"')},§"b":{entry()}}}''', ("misaligned-tensor", "a", 1),
           ("header-not-in-offset-order", "b"), data=bytes(5))
    header(f'{{"a":{entry(offsets="[2,3]")},§"b":{entry(offsets="[1,2]")},"c":{entry()}}}',
           ("header-not-in-offset-order", "b"), data=bytes(3))
    header("{}  §\t   ", ("padding-not-spaces", None), NOTHING)
    header("{}§\n     ", ("padding-not-spaces", None), NOTHING)
    header("§ {}     ", ("leading-whitespace", None), NOTHING)


def test_models():
    directory = f"{ROOT}/model"
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    index = f"{directory}/model.safetensors.index.json"

    whole = '{"total_size":17}'

    def model(weight_map, *expected, metadata="{}"):
        """`weight_map` is JSON, with marks."""
        text = f'{{"metadata":{metadata},"weight_map":{weight_map}}}'
        places = []
        while "§" in text:
            places.append(text.index("§"))
            text = text.replace("§", "", 1)
        with open(index, "w", encoding="utf-8") as out:
            out.write(text)
        want = [(code, f"model/{os.path.basename(index)}", tensor, places.pop(0)) if len(rest) == 0
                else (code, f"model/{rest[0]}", tensor, rest[1]) for code, tensor, *rest in expected]
        tally.equal(places, [], f"marks of {text}")
        tally.equal(findings(index), sorted(want, key=repr), f"findings in {text}")

    making.file(f"{directory}/{one}", {"a": b"12345678"})
    making.file(f"{directory}/{two}", {"b": b"12345678", "c": b"1"})
    good = f'"a":"{one}","b":"{two}","c":"{two}"'
    model(f"{{{good}}}")
    for plain in ('{"total_size":17,"x":18446744073709551616,"y":-0}', "{}", '{"x":1}'):
        model(f"{{{good}}}", metadata=plain)
    model(f"{{{good}}}", ("total-size-differs", None), metadata='{"total_size":§18}')
    for number in ("§null", "§true", "§17.0", "§1e1", "§-1", '§"17"', "§18446744073709551616", "§17.5", "§NaN", "§{}"):
        model(f"{{{good}}}", ("odd-index", None), metadata=f'{{"total_size":{number}}}')
    model(f"{{{good}}}", ("odd-index", None), ("total-size-differs", None), metadata='{"total_size":§§18.00}')
    for odd in ("§[]", "§null", "§7", '§"x"', '{"total_size":17,"x":[§-Infinity]}',
                '{"total_size":17,"x":{"y":1,§"y":2}}', '{"total_size":17,§"\\u0000":1}', '{"total_size":17,"x":§1e400}',
                '{"total_size":17,"x":"§\\ud800"}', '{"total_size":17,§"total_\\u0073ize":17}'):
        model(f"{{{good}}}", ("odd-index", None), metadata=odd)
    for broken in ('{"total_size":§}', "§nul", '{"x":"§\\x"}', '{"x":[1§:2]}', '{"x":NaN§s}'):
        with open(index, "w", encoding="utf-8") as out:
            out.write(f'{{"metadata":{broken.replace("§", "")},"weight_map":{{{good}}}}}')
        found = [(code, offset) for code, _, _, offset in findings(index)]
        tally.check(("not-json", len('{"metadata":') + broken.index("§")) in found, f"metadata {broken}", found)
    for text, code in ((f'{{"weight_map":{{{good}}},"metadata":{whole},§"metadata":{whole}}}', "odd-index"),
                       (f'{{"weight_map":{{{good}}},"metadata":{whole},§"weight_map":{{{good}}}}}', "duplicate-key")):
        with open(index, "w", encoding="utf-8") as out:
            out.write(text.replace("§", ""))
        tally.equal([(c, o) for c, _, _, o in findings(index)], [(code, text.index("§"))], f"findings in {text}")
    model(f'{{{good},§"d":"{two}"}}', ("missing-tensor", "d"), metadata='{"total_size":17}')
    model(f'{{"a":"{one}",§"b":"{one}","c":"{two}"}}', ("misplaced-tensor", "b"))
    with open(f"{directory}/{two}", "rb") as file:
        place = file.read().index(b'"c"')
    model(f'{{"a":"{one}","b":"{two}"}}', ("unindexed-tensor", "c", two, place))
    model(f'{{{good},"d":§"sub/x.safetensors","e":"sub/x.safetensors"}}', ("missing-shard", None))
    for path in ("/etc/x", "../x", "..", "a\\\\b", "c:x", "http://x/y", "a\\nb", ""):
        model(f'{{"z":§"{path}",{good}}}', ("bad-path", "z"))
    model(f'{{"z":§1,{good}}}', ("bad-weight-map", "z"))
    model(f'{{{good},§"a":"{one}"}}', ("duplicate-key", "a"))
    model(f'{{"a":§x,{good}}}', ("not-json", "a"))
    model("{§}", ("bad-weight-map", None))
    model("§[]", ("bad-weight-map", None))
    with open(index, "w", encoding="utf-8") as out:
        out.write(f'{{"metadata":{whole}}}')
    tally.equal(findings(index), [("bad-weight-map", f"model/{os.path.basename(index)}", None, 0)], "no weight_map")
    for text, code, offset in (("", "empty", 0), ("[]", "not-an-object", 0), ("{", "not-json", 1), ("{} x", "not-json", 3)):
        with open(index, "w", encoding="utf-8") as out:
            out.write(text)
        found = [(c, o) for c, _, _, o in findings(index) if c not in ("bad-weight-map", "odd-index")]
        tally.equal(found, [(code, offset)], f"findings in an index {text!r}")
    with open(index, "wb") as out:
        out.write(b'{"weight_map":{"a":"\xff"}}')
    tally.check(("not-utf8", 20) in [(c, o) for c, _, _, o in findings(index)], "an index not in UTF-8", findings(index))
    with open(index, "wb") as out:
        out.truncate(100_000_001)
    tally.equal([(c, o) for c, _, _, o in findings(index)], [("unreadable", 100_000_000)], "an index that is too large")
    tally.check("expected an index of at most 100000000 bytes, found 100000001" in
                rows("SELECT error FROM safetensors_files(?)", index)[0][0], "an index that is too large")
    # Shards: the one lacks, another is beside.
    making.file(f"{directory}/other.safetensors", {"b": b"1"})
    model(f"{{{good}}}", ("unindexed-shard", None, os.path.basename(index), None))
    os.rename(f"{directory}/other.safetensors", f"{directory}/x.safetensors")
    model(f'{{{good},§"x":"x.safetensors"}}', ("missing-tensor", "x"),
          ("duplicate-across-shards", "b", "x.safetensors", 9))
    os.remove(f"{directory}/x.safetensors")
    os.remove(f"{directory}/{two}")
    model(f'{{"a":"{one}","b":§"{two}","c":"{two}"}}', ("missing-shard", None))
    model(f'{{"a":§"{one}"}}', ("shard-gap", None))
    os.symlink("/etc/passwd", f"{directory}/{two}")
    rows("SELECT safetensors_config('links', 'within')")
    model(f'{{"a":"{one}","b":§"{two}"}}', ("bad-path", None))
    rows("SELECT safetensors_config('links', 'follow')")
    os.rename(index, f"{directory}/a.safetensors.index.json")
    shutil.copy(f"{directory}/a.safetensors.index.json", f"{directory}/b.safetensors.index.json")
    tally.equal(findings(directory), [("unreadable", "model", None, None)], "two indexes in a directory")


def test_several_files():
    directory = f"{ROOT}/several"
    name = "x-{:05}-of-00012.safetensors"
    for number in (2, 3, 5, 12):
        making.file(f"{directory}/{name.format(number)}", {f"t{number}": b"12345678"})
    lack = [("incomplete-shards", f"several/{name.format(2)}", None, None)]
    gap = [("shard-gap", f"several/{name.format(2)}", None, None)]
    tally.equal(findings(directory), lack, "a gap in a directory")
    tally.equal(findings(f"{directory}/x-*"), gap, "a gap in a glob")
    tally.equal(findings(f"{directory}/{name.format(2)}"), [], "no gap in one file")
    message = rows("SELECT message FROM safetensors_check(?)", directory)[0][0]
    tally.check("8 missing: 1, 4, 6 to 11" in message, "which are missing", message)
    for number in (2, 3, 5, 12):
        os.remove(f"{directory}/{name.format(number)}")
    for number in range(1, 26, 2):
        making.file(f"{directory}/x-{number}-of-25.safetensors", {f"t{number}": b"12345678"})
    message = rows("SELECT message FROM safetensors_check(?)", directory)[0][0]
    tally.check("12 missing: 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, ..." in message, "of many gaps the first ten", message)
    for number in range(1, 26, 2):
        os.remove(f"{directory}/x-{number}-of-25.safetensors")
    for number in range(12):
        making.file(f"{directory}/{name.format(number)}", {f"t{number}": b"12345678"})
    tally.equal(findings(directory), [("shards-without-index", f"several/{name.format(0)}", None, None)], "counted from 0")
    shutil.rmtree(directory)
    making.file(f"{directory}/a.safetensors", {"s": b"12345678", "t": b"1"})
    making.file(f"{directory}/b.safetensors", {"t": b"1"})
    making.file(f"{directory}/c.safetensors", {"u": b"1", "t": b"2"})
    for path in (directory, f"{directory}/*.safetensors"):
        tally.equal(findings(path), [("twin-files", "several/b.safetensors", None, None)], "a tensor in several files")
    with open(f"{directory}/b.safetensors", "wb") as out:
        out.write(b"")
    making.file(f"{directory}/c.safetensors", {"u": b"1"})
    tally.equal(findings(directory), [("empty", "several/b.safetensors", None, 0)], "a bad file among good ones")


def test_messages():
    """No message repeats the file, drives a terminal, or is no text."""
    evil = '{"\x1b[31m\udcff":{"dtype":"\\u001b[0m","shape":[1],"data_offsets":[0,1]}}'.encode("utf-8", "surrogateescape")
    content = struct.pack("<Q", len(evil)) + evil + b"x"
    for tensor, message in rows("SELECT tensor, message FROM safetensors_check(?)", content):
        tally.check(message.isprintable() and not message.startswith("safetensors"), "a message", message)
    evil = b'{"a":{"dtype":"\xc2\x9b31m\xc2\x9c","shape":[18446744073709551615,-1],"data_offsets":[0,18446744073709551615]}}'
    reported = [message for message, in rows("SELECT message FROM safetensors_check(?)", struct.pack("<Q", len(evil)) + evil)]
    tally.check(any('found "?31m?"' in message for message in reported), "C1 control characters are replaced", reported)
    tally.equal(sorted(message.split(", ")[1] for message in reported if "non-negative" in message),
                ["found a negative integer"] + ["found a number of more than 63 bits"] * 2, "numbers are called what they are")
    for path in ("nowhere", "."):
        message = rows("SELECT message FROM safetensors_check(?)", path)[0][0]
        tally.check(not message.startswith("safetensors:"), "a message about a path", message)


def test_interrupt():
    """Between rows SQLite looks itself. Here there are none: without being asked, the check would do all."""
    directory = f"{ROOT}/many"
    os.mkdir(directory)
    for number in range(4):
        text = "{" + ",".join(f'"{number}.{i}":{entry("[1,0]", "[0,0]")}' for i in range(100_000)) + "}"
        text += " " * (-len(text) % 8)
        with open(f"{directory}/{number}.safetensors", "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text.encode())
    own, done, started = connect(), threading.Event(), threading.Event()

    def interrupt():
        started.wait()
        while not done.wait(0.001):
            own.interrupt()

    def run():
        start = time.process_time()
        try:
            end = own.execute("SELECT code FROM safetensors_check(?)", [directory]).fetchall()
        except sqlite3.OperationalError as problem:
            end = str(problem)
        return end, time.process_time() - start
    thread = threading.Thread(target=interrupt)
    thread.start()
    end, whole = run()
    tally.equal(end, [], "a check of many tensors")
    started.set()
    end, part = run()
    done.set()
    thread.join()
    tally.check(str(end).endswith(": interrupted"), "a check is interrupted", end)
    tally.check(part < whole / 2, "an interrupt does not wait for the end", part, whole)
    shutil.rmtree(directory)


def test_readme():
    """Every code is in the reference with its severity, and in the tests above."""
    with open("ext/check/lint_code.h", encoding="utf-8") as file:
        codes = {code: severity.lower() for code, severity in re.findall(r'X\(\w+, "([a-z0-9-]+)", (\w+)\)', file.read())}
    with open("ext/docs/reference.md", encoding="utf-8") as file:
        table = file.read().split("\n## Findings\n")[1].split("\n## ")[0]
    reported = re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \| [^|]{10,} \| [^|]{5,} \|$", table, re.MULTILINE)
    tally.equal(reported, list(codes.items()), "the reference's table of codes")
    with open("tests/sql/check_directories.py", encoding="utf-8") as file:
        elsewhere = set(re.findall(r'"([a-z0-9-]+)"', file.read()))
    tally.equal(seen, {code: severity for code, severity in codes.items() if code in seen or code not in elsewhere},
                "codes that these tests have seen, or those of directories")


def test_script():
    """sql/check.sql, as CI would use it."""
    def run(path, *options):
        command = ["sqlite3", *options, "-cmd", f".load {BUILD}/safetensors"]
        if path is not None:
            command += ["-cmd", f".param set :path {path}"]
        with open("sql/check.sql", encoding="utf-8") as script:
            done = subprocess.run(command, stdin=script, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr
    good = making.file(f"{ROOT}/good.safetensors", {"a": b"1"})
    odd = making.file(f"{ROOT}/odd.safetensors", {"a": ("U8", [1], b"1")})
    with open(odd, "r+b") as file:
        text = '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
        file.write(struct.pack("<Q", len(text)) + text.encode() + b"x")
        file.truncate()
    bad = f"{ROOT}/bad.safetensors"
    with open(bad, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text.encode())
    for options in (["-bail"], [], ["-batch", "-bail"]):
        tally.equal(run(good, *options), (0, "Intact: 0 errors, 0 warnings in 1 file.\n", ""), f"a good file, {options}")
        code, out, error = run(odd, *options)
        tally.equal((code, out.splitlines()[0], error), (0, "0 errors, 1 warning in 1 file.", ""), f"a warning, {options}")
        code, out, error = run(bad, *options)
        tally.check(code == 1 and out.splitlines()[0] == "1 error, 1 warning in 1 file." and "the checkpoint has errors" in error,
                    f"an error, {options}", code, out, error)
        tally.check(f'error: {bad}:61: tensor "a": ' in out and "[truncated]" in out, "the line of an error", out)
        code, out, error = run(f"{ROOT}/nowhere", *options)
        tally.check(code == 1 and out == "", f"a missing file, {options}", code, out, error)
        tally.check(f"safetensors: {ROOT}/nowhere: no such file" in error, f"a missing file is no verdict, {options}", error)
        code, out, error = run(None, *options)
        tally.check(code == 1 and ":path is set" in error, f"no path, {options}", code, out, error)


try:
    for name, test in list(globals().items()):
        if name.startswith("test_") and name != "test_readme":
            test()
    test_readme()
finally:
    shutil.rmtree(ROOT)
tally.finish()
