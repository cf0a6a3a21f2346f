"""safetensors_print(format, table, ...), and safetensors_parameters(...) in the shell: JSON and CSV as Python's own readers
take them, JUnit and SARIF by their schemas, and what neither may have."""

import csv
import io
import json
import math
import sqlite3
import subprocess
import urllib.parse
import xml.etree.ElementTree as ElementTree

from check_reports import is_junit, is_safe, is_sarif
from tally import BUILD, Tally, connect, database_error

tally = Tally()
HOSTILE = ["plain", "", " space ", 'quo"te', "com,ma", "line\nfeed", "cr\rlf\r\n", "tab\t", "nul\0end", "esc\x1b[31m", "c1\x9b", "del\x7f",
           "bidi\u202eover", "<tag> & 'x' ]]>", "back\\slash", "é漢\U0001f600", "\ufffe\ufdd0\U000e0001\u200b", "%E9 %25", "#?:/ @"]
VALUES = [None, 0, -1, 2**63 - 1, -2**63, 0.1, 1e300, 5e-324, -0.0, 1e23, math.inf, -math.inf, b"", b"\0\xff", *HOSTILE]


def with_table(sql, rows):
    """A connection that has a table of the temp schema."""
    db = connect()
    db.execute(f"CREATE TEMP TABLE {sql}")
    for row in rows:
        db.execute(f"INSERT INTO temp.{sql.split('(')[0]} VALUES ({', '.join('?' * len(row))})", row)
    return db


def printed(db, *arguments):
    return db.execute(f"SELECT safetensors_print({', '.join('?' * len(arguments))})", arguments).fetchone()[0]


def test_json():
    db = with_table('t(a, "b""c")', [(value, n) for n, value in enumerate(VALUES)])
    text = printed(db, "json", "t")
    expected = [{"a": value.hex() if isinstance(value, bytes) else value, 'b"c': n} for n, value in enumerate(VALUES)]
    tally.equal(json.loads(text), {"t": expected}, "every value comes back from JSON")
    tally.check(is_safe(text) and not text.endswith("\n"), "JSON has no control characters, and no line feed at its end")
    tally.check(not any(character in text for character in "\u202e\u200b\ufdd0"), "nor what hides or turns")
    db.execute("CREATE TEMP VIEW w AS SELECT 1 AS x WHERE 0")
    tally.equal(json.loads(printed(db, "json", "w", "T")), {"w": [], "T": expected}, "several tables, a view, without rows, in any case")
    db.execute("INSERT INTO t(a) VALUES (CAST(x'61ff62c328' AS TEXT))")
    tally.equal(json.loads(printed(db, "json", "t"))["t"][-1]["a"], "a\ufffdb\ufffd(", "bytes that are not UTF-8")
    db.execute('CREATE TEMP TABLE "a"".b -- c"(x)')
    tally.equal(json.loads(printed(db, "json", 'a".b -- c')), {'a".b -- c': []}, "a name that has to be quoted")


def test_csv():
    db = with_table("t(a, b)", [(value, n) for n, value in enumerate(VALUES)])
    rows = list(csv.reader(io.StringIO(printed(db, "csv", "t", "t"), newline="")))
    tally.equal(rows[0], ["a", "b"], "the names of the columns")
    tally.equal(len(rows), len(VALUES) + 1, "rows of CSV")
    for value, (text, _) in zip(VALUES, rows[1:]):
        if isinstance(value, str):
            clean = "".join("\ufffd" if (ord(c) < 32 and c not in "\t\n\r") or 127 <= ord(c) < 160 else c for c in value)
            tally.equal(text, clean, f"{value!r} in CSV")
        elif isinstance(value, (int, float)):
            tally.equal(float(text), float(value), f"{value!r} in CSV")
        else:
            tally.equal(text, value.hex() if value else "", f"{value!r} in CSV")


def verdicts(rows):
    return with_table("v(rule, level, file, tensor, message)", rows)


LEVELS = ("ok", "warning", "error", "skipped")
ALL = [(f"rule {n % 7}", LEVELS[n % 4], file, tensor, message)
       for n, (file, tensor, message) in enumerate((a, b, c) for a in [None, *HOSTILE] for b in [None, *HOSTILE[7:12]] for c in [None, "why", *HOSTILE[9:13]])]

