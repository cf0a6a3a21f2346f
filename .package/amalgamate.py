#!/usr/bin/env python3
"""Makes one C file of the sources, to compile into a program with only SQLite's headers at hand:

    amalgamate.py EXT FETCHED OUT_DIR

writes OUT_DIR/safetensors.c and OUT_DIR/safetensors.h: the sources one after the other, each header where
it is first included, and every function and table that is not static made so, so that the one name with
external linkage is sqlite3_safetensors_init. This works because no name stands in two files (tests/build/lint
checks it). FETCHED has what .package/fetch leaves: xxHash's header and jansson's sources are taken in, with
their licences.
"""

import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PREAMBLE = """\
/*
** sqlite-safetensors {version}, all sources in one file. Needs nothing but sqlite3ext.h (SQLite 3.39 or
** newer).
**
**   cc -O2 -fPIC -shared safetensors.c -o safetensors.so -lm -lpthread -ldl
**   cc -O2 -DSQLITE_CORE -c safetensors.c
**
** make a library to be loaded, and an object to be linked (see safetensors.h). On 32-bit x86 add
** -msse2 -mfpmath=sse.
**
** Made by `make amalgamation`: change the sources it was made of, not this file. Licence: Apache-2.0;
** xxHash (BSD 2-clause) and jansson (MIT), which it includes, have their own, quoted where they begin.
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
#if defined(__clang__) /* files of other systems are empty */
#pragma clang diagnostic ignored "-Wpragma-clang-attribute"
#endif

#include "safetensors.h"

#include <sqlite3ext.h>

#ifndef SQLITE_CORE
static const sqlite3_api_routines *sqlite3_api;
#endif
"""
# Around what is not ours: whatever the compiler is told to warn of, it warns of ours.
FOREIGN = """
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#elif defined(__GNUC__)
#pragma GCC diagnostic push
{ignored}
#endif
""".format(ignored="\n".join(f'#pragma GCC diagnostic ignored "-W{name}"' for name in (
    "pragmas", "conversion", "sign-conversion", "sign-compare", "shadow", "pedantic", "format", "format-truncation", "cast-qual",
    "unused-parameter", "unused-variable", "unused-but-set-variable", "implicit-fallthrough")))
OURS_AGAIN = """
#if defined(__clang__)
#pragma clang diagnostic pop
#elif defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
"""
# Around functions that few queries spend time in. clang makes them smaller, and the library by a tenth.
SMALL = """
#if defined(__clang__)
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif
"""
SMALL_ENDS = """
#if defined(__clang__)
#pragma clang attribute pop
#endif
"""
RARE = re.compile(r"(check|func|program|write)/|expression/(?!evaluate|elementwise)|"
                  r"base/(file_origin|file_store|http|ip_range|label|made_directory|place|progress|proxy|quantity|suggest|temporary|transfer|url)|"
                  r"format/(salvage|shards|shard_gaps|signature|writer)|"
                  r"model/(adapter|address|config_file|file_digest|header_cache|hub|model_|network|one_state|path_|remote_file|s3|scheme_row|"
                  r"schemes_|shard_sets|verify|weight_config)|"
                  r"sql/(expression_text|junit|print|sarif|verdict|weight_ref)|tensor/self_check|"
                  r"vtab/(adapter|check|help|metadata|models|salvage|verify|weights)")
INCLUDE = re.compile(r'^#\s*include\s*([<"])([^>"]+)[>"].*\n', re.MULTILINE)
CONDITION = re.compile(r"^#\s*(?:if(?!ndef SAFETENSORS_)|(endif))", re.MULTILINE)  # but for the guards of headers
# A declaration or definition at file scope, as clang-format lays it out: it begins its line with a type.
EXPORTED = re.compile(r"^(?!static\b|typedef\b|extern\b|enum\b|union\b|struct \w+( \{|;)|_Static_assert|else\b)"
                      r"(?=[a-zA-Z_][\w* ]*[ *]\w+(\(|\[| =|,|;))", re.MULTILINE)
INITIALISERS = ("SQLITE_EXTENSION_INIT1", "SQLITE_EXTENSION_INIT3")  # of the one variable in the preamble


