"""The documents' code, and what they say comes out of it; their links: readme.py [--update]

Every block of SQL is run, and every session; outputs are compared, or with --update put into the document.
Clients' code is for clients.py, in the same way. What a block is, documents.py says."""

import os
import re
import subprocess
import sys
import tempfile

import script_header
from documents import CLIENTS, FENCE, compare_blocks, make_directory, read, run_sql
from tally import Tally, connect

README = "README.md"
COOKBOOK = "sql/README.md"
ARCHITECTURE = "ext/README.md"
REFERENCE = "ext/docs/reference.md"
RUN = [README, COOKBOOK, ARCHITECTURE, REFERENCE, "ext/docs/expressions.md", "ext/docs/weights.md", "ext/docs/adapters.md", CLIENTS, "ext/docs/embedding.md", "ext/docs/python.md",
       "ext/docs/program.md", "sql/fleet/README.md", "tests/README.md", "tests/bench/README.md", ".package/CHANGELOG.md", ".github/CONTRIBUTING.md",
       ".github/SECURITY.md"]
# The code in these needs the packages themselves: see tests/interop.
DOCUMENTS = [*RUN, ".package/README.md", ".package/SKILL.md", *(f".package/{kind}/README.md" for kind in ("npm", "python", "crate"))]
GONE = {"safetensors_write_sharded"}  # a function that says what took its place
OWN = {"NAME", "VERB", "sql", "shell", "script", "help", "completion", "skill", "--version"}  # what the program takes and is no script
CODE = re.compile(r"^```\w*\n.*?^```$|^    .*?$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^ *|[`$|&;] *|npx )safetensors-sql ((?:[^\n`|&>]|\\\n)+)", re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")


def anchors(text):
    """What a link to the document can have behind its #: its headings, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def check_links(tally):
    """Relative links lead to files that are there, and to headings in them; so do names of sources."""
    linked = {README}
    for document in DOCUMENTS:
        tally.equal(sorted(set(anchors(read(document)))), sorted(anchors(read(document))), f"{document}: headings stand once")
        for link in LINK.findall(re.sub(r"`[^`\n]*`", "", FENCE.sub("", read(document)))):
            if re.match(r"\w+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(document), path)) if path else document
            tally.check(os.path.exists(target), f"{document} links to a file that is there", link)
            linked.add(target)
            if anchor:
                tally.check(target in DOCUMENTS and anchor in anchors(read(target)), f"{document} links to a heading", link)
    for name in re.findall(r"`([a-z_]+/(?:[\w/]+\.[ch])?)`", read(ARCHITECTURE)):
        tally.check(os.path.exists(os.path.join("ext", name)), f"{ARCHITECTURE} names what is there", name)
    if os.path.exists(".git"):
        listed = subprocess.run(["git", "ls-files", "*.md"], capture_output=True, text=True, check=True).stdout.split()
        tally.equal(sorted(set(listed) - set(DOCUMENTS)), [], "documents that no test reads")
    tally.equal(sorted(set(RUN) - linked), [], "documents that no other links to")


def compare_part(tally, name, made, update):
    """The part of the cookbook between the comments NAME and "end of NAME": that it is this, or it becomes this."""
    before, quoted, after = re.fullmatch(
        rf"(.*<!-- {name} -->\n)(.*?)(<!-- end of {name} -->.*)", read(COOKBOOK), re.DOTALL).groups()
    if not update:
        tally.equal(quoted, made, f"the cookbook's {name}")
        return
    with open(COOKBOOK, "w", encoding="utf-8") as file:
        file.write(before + made + after)


def compare_verbs(tally, update=False):
    """The cookbook's table of scripts, from their headers."""
    rows = ["| verb, and what it takes | short | |", "|---|---|---|"]
    for header in map(script_header.read, script_header.verbs()):
        usage = " ".join([script_header.typed(header.verb), *(parameter.name.upper() for parameter in header.arguments)])
        short = ", ".join(f"`{alias}`" for alias in header.aliases)
        rows.append(f"| [`{usage}`]({header.verb}.sql) | {short} | {header.summary} |")
    compare_part(tally, "verbs", "\n".join(rows) + "\n", update)


def check_commands(tally):
    """A command of the program that a document shows is one of a verb, or of the program's own, as `help` lists them."""
    headers = script_header.by_name()
    for document in DOCUMENTS:
        for words in COMMAND.findall("\n".join(CODE.findall(read(document)))):
            verb = " ".join(words.split()[:2])
            verb = verb if verb in headers else words.split()[0]
            if verb in OWN or "…" in words or "..." in words:
                continue
            try:
                script_header.command(headers[verb], f"safetensors-sql {words}")
                good = True
            except (KeyError, ValueError) as error:
                good = error
            tally.check(good is True, f"{document} shows a command", words, good)


def compare_demo(tally, update=False):
    """What the cookbook says that `make demo` prints."""
    done = subprocess.run(["tests/demo"], capture_output=True, text=True, check=False,
                          env={**os.environ, "MODEL": "", "MODEL2": ""})
    printed = re.sub(r" +$", "", done.stdout, flags=re.MULTILINE)
    compare_part(tally, "demo", f"```\n{printed}```\n", update)


def check_help(tally):
    """safetensors_help has all that is registered, README and the reference have all of that, and the examples run."""
    db = connect()
    documented = {name for (name,) in db.execute("SELECT name FROM safetensors_help WHERE kind <> 'argument'")}
    ours = "name LIKE 'safetensors%' OR name LIKE 'tensor\\_%' ESCAPE '\\' OR name LIKE 'tensors\\_%' ESCAPE '\\'"
    registered = {name for (name,) in db.execute(
        f"SELECT name FROM pragma_function_list WHERE {ours} UNION SELECT name FROM pragma_module_list WHERE {ours}")}
    tally.equal(documented, registered - GONE, "safetensors_help is complete")
    for name, signature in db.execute("SELECT name, signature FROM safetensors_help WHERE kind = 'table'").fetchall():
        columns = [(row[1], row[6]) for row in db.execute(f"PRAGMA table_xinfo({name})")]
        visible, _, hidden = signature.partition(" -> ")[2].partition("; hidden: ")
        if name != "safetensors":
            tally.equal(visible.split(", "), [column for column, kind in columns if not kind], f"{name}: columns")
            after = [column for column, kind in columns if kind]
            arguments = [column for column in after if column.startswith("checkpoint") or column in ("base", "size")]
            after = after[after.index("surplus_argument") + 1:] if "surplus_argument" in after else after if name == "safetensors_write" else []
            tally.equal(hidden.split(", ") if hidden else [], after + arguments, f"{name}: hidden columns")
    calls = db.execute("SELECT name, signature FROM safetensors_help WHERE kind <> 'argument'").fetchall()
    for document in README, REFERENCE:
        text = read(document)
        for name, signature in calls:
            call = signature.partition(" -> ")[0]
            tally.check(f"`{call}`" in text, f"{document} calls {name} as safetensors_help does", call)
            tally.check(re.search(rf"^\| `?.*\b{name}\(", text, re.MULTILINE), f"{document} has a line for {name}")
    with tempfile.TemporaryDirectory() as directory:
        make_directory(directory)
        for name, example in db.execute("SELECT name, example FROM safetensors_help"):
            output = run_sql(example, directory)
            good = not re.search(r"^(Parse |Runtime )?[Ee]rror", output) and (output or name == "safetensors")
            tally.check(good, f"example of {name}", example, output)


def main(arguments):
    tally = Tally()
    update = arguments == ["--update"]
    for document in RUN:
        compare_blocks(tally, document, lambda block: document != CLIENTS or block.language in ("sql", "session"), update)
    compare_verbs(tally, update)
    compare_demo(tally, update)
    if not update:
        check_help(tally)
        check_commands(tally)
        check_links(tally)
    if tally.failed:
        print("outputs in documents are made anew by: tests/python tests/docs/readme.py --update")
    tally.finish()


if __name__ == "__main__":
    main(sys.argv[1:])
