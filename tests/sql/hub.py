"""hf:// and web addresses of a hub, as huggingface_hub reads them, for what the cache holds; and what is said of
what it does not hold."""

import functools
import os
import shutil
import tempfile

import making
from tally import Tally, connect, database_error

tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="hub.")
VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_ENDPOINT")
for variable in VARIABLES:
    os.environ.pop(variable, None)
os.environ["HOME"] = f"{ROOT}/home"
HUB = f"{ROOT}/hub"
COMMITS = {"main": "a" * 40, "fp16": "b" * 40, "refs/pr/11": "c" * 40, "feature/x": "d" * 40}


def rows(sql, *arguments):
    return db.execute(sql, arguments).fetchall()


def names(path):
    return [name for name, in rows("SELECT name FROM safetensors_tensors(?)", path)]


error_of = functools.partial(database_error, db, "SELECT * FROM safetensors_tensors(?)")


def repository(directory, tensor, revisions=("main",)):
    for revision in revisions:
        snapshot = f"{HUB}/{directory}/snapshots/{COMMITS[revision]}"
        name = f"{tensor}.{revision}"
        making.file(f"{snapshot}/model.safetensors", {name: b"\1"})
        making.file(f"{snapshot}/vae/x y.safetensors", {f"vae.{name}": b"\2"})
        os.makedirs(os.path.dirname(f"{HUB}/{directory}/refs/{revision}"), exist_ok=True)
        with open(f"{HUB}/{directory}/refs/{revision}", "w", encoding="utf-8") as out:
            out.write(COMMITS[revision])


def make_cache():
    repository("models--gpt2", "gpt2")
    repository("models--org--name", "name", COMMITS)
    repository("models--org--vae", "model")
    repository("models--solo", "alone")
    repository("datasets--org--name", "data")
    repository("spaces--org--name", "space")
    repository("datasets--org--set", "set")
    os.environ["HF_HUB_CACHE"] = HUB


def test_addresses():
    make_cache()
    web = "https://huggingface.co"
    for path, expected in [
            # without an organisation
            ("hf://gpt2", "gpt2.main"), ("hf://gpt2@main", "gpt2.main"), ("hf://gpt2/model.safetensors", "gpt2.main"),
            ("hf://gpt2@main/model.safetensors", "gpt2.main"), ("hf://gpt2/vae/x y.safetensors", "vae.gpt2.main"),
            (f"hf://gpt2@{'a' * 40}", "gpt2.main"), ("hf://gpt2/", "gpt2.main"), ("hf://models/gpt2", "gpt2.main"),
            # two components are the repository if there is one
            ("hf://org/vae", "model.main"), ("hf://solo", "alone.main"), ("hf://solo/vae", "vae.alone.main"),
            ("hf://solo/model.safetensors", "alone.main"),
            ("hf://solo/vae/", "vae.alone.main"), ("hf://org/name@fp16/vae/", "vae.name.fp16"),
            # kinds
            ("hf://models/org/name", "name.main"), ("hf://datasets/org/name", "data.main"),
            ("hf://spaces/org/name", "space.main"), ("hf://datasets/org/name@main/model.safetensors", "data.main"),
            # revisions
            ("hf://org/name@fp16", "name.fp16"), ("hf://org/name@refs/pr/11", "name.refs/pr/11"),
            ("hf://org/name@refs%2Fpr%2F11", "name.refs/pr/11"), ("hf://org/name@refs/pr/11/model.safetensors", "name.refs/pr/11"),
            ("hf://org/name@feature%2Fx", "name.feature/x"), ("hf://org/name@fp%316/vae", "vae.name.fp16"),
            # what a browser's address bar has
            (f"{web}/org/name", "name.main"), (f"{web}/org/name/", "name.main"), (f"{web}/gpt2", "gpt2.main"),
            (f"{web}/org/name/tree/main", "name.main"), (f"{web}/org/name/tree/fp16/vae", "vae.name.fp16"),
            (f"{web}/org/name/blob/main/model.safetensors", "name.main"),
            (f"{web}/org/name/resolve/fp16/model.safetensors?download=true", "name.fp16"),
            (f"{web}/org/name/raw/fp16/model.safetensors#L1", "name.fp16"),
            (f"{web}/org/name/blob/main/vae/x%20y.safetensors", "vae.name.main"),
            (f"{web}/org/name/blob/refs%2Fpr%2F11/model.safetensors", "name.refs/pr/11"),
            (f"{web}/org/name/resolve/feature%2Fx/model.safetensors", "name.feature/x"),
            (f"{web}/gpt2/blob/main/model.safetensors", "gpt2.main"), (f"{web}/gpt2/tree/main", "gpt2.main"),
            (f"{web}/datasets/org/name/tree/main", "data.main"), (f"{web}/spaces/org/name", "space.main"),
            (f"{web}/org/name/tree", "name.main"), ("http://hf.co/org/name", "name.main"),
            ("HTTPS://HuggingFace.co/org/name", "name.main")]:
        tally.equal(names(path), [expected], path)
    tally.equal(rows("SELECT tensor_json(?)", "https://huggingface.co/org/name#name.main"), [("[1]",)], "a ref")
    os.environ["HF_ENDPOINT"] = "https://hub.example.com/hf/"
    tally.equal(names("https://hub.example.com/hf/org/name/tree/fp16"), ["name.fp16"], "HF_ENDPOINT")
    tally.check("a web address" in error_of("https://hub.example.com/hfx/org/name"), "another address")
    del os.environ["HF_ENDPOINT"]
    for path in ("https://huggingface.co/org/name/discussions/1", "https://huggingface.co/org/name/commits/main"):
        tally.check("another page's" in error_of(path), path)
    for path in ("hf://org/name@..", "hf://org/name@%2e%2e%2f%2e%2e", "hf://../name", "hf://org/..", "hf://", "hf://org/name/../x", "hf://org/name/vae//",
                 "https://huggingface.co/org/name/blob/../x", "https://huggingface.co/../x", "https://huggingface.co/",
                 "https://huggingface.co/org/name/blob/main/%2e%2e/x"):
        tally.check("expected hf://" in error_of(path), path, error_of(path))


