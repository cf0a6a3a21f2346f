"""README's code, and what README says comes out of it: readme.py [--update]

Every block of SQL is run, and every session; outputs are compared, or with --update put into README.
Clients' code is for clients.py, in the same way. A block of code is fenced with its language (sql, python, js, perl, sh), or is a session in the sqlite3
shell, with its prompts. The next fenced block without a language, nothing but blank lines between, is its
output; a session has it inside. Code runs in a folder made for it, where the files that README names
are."""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import making
from tally import BUILD, Tally, connect

README = "README.md"
CLIENTS = "Clients"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^(?:sqlite> |   \.\.\.> )")
MARK = "-- next --"
SHELL = ["sqlite3", "-batch", "-bail"]
EXTENSION = "build/safetensors"
TIMEOUT = 60


@dataclass
class Block:
    language: str
    code: str
    output: str  # None: README gives none
    section: str
    heading: str
    line: int
    span: tuple  # in the text: where code begins, where output (or else code) ends


def blocks(text):
    """All blocks that can be run, in order."""
    found, fences, position = [], list(FENCE.finditer(text)), 0
    while position < len(fences):
        fence = fences[position]
        position += 1
        language, code = fence.groups()
        output, end = None, fence.end()
        if language and position < len(fences):
            following = fences[position]
            if not following.group(1) and not text[fence.end():following.start()].strip():
                output, end = following.group(2), following.end()
                position += 1
        if not language and re.search(r"^sqlite> ", code, re.MULTILINE):
            language, output = "session", code
        if language in RUNNERS:
            above = text[:fence.start()]
            section = re.findall(r"^## (.*)$", above, re.MULTILINE)
            heading = re.findall(r"^#+ (.*)$", above, re.MULTILINE)
            found.append(Block(language, code, output, section[-1] if section else "", heading[-1],
                               text.count("\n", 0, fence.start()) + 1, (fence.start(), end)))
    return found


def run(command, folder, text=None, **environment):
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=False,
                          timeout=TIMEOUT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment})
    return re.sub(r" +$", "", done.stdout + done.stderr, flags=re.MULTILINE)


def run_sql(code, folder):
    return run([*SHELL, "-column", "-header", "-cmd", f".load {EXTENSION}"], folder, code)


def run_session(code, folder):
    """The session again: its first line and what was typed, each followed by what comes out now."""
    first, *lines = code.splitlines()
    typed = []
    for line in lines:
        if line.startswith("sqlite> "):
            typed.append([line])
        elif line.startswith("   ...> "):
            typed[-1].append(line)
    script = "".join("\n".join(PROMPT.sub("", line) for line in statement) + f"\n.print {MARK}\n"
                     for statement in typed)
    printed = run(SHELL, folder, script).split(MARK + "\n")
    return "\n".join([first] + ["\n".join(statement) + ("\n" + out.rstrip("\n") if out else "")
                                for statement, out in zip(typed, printed)]) + "\n"


def node_path():
    return os.path.abspath(os.path.join(BUILD, "npm", "node_modules"))


RUNNERS = {
    "sql": run_sql,
    "session": run_session,
    "python": lambda code, folder: run(["/usr/bin/python3", "-W", "error", "-c", code], folder),
    "js": lambda code, folder: run(["node", "-e", code], folder, NODE_PATH=node_path()),
    "perl": lambda code, folder: run(["perl", "-e", code], folder),
    "sh": lambda code, folder: run(["sh", "-c", code], folder),
}


def succeeds(*command):
    try:
        return subprocess.run(command, capture_output=True, check=False,
                              env={**os.environ, "NODE_PATH": node_path()}).returncode == 0
    except FileNotFoundError:
        return False


