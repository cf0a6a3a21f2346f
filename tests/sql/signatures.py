"""What is said of files that are no safetensors files or indexes, and of addresses in the place of paths: each
kind is called by its name, under a stable code; and no message quotes a byte of an arbitrary file."""

import bz2
import functools
import gzip
import io
import json
import lzma
import os
import pickle
import random
import sqlite3
import struct
import tarfile
import tempfile
import zipfile
from collections import OrderedDict

import making
from tally import Tally, connect, database_error

tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="signatures.")


def rows(sql, *arguments):
    return db.execute(sql, arguments).fetchall()


def write(name, content):
    path = f"{ROOT}/{name}"
    with open(path, "wb") as out:
        out.write(content)
    return path


error_of = functools.partial(database_error, db)


def called(content, code, *words):
    """As a file and as a BLOB, `content` is this, for every table alike."""
    path = write("x.safetensors", content)
    what = f"{content[:24]!r}"
    tally.equal([code_ for code_, in rows("SELECT code FROM safetensors_check(?)", path)], [code], f"code of {what}")
    tally.equal(rows("SELECT code FROM safetensors_check(?)", content), [(code,)], f"code of the BLOB {what}")
    messages = [error_of("SELECT * FROM safetensors_tensors(?)", path),
                error_of("SELECT * FROM safetensors_tensors(?)", content),
                error_of("SELECT tensor_shape(?)", f"{path}#a"),
                rows("SELECT error FROM safetensors_files(?)", path)[0][0],
                rows("SELECT message FROM safetensors_check(?)", path)[0][0]]
    for message in messages:
        for word in words:
            tally.check(word in message, f"{what} is called {word!r}", message)


def archive_of(name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return out.getvalue()


def zip_of(name):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, b"x" * 100)
    return out.getvalue()


def database():
    path = f"{ROOT}/x.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE x(a)")
    other.commit()
    other.close()
    with open(path, "rb") as file:
        return file.read()


def test_kinds():
    state = OrderedDict([("model.layers.0.weight", [1.0, 2.0] * 20)])
    for protocol in range(6):
        for value in (state, {"a": [1.0] * 30}, [list(range(40))]):
            called(pickle.dumps(value, protocol), "pickle", "Python pickle")
        # What torch.save() wrote before 1.6: its magic number, its version, ... each a pickle.
        called(pickle.dumps(0x1950A86A20F9469CFC6C, protocol) + pickle.dumps(1001, protocol) +
               pickle.dumps(state, protocol), "pickle", "PyTorch")
    called(zip_of("archive/data.pkl"), "zip", "zip archive")
    called(gzip.compress(b"x" * 100, mtime=0), "gzip", "gzip")
    called(gzip.compress(b"x" * 100), "gzip", "gzip")
    called(bz2.compress(b"x" * 100), "archive", "bzip2")
    called(lzma.compress(b"x" * 100), "archive", "xz archive")
    called(archive_of("model.safetensors"), "archive", "tar archive")
    called(database(), "sqlite", "SQLite database")
    # llama.cpp: the magic as a little-endian number, the version, n_vocab, ...
    for magic in (0x67676D6C, 0x67676D66, 0x67676A74, 0x67676C61):
        called(struct.pack("<IIIIIIII", magic, 1, 32000, 4096, 256, 32, 32, 128), "ggml", "GGML")
    called(b"GGUF" + struct.pack("<IQQ", 3, 291, 24), "gguf", "GGUF")
    # Apple: a header of 26 bytes, entries, then resources.
    called(b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2\0\0\0\x09\0\0\0\x32\0\0\x0e\xb0" + bytes(4000), "apple-double",
           "AppleDouble", 'without "._"')
    called(bytes(5000), "zeros", "begins with zeros", "download")
    called(bytes(3000) + b"data", "zeros", "begins with zeros")
    for text in (b'{"architectures": ["LlamaForCausalLM"]}', b'{\n  "architectures": [\n    "GPT2"\n  ]\n}\n' * 30,
                 b'{"peft_type":"LORA","r":8}', b'[{"id": 0, "content": "<unk>"}]', b"{}      ",
                 '{"é": "日本語"}'.encode() * 100, b'  {"a":1}'):
        called(text, "json", "a JSON text", "safetensors.index.json")
    called(b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>', "xml", "an XML text")
    called(b"<Error><Code>NoSuchKey</Code></Error>", "xml", "an XML text")
    for page in (b"<!DOCTYPE html><html></html>", b"\n\n <HTML>\n<head>", b"<html lang='en'>"):
        called(page, "html", "an HTML page")
    called(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "lfs-pointer", "git lfs pull")
    called(b"/annex/objects/SHA256E-s1--0.safetensors\n", "pointer", "git annex get")
    called(b"outs:\n- md5: 0123\n  path: x\n", "pointer", "dvc pull")
    for text in (b"Entry not found", b"Invalid username or password.", b"#!/bin/sh\necho hello\n", b"root:x:0:0:root:/root",
                 ("Fichier non trouvé. " * 60).encode()):
        called(text, "text", "a text")
    for text in ('{"weight_map": {}}'.encode("utf-16"), '{"weight_map": {}}'.encode("utf-8-sig")):
        called(text, "byte-order-mark", "UTF-")
    # Formats by their specifications.
    for content, word in [
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20), "PNG"), (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(20), "JPEG"),
            (b"PAR1" + b"\x15" * 40 + b"PAR1", "Parquet"), (b"ARROW1\0\0" + b"\xff" * 40, "Arrow"),
            (b"\x7fELF\2\1\1" + bytes(60), "ELF"), (b"\x1c\0\0\0TFL3" + bytes(60), "TensorFlow Lite"),
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"), (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(30), "WebP"),
            (b"\x08\x08\x12\x07pytorch\x1a\x051.13\x30", "ONNX")]:
        called(content, "other-format", word)
    for content, word in [
            (b"7z\xbc\xaf\x27\x1c\0\4" + b"\xaa" * 40, "7-Zip"), (b"Rar!\x1a\7\1\0" + b"\xaa" * 40, "RAR"),
            (b"\x28\xb5\x2f\xfd\x04\x58" + b"\xaa" * 40, "Zstandard"), (b"\4\x22\x4d\x18\x64\x40\xa7" + b"\xaa" * 40, "LZ4")]:
        called(content, "archive", word)


