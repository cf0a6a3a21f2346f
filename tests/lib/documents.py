"""The documents' code, and what they say comes out of it.

A block of code is fenced with its language (sql, python, js, perl, go, rust, sh, sqllogictest), or is a session in
sqlite3 shell, with its prompts. The next fenced block without a language, nothing but blank lines between, is its
output; a session has it inside, and so has a console, whose commands of safetensors-sql are run. The code of a document runs in a directory made for it, where the files that documents
name are."""

import hashlib
import json
import math
import os
import re
import struct
import subprocess
import tempfile
from dataclasses import dataclass

import making
import python_package
import script_header
import shell
from tally import BUILD

CLIENTS = "ext/docs/clients.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^(?:sqlite> |   \.\.\.> )")
MARK = "-- next --"
SHELL = ["sqlite3", "-batch", "-bail"]
EXTENSION = "build/safetensors"
PACKED = """-- the demo's base in FP8, with a scale for each row of the projections
CREATE TEMP TABLE scales AS
SELECT name, ref, tensor_div(tensor_norm(ref, 1), 448) AS scale FROM safetensors_tensors('base.safetensors') WHERE name LIKE '%_proj.weight';
INSERT INTO safetensors_write(path, name, dtype, data)
SELECT 'packed.safetensors', name, 'F8_E4M3', tensor_div(ref, scale) FROM scales
UNION ALL SELECT 'packed.safetensors', name || '_scale', 'F32', scale FROM scales
UNION ALL SELECT 'packed.safetensors', name, dtype, ref FROM safetensors_tensors('base.safetensors') WHERE name NOT IN (SELECT name FROM scales);
"""
TIMEOUT = 60
COMPILE_TIMEOUT = 900  # with SQLite, the first time


@dataclass
class Block:
    language: str
    code: str
    output: str  # None: the document gives none
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
        if language not in ("", "console") and position < len(fences):
            following = fences[position]
            if not following.group(1) and not text[fence.end():following.start()].strip():
                output, end = following.group(2), following.end()
                position += 1
        if not language and re.search(r"^sqlite> ", code, re.MULTILINE):
            language = "session"
        if language in ("session", "console"):
            output = code
        if language in RUNNERS:
            heading = re.findall(r"^#+ (.*)$", text[:fence.start()], re.MULTILINE)
            found.append(Block(language, code, output, heading[-1], text.count("\n", 0, fence.start()) + 1,
                               (fence.start(), end)))
    return found


def run(command, directory, text=None, timeout=TIMEOUT, **environment):
    done = subprocess.run(command, cwd=directory, input=text, capture_output=True, text=True, check=False,
                          timeout=timeout, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment})
    return re.sub(r" +$", "", done.stdout + done.stderr, flags=re.MULTILINE)


def run_sql(code, directory):
    return run([*SHELL, "-column", "-header", "-cmd", f".load {EXTENSION}"], directory, code)


def run_session(code, directory):
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
    printed = run(SHELL, directory, script).split(MARK + "\n")
    return "\n".join([first] + ["\n".join(statement) + ("\n" + out.rstrip("\n") if out else "")
                                for statement, out in zip(typed, printed)]) + "\n"


def run_console(code, directory):
    """What was typed into a terminal again. A verb of safetensors-sql prints what its script prints in the sqlite3 shell;
    other commands are for the tests of packages."""
    out = []
    for line in re.findall(r"^\$ .*\n", code, re.MULTILINE):
        out.append(line)
        words, _, lines = line[2:].strip().partition(" | head -")
        program, verb, *_ = words.split()
        if program == script_header.PROGRAM:
            headers = script_header.by_name()
            header = headers.get(" ".join(words.split()[1:3])) or headers[verb]
            given = script_header.command(header, words)
            printed = run([*SHELL, *(word for name, value in given.items() for word in ("-cmd", shell.parameter(name, value))),
                           "-cmd", f".load {EXTENSION}"], directory, read(f"{script_header.DIRECTORY}/{header.verb}.sql"))
            out += printed.splitlines(keepends=True)[:int(lines) if lines else None]
    return "".join(out)


def run_script(code, directory):
    """A script of the tests' own kind; what comes out is its last line."""
    path = os.path.join(directory, "script.test")
    with open(path, "w", encoding="utf-8") as file:
        file.write(code)
    printed = run([os.path.abspath(f"{BUILD}/tests/runner"), "--extension", EXTENSION, path], directory)
    return printed if "FAIL" in printed else "".join(printed.splitlines(keepends=True)[-1:])


