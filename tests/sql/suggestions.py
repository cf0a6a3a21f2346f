"""What a name that is none may have meant: tensors, files, directories, models of the cache; and what that costs."""

import functools
import os
import tempfile
import time

import making
from tally import Tally, connect, database_error

tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="suggestions.")
for variable in ("HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
    os.environ.pop(variable, None)
os.environ["HF_HUB_CACHE"] = f"{ROOT}/hub"


error_of = functools.partial(database_error, db)


def says(message, words, what):
    if words is None:
        tally.check("did you mean" not in message and "no error" not in message, f"{what}: nothing is near", message)
    else:
        tally.check(message.rstrip().endswith(words) or words in message, f"{what}: {words}", message)


NAMES = ["model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.up_proj.weight",
         "model.layers.1.mlp.up_proj.weight", "lm_head.weight", "x"]
WRONG = {"model.embed_tokens.wieght": 'did you mean "model.embed_tokens.weight"?', "lm_head": 'did you mean "lm_head.weight"?',
         "layers.0.mlp.up_proj.weight": 'did you mean "model.layers.0.mlp.up_proj.weight"?',
         "model.layers.0.self_attn.q_proj.weights": 'did you mean "model.layers.0.self_attn.q_proj.weight"?',
         "base_model.lm_head.weight": 'did you mean "lm_head.weight"?', "LM_HEAD.weight": 'did you mean "lm_head.weight"?',
         "model.layers.2.mlp.up_proj.weight": 'did you mean "model.layers.0.mlp.up_proj.weight" or "model.layers.1.mlp.up_proj.weight"?',
         "something.else": None, "y": None, "": None}


def test_tensors():
    path = making.file(f"{ROOT}/t/model.safetensors", {name: b"\1" for name in NAMES})
    making.model(f"{ROOT}/sharded", {"1.safetensors": {name: b"\1" for name in NAMES[:3]},
                                     "2.safetensors": {name: b"\1" for name in NAMES[3:]}})
    for n, name in enumerate(NAMES):
        making.file(f"{ROOT}/several/{n}.safetensors", {name: b"\1"})
    db.execute(f"CREATE VIRTUAL TABLE temp.m USING safetensors('{path}')")
    for where in (path, f"{ROOT}/t", f"{ROOT}/sharded", f"{ROOT}/several"):
        for wrong, words in WRONG.items():
            for sql in ("SELECT tensor_shape(? || '#' || ?)", "SELECT * FROM tensor_stats(? || '#' || ?)"):
                message = error_of(sql, where, wrong)
                tally.check(f'expected a tensor "{wrong}", found none' in message, f"{wrong} is not there", message)
                says(message, words, f"{wrong} in {where}")


def test_files():
    making.file(f"{ROOT}/f/model.safetensors", {"a": b"\1"})
    making.file(f"{ROOT}/f/adapter_model.safetensors", {"a": b"\1"})
    with open(f"{ROOT}/f/config.json", "w", encoding="utf-8") as out:
        out.write('{"architectures": ["LlamaForCausalLM"]}')
    os.makedirs(f"{ROOT}/hub/models--org--tiny")
    os.makedirs(f"{ROOT}/hub/models--gpt2")
    for path, words in [
            (f"{ROOT}/f/modle.safetensors", f'no such file; did you mean "{ROOT}/f/model.safetensors"?'),
            (f"{ROOT}/f/model", f'did you mean "{ROOT}/f/model.safetensors"?'),
            (f"{ROOT}/f/MODEL.safetensors", f'did you mean "{ROOT}/f/model.safetensors"?'),
            (f"{ROOT}/f/adapter_model.safetensor", f'did you mean "{ROOT}/f/adapter_model.safetensors"?'),
            (f"{ROOT}/ff", f'did you mean "{ROOT}/f"?'), (f"{ROOT}/f/nothing.like.it", None), (f"{ROOT}/none/x.safetensors", None),
            ("org/tiny", 'did you mean "hf://org/tiny"?'), ("gpt2", 'did you mean "hf://gpt2"?'),
            ("hf:org/tiny", 'did you mean "hf://org/tiny"?'), ("org/absent", None), ("../gpt2", None),
            (f"{ROOT}/f/config.json", f'a JSON text, as configurations, tokenizers and indexes are; name the *.safetensors '
             f'file, the *.safetensors.index.json file or their directory; did you mean its directory, "{ROOT}/f"?')]:
        for sql in ("SELECT * FROM safetensors_tensors(?)", "SELECT tensor_shape(? || '#a')"):
            says(error_of(sql, path), words, path)
        error, status = db.execute("SELECT error, status FROM safetensors_files(?)", (path,)).fetchone()
        says(error, words, f"files of {path}")
        tally.equal(status, "invalid" if path.endswith(".json") else "missing", f"status of {path}")
    os.chdir(f"{ROOT}/f")
    says(error_of("SELECT * FROM safetensors_tensors('modle.safetensors')"), 'did you mean "model.safetensors"?', "here")
    says(error_of("SELECT * FROM safetensors_tensors('config.json')"), 'did you mean its directory, "."?', "config.json here")
    os.chdir("/")
    os.symlink("nowhere.safetensors", f"{ROOT}/f/dangling.safetensors")
    says(error_of("SELECT * FROM safetensors_tensors(?)", f"{ROOT}/f/dangling.safetensors"), None, "a link that leads nowhere")


def test_directories():
    making.file(f"{ROOT}/pipe/unet/model.safetensors", {"a": b"\1"})
    making.file(f"{ROOT}/pipe/text/encoder/model.safetensors", {"a": b"\1"})
    making.file(f"{ROOT}/pipe/.hidden/model.safetensors", {"a": b"\1"})
    os.makedirs(f"{ROOT}/pipe/empty")
    os.symlink("..", f"{ROOT}/pipe/empty/up")
    message = error_of("SELECT * FROM safetensors_tensors(?)", f"{ROOT}/pipe")
    tally.check(message.endswith(f"found none; there are some in {ROOT}/pipe/unet, {ROOT}/pipe/text/encoder"),
                "the directories below that have checkpoints", message)
    message = error_of("SELECT * FROM safetensors_tensors(?)", f"{ROOT}/pipe/empty")
    tally.check(message.endswith("found none"), "none below, and no link is followed", message)
    for n in range(30):
        making.file(f"{ROOT}/runs/{n:02}/model.safetensors", {"a": b"\1"})
    message = error_of("SELECT * FROM safetensors_tensors(?)", f"{ROOT}/runs")
    tally.check("/runs/00, " in message and "/runs/04, ..." in message and "/runs/05" not in message, "a few of many", message)
    # A repository's directory in the cache: its snapshots.
    making.file(f"{ROOT}/hub/models--org--tiny/snapshots/{'a' * 40}/model.safetensors", {"a": b"\1"})
    message = error_of("SELECT * FROM safetensors_tensors(?)", f"{ROOT}/hub/models--org--tiny")
    tally.check(f"there are some in {ROOT}/hub/models--org--tiny/snapshots/{'a' * 40}" in message, "a snapshot", message)


def test_itself():
    """A name is never proposed for itself: a tensor that is in another shard than the index says."""
    making.model(f"{ROOT}/wrong", {"1.safetensors": {"a.weight": b"\1"}, "2.safetensors": {"b.weight": b"\1"}})
    index = f"{ROOT}/wrong/model.safetensors.index.json"
    with open(index, encoding="utf-8") as file:
        text = file.read()
    with open(index, "w", encoding="utf-8") as out:
        out.write(text.replace("1.safetensors", "x").replace("2.safetensors", "1.safetensors").replace("x", "2.safetensors"))
    message = error_of("SELECT tensor_shape(? || '#a.weight')", f"{ROOT}/wrong")
    tally.check("found none" in message and 'did you mean "a.weight"' not in message, "a tensor in another shard", message)


def test_cost_of_many():
    """Thousands of files that are not there, in a statement that goes on: a few of them are searched for."""
    os.makedirs(f"{ROOT}/crowd")
    for n in range(4000):
        os.close(os.open(f"{ROOT}/crowd/model-{n:05}.safetensors", os.O_CREAT))
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT"
    path = f"'{ROOT}/crowd/model-' || printf('%05d', i)"
    skipping = connect()
    skipping.execute("SELECT safetensors_config('errors', 'skip')")
    for what, where, sql in [
            ("files", db, f"{numbers} count(*) FROM n LEFT JOIN safetensors_files({path})"),
            ("tables", skipping, f"{numbers} count(*) FROM n LEFT JOIN safetensors_tensors({path})"),
            ("functions", skipping, f"{numbers} count(*) FROM n WHERE tensor_shape({path} || '#a') IS NULL"),
            ("hub", db, f"{numbers} count(*) FROM n LEFT JOIN safetensors_files('hf://org/tinx' || i)")]:
        began = time.monotonic()
        tally.equal(where.execute(sql).fetchall(), [(1000,)], what)
        took = time.monotonic() - began
        print(f"1000 {what} that are not there: {took:.3f} s")
        tally.check(took < 1.5, f"1000 {what} that are not there", took)
    first = db.execute("SELECT error FROM safetensors_files(?)", (f"{ROOT}/crowd/model-0001.safetensors",)).fetchone()[0]
    tally.check("did you mean" in first, "the next statement searches again", first)


def test_cost():
    """A name that is not among 200,000 is an error soon."""
    names = {f"model.layers.{n}.block_sparse_moe.experts.{n % 97}.w{n % 3}.weight": b"" for n in range(200_000)}
    path = making.file(f"{ROOT}/many/model.safetensors", names)
    db.execute("SELECT count(*) FROM safetensors_tensors(?)", (path,)).fetchall()
    began = time.monotonic()
    message = error_of("SELECT tensor_shape(? || '#model.layers.777777.block_sparse_moe.experts.1.w1.weight')", path)
    took = time.monotonic() - began
    print(f"near names among 200,000: {took:.3f} s")
    tally.check("did you mean" in message or "found none" in message, "an error", message)
    tally.check(took < 2, "near names are found soon", took)
    for n in range(300):
        os.makedirs(f"{ROOT}/deep/{n}/{n}/{n}")
    began = time.monotonic()
    error_of("SELECT * FROM safetensors_tensors(?)", f"{ROOT}/deep")
    took = time.monotonic() - began
    print(f"nothing below among 900 directories: {took:.3f} s")
    tally.check(took < 2, "the search below is bounded", took)


tally.run(globals(), ROOT)
