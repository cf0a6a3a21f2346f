"""What sql/loras.sql and sql/run.sql print with :page: one page, strict HTML, with what is broken first, small and harmless
whatever is in the files; Chromium, where it is installed, shows it at three widths, light and dark.

Covers little: of all lines, others reach nearly as many.
"""

import html
import json
import math
import os
import re
import struct

import making
import pages
import shell
from tally import BUILD, Tally

tally = Tally()
ROOT = os.path.abspath(f"{BUILD}/page_scripts")
EVIL = "<img src=x onerror='a()'>\"&\x1b\u202e"
SOURCES = {}


def f32(*values):
    return "F32", [len(values)], struct.pack(f"<{len(values)}f", *values)


def page(verb, path, bad, title):
    """The page, whose script ends with its verdict if something is bad."""
    code, out, error = shell.script(verb, path=path, page="1")
    tally.equal((code, error.count("\n")), (int(bad), int(bad)), f"{title}: {error}")
    shown = pages.check(tally, out, title)
    tally.check(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out), f"{title}: no control characters")
    SOURCES[title] = out
    return out, shown.texts


def adapter(rank, value, **metadata):
    name = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    return {f"{name}.lora_down.weight": ("F32", [rank, 768], struct.pack("<f", 1) * 768 * rank), f"{name}.lora_up.weight": ("F32", [8, rank], struct.pack("<f", value) * 8 * rank),
            f"{name}.alpha": ("F32", [], struct.pack("<f", rank / 2))}, metadata


def test_adapters():
    root = f"{ROOT}/loras"
    for i in range(40):
        making.file(f"{root}/{'ab'[i % 2]}/style{i}.safetensors", *adapter(1 + i % 2, 1 + i, **{"modelspec.trigger_phrase": f"sks{i}, {EVIL}"}))
    making.file(f"{root}/{EVIL.replace('/', '')}.safetensors", *adapter(1, 99, ss_output_name=EVIL, ss_training_started_at="1700000000"))
    making.file(f"{root}/nan.safetensors", *adapter(1, float("nan")))
    making.file(f"{root}/copy.safetensors", *adapter(1, 1, other="notes"))
    os.truncate(making.file(f"{root}/cut.safetensors", *adapter(1, 1)), 3000)
    source, texts = page("loras", root, True, "adapters")
    heads = re.findall("<h2>(.*?)</h2>", source)
    tally.equal(heads, ["For which base", "Broken", "Not finite", "Copies", "Adapters"], "the worst first")
    rows = {re.sub("<.*?>", "", row.split("</code>")[0]): html.unescape(re.sub("<.*?>", "|", row)) for row in re.findall("<tr>(<td><code>.*?)</tr>", source)}
    tally.equal(len(rows), 44, "a row each")
    tally.check("truncated" in rows["cut.safetensors"] and "8 NaN" in rows["nan"] and "a copy of copy.safetensors" in rows["a/style0"], "what is wrong", rows["cut.safetensors"], rows["nan"], rows["a/style0"])
    tally.check("|1, alpha 0.5|" in rows["a/style0"] and "|2, alpha 1|" in rows["b/style3"], "rank and alpha", rows["a/style0"])
    tally.check("sks3, <img" in rows["b/style3"] and "SD 1.5" in rows["b/style3"], "trigger words and base", rows["b/style3"])
    tally.check(any("44 adapters in 3 folders" in text for text in texts), "how many")


def test_many_adapters():
    """More than a page has room for."""
    for i in range(600):
        making.file(f"{ROOT}/many/{i:04d}{'&' * 200}.safetensors", {f"l{i}.lora_A.weight": ("F32", [1, 2], bytes(8)), f"l{i}.lora_B.weight": ("F32", [2, 1], bytes(8))},
                    {"modelspec.trigger_phrase": "'&" * 300, "modelspec.title": "<&" * 300})
    source, _ = page("loras", f"{ROOT}/many", False, "many adapters")
    tally.check(re.search(r"<p class=\"note\">\d+ more are left out", source), "says how many are left out")


def test_run():
    """Three checkpoints, of which the second has a NaN and the third an infinity; and one whose trainer says nothing."""
    root = f"{ROOT}/run"
    steps = {100: (2, 4, 5), 200: (2, 6, math.nan), 1000: (2, 6, math.inf)}
    for step, (a, b, c) in steps.items():
        making.file(f"{root}/checkpoint-{step}/model.safetensors", {"m.layers.0.w": f32(a, a), "m.layers.1.w": f32(b, b), "m.layers.10.w": f32(c, 1), f"{EVIL}.2": f32(1)})
        with open(f"{root}/checkpoint-{step}/trainer_state.json", "w", encoding="utf-8") as file:
            json.dump({"global_step": step, "log_history": [{"step": s, "loss": 300 / s} for s in steps if s <= step]}, file)
    source, texts = page("run", root, True, "run")
    heads = re.findall("<h2>(.*?)</h2>", source)
    tally.equal(heads, ["Where NaN and infinities come up", "Over the steps", "Change by layer", "Checkpoints", "Never changed"], "the worst first")
    tally.check("3 checkpoints, steps 100 to 1000: NaN or infinities from step 200 on." in texts, "the verdict", texts[:20])
    rows = {row[0]: row[1:] for row in ([re.sub("<.*?>", "", cell) for cell in re.findall("<t[hd][^>]*>(.*?)</t[hd]>", line)]
                                        for line in re.findall("<tr>(.*?)</tr>", source, re.S)) if row}
    tally.equal((rows["layer"], rows["m.layers.0"], rows["m.layers.1"], rows["m.layers.10"]), (["200", "1000"], ["=", "="], ["50", "="], ["NaN", "inf"]), "the map")
    places = [source.index(f"<th>m.layers.{layer}</th>") for layer in (0, 1, 10)]
    tally.equal(places, sorted(places), "layers are in the order of their numbers")
    curves = re.findall(r"<b>(.*?)</b>.*?<path vector-effect=\"non-scaling-stroke\" d=\"M(.*?)\"></path>(<path class=\"mark\" vector-effect=\"non-scaling-stroke\" d=\"M([\d.]+),0V40\">)?", source)
    tally.equal([(what, x) for what, _, _, x in curves], [("loss", "50.0"), ("norm of all weights", "50.0"), ("change from the one before, %", "50.0"), ("change from the first, %", "50.0")],
                "curves, and where the NaN is")
    tally.equal(curves[0][1], "0.0,0.0L50.0,22.2L100.0,40.0", "the loss: 3, 1.5, 0.3")
    for step in steps:
        tally.check(f"<code>checkpoint-{step}</code>" in source, f"checkpoint {step}")
    for i in range(3):
        making.file(f"{ROOT}/hostile_run/step{i}.safetensors", {f"{'&' * 200}{j}.{j}.w": f32(1 + i * j) for j in range(300)})
    source, _ = page("run", f"{ROOT}/hostile_run", False, "a run with long names")
    tally.check(re.search(r"\d+ more layers are left out", source), "says how many layers are left out")
    for i in range(40):
        making.file(f"{ROOT}/long/step{i}.safetensors", {f"layers.{j}.{'&' * 80}": f32(1 + i * (j + 1) / 64, j) for j in range(60)})
    source, _ = page("run", f"{ROOT}/long", False, "a long run")
    tally.check("of every 4th checkpoint" in source, "not every checkpoint has a column")


def test_drawn():
    pages.draw(tally, SOURCES)


tally.run(globals(), ROOT)
