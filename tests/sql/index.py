"""What an index may say beside its weight_map: everything that Python's json module reads. The model opens then,
and safetensors_check calls nothing of it an error; what that module refuses is an error to both.

Long: left out where all takes longer.
"""

import itertools
import json
import os
import shutil
import sqlite3
import tempfile
import threading
import time

import making
from tally import Tally, connect

tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="index.")
INDEX = f"{ROOT}/model.safetensors.index.json"
SHARDS = {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors", "c": "model-2-of-2.safetensors"}


def python_reads(content):
    try:
        json.loads(content.decode())
        return True
    except (UnicodeDecodeError, ValueError, RecursionError):
        return False


def compare(content, what):
    """`content` has a good weight_map, if it is JSON."""
    with open(INDEX, "wb") as out:
        out.write(content)
    good = python_reads(content)
    errors = [row for row in db.execute("SELECT code, message FROM safetensors_check(?) WHERE severity = 'error'", [INDEX])]
    tally.equal(not errors, good, f"{what}: {content!r}: errors {errors}")
    try:
        rows = db.execute("SELECT name, file FROM safetensors_tensors(?) ORDER BY 1", [INDEX]).fetchall()
    except sqlite3.DatabaseError as problem:
        tally.check(not good, f"{what}: {content!r}", problem)
        return
    tally.equal(good and rows, [(name, f"{ROOT}/{shard}") for name, shard in SHARDS.items()], f"{what}: {content!r}")


def test_values():
    weight_map = json.dumps(SHARDS)
    values = ["71903645408.0", "null", '"17"', "17", "true", "false", "-1", "1e3", "1E+400", "-0", "123456789012345678901234567890",
              "NaN", "Infinity", "-Infinity", "-NaN", "+Infinity", "nan", "Nan", "nul", "None", "[]", "{}", "[[],{}]", "[1,]",
              "[,1]", "[1 2]", '{"x":1,"x":2}', '{"x":1,}', '{x:1}', "{'x':1}", '{"x" 1}', '{"x":}', "{1:2}", '"\\ud800"',
              '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '{"\\u0000":1}', '{"\\ud800":1}', '"\\x41"', '"\\u12"',
              '"\\u12g4"', '"\t"', '"\x7f"', '"\\/\\b\\f\\n\\r\\t\\\\\\""', '"', '"\\', "01", "1.", ".5", "1e", "1e+", "-", "--1", "0x1",
              "// c\n1", "/*c*/1", "1;", "\u00a01", "\f1", " \r\n\t1 ", "[" * 100 + "]" * 100, "", "\0", "1_000", "tru", "truee"]
    places = ['{{"metadata":{0},"weight_map":{1}}}', '{{"metadata":{{"total_size":{0}}},"weight_map":{1}}}',
              '{{"weight_map":{1},"metadata":{{"total_size":{0}}}}}', '{{"x":[{0}],"weight_map":{1}}}',
              '{{"metadata":{{"total_size":17}},"weight_map":{1},"y":{{"z":{0}}}}}']
    for value, place in itertools.product(values, places):
        compare(place.format(value, weight_map).encode("utf-8", "surrogatepass"), "a value")
    for value in (b"\xff", b'"\xff"', b'"\xed\xa0\x80"', b'"\xc3"'):
        compare(b'{"metadata":' + value + b',"weight_map":' + weight_map.encode() + b"}", "bytes")


def test_whole():
    weight_map = json.dumps(SHARDS)
    for text in (f'{{"weight_map":{weight_map}}}', f' \n{{"weight_map":{weight_map}}}\r\n', f'{{"weight_map":{weight_map}}} x',
                 f'{{"weight_map":{weight_map}}}{{}}', f'{{"weight_map":{weight_map},}}', f'{{,"weight_map":{weight_map}}}',
                 f'{{"metadata":1,"metadata":2,"weight_map":{weight_map}}}', f'{{"":{{"weight_map":1}},"weight_map":{weight_map}}}',
                 f'{{"w\\u0065ight_map":{weight_map}}}', f'{{"weight_map" : {weight_map} ,"weight_map2":NaN}}'):
        compare(text.encode(), "an index")
    compare(json.dumps({"weight_map": SHARDS, "metadata": {"x": "y" * 5_000_000, "z": list(range(100_000))}}).encode(), "much beside")


def test_weight_map():
    """Here we are stricter than that module: a key twice is not the last one silently."""
    for text in ('{"a":"model-1-of-2.safetensors","a":"model-2-of-2.safetensors"}',
                 '{"a":"model-1-of-2.safetensors","\\u0061":"model-1-of-2.safetensors"}', '{"a":NaN}', '{"a":["x"]}',
                 '{"\\u0000":"x"}', '{"\\ud800":"x"}', "[]", "null", "{}"):
        with open(INDEX, "w", encoding="utf-8") as out:
            out.write(f'{{"weight_map":{text}}}')
        status, = db.execute("SELECT status FROM safetensors_files(?)", [INDEX]).fetchone()
        severities = {row[0] for row in db.execute("SELECT severity FROM safetensors_check(?)", [INDEX])}
        tally.equal((status, "error" in severities), ("invalid", True), f"weight_map {text}")
    with open(INDEX, "w", encoding="utf-8") as out:
        out.write(f'{{"weight_map":{json.dumps(SHARDS)},"weight_map":{json.dumps(SHARDS)}}}')
    status, error = db.execute("SELECT status, error FROM safetensors_files(?)", [INDEX]).fetchone()
    tally.check(status == "invalid" and 'duplicate key "weight_map"' in error, "two weight_maps", error)


def test_interrupts():
    """Of indexes that take long, the interrupt ends what is being done with them within 0.2 s; here 1 s is allowed."""
    many = 1_000_000
    texts = {"shards": b'{"weight_map":{' + b",".join(b'"%x":"%x"' % (i, i) for i in range(many)) + b"}}",
             "one shard": b'{"weight_map":{' + b",".join(b'"%x":"a.safetensors"' % i for i in range(2 * many)) + b"}}",
             "keys": b'{"metadata":{' + b",".join(b'"%x":[1]' % i for i in range(3 * many)) + b'},"weight_map":{"a":"a"}}',
             "levels": b'{"metadata":' + b"[" * 100 + b"1," * (20 * many) + b"1" + b"]" * 100 + b',"weight_map":{"a":"a"}}',
             "no JSON": b'{"metadata":[' + b"{" * (20 * many) + b"}}",
             "a text": b'{"metadata":"' + b"\\n" * (20 * many) + b'","weight_map":{"a":"a"}}',
             "spaces": b'{"weight_map":' + b" " * (60 * many) + b'{"a":"a"}}'}
    own = connect()
    for what, text in texts.items():
        with open(INDEX, "wb") as out:
            out.write(text)
        for table in ("tensors", "check"):
            slowest, ended = 0, None
            for delay in (0.05, 0.15, 0.4):
                sent = []
                timer = threading.Timer(delay, lambda sent=sent: (sent.append(time.monotonic()), own.interrupt()))
                timer.start()
                try:
                    ended = own.execute(f"SELECT count(*) FROM safetensors_{table}(?)", [INDEX]).fetchone()
                except sqlite3.Error as problem:
                    ended = str(problem)[-40:]
                end = time.monotonic()
                timer.cancel()
                timer.join()
                slowest = max(slowest, end - sent[0] if sent else 0)
            print(f"{what}, safetensors_{table}: {slowest:.3f} s after the interrupt")
            tally.check(slowest < 1, f"{what}: safetensors_{table} is interrupted", slowest, ended)


try:
    for name, shard in SHARDS.items():
        if name != "c":
            making.file(f"{ROOT}/{shard}", {tensor: b"12345678" for tensor, file in SHARDS.items() if file == shard})
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
finally:
    shutil.rmtree(ROOT)
tally.finish()
