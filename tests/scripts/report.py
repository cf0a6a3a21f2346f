"""sql/report.sql: the verdict, the findings and the maps say what is in the files; the page is strict HTML, asks nothing
of the network and runs nothing, whatever the names in the files, and stays small; Chromium, where it is installed, shows
it at the widths of a phone, a tablet and a desk without scrolling sideways, light and dark.

Covers little: of all lines, others reach nearly as many.
"""

import csv
import io
import json
import math
import os
import re
import struct
import subprocess

import making
import pages
import shell
from tally import BUILD, Tally

tally = Tally()
ROOT = os.path.abspath(f"{BUILD}/report_scripts")
BASE, TUNE = (f"{BUILD}/demo/{name}.safetensors" for name in ("base", "tune"))
SCRIPT = "<script>alert(1)</script>"
HOSTILE = [SCRIPT, "\"><img src=x onerror=alert(2)>.weight", "layers.0.<b>&amp;'\"", "layers.1.<b>&amp;'\"", "layers.2.<b>&amp;'\"",
           "</svg></title></style>", "layers.2.‮evil\n\x1b[2J", "' onmouseover='alert(3)"]


def f32(*values):
    return "F32", [len(values)], struct.pack(f"<{len(values)}f", *values)


def report(**parameters):
    code, out, error = shell.script("report", **parameters)
    tally.equal((code, error), (0, ""), f"report of {parameters} runs")
    return out


def tables(**parameters):
    return json.loads(report(format="json", **parameters))


def values(path):
    """The BF16 and F32 tensors of a file as lists of numbers."""
    numbers = {}
    for name, (dtype, _, data) in making.tensors_of(path).items():
        data = b"".join(b"\0\0" + data[i:i + 2] for i in range(0, len(data), 2)) if dtype == "BF16" else data
        numbers[name] = struct.unpack(f"<{len(data) // 4}f", data)
    return numbers


def norm(numbers):
    return math.sqrt(math.fsum(x * x for x in numbers))


def maps(source):
    """The cells of each map: a dictionary from (row, column) to text, both as they are labelled."""
    found = []
    for table in re.findall(r'<table class="map[^"]*">.*?</table>', source, re.S):
        head = re.findall(r"<span>(.*?)</span>", table)
        cells = {}
        for row in re.findall(r"<tr>(<th>.*?)</tr>", table.partition("<tbody>")[2], re.S):
            label = re.match(r"<th>(.*?)</th>", row)[1]
            cells.update({(label, column): text for column, text in zip(head, re.findall(r"<td[^>]*>(.*?)</td>", row))})
        found.append(cells)
    return found


