"""The scripts of sql/ are as their headers say, each in the sqlite3 shell: their parameters, their defaults, the tables
that they leave, also when the verdict is no, and that --dry-run can undo what they write.

Covers little: of all lines, others reach nearly as many.
"""

import hashlib
import json
import math
import os
import re
import shutil
import struct
import subprocess
import tempfile

import making
import script_header
import shell
from tally import BUILD, Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="verbs.")
HEADERS = {verb: script_header.read(verb) for verb in script_header.verbs()}
CATALOGS = tempfile.mkdtemp(prefix="catalogs.")
VEC0 = os.environ.get("VEC0", f"{BUILD}/npm/node_modules/sqlite-vec-linux-x64/vec0.so")
WITH_VEC0 = os.path.exists(VEC0)
RUNNABLE = [verb for verb in HEADERS if verb != "neighbours_vec" or WITH_VEC0]

# What parameters are given: by name, and where a verb needs another, by verb.
VALUES = {"map": "kohya-diffusers", "path": f"{ROOT}/base.safetensors", "a": f"{ROOT}/base.safetensors", "b": f"{ROOT}/tune.safetensors", "name": "lm_head.weight",
          "token": "1", "out": f"{ROOT}/out.safetensors", "patch": '{"k":"v"}', "prefix": "model.", "dtype": "F32", "rows": "300",
          "lock": f"{ROOT}/model.lock", "node": "here", "part": f"{ROOT}/catalog.db", "models": f'["{ROOT}/base.safetensors","{ROOT}/tune.safetensors"]',
          "adapters": f"{ROOT}/lora/adapter_model.safetensors", "base": f"{ROOT}/small.safetensors", "model": f"{ROOT}/lora_merged.safetensors"}
OF_VERB = {"average": {"path": f"{ROOT}/run"}, "compare": {"a": f"{ROOT}/pair/a.safetensors", "b": f"{ROOT}/pair/b.safetensors"},
           "dequantize": {"path": f"{ROOT}/packed.safetensors"}, "fleet/catalog": {"path": f"{ROOT}/run"}, "experts": {"path": f"{ROOT}/experts.safetensors"},
           "index": {"path": f"{ROOT}/sharded"}, "repair": {"path": f"{ROOT}/cut.safetensors"}, "split": {"path": f"{ROOT}/fused.safetensors"},
           "lora": {"path": f"{ROOT}/lora"}, "loras": {"path": f"{ROOT}/lora"}, "lora_convert": {"path": f"{ROOT}/kohya.safetensors"},
           "lora_fit": {"path": f"{ROOT}/lora"}, "lora_merged": {"path": f"{ROOT}/lora"}, "memory": {"path": f"{ROOT}/served"}, "run": {"path": f"{ROOT}/run"},
           "rename": {"path": f"{ROOT}/kohya.safetensors"}, "verify": {"path": f"{ROOT}/claimed/x.safetensors"}}
# Another value than the default, with which other things come out.
OTHERS = {("rename", "limit"): "1", ("rename", "unmatched"): "drop", ("average", "checkpoints"): "*-2", ("average", "decay"): "0.5", ("average", "method"): "exponential",
          ("compare", "prefix_a"): "p.", ("compare", "prefix_b"): "q.", ("convert_dtype", "limit"): "100000", ("distribution", "bins"): "3",
          ("experts", "direction"): "unstack", ("experts", "part"): "parts",
          ("extract", "names"): "lm_head*", ("fleet/report", "title"): "Others", ("fleet/content", "paths"): "b.*", ("fleet/content", "reads"): "all", ("gate", "whole"): "no", ("gate", "finite"): "no", ("index", "shards"): "a*", ("lora_convert", "to"): "diffusers",
          ("lora_merge", "modules"): "w*", ("lora_merge", "scale"): "2",
          ("memory", "batch"): "2", ("memory", "kv_dtype"): "F32",
          ("merge", "density"): "0.1", ("merge", "lambda"): "2", ("merge", "method"): "slerp", ("merge", "seed"): "1",
          ("resize_vocab", "fill"): "mean", ("strip_prefix", "new"): "new.", ("tensors", "names"): "lm_head*"}
# What a parameter needs beside it to matter.
BESIDE = {("rename", "limit"): {"out": f"{ROOT}/out.safetensors.index.json"}, ("rename", "unmatched"): {"map": f"{ROOT}/map.json"},
          ("average", "decay"): {"method": "exponential"}, ("convert_dtype", "limit"): {"out": f"{ROOT}/out.safetensors.index.json"},
          **{("merge", name): {"method": method, "base": f"{ROOT}/base.safetensors"}
             for name, method in (("density", "dare_linear"), ("lambda", "task_arithmetic"), ("seed", "dare_linear"))}}
