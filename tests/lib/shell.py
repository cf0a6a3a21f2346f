"""The sqlite3 shell, for test scripts that run the scripts of sql/ in it."""

import subprocess

from tally import BUILD


def parameter(name, value):
    """The dot-command that sets a parameter to a text, whatever is in it: the shell takes a double-quoted
    word as one argument, and evaluates that as SQL."""
    literal = "'" + value.replace("'", "''") + "'"
    return f'.param set :{name} "' + literal.replace("\\", "\\\\").replace('"', '\\"') + '"'


def script(name, /, database=":memory:", **parameters):
    """Runs a script of sql/ as its header says to. Returns the exit code, and what is printed on both streams."""
    command = ["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors"]
    for key, value in parameters.items():
        command += ["-cmd", parameter(key, value)]
    with open(f"sql/{name}.sql", encoding="utf-8") as file:
        done = subprocess.run(command + [database], stdin=file, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


WIDTH = 80  # of a terminal


def is_narrow(line):
    """Whether a line fits a terminal; but for a name, which is its last word or all of it, and for a sentence, which
    may have a path in it."""
    alone = line.partition(" ")[0].endswith(":") or line.endswith((".", ":"))
    return alone or len(line) <= WIDTH or len(line.rpartition(" ")[0].rstrip()) < WIDTH - len("name")


def shows(tally, root, name, expected, /, database=":memory:", **parameters):
    """Whether a script prints this, line by line, without what the shell pads lines with; the directory `root` is
    ROOT in it. Lines are no wider than a terminal, but for errors."""
    code, out, error = script(name, database, **parameters)
    tally.equal((code, error), (0, ""), f"sql/{name}.sql runs")
    lines = [line.rstrip() for line in out.replace(root, "ROOT").splitlines()]
    tally.equal("\n".join(lines).strip(), expected.strip(), f"sql/{name}.sql of {parameters}")
    tally.check(all(is_narrow(line) for line in lines if not line.startswith("safetensors: ")), f"sql/{name}.sql is narrow enough", out)