def test_demo():
    """The maps, the areas and the verdict, against numbers from the files' bytes."""
    base, tune = values(BASE), values(TUNE)
    source = report(path=TUNE, base=BASE)
    pages.check(tally, source, "the demo's fine-tune")
    for text in ["lm_head.weight is gone; score.weight is new.", "14 of 38 weights have other values, all in layers 2-3;", "1 is stored in another dtype (F32 to BF16).",
                 "<h2>Structure</h2>", "F32 to BF16", "<h1>tune</h1>"]:
        tally.check(text in source, f"it says {text}")
    tally.check("<h2>Findings" not in source and source.index("<h2>Structure") < source.index("<h2>What changed"), "structure before values")
    change, norms = maps(source)
    for name, numbers in tune.items():
        layer = re.match(r"model\.layers\.(\d)\.(.*)\.weight", name)
        if not layer:
            continue
        at = layer[1], layer[2]
        percent = 100 * norm([a - b for a, b in zip(base[name], numbers)]) / norm(base[name])
        tally.equal(change[at], "=" if percent == 0 else f"{percent:.1f}", f"change of {name}")
        peers = sorted(norm(tune[f"model.layers.{i}.{layer[2]}.weight"]) for i in range(4))
        percent = 100 * norm(numbers) / ((peers[1] + peers[2]) / 2) - 100
        shown = int(norms[at].replace("&minus;", "-"))
        tally.check(abs(shown - percent) < 0.51 or abs(percent) < 0.51 and shown == 0, f"norm of {name}", shown, percent)
    for layer in "0123":
        names = [name for name in base if name.startswith(f"model.layers.{layer}.")]
        percent = 100 * norm([a - b for name in names for a, b in zip(base[name], tune[name])]) / norm([x for name in names for x in base[name]])
        tally.equal(change[layer, "whole layer"], "=" if percent == 0 else f"{percent:.1f}", f"change of layer {layer}")
    sizes = {}
    for name, numbers in tune.items():
        module = re.sub(r"^.*\.\d\.", "", name).removesuffix(".weight")
        sizes[module] = sizes.get(module, 0) + len(numbers)
    areas = dict((label, int(size)) for size, label in re.findall(r'<div style="flex:(\d+) 0 0"><span class="[dp ]*">(.*?)<br>', source))
    tally.equal(areas, {module: size for module, size in sizes.items() if size > 0.0005 * sum(sizes.values())}, "areas are parameters")
    for name, bars in re.findall(r'<div class="card"><code>(.*?)</code>.*?<div class="plot">(.*?)</div>', source):
        lo, hi, counts = min(tune[name]), max(tune[name]), [0] * 31  # which are within four standard deviations
        for value in tune[name]:
            counts[min(30, int((value - lo) / (hi - lo) * 31))] += 1
        heights = [float(height) for height in re.findall(r"height:([\d.]+)%", bars)]
        tally.check(len(heights) == 31 and all(abs(height - 100 * count / max(counts)) < 0.051 for height, count in zip(heights, counts)),
                    f"distribution of {name}", heights, counts)
    got = tables(path=TUNE, base=BASE)
    tally.equal((got["report"][0]["parameters"], got["report"][0]["status"]), (sum(map(len, tune.values())), "warning"), "the facts")
    tally.equal({row["status"]: 0 for row in got["report_changes"]}.keys(), {"gone", "new", "same", "changed", "retyped"}, "statuses")
    alone = report(path=BASE)
    pages.check(tally, alone, "the demo's base")
    tally.check("All files load, and all values are finite." in alone and "What changed" not in alone and "Nothing is wrong" in alone, "nothing is wrong")


def test_not_finite():
    """NaNs and infinities come first, empty no map, and are old news if the base has them."""
    path = f"{ROOT}/nan"
    layers = {f"m.layers.{i}.w": f32(1 + i, 1) for i in range(4)}
    base = {**layers, "old": f32(math.inf, math.nan, 1), "head": f32(1, 2, 3, 4), "gone": f32(1)}
    tune = {**layers, "m.layers.2.w": f32(math.nan, math.inf), "old": f32(math.inf, math.nan, math.inf), "head": f32(1, 2, 3, 4, 5), "zero": f32(0, 0)}
    a, b = making.file(f"{path}/base.safetensors", base), making.file(f"{path}/tune.safetensors", tune)
    source = report(path=b, base=a)
    pages.check(tally, source, "NaN")
    tally.check('<div class="verdict error">' in source and "2 weights have NaN or infinities that the base does not have, the most in m.layers.2.w." in source, "the verdict")
    got = tables(path=b, base=a)
    tally.equal([(row["severity"], row["code"], row["count"], row["tensor"], row["message"]) for row in got["report_findings"] if row["code"][-3:] in ("nan", "ite", "ero")], [
        ("error", "new-nan", 1, "m.layers.2.w", "1 of 2 elements is NaN, and not in the base"),
        ("error", "new-infinite", 2, "m.layers.2.w", "1 of 2 elements is infinite, and not in the base"),
        ("warning", "nan", 1, "old", "1 of 3 elements is NaN, as in the base"),
        ("warning", "infinite", 1, "old", "1 of 3 elements is infinite, as in the base"),
        ("advice", "all-zero", 1, "zero", "all 2 elements are 0")], "new before old")
    changes = {row["name"]: row for row in got["report_changes"]}
    tally.equal((changes["head"]["status"], changes["head"]["n_diff"], changes["gone"]["status"], changes["zero"]["status"]),
                ("reshaped", 0, "gone", "new"), "more rows are compared over those that both have")
    tally.check("common rows equal" in source and "head is of another shape ([4] to [5])" in source, "and it is said")
    change, norms = maps(source)
    tally.equal((change["2", "w"], change["1", "w"], norms["2", "w"]), ("NaN", "=", "NaN"), "in the maps")
    tally.equal([norms[f"{i}", "w"] for i in (0, 1, 3)], ["&minus;37", "0", "&times;1.8"][:1] + ["0", "+84"], "the finite ones still have their norms")
    source = report(path=b)
    tally.check("2 weights have NaN or infinities, the most in" in source and ", as in the base" not in source, "without a base each is an error")
    making.file(f"{path}/many.safetensors", {f"t{i}": f32(math.nan) for i in range(15)})
    source = report(path=f"{path}/many.safetensors")
    tally.check("error: nan</b> 15 times" in source and "and 10 more" in source, "of many the first five, and how many more")