def compiled(language):
    """The directory in which `make clients` compiles programs in this language."""
    return os.path.abspath(os.path.join(BUILD, "clients", language))


def run_compiled(language, source, *compiler):
    """Compiles a block as the one source of a project, and runs the program."""
    def run_block(code, directory):
        with open(os.path.join(compiled(language), source), "w", encoding="utf-8") as file:
            file.write(code)
        failed = run([*compiler], compiled(language), timeout=COMPILE_TIMEOUT)
        return failed or run([os.path.join(compiled(language), "example")], directory)
    return run_block


def node_path():
    return os.path.abspath(os.path.join(BUILD, "npm", "node_modules"))


def node_for(code):
    """The Node that a block needs: the system's, unless that is too old for the module."""
    newer = os.path.join(node_path(), f"node-linux-{ {'x86_64': 'x64', 'aarch64': 'arm64'}.get(os.uname().machine)}/bin/node")
    return newer if "node:sqlite" in code and os.path.exists(newer) else "node"


RUNNERS = {
    "sql": run_sql,
    "session": run_session,
    "console": run_console,
    "python": lambda code, directory: run(["/usr/bin/python3", "-W", "error", "-c", code], directory),
    "js": lambda code, directory: run([node_for(code), "--no-warnings", "-e", code], directory, NODE_PATH=node_path()),
    "perl": lambda code, directory: run(["perl", "-e", code], directory),
    "go": run_compiled("go", "main.go", "go", "build", "-o", "example", "."),
    "rust": run_compiled("rust", "src/main.rs", "sh", "-c", "cargo build --quiet --locked && cp target/debug/example ."),
    "sh": lambda code, directory: run(["sh", "-c", code], directory),
    "sqllogictest": run_script,
}


def succeeds(*command):
    try:
        return subprocess.run(command, capture_output=True, check=False,
                              env={**os.environ, "NODE_PATH": node_path()}).returncode == 0
    except FileNotFoundError:
        return False


def missing(block, directory):
    """What the block needs and is not installed, or None."""
    wanted = []
    if block.language == "python":
        for names in re.findall(r"^import (.*?)(?:;|$)", block.code, re.MULTILINE):
            for name in names.split(", "):
                wanted.append((name, ("env", "-C", directory, "/usr/bin/python3", "-c", f"import {name}")))
    elif block.language == "js":
        for name in re.findall(r'require\("(.*?)"\)', block.code):
            wanted.append((name, (node_for(block.code), "-e", f"require('{name}')")))
    elif block.language == "perl":
        wanted.append(("DBD::SQLite", ("perl", "-MDBD::SQLite", "-e", "1")))
    elif block.language in ("go", "rust"):
        wanted.append((block.language, ("test", "-e", compiled(block.language))))
    elif block.language == "sh":
        for name in re.findall(r"(?:^|\| )([\w-]+)", block.code):
            wanted.append((name, ("sh", "-c", f"command -v {name}")))
    elif ".load ./vec0" in block.code:
        wanted.append(("sqlite-vec", ("test", "-e", os.path.join(directory, "vec0.so"))))
    for name, command in wanted:
        if not succeeds(*command):
            return name
    return None


def make_relatives(directory):
    """Of the demo's checkpoints: the tune as a part of a larger model, the base with other names, another tune (of one
    layer), a LoRA adapter as PEFT writes it."""
    base, tune = (making.tensors_of(os.path.join(directory, f"{name}.safetensors")) for name in ("base", "tune"))
    renamed = {name.replace("model.layers.", "h."): tensor for name, tensor in base.items()}
    inside = {name.replace("model.", "model.language_model."): tensor for name, tensor in tune.items()}
    other = {name: tune[name] if ".layers.3." in name else tensor for name, tensor in base.items()}
    lora = {f"base_model.model.model.layers.{layer}.self_attn.{part}_proj.lora_{ab}.weight": (
                "F32", shape, struct.pack(f"<{math.prod(shape)}f", *((i * i + layer) % 11 / 128 - 1 / 32 for i in range(math.prod(shape)))))
            for layer in (2, 3) for part, rows in (("q", 32), ("v", 16)) for ab, shape in (("A", [8, 32]), ("B", [rows, 8]))}
    for name, tensors in (("gpt", renamed), ("vlm", inside), ("other", other), ("lora", lora)):
        making.file(os.path.join(directory, f"{name}.safetensors"), tensors)