# Parameters with which the verdict is no.
NO = {"average": {"path": f"{ROOT}/twice", "checkpoints": "*.safetensors"}, "check": {"path": f"{ROOT}/cut.safetensors"},
      "compare": {"b": f"{ROOT}/pair/nan.safetensors"}, "dequantize": {"path": f"{ROOT}/base.safetensors"}, "distribution": {"path": f"{ROOT}/partly"},
      **{verb: {"path": f"{ROOT}/some"} for verb in ("duplicates", "health", "inventory", "layers", "memory", "run", "shards", "summary")},
      "identify": {"path": f"{ROOT}/unfit"}, "rename": {"map": "wan"}, "experts": {"part": "none"}, "extract": {"names": "none"}, "fuse": {"modules": '{"x":["y","z"]}'}, "gate": {"dtypes": "F16"}, "index": {"path": f"{ROOT}/twice"},
      "lockfile": {"check": "1", "lock": f"{ROOT}/old.lock"}, "merge": {"models": f'["{ROOT}/base.safetensors","{ROOT}/sharded"]'},
      "lora": {"path": f"{ROOT}/lora_nan"}, "loras": {"path": f"{ROOT}/lora_nan"}, "lora_convert": {"path": f"{ROOT}/lora"}, "lora_fit": {"base": f"{ROOT}/base.safetensors"},
      "lora_merge": {"base": f"{ROOT}/base.safetensors"}, "lora_merged": {"model": f"{ROOT}/small.safetensors"},
      "neighbours": {"path": f"{ROOT}/flat.safetensors"}, "neighbours_vec": {"path": f"{ROOT}/flat.safetensors"},
      "quantized": {"path": f"{ROOT}/halved.safetensors"}, "repair": {"path": f"{ROOT}/lost.safetensors"},
      "report": {"path": f"{ROOT}/half"},
      "resize_vocab": {"names": "none"}, "split": {"modules": '{"x":["y","z"]}'}, "strip_prefix": {"prefix": "none."},
      "tensors": {"names": "none"}, "values": {"path": f"{ROOT}/partly", "name": "x"}, "verify": {"path": f"{ROOT}/base.safetensors"}}
FREE = {"node", "new", "title", "version"}  # texts that need not be in a checkpoint


# Verbs about a catalogue, which they find in the database.
ABOUT_CATALOG = {"fleet/content", "fleet/questions", "fleet/report"}


