"""safetensors_models: what is one model, of which kind and in which state, in folders as tools write them and as they
go wrong; the counts by ORACLE.json, all else by hand.

MODELS is a directory of models that other tools wrote, with what is right in ORACLE.json beside them."""

import glob
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time

import making
from tally import Tally, connect

MODELS = os.environ.get("MODELS", "../shared/models")
ROOT = tempfile.mkdtemp(prefix="models.")
tally = Tally()
db = connect()

WEIGHTS = {"model.layers.0.q.weight": ("F32", [2, 2], bytes(16)), "model.layers.0.k.weight": ("F32", [2], bytes(8))}
LORA = {"lora_unet_a.lora_down.weight": ("F16", [1, 2], bytes(4)), "lora_unet_a.lora_up.weight": ("F16", [2, 1], bytes(4))}


def at(*parts):
    return os.path.join(ROOT, *parts)


def write(path, text=""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def rows(path, columns="model, kind, files, tensors, status", where="", *arguments):
    return db.execute(f"SELECT {columns} FROM safetensors_models(?) {where}", [path, *arguments]).fetchall()


def below(path, columns="model, kind, files, tensors, status"):
    """The rows, with what stands before the folder's name cut off."""
    return [(row[0].removeprefix(f"{path}/"), *row[1:]) for row in rows(path, columns)]


def refused(path):
    try:
        return f"no error, but {rows(path)}"
    except Exception as error:  # noqa: BLE001
        return str(error)


def shard(number, total, stem="model"):
    return f"{stem}-{number:05}-of-{total:05}.safetensors"


# ---- One folder, by hand ----

TREE = at("tree")
making.file(f"{TREE}/solo/model.safetensors", WEIGHTS)
write(f"{TREE}/solo/config.json", '{"model_type": "x", "n": 1}')
making.model(f"{TREE}/sharded", {shard(1, 2): {"a.weight": bytes(3)}, shard(2, 2): {"b.weight": bytes(5)}})
making.model(f"{TREE}/sharded", {shard(1, 1, "model.fp16"): {"a.weight": bytes(3), "b.weight": bytes(5)}}, "model.fp16")
making.model(f"{TREE}/variant", {shard(1, 2, "x.fp16"): {"a.weight": bytes(3)}, shard(2, 2, "x.fp16"): {"b.weight": bytes(5)}}, "x")
os.rename(f"{TREE}/variant/x.safetensors.index.json", f"{TREE}/variant/x.safetensors.index.fp16.json")
making.model(f"{TREE}/deep", {"shards/one.safetensors": {"a.weight": bytes(3)}})
making.model(f"{TREE}/torn", {shard(i, 3): {f"{i}.weight": bytes(i)} for i in (1, 2, 3)})
os.remove(f"{TREE}/torn/{shard(2, 3)}")
making.model(f"{TREE}/contradicted", {shard(1, 2): {"a.weight": bytes(3)}, shard(2, 2): {"b.weight": bytes(5)}})
making.file(f"{TREE}/contradicted/{shard(2, 2)}", {"c.weight": bytes(5)})
making.model(f"{TREE}/broken", {shard(1, 2): {"a.weight": bytes(3)}, shard(2, 2): {"b.weight": bytes(5)}})
write(f"{TREE}/broken/model.safetensors.index.json", "{")
for i in (1, 2):
    making.file(f"{TREE}/no index/{shard(i, 2)}", {f"{i}.weight": bytes(i)})
    making.file(f"{TREE}/mixed/{shard(i, 2)}", {f"{i}.weight": bytes(i)})
making.file(f"{TREE}/gap/{shard(1, 3)}", {"a.weight": bytes(3)})
making.file(f"{TREE}/gap/{shard(3, 3)}", {"b.weight": bytes(3)})
making.file(f"{TREE}/mixed/style [v1].safetensors", LORA)
making.file(f"{TREE}/empty.safetensors", {})
making.file(f"{TREE}/numbers.safetensors", {"a": bytes(3), "b": bytes(2)})
making.file(f"{TREE}/token.safetensors", {"emb_params": ("F32", [2, 4], bytes(32))})
making.file(f"{TREE}/adam.safetensors", {f"state.{i}.exp_avg": bytes(4) for i in range(4)})
making.file(f"{TREE}/.hidden.safetensors", WEIGHTS)
making.file(f"{TREE}/.hidden/x.safetensors", WEIGHTS)
making.file(f"{TREE}/named.safetensors/x.safetensors", WEIGHTS)
for left_out in (".git", ".cache", "blobs", ".locks", ".no_exist"):
    making.file(f"{TREE}/solo/{left_out}/x.safetensors", WEIGHTS)
write(f"{TREE}/bad.safetensors", "<html>404</html>")
write(f"{TREE}/nothing.safetensors")
os.symlink("nowhere", f"{TREE}/gone.safetensors")
making.file(f"{TREE}/adapter/adapter_model.safetensors", {"base_model.model.q.lora_A.weight": bytes(4)})
write(f"{TREE}/adapter/adapter_config.json", '{"r": 4}')
making.file(f"{TREE}/odd adapter/weights.safetensors", {"prompt": bytes(4)})
write(f"{TREE}/odd adapter/adapter_config.json", '{"r": 8}')
making.file(f"{TREE}/pipe/unet/model.fp16.safetensors", WEIGHTS)
making.file(f"{TREE}/pipe/unet/model.safetensors", WEIGHTS)
making.model(f"{TREE}/pipe/text_encoder", {shard(1, 2): {"a.weight": bytes(3)}, shard(2, 2): {"b.weight": bytes(5)}})
making.file(f"{TREE}/pipe/other/model.safetensors", WEIGHTS)
making.file(f"{TREE}/pipe/whole.safetensors", WEIGHTS)
write(f"{TREE}/pipe/unet/config.json", '{"_class_name": "UNet"}')
write(f"{TREE}/pipe/model_index.json", '{"_class_name": "P", "unet": ["diffusers", "U"], "text_encoder": ["transformers", "T"]}')

EXPECTED = [
    (".hidden/x.safetensors", "model", 1, 2, "ok"),
    ("adam.safetensors", "optimizer", 1, 4, "ok"),
    ("adapter/adapter_model.safetensors", "adapter", 1, 1, "ok"),
    ("bad.safetensors", "unknown", 1, None, "invalid"),
    ("broken", "model", 2, None, "invalid"),
    ("contradicted", "model", 2, None, "invalid"),
    ("deep", "model", 1, 1, "ok"),
    ("empty.safetensors", "unknown", 1, 0, "empty"),
    ("gap", "model", 2, None, "missing"),
    ("gone.safetensors", "unknown", 1, None, "missing"),
    ("mixed/model-?????-of-00002.safetensors", "model", 2, 2, "ok"),
    ("mixed/style [v1].safetensors", "adapter", 1, 2, "ok"),
    ("named.safetensors/x.safetensors", "model", 1, 2, "ok"),
    ("no index", "model", 2, 2, "ok"),
    ("nothing.safetensors", "unknown", 1, None, "invalid"),
    ("numbers.safetensors", "unknown", 1, 2, "ok"),
    ("odd adapter/weights.safetensors", "adapter", 1, 1, "ok"),
    ("pipe/other/model.safetensors", "model", 1, 2, "ok"),
    ("pipe/text_encoder", "component", 2, 2, "ok"),
    ("pipe/unet/model.fp16.safetensors", "component", 1, 2, "ok"),
    ("pipe/unet/model.safetensors", "component", 1, 2, "ok"),
    ("pipe/whole.safetensors", "model", 1, 2, "ok"),
    ("sharded", "model", 2, 2, "ok"),
    ("sharded/model.fp16.safetensors.index.json", "model", 1, 2, "ok"),
    ("solo/model.safetensors", "model", 1, 2, "ok"),
    ("token.safetensors", "embedding", 1, 1, "ok"),
    ("torn", "model", 2, None, "missing"),
    ("variant/x.safetensors.index.fp16.json", "model", 2, 2, "ok"),
]
tally.equal(below(TREE), EXPECTED, "what a folder has")
tally.equal(below(TREE), EXPECTED, "the same from what the session keeps")
tally.equal([row[0].removeprefix(f"{TREE}/") for row in rows(f"{TREE}/")], [row[0] for row in EXPECTED], "with a '/' at the end")
with_files = [(name, kind) for name, kind, _, _, _ in EXPECTED]
tally.equal([(row[0].removeprefix(f"{TREE}/"), row[1]) for row in rows(f"{TREE}/*", "model, kind")],
            [row for row in with_files if not row[0].startswith(".hidden")], "a pattern finds files and searches directories")
tally.equal(db.execute("SELECT sum(nbytes), sum(numel) FROM safetensors_models(?)", [f"{TREE}/solo"]).fetchone(), (24, 6), "sizes")

facts = {row[0].removeprefix(f"{TREE}/"): row[1:] for row in rows(TREE, "model, config, index_file, error")}
tally.equal(facts["solo/model.safetensors"], ('{"model_type": "x", "n": 1}', None, None), "config.json")
tally.equal(facts["adapter/adapter_model.safetensors"][0], '{"r": 4}', "adapter_config.json")
tally.equal(facts["pipe/unet/model.safetensors"][0], '{"_class_name": "UNet"}', "of a component its own config.json")
tally.check(facts["pipe/whole.safetensors"][0].startswith('{"_class_name": "P"'), "model_index.json", facts["pipe/whole.safetensors"])
tally.equal(facts["sharded"][1], f"{TREE}/sharded/model.safetensors.index.json", "index_file")
tally.equal(facts["no index"][1], None, "no index_file")
for name, words in {"torn": "model-00002-of-00003.safetensors", "gap": "missing: 2", "broken": "index is not JSON", "contradicted": "b.weight",
                    "bad.safetensors": "expected a safetensors file", "gone.safetensors": "link"}.items():
    tally.check(words in facts[name][2], f"{name}: the error says what is wrong", facts[name][2])

# What a row names is what other tables open.
for name, _, files, tensors, status in EXPECTED:
    if status in ("ok", "empty"):
        counted = db.execute("SELECT count(DISTINCT file), count(*) FROM safetensors_tensors(?)", [f"{TREE}/{name}"]).fetchone()
        tally.equal(counted, (files if tensors else 0, tensors), f"safetensors_tensors({name})")
joined = db.execute("SELECT count(*) FROM safetensors_models(?) m LEFT JOIN safetensors_tensors(m.model) t ON m.status = 'ok'", [TREE])
bad = sum(row[4] != "ok" for row in EXPECTED)
tally.equal(joined.fetchone()[0], bad + sum(row[3] for row in EXPECTED if row[4] == "ok"), "a LEFT JOIN over bad models")

here = os.stat(f"{TREE}/solo/model.safetensors")
tally.equal(db.execute("SELECT mtime, inode, device FROM safetensors_files(?)", [f"{TREE}/solo/model.safetensors"]).fetchone(),
            (here.st_mtime_ns, here.st_ino, here.st_dev), "mtime, inode and device")
here = os.stat(f"{TREE}/bad.safetensors")
tally.equal(db.execute("SELECT mtime, inode, device FROM safetensors_files(?)", [f"{TREE}/bad.safetensors"]).fetchone(),
            (here.st_mtime_ns, here.st_ino, here.st_dev), "of a bad file")

# ---- Lookup and rowids ----

for name, *expected in EXPECTED:
    tally.equal(rows(TREE, "kind, files, tensors, status", "WHERE model = ?", f"{TREE}/{name}"), [tuple(expected)], f"lookup of {name}")
scanned = dict(rows(TREE, "model, rowid"))
tally.equal(len(set(scanned.values())), len(EXPECTED), "each row has its rowid")
first, last = f"{TREE}/{EXPECTED[0][0]}", f"{TREE}/{EXPECTED[-1][0]}"
tally.equal(rows(TREE, "model, rowid", "WHERE model = ? OR model = ?", first, last), [(path, scanned[path]) for path in (first, last)],
            "the same rowids by lookup")
tally.equal(rows(TREE, "count(*)", "WHERE model = ?", first + "x"), [(0,)], "a lookup of nothing")
tally.equal(rows(TREE, "count(*)", "WHERE model = 7"), [(0,)], "a lookup of a number")
plan = " ".join(str(row) for row in db.execute("EXPLAIN QUERY PLAN SELECT * FROM safetensors_models('x') WHERE model = 'y'"))
tally.check("model lookup in path" in plan, "model = ? is a lookup", plan)
other = {row[0] for row in db.execute("SELECT rowid FROM safetensors_models(?)", [f"{TREE}/pipe"])}
tally.check(not other & set(scanned.values()), "the rowids of another path are others", other)

# ---- One by one ----

tally.equal(rows(f"{TREE}/torn/{shard(1, 3)}"), [(f"{TREE}/torn/{shard(1, 3)}", "model", 1, 1, "ok")], "a file is itself, shard or not")
tally.equal(rows(f"{TREE}/sharded/model.safetensors.index.json"), [(f"{TREE}/sharded/model.safetensors.index.json", "model", 2, 2, "ok")], "an index")
tally.equal(rows(f"{TREE}/torn/model.safetensors.index.json")[0][1:], ("model", 2, None, "missing"), "an index whose shard is missing")
tally.equal(rows(f"{TREE}/bad.safetensors")[0][1:], ("unknown", 1, None, "invalid"), "a bad file")
tally.equal(rows(f"{TREE}/pipe/unet", "kind"), [("component",)] * 2, "a component is one wherever the search begins")
tally.equal(rows(f"{TREE}/pipe/unet/model.safetensors", "kind"), [("component",)], "and by itself")
tally.equal([row[0] for row in rows(f"{TREE}/*/model-00001-*")],
            [f"{TREE}/{name}" for name in ("broken", "contradicted", "gap", "mixed/model-?????-of-00002.safetensors", "no index", "sharded", "torn")],
            "shards that match stand for their sets")
tally.equal(rows(None), [], "NULL")
for path, words in {at("nowhere"): "no such file", f"{TREE}/nope*": "found none", "": "empty text", f"{TREE}/sol": 'did you mean "'}.items():
    tally.check(words in refused(path), f"{path!r} is an error", refused(path))
os.makedirs(at("bare"))
tally.equal(rows(at("bare")), [], "a folder without models")
here = os.getcwd()
os.chdir(f"{TREE}/pipe/unet")
tally.equal(rows(".", "model, kind"), [("./model.fp16.safetensors", "component"), ("./model.safetensors", "component")], "here")
tally.equal(rows("*.safetensors", "model, kind"), [("model.fp16.safetensors", "component"), ("model.safetensors", "component")], "a pattern here")
tally.equal(rows("model.safetensors", "model, kind"), [("model.safetensors", "component")], "a file here")
os.chdir(here)

making.model(at("forgotten"), {shard(i, 3): {f"{i}": bytes(i)} for i in (1, 2, 3)})
making.index(at("forgotten", "model.safetensors.index.json"), {"1": shard(1, 3), "3": shard(3, 3)})
tally.equal(rows(at("forgotten")), [(at("forgotten"), "model", 2, 2, "ok")], "a shard that the index forgets is no model")
tally.equal([row[0] for row in rows(at("forgotten", "*-00002-*"))], [at("forgotten", shard(2, 3))], "unless it is asked for")

# ---- Links, and what is not opened ----

LINKS = at("links")
making.file(f"{LINKS}/real/model.safetensors", WEIGHTS)
making.file(at("outside", "model.safetensors"), WEIGHTS)
os.symlink(".", f"{LINKS}/loop")
os.symlink("..", f"{LINKS}/real/up")
os.symlink("real", f"{LINKS}/a link")
os.symlink(at("outside"), f"{LINKS}/out")
os.symlink(at("outside"), f"{LINKS}/out again")
os.symlink("real/model.safetensors", f"{LINKS}/file.safetensors")
tally.equal([row[0] for row in below(LINKS)], ["file.safetensors", "out/model.safetensors", "real/model.safetensors"],
            "links to directories are followed once, real names first")
within = connect()
within.execute("SELECT safetensors_config('links', 'within')")
tally.equal([row[0].removeprefix(f"{LINKS}/") for row in within.execute("SELECT model FROM safetensors_models(?)", [LINKS])],
            ["file.safetensors", "real/model.safetensors"], "links = within stays in the folder")
if hasattr(os, "mkfifo"):
    PIPES = at("pipes")
    making.file(f"{PIPES}/model.safetensors", WEIGHTS)
    os.mkfifo(f"{PIPES}/fifo.safetensors")
    os.mkfifo(f"{PIPES}/config.json")
    os.symlink("/dev/zero", f"{PIPES}/zero.safetensors")
    tally.equal([(row[0], *row[3:]) for row in below(PIPES, "model, kind, files, status, config")],
                [("fifo.safetensors", "invalid", None), ("model.safetensors", "ok", None), ("zero.safetensors", "invalid", None)],
                "pipes and devices are never opened")

LOCKED = at("locked")
making.file(f"{LOCKED}/inner/model.safetensors", WEIGHTS)
making.file(f"{LOCKED}/model.safetensors", WEIGHTS)
os.chmod(f"{LOCKED}/inner", 0)
if os.access(f"{LOCKED}/inner", os.R_OK) and os.getuid() == 0 and shutil.which("setpriv") and shutil.which("sqlite3"):
    os.chmod(ROOT, 0o755)
    program = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "sqlite3", ":memory:", "-cmd",
                              f".load {os.path.abspath(os.environ.get('BUILD', 'build'))}/safetensors",
                              f"SELECT model, kind, files, status, error FROM safetensors_models('{LOCKED}')"],
                             capture_output=True, text=True, check=False)
    found = program.stdout.splitlines()
