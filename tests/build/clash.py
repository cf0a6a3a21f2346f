"""The extension beside others that define its names, or those of the libraries it uses, and beside
json-c, half of whose names are jansson's too: SQLite loads all extensions into one scope."""

import glob
import os
import subprocess
import tempfile

from tally import BUILD, Tally

tally = Tally()
subprocess.run([f"{BUILD}/tests/fixtures", f"{BUILD}/fixtures"], check=True)

# A file, an index, values, and what is printed of them; last, a text that jansson reads to say what is wrong.
SCRIPT = """
.load {other}
.load {build}/safetensors
SELECT count(*) FROM safetensors_tensors('{build}/fixtures/not_plain.safetensors');
SELECT name, tensor_json(ref) FROM safetensors_tensors('{build}/fixtures/tiny.safetensors');
SELECT tensor_dtype('{directory}/model.safetensors.index.json#a');
SELECT error FROM safetensors_files('{build}/fixtures/bad/shape_minus_zero.safetensors');
SELECT name FROM safetensors_tensors('{build}/fixtures/tiny.safetensors') WHERE name = 'b';
SELECT safetensors_serialize('a', 'U8', '[0]', x'', '{{"k":1}}');
"""


def defined(*command):
    """The names of functions and data that nm lists."""
    out = subprocess.run(["nm", "--defined-only", *command], capture_output=True, text=True, check=True)
    return {line.split()[2].split("@")[0] for line in out.stdout.splitlines() if len(line.split()) == 3}


def compile_library(directory, name, source, *flags):
    path = os.path.join(directory, f"{name}.so")
    subprocess.run([os.environ.get("CC") or "cc", "-shared", "-fPIC", "-o", path, "-x", "c", "-", *flags],
                   input=source, text=True, check=True)
    return path


def run(directory, other):
    script = SCRIPT.format(other=other, build=BUILD, directory=directory)
    done = subprocess.run(["sqlite3", "-batch", ":memory:"], input=script, capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout, done.stderr


with tempfile.TemporaryDirectory() as directory:
    # The index's one shard is a file that is there already.
    os.link(f"{BUILD}/fixtures/tiny.safetensors", f"{directory}/tiny.safetensors") \
        if os.stat(directory).st_dev == os.stat(BUILD).st_dev else \
        subprocess.run(["cp", f"{BUILD}/fixtures/tiny.safetensors", directory], check=True)
    with open(f"{directory}/model.safetensors.index.json", "w", encoding="utf-8") as file:
        file.write('{"weight_map": {"a": "tiny.safetensors", "b": "tiny.safetensors"}}')

    init = "int sqlite3_{}_init(void *a, void *b, void *c) {{ (void)a; (void)b; (void)c; return 0; }}\n"
    alone = run(directory, compile_library(directory, "alone", init.format("alone")))
    tally.equal((alone[0], alone[1].count("\n"), 'found an integer as value of "k"' in alone[2]), (1, 6, True),
                "the script runs, and its last statement fails")

    own = defined("-g", *glob.glob(f"{BUILD}/static/**/*.o", recursive=True)) - {"sqlite3_safetensors_init"}
    names = {name for name in own if name.isidentifier()}
    for library in glob.glob("/usr/lib/*/libjansson.so.4"):
        names |= {name for name in defined("-D", library) if name.isidentifier()}
    tally.check(len(names) > 150 and "json_loadb" in names, "names to clash with", len(names))
    source = "void abort(void);\n" + init.format("clash")
    source += "".join(f"void {name}(void) {{ abort(); }}\n" for name in sorted(names))
    clash = compile_library(directory, "clash", source, "-fno-builtin", "-w")
    tally.equal(run(directory, clash), alone, f"beside a library with the same {len(names)} names")

    json_c = glob.glob("/usr/lib/*/libjson-c.so.5")
    if json_c:
        source = init.format("jsonc") + "void *json_object_new_int(int);\n" + \
            "void *use(void) { return json_object_new_int(1); }\n"
        beside = compile_library(directory, "jsonc", source, "-x", "none", json_c[0])
        tally.equal(run(directory, beside), alone, "beside json-c")
    else:
        print("skipped: json-c, which is not installed (libjson-c5)")
tally.finish()
