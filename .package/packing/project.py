"""What all packages say about the project, and the files that all of them carry."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME = "sqlite-safetensors"
SUMMARY = "Safetensors checkpoints as SQL tables: a loadable SQLite extension, and a program"
LICENCE = "Apache-2.0"  # of the project's own files



def read(*parts):
    """The bytes of one of the project's files."""
    with open(os.path.join(ROOT, *parts), "rb") as file:
        return file.read()


def version():
    return re.search(rb'^#define SAFETENSORS_VERSION "(.*)"', read("ext", "safetensors.h"), re.MULTILINE).group(1).decode()


def date():
    """The time that all files in packages have: that of the last commit, unless the environment names one."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    try:
        return int(subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, check=True).stdout)
    except (OSError, subprocess.SubprocessError):  # no git, or no history
        return 0


def licences():
    """Our licence, and those of all that can be linked in."""
    return {"LICENSE": read("LICENSE"), "copyright": read(".package", "copyright")}


def fill(text, values):
    """A template with a value in place of each @NAME@; a name without a value is an error."""
    return re.sub(r"@([A-Z0-9_]+)@", lambda match: str(values[match.group(1)]), text)
