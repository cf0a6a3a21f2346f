"""safetensors_check over directories: what their files have in common is reported once, not for each tensor; and only where
a sum over the directory would be wrong, or a write has not been finished."""

import json
import fcntl
import os
import shutil
import sqlite3
import tempfile

import making
from tally import Tally, connect

tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="check_directories.")

NAMES = [f"model.layers.{layer}.{part}.weight" for layer in range(4) for part in ("q", "k", "v", "mlp.up")]
PLAIN = {name: ("F32", [2, 4], bytes(32)) for name in NAMES}
HALF = {name: ("F16", [2, 4], bytes(16)) for name in NAMES}
SHARDS = {f"model-{n + 1:05}-of-00002.safetensors": {name: PLAIN[name] for name in NAMES[n * 8:n * 8 + 8]} for n in range(2)}
# The same model with names as Mistral's own files have them.
OTHER = {name.replace("model.layers", "layers").replace("q.", "attention.wq."): value for name, value in HALF.items()}


def directory_of(name, files):
    directory = f"{ROOT}/{name}"
    os.makedirs(directory)
    for file, tensors in files.items():
        making.file(f"{directory}/{file}", tensors)
    return directory


def reported(path):
    """(severity, code, message)"""
    return db.execute("SELECT severity, code, message FROM safetensors_check(?) ORDER BY code, message", [path]).fetchall()


def codes(path, *ignored):
    return [code for _, code, _ in reported(path) if code not in ignored]


def reports(path, code, names, what):
    """One finding of that code, which names them."""
    found = [row for row in reported(path) if row[1] == code]
    tally.equal(len(found), 1, f"{what}: one {code}")
    tally.check(all(name in str(found) for name in names), f"{what} names {names}", found)


def test_twins():
    for one, other in (("model.safetensors", "model.fp16.safetensors"), ("model.safetensors", "pytorch_model.safetensors"),
                       ("a.safetensors", "b.safetensors"), ("flux-dev.safetensors", "flux-dev-fp8.safetensors")):
        directory = directory_of(f"twin-{one}-{other}", {one: PLAIN, other: HALF})
        for path in (directory, f"{directory}/*.safetensors"):
            tally.equal(codes(path), ["twin-files"], f"{one} and {other}")
            reports(path, "twin-files", [one, other], "twins")
        total, = db.execute("SELECT sum(numel) FROM safetensors_tensors(?)", [directory]).fetchone()
        tally.equal(total, 2 * 8 * len(NAMES), "the sum that the finding warns of")
    directory = directory_of("three", {f"{name}.safetensors": PLAIN for name in "abc"})
    reports(directory, "twin-files", ["a.safetensors", "b.safetensors", "and 1 more", "3 times"], "three of one")
    tally.equal(codes(directory), ["twin-files"], "three of one: one finding")
    # Two quantisations share little: their names tell.
    packed = {bits: {name.replace("weight", "qweight"): ("I32", [bits, 4], bytes(16 * bits)) for name in NAMES} for bits in (4, 8)}
    norm = {"model.norm.weight": ("F16", [4], bytes(8))}
    directory = directory_of("quantised", {f"model-int{bits}.safetensors": {**packed[bits], **norm} for bits in (4, 8)})
    tally.equal(codes(directory), ["twin-files"], "two quantisations")
    reports(directory, "twin-files", ["model-int4.safetensors", "model-int8.safetensors"], "two quantisations")
    directory = directory_of("packed", {f"model-{bits}bit.safetensors": packed[bits] for bits in (4, 8)})
    tally.equal(codes(directory), ["twin-files"], "two quantisations of which all shapes differ")
    directory = directory_of("other", {f"text_encoder{end}.safetensors": packed[bits] for end, bits in (("", 4), ("_2", 8))})
    tally.equal(codes(directory), [], "two models of the same names, all shapes of which differ")


def test_consolidated():
    for index in (True, False):
        for what, tensors in (("same", HALF), ("other", OTHER)):
            directory = directory_of(f"consolidated-{index}-{what}", {**SHARDS, "consolidated.safetensors": tensors})
            if index:
                making.model(directory, SHARDS)
            expected = ["unindexed-shard"] if index else ["shards-without-index", "twin-files"]
            tally.equal(codes(directory), expected, f"consolidated beside shards, index {index}, {what} names")
            reports(directory, expected[-1], ["consolidated.safetensors", "once more",
                                         "of model.safetensors.index.json" if index else "model-*-of-00002.safetensors"], "both")


