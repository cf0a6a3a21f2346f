"""The command line of safetensors-sql: what it takes, what it refuses before anything runs, and names of any bytes.

Suite: program
"""

import json
import os
import shutil
import subprocess
import tempfile

from sql_program import FAILED, GOOD, NO, USAGE, run
from tally import BUILD, Tally

tally = Tally()
root = tempfile.mkdtemp()
subprocess.run(["tests/make_demo", root], check=True, env={**os.environ, "BUILD": BUILD})
MODEL, TUNE = f"{root}/base.safetensors", f"{root}/tune.safetensors"
SCRIPT = f"{root}/mine.sql"
HEADER = """\
-- What was given?
--
-- Prints it.
--
-- @param path path required   a path
-- @param count integer required   a number
-- @param share real 0.5       a share
-- @param word text 'it''s'    a word
-- @param order enum name|size size   an order
-- @param all flag             all of it
-- @param format enum text|json|junit   how it is printed
-- @table given(name, type, value)   one row per parameter
-- @status 1                   when the count is 13
-- @example safetensors-sql mine a 1

.bail on
CREATE TEMP TABLE parameters(count CONSTRAINT ":count is not 7, and :share is given" CHECK (count <> 7));
INSERT INTO parameters VALUES (:count);
CREATE TEMP TABLE given(name, type, value);
INSERT INTO given SELECT name, typeof(value), value FROM (
  SELECT 'path' AS name, :path AS value UNION ALL SELECT 'count', :count UNION ALL SELECT 'share', :share
  UNION ALL SELECT 'word', :word UNION ALL SELECT 'order', :order UNION ALL SELECT 'all', :all
  UNION ALL SELECT 'format', :format);
SELECT name, value FROM given WHERE value IS NOT NULL;
CREATE TEMP TABLE verdict(count);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.count = 13 BEGIN SELECT RAISE(ABORT, ':count is 13, whatever :all is'); END;
INSERT INTO verdict VALUES (:count);
"""


def given(*words):
    """What a script of our own is given: a value of each parameter, with its type."""
    status, output, error = run("run", SCRIPT, "--table", "given", "--csv", *words)
    return (status, error) if status else output.splitlines()[1:]


def test_parameters():
    with open(SCRIPT, "w", encoding="utf-8") as file:
        file.write(HEADER.replace("-- @param format enum text|json|junit   how it is printed\n", "").replace(
            "\n  UNION ALL SELECT 'format', :format", ""))
    absent = ["share,null,", "word,null,", "order,null,", "all,null,"]
    tally.equal(given("a", "1"), ["path,text,a", "count,integer,1", *absent], "arguments")
    tally.equal(given("12", "-1"), ["path,text,12", "count,integer,-1", *absent],
                "a path that looks like a number is a text, and a negative number is no option")
    options = ["share,real,-2.5", "word,text,--x", "order,text,name", "all,integer,1"]
    tally.equal(given("--share", "-2.5", "a", "--word=--x", "--order", "name", "1", "--all"),
                ["path,text,a", "count,integer,1", *options], "options in any place")
    tally.equal(given("--share=-25e-1", "--word=--x", "--all", "--order=name", "--", "--all", "1")[0], "path,text,--all",
                "what follows -- is an argument")
    tally.equal(given("--count", "5", "a")[:2], ["path,text,a", "count,integer,5"], "a required parameter by its name")


def test_own_format():
    """--format is the program's; the script is given the words that the program has not."""
    with open(SCRIPT, "w", encoding="utf-8") as file:
        file.write(HEADER)
    for word in ("text", "junit"):
        shown = f"path|a\ncount|1\nformat|{word}\n"
        for options in (["--format", word], [f"--format={word}"], [f"--{word}"]):
            tally.equal(run("run", SCRIPT, "a", "1", *options), (GOOD, shown, ""), f"{options} is the script's")
    for options in (["--format", "json"], ["--json"]):
        found = json.loads(run("run", SCRIPT, "a", "1", *options)[1])
        tally.equal(found["given"][-1], {"name": "format", "type": "null", "value": None}, f"{options} is the program's")
    for options, message in ((["--sarif"], "there is no option --sarif here"), (["--format", "sarif"], "expected one of json, csv, markdown, box, html, text, junit"),
                             (["--json", "--junit"], "expected once, found a second time"), (["--junit", "--format=junit"], "expected one value"),
                             (["--junit", "--json"], "expected one format, found a second"), (["--junit", "--table", "given"], "--table: expected one of json, csv"),
                             (["--junit=1"], "expected no value")):
        status, output, error = run("run", SCRIPT, "a", "1", *options)
        tally.check((status, output) == (USAGE, "") and message in error, f"{options}: {message}", status, output, error)
    page = run("run", SCRIPT, "--help")[1]
    tally.equal(page.count("--format"), 2, "the help has it once, and what it is for")
    tally.check("print as json, csv, markdown, box, html, text or junit" in page, "with its words", page)