elif not os.access(f"{LOCKED}/inner", os.R_OK):
    found = ["|".join("" if value is None else str(value) for value in row) for row in rows(LOCKED, "model, kind, files, status, error")]
else:
    found = None
    print("skipped: a directory that may not be listed (nothing is forbidden here)")
if found is not None:
    tally.check(len(found) == 2 and found[0].startswith(f"{LOCKED}/inner|unknown|0|invalid|") and "cannot list the directory" in found[0] and
                found[1].startswith(f"{LOCKED}/model.safetensors|model|1|ok|"), "a directory that may not be listed is a row", found)
os.chmod(f"{LOCKED}/inner", 0o755)

# ---- Configurations ----

CONFIG = at("config")
LIMIT = 16 << 20
for name, text in {"exact": "{}".ljust(LIMIT), "large": "{}".ljust(LIMIT + 1), "list": "[1]", "cut": '{"a":', "deep": '{"a":' * 64 + "{}" + "}" * 64,
                   "other": '{"a": NaN}'}.items():
    making.file(f"{CONFIG}/{name}/model.safetensors", WEIGHTS)
    write(f"{CONFIG}/{name}/config.json", text)
tally.equal(below(CONFIG, "model, length(config), kind"),
            [(f"{name}/model.safetensors", LIMIT if name == "exact" else None, "model") for name in ("cut", "deep", "exact", "large", "list", "other")],
            "a configuration is a JSON object of at most 16 MB")

