"""Programs other than the sqlite3 shell that load the extension, each as its document says; and what they say
when they cannot. What is not installed is skipped; `make clients` installs it all.

Suite: clients
"""

import os
import re
import subprocess
import sys
import tempfile
import time

from documents import CLIENTS, compare_blocks, make_directory, read, run, succeeds
from tally import BUILD, Tally

tally = Tally()


def check_browser():
    """DB Browser for SQLite, on no screen, makes a table of what it reads."""
    if not succeeds("env", "QT_QPA_PLATFORM=offscreen", "sqlitebrowser", "--version"):
        print("skipped: DB Browser for SQLite (sqlitebrowser is not installed)")
        return
    with tempfile.TemporaryDirectory() as directory:
        make_directory(directory)
        database, script = os.path.join(directory, "answer.db"), os.path.join(directory, "script.sql")
        run(["sqlite3", database, "CREATE TABLE begun(x)"], directory)
        with open(script, "w", encoding="utf-8") as file:
            file.write("CREATE TABLE answer AS SELECT shape FROM safetensors_tensors('model.safetensors')"
                       " WHERE name = 'lm_head.weight';")
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": directory, "XDG_RUNTIME_DIR": directory}
        library = os.path.abspath(f"{BUILD}/safetensors.so")
        browser = subprocess.Popen(["sqlitebrowser", "-o", f"extensions/list={library}", "-s", script, database],
                                   cwd=directory, env=environment, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        answer = ""
        for _ in range(60):
            time.sleep(0.5)
            answer = run(["sqlite3", "-readonly", database, "SELECT shape FROM answer"], directory)
            if "rror" not in answer or browser.poll() is not None:
                break
        browser.kill()
        browser.wait()
        tally.equal(answer, "[256,32]\n", "DB Browser for SQLite")


def with_bytes(library, out, position, value):
    """A copy of the library with some bytes changed."""
    with open(library, "rb") as file:
        data = bytearray(file.read())
    data[position:position + len(value)] = value
    with open(out, "wb") as file:
        file.write(data)


def check_cures():
    """The messages that the document explains are those that come."""
    text = read(CLIENTS)
    library = os.path.abspath(f"{BUILD}/safetensors.so")

    def shell(command):
        return run(["sqlite3", "-batch", ":memory:", command], directory)

    def python(code):
        return run(["/usr/bin/python3", "-c", "import sqlite3; db = sqlite3.connect(':memory:')\n" + code], directory)

    with tempfile.TemporaryDirectory() as directory:
        other, broken = os.path.join(directory, "other.so"), os.path.join(directory, "safetensors.so")
        os.symlink(library, other)
        said = {"undefined symbol: sqlite3_": shell(".load ./other")}
        tally.equal(shell(".load ./other sqlite3_safetensors_init"), "", "a renamed library")
        tally.equal(shell(".load ./other.so sqlite3_safetensors_init"), "", "a renamed library, by its whole name")
        said["not authorized"] = python(
            "db.enable_load_extension(False)\ndb.load_extension('./other')")
        said["safetensors.so: cannot open shared object file"] = shell(".load ./safetensors")
        with_bytes(library, broken, 4, b"\1")  # the class, of 32 bits
        said["wrong ELF class"] = shell(".load ./safetensors")
        said["safetensors.so.so: cannot open shared object file"] = shell(".load ./safetensors.so")
        with_bytes(library, broken, 0, b"MZ")
        said["invalid ELF header"] = shell(".load ./safetensors")
        with_bytes(library, broken, 18, b"\x16\0")  # the processor: s390
        tally.check("safetensors.so: cannot open shared object file" in shell(".load ./safetensors"),
                    "a library for another processor")
        with open(library, "rb") as file:
            at = file.read().find(b"libjansson.so.4\0")
        if at >= 0:
            with_bytes(library, broken, at, b"libjanssoX")
            said["libjansson.so.4: cannot open shared object file"] = shell(
                ".load ./safetensors").replace("libjanssoX", "libjansson")
        with open(library, "rb") as file:
            glibc = re.search(rb"\0GLIBC_2\.\d+\0", file.read())
        with_bytes(library, broken, glibc.start() + 7, b"9")
        said["version `GLIBC_"] = shell(".load ./safetensors")
        if succeeds("perl", "-MDBD::SQLite", "-e", "1"):
            said["not an error"] = run(["perl", "-MDBI", "-e", 'DBI->connect("dbi:SQLite:dbname=:memory:")'
                                        '->sqlite_load_extension("./other")'], directory)
        if succeeds("node", "-e", "require('@photostructure/sqlite')"):
            said["Extension loading is not allowed"] = run(
                ["node", "-e", "new (require('@photostructure/sqlite').DatabaseSync)(':memory:')"
                 ".loadExtension('./other.so')"], directory,
                NODE_PATH=os.path.abspath(f"{BUILD}/npm/node_modules"))
    for message, output in said.items():
        tally.check(message in output, f"a client says {message}", output)
        row = [line for line in text.splitlines() if line.startswith("|") and message in line]
        tally.check(len(row) == 1, f"{CLIENTS} explains {message}")


compare_blocks(tally, CLIENTS, lambda block: block.language not in ("sql", "session"),
               update=sys.argv[1:] == ["--update"])
check_browser()
check_cures()
tally.finish()