def test_mistyped():
    """What safetensors_parameters() refuses is a wrong command line."""
    with open(SCRIPT, "w", encoding="utf-8") as file:
        file.write(HEADER.replace(".bail on", ".bail on\nSELECT safetensors_parameters(':paht', ':count');"))
    status, output, error = run("run", SCRIPT, "a", "1")
    tally.equal((status, output), (USAGE, ""), "a mistyped parameter")
    tally.check(error.endswith(": there is no parameter PATH; did you mean :paht?\n"), "is named as it is typed", error)
    with open(SCRIPT, "w", encoding="utf-8") as file:
        file.write(HEADER)


def test_status():
    status, output, error = run("run", SCRIPT, "a", "13", "--table", "given")
    tally.equal((status, "count" in output, error.endswith(": COUNT is 13, whatever --all is\n")), (NO, True, True), "and the tables are printed")
    tally.equal(run("run", SCRIPT)[2], f"safetensors-sql run {SCRIPT}: expected PATH, a path; "
                f"usage: safetensors-sql run {SCRIPT} PATH COUNT [OPTION]...\n", "the name of a script that is run")
    status, output, error = run("run", SCRIPT, "a", "7")
    tally.equal((status, output), (USAGE, ""), "a parameter that the script refuses")
    tally.check(error.endswith(": expected that COUNT is not 7, and --share is given\n"), "names it as it is typed", error)
    status, output, error = run("tensors", MODEL, "--names", "nope*", "--json")
    tally.equal((status, json.loads(output), error), (NO, {"listed": [], "unlisted": []}, "safetensors-sql tensors: no tensor's name matches --names\n"),
                "a pattern of no name")
    status, _, error = run("tensors", f"{root}/none.safetensors")
    tally.check(status == FAILED and error.startswith(f"safetensors: {root}/none") and error.count("\n") == 1, "in one sentence", error)
    tally.equal(run("check", MODEL)[0], GOOD, "a checkpoint that is intact")
    with open(MODEL, "rb") as file, open(f"{root}/cut.safetensors", "wb") as cut:
        cut.write(file.read()[:-1])
    status, output, error = run("check", f"{root}/cut.safetensors", "--json")
    tally.check(status == NO and json.loads(output)["findings"], "one that is not", status, output, error)
    tally.check(error.count("\n") == 1 and "near line" not in error, "says so in one sentence", error)
    status, output, error = run("sql", "SELECT 1; SELEC 2", "--csv")
    tally.equal((status, output), (FAILED, "1\n1\n"), "a query that is wrong")
    tally.equal(error, 'safetensors-sql sql: near "SELEC": syntax error\n', "and its sentence")


def refused(words, *sentences):
    status, output, error = run(*words)
    tally.equal((status, output), (USAGE, ""), f"{words} is refused")
    tally.check(error.count("\n") == 1 and all(sentence in error for sentence in sentences), f"{words} says why", error)