# ---- What changes is seen ----

CHANGES = at("changes")
making.file(f"{CHANGES}/a/one.safetensors", WEIGHTS)
tally.equal(below(CHANGES, "model, tensors"), [("a/one.safetensors", 2)], "before")
making.file(f"{CHANGES}/a/two.safetensors", LORA)
tally.equal(below(CHANGES, "model, tensors"), [("a/one.safetensors", 2), ("a/two.safetensors", 2)], "a new file")
making.file(f"{CHANGES}/a/two.safetensors", {"x": bytes(1)})
tally.equal(below(CHANGES, "model, tensors"), [("a/one.safetensors", 2), ("a/two.safetensors", 1)], "another file of the name")
making.model(f"{CHANGES}/b", {shard(1, 1): {"a": bytes(3)}})
tally.equal([row[0] for row in below(CHANGES)], ["a/one.safetensors", "a/two.safetensors", "b"], "a new directory")
making.file(f"{CHANGES}/b/extra.safetensors", {"b": bytes(3)})
making.index(f"{CHANGES}/b/model.safetensors.index.json", {"a": shard(1, 1), "b": "extra.safetensors"})
tally.equal(below(CHANGES, "model, files, tensors")[2], ("b", 2, 2), "another index")
making.file(f"{CHANGES}/pipe/unet/model.safetensors", WEIGHTS)
write(f"{CHANGES}/pipe/model_index.json", '{"unet": ["diffusers", "U"]}')
time.sleep(0.1)  # long enough for the session to keep what it found
tally.equal([rows(f"{CHANGES}/pipe", "kind") for _ in range(3)], [[("component",)]] * 3, "a pipeline")
write(f"{CHANGES}/pipe/model_index.json", '{"vae": ["diffusers", "V"]}')
tally.equal(rows(f"{CHANGES}/pipe", "kind"), [("model",)], "another pipeline")
shutil.rmtree(f"{CHANGES}/pipe")
shutil.rmtree(f"{CHANGES}/a")
tally.equal([row[0] for row in below(CHANGES)], ["b"], "a directory that is gone")