def test_packed():
    """Packed weights count and compare as what they stand for: int8 rows with a scale each."""
    def packed(scale):
        return {"l.0.w.weight": ("I8", [2, 2], bytes([1, 2, 3, 4])), "l.0.w.weight_scale": ("F32", [2, 1], struct.pack("<2f", scale, scale)),
                "l.0.norm.weight": f32(1, 1)}
    a, b = making.file(f"{ROOT}/packed/a.safetensors", packed(1)), making.file(f"{ROOT}/packed/b.safetensors", packed(1.5))
    got = tables(path=b, base=a)
    rows = {row["name"]: row for row in got["report_changes"]}
    if "l.0.w.weight" in rows and rows["l.0.w.weight"]["from_dtype"] != "I8":
        tally.check(abs(rows["l.0.w.weight"]["rel_l2"] - 0.5) < 1e-6, "half of it more", rows)
        tally.equal(got["report"][0]["parameters"], 6, "logical parameters")
    else:
        tally.check(False, "int8 with a scale is a scheme", rows)


def test_hostile():
    tensors = {name: f32(1, math.nan) for name in HOSTILE}
    path = making.file(f"{ROOT}/hostile/x.safetensors", tensors, {SCRIPT: "</td>" + SCRIPT, "a&b": "'\"<>\x07", "modelspec.title": f"t{SCRIPT}\x1b"})
    base = making.file(f"{ROOT}/hostile/y.safetensors", {name: f32(1, 2) for name in HOSTILE[1:]} | {"<i>": f32(1)})
    for parameters in ({"path": path}, {"path": path, "base": base}, {"path": base, "base": path}):
        source = report(**parameters)
        page = pages.check(tally, source, f"hostile names, {parameters}")
        tally.check(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f‮]", source), "no control characters")
        tally.check(any(SCRIPT in text for text in page.texts), "they are shown")
    page = pages.check(tally, report(path=making.file(f"{ROOT}/<b>&'\"\x1b\udcff.safetensors", {"a": f32(1)})), "a hostile name of a file")
    tally.check("<b>&'\"\\x1b\\xff" in page.texts, "its title is the name", page.texts[:9])
    twins = making.file(f"{ROOT}/hostile/twins.safetensors", {f"{block}.{i}.conv.weight": f32(*range(99)) for block in ("up", "down") for i in range(3)})
    labels = re.findall(r'<span class="[dp ]*">(.*?)<br>', report(path=twins))
    tally.equal(sorted(labels), ["down.#.conv", "up.#.conv"], "no two areas have one name")
    with open(f"{ROOT}/hostile/config.json", "w", encoding="utf-8") as file:
        json.dump({"architectures": [SCRIPT], "hidden_size": SCRIPT}, file)
    tally.check(SCRIPT in "".join(pages.check(tally, report(path=path), "a hostile configuration").texts), "the architecture is shown")


