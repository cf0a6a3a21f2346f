"""The crate, as Cargo has packed it: its own tests, and its example, with the SQLite that it brings and the system's.
`make clients` packs it and fetches what it is compiled with. The program in ext/docs/clients.md is for clients.py.

Suite: packages
"""

import os
import re
import subprocess
import tempfile

import documents
from tally import BUILD, Tally

tally = Tally()
CRATE = documents.compiled("crate")
TARGET = os.path.abspath(os.path.join(BUILD, "clients", "target"))


def cargo(*arguments):
    done = subprocess.run(["cargo", *arguments, "--locked"], cwd=CRATE, capture_output=True, text=True, check=False,
                          timeout=900, env={**os.environ, "CARGO_TARGET_DIR": TARGET})
    return done.returncode, done.stdout, done.stderr


def check_tests(title, *features):
    status, out, errors = cargo("test", *features)
    passed = [int(number) for number in re.findall(r"^test result: ok\. (\d+) passed; 0 failed", out, re.MULTILINE)]
    tally.check(status == 0 and sum(passed) >= 4, f"the crate's own tests, {title}", out[-1000:], errors[-2000:])


def check_example():
    with tempfile.TemporaryDirectory() as directory:
        documents.make_directory(directory)
        status, out, errors = cargo("run", "--quiet", "--features", "bundled", "--example", "summary", "--",
                                    os.path.join(directory, "model.safetensors"))
        tally.check(status == 0 and len(out.splitlines()) == 39 and
                    re.search(r"^lm_head\.weight +BF16 +\[256,32\] +16\.4 kB$", out, re.MULTILINE),
                    "the crate's example", out[-1000:], errors[-2000:])


def main():
    if not documents.succeeds("cargo", "--version") or not os.path.isdir(CRATE):
        print("skipped: the crate (cargo or the crate is not there: make clients)")
    else:
        check_tests("with its own SQLite", "--features", "bundled")
        check_tests("with the system's SQLite")
        check_example()
    tally.finish()


if __name__ == "__main__":
    main()
