#!/usr/bin/env python3
"""Places of the network that have several files: safetensors_models, _files and _verify over a hub, a store and the web, all on
loopback, give what they give over the same directory on this machine; and how little is asked for."""

import hashlib
import json
import os
import re
import shutil
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


ODD = "odd names/"


def test_odd_names():
    """Keys of a store, and paths of a repository, are text that means itself."""
    for name in "ü+b c%41&<x>'.safetensors", "x#y?z.safetensors", "a[1].safetensors", "%E9.safetensors", "b*c.safetensors":
        put(ODD + name, model(z=[3]))
    fresh = online()
    for place in HUB, STORE:
        names = [(f"{place}/{ODD}{name}",) for name in sorted(os.listdir(os.path.join(FOLDER, ODD)))]
        tally.equal(sorted(rows(fresh, "SELECT model FROM safetensors_models(?) WHERE status = 'ok'", place + "/" + ODD)), sorted(names), f"models of {place}")
        tally.equal(rows(fresh, "SELECT count(*) FROM safetensors_models(?) AS m, safetensors_tensors(m.model)", place + "/" + ODD), [(5,)], f"tensors of {place}")
        tally.equal(rows(fresh, "SELECT DISTINCT tensor_json(ref) FROM safetensors_tensors(?)", place + "/" + ODD), [("[0.0,1.0,2.0]",)], f"refs of {place}")
        tally.equal(rows(fresh, "SELECT count(*) FROM safetensors_tensors(?) AS a, safetensors_tensors(a.file)", place + "/" + ODD), [(5,)], f"files of {place}")
    shutil.rmtree(os.path.join(FOLDER, ODD))


def test_names():
    db = online()
    names = [name for name, in rows(db, "SELECT model FROM safetensors_models('hf://org/folder@dev/unet')")]
    tally.equal(names, ["hf://org/folder@dev/unet/diffusion_pytorch_model.safetensors"], "the revision that was given")
    tally.equal(rows(db, "SELECT kind FROM safetensors_models(?) WHERE model = ?", STORE, STORE + "/bad.safetensors"), [("model",)], "a lookup")
    web = f"{served.environment['HF_ENDPOINT']}/org/folder/tree/main/unet"
    tally.equal(plain(rows(db, MODELS, web), HUB), plain(rows(db, MODELS, FOLDER + "/unet"), FOLDER), "the hub's web address")
    for address, words in ((STORE + "/none", "found none"), (HUB + "/none", "found none"), ("hf://org/none", "none of that name"), ("s3://none/x", "bucket does not exist"),
                           ("s3://", "s3://BUCKET/KEY"), (HUB + "/none.safetensors", "found none"), (STORE + "/none.safetensors", "found none"), (STORE + "/none.safetensors.index.json", "found none")):
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


def read(name):
    with open(os.path.join(FOLDER, name), "rb") as file:
        return file.read()


def sha256(name):
    return hashlib.sha256(read(name)).hexdigest()


def blob_id(name):
    body = read(name)
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


def test_files():
    """Sizes and digests of a repository by its list alone."""
    db = online()
    rows(db, "SELECT count(*) FROM safetensors_models(?)", HUB)
    served.asked()
    got = plain(rows(db, "SELECT file, size, digest FROM safetensors_files(?)", HUB + "/**/*.safetensors"), HUB)
    names = sorted(name for name in served.names() if name.endswith(".safetensors") and not name.startswith("."))
    tally.equal(sorted(got), sorted((f"PLACE/{name}", len(read(name)), sha256(name)) for name in names), "files of a repository")
    tally.equal(served.asked(), [], "nobody is asked")
    got = rows(db, "SELECT size, digest FROM safetensors_files(?)", STORE + "/deep/**/*.safetensors")
    tally.equal(got, [(len(read("deep/er/one.safetensors")), None)] * 2, "files of a store")
    tally.equal({path for _, path, _ in served.asked()}, {"/folder/"}, "its list alone")
    tally.equal(rows(online(), "SELECT digest FROM safetensors_files(?)", f"{HUB}@{COMMIT}/bad.safetensors"), [(sha256("bad.safetensors"),)], "a single file: the list is asked for")
    tally.equal(rows(db, "SELECT digest FROM safetensors_files(?)", FOLDER + "/bad.safetensors"), [(None,)], "a file of this machine")
    tally.equal(rows(db, "SELECT status, tensors FROM safetensors_files(?)", HUB + "/bad.safetensors"), [("invalid", None)], "its header, by need")


