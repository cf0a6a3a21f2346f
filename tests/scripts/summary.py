"""sql/summary.sql and sql/layers.sql, on models made here, whose output was worked out by hand."""

import functools
import json
import os
import struct
import tempfile

import making
import shell
from tally import Tally

MODELS = os.environ.get("MODELS", "../shared/models")
tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
shows = functools.partial(shell.shows, tally, ROOT)


def tables(script, code=0, **parameters):
    got, out, error = shell.script(script, format="json", **parameters)
    tally.check(got == code and error.count("\n") == code, f"sql/{script}.sql of {parameters} as JSON", got, error)
    return json.loads(out)


def test_summary():
    """Parameters are what the modules have; buffers are none."""
    path = making.file(f"{ROOT}/s.safetensors", {
        "layers.0.w": making.zeros("BF16", 2, 3), "layers.1.w": making.zeros("BF16", 2, 3), "norm": making.zeros("F32", 4),
        "bn.running_mean": making.zeros("F32", 4)}, {"format": "pt"})
    # 12 of 2 bytes, 4 of 4 bytes: 40 bytes of 16; what is stored is 20 elements in 56 bytes
    shows("summary", """
16 parameters in 3 weights, at 20.00 bits each.
Stored are 20 elements in 4 tensors, 56 B.
1 buffer of 4 elements is not counted as parameters.

== Files
tensors  elements     bytes  file
-------  --------  --------  ------------------
      4        20      56 B  ROOT/s.safetensors

== Parameters
kind  weights  parameters    bits     bytes   share
----  -------  ----------  ------  --------  ------
BF16        2          12   16.00      24 B   75.0%
F32         1           4   32.00      16 B   25.0%

== Stored
dtype  tensors  elements     bytes   share
-----  -------  --------  --------  ------
F32          2         8      32 B   57.1%
BF16         2        12      24 B   42.9%

== Metadata
value  key
-----  ------
pt     format

== Largest tensors
   bytes  dtype  shape  name
--------  -----  -----  ---------------
    16 B  F32    [4]    bn.running_mean
    16 B  F32    [4]    norm
    12 B  BF16   [2,3]  layers.0.w
    12 B  BF16   [2,3]  layers.1.w
""".replace("------------------\n      4", f"{'-' * len(path)}\n      4"), path=path)


def test_packed():
    """Both are told: 4 parameters in 4 codes and a scale of 4 bytes, 8 bytes of 4 are 16 bits."""
    path = making.file(f"{ROOT}/packed.safetensors", {"w.weight": ("F8_E4M3", [2, 2], bytes(4)), "w.weight_scale": ("F32", [1], struct.pack("<f", 1))})
    _, out, _ = shell.script("summary", path=path)
    tally.equal(out.splitlines()[:2], ["4 parameters in 1 weight, at 16.00 bits each; 1 is packed (fp8).", "Stored are 5 elements in 2 tensors, 8 B."], "both")
    found = tables("summary", path=path)["summary"][0]
    tally.equal((found["numel"], found["elements"], found["nbytes"], found["bits_per_weight"], found["dtypes"]), (4, 5, 8, 16.0, "fp8"), "as JSON")


def adapter(path, rank, modules):
    return making.file(path, {f"base_model.model.layers.{i}.q.lora_{part}.weight": making.zeros("F32", *shape) for i in range(modules)
                              for part, shape in (("A", (rank, 8)), ("B", (8, rank)))})


def test_adapter():
    _, out, _ = shell.script("summary", path=adapter(f"{ROOT}/lora.safetensors", 4, 3))
    # each of 3 modules has 2 * 4 * 8
    tally.equal(out.splitlines()[:2], ["Adapter: lora of rank 4, 3 modules.", "192 parameters in 6 weights, at 32.00 bits each."], "an adapter")


