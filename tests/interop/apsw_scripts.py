"""All scripts of tests/sql with the SQLite that apsw has within itself, which is newer than the machine's, and built
with all that it can do.

Suite: interop
"""

import glob
import os
import subprocess

from tally import BUILD, Tally

try:
    import apsw
    from sqllogictest import Script
except ImportError:
    print("skipped: scripts on apsw's SQLite (apsw is not installed: make interop)")
    Tally().finish()

CORPUS = os.environ.get("CORPUS", "../shared/corpus")
CONFORMANCE = os.environ.get("CONFORMANCE", "../shared/sqllogictest")
FIXTURES = f"{BUILD}/fixtures"
tally = Tally()


def run(path, extension=None):
    names = {"FIXTURES": FIXTURES, "CORPUS": CORPUS}
    script = Script(path, extension, {name: directory for name, directory in names.items() if os.path.isdir(directory)})
    script.run()
    return script


print(f"SQLite {apsw.sqlite_lib_version()}")
# That records are judged here as they should be.
for judged in sorted(glob.glob(f"{CONFORMANCE}/*/*.test")):
    failures = run(judged).failures
    tally.equal(bool(failures), "/mustfail/" in judged, f"{judged}: fails ({failures[:3]})")
subprocess.run([f"{BUILD}/tests/fixtures", FIXTURES], check=True)
for path in sorted(glob.glob("tests/sql/*.test")):
    done = run(path, f"{BUILD}/safetensors")
    tally.passed += done.passed
    for failure in done.failures:
        tally.check(False, f"{path}:{failure}")
tally.finish()