CACHE = os.path.join(root, "cache", "models--org--folder")
SNAPSHOT = os.path.join(CACHE, "snapshots", COMMIT)


def cache(name, digest, body=None):
    """Puts a file into this machine's cache, as the hub's client does."""
    os.makedirs(os.path.join(CACHE, "blobs"), exist_ok=True)
    os.makedirs(os.path.join(CACHE, "refs"), exist_ok=True)
    with open(os.path.join(CACHE, "refs", "main"), "w", encoding="utf-8") as file:
        file.write(COMMIT)
    with open(os.path.join(CACHE, "blobs", digest), "wb") as file:
        file.write(read(name) if body is None else body)
    os.makedirs(os.path.dirname(os.path.join(SNAPSHOT, name)), exist_ok=True)
    os.symlink(os.path.join(CACHE, "blobs", digest), os.path.join(SNAPSHOT, name))


VERIFY = "SELECT file, claim, algorithm, expected, status FROM safetensors_verify(?, ?)"


def test_verify_copies():
    """What this machine has of a repository, compared with the hub's list."""
    cache("config.json", blob_id("config.json"))
    cache(SHARDS[0], sha256(SHARDS[0]))
    cache("unet/diffusion_pytorch_model.safetensors", "f" * 64, b"another file under a name that says nothing")
    db = online()
    served.asked()
    got = rows(db, VERIFY, HUB, None)
    here = {(os.path.relpath(file, SNAPSHOT), claim, status) for file, claim, _, _, status in got if not file.startswith("hf://")}
    unet = "unet/diffusion_pytorch_model.safetensors"
    tally.equal(here, {("config.json", "hub list", "ok"), ("config.json", "hub blob", "ok"), (SHARDS[0], "hub list", "ok"), (SHARDS[0], "hub blob", "ok"),
                       (unet, "hub list", "differs"), (unet, "hub blob", "differs")}, "copies")
    there = {(file, claim, algorithm, expected, status) for file, claim, algorithm, expected, status in got if file.startswith("hf://")}
    expected = {(f"{HUB}@{COMMIT}/{name}", "hub list", *(("sha256", sha256(name)) if name.endswith(".safetensors") else ("git", blob_id(name))),
                 "cannot check: it is not on this machine") for name in served.names() - {"config.json", SHARDS[0], unet}}
    tally.equal(there, expected, "what is not on this machine")
    tally.check(not any("/resolve/" in path and not path.endswith("index.json") for _, path, _ in served.asked()), "no file is asked for")
    for address, count in (f"{HUB}/{SHARDS[0]}", 1), (f"{HUB}/unet", 2), (f"{HUB}@{COMMIT}/model-*.safetensors", 3), (f"{served.environment['HF_ENDPOINT']}/org/folder/tree/main/unet", 2):
        tally.equal(rows(db, "SELECT count(*) FROM safetensors_verify(?) WHERE claim = 'hub list'", address), [(count,)], address)
    tally.equal(rows(db, "SELECT digest FROM safetensors_files(?)", HUB)[0], (sha256(SHARDS[0]),), "the digest of a copy")
    tally.equal(rows(connect(), "SELECT count(*), min(claim) FROM safetensors_verify(?)", HUB), [(3, "hub blob")], "without the network")
    shutil.rmtree(os.path.join(root, "cache"))


