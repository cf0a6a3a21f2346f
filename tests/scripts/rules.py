"""What holds for every script of sql/, whatever it is about ("Writing a script" in sql/README.md): each runs over models
of many kinds, in each format, and must end well, or fail with one sentence.

    rules.py [VERB...]      only these

Covers little: of all lines, others reach nearly as many.
"""

import concurrent.futures
import csv
import io
import json
import os
import re
import shutil
import struct
import sys

import making
import script_header
import shell
import verbs
from check_reports import is_junit, is_safe, is_sarif
from tally import Tally
from verbs import CATALOGS, FREE, HEADERS, ROOT, database_of, given, session, source, values

tally = Tally()
ASKED = sys.argv[1:]
CHOSEN = [verb for verb in verbs.RUNNABLE if verb in ASKED or not ASKED]

# About files, whatever is in them: no tensor at all is not nothing.
OF_FILES = {"check", "edit_metadata", "fleet/catalog", "inventory", "lockfile", "lora", "loras", "sbom", "verify"}
# About bytes: a file that cannot be read as tensors is as good as another.
OF_BYTES = {"fleet/catalog", "lockfile", "verify"}
# About one model, tensor or set: several models, of which one is bad, may be refused.
OF_ONE = {"sbom", "compare", "distribution", "gate", "identify", "lora_fit", "lora_merged", "memory", "neighbours", "neighbours_vec", "report", "run", "values"}
MADE = {("lockfile", "lock")}  # paths that need not be there

# Models of tools that quantise, if they are there; scripts that write do not look at them.
QUANTISED, TOOLS = os.environ.get("MODELS", "../shared/models") + "/quant", ("gptq-4bit-g64-sym", "mxfp4-gpt-oss", "bnb-nf4")


def floats(*numbers, shape=None):
    return "F32", shape or [len(numbers)], struct.pack(f"<{len(numbers)}f", *numbers)


def layers(prefix=""):
    return {f"{prefix}model.layers.{i}.{module}.weight": floats(*(0.5 - (i + k) % 7 / 7 for k in range(8)), shape=[2, 4])
            for i in range(3) for module in ("self_attn.q_proj", "mlp.up_proj")}


def make_models():
    """Directories, each with what its name says. Returns them by name."""
    whole = layers()
    making.file(f"{ROOT}/kinds/nan/model.safetensors", {**whole, "model.layers.1.mlp.up_proj.weight": floats(1, float("nan"), float("inf"), 2, shape=[2, 2])})
    making.file(f"{ROOT}/kinds/packed/model.safetensors", {
        **whole, **{f"model.layers.{i}.mlp.down_proj.{part}": value for i in range(2) for part, value in (
            ("weight", ("F8_E4M3", [2, 2], b"\x38\x30\x28\x20")), ("weight_scale", floats(0.5)))}})
    names = list(whole)
    making.model(f"{ROOT}/kinds/sharded", {"model-00001-of-00002.safetensors": {name: whole[name] for name in names[:3]},
                                           "model-00002-of-00002.safetensors": {name: whole[name] for name in names[3:]}})
    for i in range(300):
        adapter = {f"base_model.model.model.layers.{i % 3}.self_attn.q_proj.lora_{part}.weight": floats(*([i / 300] * 4), shape=shape)
                   for part, shape in (("A", [1, 4]), ("B", [4, 1]))}
        making.file(f"{ROOT}/kinds/adapters/{i:03}/adapter_model.safetensors", adapter, {"ss_tag_frequency": "{}", "title": f"adapter {i}"})
        with open(f"{ROOT}/kinds/adapters/{i:03}/adapter_config.json", "w", encoding="utf-8") as file:
            json.dump({"peft_type": "LORA", "r": 1, "lora_alpha": 2, "base_model_name_or_path": "org/base"}, file)
    evil = "line\nfeed\x1b[31m\x9b5m\u202e'\"`$%<b>\t"
    making.file(f"{ROOT}/kinds/hostile/{evil.replace('/', '')}.safetensors",
                {f"{evil}.model.layers.0.weight": floats(1, 2), **layers(evil), "'); DROP TABLE parameters; --": floats(1), "w" * 300: floats(3)},
                {evil: evil, "format": evil, "sshs_model_hash": evil})
    for name in ("a", "b"):
        making.file(f"{ROOT}/kinds/mixed/{name}/model.safetensors", layers())
    os.makedirs(f"{ROOT}/kinds/mixed/broken")
    with open(f"{ROOT}/kinds/mixed/broken/broken.safetensors", "wb") as file:
        file.write(b"\x10\0\0\0\0\0\0\0{not a header   }")
    making.file(f"{ROOT}/kinds/hollow/model.safetensors", {})
    os.makedirs(f"{ROOT}/kinds/empty")
    found = {name: f"{ROOT}/kinds/{name}" for name in sorted(os.listdir(f"{ROOT}/kinds"))}
    return {**found, **{name: f"{QUANTISED}/{name}" for name in TOOLS if os.path.exists(f"{QUANTISED}/{name}")}}