def test_refused():
    for words, *sentences in [
            (["sumary", MODEL], 'no verb "sumary"', 'did you mean "summary"'),
            (["check"], "expected PATH, the checkpoint", "usage: safetensors-sql check PATH"),
            (["compare", MODEL], "expected B, ", "usage: safetensors-sql compare A B"),
            (["check", MODEL, TUNE], "expected nothing more", TUNE, "a pattern is written in quotes"),
            (["check", MODEL, "--fromat", "json"], "--fromat", 'did you mean "--format"?'),
            (["check", MODEL, "--format", "jsn"], 'found "jsn"', 'did you mean "json"?'),
            (["check", MODEL, "--json", "--csv"], "a second time"),
            (["check", MODEL, "--json=1"], "expected no value"),
            (["check", MODEL, "--table", "finding"], 'no table "finding"', 'did you mean "findings"?'),
            (["check", MODEL, "--threads", "-1"], "from 0 to", '"-1"'),
            (["check", MODEL, "--threads", "many"], '"many"'),
            (["check", MODEL, "--dry-run"], "no option --dry-run"),
            (["check", MODEL, "--open"], "no option --open"),
            (["check", MODEL, "-v"], "no option -v"),
            (["check", MODEL, "--output"], "expected a value"),
            (["check", MODEL, "--output", "--json"], "expected a value", "--output=VALUE"),
            (["check", MODEL, "--output", f"{root}/new.safetensors"], "not for tensors"),
            (["check", "-"], "expected a path"), (["check", ""], "an empty text"),
            (["distribution", MODEL, "--bins", "3.5"], "a whole number", '"3.5"'),
            (["distribution", MODEL, "--bins", "99999999999999999999"], "a whole number"),
            (["distribution", MODEL, "--lo", "1x"], "expected a number", '"1x"'),
            (["distribution", MODEL, "--bins", "3", "--bins", "4"], "a second", '"4"'),
            (["compare", MODEL, TUNE, "--prefix-c", "x"], "--prefix-c", '"--prefix-a"'),
            (["compare", MODEL, TUNE, "--prefix-b", "x."], "the name of a tensor of B begins with --prefix-b"),
            (["distribution", MODEL, "--name", "nope"], "--name is the name of a tensor"),
            (["neighbours", MODEL, "nope", "1"], "NAME is the name of a tensor"),
            (["convert-dtype", MODEL, f"{root}/new.safetensors", "F32", "--keep", "nope*"], "--keep matches the name of a tensor"),
            (["sql"], "expected QUERY..."), (["sql", "SELECT 1", "--param", "x"], "NAME=VALUE"),
            (["completion", "tcsh"], "bash, zsh or fish"), (["help", "chek"], 'did you mean "check"?'),
            (["skill", "a", "b"], "found 2 words"), ([MODEL], "a verb, before a checkpoint", MODEL, "`info`"),
            (["--json", "info", MODEL], "a verb, before options", '"--json"'),
            (["help", "diff", "check"], 'nothing more, found "check"')]:
        refused(words, *sentences)
    status, output, error = run()
    tally.check((status, output) == (USAGE, "") and "VERB" in error, "no word at all gets help", error)


HOSTILE = [b"a b", b"it's", b'"quoted"', b"$HOME", b"100%", b"new\nline", b"caf\xe9", b"\xff\xfe", b"semi;colon--x", b"12",
           b"-dash", "größe→".encode(), b"*", b"a[b]", b"tab\there", b"back\\slash"]


def test_hostile_names():
    """Each is a directory with a model in it."""
    for name in HOSTILE:
        directory = os.fsencode(root) + b"/hostile/" + name
        os.makedirs(directory)
        shutil.copy(MODEL, directory + b"/m.safetensors")
        path = b"hostile/" + name + b"/m.safetensors"
        if name in (b"*", b"a[b]", b"back\\slash"):  # which are patterns
            path = path.replace(b"\\", b"\\\\").replace(b"*", b"[*]").replace(b"[b", b"[[]b")
        status, output, error = run("tensors", path, "--json", cwd=root)
        found = len(next(iter(json.loads(output).values()))) if status == GOOD else None
        tally.equal((status, found), (GOOD, 39), f"a model in {name}: {error}")
        status, output, error = run("sql", b"SELECT count(*) AS n FROM safetensors_tensors(:p)", b"--param", b"p=" + path, b"--csv", cwd=root)
        tally.equal((status, output), (GOOD, b"n\n39\n"), f"a query for {name}: {error}")
        out = os.path.join(directory, b"out.safetensors")
        status, _, error = run("extract", MODEL, out, "--names", "*norm*")
        tally.equal((status, os.path.exists(out)), (GOOD, True), f"written to {name}: {error}")
    os.symlink(MODEL, f"{root}/7")
    tally.equal(run("summary", "7", cwd=root)[0], GOOD, "a name that looks like a number")


