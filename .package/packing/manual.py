"""The manual page of the program, whose verbs are the scripts of sql/, each described as its header does."""

import os
import sys
import time

from . import project

sys.path.insert(0, os.path.join(project.ROOT, "tests", "lib"))
import script_header  # noqa: E402

OPTIONAL = {"flag": "", "text": " TEXT", "path": " PATH", "ref": " REF", "integer": " N", "real": " X"}


def roff(text):
    """Text for people, in which nothing is a request of troff."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha").replace("`", "\\(ga")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def headers():
    directory = os.path.join(project.ROOT, script_header.DIRECTORY)
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".sql"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    yield script_header.parse(os.path.relpath(path, directory)[:-4].replace(os.sep, " "), file.read())


def dashed(name):
    """As names are written on a command line."""
    return name.replace("_", "-")


def option(parameter):
    value = " " + "|".join(parameter.choices) if parameter.kind == "enum" else OPTIONAL[parameter.kind]
    return f"\\fB\\-\\-{roff(dashed(parameter.name))}\\fR{roff(value)}"


def verb(header):
    arguments = "".join(f" \\fI{roff(parameter.name.upper())}\\fR" for parameter in header.arguments)
    lines = [".TP", f"\\fB{roff(dashed(header.verb))}\\fR{arguments}", roff(header.summary)]
    if header.aliases:
        lines[-1] += f" In short \\fB{roff(', '.join(map(dashed, header.aliases)))}\\fR."
    for parameter in header.parameters.values():
        if not parameter.required:
            lines += [".br", f"{option(parameter)}: {roff(parameter.text)}"]
    return lines


def page():
    date = time.strftime("%Y-%m-%d", time.gmtime(project.date()))
    text = project.read(".package", "deb", "safetensors-sql.1").decode()
    verbs = "\n".join(line for header in headers() for line in verb(header))
    return project.fill(text, {"DATE": date, "VERSION": project.version(), "VERBS": verbs}).encode()