def test_junit():
    text = printed(verdicts(ALL), "junit", "v")
    tally.check(is_safe(text), "XML has no control characters")
    root = ElementTree.fromstring(text.encode())
    tally.check(is_junit(text), "what the schema allows, and all that it requires")
    suite, = root
    cases = list(suite)
    tally.equal((int(suite.get("tests")), int(suite.get("failures")), int(suite.get("skipped"))),
                (len(ALL), sum(row[1] == "error" for row in ALL), sum(row[1] == "skipped" for row in ALL)), "the counts of a suite")
    tally.equal(len(cases), len(ALL), "a test for each row")
    for (rule, level, file, tensor, message), case in zip(ALL, cases):
        inside = [child.tag for child in case]
        tally.equal(inside, {"ok": [], "warning": ["system-out"], "error": ["failure"], "skipped": ["skipped"]}[level], f"what a test that is {level} has")
        plain = all(character.isprintable() and ord(character) < 127 for character in (file or "") + (tensor or "") + (message or ""))
        if not plain:
            continue
        tally.equal((case.get("classname"), case.get("name")), ("v" if file is None else file, rule if tensor is None else f"{rule}: {tensor}"), "a test's name")
        if inside:
            says = case[0].text if level == "warning" else case[0].get("message")
            tally.equal(says, ("warning: " if level == "warning" else "") + (rule if message is None else message), "what it says")
    hostile = printed(verdicts([("r", "error", "a\n\x1b.safetensors", "t\u202e", "m\0")]), "junit", "v")
    tally.check("a\\n\\x1b.safetensors" in hostile and "t\\u202e" in hostile and '"m\\x00"' in hostile, "control characters are escapes", hostile)
    empty = printed(verdicts([]), "junit", "v")
    tally.check(ElementTree.fromstring(empty)[0].get("tests") == "0" and is_junit(empty), "no rows")


URIS = {"model.safetensors": "model.safetensors", "a b/ü#?.safetensors": "a%20b/%C3%BC%23%3F.safetensors", "/abs/m.safetensors": "file:///abs/m.safetensors",
        "x:y": "x%3Ay", "caf%E9.safetensors": "caf%E9.safetensors", "50%.safetensors": "50%25.safetensors", "C:\\m d\\x.safetensors": "file:///C:/m%20d/x.safetensors",
        "hf://org/name@main": "hf://org/name%40main", "esc\x1b\n": "esc%1B%0A", "a\\b": "a%5Cb"}


def test_sarif():
    rows = ALL + [("uri", "error", file, None, "x") for file in URIS]
    text = printed(verdicts(rows), "sarif", "v")
    tally.check(is_safe(text), "SARIF has no control characters")
    log = json.loads(text)
    tally.equal((set(log), log["version"]), ({"$schema", "version", "runs"}, "2.1.0"), "a log of SARIF")
    tally.check(log["$schema"].startswith("https://") and log["$schema"].endswith("sarif-schema-2.1.0.json"), "its schema", log["$schema"])
    run, = log["runs"]
    driver = run["tool"]["driver"]
    rules = [rule["id"] for rule in driver["rules"]]
    tally.check(set(run) == {"tool", "results"} and driver["name"] and set(rules) == {row[0] for row in rows} and len(set(rules)) == len(rules), "its driver and rules")
    tally.check(is_sarif(text), "every result is as the schema wants it")
    tally.equal(len(run["results"]), len(rows), "a result for each row")
    for (rule, level, file, tensor, message), result in zip(rows, run["results"]):
        expected = {"ok": ("pass", "none"), "warning": (None, "warning"), "error": (None, "error"), "skipped": ("notApplicable", "none")}[level]
        tally.equal((result["ruleId"], result.get("kind"), result["level"], result["message"]["text"]), (rule, *expected, rule if message is None else message), "a result")
        places = result.get("locations", [{}])[0]
        tally.equal("physicalLocation" in places, file is not None, "a file is a location")
        tally.equal([logical["fullyQualifiedName"] for logical in places.get("logicalLocations", [])], [] if tensor is None else [tensor], "a tensor is one within")
        uri = places["physicalLocation"]["artifactLocation"]["uri"] if file is not None else ""
        tally.check(uri.isascii() and uri.isprintable() and not set(uri) & set(' "<>\\^`{|}'), "a URI has no other characters", uri)
        if file in URIS:
            tally.equal(uri, URIS[file], f"the URI of {file!r}")
        if file and not any(mark in file for mark in ("%", ":", "\\", "\0")):
            tally.equal(urllib.parse.unquote(urllib.parse.urlsplit(uri).path), file, "a URI leads back to the path")