KINDS = {}


def parameters_of(verb, kind):
    """The parameters of a verb that looks at a model of one kind."""
    parameters = dict(values(verb))
    path = KINDS[kind]
    for name in ("path", "b", "a", "adapters"):
        if name in parameters and HEADERS[verb].parameters[name].kind == "path":
            parameters[name] = path
            if name == "b":
                break  # against what a is otherwise
    if "name" in parameters:
        parameters["name"] = "model.layers.1.mlp.up_proj.weight"
    return parameters


def run(verb, parameters, form=None):
    return session(given({**parameters, **({"format": form} if form else {})}), source(verb), database=database_of(verb))


def refuses(verb, parameters, words, what, forms=(None, "json")):
    """Nothing is printed, the status is one of failure, and one sentence says why, in each format."""
    for form in forms:
        code, out, error = run(verb, parameters, form)
        tally.check(code == 1 and out == "" and error.count("\n") == 1 and words in error and is_safe(error), f"sql/{verb}.sql as {form}: {what}", code, out[:300], error)


class Kept:
    """The files below ROOT, which are put back where a script has changed them."""

    def __init__(self):
        self.contents, self.states = verbs.files(), self.look()

    @staticmethod
    def look():
        return {f"{where}/{name}": (status.st_ino, status.st_size, status.st_mtime_ns)
                for where, _, names in os.walk(ROOT) for name in names for status in [os.stat(f"{where}/{name}")]}

    def put_back(self):
        now = self.look()
        for path in set(now) - set(self.contents):
            os.remove(path)
        for path, content in self.contents.items():
            if now.get(path) != self.states[path]:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(content)
        self.states = self.look()


KEPT = []


def put_back(verb):
    """Undoes what a script has written that may write."""
    if HEADERS[verb].writes or HEADERS[verb].database:
        KEPT[0].put_back()


def each(test):
    """Runs a test for every verb, two at a time, but those that write alone."""
    writing = [verb for verb in CHOSEN if HEADERS[verb].writes or HEADERS[verb].database]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(test, [verb for verb in CHOSEN if verb not in writing]))
    for verb in writing:
        test(verb)
        put_back(verb)


def check_header(verb):
    header = HEADERS[verb]
    *_, last = header.parameters.values()
    checks = set(last.choices) & set(script_header.CHECK_FORMATS)
    tally.check(last.name == "format" and last.choices == script_header.FORMATS + (script_header.CHECK_FORMATS if checks else []), f"the last parameter of sql/{verb}.sql", last)
    called = re.search(r"safetensors_parameters\(([^)]*)\)", source(verb))
    tally.equal(sorted(re.findall(r"':(\w+)'", called[1])) if called else None, sorted(header.parameters), f"what sql/{verb}.sql says that its parameters are")
    tally.check("0x41FF" not in source(verb), f"sql/{verb}.sql makes directories by make_directory, so that they go if it fails")
    tally.check(not re.search(r"^\.print\b", source(verb), re.MULTILINE), f"sql/{verb}.sql prints by queries")


def check_parameters(verb):
    """Unset, mistyped, of another word, and paths that lead nowhere."""
    header, good = HEADERS[verb], values(verb)
    if header.arguments:
        refuses(verb, {}, f":{header.arguments[0].name} is set", "nothing is set")
    refuses(verb, {**good, "format": "yaml"}, "CHECK constraint failed: :format is text, json", "a format that is none", [None])
    for name in header.parameters:
        typed = f"{name}{name[-1]}" if len(name) > 2 else name.upper()
        refuses(verb, {**good, typed: "x"}, f"there is no parameter :{typed}; did you mean :", f"{typed} for {name}", [None])
    for name, parameter in header.parameters.items():
        if parameter.kind == "path" and name not in header.writes and (verb, name) not in MADE:
            refuses(verb, {**good, name: f"{ROOT}/nowhere"}, "", f"{name} leads nowhere")
        elif parameter.kind == "text" and name in good and name not in FREE:
            refuses(verb, {**good, name: "no such name"}, "", f"{name} is in no model")


def check_text(verb, kind, code, out, error):
    what = f"sql/{verb}.sql of a {kind} model"
    tally.check(is_safe(out) and is_safe(error) and "\u202e" not in out + error, f"{what} reaches the terminal with no control character", repr(out[:500]), repr(error))
    tally.check(code in (0, 1) and error.count("\n") == code, f"{what} ends well, or with one sentence", code, out[-300:], error)
    if code == 1 and ("CHECK constraint" in error or "safetensors: " in error):
        tally.equal(out, "", f"{what} says nothing else where it fails")
    if out and HEADERS[verb].prints is None and not out.startswith("{"):  # a document
        first = out.split("\n")[0]
        tally.check(re.match(r"[^\s=].*[.:?]$", first) and " " in first, f"{what} begins with words", first)
        wide = [line for line in map(str.rstrip, out.splitlines()) if not shell.is_narrow(line)]
        tally.equal(wide[:3], [], f"{what} is narrow enough")