def test_cut_safetensors():
    """A safetensors file that was cut short stays one, whatever format its header's length looks like."""
    for length in (0x088B1F, 0xFFD8FF, 0xBFBBEF, 0xFEFF, 0x7D0280, 0x020880, 0x5B, 0x217B, 0x3C, 0x20):
        content = struct.pack("<Q", length) + b'{"a":{"dtype":"F32",'
        called(content, "truncated")
        message = error_of("SELECT * FROM safetensors_tensors(?)", write("x.safetensors", content))
        tally.check(f"a header of {length})" in message or "expected" in message and length <= len(content) - 8,
                    f"a header of {length} bytes, cut short, is reported with its size", message)


def test_index():
    """What loaders refuse as an index: json.load() of Python is the judge."""
    making.file(f"{ROOT}/model/x.safetensors", {"a": b"\1"})
    good = '{"weight_map":{"a":"x.safetensors"}}'
    path = f"{ROOT}/model/model.safetensors.index.json"
    for content, code, *words in [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "lfs-pointer", "Git LFS pointer"),
            (good.encode("utf-8-sig"), "byte-order-mark", "a byte order mark, which loaders of JSON refuse"),
            (good.encode("utf-16"), "byte-order-mark", "UTF-16"),
            (b"<!doctype html>\n<html class=''>", "html", "an HTML page"),
            (b"<?xml version='1.0'?><Error/>", "xml", "XML"), (b"Entry not found", "text", "a text"),
            (bytes(300), "zeros", "zeros"), (b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(200), "apple-double", "AppleDouble"),
            (b"[]", "not-an-object", "an array"), (b"/annex/objects/SHA256E-s1--0.json\n", "pointer", "git annex get")]:
        try:
            refused = not isinstance(json.loads(content.decode("utf-8")), dict)
        except ValueError:
            refused = True
        tally.check(refused, f"Python's json refuses {content[:20]!r} too")
        with open(path, "wb") as out:
            out.write(content)
        for where in (path, f"{ROOT}/model"):
            message = error_of("SELECT * FROM safetensors_tensors(?)", where)
            tally.equal(rows("SELECT file, status FROM safetensors_files(?)", where), [(path, "invalid")],
                        f"status of the index {content[:20]!r}")
            tally.equal(rows("SELECT code, file FROM safetensors_check(?) WHERE code <> 'unindexed-shard'", where),
                        [(code, path)], f"code of the index {content[:20]!r}")
            for word in words:
                for text in (message, rows("SELECT message FROM safetensors_check(?)", where)[0][0]):
                    tally.check(word in text, f"the index {content[:20]!r} is called {word!r}", text)


