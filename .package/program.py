#!/usr/bin/env python3
"""Makes the sources of the program safetensors-sql that are not written by hand:

    program.py embed FILE              the C file with the scripts of sql/ and SKILL.md as bytes
    program.py amalgamate DIRECTORY    beside safetensors.c of amalgamate.py: safetensors-sql.c, which includes it,
                                       and safetensors-shell.c, which includes SQLite's shell.c

.package/program.list says how they are compiled.
"""

import os
import sys

import amalgamate
from pack_texts import pack

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
ROOM = "program"
SHELL = "sqlite_shell.c"  # a unit by itself, for it has all of SQLite's shell in it
MAIN = "int main("


def bytes_of(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def scripts():
    """The scripts' names, without their ending, and their bytes."""
    top = os.path.join(ROOT, "sql")
    for directory, folders, names in os.walk(top):
        folders.sort()
        for name in names:
            if name.endswith(".sql"):
                path = os.path.join(directory, name)
                yield os.path.relpath(path, top)[:-len(".sql")].replace(os.sep, "/"), bytes_of(path)


def array(name, content):
    lines = [",".join(map(str, content[at:at + 32])) for at in range(0, len(content), 32)]
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


EMBEDDED = """\
/* Made by .package/program.py: the files that are in the program, packed as one text, with a zero behind each. */
#include "{room}/embedded.h"

#include <stdlib.h>

#include "{room}/exit_status.h"
#include "{room}/message.h"
#include "{room}/packed_text.h"

enum {{ EMBEDDED_SCRIPTS = {scripts}, EMBEDDED_SIZE = {size} }};

{packed}
/* The scripts, and SKILL.md. */
static EmbeddedFile embedded_files[] = {{
{rows}}};

static const EmbeddedFile *embedded_unpacked(void) {{
  if (embedded_files[0].bytes != NULL) return embedded_files;
  const char *at = packed_text_unpack(embedded_packed, sizeof embedded_packed, EMBEDDED_SIZE);
  if (at == NULL) {{
    message(NULL, "the program's file is damaged");
    exit(EXIT_STATUS_FAILED);
  }}
  for (size_t i = 0; i <= EMBEDDED_SCRIPTS; i++) {{
    embedded_files[i].bytes = at;
    at += embedded_files[i].size + 1;
  }}
  return embedded_files;
}}

const EmbeddedFile *embedded_script(size_t number) {{
  return number < EMBEDDED_SCRIPTS ? &embedded_unpacked()[number] : NULL;
}}

const EmbeddedFile *embedded_skill(void) {{
  return &embedded_unpacked()[EMBEDDED_SCRIPTS];
}}
"""


def embedded():
    files = [*sorted(scripts()), ("SKILL.md", bytes_of(HERE, "SKILL.md"))]
    text = b"".join(content + b"\0" for _, content in files)
    rows = "".join(f'  {{"{name}", NULL, {len(content)}}},\n' for name, content in files)
    return EMBEDDED.format(room=ROOM, scripts=len(files) - 1, size=len(text), rows=rows, packed=array("embedded_packed", pack(text)))


class Unit:
    """One C file of several of the program's, with what they include of it."""

    def __init__(self, is_whole=True):
        self.is_whole, self.included = is_whole, set()  # whole: nothing of it is used by another file

    def include(self, match):
        quote, name = match.groups()
        if quote == "<" or name == "safetensors.h":
            return match.group()
        if not name.startswith(f"{ROOM}/"):
            return ""  # safetensors.c has it
        if name in self.included:
            return ""
        self.included.add(name)
        return self.text(name, amalgamate_text(name))

    def text(self, name, text):
        if self.is_whole:
            text = amalgamate.EXPORTED.sub("static ", text).replace("extern const ", "static const ")
            text = text.replace(f"static {MAIN}", MAIN)
        return f"\n/* ==== {name} ==== */\n" + amalgamate.INCLUDE.sub(self.include, text)


def amalgamate_text(name):
    return bytes_of(ROOT, "ext", name).decode()


def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def amalgamated(directory):
    unit = Unit()
    names = sorted(name for name in os.listdir(os.path.join(ROOT, "ext", ROOM)) if name.endswith(".c") and name != SHELL)
    program = "".join(unit.text(f"{ROOM}/{name}", amalgamate_text(f"{ROOM}/{name}")) for name in names)
    write(os.path.join(directory, "safetensors-sql.c"),
          "/* Made by `make amalgamation`: the program safetensors-sql, with the extension. */\n"
          '#include "safetensors.c"\n' + program + unit.text(f"{ROOM}/embedded.c", embedded()))
    write(os.path.join(directory, "safetensors-shell.c"),
          "/* Made by `make amalgamation`: what safetensors-sql uses of SQLite's shell. */\n"
          + Unit(False).text(f"{ROOM}/{SHELL}", amalgamate_text(f"{ROOM}/{SHELL}")))


def main(what, path):
    if what == "embed":
        write(path, embedded())
    elif what == "amalgamate":
        amalgamated(path)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