def test_queries():
    rows = "SELECT 1 AS i, 0.1 + 0.2 AS r, 9e999 AS inf, 'a\"b' AS t, NULL AS n, x'00ff' AS b"
    status, output, error = run("sql", rows, "--json")
    tally.equal(json.loads(output), [{"i": 1, "r": 0.1 + 0.2, "inf": float("inf"), "t": 'a"b', "n": None, "b": "00ff"}], f"--json {status} {error}")
    tally.equal(run("sql", rows, "--csv")[1], 'i,r,inf,t,n,b\n1,0.30000000000000004,9e999,"a""b",,00ff\n', "--csv")
    tally.equal(run("sql", "SELECT '' AS e, 9223372036854775807 AS big", "SELECT 'a|b<' AS m", "--markdown")[1],
                "| e | big |\n| --- | --- |\n|  | 9223372036854775807 |\n| m |\n| --- |\n| a\\|b\\< |\n", "two queries as --markdown")
    tally.equal(run("sql", "SELECT '<&>' AS h", "--html")[1], "<table>\n<tr><th>h</th></tr>\n<tr><td>&lt;&amp;&gt;</td></tr>\n</table>\n", "--html")
    tally.equal(json.loads(run("sql", "SELECT CAST(x'61ff62' AS TEXT) AS t", "--json")[1])[0]["t"], "a\ufffdb", "text that is not UTF-8")
    tally.equal(run("sql", "SELECT 12 AS n")[1], "╭────╮\n│ n  │\n╞════╡\n│ 12 │\n╰────╯\n", "a box")
    status, output, _ = run("sql", "-", "--csv", input="-- c\nSELECT 1 AS a,\n  ';' AS b;\n.print hello\nSELECT 2 AS c")
    tally.equal((status, output), (GOOD, "a,b\n1,;\nhello\nc\n2\n"), "queries and a dot-command on standard input")
    tally.equal(run("sql", "SELECT :a, :b", "--param", "a=x", "--param", ":b==y", "--csv")[1], ":a,:b\nx,=y\n", "--param")
    tally.equal(run("sql", "PRAGMA threads", "--threads", "3", "--csv")[1], "threads\n3\n", "--threads")
    database = f"{root}/my.db"
    tally.equal(run("sql", "CREATE TABLE t(x); INSERT INTO t VALUES (1)", "--database", database), (GOOD, "", ""), "--database")
    tally.equal(run("sql", "SELECT x FROM t", "--database", database, "--json")[1], '[\n{"x": 1}\n]\n', "keeps")
    tally.equal(run("sql", "SELECT count(*) FROM t WHERE 0", "SELECT 1 WHERE 0", "--database", database, "--json")[1],
                '[\n{"count(*)": 0}\n]\n[]\n', "no rows")
    status, output, error = run("shell", "-batch", ":memory:", f"SELECT count(*) FROM safetensors_tensors('{MODEL}')")
    tally.equal((status, output, error), (GOOD, "39\n", ""), "SQLite's shell has the extension")


def test_output():
    page = f"{root}/page.html"
    tally.equal(run("report", MODEL, "--output", page), (GOOD, "", ""), "report --output")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    tally.check(text.lower().startswith("<!doctype html>") and text.rstrip().endswith("</html>"), "is a page")
    tally.equal(run("check", MODEL, "--json", "--output", f"{root}/x.json"), (GOOD, "", ""), "--json --output")
    with open(f"{root}/x.json", encoding="utf-8") as file:
        tally.equal(json.load(file)["findings"], [], "is the tables")
    status, _, error = run("check", MODEL, "--output", f"{root}/none/x")
    tally.check(status == FAILED and "No such file" in error, "a directory that is not there", error)


def test_skill():
    home = f"{root}/home"
    status, output, _ = run("skill", env={**os.environ, "HOME": home})
    path = f"{home}/.claude/skills/safetensors-sql/SKILL.md"
    tally.equal((status, output), (GOOD, path + "\n"), "skill")
    with open(path, "rb") as written, open(".package/SKILL.md", "rb") as source:
        tally.equal(written.read(), source.read(), "is the file")
    tally.equal(run("skill", f"{root}/deep/er")[0], GOOD, "skill DIRECTORY")
    tally.check(os.path.exists(f"{root}/deep/er/SKILL.md"), "is made")
    tally.equal(run("skill", f"{MODEL}/x")[0], FAILED, "below a file")


tally.run(globals(), root)
