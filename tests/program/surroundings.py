"""The program and what is around it: pipes, terminals, signals, full disks, little memory, an empty root directory.

Suite: program
"""

import glob
import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time

from sql_program import FAILED, GOOD, INTERRUPTED, NO, PROGRAM, run
from tally import BUILD, Tally

tally = Tally()
root = tempfile.mkdtemp()
subprocess.run(["tests/make_demo", root], check=True, env={**os.environ, "BUILD": BUILD})
MODEL = f"{root}/base.safetensors"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def on_terminal(*words, **environment):
    """What the program shows on a terminal that is its stdout and stderr."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                          env={**os.environ, "TERM": "xterm", **environment}) as child:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        child.wait()
    return shown.decode()


def test_terminal():
    shown = on_terminal("summary", MODEL)
    tally.check("\033[1m== Files\033[0m" in shown, "headings are bold on a terminal", shown)
    tally.check("\033" not in on_terminal("summary", MODEL, NO_COLOR="1"), "but not with NO_COLOR")
    tally.check("\033" in on_terminal("summary", MODEL, NO_COLOR=""), "which counts if it is not empty")
    tally.check("\033" not in on_terminal("summary", MODEL, TERM="dumb"), "nor where TERM is dumb")
    tally.check("\033" not in run("summary", MODEL)[1], "nor in a pipe")
    tally.check("\033" not in on_terminal("summary", MODEL, "--json"), "nor in a format")
    progress = ("sql", "SELECT safetensors_config('progress') AS p", "--csv")
    tally.equal(on_terminal(*progress).split(), ["p", "1"], "progress is shown on a terminal")
    tally.equal(on_terminal(*progress, SAFETENSORS_PROGRESS="0").split(), ["p", "0"], "unless the environment says no")
    tally.equal(run(*progress)[1].split(), ["p", "0"], "and not in a pipe")


def test_interactive_shell():
    ours, theirs = pty.openpty()
    with subprocess.Popen([PROGRAM, "shell"], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "HOME": root}) as child:
        os.close(theirs)
        os.write(ours, f"SELECT 'has ' || count(*) FROM safetensors_tensors('{MODEL}');\n.quit\n".encode())
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:
            pass
        os.close(ours)
    tally.check(child.returncode == GOOD and b"sqlite> " in shown and b"has 39" in shown, "the shell is interactive", shown)


def shell(command, **options):
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "P": PROGRAM, "M": MODEL, "R": root}, **options)
    return done.returncode, done.stdout, done.stderr


def test_output_that_fails():
    for command in ('"$P" check "$M" >/dev/full', '"$P" tensors "$M" --json >/dev/full', '"$P" help >/dev/full',
                    '"$P" sql "SELECT 1" >/dev/full', '"$P" --version >/dev/full', '"$P" completion bash >/dev/full',
                    '"$P" check "$M" --output /dev/full'):
        status, _, error = shell(command)
        tally.check(status == FAILED and error.count("\n") == 1 and "cannot be written" in error, f"{command} fails", status, error)
    for command in ('"$P" check "$M" >&-', '"$P" help >&-', '"$P" sql "SELECT 1" >&-'):
        status, _, error = shell(command)
        tally.check(status == FAILED and "stdout is closed" in error, f"{command} fails", status, error)
    status, _, _ = shell('"$P" extract "$M" "$R/closed.safetensors" <&- 2>&- && cmp "$R/closed.safetensors" "$R/closed.safetensors"')
    tally.equal(status, GOOD, "closed stdin and stderr")
    tally.equal(run("check", f"{root}/closed.safetensors")[0], GOOD, "and the file is good")
    status, _, _ = shell('head -c -1 "$M" >"$R/cut.safetensors"; for n in 1 2; do "$P" check "$R/cut.safetensors" --output "$R/out$n"; '
                         'exec 2>&-; done; cmp "$R/out1" "$R/out2"')
    tally.equal(status, 0, "a message is not written into the file that is opened when stderr is closed")
    query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) SELECT i FROM n"
    status, output, error = shell(f'"$P" sql "{query}" --csv | head -n 2; exit "${{PIPESTATUS[0]}}"')
    tally.equal((status, output, error), (128 + signal.SIGPIPE, "i\n1\n", ""), "a pipe that ends")


def catches_interrupts(process):
    with open(f"/proc/{process}/status", encoding="utf-8") as file:
        caught = re.search(r"^SigCgt:\s*(\w+)", file.read(), re.MULTILINE)
    return caught and int(caught.group(1), 16) & 1 << (signal.SIGINT - 1)


def interrupted(*words):
    with subprocess.Popen([PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as child:
        while child.poll() is None and not catches_interrupts(child.pid):
            time.sleep(0.01)
        for _ in range(100):  # an interrupt before the query has begun is forgotten by SQLite
            child.send_signal(signal.SIGINT)
            try:
                child.wait(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                pass
        return child.wait(), child.stderr.read()


def test_interrupts():
    script = f"{root}/endless.sql"
    with open(script, "w", encoding="utf-8") as file:
        file.write(f"-- Does it end?\n--\n-- @table n(i)   none\n\nCREATE TEMP TABLE n AS {ENDLESS};\n")
    steps = f"{root}/steps.sql"
    with open(steps, "w", encoding="utf-8") as file:
        file.write("-- Does it end?\n--\n-- @table n(i)   none\n\n" + "SELECT 1;\n" * 3000000)
    table = f"{root}/table.sql"
    with open(table, "w", encoding="utf-8") as file:
        file.write(f"-- Does it end?\n--\n-- @table n(i)   none\n\nCREATE TEMP VIEW n AS {ENDLESS.replace('count(*)', 'count(*) AS i')};\n")
    for words in (("sql", ENDLESS), ("sql", ENDLESS, "--json"), ("run", script), ("run", steps, "--output", f"{root}/steps"),
                  ("run", table, "--json"), ("run", table, "--box")):
        status, error = interrupted(*words)
        tally.check(status == INTERRUPTED and error.count("\n") <= 1, f"{words} is interrupted", status, error)


def test_interrupted_merge():
    """It ends soon, and the directory that it has made is gone."""
    for name in "ab":
        header = json.dumps({"x": {"dtype": "F32", "shape": [1 << 32], "data_offsets": [0, 1 << 34]}}).encode()
        os.mkdir(f"{root}/{name}")
        with open(f"{root}/{name}/model.safetensors", "wb") as file:  # zeros, which take no place
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + (1 << 34))
    with subprocess.Popen([PROGRAM, "merge", json.dumps([f"{root}/a", f"{root}/b"]), f"{root}/new/merged"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while child.poll() is None and not os.path.isdir(f"{root}/new/merged"):
            time.sleep(0.01)
        time.sleep(0.3)
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        status = child.wait()
        took = time.monotonic() - begun
        tally.equal((status, child.stderr.read()), (INTERRUPTED, "safetensors-sql merge: interrupted\n"), "a merge is interrupted")
    print(f"a merge ended {took:.2f} s after an interrupt")
    tally.check(took < 2, "a merge ends soon", took)  # a tenth of it, when nothing else runs
    tally.check(not os.path.exists(f"{root}/new"), "and leaves no directory", os.listdir(root))


def test_startup_file():
    home = f"{root}/home"
    os.makedirs(home)
    with open(f"{home}/.sqliterc", "w", encoding="utf-8") as file:
        file.write(".mode insert\n.print unwanted\n")
    plain = run("summary", MODEL)
    tally.equal(run("summary", MODEL, env={**os.environ, "HOME": home}), plain, "~/.sqliterc is not read")


def libraries():
    """What the dynamic linker opens for the program."""
    listed = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+)", listed)


def empty_root(program, others):
    """A root directory with the program, what it needs and a model, and nothing else."""
    directory = tempfile.mkdtemp(dir=root)
    for path in others:
        os.makedirs(directory + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, directory + path)
    shutil.copy(program, f"{directory}/safetensors-sql")
    shutil.copy(MODEL, f"{directory}/model.safetensors")
    return directory


def test_empty_root():
    if os.geteuid() != 0:
        print("skipped: an empty root directory (needs root)")
        return
    static = sorted(glob.glob(f"{BUILD}/release/musl-x86_64/safetensors-sql"))
    roots = [empty_root(PROGRAM, libraries()), *(empty_root(path, []) for path in static)]
    if not static:
        print("skipped: an empty root directory for the static program (not built)")
    for directory in roots:
        inside = {"program": "/safetensors-sql", "preexec_fn": lambda directory=directory: (os.chroot(directory), os.chdir("/")), "env": {}}
        tally.equal(run("check", "model.safetensors", **inside), (GOOD, "Intact: 0 errors, 0 warnings in 1 file.\n", ""), "check in an empty root directory")
        status, output, error = run("summary", "model.safetensors", "--json", **inside)
        tally.check(status == GOOD and json.loads(output), "summary --json", status, error)
        status, _, error = run("convert_dtype", "model.safetensors", "out.safetensors", "F32", **inside)
        tally.check(status == GOOD, "convert_dtype", status, error)
        tally.equal(run("check", "out.safetensors", **inside)[0], GOOD, "and its file is good")
        status, _, error = run("report", "model.safetensors", "--open", **inside)
        tally.check(status == FAILED and "--output" in error, "report --open says where to put the page", status, error)
        status, output, error = run("report", "model.safetensors", "--open", "--output", "page.html", **inside)
        tally.check(status == GOOD and "no browser" in error and os.path.getsize(f"{directory}/page.html") > 1000,
                    "and writes it where no browser is", status, error)


def test_open():
    """The page is handed to the program that the system has for it."""
    binaries = f"{root}/bin"
    os.makedirs(binaries)
    with open(f"{binaries}/xdg-open", "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nprintf "%s" "$1" >"{root}/opened"\n')
    os.chmod(f"{binaries}/xdg-open", 0o755)
    status, output, error = run("report", MODEL, "--open", env={**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "TMPDIR": root})
    with open(f"{root}/opened", encoding="utf-8") as file:
        path = file.read()
    tally.equal((status, output, error), (GOOD, "", ""), "report --open")
    with open(path, encoding="utf-8") as file:
        tally.check(path.startswith(root) and path.endswith(".html") and "</html>" in file.read(), "opens the page", path)


def test_little_memory():
    """Wherever memory runs out, the program says so, and does not end well."""
    seen = set()
    for megabytes in (6, 8, 10, 12, 14, 16, 20, 24):
        def limit(size=megabytes << 20):
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        status, output, error = run("summary", MODEL, "--json", preexec_fn=limit, env={**os.environ, "SAFETENSORS_IO": "pread"})
        seen.add(status)
        good = json.loads(output) and not error if status == GOOD else status in (FAILED, 127) and error
        tally.check(good, f"with {megabytes} MB", status, output[-200:], error)
    tally.check(FAILED in seen or 127 in seen, "some of these are too few", seen)


def test_faults():
    headers = {"": "a comment that says", "-- What?\n--\n-- @parm a path  x\n": "line 3 of its header: expected a directive",
               "-- What?\n--\n-- @param a paht  x\n": "line 3 of its header: expected one of the kinds",
               "-- What?\n--\n-- @param A path  x\n": "expected a name of lower-case",
               "-- What?\n--\n-- @table t\n": "line 3 of its header: expected NAME(COLUMN",
               "-- What?\n--\n-- @param a text 'x  y\n": "an SQL string"}
    for text, expected in headers.items():
        with open(f"{root}/faulty.sql", "w", encoding="utf-8") as file:
            file.write(text)
        status, output, error = run("run", f"{root}/faulty.sql")
        tally.check(status == 2 and not output and expected in error, f"a header that is {text!r}", status, error)
    scripts = {"SELECT 1;\nSELEC;\n": (FAILED, "syntax error"), ".nosuch\n": (FAILED, "nosuch"), "SELECT nosuch();\n": (FAILED, "nosuch"),
               "CREATE TEMP TABLE c(x CHECK (x > 1)); INSERT INTO c VALUES (1);\n": (2, "expected that"),
               "CREATE TEMP TABLE v(x); CREATE TEMP TRIGGER t BEFORE INSERT ON v BEGIN SELECT RAISE(ABORT, 'no'); END; INSERT INTO v VALUES (1);\n":
               (NO, "no\n"), "SELECT 1": (GOOD, "")}
    for text, (wanted, expected) in scripts.items():
        with open(f"{root}/faulty.sql", "w", encoding="utf-8") as file:
            file.write(f"-- What?\n--\n-- About.\n\n{text}")
        status, _, error = run("run", f"{root}/faulty.sql")
        tally.check(status == wanted and expected in error and error.count("\n") <= 1 and "near line" not in error,
                    f"a script that is {text!r}", status, error)
    tally.equal(run("run", f"{root}/none.sql")[0], FAILED, "a script that is not there")
    tally.equal(run("script", root)[0], FAILED, "a directory")
    status, _, error = run("sql", "SELECT 1", "--database", f"{root}/none/x.db")
    tally.check(status == FAILED and "unable to open database" in error, "a database that cannot be opened", error)
    status, _, error = run("check", MODEL, env={**os.environ, "SAFETENSORS_KERNELS": "nosuch"})
    tally.check(status == FAILED and "nosuch" in error, "an extension that cannot be loaded", error)


def test_start():
    """At most 5 ms of the processor, which is what a machine that is not busy takes."""
    for words in (("--version",), ("help",), ("sql", "SELECT safetensors_version()"), ("check", MODEL), ("complete", "--", "comp")):
        seconds = min(processor_time(words) for _ in range(60))
        tally.check(seconds < 0.005, f"{words[0]} begins at once", f"{1000 * seconds:.1f} ms")


def processor_time(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen([PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as child:
        child.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


tally.run(globals(), root)
