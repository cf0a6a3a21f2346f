"""sql/sbom.sql writes what CycloneDX's own schema, which its Python library has beside it, calls valid.

Suite: interop
"""

import importlib.util
import json
import os
import tempfile

import making
import shell
from tally import Tally

try:
    import jsonschema
    import referencing
except ImportError:
    print("skipped: bills of materials (jsonschema is not installed: make interop)")
    Tally().finish()

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="sbom.")
MODELS = os.environ.get("MODELS", "../shared/models")
SCHEMAS = os.path.join(importlib.util.find_spec("cyclonedx").submodule_search_locations[0], "schema/_res")


def schema(name):
    with open(f"{SCHEMAS}/{name}.SNAPSHOT.schema.json", encoding="utf-8") as file:
        return json.load(file)


def validator():
    found = {name: schema(name) for name in ("spdx", "jsf-0.82", "bom-1.6")}
    registry = referencing.Registry().with_contents((of["$id"], of) for of in found.values())
    return jsonschema.Draft7Validator(found["bom-1.6"], registry=registry)


VALIDATOR = validator()


def is_valid(path, **parameters):
    code, out, error = shell.script("sbom", path=path, **parameters)
    tally.equal((code, error), (0, ""), f"sql/sbom.sql of {path}")
    tally.equal([error.message for error in VALIDATOR.iter_errors(json.loads(out))], [], f"the bill of materials of {path}")


def test_made_here():
    notes = {"plain": {}, "noted": {"README.md": '---\nlicense: "mit"\nbase_model: org/base\n---\n', "config.json": '{"model_type":"llama"}'},
             "strange": {"README.md": "license: mit", "config.json": "nonsense", 'q"\\ü.txt': ""}}
    for name, files in notes.items():
        making.file(f"{ROOT}/{name}/model.safetensors", {"w": ("F32", [2], bytes(8)), "é\n": ("U8", [], b"1")})
        for file, text in files.items():
            with open(f"{ROOT}/{name}/{file}", "w", encoding="utf-8") as out:
                out.write(text)
        is_valid(f"{ROOT}/{name}")
        is_valid(f"{ROOT}/{name}/model.safetensors", title="a title", version="1.2")


def test_models():
    if not os.path.isdir(MODELS):
        print(f"skipped: bills of materials of models ({MODELS} is not there)")
        return
    for kind in ("transformers", "peft"):
        for name in sorted(os.listdir(f"{MODELS}/{kind}"))[:12]:
            if any(file.endswith(".safetensors") for file in os.listdir(f"{MODELS}/{kind}/{name}")):
                is_valid(f"{MODELS}/{kind}/{name}")


tally.run(globals(), ROOT)