def test_models_of_their_own():
    for what, name in (("peft", "base_model.model.model.layers.{}.q.lora_A.weight"), ("kohya", "lora_unet_{}_q.lora_down.weight"),
                       ("diffusers", "unet.down_blocks.{}.lora.up.weight"), ("embedding", "emb_params{}")):
        tensors = {name.format(layer): ("F16", [2, 4], bytes(16)) for layer in range(4)}
        directory = directory_of(f"adapters-{what}", {f"style{number}.safetensors": tensors for number in range(30)})
        tally.equal(reported(directory), [], f"adapters of one directory: {what}")
    directory = directory_of("encoders", {"clip.safetensors": {name: ("F16", [2, 4], bytes(16)) for name in NAMES[:8]},
                                    "t5.safetensors": {name: ("F16", [2, 6], bytes(24)) for name in NAMES}})
    tally.equal(reported(directory), [], "models of other shapes")
    directory_of("pipeline/unet", {"model.safetensors": PLAIN})
    directory_of("pipeline/vae", {"model.safetensors": PLAIN})
    tally.equal(reported(f"{ROOT}/pipeline/*/*.safetensors"), [], "files of other directories")
    # A model that is cut by layers has as many elements in each file.
    directory = directory_of("layers", {f"layer-{n}.safetensors": {f"model.layers.{n}.{part}": b"12345678" for part in "qkvo"} for n in range(8)})
    tally.equal(reported(directory), [], "a model by layers")


def test_shared():
    directory = directory_of("parts", {f"{part}.safetensors": {**{f"{part}{i}": b"1" for i in range(9)}, "s": b"1", "t": b"1"} for part in "ab"})
    found = db.execute("SELECT code, file, tensor FROM safetensors_check(?)", [directory]).fetchall()
    tally.equal(found, [("duplicate-tensor", f"{directory}/b.safetensors", "s")], "what two files share, once")
    directory = directory_of("twice", {f"x-{number}-of-2.safetensors": {"s": b"1", "t": b"1"} for number in (1, 2)})
    tally.equal(codes(directory), ["duplicate-across-shards", "shards-without-index"], "shards with the same tensors")


def test_distributed():
    """torch.distributed.checkpoint: all files are needed, whatever they share."""
    def slices(name, ranks, share):
        directory = directory_of(name, {})
        for rank in ranks:
            content = {tensor: ("F32", [1, 4], bytes(16)) for tensor in (NAMES if share else NAMES[rank * 8:rank * 8 + 8])}
            info = json.dumps({tensor: {"saved_offsets": [rank, 0]} for tensor in content})
            making.file(f"{directory}/shard-{rank + 1:05}-model-00001-of-00001.safetensors", content, {"DCP_SHARDING_INFO": info})
        return directory

    for what, ranks, share, count in (("whole", [0], True, 0), ("slices", [0, 1], True, 1), ("some", [0, 1], False, 1), ("one", [1], True, 1)):
        directory = slices(f"dcp-{what}", ranks, share)
        tally.equal(codes(directory), ["distributed-checkpoint"] * count, f"distributed: {what}")
        tally.check("remove" not in str(reported(directory)), "nothing is to be removed", reported(directory))
    tally.equal(codes(f"{directory}/shard-00002-model-00001-of-00001.safetensors"), ["distributed-checkpoint"], "a slice by itself")
    directory = slices("dcp-index", [0, 1], True)
    making.index(f"{directory}/model.safetensors.index.json",
                 {name: f"shard-0000{1 + i % 2}-model-00001-of-00001.safetensors" for i, name in enumerate(NAMES)})
    tally.equal(codes(directory), ["distributed-checkpoint"], "distributed, with an index")


