"""The client of the Hugging Face Hub, PyPI's huggingface_hub, and the extension ask the same hub on loopback: they agree about
every header, and about which variables of the environment mean what.

Suite: interop
"""

import json
import os
import struct
import subprocess
import sys
import tempfile

import tally as tally_module
from delayed_hub import COMMIT, DelayedHub, header_file, index_file
from tally import Tally, connect
from web_server import Web

for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))]:
    del os.environ[variable]
root = tempfile.mkdtemp()
os.environ.update(HOME=root, XDG_CACHE_HOME=os.path.join(root, "cache"), HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1", SAFETENSORS_HEADER_CACHE="off")
MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "models")
tally = Tally()


def small_file(count):
    first, size = header_file([f"layer.{i}.weight" for i in range(count)], shape=(2, 3))
    return first + bytes(size - len(first)), size


def made_repositories():
    """Without models of others: a file, a long header, and a sharded model."""
    names = {f"model-{i:05}-of-00002.safetensors": [f"part.{i}.{n}.weight" for n in range(2000)] for i in (1, 2)}
    shards = {name: header_file(tensors, shape=(2, 3)) for name, tensors in names.items()}
    return {"org/one": {"model.safetensors": small_file(5)}, "org/long": {"model.safetensors": small_file(3000)},
            "org/sharded": {**shards, "model.safetensors.index.json": index_file(names)}}


def model_repositories():
    """Folders of models that are beside the project, if they are there."""
    found = {}
    for directory, _, files in os.walk(MODELS):
        if "model.safetensors" not in files and "model.safetensors.index.json" not in files:
            continue
        name = "org/" + os.path.relpath(directory, MODELS).replace(os.sep, "_")
        found[name] = {}
        for file in files:
            path = os.path.join(directory, file)
            if os.path.getsize(path) < 32 << 20:
                with open(path, "rb") as opened:
                    body = opened.read()
                found[name][file] = (body, len(body))
    if not found:
        print("skipped: models of other programs, which are not beside the project")
    return found


def online():
    db = connect()
    db.execute("SELECT safetensors_config('network', 'on')").fetchall()
    return db


def test_headers():
    repositories = {**made_repositories(), **model_repositories()}
    hub = DelayedHub(repositories, 0, 1)
    try:
        os.environ["HF_ENDPOINT"] = hub.hub
        program = ("import json, sys, huggingface_hub as h\n"
                   "for name in sys.argv[1:]:\n"
                   "    try:\n"
                   "        m = h.get_safetensors_metadata(name)\n"
                   "    except Exception as e:\n"
                   "        print(json.dumps([name, repr(e), None])); continue\n"
                   "    print(json.dumps([name, {t: [i.dtype, list(i.shape), list(i.data_offsets), f] for f, x in m.files_metadata.items() for t, i in x.tensors.items()},\n"
                   "                      {f: x.metadata for f, x in m.files_metadata.items()}]))\n")
        done = subprocess.run([sys.executable, "-c", program, *repositories], check=True, stdout=subprocess.PIPE, text=True)
        agreed = 0
        for line in done.stdout.splitlines():
            name, theirs, metadata = json.loads(line)
            db = online()
            if metadata is None:
                problem = tally_module.database_error(db, "SELECT count(*) FROM safetensors_tensors(?)", f"hf://{name}")
                print(f"the client refuses {name}: {theirs[:100]}; the extension: {problem[:100]}")
                continue
            path = f"hf://{name}"
            ours = {}
            for file, tensor, dtype, shape, offset, nbytes in db.execute("SELECT file, name, dtype, shape, offset, nbytes FROM safetensors_tensors(?)", (path,)):
                file = file.split("/", 4)[-1]
                if file not in metadata:  # the client reads model.safetensors or its index, the extension what else is there, too
                    continue
                begin = offset - 8 - struct.unpack("<Q", repositories[name][file][0][:8])[0]
                ours[tensor] = [dtype, json.loads(shape), [begin, begin + nbytes], file]
            tally.equal(ours, theirs, f"tensors of {name}")
            texts = {}
            for file, key, value in db.execute("SELECT file, key, value FROM safetensors_metadata(?)", (path,)):
                if file.split("/", 4)[-1] in metadata:
                    texts.setdefault(file.split("/", 4)[-1], {})[key] = value
            tally.equal(texts, {file: text for file, text in metadata.items() if text}, f"metadata of {name}")
            agreed += 1
        tally.check(agreed >= 3, "repositories that both read", str(agreed))
    finally:
        hub.stop()
        del os.environ["HF_ENDPOINT"]


