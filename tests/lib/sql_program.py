"""The program safetensors-sql, for the tests that run it. It is built when this is imported; where its sources cannot
be fetched, the test ends and says that it is skipped."""

import os
import subprocess
import sys

from tally import BUILD

PROGRAM = os.path.abspath(f"{BUILD}/safetensors-sql")
GOOD, NO, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130
NOT_FETCHED = 3  # the exit status of .package/fetch


def build():
    environment = {**os.environ, "BUILD": BUILD}
    fetch = subprocess.run([".package/fetch", "sqlite"], env=environment, capture_output=True, text=True, check=False)
    if fetch.returncode == NOT_FETCHED:
        print(f"skipped: the program is not built here ({fetch.stderr.strip()})\n0 passed, 0 failed")
        sys.exit(0)
    subprocess.run(["make", "--no-print-directory", "-s", "program", f"BUILD={BUILD}"], check=True)


build()


def run(*words, **options):
    """Runs the program with these words, and returns its exit status and what it printed on both streams: text, or
    bytes if a word is bytes or text=False is given."""
    text = options.pop("text", not any(isinstance(word, bytes) for word in words))
    options = {"stdin": subprocess.DEVNULL, "timeout": 120, **options}
    if "input" in options:
        del options["stdin"]
    done = subprocess.run([options.pop("program", PROGRAM), *words], capture_output=True, text=text, check=False,
                          **options)
    return done.returncode, done.stdout, done.stderr