def test_missing():
    make_cache()
    for path, *words in [
            ("hf://org/nosuch", "models--org--nosuch", "hf download"),
            ("hf://org/nane", "models--org--nane", 'did you mean "hf://org/name"'), ("hf://gtp2", '"hf://gpt2"'),
            ("hf://name", "models--name", '"hf://org/name"'), ("hf://ORG/name", '"hf://org/name"'),
            ("hf://datasets/org/nane", "datasets--org--nane", 'did you mean "hf://datasets/org/name"?'),
            ("hf://org/set", "models--org--set", 'did you mean "hf://datasets/org/set"?'),
            ("hf://spaces/gpt2", "spaces--gpt2", 'did you mean "hf://models/gpt2"?'),
            ("https://huggingface.co/org/absent", "models--org--absent"),
            ("hf://org/name@v9", 'revision "v9"', "feature/x, fp16, main, refs/pr/11", "a" * 40),
            (f"hf://org/name@{'a' * 7}", "commits: " + "a" * 40), ("hf://org/name/none.safetensors", "no such file")]:
        for word in (path if "none" not in path else "none.safetensors", *words):
            tally.check(word in error_of(path), f"{path}: {word}", error_of(path))
        tally.equal(rows("SELECT status FROM safetensors_files(?)", path), [("missing",)], f"status of {path}")
    os.remove(f"{HUB}/models--org--name/refs/main")
    tally.check('revision "main"' in error_of("hf://org/name") and "the cache has feature/x, fp16, refs/pr/11; commits: " in
                error_of("hf://org/name"), "without refs/main: the revisions that are there", error_of("hf://org/name"))
    shutil.rmtree(f"{HUB}/models--gpt2/refs")
    tally.check("the cache has no names, commits: " + "a" * 40 in error_of("hf://gpt2"), "without refs", error_of("hf://gpt2"))
    # No message quotes what a ref's file contains.
    os.makedirs(f"{HUB}/models--gpt2/refs")
    with open(f"{HUB}/models--gpt2/refs/main", "w", encoding="utf-8") as out:
        out.write("..")
    tally.check("found something else" in error_of("hf://gpt2"), "a bad ref", error_of("hf://gpt2"))


def test_variables():
    """In huggingface_hub's order (constants.py), as os.path.expanduser() and expandvars() expand them."""
    make_cache()
    del os.environ["HF_HUB_CACHE"]
    os.environ["PLACE"] = "somewhere"
    places = [({}, "home/.cache/huggingface/hub"), ({"XDG_CACHE_HOME": f"{ROOT}/xdg"}, "xdg/huggingface/hub"),
              ({"XDG_CACHE_HOME": "~/xdg"}, "home/xdg/huggingface/hub"), ({"HF_HOME": f"{ROOT}/hf"}, "hf/hub"),
              ({"HF_HOME": "~/$PLACE"}, "home/somewhere/hub"), ({"HF_HOME": "~"}, "home/hub"),
              ({"HUGGINGFACE_HUB_CACHE": f"{ROOT}/${{PLACE}}x"}, "somewherex"), ({"HF_HUB_CACHE": "~/a/$PLACE/b"}, "home/a/somewhere/b"),
              ({"HF_HUB_CACHE": f"{ROOT}/$NOSUCH/${{}}$"}, "$NOSUCH/${}$")]
    order = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"]
    for variables, place in places:
        os.makedirs(os.path.dirname(f"{ROOT}/{place}"), exist_ok=True)
        os.rename(HUB, f"{ROOT}/{place}")
        os.environ.update(variables)
        for later in order[order.index(next(iter(variables))) + 1:] if variables else []:
            os.environ[later] = "/nowhere"
        tally.equal(names("hf://org/vae"), ["model.main"], f"the cache is found with {variables}")
        os.rename(f"{ROOT}/{place}", HUB)
        for variable in order:
            os.environ.pop(variable, None)


tally.run(globals(), ROOT)
