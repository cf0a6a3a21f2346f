"""Patterns in paths: ** and \\, against Python's glob and bash on random trees; links and cycles of links; and how
long the worst take."""

import functools
import glob
import os
import random
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time

from tally import Tally, connect, database_error

tally = Tally()
db = connect()
ROOT = os.path.realpath(tempfile.mkdtemp(prefix="globs."))


def expand(pattern):
    """The paths that match, which need not be safetensors files; without what is no match at all."""
    found = db.execute("SELECT file, error FROM safetensors_files(?)", (pattern,)).fetchall()
    if len(found) == 1 and "found none" in (found[0][1] or ""):
        return []
    return [file for file, _ in found]


def touch(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8"):
        pass


error_of = functools.partial(database_error, db, "SELECT * FROM safetensors_tensors(?)")


def make_tree(rng, directory):
    names = ["a", "b", "ab", "aa", "[", "]", "a[1]", "x.y", ".h", "é", "a b", "-", "^", "!"]
    directories = [directory]
    for _ in range(rng.randrange(3, 12)):
        where = os.path.join(rng.choice(directories), rng.choice(names))
        if not os.path.lexists(where):
            os.mkdir(where)
            directories.append(where)
    for _ in range(25):
        where = os.path.join(rng.choice(directories), rng.choice(names) + rng.choice(["", ".s", "1"]))
        if not os.path.lexists(where):
            touch(where)


def make_pattern(rng, escapes):
    def component():
        kinds = ["*", "*", "**", "a*", "*a", "?", "??", "[ab]", "[!a]*", "[^a]*", "[a-c]?", "*[", "a[", "[[]*", "[]]", "a",
                 "b", "ab", ".*", "*.s", "*b*", "[a-]", "é", "?[1]", "a b", "x.y", "*1", "a**", "[*]", "*[!.]s", "[é]"]
        if escapes:
            kinds += ["\\*", "\\a", "\\[", "a\\[1\\]", "\\.h", "\\?", "*\\]", "[\\]]", "\\a*"]
        return rng.choice(kinds)
    return "/".join(component() for _ in range(rng.choice([1, 2, 2, 3, 3, 4])))


def files_of(paths):
    return sorted(path for path in set(paths) if os.path.lexists(path) and not os.path.isdir(path))


def literal_part(directory, pattern):
    """Whether a part of the pattern is there under its own name anywhere, and so means itself here."""
    parts = {part for part in pattern.split("/") if any(c in part for c in "*?[\\")}
    return any(parts & set(names + files) for _, names, files in os.walk(directory))


def test_python():
    """Files, as glob.glob() finds them; directories, which are no checkpoints, are not compared."""
    rng = random.Random(7)
    compared = 0
    for n in range(120):
        directory = f"{ROOT}/python{n}"
        os.mkdir(directory)
        make_tree(rng, directory)
        for _ in range(25):
            pattern = make_pattern(rng, False)
            if literal_part(directory, pattern) or "^" in pattern:
                continue
            pattern = f"{directory}/{pattern}"
            wanted = files_of(glob.glob(pattern, recursive=True))
            got = files_of(expand(pattern))
            compared += bool(wanted)
            tally.equal(got, wanted, f"as Python: {pattern}")
    tally.check(compared > 300, "enough patterns match something", compared)


def test_bash():
    bash = shutil.which("bash")
    if bash is None:
        print("skipped: patterns as bash expands them (bash is not installed)")
        return
    rng = random.Random(8)
    compared = 0
    for n in range(80):
        directory = f"{ROOT}/bash{n}"
        os.mkdir(directory)
        make_tree(rng, directory)
        patterns = [pattern for pattern in (make_pattern(rng, True) for _ in range(40))
                    if not literal_part(directory, pattern) and re.search(r"(^|[^\\])[*?]", pattern)]
        # The pattern comes out of a variable, without splitting of words. bash expands only what has a special
        # character that is not escaped.
        script = 'shopt -s globstar nullglob; IFS=; cd "$1"; shift; for p in "$@"; do printf "%s\\0" $p; printf "\\0"; done'
        done = subprocess.run([bash, "-c", script, "bash", directory, *patterns], capture_output=True, check=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})
        os.chdir(directory)
        for pattern, text in zip(patterns, done.stdout.decode().replace("\0\0", "\0\n").split("\n")):
            # bash takes a pattern without special characters as it stands, there or not
            wanted = files_of(text.strip("\0").split("\0")) if text.strip("\0") else []
            compared += bool(wanted)
            tally.equal(files_of(expand(pattern)), wanted, f"as bash in {directory}: {pattern}")
        os.chdir("/")
    tally.check(compared > 200, "enough patterns match something", compared)


