"""sql/run.sql, on runs made here, whose numbers were worked out by hand."""

import functools
import json
import math
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


def f32(*values):
    return "F32", [len(values)], struct.pack(f"<{len(values)}f", *values)


def run(code, sentence, **parameters):
    """The tables, as JSON."""
    got, out, error = shell.script("run", format="json", **parameters)
    tally.check(got == code and (sentence in error if sentence else error == ""), f"sql/run.sql of {parameters}", got, error)
    return json.loads(out)


def column(found, name, table="run"):
    return [row[name] if not isinstance(row[name], float) else round(row[name], 6) for row in found[table]]


def state(folder, step, **more):
    with open(f"{folder}/trainer_state.json", "w", encoding="utf-8") as file:
        json.dump({"epoch": step / 100, "global_step": step, **more}, file)


def make(folder, layer0, embed=None):
    for step, values in layer0.items():
        making.file(f"{folder}/checkpoint-{step}/model.safetensors",
                    {"embed": f32(*(embed or {}).get(step, (2, 0))), "layers.0.w": f32(*values)})
    return folder


def test_numbers():
    """Steps in order of their numbers; norms 5, 5, 13 with embed's 2; changes of (0, 0), (2, 8) by its norm, then against the first."""
    folder = make(f"{ROOT}/numbers", {100: (3, 4), 20: (3, 4), 1000: (5, 12)})
    shows("run", """
3 checkpoints, steps 20 to 1000: all values are finite.
From the first to the last they move by 1.53 of the norm; at the end by 1.53.
1 of 2 tensors never changes. Equal tensors hold 24 B of 48 B.

== Checkpoints
   step  epoch     loss       lr  nan+inf      norm   vs prev  vs first  checkpoint
-------  -----  -------  -------  -------  --------  --------  --------  ------------------------------------
     20      -        -        -        0     5.385         -         -  ...checkpoint-20/model.safetensors
    100      -        -        -        0     5.385         0         0  ...checkpoint-100/model.safetensors
   1000      -        -        -        0     13.15      1.53      1.53  ...checkpoint-1000/model.safetensors

== Change from the first to the last, by layer
    first       last     change  relative              layer
---------  ---------  ---------  --------------------  --------
        2          2          0                        -
        5         13       1.65  ####################  layers.0

== Never changed
tensors       of     bytes  pattern
-------  -------  --------  -------
      1        1       8 B  embed
""", path=folder)
    found = run(0, "", path=folder)
    change = math.sqrt(4 + 64) / math.sqrt(29)
    tally.equal(column(found, "change_previous"), [None, 0.0, round(change, 6)], "against the one before")
    tally.equal(column(found, "equal_nbytes"), [0, 16, 8], "held by equal tensors")
    tally.equal(column(found, "changed"), [None, 0, 1], "changed")
    found = run(0, "", path=make(f"{ROOT}/back", {1: (3, 4), 2: (6, 8), 3: (6, 8), 4: (3, 4)}))
    # what was equal to the one before is as far from the first as that: 5 of sqrt(4 + 25)
    far = round(5 / math.sqrt(29), 6)
    tally.equal(column(found, "change_first"), [None, far, far, 0.0], "against the first")
    tally.equal(column(found, "change_previous"), [None, far, 0.0, round(5 / math.sqrt(104), 6)], "there and back")
    tally.equal([(row["pattern"], row["tensors"], row["of"], row["nbytes"]) for row in found["run_frozen"]], [("embed", 1, 1, 8)], "frozen")


def test_retyped():
    """What has another dtype is no equal tensor, though its values are: 2 bytes, and 4."""
    for step, dtype, content in ((1, "F16", b"\0\x3c"), (2, "F32", struct.pack("<f", 1)), (3, "F32", struct.pack("<f", 1))):
        making.file(f"{ROOT}/retyped/step-{step}.safetensors", {"w": (dtype, [1], content)})
    found = run(0, "", path=f"{ROOT}/retyped")
    tally.equal((column(found, "equal_nbytes"), column(found, "changed"), column(found, "change_first")), ([0, 0, 4], [None, 1, 0], [None, 0.0, 0.0]), "retyped")
    tally.equal(found["run_frozen"], [], "and not frozen")