def text_of(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def title(name):
    return f"\n/* ==== {name} ==== */\n"


def foreign(text):
    return FOREIGN + text + OURS_AGAIN


def small_text(text):
    return SMALL + text + SMALL_ENDS


def small(text):
    """The text of a file with what follows its includes between those lines; also the includes of one system."""
    condition = CONDITION.search(text)
    *_, last = INCLUDE.finditer(text, 0, condition.start() if condition else len(text))
    return text[:last.end()] + small_text(text[last.end():])


def is_conditional(match):
    """Whether what matched stands between #if and #endif."""
    ends = CONDITION.findall(match.string[:match.start()])
    return ends.count("") > ends.count("endif")


class Jansson:
    """jansson's sources, with its configuration from .package/jansson. A name that ours have too does not compile."""

    # The seed is defined before it is declared `extern`, which then does not make it visible.
    FIRST = "hashtable_seed.c"

    def __init__(self, folder):
        self.folder, self.own = folder, os.path.join(HERE, "jansson")

    def has(self, name):
        return any(os.path.exists(os.path.join(folder, name)) for folder in (self.folder, self.own))

    def read(self, name):
        if name in os.listdir(self.own):
            return text_of(self.own, name)
        return EXPORTED.sub("static ", text_of(self.folder, name))

    def licence(self):
        lines = text_of(self.folder, "LICENSE").splitlines()
        return "".join(["/*\n", *(f"** {line}".rstrip() + "\n" for line in lines), "*/\n"])

    def files(self):
        names = [name for name in os.listdir(self.folder) if name.endswith(".c")]
        return ["jansson_private_config.h", *sorted(names, key=lambda name: (name != self.FIRST, name))]


class Amalgamation:
    def __init__(self, root, fetched):
        self.root, self.included, self.conditional = root, {"safetensors.h"}, False
        self.files = sorted(os.path.relpath(os.path.join(directory, name), root)
                            for directory, _, names in os.walk(root) for name in names
                            if directory != os.path.join(root, "program"))
        self.xxhash = os.path.join(fetched, "xxhash", "xxhash.h")
        self.jansson = Jansson(os.path.join(fetched, "jansson"))

    def include(self, match):
        quote, name = match.groups()
        if name == "xxhash.h":
            return self.once(name, lambda: foreign(text_of(self.xxhash)))
        if name == "jansson.h":
            return self.once(name, lambda: self.jansson.licence() + foreign(self.read_jansson(name)))
        if quote == "<" or name == "sqlite3.h":
            return match.group()
        if "/generic/" in name:  # a body, which is made once for each instruction set
            return self.read(name)
        return self.once(name, lambda: self.read(name), is_conditional(match))

    def include_jansson(self, match):
        name = match.group(2)
        return self.once(name, lambda: self.read_jansson(name)) if self.jansson.has(name) else match.group()

    def once(self, name, make, conditional=False):
        """Or again, if it was compiled only under a condition; then its guard decides."""
        if name in self.included:
            return ""
        before, self.conditional = self.conditional, self.conditional or conditional
        if not self.conditional:
            self.included.add(name)
        text = make()
        self.conditional = before
        return text

    def read(self, name):
        text = text_of(self.root, name)
        for word in INITIALISERS:
            text = re.sub(rf"^{word};?\n", "", text, flags=re.MULTILINE)
        text = EXPORTED.sub("static ", text).replace("extern const ", "static const ")
        if name.endswith(".c") and RARE.match(name):
            text = small(text)
        return title(name) + INCLUDE.sub(self.include, text.replace(
            "static int sqlite3_safetensors_init(", "int sqlite3_safetensors_init("))

    def read_jansson(self, name):
        return title(f"jansson: {name}") + INCLUDE.sub(self.include_jansson, self.jansson.read(name))

    def text(self):
        """Ours first, so that no macro of jansson's is defined in them."""
        ours = [self.read(name) for name in self.files if name.endswith(".c")]
        theirs = [self.once(name, lambda: self.read_jansson(name)) for name in self.jansson.files()]
        return "".join([*ours, SMALL, foreign("".join(theirs)), SMALL_ENDS])


def main(root, fetched, out):
    version = re.search(r'SAFETENSORS_VERSION "(.*)"', text_of(root, "safetensors.h")).group(1)
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "safetensors.c"), "w", encoding="utf-8") as file:
        file.write(PREAMBLE.format(version=version) + Amalgamation(root, fetched).text())
    shutil.copy(os.path.join(root, "safetensors.h"), out)


if __name__ == "__main__":
    main(*sys.argv[1:])
