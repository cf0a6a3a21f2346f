#!/usr/bin/env python3
"""Makes the sources of the program safetensors-sql that are not written by hand:

    program.py embed FILE              the C file with the scripts of sql/ and SKILL.md as bytes
    program.py amalgamate DIRECTORY    beside safetensors.c of amalgamate.py: safetensors-sql.c, which includes it,
                                       and safetensors-shell.c, which includes SQLite's shell.c

.package/program.list says how they are compiled.
"""

import collections
import itertools
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
/* Made by .package/program.py: the files that are in the program, packed. */
#include "{room}/embedded.h"

#include <stdlib.h>

#include "{room}/exit_status.h"
#include "{room}/message.h"
#include "{room}/packed_text.h"

enum {{ EMBEDDED_SCRIPTS = {scripts}, EMBEDDED_COMMON_SIZE = {common_size} }};

{common}
{bodies}
typedef struct EmbeddedRow {{
  const char *name;
  size_t header_size, at, packed_size, size; /* of the body */
}} EmbeddedRow;

/* The scripts, and SKILL.md, which has no header. */
static const EmbeddedRow embedded_rows[] = {{
{rows}}};

static const char *embedded_unpack(PackedText packed, const char *before, size_t before_size) {{
  const char *text = packed_text_unpack(packed, before, before_size);
  if (text == NULL) {{
    message(NULL, "the program's file is damaged");
    exit(EXIT_STATUS_FAILED);
  }}
  return text;
}}

/* The headers, one after the other, and the lines that several bodies have. */
static const char *embedded_common(void) {{
  static const char *text;
  if (text == NULL) {{
    text = embedded_unpack((PackedText){{embedded_packed_common, sizeof embedded_packed_common, EMBEDDED_COMMON_SIZE}}, NULL, 0);
  }}
  return text;
}}

bool embedded_script(size_t number, EmbeddedScript *script) {{
  if (number >= EMBEDDED_SCRIPTS) return false;
  const char *header = embedded_common();
  for (size_t i = 0; i < number; i++) header += embedded_rows[i].header_size;
  *script = (EmbeddedScript){{embedded_rows[number].name, {{header, embedded_rows[number].header_size}}}};
  return true;
}}

EmbeddedText embedded_body(size_t number) {{
  const EmbeddedRow *row = &embedded_rows[number];
  PackedText packed = {{embedded_packed_bodies + row->at, row->packed_size, row->size}};
  return (EmbeddedText){{embedded_unpack(packed, embedded_common(), EMBEDDED_COMMON_SIZE), row->size}};
}}

EmbeddedText embedded_skill(void) {{
  return embedded_body(EMBEDDED_SCRIPTS);
}}
"""


def taken_apart(script):
    """The header of a script, which is the comment that it begins with, and the rest."""
    lines = script.splitlines(keepends=True)
    header = b"".join(itertools.takewhile(lambda line: line.startswith(b"--"), lines))
    return header, script[len(header):]


def shared_lines(texts):
    """The lines that are in more than one text, in the order in which they come first."""
    counts = collections.Counter(line for text in texts for line in dict.fromkeys(text.splitlines(keepends=True)))
    return b"".join(line for line in counts if counts[line] > 1)


def embedded():
    names, texts = zip(*sorted(scripts()))
    headers, bodies = zip(*map(taken_apart, texts))
    common = b"".join(headers) + shared_lines(bodies)
    files = [*zip(names, headers, bodies), ("SKILL.md", b"", bytes_of(HERE, "SKILL.md"))]
    rows, packed = "", b""
    for name, header, body in files:
        part = pack(common + body, len(common))
        rows += f'    {{"{name}", {len(header)}, {len(packed)}, {len(part)}, {len(body)}}},\n'
        packed += part
    return EMBEDDED.format(room=ROOM, scripts=len(names), rows=rows, common_size=len(common),
                           common=array("embedded_packed_common", pack(common)), bodies=array("embedded_packed_bodies", packed))


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
        if name.endswith(".c"):
            text = amalgamate.small(text)
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