def test_recursive():
    directory = f"{ROOT}/recursive"
    for path in ("x.s", "a/x.s", "a/b/x.s", "a/b/c/x.s", "a/.hidden/x.s", ".h/x.s", "a/y", "d/x.s/x.s"):
        touch(f"{directory}/{path}")
    for pattern, expected in [
            ("**/x.s", ["a/b/c/x.s", "a/b/x.s", "a/x.s", "d/x.s", "d/x.s/x.s", "x.s"]),
            ("a/**/x.s", ["a/b/c/x.s", "a/b/x.s", "a/x.s"]), ("**/b/**/x.s", ["a/b/c/x.s", "a/b/x.s"]),
            ("**/**/**/y", ["a/y"]), ("**/*/c/*.s", ["a/b/c/x.s"]), ("a/**", ["a/b/c/x.s", "a/b/x.s", "a/x.s", "a/y"]),
            (".h/**/x.s", [".h/x.s"]), ("**/.hidden/x.s", ["a/.hidden/x.s"]), ("none/**/x.s", None), ("a/**/z", [])]:
        if expected is None:
            tally.check("no such directory" in error_of(f"{directory}/{pattern}"), pattern)
        else:
            tally.equal([os.path.relpath(file, directory) for file in expand(f"{directory}/{pattern}")], expected, pattern)
    os.makedirs(f"{directory}/**")
    touch(f"{directory}/**/own.s")
    tally.equal(expand(f"{directory}/**/*.s"), [f"{directory}/**/own.s"], "a directory that is named **")


def test_escapes():
    directory = f"{ROOT}/escapes"
    for name in ("a*b", "a1b", "a[1]", "a[", "a1", "x\\y", "q?", "qq"):
        touch(f"{directory}/{name}")
    for pattern, expected in [
            ("a\\*b", ["a*b"]), ("a\\[1\\]", ["a[1]"]), ("a\\[*", ["a[", "a[1]"]), ("a[", ["a["]), ("?[", ["a["]), ("*[", ["a["]),
            ("x\\\\y", ["x\\y"]), ("x\\y", ["x\\y"]), ("q\\?", ["q?"]), ("\\a1", ["a1"]), ("a[\\[]", ["a["]), ("q[\\?]", ["q?"]),
            ("a\\*", []), ("[", []), ("a[1", [])]:
        tally.equal([os.path.relpath(file, directory) for file in expand(f"{directory}/{pattern}")], expected, f"{pattern}")
    os.makedirs(f"{ROOT}/run [1]")
    touch(f"{ROOT}/run [1]/x.s")
    tally.equal(expand(f"{ROOT}/run \\[1\\]/*.s"), [f"{ROOT}/run [1]/x.s"], "an escaped directory")


def test_links():
    directory = f"{ROOT}/links"
    for path in ("v1/x.s", "v2/x.s", "v2/deep/x.s"):
        touch(f"{directory}/{path}")
    os.makedirs(f"{ROOT}/other/in")
    touch(f"{ROOT}/other/in/x.s")
    os.symlink("v2", f"{directory}/latest")
    os.symlink("../other", f"{directory}/other")
    os.symlink(".", f"{directory}/here")
    os.symlink("..", f"{directory}/v2/up")
    os.symlink("../v1", f"{directory}/v2/back")

    def found(pattern):
        return [os.path.relpath(file, directory) for file in expand(f"{directory}/{pattern}")]

    tally.equal(found("*/x.s"), ["latest/x.s", "v1/x.s", "v2/x.s"], "a directory under two names, as every shell lists it")
    tally.equal(found("**/x.s"), ["other/in/x.s", "v1/x.s", "v2/deep/x.s", "v2/x.s"], "each directory once, links followed")
    tally.equal(found("here/here/v1/*.s"), ["here/here/v1/x.s"], "what the pattern names is followed")
    tally.equal(found("*/*/x.s"), ["latest/back/x.s", "latest/deep/x.s", "other/in/x.s", "v2/back/x.s", "v2/deep/x.s"],
                "no way leads back to a directory that it has come through")


