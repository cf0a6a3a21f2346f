"""Each script of sql/ as a verb: its example runs, its tables come in each format, and help shows what its header says.

Suite: program
"""

import csv
import html.parser
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile

import script_header
from check_reports import is_junit, is_sarif
from sql_program import FAILED, GOOD, PROGRAM, run
from tally import BUILD, Tally

tally = Tally()
root = tempfile.mkdtemp()
HEADERS = {verb: script_header.read(verb) for verb in script_header.verbs()}
NEEDS_VEC = {"neighbours_vec"}  # and says so, for the extension sqlite-vec is not there


def make_models():
    """The files that the examples name."""
    subprocess.run(["tests/make_demo", f"{root}/demo"], check=True, env={**os.environ, "BUILD": BUILD})
    base, tune = f"{root}/demo/base.safetensors", f"{root}/demo/tune.safetensors"
    for name in ("model_directory", "models", "adapters", "loras", "sharded"):
        os.mkdir(f"{root}/{name}")
    for name in ("base.safetensors", "model.safetensors", "models/a.safetensors", "adapters/a.safetensors",
                 "adapters/b.safetensors"):
        shutil.copy(base, f"{root}/{name}")
    for name in ("tune.safetensors", "models/b.safetensors"):
        shutil.copy(tune, f"{root}/{name}")
    with open(base, "rb") as file, open(f"{root}/damaged.safetensors", "wb") as damaged:
        damaged.write(file.read()[:-1000])
    out = f"{root}/model_directory/model.safetensors.index.json"
    tally.equal(run("reshard", base, out, "--limit", "60000")[0], GOOD, "shards are made")
    for database in ("other.db", "part.db"):
        tally.equal(run("fleet", "catalog", "other", "adapters", "--database", database, cwd=root)[0], GOOD, "a catalogue is made")
    tally.equal(run("fleet", "questions", "--database", "part.db", cwd=root)[0], GOOD, "and asked")
    with open(f"{root}/map.csv", "w", encoding="utf-8") as names:
        names.write("from,to\nmodel.layers.#.*,blocks.#.*\n")
    for step, path in ((100, base), (200, tune)):
        for name in ("run", "training"):
            os.makedirs(f"{root}/{name}/checkpoint-{step}")
            shutil.copy(path, f"{root}/{name}/checkpoint-{step}/model.safetensors")
    write = ("INSERT INTO safetensors_write SELECT :out, 'layers.0.experts.' || key || '.w', 'U8', '[1]', x'00' FROM json_each('[1,2,3,4]')")
    tally.equal(run("sql", write, "--param", f"out={root}/moe.safetensors"), (GOOD, "", ""), "experts are made")
    write = ("INSERT INTO safetensors_write SELECT :out, 'm.' || part || '.weight', 'F32', shape, "
             "tensor_cast(zeroblob(256), 'F32', 'F32') FROM (SELECT 'lora_A' AS part, '[4,16]' AS shape UNION ALL "
             "SELECT 'lora_B', '[16,4]')")
    tally.equal(run("sql", write, "--param", f"out={root}/loras/a.safetensors"), (GOOD, "", ""), "an adapter is made")
    write = ("INSERT INTO safetensors_write SELECT :out, 'm.' || part, dtype, shape, tensor_full(shape, 0.5) FROM (SELECT 'weight' AS part, 'F8_E4M3' AS dtype, "
             "'[4,4]' AS shape UNION ALL SELECT 'weight_scale', 'F32', '[1]')")
    tally.equal(run("sql", write, "--param", f"out={root}/packed.safetensors"), (GOOD, "", ""), "packed weights are made")
    for name, module, down, up in (("lora", "base_model.model.model.layers.2.self_attn.q_proj", "lora_A", "lora_B"),
                                   ("kohya", "lora_unet_mid_block_attentions_0_proj_in", "lora_down", "lora_up")):
        write = (f"INSERT INTO safetensors_write SELECT :out, '{module}.' || part || '.weight', 'F32', shape, tensor_full(shape, 0.125) "
                 f"FROM (SELECT '{down}' AS part, '[4,32]' AS shape UNION ALL SELECT '{up}', '[32,4]')")
        tally.equal(run("sql", write, "--param", f"out={root}/{name}.safetensors"), (GOOD, "", ""), "an adapter is made")


def example(verb, *more):
    """Runs the example of a verb in a directory with its files, as a shell would."""
    _, *words = shlex.split(HEADERS[verb].examples[0])
    return run(*words, *more, cwd=root)