# ---- Hostile names ----

NAMES = at("names")
NAMED = ["a\n\x1b[2J.safetensors", "caf\u00e9.safetensors", "#?.safetensors", "%41.safetensors", "[x]*.safetensors", "-- 'q\".safetensors"]
for name in NAMED:
    making.file(os.path.join(NAMES, name), WEIGHTS)
tally.equal(sorted(row[0] for row in below(NAMES)), sorted(NAMED), "names are as they are")
tally.equal({row[3] for row in below(NAMES)}, {2}, "and are opened")
making.file(f"{NAMES}/set [1]*/{shard(1, 2, 'm[*]')}", {"a.weight": bytes(3)})
making.file(f"{NAMES}/set [1]*/{shard(2, 2, 'm[*]')}", {"b.weight": bytes(3)})
making.file(f"{NAMES}/set [1]*/other.safetensors", WEIGHTS)
sets = [row[0] for row in rows(f"{NAMES}/set [1]*")]
tally.equal(len(sets), 2, "a set with a hostile name")
tally.equal(sorted(db.execute("SELECT count(*) FROM safetensors_tensors(?)", [path]).fetchone()[0] for path in sets), [2, 2], "is found by its pattern")
try:
    making.file(os.fsencode(NAMES).decode() + "/caf\udce9.safetensors", WEIGHTS)
    found = [row[0] for row in rows(NAMES) if "%E9" in row[0]]
    tally.equal(found, [f"{NAMES}/caf%E9.safetensors"], "bytes that are not UTF-8 are escaped")
    tally.equal(rows(NAMES, "status", "WHERE model = ?", found[0]), [("ok",)], "and found by that name")
    tally.equal(db.execute("SELECT count(*) FROM safetensors_tensors(?)", found).fetchone(), (2,), "and opened")