def seconds(pattern):
    began = time.monotonic()
    expand(pattern)
    return time.monotonic() - began


def test_cost():
    """What is there bounds the work, and not what a pattern could spell."""
    directory = f"{ROOT}/cost"
    touch(f"{directory}/{'a' * 120}")
    os.symlink(".", f"{directory}/x")
    os.symlink(".", f"{directory}/y")
    for what, pattern in [("40 stars over two links to '.'", "/*" * 40), ("40 times ** and *", "/**/*" * 40),
                          ("*a*a... against a long name", "/" + "*a" * 100 + "*b"), ("sets", "/" + "*[a]" * 100 + "b"),
                          ("many stars", "/" + "*" * 10000 + "b")]:
        took = seconds(directory + pattern)
        print(f"{what}: {took:.3f} s")
        tally.check(took < 2, f"{what} end soon", took)
    # 30 storeys, in each two links to the next: 2^30 paths.
    for n in range(30):
        os.makedirs(f"{ROOT}/tower/{n}")
        if n > 0:
            os.symlink(f"../{n}", f"{ROOT}/tower/{n - 1}/l")
            os.symlink(f"../{n}", f"{ROOT}/tower/{n - 1}/r")
    touch(f"{ROOT}/tower/29/x.s")
    for pattern in (f"{ROOT}/tower/0" + "/*" * 29 + "/x.s", f"{ROOT}/tower/0/**/x.s"):
        took = seconds(pattern)
        print(f"a tower of links: {took:.3f} s")
        tally.check(took < 5, "a tower of links ends", took)
    tally.equal(len(expand(f"{ROOT}/tower/0/**/x.s")), 1, "** goes through each directory once")
    tally.check("between two '/'" in error_of(f"{ROOT}/*" + "[a]" * 10000), "a component without end")
    # A deep directory needs no deep stack.
    deep = f"{ROOT}/deep"
    os.mkdir(deep)
    os.chdir(deep)
    for _ in range(900):
        os.mkdir("d")
        os.chdir("d")
    touch("./x.s")
    os.chdir("/")
    tally.equal(len(expand(f"{deep}/**/x.s")), 1, "900 directories deep")
    tally.equal(len(expand(deep + "/*" * 900 + "/x.s")), 1, "900 directories deep, each by a star")


def test_interrupt():
    """The progress handler of a host ends the expansion."""
    for n in range(400):
        os.makedirs(f"{ROOT}/wide/{n}/{n}", exist_ok=True)
    asked = []
    db.set_progress_handler(lambda: asked.append(1) or len(asked) > 2, 1000)
    began = time.monotonic()
    try:
        for _ in range(100000):
            db.execute("SELECT count(*) FROM safetensors_files(?)", (f"{ROOT}/wide/**/*/**/nothing",)).fetchall()
        message = "no error"
    except sqlite3.OperationalError as problem:
        message = str(problem)
    took = time.monotonic() - began
    db.set_progress_handler(None, 0)
    print(f"interrupted after {took:.3f} s")
    tally.check("interrupt" in message and took < 30, "the expansion asks the progress handler", message, took)
    for sql in ("SELECT status FROM safetensors_files(?)", "SELECT code FROM safetensors_check(?)"):
        db.set_progress_handler(lambda: 1, 1)
        try:
            message = str(db.execute(sql, (f"{ROOT}/wide/**/*/**/nothing",)).fetchall())
        except sqlite3.OperationalError as problem:
            message = str(problem)
        db.set_progress_handler(None, 0)
        tally.check("interrupt" in message, f"an interrupt is no row: {sql}", message)


try:
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
finally:
    os.chdir("/")
    subprocess.run(["rm", "-rf", ROOT], check=False)
tally.finish()
