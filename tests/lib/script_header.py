"""The headers of the scripts in sql/, read strictly: what "Writing a script" in sql/README.md does not allow is an
error that names the line."""

import os
import re
import shlex
from dataclasses import dataclass, field

DIRECTORY = "sql"
PROGRAM = "safetensors-sql"
KINDS = ("path", "ref", "text", "integer", "real", "enum", "flag")
OPTIONS = ("output", "threads", "format", "table", "database", "param")  # the program's own, which take a value
FLAGS = ("text", "json", "csv", "markdown", "box", "html", "junit", "sarif", "dry_run", "open", "help")  # and which do not
FORMATS = ["text", "json", "csv"]  # of every script; of one that checks something also
CHECK_FORMATS = ["junit", "sarif"]
VERDICT_COLUMNS = {"rule", "level", "file", "tensor", "message"}
RESERVED = ("output", "threads", "dry_run", "help", "database")
SUMMARY = 62  # characters of the first line
WIDTH = 120  # of any line
NAME = re.compile(r"[a-z][a-z0-9_]*")


class HeaderError(ValueError):
    """A header that is not as it should be: LINE: what was expected."""


@dataclass
class Parameter:
    name: str
    kind: str
    choices: list
    required: bool
    default: object  # a str, int or float; None if there is none
    text: str


@dataclass
class Table:
    name: str
    columns: list
    text: str


@dataclass
class Header:
    verb: str
    summary: str
    paragraphs: list
    parameters: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    aliases: list = field(default_factory=list)
    statuses: dict = field(default_factory=dict)
    writes: list = field(default_factory=list)
    database: str = None
    prints: str = None
    examples: list = field(default_factory=list)

    @property
    def arguments(self):
        return [parameter for parameter in self.parameters.values() if parameter.required]


def expect(good, line, what):
    if not good:
        raise HeaderError(f"{line}: expected {what}")