def missing(block, folder):
    """What the block needs and is not installed, or None."""
    wanted = []
    if block.language == "python":
        for names in re.findall(r"^import (.*?)(?:;|$)", block.code, re.MULTILINE):
            for name in names.split(", "):
                wanted.append((name, ("/usr/bin/python3", "-c", f"import {name}")))
    elif block.language == "js":
        for name in re.findall(r'require\("(.*?)"\)', block.code):
            wanted.append((name, ("node", "-e", f"require('{name}')")))
    elif block.language == "perl":
        wanted.append(("DBD::SQLite", ("perl", "-MDBD::SQLite", "-e", "1")))
    elif block.language == "sh":
        for name in re.findall(r"(?:^|\| )([\w-]+)", block.code):
            wanted.append((name, ("sh", "-c", f"command -v {name}")))
    elif ".load ./vec0" in block.code:
        wanted.append(("sqlite-vec", ("test", "-e", os.path.join(folder, "vec0.so"))))
    for name, command in wanted:
        if not succeeds(*command):
            return name
    return None


def make_relatives(folder):
    """Of the demo's checkpoints: the tune as a part of a larger model, the base with other names, another tune (of one
    layer), a LoRA adapter as PEFT writes it."""
    base, tune = (making.tensors_of(os.path.join(folder, f"{name}.safetensors")) for name in ("base", "tune"))
    renamed = {name.replace("model.layers.", "h."): tensor for name, tensor in base.items()}
    inside = {name.replace("model.", "model.language_model."): tensor for name, tensor in tune.items()}
    other = {name: tune[name] if ".layers.3." in name else tensor for name, tensor in base.items()}
    lora = {f"base_model.model.model.layers.{layer}.self_attn.{part}_proj.lora_{ab}.weight": ("F32", shape, bytes(4 * 8 * 32))
            for layer in (2, 3) for part in "qv" for ab, shape in (("A", [8, 32]), ("B", [32, 8]))}
    for name, tensors in (("gpt", renamed), ("vlm", inside), ("other", other), ("lora", lora)):
        making.file(os.path.join(folder, f"{name}.safetensors"), tensors)


def make_folder(folder):
    """The files that README names: two checkpoints, an embedding, adapters, the library, the scripts."""
    os.makedirs(os.path.join(folder, "build"))
    os.symlink(os.path.abspath("sql"), os.path.join(folder, "sql"))
    os.symlink(os.path.abspath(f"{BUILD}/safetensors.so"), os.path.join(folder, "build/safetensors.so"))
    vec0 = os.path.join(node_path(), "sqlite-vec-linux-x64/vec0.so")
    if os.path.exists(vec0):
        os.symlink(vec0, os.path.join(folder, "vec0.so"))
    subprocess.run(["tests/make_demo", os.path.join(folder, "build/demo")], check=True)
    os.symlink("build/demo/base.safetensors", os.path.join(folder, "base.safetensors"))
    os.symlink("build/demo/tune.safetensors", os.path.join(folder, "tune.safetensors"))
    os.symlink("build/demo/base.safetensors", os.path.join(folder, "model.safetensors"))
    make_relatives(folder)
    adapters = os.path.join(folder, "loras")
    for name, rank in [("style", 4), ("accent", 2)]:
        making.file(os.path.join(adapters, f"{name}.safetensors"),
                    {f"lora_{end}.weight": ("F16", shape, bytes(2 * 32 * rank))
                     for end, shape in [("down", [rank, 32]), ("up", [32, rank])]})
    with open(os.path.join(adapters, "style.safetensors"), "rb") as good, \
            open(os.path.join(adapters, "half.safetensors"), "wb") as cut_short:
        cut_short.write(good.read(300))


def render(block, output):
    """The block as README should have it."""
    if block.language == "session":
        return f"```\n{output}```\n"
    return f"```{block.language}\n{block.code}```\n" + (f"\n```\n{output}```\n" if output else "")