except OSError:
    print("skipped: names that are not UTF-8 (the file system has none)")

# ---- Hub caches ----


def hub(directory):
    os.environ["HF_HUB_CACHE"] = directory


def snapshot(cache, repository, commit, files, **refs):
    for name, tensors in files.items():
        making.file(f"{cache}/{repository}/snapshots/{commit}/{name}", tensors)
    for ref, hash_ in refs.items():
        write(f"{cache}/{repository}/refs/{ref.replace('__', '/')}", hash_)


CACHE = at("cache")
snapshot(CACHE, "models--org--one", "c1", {"model.safetensors": WEIGHTS}, main="c2", v1="c1", refs__pr__3="c3")
snapshot(CACHE, "models--org--one", "c2", {"model.safetensors": WEIGHTS, "sub/other.safetensors": LORA})
snapshot(CACHE, "models--org--one", "c3", {"model.safetensors": WEIGHTS})
snapshot(CACHE, "models--org--one", "c4", {"model.safetensors": WEIGHTS})
snapshot(CACHE, "models--lone", "c1", {"model.safetensors": WEIGHTS}, main="c1")
snapshot(CACHE, "datasets--org--data", "c1", {"train/x.safetensors": {"emb": bytes(3)}}, main="c1", a__b="c1")
snapshot(CACHE, "models--org--pinned", "c1", {"model.safetensors": WEIGHTS}, a__b="c1")
write(f"{CACHE}/models--org--gone/refs/main", "c9")
write(f"{CACHE}/version.txt", "1")
hub(CACHE)
ALL = ["hf://datasets/org/data/train/x.safetensors", "hf://lone/model.safetensors", "hf://org/one/model.safetensors", "hf://org/one/sub/other.safetensors",
       "hf://org/one@c4/model.safetensors", "hf://org/one@refs/pr/3/model.safetensors", "hf://org/one@v1/model.safetensors",
       "hf://org/pinned@a%2Fb/model.safetensors"]