def test_large():
    """Whatever the model, the page stays under 300 kB, and says what it leaves out."""
    empty = ("F32", [1], struct.pack("<f", 1))
    long = "&'" * 90
    models = {
        "layers": {f"model.layers.{i}.part{j}.weight": empty for i in range(120) for j in range(40)},
        "names": {f"m.{i}.{long}{j}.{'<' * 30}": ("F32", [1], struct.pack("<f", math.nan)) for i in range(40) for j in range(50)},
        "families": {f"family{i}.{j}.w{k}": empty for i in range(60) for j in range(3) for k in range(20)},
        "flat": {f"{i}{long}": empty for i in range(4000)},
    }
    for name, tensors in models.items():
        path = making.file(f"{ROOT}/large/{name}.safetensors", tensors, {f"{long}{i}": long * 20 for i in range(300)})
        other = making.file(f"{ROOT}/large/{name}.base.safetensors", {key: ("F32", [1], struct.pack("<f", 2)) for key in list(tensors)[:-3]} | {f"{long}{i}": empty for i in range(90)})
        source = report(path=path, base=other)
        size = len(source.encode())
        pages.check(tally, source, name)
        tally.check(size < 300_000, f"{name}: under 300 kB", size)
        tally.check(re.search(r"[\d,]+ more", source), f"{name}: says what is left out")


def test_formats():
    got = tables(path=TUNE, base=BASE)
    tally.equal(list(got), ["report", "report_findings", "report_changes", "report_tensors"], "tables")
    rows = list(csv.DictReader(io.StringIO(report(path=TUNE, format="csv"))))
    tally.equal([(row["title"], row["verdict"]) for row in rows], [("tune", "All files load, and all values are finite.")], "csv")


def test_failures():
    broken = f"{ROOT}/failures"
    making.model(f"{broken}/model", {f"model-0000{i}-of-00002.safetensors": {f"layers.{i}.w": f32(1, 2)} for i in (1, 2)})
    with open(f"{broken}/model/model-00002-of-00002.safetensors", "r+b") as file:
        file.truncate(20)
    code, out, error = shell.script("report", path=f"{broken}/model")
    tally.equal((code, error.count("\n")), (1, 1), f"a shard that cannot be read: {error}")
    pages.check(tally, out, "a shard that cannot be read")
    tally.check("1 of 2 files cannot be read." in out and out.index("cannot be read") < out.index("<h2>Findings"), "and the page says so first")
    making.file(f"{broken}/empty.safetensors", {})
    for parameters in ({"path": f"{ROOT}/none"}, {"path": BASE, "base": f"{ROOT}/none"}, {"base": BASE}, {"pth": BASE}, {"path": BASE, "bsae": TUNE},
                       {"path": f"{broken}/empty.safetensors"}, {"path": BASE, "format": "xml"}):
        code, out, error = shell.script("report", **parameters)
        tally.equal((code, out, error.count("\n")), (1, "", 1), f"report with {parameters}: {error}")


def test_drawn():
    making.file(f"{ROOT}/drawn/deep.safetensors", {
        f"model.layers.{i}.{part}.weight": f32(1 + i % 7, math.nan if i == 33 and part == "mlp.up_proj" else 0, -5 * (i == 5))
        for i in range(80) for part in ("mlp.up_proj", "self_attn.q_proj", "a_module_with_a_long_name.inside", *(f"experts.{j}.w" for j in range(20)))})
    pages.draw(tally, {"fine-tune": report(path=TUNE, base=BASE), "one": report(path=BASE), "deep": report(path=f"{ROOT}/drawn/deep.safetensors"),
                       "hostile": report(path=f"{ROOT}/hostile/x.safetensors", base=f"{ROOT}/hostile/y.safetensors"),
                       "large": report(path=f"{ROOT}/large/names.safetensors", base=f"{ROOT}/large/names.base.safetensors")})


subprocess.run(["tests/make_demo", f"{BUILD}/demo"], check=True)
tally.run(globals(), ROOT)