def compare_blocks(tally, wanted, update=False):
    """Runs the blocks that wanted(block) accepts; compares what comes out, or writes it into README."""
    with open(README, encoding="utf-8") as file:
        text = file.read()
    found = [block for block in blocks(text) if wanted(block)]
    tally.check(found, "README has code")
    with tempfile.TemporaryDirectory() as folder:
        make_folder(folder)
        for block in reversed(found):  # so that what is replaced moves nothing that is still to come
            lacking = missing(block, folder)
            if lacking:
                print(f"skipped: README line {block.line}, {block.heading} ({lacking} is not installed)")
                continue
            output = RUNNERS[block.language](block.code, folder)
            if update:
                start, end = block.span
                text = text[:start] + render(block, output) + text[end:]
            else:
                tally.equal(output, block.output or "", f"README line {block.line}, {block.heading}")
    if update:
        with open(README, "w", encoding="utf-8") as file:
            file.write(text)


def compare_demo(tally, update=False):
    """What README says that `make demo` prints."""
    with open(README, encoding="utf-8") as file:
        before, quoted, after = re.fullmatch(
            r"(.*<!-- demo -->\n```\n)(.*?)(```\n<!-- end of demo -->.*)", file.read(), re.DOTALL).groups()
    done = subprocess.run(["tests/demo"], capture_output=True, text=True, check=False,
                          env={**os.environ, "MODEL": "", "MODEL2": ""})
    printed = re.sub(r" +$", "", done.stdout, flags=re.MULTILINE)
    if not update:
        tally.equal(quoted, printed, "README's demo")
        return
    with open(README, "w", encoding="utf-8") as file:
        file.write(before + printed + after)


def check_help(tally):
    """safetensors_help has all that is registered, README has all of that, and the examples run."""
    db = connect()
    told = {name for (name,) in db.execute("SELECT name FROM safetensors_help WHERE kind <> 'argument'")}
    ours = "name LIKE 'safetensors%' OR name LIKE 'tensor\\_%' ESCAPE '\\'"
    registered = {name for (name,) in db.execute(
        f"SELECT name FROM pragma_function_list WHERE {ours} UNION SELECT name FROM pragma_module_list WHERE {ours}")}
    tally.equal(told, registered, "safetensors_help is complete")
    with open(README, encoding="utf-8") as file:
        text = file.read()
    for name, signature in db.execute("SELECT name, signature FROM safetensors_help WHERE kind = 'table'").fetchall():
        columns = [(row[1], row[6]) for row in db.execute(f"PRAGMA table_xinfo({name})")]
        visible, _, hidden = signature.partition(" -> ")[2].partition("; hidden: ")
        if name != "safetensors":
            tally.equal(visible.split(", "), [column for column, kind in columns if not kind], f"{name}: columns")
            after = [column for column, kind in columns if kind]
            after = after[after.index("surplus_argument") + 1:] if "surplus_argument" in after else []
            tally.equal(hidden.split(", ") if hidden else [], after, f"{name}: hidden columns")
    for name, signature in db.execute("SELECT name, signature FROM safetensors_help WHERE kind <> 'argument'").fetchall():
        call = signature.partition(" -> ")[0]
        tally.check(f"`{call}`" in text, f"README calls {name} as safetensors_help does", call)
    for name in sorted(told):
        tally.check(re.search(rf"^\| `?.*\b{name}\(", text, re.MULTILINE), f"README has a line for {name}")
    with tempfile.TemporaryDirectory() as folder:
        make_folder(folder)
        for name, example in db.execute("SELECT name, example FROM safetensors_help"):
            output = run_sql(example, folder)
            good = not re.search(r"^(Parse |Runtime )?[Ee]rror", output) and (output or name == "safetensors")
            tally.check(good, f"example of {name}", example, output)


def main(arguments):
    tally = Tally()
    update = arguments == ["--update"]
    compare_blocks(tally, lambda block: block.section != CLIENTS or
                   block.language in ("sql", "session"), update)
    compare_demo(tally, update)
    if not update:
        check_help(tally)
    if tally.failed:
        print("outputs in README are made anew by: tests/python tests/readme.py --update")
    tally.finish()


if __name__ == "__main__":
    main(sys.argv[1:])