def write_token(name, text):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def test_environment():
    """Which token is sent, and whether anybody is asked at all."""
    web = Web({"model.safetensors": small_file(2)[0]}, plain=True)
    token = write_token("somewhere/token", " hf_file \n")
    home, other = os.path.dirname(write_token("home/token", "hf_home\n")), write_token("xdg/huggingface/token", "hf_xdg")
    empty = write_token("empty/token", "\n")
    environments = [{}, {"HF_TOKEN": "hf_variable"}, {"HF_TOKEN": " hf_variable\n"}, {"HF_TOKEN": ""}, {"HUGGING_FACE_HUB_TOKEN": "hf_old"},
                    {"HF_TOKEN": "hf_variable", "HUGGING_FACE_HUB_TOKEN": "hf_old"}, {"HF_TOKEN_PATH": token}, {"HF_TOKEN_PATH": empty}, {"HF_TOKEN_PATH": token + "none"},
                    {"HF_TOKEN_PATH": token, "HF_TOKEN": "hf_variable"}, {"HF_HOME": home}, {"HF_HOME": home, "HF_TOKEN_PATH": token}, {"XDG_CACHE_HOME": os.path.dirname(os.path.dirname(other))},
                    {"HF_TOKEN": "", "HF_TOKEN_PATH": token}, {"HF_TOKEN": " ", "HF_TOKEN_PATH": token}, {"HF_HOME": "~/home"}, {"HF_TOKEN_PATH": "~/somewhere/token"}, {"HF_TOKEN_PATH": "$HOME/somewhere/token"}]
    environments += [{"HF_TOKEN": "hf_variable", "HF_HUB_DISABLE_IMPLICIT_TOKEN": word} for word in ("1", "true", "YES", "on", "0", "", "2", "False")]
    environments += [{name: word} for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") for word in ("1", "True", "yes", "ON", "0", "", "2", "no")]
    environments += [{"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "0"}, {"HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "1"}]
    program = ("import huggingface_hub as h\n"
               "from huggingface_hub.utils import build_hf_headers\n"
               "from huggingface_hub import constants\n"
               "print('offline' if constants.HF_HUB_OFFLINE else build_hf_headers().get('authorization'))\n")
    ours_program = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                    "from tally import connect\n"
                    "db = connect(); db.execute(\"SELECT safetensors_config('network', 'on')\").fetchall()\n"
                    "try:\n    db.execute(\"SELECT count(*) FROM safetensors_tensors('hf://org/name')\").fetchall()\nexcept Exception as e:\n    print(e)\n")
    try:
        os.environ["HF_ENDPOINT"] = web.hub
        for environment in environments:
            both = {**os.environ, **environment}
            theirs = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=both).stdout.strip()
            web.log.clear()
            said = subprocess.run([sys.executable, "-c", ours_program, os.path.dirname(tally_module.__file__)], check=True, stdout=subprocess.PIPE, text=True, env=both).stdout
            sent = {line[4] for line in web.log if line[0] == "Hub"}
            ours = str(sent.pop()) if len(sent) == 1 else "offline" if not sent else str(sent)
            tally.equal(ours, theirs, f"{environment} {said[:100]}")
            tally.check(all(line[4] is None for line in web.log if line[0] == "Cdn"), f"no token elsewhere: {environment}")
    finally:
        web.stop()
        del os.environ["HF_ENDPOINT"]


try:
    import huggingface_hub  # noqa: F401  pylint: disable=unused-import
except ImportError:
    print("skipped: huggingface_hub, which is not installed: make interop")
    tally.finish()
assert COMMIT
tally.run(globals(), root)