def read_json(text):
    """The tables; none if the text is no JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return {}


def check_json(verb, kind, code, out, error):
    what, tables = f"sql/{verb}.sql of a {kind} model as JSON", {table.name: table.columns for table in HEADERS[verb].tables.values()}
    tally.check(is_safe(out) and error.count("\n") == code, f"{what} is safe", error)
    if not out:
        return
    found = read_json(out)
    tally.check(found, f"{what} is JSON", out[:300], out[-300:])
    tally.equal(list(found), list(tables), f"{what} has the tables of the header")
    for name, rows in found.items():
        tally.check(all(list(row) == tables.get(name) for row in rows), f"{what}: {name} has its columns", rows[:1], tables.get(name))


def check_kind(verb, kind):
    parameters = parameters_of(verb, kind)
    code, out, error = run(verb, parameters)
    if kind == "empty" or (kind == "hollow" and verb not in OF_FILES):
        tally.check(code == 1 and out == "" and error.count("\n") == 1, f"sql/{verb}.sql of {kind} fails with a sentence", code, out[:300], error)
        return
    check_text(verb, kind, code, out, error)
    if kind == "mixed" and verb not in OF_BYTES:
        tally.check(code == 1, f"sql/{verb}.sql of models of which one is bad fails", out[:300], error)
        one = verb in OF_ONE or HEADERS[verb].writes
        tally.check("broken" in out or (one and out == ""), f"sql/{verb}.sql goes on, and names the bad one", out[:500], error)
    put_back(verb)
    again = run(verb, parameters, "json")
    tally.equal((again[0], bool(again[1])), (code, bool(out)), f"sql/{verb}.sql of {kind} ends as JSON as it does as text")
    check_json(verb, kind, *again)


def check_kinds(verb):
    if "path" not in HEADERS[verb].parameters and "b" not in HEADERS[verb].parameters:
        return
    for kind in KINDS:
        if kind in TOOLS and HEADERS[verb].writes:
            continue
        check_kind(verb, kind)
        put_back(verb)


def columns_of(text):
    """Rows of CSV."""
    return list(csv.reader(io.StringIO(text)))


def check_formats(verb):
    """Each format says the same: the tables have exactly the columns of the header, also where they have no row."""
    header = HEADERS[verb]
    infos = "".join(f"SELECT '{table.name}', group_concat(name, ', ') FROM pragma_table_info('{table.name}', 'temp');\n" for table in header.tables.values())
    code, out, error = session(given({**values(verb), "format": "csv"}), source(verb), ".print ===\n.mode list\n.headers off\n.separator |\n", infos, database=database_of(verb))
    printed, _, listed = out.partition("===\n")
    first, *_ = header.tables.values()
    tally.equal((code, error), (0, ""), f"sql/{verb}.sql as CSV ends well")
    rows = columns_of(printed)
    tally.check(rows and rows[0] == first.columns and all(len(row) == len(first.columns) for row in rows), f"sql/{verb}.sql as CSV is its first table", rows[:2])
    tally.equal(listed.splitlines(), [f"{table.name}|{', '.join(table.columns)}" for table in header.tables.values()], f"the tables of sql/{verb}.sql have the columns of the header")
    if header.writes:
        return
    code, out, error = run(verb, values(verb), "json")
    check_json(verb, "good", code, out, error)
    tally.check(code == 0 and len(read_json(out).get(first.name, [])) == len(rows) - 1, f"sql/{verb}.sql as JSON has the rows of CSV", error)
    if "junit" in header.parameters["format"].choices:
        for parameters in (values(verb), parameters_of(verb, "nan"), parameters_of(verb, "hostile")):
            for form, good in (("junit", is_junit), ("sarif", is_sarif)):
                code, out, error = run(verb, parameters, form)
                tally.check(is_safe(out) and error.count("\n") == code and (good(out) if out else code == 1), f"sql/{verb}.sql as {form}", code, out[:500], error)


def test_headers():
    for verb in CHOSEN:
        check_header(verb)


def test_names():
    """No script takes a parameter of another for a mistyped one of its own: they may be in one session."""
    names = {name: "1" for header in HEADERS.values() for name in header.parameters}
    text = "".join(f"SELECT safetensors_parameters({', '.join(repr(':' + name) for name in header.parameters)});\n" for header in HEADERS.values())
    code, out, error = session(given(names), text)
    tally.equal((code, set(out.split()), error), (0, {"1"}, ""), "parameters of all scripts")


def test_parameters():
    each(check_parameters)


def test_formats():
    each(check_formats)


def test_kinds():
    each(check_kinds)


verbs.make()
KINDS.update(make_models())
KEPT.append(Kept())
try:
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
finally:
    shutil.rmtree(ROOT)
    shutil.rmtree(CATALOGS)
tally.finish()