def make():
    subprocess.run(["tests/make_demo", ROOT], check=True)
    for directory in ("half",):
        making.model(f"{ROOT}/{directory}", {"a.safetensors": {"x": b"1"}, "b.safetensors": {"y": b"2"}})
        os.truncate(f"{ROOT}/{directory}/b.safetensors", 9)
    making.model(f"{ROOT}/sharded", {"a.safetensors": {"x": b"1"}, "b.safetensors": {"y": b"2"}})
    for name in "ab":
        making.file(f"{ROOT}/twice/{name}.safetensors", {"x": b"1"})
    making.file(f"{ROOT}/pair/a.safetensors", {"p.x": b"1", "y": b"2"})
    making.file(f"{ROOT}/pair/b.safetensors", {"x": b"1", "q.y": b"2"})
    making.file(f"{ROOT}/pair/nan.safetensors", {"x": ("F32", [1], b"\0\0\xc0\x7f")})
    making.file(f"{ROOT}/unfit/model.safetensors", {f"model.layers.0.{name}.weight": making.zeros("F32", 2, 2) for name in ("self_attn.q_proj", "mlp.up_proj")})
    with open(f"{ROOT}/unfit/config.json", "w", encoding="utf-8") as config:
        json.dump({"model_type": "gpt2"}, config)
    with open(f"{ROOT}/map.json", "w", encoding="utf-8") as names:
        json.dump({"*.lora_up.weight": "*.up"}, names)
    making.file(f"{ROOT}/flat.safetensors", {"lm_head.weight": ("F32", [3, 2], bytes(24))})
    making.file(f"{ROOT}/partly/a.safetensors", {"x": b"1"})
    with open(f"{ROOT}/partly/b.safetensors", "wb") as file:
        file.write(b"no tensors")
    for step, number in ((1, 0x3F), (2, 0x40)):
        making.file(f"{ROOT}/run/checkpoint-{step}.safetensors", {"x": ("F32", [1], bytes((0, 0, 0, number)))})
    making.file(f"{ROOT}/experts.safetensors", {**{f"{part}.{i}.w": b"1" for i in (0, 1) for part in ("a.experts", "a.parts")}, "b.experts.w": b"12"})
    making.file(f"{ROOT}/fused.safetensors", {"mlp.gate_up_proj.weight": ("F32", [2, 1], bytes(range(8)))})
    making.file(f"{ROOT}/served/model.safetensors", {"x": b"1"})
    with open(f"{ROOT}/served/config.json", "w", encoding="utf-8") as config:
        json.dump({"architectures": ["XForCausalLM"], "num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 1}, config)
    making.file(f"{ROOT}/some/1.safetensors", {"x": b"1"})
    with open(f"{ROOT}/some/2.safetensors", "wb") as bad:
        bad.write(b"1234567")
    claimed = making.file(f"{ROOT}/claimed/x.safetensors", {"x": b"1"})
    with open(claimed, "rb") as file, open(f"{claimed}.sha256", "w", encoding="utf-8") as digest:
        digest.write(hashlib.sha256(file.read()).hexdigest())
    with open(f"{ROOT}/old.lock", "w", encoding="utf-8") as lock:
        lock.write(json.dumps({"file": "base.safetensors", "size": 1, "sha256": "00"}))
    making.file(f"{ROOT}/packed.safetensors", {"x.weight": making.zeros("F8_E4M3", 2, 2), "x.weight_scale": making.zeros("F32", 1)})
    making.file(f"{ROOT}/halved.safetensors", {"x.weight_scale": making.zeros("F32", 1)})
    floats = lambda number, *shape: ("F32", list(shape), struct.pack("<f", number) * math.prod(shape))  # noqa: E731
    making.file(f"{ROOT}/lora/adapter_model.safetensors", {f"base_model.model.{module}.lora_{part}.weight": floats(1, *shape)
                                                          for module in "vw" for part, shape in (("A", (1, 2)), ("B", (2, 1)))})
    making.file(f"{ROOT}/lora_nan/x.safetensors", {f"v.lora_{part}.weight": floats(math.nan, *shape) for part, shape in (("A", (1, 2)), ("B", (2, 1)))})
    making.file(f"{ROOT}/small.safetensors", {f"{module}.weight": floats(0, 2, 2) for module in "vw"})
    making.file(f"{ROOT}/lora_merged.safetensors", {f"{module}.weight": floats(1, 2, 2) for module in "vw"})
    making.file(f"{ROOT}/kohya.safetensors", {f"lora_unet_mid_block_attentions_0_proj_in.lora_{part}.weight": floats(1, *shape)
                                             for part, shape in (("down", (1, 2)), ("up", (2, 1)))})
    make_catalog()
    for name, tensors in (("cut", {"a": b"12", "b": b"34"}), ("lost", {"a": b"12"})):
        with open(making.file(f"{ROOT}/{name}.safetensors", tensors), "r+b") as file:
            file.truncate(os.path.getsize(file.name) - 1)


def make_catalog():
    """Files that were written just now would be read again."""
    for name in os.listdir(f"{ROOT}/pair"):
        os.utime(f"{ROOT}/pair/{name}", (1e9, 1e9))
    done = session(given({"node": "here", "path": f"{ROOT}/pair"}), source("fleet/catalog"), database=f"{ROOT}/catalog.db")
    tally.equal((done[0], done[2]), (0, ""), "a catalogue is made")
    done = session(given({}), source("fleet/questions"), database=f"{ROOT}/catalog.db")
    tally.equal((done[0], done[2]), (0, ""), "and asked")


def values(verb):
    return {name: OF_VERB.get(verb, {}).get(name, VALUES.get(name)) for name, of in HEADERS[verb].parameters.items() if of.required}


def database_of(verb):
    """The database to run a verb in, which may change it."""
    if verb not in ABOUT_CATALOG:
        return ":memory:"
    handle, path = tempfile.mkstemp(".db", "catalog.", CATALOGS)
    os.close(handle)
    return shutil.copy(f"{ROOT}/catalog.db", path)


def source(verb):
    with open(f"sql/{verb}.sql", encoding="utf-8") as file:
        return file.read()


def session(*texts, database=":memory:"):
    """Runs texts in one shell, which is left as a failing script leaves it. Returns the exit code and both streams."""
    command = ["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors"]
    if WITH_VEC0:
        command += ["-cmd", f".load {VEC0}"]
    done = subprocess.run(command + [database], input="".join(texts), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def given(parameters):
    return ".param clear\n" + "".join(shell.parameter(name, value) + "\n" for name, value in parameters.items())


def files():
    """The content of every file below ROOT."""
    found = {}
    for where, _, names in os.walk(ROOT):
        for name in names:
            with open(f"{where}/{name}", "rb") as file:
                found[f"{where}/{name}"] = file.read()
    return found


def put_back(before):
    """Makes the files below ROOT what they were. Returns what had become of those that changed."""
    after = files()
    for path in set(after) - set(before):
        os.remove(path)
    for path, content in before.items():
        if after.get(path) != content:
            with open(path, "wb") as file:
                file.write(content)
    return {path: content for path, content in after.items() if before.get(path) != content}


def tables(header):
    """Statements that read the columns of the header's tables."""
    return ".bail on\n.mode list\n.headers off\n" + "".join(
        f"SELECT '{table.name}', count(*) FROM (SELECT {', '.join(table.columns)} FROM temp.{table.name});\n"
        for table in header.tables.values())


def test_names():
    """No two verbs have one name, and :NAME stands in a script if and only if its header declares it."""
    names = [name for header in HEADERS.values() for name in (header.verb, *header.aliases)]
    tally.equal(sorted(set(names)), sorted(names), "verbs and aliases")
    for verb, header in HEADERS.items():
        code = re.sub(r"--.*|'(?:[^']|'')*'|\"[^\"]*\"", "", source(verb))
        tally.equal(set(re.findall(r":(\w+)", code)), set(header.parameters), f"parameters of sql/{verb}.sql")
        for example in header.examples:
            script_header.command(header, example)
        tally.check(not re.search(r"^(BEGIN|COMMIT|ROLLBACK)\b", code, re.MULTILINE | re.IGNORECASE) or not header.writes,
                    f"sql/{verb}.sql leaves transactions alone")


# Of one meaning in all scripts that have them, so that the last script of a session may leave them.
SHARED = re.compile("parameters|needs|verdict|verdict_is_no|verdict_is_bad|as_text|as_page|beside|left_out|out_.*|merged|merge_.*|converted|convert_rows|"
                    "lora_alone.*|lora_base.*")


def test_temporary_names():
    """What a script leaves in the temp schema is not what another one leaves there."""
    made = {}
    for verb in HEADERS:
        for pattern in (r"CREATE TEMP (?:TABLE|VIEW|TRIGGER)\s+(?:IF NOT EXISTS\s+)?(\w+)", r"CREATE INDEX\s+(?:IF NOT EXISTS\s+)?temp\.(\w+)"):
            for name in re.findall(pattern, source(verb)):
                made.setdefault(name, set()).add(verb)
    tally.equal({name: sorted(of) for name, of in made.items() if len(of) > 1 and not SHARED.fullmatch(name)}, {}, "names that two scripts have")


def one_sentence(verb, parameters, message):
    code, out, error = session(given(parameters), source(verb), database=database_of(verb))
    tally.check((code, out) == (1, "") and error.count("\n") == 1 and message in error, f"sql/{verb}.sql of {parameters} says {message}",
                code, out, error)


def test_parameters():
    """Each that is required and missing, or that is no value of its kind, is told in one sentence."""
    before = files()
    for verb, header in HEADERS.items():
        if header.arguments:
            one_sentence(verb, {}, f":{header.arguments[0].name} is set")
        for name, parameter in header.parameters.items():
            if parameter.required:
                one_sentence(verb, {other: value for other, value in values(verb).items() if other != name}, f"failed: :{name} is set")
            if parameter.kind in ("integer", "real", "enum"):
                one_sentence(verb, {**values(verb), name: "x1"}, f"failed: :{name} is ")
        if header.parameters.get("path") and verb != "check":
            one_sentence(verb, {**values(verb), "path": f"{ROOT}/nowhere"}, "no such file" if verb in RUNNABLE else "sqlite-vec")
    tally.equal(put_back(before), {}, "what wrong parameters change")


def test_nothing_of_that_name():
    """A name, pattern or prefix that matches nothing in the checkpoint is a failure, and nothing is written."""
    before = files()
    for verb in RUNNABLE:
        for name, parameter in HEADERS[verb].parameters.items():
            if parameter.kind == "text" and name not in FREE:
                code, _, error = session(given({**values(verb), name: "no such name"}), source(verb), database=database_of(verb))
                tally.check(code == 1 and error.count("\n") == 1, f"sql/{verb}.sql of a {name} that nothing has", code, error)
    tally.equal(put_back(before), {}, "what such names change")


def test_tables():
    """They are there, with their columns, whether the verdict is yes or no."""
    before = files()
    for verb in RUNNABLE:
        code, out, error = session(given(values(verb)), source(verb), ".print ===\n", tables(HEADERS[verb]), database=database_of(verb))
        rows = dict(line.split("|") for line in out.partition("===\n")[2].splitlines())
        tally.equal((code, error, list(rows)), (0, "", list(HEADERS[verb].tables)), f"tables of sql/{verb}.sql")
        put_back(before)
    tally.equal(sorted(NO), sorted(verb for verb, header in HEADERS.items() if 1 in header.statuses), "the verbs with a verdict")
    for verb, parameters in ((verb, NO[verb]) for verb in NO if verb in RUNNABLE):
        settings, lines = given({**values(verb), **parameters}), source(verb).splitlines(keepends=True)
        code, out, error = session(settings, *lines)
        said = re.fullmatch(r"(?:Runtime e|E)rror near line (\d+): (?!CHECK|safetensors).*\n", error)
        tally.check(code == 1 and said, f"sql/{verb}.sql of {parameters} ends with its verdict", code, out, error)
        tally.equal(put_back(before), {}, f"what sql/{verb}.sql writes when the verdict is no")
        at = int(said[1]) - settings.count("\n") - 1 if said else 0
        tally.check(lines[at].startswith("INSERT INTO verdict"), f"what fails in sql/{verb}.sql", lines[at])
        code, out, error = session(settings, *lines[:at], ".print ===\n", tables(HEADERS[verb]))
        rows = dict(line.split("|") for line in out.partition("===\n")[2].splitlines())
        tally.equal((code, error, list(rows)), (0, "", list(HEADERS[verb].tables)), f"tables of sql/{verb}.sql when it fails")


def test_defaults():
    """What is left out is what the header says that it is; and it does matter."""
    before = files()
    for verb in RUNNABLE:
        for name, parameter in HEADERS[verb].parameters.items():
            if parameter.required or parameter.default is None or parameter.kind == "flag" or verb == "sbom":  # which has a serial number
                continue
            got = []
            for value in (None, str(parameter.default), OTHERS.get((verb, name), "json" if name == "format" else None)):
                more = {**BESIDE.get((verb, name), {}), **({} if value is None else {name: value})}
                got.append((session(given({**values(verb), **more}), source(verb), database=database_of(verb)), put_back(before)))
            tally.equal(got[1], got[0], f"sql/{verb}.sql with the default of {name}")
            tally.check(got[2] != got[0], f"sql/{verb}.sql with another {name}", got[0])


def test_dry_run():
    """In a transaction that is rolled back, a script that writes runs to its end, and writes nothing."""
    before = files()
    for verb, header in HEADERS.items():
        if (header.writes or header.database) and "writefile(" not in source(verb):
            kept = f"{ROOT}/kept.db"
            content = before[f"{ROOT}/catalog.db"] if verb in ABOUT_CATALOG else b""
            with open(kept, "wb") as file:
                file.write(content)
            code, _, error = session("BEGIN;\n", given(values(verb)), source(verb), tables(header), "ROLLBACK;\n", database=kept)
            tally.equal((code, error, put_back({**before, kept: content})), (0, "", {}), f"sql/{verb}.sql in a transaction")


def test_one_session():
    """Scripts, and the same script again, get along with what others leave in the session."""
    before = files()
    texts = []
    for turn in range(2):
        for verb in RUNNABLE:
            parameters = values(verb)
            if verb == "repair":
                parameters["out"] = f"{ROOT}/repaired{turn}.safetensors"
            if "replace" in HEADERS[verb].parameters:
                parameters["replace"] = "1"
            texts += [given(parameters), source(verb)]
    code, _, error = session(*texts)
    tally.equal((code, error), (0, ""), "all scripts, twice")
    put_back(before)


if __name__ == "__main__":  # rules.py takes the values, too
    if not WITH_VEC0:
        print(f"skipped: sql/neighbours_vec.sql, but for its parameters ({VEC0} is not there)")
    make()
    try:
        tally.run(globals(), ROOT)
    finally:
        shutil.rmtree(CATALOGS)
