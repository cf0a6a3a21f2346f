#!/usr/bin/env python3
"""Places of the network that have several files: safetensors_models, _files and _verify over a hub, a store and the web, all on
loopback, give what they give over the same directory on this machine; and how little is asked for."""

import json
import os
import re
import struct
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

from folder_server import FolderServer  # noqa: E402  pylint: disable=wrong-import-position
from tally import Tally, connect, database_error  # noqa: E402  pylint: disable=wrong-import-position
from web_server import COMMIT  # noqa: E402  pylint: disable=wrong-import-position

tally = Tally()
root = tempfile.mkdtemp()
FOLDER = os.path.join(root, "folder")


def put(name, body):
    path = os.path.join(FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(body if isinstance(body, bytes) else body.encode())


def model(**shapes):
    """A file of F32 tensors."""
    header, data = {}, b""
    for name, shape in shapes.items():
        count = 1
        for size in shape:
            count *= size
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * count]}
        data += struct.pack(f"<{count}f", *(i % 9 for i in range(count)))
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


SHARDS = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
for number, shard in enumerate(SHARDS):
    put(shard, model(**{f"layers.{number}.w": [20, 30]}))
put("model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": {f"layers.{number}.w": shard for number, shard in enumerate(SHARDS)}}))
put("config.json", '{"model_type":"llama"}')
put("model_index.json", '{"unet":["diffusers","UNet"]}')
put("unet/diffusion_pytorch_model.safetensors", model(conv=[3, 3]))
put("unet/config.json", "{}")
put("adapter/adapter_model.safetensors", model(**{"base_model.model.q.lora_A.weight": [4, 8], "base_model.model.q.lora_B.weight": [8, 4]}))
put("adapter/adapter_config.json", '{"r":4,"peft_type":"LORA","lora_alpha":8}')
for number in (1, 2):
    put(f"sets/x-0000{number}-of-00003.safetensors", model(**{f"a{number}": [2]}))
put("sets/lone one#1.safetensors", model(z=[1]))
put("deep/er/one.safetensors", model(z=[1]))
put("deep/models [v1]/one.safetensors", model(z=[1]))
put(".git/hidden.safetensors", model(z=[1]))
put("bad.safetensors", "nonsense")
put("empty.safetensors", model())
put("README.md", "hello")
for number in range(40):
    put(f"many/m{number}.safetensors", model(z=[number]))

served = FolderServer(FOLDER)
for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("AWS_", "HF_"))]:
    del os.environ[variable]
os.environ.update(served.environment, SAFETENSORS_HEADER_CACHE="off", XDG_CACHE_HOME=os.path.join(root, "xdg"), HF_HUB_CACHE=os.path.join(root, "cache"))
HUB, STORE, WEB = (served.places[name] for name in ("hub", "store", "web"))


def online():
    db = connect()
    db.execute("SELECT safetensors_config('network', 'on')").fetchall()
    return db


def rows(db, sql, *arguments):
    return db.execute(sql, arguments).fetchall()


def plain(lines, place):
    """Rows without the place that their paths begin with."""
    return [tuple(re.sub(f"@{COMMIT}", "", value).replace(place, "PLACE") if isinstance(value, str) else value for value in line) for line in lines]


MODELS = "SELECT model, kind, files, tensors, numel, nbytes, status, error, config, index_file FROM safetensors_models(?)"


def test_models():
    """What a folder has, a repository and a bucket have."""
    db = online()
    here = plain(rows(db, MODELS, FOLDER), FOLDER)
    tally.equal(len(here), 49, "models of the folder")
    for place in HUB, STORE:
        tally.equal(plain(rows(db, MODELS, place), place), here, place)
        for below in "/sets", "/deep", "/unet/":
            tally.equal(plain(rows(db, MODELS, place + below), place), plain(rows(db, MODELS, FOLDER + below), FOLDER), place + below)
        for pattern in "/*/*.safetensors", "/sets/x*", "/*", "/**/one.safetensors", "/**", "/mod*", "/deep/*/one.safetensors", "/deep/models [v1]/one.safetensors":
            tally.equal(plain(rows(db, MODELS, place + pattern), place), plain(rows(db, MODELS, FOLDER + pattern), FOLDER), place + pattern)
    for place in HUB, STORE, WEB:
        for file in "unet/diffusion_pytorch_model.safetensors", "model.safetensors.index.json", "bad.safetensors", SHARDS[1], "adapter/adapter_model.safetensors", "sets/lone one#1.safetensors":
            if place == WEB and "#" in file:
                continue
            tally.equal(plain(rows(db, MODELS, f"{place}/{file}"), place), plain(rows(db, MODELS, f"{FOLDER}/{file}"), FOLDER), f"{place}/{file}")
    for table in "tensors", "files":
        sql = f"SELECT m.model, count(*) FROM safetensors_models(?) AS m, safetensors_{table}(m.model) WHERE m.status IN ('ok', 'empty') GROUP BY 1"
        expected = plain(rows(db, sql, FOLDER + "/deep"), FOLDER)
        for place in HUB, STORE:
            tally.equal(plain(rows(db, sql, place + "/deep"), place), expected, f"a join with safetensors_{table}")