class Page(html.parser.HTMLParser):
    """The rows of each table of an HTML page."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.cell = [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.cell = ""

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self.cell)
            self.cell = None


def columns_of(verb):
    return {table.name: table.columns for table in HEADERS[verb].tables.values()}


def check_formats(verb):
    columns = columns_of(verb)
    printed = {name: example(verb, f"--{name}") for name in ("json", "csv", "markdown", "box", "html")}
    for name, (status, _, error) in printed.items():
        tally.check(status in {GOOD, *HEADERS[verb].statuses}, f"{verb} --{name} ends well", status, error)
    found = json.loads(printed["json"][1])
    tally.equal(list(found), list(columns), f"{verb} --json has the tables of its header")
    for table, rows in found.items():
        tally.check(all(list(row) == columns[table] for row in rows), f"{verb} --json: {table} has its columns", rows[:1])
    first, *_ = columns
    rows = list(csv.reader(io.StringIO(printed["csv"][1])))
    tally.equal(rows[0], columns[first], f"{verb} --csv begins with the columns")
    tally.check(all(len(row) == len(columns[first]) for row in rows), f"{verb} --csv has rows of one length")
    tally.equal(len(rows) - 1, len(found[first]), f"{verb} --csv has all rows")
    page = Page(printed["html"][1]).tables
    tally.equal([(table[0], len(table) - 1) for table in page],
                [(columns[name], len(rows)) for name, rows in found.items()], f"{verb} --html has all tables and rows")
    headings = re.findall(r"^## (\w+)$", printed["markdown"][1], re.MULTILINE)
    tally.equal(headings, list(columns), f"{verb} --markdown has all tables")
    lines = re.findall(r"^\| .* \|$", printed["markdown"][1], re.MULTILINE)
    tally.equal(len(lines), sum(len(rows) + 2 for rows in found.values()), f"{verb} --markdown has all rows")
    tally.check(all(name in printed["box"][1] for name in columns), f"{verb} --box names all tables")
    own = HEADERS[verb].parameters["format"].choices if "format" in HEADERS[verb].parameters else []
    for name, good in (("junit", is_junit), ("sarif", is_sarif)):
        if name in own:
            status, output, error = example(verb, "--format", name)
            tally.check(status in {GOOD, *HEADERS[verb].statuses} and good(output), f"{verb} --format {name} is valid", status, output[:300], error)
    status, alone, _ = example(verb, "--json", "--table", first)
    tally.check(len(json.loads(alone)) == len(found[first]), f"{verb} --table {first} is one array", status)


def check_help(verb):
    status, text, _ = run("help", *script_header.typed(verb).split())
    header = HEADERS[verb]
    tally.equal(status, GOOD, f"help {verb}")
    tally.check(header.summary in text, f"help {verb} begins with its summary", text)
    for parameter in header.parameters.values():
        shown = parameter.name.upper() if parameter.required else f"--{parameter.name.replace('_', '-')}"
        tally.check(re.search(rf"^  {re.escape(shown)}( |$)", text, re.MULTILINE), f"help {verb} shows {shown}", text)
    tally.equal(run(*script_header.typed(verb).split(), "--help"), (GOOD, text, ""), f"{verb} --help is the same")
    for alias in header.aliases:
        tally.equal(run("help", alias)[1], text, f"{alias} is {verb}")
    wide = [line for line in text.split("\nExamples")[0].splitlines() if len(line) > 80]
    tally.equal(wide, [], f"help {verb} is narrow enough")
    tally.check(all("\n\n" + line in text or "\n" + line in text for paragraph in header.paragraphs for line in paragraph
                    if line.startswith("  ")), f"help {verb} shows its code as it stands", text)
    words = " ".join(" ".join(paragraph) for paragraph in header.paragraphs if not paragraph[0].startswith("  ")).split()
    shown = text.split("[OPTION]...\n")[1].split()
    tally.check(all(word in shown for word in words), f"help {verb} shows its paragraphs", set(words) - set(shown))


def test_verbs():
    make_models()
    listed = run("help")[1]
    for verb in HEADERS:
        tally.check(re.search(rf"^  {script_header.typed(verb)}( |$)", listed, re.MULTILINE), f"help lists {verb}", listed)
        check_help(verb)
        status, output, error = example(verb)
        if verb in NEEDS_VEC:
            tally.equal(status, FAILED, f"{verb} needs an extension")
            continue
        tally.check(status in {GOOD, *HEADERS[verb].statuses}, f"the example of {verb} runs", status, error)
        tally.check(output or "--output" in HEADERS[verb].examples[0], f"the example of {verb} prints something")
    tally.check(all(len(line) <= 80 for line in listed.splitlines()), "help is narrow enough", listed)


def test_formats():
    for verb in HEADERS:
        if verb in NEEDS_VEC or HEADERS[verb].prints or "--output" in HEADERS[verb].examples[0]:
            continue
        if not HEADERS[verb].writes:  # what writes is run once
            check_formats(verb)


def test_nowhere():
    """A path that leads nowhere cannot be read, whatever the verb is: one sentence, and nothing printed."""
    for verb, header in HEADERS.items():
        given = script_header.command(header, header.examples[0])
        wrong = next((one for one in header.arguments if one.kind == "path" and one.name not in header.writes), None)
        if wrong is None or verb in NEEDS_VEC:
            continue
        words = [f"{root}/nowhere.safetensors" if one is wrong else given[one.name] for one in header.arguments]
        for name, value in given.items():
            if not header.parameters[name].required:
                words += [f"--{name.replace('_', '-')}"] + ([] if header.parameters[name].kind == "flag" else [value])
        words += ["--replace"] if "replace" in header.parameters and "--replace" not in words else []
        for form in ([], ["--json"]):
            status, output, error = run(*script_header.typed(verb).split(), *words, *form, cwd=root)
            tally.check((status, output, error.count("\n")) == (FAILED, "", 1), f"{verb} of a path that leads nowhere {form}", status, output[:200], error)


def files():
    return {os.path.join(at, name): os.stat(os.path.join(at, name)).st_mtime_ns
            for at, _, names in os.walk(root) for name in names}


def test_dry_runs():
    """Nothing is written, and the sentence names what would be."""
    shutil.rmtree(f"{root}/converted")  # of lora_convert
    fresh = {"average": "averaged.safetensors", "convert_dtype": "bf16.safetensors", "dequantize": "plain.safetensors", "extract": "layers.safetensors",
             "lockfile": "model.lock", "lora_merge": "with_lora.safetensors", "merge": "merged.safetensors", "rename": "renamed.safetensors", "repair": "repaired.safetensors",
             "resize_vocab": "resized.safetensors", "sbom": "model.cdx.json", "strip_prefix": "stripped.safetensors"}
    for name in fresh.values():
        if os.path.exists(f"{root}/{name}"):
            os.remove(f"{root}/{name}")
    before = files()
    for verb, header in HEADERS.items():
        if header.prints and header.database:
            continue  # what --output names is written, whatever the verb does
        if not header.writes:
            status, _, error = example(verb, "--dry-run")
            tally.check("--dry-run" in error or header.database, f"{verb} has no --dry-run", status, error)
            continue
        status, output, error = example(verb, "--dry-run")
        tally.equal((status, error), (GOOD, ""), f"{verb} --dry-run runs")
        tally.check(re.search(r"^Would write \S", output, re.MULTILINE), f"{verb} --dry-run says what it would write", output)
        tally.equal(files(), before, f"{verb} --dry-run writes nothing")
        status, output, error = example(verb, "--dry-run", "--json")
        tally.equal((status, list(json.loads(output))), (GOOD, list(header.tables)), f"{verb} --dry-run --json prints its tables")
        tally.check("Would write " in error, f"{verb} --dry-run --json says it on stderr", error)
    status, output, _ = run("edit-metadata", "base.safetensors", "{}", "--dry-run", cwd=root)
    tally.equal((status, output.splitlines()[-1]), (GOOD, "Would write nothing"), "a dry run of no change")
    status, output, _ = run("inventory", "models", "--database", f"{root}/fresh.db", "--dry-run", cwd=root)
    tally.equal((status, files()), (GOOD, before), "a dry run makes no database")
    tally.check(output.endswith("Would write the database\n"), "and says that it would", output)


def test_page():
    """A verb that prints a page prints it as HTML, too; of one table there is none."""
    page = run("report", "base.safetensors", cwd=root)
    tally.check(page[0] == GOOD and "<h1>" in page[1], "a page", page)
    tally.equal(run("report", "base.safetensors", "--html", cwd=root), page, "as HTML")
    one = run("report", "base.safetensors", "--html", "--table", "report_tensors", cwd=root)[1]
    tally.check("<h1>" not in one and len(Page(one).tables[0]) == 1 + 39, "its table of tensors", one[:300])


def test_the_shell_prints_the_same():
    """A verb prints what its script prints in the shell that is installed, but for spaces."""
    for verb in ("summary", "layers", "check"):
        command = ["sqlite3", "-batch", "-cmd", f".load {os.path.abspath(BUILD)}/safetensors",
                   "-cmd", ".param set :path model.safetensors"]
        with open(f"sql/{verb}.sql", encoding="utf-8") as file:
            shell = subprocess.run(command, stdin=file, cwd=root, capture_output=True, text=True, check=True).stdout
        program = run(verb, "model.safetensors", cwd=root)[1]
        lines = [[line.rstrip() for line in text.splitlines()] for text in (program, shell)]
        tally.equal(*lines, f"{verb} in the shell and in the program")


def test_names():
    link = f"{root}/hf-safetensors-sql"
    os.symlink(PROGRAM, link)
    tally.check("usage: hf-safetensors-sql VERB" in run("help", program=link)[1], "the help has the name it was called by")
    tally.equal(run("chek", program=link)[2], 'hf-safetensors-sql: there is no verb "chek"; did you mean "check"?\n',
                "and so have messages")
    version = run("--version")[1]
    tally.check(re.fullmatch(r"safetensors-sql \d+\.\d+\.\d+ \(SQLite 3\.\d+\.\d+, \S+ \S+\)\n", version), "--version", version)


tally.run(globals(), root)