def test_verify_folder():
    """Any files, compared with what the hub publishes at the same places."""
    db = online()
    copy = os.path.join(root, "copy")
    shutil.copytree(FOLDER, copy)
    got = rows(db, VERIFY, copy, HUB)
    tally.equal({(claim, status) for _, claim, _, _, status in got}, {("hub list", "ok")}, "a whole copy")
    tally.equal(len(got), len(served.names()), "all of its files")
    with open(os.path.join(copy, SHARDS[1]), "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    os.remove(os.path.join(copy, "README.md"))
    with open(os.path.join(copy, "new.txt"), "w", encoding="utf-8") as file:
        file.write("new")
    got = [(file.replace(copy, ""), status) for file, _, _, _, status in rows(db, VERIFY, copy, HUB) if status != "ok"]
    tally.equal(sorted(got), [(f"/{SHARDS[1]}", "differs"), ("/new.txt", "no claim"), (f"{HUB}@{COMMIT}/README.md", "cannot check: it is not on this machine")], "what is not the same")
    for path, published, statuses in ((copy + "/unet", HUB + "/unet", ["ok", "ok"]), (copy + "/empty.safetensors", HUB + "/empty.safetensors", ["ok"]),
                                      (copy + "/empty.safetensors", HUB, ["ok"]), (copy + "/" + SHARDS[1], HUB, ["differs"]),
                                      (copy + "/empty.safetensors", HUB + "/bad.safetensors", ["differs"]), (copy + "/empty.safetensors", HUB + "/unet", ["no claim"])):
        tally.equal([line[4] for line in rows(db, VERIFY, path, published)], statuses, f"{path} as {published}")
    for published, words in ((STORE, "hub"), ("hf://org/none", "none of that name"), (copy, "hub"), (7, "TEXT"), ("hf://a\0b", "NUL")):
        problem = database_error(db, VERIFY, copy, published)
        tally.check(words in problem, f"published: {published!r}", problem)
    tally.check("switched off" in database_error(connect(), VERIFY, copy, HUB), "without the network")
    tally.check("one argument or two" in database_error(db, "SELECT * FROM safetensors_verify(1, 2, 3)"), "surplus")
    tally.equal(rows(db, "SELECT count(*) FROM safetensors_verify(?1, ?2) AS a FULL JOIN safetensors_verify(?1, ?3) AS b ON a.rowid = b.rowid", copy + "/unet", HUB + "/unet", HUB),
                [(len(rows(db, VERIFY, copy + "/unet", HUB + "/unet")) + len(rows(db, VERIFY, copy + "/unet", HUB)),)], "rowids of two claims about one folder")
    shutil.rmtree(copy)


def test_verify_remote():
    """Claims beside files of a store and of the web."""
    db = online()
    put("sets/SHA256SUMS", f"{sha256('sets/lone one#1.safetensors')}  lone one#1.safetensors\n{'0' * 64}  x-00001-of-00003.safetensors\n{'0' * 64}  gone.safetensors\n")
    put("deep/er/one.safetensors.sha256", sha256("deep/er/one.safetensors"))
    for folder in "/sets", "/deep":
        sql = "SELECT file, claim, algorithm, expected, actual, status FROM safetensors_verify(?)"
        tally.equal(plain(rows(db, sql, STORE + folder), STORE), plain(rows(db, sql, FOLDER + folder), FOLDER), STORE + folder)
    for place in STORE, WEB:
        tally.equal(rows(db, "SELECT claim, status FROM safetensors_verify(?)", place + "/deep/er/one.safetensors"), [("sha256 file", "ok")], place)
        tally.equal(rows(db, "SELECT claim, status FROM safetensors_verify(?)", place + "/sets/x-00001-of-00003.safetensors"), [("checksum list", "differs")], place)
        tally.equal(rows(db, "SELECT safetensors_digest(?, 'sha256')", place + "/bad.safetensors"), [(sha256("bad.safetensors"),)], f"a digest of {place}")
    for name in "sets/SHA256SUMS", "deep/er/one.safetensors.sha256":
        os.remove(os.path.join(FOLDER, name))


def test_off():
    served.asked()
    db = connect()
    for place in HUB, STORE, WEB + "/bad.safetensors":
        problem = database_error(db, "SELECT * FROM safetensors_models(?)", place)
        tally.check("SAFETENSORS_NETWORK" in problem, place, problem)
    tally.equal(served.asked(), [], "nobody was asked")


probe = database_error(online(), "SELECT count(*) FROM safetensors_models(?)", HUB)
if "install libcurl" in probe:
    print("skipped: the network (neither libcurl nor curl)")
    tally.finish()
with served:
    tally.run(globals(), root)
