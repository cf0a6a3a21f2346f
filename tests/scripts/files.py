"""One file that cannot be read ends no script of sql/ about many: it is reported, with its error, and the rest is
done. Nothing that can be read ends each with one sentence.

Covers little: of all lines, others reach nearly as many.
"""

import os
import shutil
import struct
import tempfile

import making
import shell
from tally import Tally

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="scripts.")
READ = ("summary", "tensors", "layers", "duplicates", "health", "distribution", "values", "quantized", "lora", "inventory", "shards", "report")


def f32(*values):
    return "F32", [len(values)], struct.pack(f"<{len(values)}f", *values)


def make():
    """A directory of adapters with broken downloads among them, and a model that lacks a shard."""
    for i in range(3):
        making.file(f"{ROOT}/many/style [{i}].safetensors", {
            f"lora_unet_mid_block_attentions_{i}_to_q.lora_{part}.weight": ("F32", [2, 2], struct.pack("<4f", i, 1, 2, 3))
            for part in ("down", "up")}, {"ss_network_dim": "2"})
    for name, content in (("page", b"<!DOCTYPE html><html></html>"), ("nothing", b""), ("pickle", b"\x80\x02}q\x00."),
                          ("cut", open(f"{ROOT}/many/style [0].safetensors", "rb").read()[:-3])):
        with open(f"{ROOT}/many/a {name}.safetensors", "wb") as out:
            out.write(content)
    making.model(f"{ROOT}/part", {f"model-0000{i}-of-00003.safetensors": {f"layers.{i}.w": f32(i, 1)} for i in (1, 2, 3)})
    os.remove(f"{ROOT}/part/model-00002-of-00003.safetensors")
    making.model(f"{ROOT}/gone", {"model-00001-of-00001.safetensors": {"w": f32(1)}})
    os.remove(f"{ROOT}/gone/model-00001-of-00001.safetensors")
    os.mkdir(f"{ROOT}/empty")


try:
    make()
    for script in READ:
        for path, bad in ((f"{ROOT}/many", "a cut a page a nothing a pickle".split(" a ")), (f"{ROOT}/many/*.safetensors", ["page"]),
                          (f"{ROOT}/part", ["model-00002-of-00003"])):
            if script in ("lora", "duplicates") and path == f"{ROOT}/part":
                continue  # which is no adapter, and no copy of anything
            code, out, error = shell.script(script, path=path)
            tally.check((code, error) == (0, "") or code == 1 and error.count("\n") == 1 and "safetensors: " not in error,
                        f"sql/{script}.sql goes on over {path}", code, error)
            if script == "report" and " models (" in error:
                continue  # a page is about one
            for name in bad:
                tally.check(name.removeprefix("a ") in out + error, f"sql/{script}.sql reports {name}", out)
            good = {"inventory": "style [2]", "lora": "style [2]", "duplicates": "No two", "values": "attentions_2"}
            if path == f"{ROOT}/many" and script in good:
                tally.check(good[script] in out or script == "duplicates", f"sql/{script}.sql does the rest", out)
        for path in (f"{ROOT}/none.safetensors", f"{ROOT}/none", f"{ROOT}/none/*.safetensors", f"{ROOT}/empty", "hf://no/such"):
            code, out, error = shell.script(script, path=path)
            tally.equal((code, out, error.count("\n")), (1, "", 1), f"sql/{script}.sql of {path}: {error}")
    for script in set(READ) - {"shards", "inventory"}:  # these two tell what is not there
        code, out, error = shell.script(script, path=f"{ROOT}/gone")
        tally.equal((code, out, error.count("\n")), (1, "", 1), f"sql/{script}.sql of a model without its only shard")
    # names that are cut keep their layer, and the number of an expert
    names = [f"model.language_model.layers.{layer}.mlp.experts.{expert}.{part}_proj.weight"
             for layer in (3, 27) for expert in (1, 12) for part in ("gate", "down")]
    making.file(f"{ROOT}/names.safetensors", {name: f32(float("nan"), 1) for name in names})
    for script, title in (("summary", "Largest tensors"), ("health", "NaN and infinities"), ("values", "First elements"), ("duplicates", "Their tensors")):
        code, out, error = shell.script(script, path=f"{ROOT}/names.safetensors")
        lines = out.split(f"== {title}\n")[1].split("\n\n")[0].splitlines()[2:]
        labels = {next(word for word in line.split() if "weight" in word) for line in lines if "weight" in line}
        wanted = len(names) if script != "duplicates" else 5  # of a set, five are shown
        tally.check(len(labels) == wanted and all("layers.3" in label or "layers.27" in label for label in labels), f"labels of sql/{script}.sql", out)
    # a directory that is emptied is a change; one that is gone is an error, and nothing is taken
    history = f"{ROOT}/history.db"
    shutil.copytree(f"{ROOT}/many", f"{ROOT}/taken")
    shell.script("inventory", history, path=f"{ROOT}/taken")
    shutil.rmtree(f"{ROOT}/taken")
    code, out, error = shell.script("inventory", history, path=f"{ROOT}/taken")
    tally.equal((code, out, error.count("\n")), (1, "", 1), "sql/inventory.sql of a directory that is gone")
    os.mkdir(f"{ROOT}/taken")
    code, out, error = shell.script("inventory", history, path=f"{ROOT}/taken")
    tally.check(code == 0 and out.count("\ngone") == 7, "sql/inventory.sql of a directory that has been emptied", out, error)
finally:
    shutil.rmtree(ROOT)
tally.finish()