tally.equal(sorted(row[0] for row in rows("hf://")), ALL, "hf:// lists main and every revision")
for path in ALL:
    tally.equal(db.execute("SELECT count(*) FROM safetensors_tensors(?)", [path]).fetchone()[0], 1 if "data" in path else 2, f"{path} opens")
    tally.equal(rows("hf://", "status", "WHERE model = ?", path), [("ok",)], f"{path} is found")
tally.equal([row[0] for row in rows("hf://datasets")], ALL[:1], "hf://datasets")
tally.equal([row[0] for row in rows("hf://org/one")], ALL[2:4], "a repository")
tally.equal([row[0] for row in rows("hf://org/one@v1")], ALL[6:7], "a revision")
tally.equal([row[0] for row in rows("hf://org/one/sub")], ALL[3:4], "a directory of it")
tally.equal([row[0] for row in rows(ALL[3])], ALL[3:4], "a file of it")
write(f"{CACHE}/models--org--one/refs/main", "c4")
tally.equal(sorted(row[0] for row in rows("hf://org/one")), ["hf://org/one/model.safetensors"], "main moves on")
tally.check("did you mean" in refused("hf://org/onne"), "a repository that is not there", refused("hf://org/onne"))
hub(at("no cache"))
tally.check("no such directory" in refused("hf://"), "no cache", refused("hf://"))
del os.environ["HF_HUB_CACHE"]