def test_many():
    """A row for each model, and a total; bad files are rows and a failing status."""
    folder = f"{ROOT}/many"
    adapter(f"{folder}/loras/a.safetensors", 2, 1)
    adapter(f"{folder}/loras/b.safetensors", 4, 1)
    making.model(f"{folder}/base", {"model-00001-of-00002.safetensors": {"layers.0.w": making.zeros("BF16", 4)},
                                    "model-00002-of-00002.safetensors": {"layers.1.w": making.zeros("BF16", 6)}})
    with open(f"{folder}/cut.safetensors", "wb") as file:
        file.write(b"1234567")
    code, out, error = shell.script("summary", path=folder)
    lines = [line.rstrip() for line in out.replace(ROOT, "ROOT").splitlines()]
    tally.check(code == 1 and "a model cannot be read, or is not whole (19)" in error and error.count("\n") == 1, "the verdict", code, error)
    # 32 + 64 + 10 parameters; in bytes 128 + 256 + 20
    tally.equal(lines[:2], ["4 models in 2 folders: 2 adapters, 1 model; 1 cannot be read, or is not whole.",
                            "In all 106 parameters; stored are 106 elements in 6 tensors, 404 B."], "the total")
    tally.equal([line.split() for line in lines if line.endswith((".safetensors", "...base")) and "..." in line],
                [["invalid", "-", "-", "-", "-", "...cut.safetensors"], ["model", "10", "20", "B", "16.00", "BF16", "...base"],
                 ["adapter", "32", "128", "B", "32.00", "F32", "...loras/a.safetensors"], ["adapter", "64", "256", "B", "32.00", "F32", "...loras/b.safetensors"]],
                "a row for each, the bad one first")
    tally.check(any("too small for a header" in line for line in lines), "and why", lines)
    found = tables("summary", 1, path=folder)
    tally.equal([(row["kind"], row["numel"], row["what"]) for row in found["summary"] if row["status"] == "ok"],
                [("model", 10, None), ("adapter", 32, "lora of rank 2, 1 module"), ("adapter", 64, "lora of rank 4, 1 module")], "as JSON")


def test_failures():
    """One sentence, and nothing else."""
    with open(f"{ROOT}/bad.safetensors", "wb") as file:
        file.write(b"1234567")
    nothing = making.file(f"{ROOT}/nothing.safetensors", {})
    for script in ("summary", "layers", "memory"):
        for path, part in ((f"{ROOT}/none", "no such file"), (f"{ROOT}/bad.safetensors", "too small for a header"), (nothing, ":path has a model with tensors")):
            code, out, error = shell.script(script, path=path)
            tally.check((code, out, error.count("\n")) == (1, "", 1) and part in error, f"sql/{script}.sql of {path}", code, out, error)


def test_layers():
    """Numberings are apart: 2 of 6 and 1 of 12 parameters, 8 are in none."""
    shows("layers", """
32 parameters, 75.0% in 3 layers: 2 of model.layers, 1 of visual.blocks.

== Parameters by layer
weights  parameters     bytes   share  relative              layer
-------  ----------  --------  ------  --------------------  ---------------
      1           8      32 B   25.0%  #############         -
      1           6      12 B   18.8%  ##########            model.layers.0
      1           6      12 B   18.8%  ##########            model.layers.1
      1          12      24 B   37.5%  ####################  visual.blocks.1

== By numbering
layers  parameters     bytes   share  numbering
------  ----------  --------  ------  -------------
     0           8      32 B   25.0%  -
     2          12      24 B   37.5%  model.layers
     1          12      24 B   37.5%  visual.blocks

== Kinds of tensors
   n  dtype  shape  parameters  pattern
----  -----  -----  ----------  -----------------
   2  BF16   [2,3]          12  model.layers.#.w
   1  BF16   [3,4]          12  visual.blocks.#.w
   1  F32    [8]             8  head
""", path=making.file(f"{ROOT}/layers.safetensors", {
        "model.layers.0.w": making.zeros("BF16", 2, 3), "model.layers.1.w": making.zeros("BF16", 2, 3), "visual.blocks.1.w": making.zeros("BF16", 3, 4),
        "head": making.zeros("F32", 8)}))


def test_models():
    """As many parameters as the modules of the tools have."""
    if not os.path.isdir(f"{MODELS}/transformers"):
        print(f"skipped: models of the tools ({MODELS}/transformers is not there)")
        return
    for name in ("llama-bf16-untied-sharded", "mixtral-bf16-sharded", "t5-fp32"):
        with open(f"{MODELS}/transformers/{name}/ORACLE.json", encoding="utf-8") as file:
            oracle = json.load(file)
        found = tables("summary", path=f"{MODELS}/transformers/{name}")["summary"][0]
        tally.equal(found["numel"], oracle["num_parameters"], f"{name}: parameters")
        tally.equal(sum(row["numel"] for row in tables("layers", path=f"{MODELS}/transformers/{name}")["layers"]), oracle["num_parameters"], f"{name}: layers")


tally.run(globals(), ROOT)