def test_names():
    db = online()
    names = [name for name, in rows(db, "SELECT model FROM safetensors_models('hf://org/folder@dev/unet')")]
    tally.equal(names, ["hf://org/folder@dev/unet/diffusion_pytorch_model.safetensors"], "the revision that was given")
    tally.equal(rows(db, "SELECT kind FROM safetensors_models(?) WHERE model = ?", STORE, STORE + "/bad.safetensors"), [("model",)], "a lookup")
    web = f"{served.environment['HF_ENDPOINT']}/org/folder/tree/main/unet"
    tally.equal(plain(rows(db, MODELS, web), HUB), plain(rows(db, MODELS, FOLDER + "/unet"), FOLDER), "the hub's web address")
    for address, words in ((STORE + "/none", "found none"), (HUB + "/none", "found none"), ("hf://org/none", "none of that name"), ("s3://none/x", "bucket does not exist"),
                           (HUB + "/none.safetensors", "found none"), (STORE + "/none.safetensors", "found none"), (STORE + "/none.safetensors.index.json", "found none")):
        problem = database_error(db, "SELECT * FROM safetensors_models(?)", address)
        tally.check(problem.startswith("safetensors: ") and words in problem, address, problem)
    tally.equal(rows(db, "SELECT status FROM safetensors_models(?)", WEB + "/none.safetensors"), [("missing",)], "nobody knows what the web has")


def test_models_requests():
    """Lists and indexes alone, until a column needs more."""
    db = online()
    served.asked()
    rows(db, "SELECT model, files FROM safetensors_models(?)", HUB)
    asked = [path for _, path, _ in served.asked()]
    tally.equal(([path for path in asked if "/api/" not in path], len(asked)), ([f"/org/folder/resolve/{COMMIT}/model.safetensors.index.json"], 4),
                "a repository: its commit, two pages of its list, its index")
    rows(db, "SELECT model, files FROM safetensors_models(?)", HUB + "/many")
    tally.equal(served.asked(), [], "what is known of a commit is not asked for again")
    rows(db, "SELECT model, kind FROM safetensors_models(?)", STORE + "/adapter")
    asked = [path for _, path, _ in served.asked()]
    tally.check("adapter_model.safetensors" not in str(asked) or len(asked) < 5, "a kind", str(asked))
    rows(db, "SELECT model, files FROM safetensors_models(?)", STORE + "/many")
    tally.equal({path for _, path, _ in served.asked()}, {"/folder/"}, "lists of a store")
    rows(db, "SELECT status FROM safetensors_models(?)", STORE + "/many")
    asked = [path for _, path, _ in served.asked() if path != "/folder/"]
    tally.equal(len(asked), 40, "one header each")
    rows(db, "SELECT model FROM safetensors_models(?)", WEB + "/config.safetensors")
    tally.equal(served.asked(), [], "the name of a file of the web")


def test_off():
    served.asked()
    db = connect()
    for place in HUB, STORE, WEB + "/bad.safetensors":
        problem = database_error(db, "SELECT * FROM safetensors_models(?)", place)
        tally.check("network" in problem, place, problem)
    tally.equal(served.asked(), [], "nobody was asked")


probe = database_error(online(), "SELECT count(*) FROM safetensors_models(?)", HUB)
if "install libcurl" in probe:
    print("skipped: the network (neither libcurl nor curl)")
    tally.finish()
with served:
    tally.run(globals(), root)