def make_run(directory):
    """A run of two checkpoints with the notes of their trainer, and a model with its configuration."""
    for step, name, loss in ((100, "base", 2.5), (200, "tune", 2.25)):
        os.makedirs(os.path.join(directory, f"training/checkpoint-{step}"))
        os.symlink(f"../../build/demo/{name}.safetensors", os.path.join(directory, f"training/checkpoint-{step}/model.safetensors"))
        with open(os.path.join(directory, f"training/checkpoint-{step}/trainer_state.json"), "w", encoding="utf-8") as state:
            json.dump({"global_step": step, "epoch": step / 100, "log_history": [{"step": step, "loss": loss, "learning_rate": 1e-5}]}, state)
    os.makedirs(os.path.join(directory, "served"))
    os.symlink("../build/demo/base.safetensors", os.path.join(directory, "served/model.safetensors"))
    with open(os.path.join(directory, "served/config.json"), "w", encoding="utf-8") as config:
        json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 4, "num_attention_heads": 4,
                   "num_key_value_heads": 2, "hidden_size": 32, "max_position_embeddings": 4096, "torch_dtype": "bfloat16"}, config)


def make_directory(directory):
    """The files that documents name: two checkpoints and one of them packed, an embedding, adapters, the library, the
    scripts, the Python package."""
    os.makedirs(os.path.join(directory, "build"))
    os.symlink(os.path.abspath("sql"), os.path.join(directory, "sql"))
    os.symlink(os.path.abspath(f"{BUILD}/safetensors.so"), os.path.join(directory, "build/safetensors.so"))
    python_package.assemble(directory)
    vec0 = os.path.join(node_path(), "sqlite-vec-linux-x64/vec0.so")
    if os.path.exists(vec0):
        os.symlink(vec0, os.path.join(directory, "vec0.so"))
    subprocess.run(["tests/make_demo", os.path.join(directory, "build/demo")], check=True)
    os.symlink("build/demo/base.safetensors", os.path.join(directory, "base.safetensors"))
    os.symlink("build/demo/tune.safetensors", os.path.join(directory, "tune.safetensors"))
    os.symlink("build/demo/base.safetensors", os.path.join(directory, "model.safetensors"))
    run_sql(PACKED, directory)
    make_relatives(directory)
    make_run(directory)
    adapters = os.path.join(directory, "loras")
    for name, rank in [("style", 4), ("accent", 2)]:
        making.file(os.path.join(adapters, f"{name}.safetensors"),
                    {f"lora_{end}.weight": ("F16", shape, bytes(2 * 32 * rank))
                     for end, shape in [("down", [rank, 32]), ("up", [32, rank])]})
    with open(os.path.join(adapters, "style.safetensors"), "rb") as good, \
            open(os.path.join(adapters, "half.safetensors"), "wb") as cut_short:
        cut_short.write(good.read(300))
    # The list of a publisher of three of them, of which one was not what it is now.
    with open(os.path.join(adapters, "SHA256SUMS"), "w", encoding="utf-8") as sums:
        for name in ("accent", "half", "style"):
            with open(os.path.join(adapters, f"{'style' if name == 'half' else name}.safetensors"), "rb") as published:
                sums.write(f"{hashlib.sha256(published.read()).hexdigest()}  {name}.safetensors\n")


def render(block, output):
    """The block as the document should have it."""
    if block.language == "session":
        return f"```\n{output}```\n"
    if block.language == "console":
        return f"```console\n{output}```\n"
    return f"```{block.language}\n{block.code}```\n" + (f"\n```\n{output}```\n" if output else "")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def compare_blocks(tally, document, wanted, update=False):
    """Runs the document's blocks that wanted(block) accepts; compares what comes out, or writes it there."""
    text = read(document)
    found = [block for block in blocks(text) if wanted(block)]
    if not found:
        return
    with tempfile.TemporaryDirectory() as directory:
        make_directory(directory)
        for block in reversed(found):  # so that what is replaced moves nothing that is still to come
            absent = missing(block, directory)
            if absent:
                print(f"skipped: {document} line {block.line}, {block.heading} ({absent} is not installed)")
                continue
            output = RUNNERS[block.language](block.code, directory)
            if update:
                start, end = block.span
                text = text[:start] + render(block, output) + text[end:]
            else:
                tally.equal(output, block.output or "", f"{document} line {block.line}, {block.heading}")
    if update:
        with open(document, "w", encoding="utf-8") as file:
            file.write(text)
