"""sql/sbom.sql writes what CycloneDX's own schema, as its Python library has it, calls valid.

Suite: interop
"""

import os
import tempfile

import making
import shell
from tally import Tally

try:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
except ImportError:
    print("skipped: bills of materials (cyclonedx-python-lib is not installed: make interop)")
    Tally().finish()

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="sbom.")
MODELS = os.environ.get("MODELS", "../shared/models")
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def is_valid(path, **parameters):
    code, out, error = shell.script("sbom", path=path, **parameters)
    tally.equal((code, error), (0, ""), f"sql/sbom.sql of {path}")
    tally.equal(str(VALIDATOR.validate_str(out)), "None", f"the bill of materials of {path}")


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