def test_errors():
    db = verdicts([("r", "fatal", None, None, None)])
    db.execute("CREATE TEMP TABLE t(a)")
    db.execute("CREATE TABLE main.m(a)")
    db.execute("CREATE TEMP TABLE n(rule, level, file, tensor, message)")
    db.execute("INSERT INTO n VALUES (NULL, 'ok', NULL, NULL, NULL)")
    for arguments, expected in {("text", "t"): 'expected json, csv, junit or sarif as format, found "text"', ("json", "none"): 'expected a table of the temp schema, found "none"',
                                ("json", "m"): 'expected a table of the temp schema, found "m"', ("csv",): "expected (format, table, ...), found 1 argument",
                                ("json", "t; SELECT 1"): "expected a table of the temp schema", ("junit", "v", "t"): "expected one table as junit, found 2",
                                ("sarif", "v"): 'expected ok, warning, error or skipped as level, found "fatal"', ("sarif", "n"): "expected a rule, found NULL",
                                ("junit", "t"): "expected a table with the columns rule, level, file, tensor and message", ("json", "a\0b"): "without NUL"}.items():
        message = database_error(db, f"SELECT safetensors_print({', '.join('?' * len(arguments))})", *arguments)
        tally.check(expected in message and message.startswith("safetensors: safetensors_print: ") and "\n" not in message, f"{arguments}: {expected}", message)
    tally.equal(printed(db, "json", None), None, "NULL")
    db.execute("CREATE VIEW main.hostile AS SELECT safetensors_print('json', 't'), safetensors_parameters(':a')")
    tally.check("unsafe use" in database_error(db, "SELECT * FROM hostile"), "not within a view of a database")
    db.execute("CREATE TEMP VIEW broken AS SELECT * FROM nowhere")
    tally.check("nowhere" in database_error(db, "SELECT safetensors_print('csv', 'broken')"), "a view that fails")


def test_limits():
    db = with_table("t(a)", [("x" * 1000,)] * 20)
    db.execute("CREATE TEMP TABLE v AS SELECT 'r' AS rule, 'error' AS level, NULL AS file, NULL AS tensor, a AS message FROM t")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 5000)
    for form, table in (("json", "t"), ("csv", "t"), ("junit", "v"), ("sarif", "v")):
        message = database_error(db, "SELECT safetensors_print(?, ?)", form, table)
        tally.check("expected at most 5000 bytes, this connection's length limit" in message, f"{form} beyond the limit", message)
    db = with_table("t(a)", [])
    db.execute("CREATE TEMP VIEW endless AS WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT i FROM n")
    calls = []
    db.set_progress_handler(lambda: calls.append(1) or len(calls) > 20, 1000)
    message = database_error(db, "SELECT safetensors_print('csv', 'endless')")
    tally.check(message.endswith("interrupted"), "a progress handler ends it", message)


SLIPS = {":pth": ":path", ":paht": ":path", ":Path": ":path", "path": ":path", "$path": ":path", ":paths": ":path", ":fromat": ":format", ":max_shard_byte": ":max_shard_bytes",
         ":maxshardbytes": ":max_shard_bytes", ":A": ":a", "a": ":a"}
OTHERS = [":path", ":base", ":b", ":layer", ":prefix_a", ":x", ":ref", "$nothing", ":part", ":formula"]


def shell(*commands):
    done = subprocess.run(["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors"], input="\n".join(commands), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def test_parameters():
    known = "SELECT safetensors_parameters(':path', ':format', ':max_shard_bytes', ':a');"
    for typed, meant in SLIPS.items():
        code, out, error = shell(f".param set {typed} 'x'", known)
        tally.check(code == 1 and not out and f"there is no parameter {typed}; did you mean {meant}?" in error, f"{typed} is a slip of {meant}", out, error)
    code, out, error = shell(*(f".param set {name} 1" for name in OTHERS if name != ":part"), known)
    tally.equal((code, out, error), (0, "1", ""), "names of other scripts")
    tally.equal(shell(known)[:2], (0, "1"), "nothing is set")
    for other, certain in {":patch": False, ":pth": False, ":paths": False, ":paht": True, ":pathh": True, ":PATH": True, "path": True}.items():
        code, out, error = shell(".param set :path x", f".param set {other} x", known)
        tally.equal((code, "did you mean :path?" in error), (int(certain), certain), f"{other} beside :path")


for name, test in sorted(globals().items()):
    if name.startswith("test_"):
        test()
tally.finish()