def test_apple_double():
    directory = f"{ROOT}/apple"
    making.file(f"{directory}/model.safetensors", {"a": b"\1"})
    junk = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(100)
    for name in ("._model.safetensors", "._model.safetensors.index.json"):
        write(f"apple/{name}", junk)
    for path in (directory, f"{directory}/*", f"{directory}/*.safetensors", f"{directory}/.*safetensors*", f"{directory}/*l.safetensors"):
        if path.endswith("/.*safetensors*"):
            tally.check("found none" in error_of("SELECT * FROM safetensors_tensors(?)", path), "._ files are left out")
        else:
            tally.equal(rows("SELECT file, status FROM safetensors_files(?)", path),
                        [(f"{directory}/model.safetensors", "ok")], f"{path} leaves ._ files out")
    for path in (f"{directory}/._model.safetensors", f"{directory}/._*.safetensors"):
        tally.check("AppleDouble" in error_of("SELECT * FROM safetensors_tensors(?)", path), f"{path}, when named")
    tally.equal(rows("SELECT code FROM safetensors_check(?)", directory), [], "check of a directory with ._ files")


def messages_of(path):
    """All that anybody can have said of a file."""
    said = [error_of(sql, path) for sql in (
        "SELECT * FROM safetensors_tensors(?)", "SELECT * FROM safetensors_metadata(?)",
        "SELECT tensor_data(? || '#a')", "SELECT * FROM tensor_stats(? || '#a')",
        "SELECT * FROM safetensors_diff(?1, ?1)", "SELECT safetensors_config(?)")]
    said += rows("SELECT size, header_size, tensors, nbytes, data_offset, status, error FROM safetensors_files(?)", path)
    said += rows("SELECT * FROM safetensors_check(?)", path)
    return [str(message) for message in said]


def test_nothing_leaks():
    """Two files of one kind and size are the same to whoever sees only the message: no byte of them is quoted. Kinds:
    text (a password file), bytes, numbers whose first makes a plausible length, JSON; files and indexes."""
    rng = random.Random(15)
    bytes_of = lambda n, low, high: bytes(rng.randrange(low, high) for _ in range(n))
    makers = {
        "text": lambda: b"root:$6$" + bytes_of(300, 0x61, 0x7B) + b":19000:0:99999:7:::\n",
        "lines": lambda: bytes_of(12, 0x61, 0x7B) + b"{" + bytes_of(300, 0x61, 0x7B),
        "bytes": lambda: bytes_of(300, 0x81, 0xBF),
        "words": lambda: struct.pack("<Q", rng.randrange(1, 250)) + bytes_of(300, 0x41, 0x5B),
        "words, too long": lambda: struct.pack("<Q", rng.randrange(1000, 99_000_000)) + bytes_of(300, 0x41, 0x5B),
        "numbers": lambda: struct.pack("<38Q", *(rng.randrange(1, 30) for _ in range(38))),
        "digits": lambda: struct.pack("<Q", rng.randrange(1, 250)) + bytes_of(300, 0x30, 0x3A),
        "eight bytes": lambda: bytes_of(8, 0x81, 0xBF), "eight bytes, a length": lambda: struct.pack("<Q", rng.randrange(1, 250)),
        "seven bytes": lambda: bytes_of(7, 0x81, 0xBF),
        "JSON": lambda: b'{"password": "' + bytes_of(300, 0x61, 0x7B) + b'"}',
        "zeros": lambda: bytes(512) + bytes_of(50, 1, 250)}
    for name in ("x.safetensors", "x", "x.safetensors.index.json"):
        for kind, make in makers.items():
            if name.endswith(".json") and kind == "JSON":
                continue  # that may be an index
            said = []
            for _ in range(2):
                said.append(messages_of(write(name, make())))
            tally.equal(said[0], said[1], f"nothing leaks of {kind} in {name}")


def test_addresses():
    for address, *words in [
            ("https://example.com/model.safetensors", "a web address", "download the file"),
            ("http://example.com/x", "a web address"), ("HTTPS://EXAMPLE.COM/x", "a web address"),
            ("s3://bucket/model.safetensors", "an S3 address", "aws s3 cp"), ("gs://b/x", "Google Cloud"),
            ("az://b/x", "Azure"), ("abfss://b@c/x", "Azure"), ("ssh://host/x", "another machine"),
            ("git+https://x/y", "an address"), ("s3://bucket/*.safetensors", "an S3 address"),
            ("file:///data/my%20model.safetensors", "file:// address", "name the path itself, /data/my model.safetensors"),
            ("file://localhost/data/x", "name the path itself, /data/x"), ("file:/data/x", "name the path itself, /data/x"),
            ("file://host/x", "another machine")]:
        message = error_of("SELECT * FROM safetensors_tensors(?)", address)
        for word in (address, *words):
            tally.check(word in message, f"{address}: {word!r}", message)
        tally.equal(rows("SELECT status FROM safetensors_files(?)", address), [("invalid",)], f"status of {address}")
    os.chdir(ROOT)
    making.file("./s3:/b/x.safetensors", {"a": b"\1"})
    tally.equal(rows("SELECT name FROM safetensors_tensors('s3://b/x.safetensors')"), [("a",)], "a path that is there")
    os.chdir("/")


tally.run(globals(), ROOT)