def test_faults():
    """The first NaN of each tensor, and those that stay; infinities, too."""
    nan, inf = math.nan, math.inf
    folder = make(f"{ROOT}/faults", {1: (3, 4), 2: (3, nan), 3: (nan, nan), 4: (nan, nan), 5: (1, 1)},
                  {3: (inf, 0), 4: (inf, 0), 5: (-inf, 1)})
    found = run(1, "a checkpoint has NaN or infinities (19)", path=folder)
    tally.equal(column(found, "n_nan"), [0, 1, 2, 2, 0], "NaN")
    tally.equal(column(found, "n_inf"), [0, 0, 1, 1, 1], "infinities, also where they stay")
    tally.equal([(row["step"], row["name"], row["n_nan"], row["n_inf"], row["first_nan"], row["first_inf"]) for row in found["run_faults"]],
                [(2, "layers.0.w", 1, 0, "[1]", None), (3, "embed", 0, 1, None, "[0]")], "where they come up")
    code, out, _ = shell.script("run", path=folder)
    tally.equal((code, out.splitlines()[:2]), (1, ["5 checkpoints, steps 1 to 5: NaN or infinities from step 2 on.",
                                                  "In 2 tensors; the first is at [1] of layers.0.w."]), "in words")


def test_states():
    """The trainer's notes, with the NaN that Python writes; the last that the step has seen."""
    folder = make(f"{ROOT}/states", {1: (1, 2), 2: (1, 3)})
    history = [{"step": 5, "loss": 4.5, "learning_rate": 0.5}, {"step": 10, "loss": math.nan, "learning_rate": 0.25}, {"step": 10, "eval_loss": 1}]
    state(f"{folder}/checkpoint-1", 5, log_history=history[:1])
    state(f"{folder}/checkpoint-2", 10, log_history=history)
    making.file(f"{folder}/model.safetensors", {"embed": f32(2, 0), "layers.0.w": f32(1, 3)})
    found = run(0, "", path=folder)
    tally.equal(column(found, "step"), [5, 10, None], "global_step, and the end without a number")
    tally.equal((column(found, "epoch"), column(found, "learning_rate")), ([0.05, 0.1, None], [0.5, 0.25, None]), "epoch and learning rate")
    tally.equal(column(found, "loss")[0], 4.5, "loss")
    tally.equal((column(found, "nan_loss"), found["run"][1]["loss"]), ([None, 10, None], None), "a loss that is NaN")
    code, out, _ = shell.script("run", path=folder)
    tally.check("\nThe loss is NaN from step 10 on.\n" in out and "     10    0.1      NaN     0.25        0 " in out, "in words", out)
    tally.equal(len({row["run"] for row in found["run"]}), 1, "one run")


def test_names():
    """Numbers in names, and runs apart by their directories."""
    for names, steps in (({"w-000002.safetensors": 2, "w-000010.safetensors": 10}, [2, 10]),
                         ({"epoch=1-step=300.safetensors": 300, "epoch=0-step=90.safetensors": 90}, [90, 300]),
                         ({"global_step50/model.safetensors": 50, "global_step5/model.safetensors": 5}, [5, 50]),
                         ({"v2/x_fp16.safetensors": 2, "v10/x_fp16.safetensors": 10}, [2, 10])):
        folder = f"{ROOT}/names/{len(os.listdir(ROOT))}{steps[1]}x{len(names)}{list(names)[0][0]}"
        for name, value in names.items():
            making.file(f"{folder}/{name}", {"x": f32(value)})
        found = run(0, "", path=folder)
        tally.equal((column(found, "step"), column(found, "norm")), (steps, [float(step) for step in steps]), f"steps of {list(names)}")
    for one in "ab":
        make(f"{ROOT}/runs/{one}", {1: (1, 2), 2: (1, 3)})
    found = run(0, "", path=f"{ROOT}/runs")
    tally.equal([(row["run"][-2:], row["step"], row["change_previous"] is None) for row in found["run"]],
                [("a/", 1, True), ("a/", 2, False), ("b/", 1, True), ("b/", 2, False)], "two runs")


