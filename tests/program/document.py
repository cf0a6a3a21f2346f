"""The commands in ext/docs/program.md, run by the program; and that its table of options is complete.

Suite: program
"""

import os
import re
import subprocess
import tempfile

from documents import FENCE, make_directory, read
from sql_program import PROGRAM, run
from tally import Tally

tally = Tally()
root = tempfile.mkdtemp()
DOCUMENT = "ext/docs/program.md"


def test_commands():
    make_directory(root)
    environment = {**os.environ, "PATH": f"{os.path.dirname(PROGRAM)}:{os.environ['PATH']}"}
    fences = FENCE.findall(read(DOCUMENT))
    for (language, code), (_, output) in zip(fences, fences[1:]):
        if language == "bash":
            done = subprocess.run(["bash", "-c", code], cwd=root, capture_output=True, text=True, check=False, env=environment)
            tally.equal(done.stdout + done.stderr, output, f"{DOCUMENT}: {code}")
        elif language == "console":
            command, *lines = code.splitlines(keepends=True)
            done = subprocess.run(["bash", "-c", command[2:]], cwd=root, capture_output=True, text=True, check=False, env=environment)
            tally.equal(done.stdout + done.stderr, "".join(lines), f"{DOCUMENT}: {command}")


def test_options():
    """Those of verbs that the help shows, and the script does not have."""
    documented = set(re.findall(r"^\| `--([\w-]+)", read(DOCUMENT), re.MULTILINE))
    shown = set()
    for verb in ("summary", "report", "extract", "inventory"):
        own = run("help", verb)[1].split("--output FILE")[1].split("\nTables")[0]
        shown |= {"output", *re.findall(r"^  --([\w-]+)", own, re.MULTILINE)}
    tally.equal(shown, documented, "the options of the program")


tally.run(globals(), root)