def lines_of(text):
    """The header's lines and their numbers, without what makes them comments."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.startswith("--"):
            break
        expect(len(line) <= WIDTH, number, f"at most {WIDTH} characters")
        expect(line == line.rstrip() and line.isprintable(), number, "no space at the end, and no control characters")
        expect(line == "--" or line.startswith("-- "), number, "a space after --")
        found.append((number, line[3:]))
    return found


def directives_of(lines):
    """The directives as (line, word, specification, text), their continued lines joined."""
    joined = []
    for number, line in lines:
        if line.startswith("@"):
            joined.append((number, line))
        elif line:
            expect(line.startswith("  "), number, "a directive, or a line that continues one and is indented")
            joined[-1] = joined[-1][0], f"{joined[-1][1]} {line.strip()}"
    for number, line in joined:
        specification, _, text = line.partition("  ")
        word, _, specification = specification.partition(" ")
        yield number, word[1:], specification, text.strip()


def name_of(word, line):
    expect(NAME.fullmatch(word), line, f"a name of lower-case letters, digits and _, found {word!r}")
    return word


def default_of(word, kind, choices, line):
    quoted = re.fullmatch(r"'((?:[^']|'')*)'", word)
    if kind == "integer":
        expect(re.fullmatch(r"-?\d+", word), line, f"a whole number as default, found {word!r}")
        return int(word)
    if kind == "real":
        expect(re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", word), line, f"a number as default, found {word!r}")
        return float(word)
    expect(quoted or re.fullmatch(r"[^\s']+", word), line, f"a word or an SQL string as default, found {word!r}")
    value = quoted.group(1).replace("''", "'") if quoted else word
    expect(kind != "enum" or value in choices, line, f"one of {choices} as default, found {value!r}")
    return value


def parameter_of(specification, text, line):
    name, _, rest = specification.partition(" ")
    kind, _, rest = rest.partition(" ")
    name_of(name, line)
    expect(name not in RESERVED, line, f"another name than {name}, which is an option of the program")
    expect(kind in KINDS, line, f"one of the kinds {', '.join(KINDS)}, found {kind!r}")
    expect(name != "format" or kind == "enum", line, "format to be an enum")
    expect(text, line, "a text after two spaces")
    choices = []
    if kind == "enum":
        word, _, rest = rest.partition(" ")
        choices = word.split("|")
        expect(all(re.fullmatch(r"[\w.+-]+", choice) for choice in choices) and len(set(choices)) == len(choices), line,
               f"words with | between them, found {word!r}")
    required = rest == "required"
    expect(kind != "flag" or not rest, line, "nothing after flag")
    default = None if required or not rest else default_of(rest, kind, choices, line)
    if not required and default is None:
        default = {"enum": choices[:1], "flag": [0]}.get(kind, [None])[0]
    return Parameter(name, kind, choices, required, default, text)


def table_of(specification, text, line):
    match = re.fullmatch(r"(\w+)\((\w+(?:, \w+)*)\)", specification)
    expect(match and text, line, f"NAME(COLUMN, …) and a text, found {specification!r}")
    columns = match.group(2).split(", ")
    expect(len(set(columns)) == len(columns), line, "each column once")
    return Table(name_of(match.group(1), line), [name_of(column, line) for column in columns], text)


def take(header, line, word, specification, text):
    """Puts a directive into the header."""
    if word == "param":
        parameter = parameter_of(specification, text, line)
        expect(parameter.name not in header.parameters, line, "each parameter once")
        header.parameters[parameter.name] = parameter
    elif word == "table":
        table = table_of(specification, text, line)
        expect(table.name not in header.tables, line, "each table once")
        header.tables[table.name] = table
    elif word == "alias":
        expect(not text, line, "an alias alone")
        header.aliases.append(name_of(specification, line))
    elif word == "status":
        expect(re.fullmatch(r"[1-9]\d*", specification) and text.startswith("when "), line, "N  when …")
        expect(int(specification) not in header.statuses, line, "each status once")
        header.statuses[int(specification)] = text
    elif word == "writes":
        parameter = header.parameters.get(specification)
        expect(parameter and parameter.kind == "path" and not text, line, "the name of a path above, and nothing else")
        header.writes.append(specification)
    elif word == "database":
        expect(not specification and text and not header.database, line, "a text, once")
        header.database = text
    elif word == "prints":
        expect(specification == "html" and not text, line, "html")
        header.prints = specification
    elif word == "example":
        expect(specification and not text, line, "a command line with single spaces")
        header.examples.append(specification)
    else:
        expect(False, line, f"a directive that is known, found @{word}")


def paragraphs_of(lines):
    """Paragraphs: lists of lines."""
    found = [[]]
    for number, line in lines:
        if not line:
            expect(found[-1], number, "one blank line between paragraphs")
            found.append([])
        else:
            found[-1].append(line)
    return [paragraph for paragraph in found if paragraph]


def parse(verb, text):
    lines = lines_of(text)
    expect(len(lines) > 2, 1, "a header")
    summary = lines[0][1]
    expect(re.fullmatch(r"[A-Z].*[.?]", summary) and len(summary) <= SUMMARY, 1,
           f"one question or sentence of at most {SUMMARY} characters")
    expect(lines[1][1] == "", 2, "a blank line after the first")
    first = next((at for at, (_, line) in enumerate(lines) if line.startswith("@")), len(lines))
    header = Header(verb, summary, paragraphs_of(lines[2:first]))
    for directive in directives_of(lines[first:]):
        take(header, *directive)
    expect(header.paragraphs, 3, "a paragraph for people")
    expect(header.tables, len(lines), "a table for machines")
    expect(header.examples, len(lines), "an example")
    return header


def read(verb):
    with open(f"{DIRECTORY}/{verb}.sql", encoding="utf-8") as file:
        return parse(verb, file.read())


def verbs():
    """Their paths below sql/ without the ending, with a slash in those of a folder: fleet/merge."""
    return sorted(os.path.relpath(os.path.join(directory, name), DIRECTORY)[:-4]
                  for directory, _, names in os.walk(DIRECTORY) for name in names if name.endswith(".sql"))


def typed(verb):
    """The words that name a verb on a command line."""
    return verb.replace("_", "-").replace("/", " ")


def by_name():
    """All headers, by the verb and each alias as they are typed."""
    return {typed(name): header for header in map(read, verbs()) for name in (header.verb, *header.aliases)}


def command(header, line):
    """The parameters that a command line of the program gives: name to text, or 1 for a flag."""
    program, *words = shlex.split(line)
    verb = " ".join(words[:header.verb.count("/") + 1])
    expect(program == PROGRAM and verb in map(typed, (header.verb, *header.aliases)), line, f"{PROGRAM} {typed(header.verb)}")
    words = words[header.verb.count("/") + 1:]
    given, arguments = {}, iter(header.arguments)
    words = iter(words)
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name in OPTIONS and name not in header.parameters:
                expect(equals or next(words, None), line, f"a value for {word}")
                continue
            if name.replace("-", "_") in FLAGS and name not in header.parameters:
                continue
            parameter = header.parameters.get(name.replace("-", "_"))
            expect(parameter and not parameter.required, line, f"an option of the script, found {word}")
            value = 1 if parameter.kind == "flag" else value if equals else next(words, None)
        else:
            parameter, value = next(arguments, None), word
            expect(parameter, line, f"no argument more than {len(header.arguments)}, found {word}")
        expect(value is not None and parameter.name not in given, line, f"a value for {parameter.name}, once")
        expect(parameter.kind != "enum" or value in parameter.choices, line, f"one of {parameter.choices}")
        expect(parameter.kind != "integer" or re.fullmatch(r"-?\d+", value), line, f"{parameter.name} to be a whole number")
        given[parameter.name] = value
    expect(next(arguments, None) is None, line, f"{len(header.arguments)} arguments")
    return given
