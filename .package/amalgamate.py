#!/usr/bin/env python3
"""Makes one C file of the sources, to compile into a program with only SQLite and jansson at hand:

    amalgamate.py EXT XXHASH_H OUT_DIR

writes OUT_DIR/safetensors.c and OUT_DIR/safetensors.h. Files keep their order and comments; what is
private to a file stays so by name: an identifier that another file (or a system header) has too gets
the file's name in front, and every function of the project becomes static, so the one name with
external linkage is sqlite3_safetensors_init. xxHash's header is taken in, with its licence notice.
"""

import os
import re
import subprocess
import sys

TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<directive>^[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<name>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<space>\s+)
  | (?P<mark>->|\#\#|.)
""", re.VERBOSE | re.DOTALL | re.MULTILINE)
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
DEFINE = re.compile(r"\s*#\s*define\s+(\w+)")
PARAMETERS = re.compile(r"\s*#\s*define\s+\w+\(([^)]*)\)")
PASTED = re.compile(r"(\w+)\s*##\s*(?=(\w*))")
OPEN, CLOSE = "([{", ")]}"
KEYWORDS = {"void", "char", "short", "int", "long", "float", "double", "signed", "unsigned", "const",
            "__attribute__", "_Static_assert", "_Alignas", "_Thread_local", "_Atomic"}
ENTRY = "sqlite3_safetensors_init"
XXHASH = "xxhash.h"

# sqlite3ext.h's table of routines is one variable of the whole library; here of the whole file.
PREAMBLE = """\
/*
** sqlite-safetensors {version}, all sources in one file. Needs sqlite3ext.h (SQLite 3.39 or newer)
** and jansson (2.14 or newer).
**
**   cc -O2 -ffp-contract=off -fPIC -shared safetensors.c -o safetensors.so -ljansson -lm -lpthread
**   cc -O2 -ffp-contract=off -DSQLITE_CORE -c safetensors.c
**
** make a library to be loaded, and an object to be linked (see safetensors.h). Without the flag,
** and on 32-bit x86 without -msse2 -mfpmath=sse, numbers may differ in their last bits from those of
** other builds.
**
** Made by `make amalgamation`: change the sources it was made of, not this file. Licence: Apache-2.0;
** xxHash, which it includes, has its own (BSD 2-clause), quoted where it begins.
*/
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

#include "safetensors.h"

#include <sqlite3ext.h>

#ifndef SQLITE_CORE
static const sqlite3_api_routines *sqlite3_api;
#endif
"""


def tokens_of(text):
    return [(match.lastgroup, match.group()) for match in TOKEN.finditer(text)]


def is_code(kind):
    return kind not in ("comment", "directive", "space")


class Source:
    """One file as tokens, with the names that it declares at file scope."""

    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as file:
            self.tokens = tokens_of(file.read())
        self.once = any(DEFINE.match(text) and text.strip().endswith("_H")
                        for kind, text in self.tokens if kind == "directive")
        self.names = set()
        self.macros = set()
        self.pasted = set()  # beginnings of names that macros put together,
        self.appended = set()  # and what they put behind one of their parameters
        for kind, text in self.tokens:
            if kind == "directive":
                self.macros |= set(DEFINE.findall(text))
                match = PARAMETERS.match(text)
                parameters = re.findall(r"\w+", match.group(1)) if match else []
                for begin, end in PASTED.findall(text):
                    if begin in parameters:
                        self.appended.add(end)
                    else:
                        self.pasted.add(begin)
        self.exported = []  # indexes of tokens before which "static" is due
        self.globals = []   # indexes of "extern", which becomes "static"
        for declaration in self.declarations():
            self.look_at(declaration)

    def declarations(self):
        """The indexes of the code tokens of each declaration or definition at file scope."""
        depth, current = 0, []
        for index, (kind, text) in enumerate(self.tokens):
            if not is_code(kind):
                continue
            current.append(index)
            depth += (text in OPEN) - (text in CLOSE)
            if depth > 0:
                continue
            ends_body = text == "}" and self.is_function(current)
            ends_macro = text == ")" and self.text(current[1]) == "(" and \
                re.fullmatch(r"[A-Z][A-Z0-9_]+", self.text(current[0]))
            if text == ";" or ends_body or ends_macro:
                yield current
                current = []

    def text(self, index):
        return self.tokens[index][1]

    def is_function(self, declaration):
        """Whether this, which ends with a brace, is a function's definition."""
        words = [self.text(index) for index in declaration]
        before = words[:words.index("{")]
        return "(" in before and "=" not in before

    def look_at(self, declaration):
        words = [self.text(index) for index in declaration]
        if words[0] == "extern" and words[1].startswith('"'):
            raise SystemExit(f"{self.path}: extern \"C\" blocks are for safetensors.h alone")
        self.find_tags(words)
        depth, name, is_call = 0, None, False
        for at, word in enumerate(words):
            if depth == 0 and re.match(r"[A-Za-z_]\w*$", word) and at + 1 < len(words):
                follower = words[at + 1]
                if word not in KEYWORDS and follower in ("(", "[", "=", ";", ",") and not is_call:
                    name = word
                    self.names.add(name)
                    is_call = follower == "("
            if word == "=":
                break
            depth += (word in OPEN) - (word in CLOSE)
        head = " ".join(words[:next((i for i, word in enumerate(words) if word in "={"), len(words))])
        self.names |= set(re.findall(r"\( \* (?:const )?(\w+)", head))  # pointers to functions
        if words[0] == "typedef":
            return
        if words[0] == "extern":
            self.globals.append(declaration[0])
        elif words[-1] == ")":
            return  # a macro that defines something
        elif "static" in head.split() or words[0] == "_Static_assert" or name == ENTRY:
            return
        elif is_call:
            self.exported.append(declaration[0])
        elif words[0] not in ("struct", "enum", "union"):
            self.exported.append(declaration[0])  # the definition of what a header declares extern

    def find_tags(self, words):
        for at, word in enumerate(words[:-2]):
            if word in ("struct", "union", "enum") and words[at + 2] == "{":
                self.names.add(words[at + 1])
            if word == "enum" and "{" in words[at + 1:at + 3]:
                start = words.index("{", at)
                end = words.index("}", start)
                self.names |= {words[i] for i in range(start + 1, end)
                               if words[i - 1] in ("{", ",") and re.match(r"[A-Za-z_]", words[i])}

    def render(self, renamed, pasted, include):
        """The text, with names replaced, functions made static and includes resolved."""
        out, braces, previous = [], [], ""

        def new_name(text):
            if text in renamed:
                return renamed[text]
            for begin, end in pasted.items():  # what a macro has put together, used by its whole name
                if text.startswith(begin) and text not in self.names:
                    return end + text[len(begin):]
            return text

        def in_directive(match):
            text = match.group(1)
            if match.group(2) and text in pasted:
                return pasted[text] + match.group(2)
            return new_name(text) + (match.group(2) or "")

        code = [(index, text) for index, (kind, text) in enumerate(self.tokens) if is_code(kind)]
        following = {index: code[at + 1][1] if at + 1 < len(code) else ""
                     for at, (index, _) in enumerate(code)}
        for index, (kind, text) in enumerate(self.tokens):
            if kind == "directive":
                match = INCLUDE.match(text)
                if match:
                    out.append(include(match.group(1), match.group(2), text))
                elif re.match(r"\s*#\s*(define|if|ifdef|ifndef|elif|undef)\b", text):
                    out.append(re.sub(r"(?<![\w.\"])([A-Za-z_]\w*)(\s*##)?", in_directive, text))
                else:
                    out.append(text)
                continue
            if text.startswith("SQLITE_EXTENSION_INIT") and not text.endswith("2"):
                continue
            if not is_code(kind):
                out.append(text)
                continue
            if index in self.exported:
                out.append("static ")
            if index in self.globals:
                text = "static"
            if kind == "name" and previous not in (".", "->"):
                member = braces and braces[-1] and not self.is_type(index, following[index])
                text = text if member else new_name(text)
            if text == "{":
                braces.append(self.opens_struct(index, code))
            elif text == "}" and braces:
                braces.pop()
            previous = text
            out.append(text)
        return "".join(out)

    def is_type(self, index, follower):
        """In a struct's body, whether a name is a type and not a member's own name."""
        return re.match(r"[A-Za-z_*]", follower) is not None or \
            any(text == "[" for _, text in self.tokens[max(0, index - 1):index])

    @staticmethod
    def opens_struct(index, code):
        at = next(i for i, (position, _) in enumerate(code) if position == index)
        return any(code[at - back][1] in ("struct", "union") for back in (1, 2) if at >= back)


class Amalgamation:
    def __init__(self, root, xxhash):
        self.root, self.xxhash = root, xxhash
        self.sources = {}
        units = sorted(os.path.relpath(os.path.join(folder, name), root)
                       for folder, _, names in os.walk(root) for name in names)
        for path in units:
            if path.endswith((".c", ".h")) and path != "safetensors.h":
                self.sources[path] = Source(os.path.join(root, path))
        self.headers = [path for path in self.sources if path.endswith(".h")]
        # From the bottom layer up, as calls run downward.
        layers = ["base", "format", "tensor", "func", "vtab", ""]
        self.units = sorted((path for path in self.sources if path.endswith(".c")),
                            key=lambda path: (layers.index(os.path.dirname(path)), path))
        self.included = set()

    def system_names(self):
        """Every identifier of the system headers that any source includes."""
        wanted = {text.strip() for source in self.sources.values() for kind, text in source.tokens
                  if kind == "directive" and (match := INCLUDE.match(text)) and match.group(1) == "<"
                  and match.group(2) != XXHASH}
        compiler = os.environ.get("CC", "cc").split()
        flags = os.environ.get("AMALGAMATE_CFLAGS", "").split()
        done = subprocess.run([*compiler, *flags, "-D_GNU_SOURCE", "-E", "-P", "-x", "c", "-"],
                              input="\n".join(sorted(wanted)) + "\n", capture_output=True, text=True,
                              check=True)
        return set(re.findall(r"[A-Za-z_]\w*", done.stdout))

    def names_of_headers(self, path):
        """What the project's headers that a file includes, also by way of others, declare."""
        names, todo, seen = set(), [path], set()
        while todo:
            for kind, text in self.sources[todo.pop()].tokens:
                match = INCLUDE.match(text) if kind == "directive" else None
                header = match.group(2) if match and match.group(1) == '"' else None
                if header in self.sources and header not in seen:
                    seen.add(header)
                    todo.append(header)
                    names |= self.sources[header].names | self.sources[header].macros
        return names

    def renamings(self):
        """For each .c file: its own name for what others have too."""
        system = self.system_names()
        header_pasted = set().union(*(self.sources[path].pasted for path in self.headers))
        counts = dict.fromkeys(set().union(*(self.sources[path].names | self.sources[path].macros
                                             for path in self.headers)), 1)
        for path in self.units:
            for name in self.sources[path].names | self.sources[path].pasted:
                counts[name] = counts.get(name, 0) + 1
        result = {}
        for path in self.units:
            source = self.sources[path]
            stem = os.path.splitext(os.path.basename(path))[0]
            layer = os.path.dirname(path).replace("/", "_")
            shared = self.names_of_headers(path)
            private = source.names - shared - {ENTRY}
            same_stem = sum(os.path.basename(other) == os.path.basename(path) for other in self.units)
            prefix = f"{layer}_{stem}_" if same_stem > 1 else f"{stem}_"
            clash = {name for name in private if counts[name] > 1 or name in system}
            pasted = {name for name in source.pasted - header_pasted - private
                      if counts[name] > 1 and not any(other.startswith(name) for other in shared)}
            result[path] = ({name: prefix + name + ("_" if prefix + name in counts else "") for name in clash},
                            {name: prefix + name for name in pasted})
        return result

    def include(self, quote, name, text, renamed, pasted):
        if quote == "<":
            if name == XXHASH:
                return self.take_in_xxhash()
            if name == "sqlite3ext.h":
                return ""
            return text
        if name == "safetensors.h":
            return ""
        path = name if name in self.sources else None
        if path is None:
            raise SystemExit(f"{name}: included, but not among the sources")
        source = self.sources[path]
        if source.once:
            if path in self.included:
                return ""
            self.included.add(path)
            renamed, pasted = {}, {}
        return f"/* ---- {path} ---- */\n" + source.render(
            renamed, pasted, lambda q, n, t: self.include(q, n, t, renamed, pasted))

    def take_in_xxhash(self):
        if XXHASH in self.included:
            return ""
        self.included.add(XXHASH)
        with open(self.xxhash, encoding="utf-8") as file:
            return f"/* ---- {XXHASH} ---- */\n" + file.read().replace("\r\n", "\n")

    def render(self, version):
        parts = [PREAMBLE.format(version=version)]
        for path, (renamed, pasted) in self.renamings().items():
            source = self.sources[path]
            body = source.render(renamed, pasted,
                                 lambda q, n, t, r=renamed, p=pasted: self.include(q, n, t, r, p))
            # What a macro puts together from its parameter gets its new name when it is there.
            made = [name for name in sorted(renamed) if any(part and part in name for part in source.appended)]
            defined = "".join(f"#define {name} {renamed[name]}\n" for name in made)
            undefined = "".join(f"#undef {name}\n" for name in [*made, *sorted(source.macros)]
                                if not name.startswith("XXH"))
            parts.append(f"/* ==== {path} ==== */\n{defined}{body}\n{undefined}")
        text = "\n".join(parts)
        return re.sub(r"\n{3,}", "\n\n", text)


def main(root, xxhash, out):
    with open(os.path.join(root, "safetensors.h"), encoding="utf-8") as file:
        header = file.read()
    version = re.search(r'SAFETENSORS_VERSION "(.*)"', header).group(1)
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "safetensors.c"), "w", encoding="utf-8") as file:
        file.write(Amalgamation(root, xxhash).render(version))
    with open(os.path.join(out, "safetensors.h"), "w", encoding="utf-8") as file:
        file.write(header)


main(*sys.argv[1:])