# ---- What other tools wrote ----


def oracle_of(directory):
    with open(f"{directory}/ORACLE.json", encoding="utf-8") as file:
        return json.load(file)


def check_oracle(directory):
    """Each file of the oracle is in one model, and the models have as many tensors and bytes as their files."""
    oracle = oracle_of(directory)
    files = {name: entry["tensors"] for name, entry in oracle["files"].items() if name.endswith(".safetensors") and not name.startswith("oracle/")}
    found = [row for row in rows(directory, "model, kind, files, tensors, nbytes, status") if "/oracle/" not in row[0]]
    name = os.path.relpath(directory, MODELS)
    tally.equal(sum(row[2] for row in found), len(files), f"{name}: files")
    tally.equal(sum(row[3] for row in found), sum(len(tensors) for tensors in files.values()), f"{name}: tensors")
    tally.equal(sum(row[4] for row in found), sum(tensor["nbytes"] for tensors in files.values() for tensor in tensors.values()), f"{name}: bytes")
    tally.equal({row[5] for row in found} - {"ok", "empty"}, set(), f"{name}: status")
    room = name.split(os.sep)[0]
    kind = {"transformers": "model", "quant": "model", "peft": "adapter"}.get(room)
    if kind is not None:
        kind = "model" if os.path.basename(name).startswith("base-") else kind
        tally.equal({row[1] for row in found}, {kind}, f"{name}: kind")
    if room in ("transformers", "quant"):
        tally.equal(len(found), 1, f"{name}: one model")


KINDS = {"kohya-loha": "adapter", "kohya-lora-alphas": "adapter", "lora-flux-metadata": "adapter", "lora-kohya-from-diffusers": "adapter",
         "lora-sd15-metadata": "adapter", "sd15-with-fp16-variant": "component", "sdxl-fp16-variant-only": "component", "single-file-prefixes": "model",
         "textual-inversion": "embedding", "vae-fp32": "model", "flux-transformer-bf16-sharded": "model", "sd3-transformer-fp16-variant-sharded": "model"}

if MODELS and os.path.isdir(MODELS):
    folders = [os.path.dirname(path) for path in sorted(glob.glob(f"{MODELS}/*/*/ORACLE.json"))]
    for folder in folders:
        check_oracle(folder)
    for name, kind in KINDS.items():
        tally.equal({row[1] for row in rows(f"{MODELS}/diffusers/{name}")}, {kind}, f"{name}: kind")
    tally.equal(len(rows(f"{MODELS}/diffusers/sd15-with-fp16-variant")), 6, "two variants of three components")
    tally.equal({row[1] for row in rows(f"{MODELS}/train/trainer-checkpoints")}, {"model"}, "checkpoints of a run")
    with tarfile.open(f"{MODELS}/hub.tar.xz") as archive:
        archive.extractall(at("hub"), filter="fully_trusted") if hasattr(tarfile, "fully_trusted_filter") else archive.extractall(at("hub"))
    hub(at("hub", "hub", "cache-two-revisions", "hub"))
    tally.equal(rows("hf://", "model, kind, files, status"),
                [("hf://datasets/tiny-org/embeddings/train/emb.safetensors", "unknown", 1, "ok"), ("hf://tiny-org/llama-sharded", "model", 5, "ok"),
                 ("hf://tiny-org/llama-sharded@v1.0", "model", 5, "ok"), ("hf://tiny-org/lora/adapter_model.safetensors", "adapter", 1, "ok")],
                "the hub's own cache")
    tally.equal(rows("hf://tiny-org/llama-sharded@v1.0", "model, files, status"), [("hf://tiny-org/llama-sharded@v1.0", 5, "ok")], "and one revision")
    hub(at("hub", "hub", "cache-diffusers-by-commit", "hub"))
    tally.equal({row[1] for row in rows("hf://")}, {"component"}, "a pipeline in it")
else:
    print("skipped: models of other tools (MODELS is not a directory)")

shutil.rmtree(ROOT)
tally.finish()