def test_together():
    """Models that are saved together are runs of their own; the end of a run may be in its own directory, in shards."""
    folder = f"{ROOT}/together"
    for step in (5, 10):
        for part, value in (("unet/m", step), ("unet_ema/m", 2 * step)):
            making.file(f"{folder}/checkpoint-{step}/{part}.safetensors", {"x": f32(value)})
    found = run(0, "", path=folder)
    tally.equal([(row["run"].removeprefix(folder), row["step"], row["norm"], row["change_previous"]) for row in found["run"]],
                [("/unet/m.safetensors", 5, 5.0, None), ("/unet/m.safetensors", 10, 10.0, 1.0),
                 ("/unet_ema/m.safetensors", 5, 10.0, None), ("/unet_ema/m.safetensors", 10, 20.0, 1.0)], "two at a time")
    for name, value in (("out/checkpoint-5", 1), ("out/checkpoint-10", 2), ("out", 3)):
        making.model(f"{ROOT}/{name}", {"model-00001-of-00002.safetensors": {"x": f32(value)}, "model-00002-of-00002.safetensors": {"y": f32(1)}})
    found = run(0, "", path=f"{ROOT}/out")
    tally.equal([(row["run"], row["step"], row["tensors"]) for row in found["run"]], [(f"{ROOT}/out/", step, 2) for step in (5, 10, None)], "shards")


def test_structure():
    """Tensors that come, go and change their shapes are counted; a bad file is a row; sharded checkpoints are one each."""
    folder = f"{ROOT}/structure"
    for step, tensors in ((1, {"a": f32(1), "b": f32(1)}), (2, {"a": f32(1, 2), "c": f32(1)}), (4, {"a": f32(1, 2), "c": f32(2)})):
        making.model(f"{folder}/checkpoint-{step}", {f"model-0000{i}-of-00002.safetensors": {name: tensor} for i, (name, tensor) in enumerate(tensors.items(), 1)})
    os.mkdir(f"{folder}/checkpoint-3")
    with open(f"{folder}/checkpoint-3/model.safetensors", "wb") as file:
        file.write(b"1234567")
    found = run(1, "a checkpoint cannot be read", path=folder)
    tally.equal([(row["step"], row["tensors"], row["added"], row["removed"], row["reshaped"], row["status"]) for row in found["run"]],
                [(1, 2, None, None, None, "ok"), (2, 2, 1, 1, 1, "ok"), (3, None, None, None, None, "invalid"), (4, 2, 0, 0, 0, "ok")], "structure")
    tally.equal(found["run"][3]["change_previous"] and round(found["run"][3]["change_previous"], 6), round(1 / math.sqrt(6), 6), "against the one that could be read")
    code, out, error = shell.script("run", path=f"{folder}/checkpoint-3")
    tally.check((code, out, error.count("\n")) == (1, "", 1), "nothing to read is one sentence", code, out, error)


def test_trainer():
    """Checkpoints of the Trainer of transformers."""
    folder = f"{MODELS}/train/trainer-checkpoints"
    if not os.path.isdir(folder):
        print(f"skipped: the Trainer's checkpoints ({folder} is not there)")
        return
    found = run(0, "", path=folder)
    tally.equal((column(found, "step"), column(found, "loss")[:2]), ([10, 20, None], [4.416369, 4.174313]), "steps and losses")
    tally.equal(found["run"][2]["change_previous"], 0.0, "the model at the end is the last checkpoint")


tally.run(globals(), ROOT)
