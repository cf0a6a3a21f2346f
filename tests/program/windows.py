"""The program for Windows, under wine: words and files in Unicode, verbs, exit statuses. It is tested where it was built
(.package/compile windows-x86_64).

Suite: program
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from tally import BUILD, Tally

PROGRAM = os.path.abspath(f"{BUILD}/release/windows-x86_64/safetensors-sql.exe")
WINE = shutil.which("wine64") or shutil.which("wine") or "/usr/lib/wine/wine64"
for path, what in ((PROGRAM, "the program is not built for it"), (WINE, "wine is not installed")):
    if not os.path.exists(path):
        print(f"skipped: the program for Windows ({what})\n0 passed, 0 failed")
        sys.exit(0)

tally = Tally()
root = tempfile.mkdtemp()
subprocess.run(["tests/make_demo", root], check=True, env={**os.environ, "BUILD": BUILD})


def run(*words):
    done = subprocess.run([WINE, PROGRAM, *words], cwd=root, capture_output=True, check=False, stdin=subprocess.DEVNULL,
                          timeout=300, env={**os.environ, "WINEDEBUG": "-all"})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_words():
    status, output, _ = run("--version")
    tally.check(status == 0 and "windows x86_64" in output and "\r" not in output, "--version", output)
    tally.equal(run("sumary"), (2, "", 'safetensors-sql: there is no verb "sumary"; did you mean "summary" or "memory"?\n'), "no verb")
    os.mkdir(f"{root}/größe → %x%")
    shutil.copy(f"{root}/base.safetensors", f"{root}/größe → %x%/a b.safetensors")
    status, output, error = run("ls", "größe → %x%\\a b.safetensors", "--json")
    tally.check(status == 0 and len(next(iter(json.loads(output).values()))) == 39, "a path in Unicode", status, error)
    status, output, error = run("sql", "SELECT 'ß\"' AS t", "--csv", "--output", "größe → %x%/ü.csv")
    tally.equal((status, output, error), (0, "", ""), "--output in Unicode")
    with open(f"{root}/größe → %x%/ü.csv", encoding="utf-8", newline="") as file:
        tally.equal(file.read(), 't\n"ß"""\n', "has the rows")


def test_verbs():
    tally.equal(run("check", "base.safetensors")[:2], (0, "Intact: 0 errors, 0 warnings in 1 file.\n"), "check")
    with open(f"{root}/base.safetensors", "rb") as file, open(f"{root}/cut.safetensors", "wb") as cut:
        cut.write(file.read()[:-1])
    tally.equal(run("check", "cut.safetensors", "--json")[0], 1, "a verdict that is no")
    status, _, error = run("convert_dtype", "base.safetensors", "out.safetensors", "F32")
    tally.equal((status, error), (0, ""), "convert_dtype")
    tally.equal(run("check", "out.safetensors")[0], 0, "and its file is good")
    tally.equal(run("skill", "deep\\er")[0], 0, "skill")
    tally.check(os.path.exists(f"{root}/deep/er/SKILL.md"), "makes directories")


tally.run(globals(), root)