def test_writes():
    directory = directory_of("writes", SHARDS)
    tally.equal(codes(directory), ["shards-without-index"], "shards without an index")
    tally.equal(reported(f"{directory}/*.safetensors"), [], "a pattern needs none")
    os.rename(f"{directory}/model-00002-of-00002.safetensors", f"{directory}/model-00002-of-00003.safetensors")
    tally.equal([row[:2] for row in reported(directory)], [("error", "mixed-shards")], "two writes of one model")
    reports(directory, "mixed-shards", ["model-00001-of-00002.safetensors (1 of 2)", "model-00002-of-00003.safetensors (1 of 3)"], "two writes")
    os.remove(f"{directory}/model-00002-of-00003.safetensors")
    tally.equal([row[:2] for row in reported(directory)], [("error", "incomplete-shards")], "half a write")
    with open(f"{directory}/.safetensors-0123456789abcdef.old", "wb") as out:
        out.write(b"the index")
    tally.equal(codes(directory), ["incomplete-shards", "mixed-shards", "unfinished-write"], "what was put aside")
    os.remove(f"{directory}/.safetensors-0123456789abcdef.old")
    for number in (1, 2):
        shutil.copy(f"{directory}/model-00001-of-00002.safetensors", f"{directory}/model-r3-0000{number}-of-00002.safetensors")
    tally.equal(codes(directory, "duplicate-across-shards"), ["mixed-shards"], "a later write's shards")

    directory = directory_of("left", {})
    making.model(directory, SHARDS)
    for number in (1, 2, 3):
        for name in ("model", "model-r1"):
            shutil.copy(f"{directory}/model-00001-of-00002.safetensors", f"{directory}/{name}-0000{number}-of-00003.safetensors")
    for name in (".safetensors-0123456789abcdef.tmp", "bad.safetensors"):
        with open(f"{directory}/{name}", "wb") as out:
            out.write(b"no file at all")
    tally.equal(codes(directory), ["unfinished-write"] + ["unindexed-shard"] * 3, "what is left beside an index")
    for name in (".safetensors-0123456789abcdef.tmp", "bad.safetensors", "model-*-of-00003.safetensors", "model-r1-*-of-00003.safetensors"):
        tally.check(sum(name in message for _, _, message in reported(directory)) == 1, f"{name} is reported", reported(directory))
    tally.equal(db.execute("SELECT count(*) FROM safetensors_tensors(?)", [directory]).fetchone(), (16,), "the model is what its index says")

    directory = directory_of("held", SHARDS)
    making.index(f"{directory}/model.safetensors.index.json", {name: shard for shard, tensors in SHARDS.items() for name in tensors})
    for name in ("0123456789abcdef", "0123456789abcdef-1", "0123456789abcdef-12", "notes"):
        open(f"{directory}/.safetensors-{name}.tmp", "wb").close()
    with open(f"{directory}/.safetensors-0123456789abcdef.tmp", "rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        tally.equal(codes(directory), [], "files of a write that goes on")
    tally.equal(codes(directory), ["unfinished-write"], "of one that ended")
    reports(directory, "unfinished-write", ["3 files"], "of one that ended")
    os.remove(f"{directory}/.safetensors-0123456789abcdef.tmp")
    reports(directory, "unfinished-write", ["2 files"], "of one whose guard is gone")

    directory = directory_of("variant", {shard.replace("model", "model.fp16"): tensors for shard, tensors in SHARDS.items()})
    making.index(f"{directory}/model.safetensors.index.fp16.json", {})
    tally.equal(reported(directory), [], "shards of a variant's index")


def test_agreement():
    """Shards without an index that the check finds an error in are those that safetensors_tensors refuses."""
    a, b, c = {"a": b"1"}, {"b": b"1"}, {"c": b"1"}
    pair = {"m-1-of-2.safetensors": a, "m-2-of-2.safetensors": b}
    for what, files, left, good in (
            ("complete", pair, None, True), ("gap", {"m-1-of-3.safetensors": a, "m-3-of-3.safetensors": b}, None, False),
            ("twice", {"m-1-of-2.safetensors": a, "m-2-of-2.safetensors": a}, None, False),
            ("one and two", {**pair, "m-1-of-1.safetensors": c}, None, False),
            ("later", {**pair, "m-r1-1-of-2.safetensors": a, "m-r1-2-of-2.safetensors": b}, None, False),
            ("others", {**pair, "n-1-of-2.safetensors": {"d": b"1"}, "n-2-of-2.safetensors": c}, None, True),
            ("aside", pair, "old", False), ("temporary", pair, "tmp", True)):
        directory = directory_of(f"agree-{what}", files)
        if left is not None:
            with open(f"{directory}/.safetensors-0123456789abcdef.{left}", "wb") as out:
                out.write(b"x")
        try:
            db.execute("SELECT count(*) FROM safetensors_tensors(?)", [directory]).fetchone()
            read = True
        except sqlite3.DatabaseError:
            read = False
        errors = [row for row in reported(directory) if row[0] == "error"]
        tally.equal((read, not errors), (good, good), f"{what}: read, no errors; {errors}")


def test_nothing_in_it():
    directory = directory_of("adapter", {"adapter_model.safetensors": {}})
    tally.equal(codes(directory), ["no-tensors"], "an adapter without tensors")
    making.file(f"{directory}/adapter_model.safetensors", {name: ("F32", [0], b"") for name in NAMES})
    tally.equal(codes(directory), ["placeholders"], "ZeRO-3's placeholders")
    making.file(f"{directory}/adapter_model.safetensors", {"a": ("F32", [0], b""), "b": ("F32", [0, 2], b""), "c": ("F32", [1], bytes(4))})
    tally.equal(reported(directory), [], "some that are empty")


def test_misaligned():
    """As MLX writes them: one finding for all tensors of a file."""
    tensors = {name: ("F32", [2, 4], bytes(32)) for name in NAMES}
    path = making.file(f"{ROOT}/mlx/model.safetensors", {"odd": b"1", **tensors})
    tally.equal(codes(path), ["misaligned-tensor"], "misaligned data")
    reports(path, "misaligned-tensor", [f"{len(NAMES) - 1} more"], "misaligned data")


def test_real_models():
    """What tools write has no errors."""
    models = os.path.join(os.path.dirname(os.environ.get("CORPUS", "../shared/corpus")), "models")
    if not os.path.isdir(models):
        print(f"skipped: real tools' models ({models} is not there)")
        return
    noisy = {"duplicate-tensor", "shards-without-index", "incomplete-shards", "mixed-shards", "unindexed-shard", "shard-gap"}
    for directory, _, files in os.walk(models):
        if not any(file.endswith((".safetensors", ".index.json")) for file in files):
            continue
        found = reported(directory)
        tally.equal([row for row in found if row[0] == "error" or row[1] in noisy], [], directory)
        for once in ("twin-files", "distributed-checkpoint"):
            tally.check(sum(row[1] == once for row in found) <= 1, f"{directory}: {once} once", found)


tally.run(globals(), ROOT)
