"""sql/report.sql: the page is well formed, asks nothing of the network and runs nothing, whatever the names in
the file; its areas and bars are the numbers; Chromium, where it is installed, draws it, light and dark."""

import json
import math
import os
import re
import struct
import subprocess
import tempfile
import zlib
from html.parser import HTMLParser

import making
import shell
from tally import BUILD, Tally

tally = Tally()
BASE, TUNE = (f"{BUILD}/demo/{name}.safetensors" for name in ("base", "tune"))
TAGS = set("html head meta title style body h1 h2 p div b small span bdi svg g rect text table tr th td".split())
ATTRIBUTES = set("lang charset http-equiv name content class style role aria-label x y width height viewbox "
                 "preserveaspectratio".split())
SCRIPT = "<script>alert(1)</script>"
HOSTILE = [SCRIPT, "\"><img src=x onerror=alert(2)>.weight", "layers.0.<b>&amp;'\"", "layers.1.<b>&amp;'\"",
           "</svg></title></style>", "layers.2.\u202eevil\n\x1b[2J"]


class Page(HTMLParser):
    """Tags, attributes and texts as a browser sees them; rectangles with what their titles say."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.texts, self.rectangles = set(), set(), [], []
        self.open, self.titles = [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "rect":
            self.rectangles.append((dict(attrs), len(self.texts)))
        if tag not in ("meta", "tr", "td", "th", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag == "rect":
            return
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.texts.append(data)


def report(**parameters):
    command = ["sqlite3", "-batch", "-bail", "-cmd", f".load {BUILD}/safetensors"]
    for name, path in parameters.items():
        command += ["-cmd", f".param set :{name} {path}"]
    with open("sql/report.sql", encoding="utf-8") as file:
        done = subprocess.run(command, input=file.read(), capture_output=True, text=True, check=False)
    tally.equal((done.returncode, done.stderr), (0, ""), f"report of {parameters} runs")
    return done.stdout


def check_page(source, title):
    page = Page(source)
    tally.equal(page.open, [], f"{title}: all tags are closed")
    tally.equal(page.tags - TAGS, set(), f"{title}: tags")
    tally.equal(page.attributes - ATTRIBUTES, set(), f"{title}: attributes")
    tally.check("default-src 'none'" in source, f"{title}: may load nothing")
    tally.check(not re.search(r"url\(|@import|https?:", source), f"{title}: names nothing to load")
    return page


def check_numbers(source):
    """The treemap's areas, against the header."""
    with open(BASE, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    sizes = {name: math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    total, found = sum(sizes.values()), 0
    cells = re.findall(r'<g><title>(.*?)</title><rect class="k\d(?: thin)?" x="[\d.]+" y="[\d.]+" width="([\d.]+)" height="([\d.]+)"/>',
                       source)
    for title, width, height in cells:
        where, number = title.rsplit(": ", 1)
        number = int(number.replace(",", ""))
        layer, _, kind = where.rpartition(", ")
        name = (kind.replace("#", layer.replace("layer ", ""), 1) if layer else kind) + ".weight"
        tally.equal(number, sizes.get(name), f"treemap: parameters of {where}")
        share = float(width) * float(height) / (960 * 280)
        tally.check(abs(share - number / total) < 1e-4, f"treemap: area of {where}", share, number / total)
        found += number
    tally.check(found > 0.995 * total, "treemap: nothing large is left out", found)
    tally.check("78.1 k" in source and "156 kB" in source, "totals, rounded")


def pixels(path):
    """Width, and rows of RGB triples, of a PNG without interlacing."""
    with open(path, "rb") as file:
        data = file.read()
    at, compressed, channels = 8, b"", 3
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, _, _, color = struct.unpack(">IIBB", body[:10])
            channels = 4 if color == 6 else 3
        elif kind == b"IDAT":
            compressed += body
        at += 12 + size
    raw, stride, rows = zlib.decompress(compressed), width * channels, []
    before = bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        kind, row = raw[start], bytearray(raw[start + 1:start + 1 + stride])
        for i in range(stride):
            left = row[i - channels] if i >= channels else 0
            up, corner = before[i], before[i - channels] if i >= channels else 0
            if kind == 4:
                guess = min((abs(up - corner), 0, left), (abs(left - corner), 1, up),
                            (abs(left + up - 2 * corner), 2, corner))[2]
            else:
                guess = (0, left, up, (left + up) // 2)[kind]
            row[i] = (row[i] + guess) & 255
        rows.append([tuple(row[i:i + 3]) for i in range(0, stride, channels)])
        before = row
    return width, rows


def draw(source, directory, dark):
    """What Chromium makes of it: the colours, and how often each is seen."""
    path, picture = os.path.join(directory, "report.html"), os.path.join(directory, "report.png")
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
               f"--user-data-dir={directory}/{dark}", "--window-size=540,640", f"--screenshot={picture}",
               *(["--blink-settings=preferredColorScheme=0"] if dark else []), f"file://{path}"]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    seen = {}
    for row in pixels(picture)[1]:
        for color in row:
            seen[color] = seen.get(color, 0) + 1
    return seen


def check_drawn(source):
    if subprocess.run(["sh", "-c", "command -v chromium"], capture_output=True, check=False).returncode != 0:
        print("skipped: the report in a browser (chromium is not installed)")
        return
    with tempfile.TemporaryDirectory() as directory:
        for dark, paper, blue in [(False, (0xff, 0xff, 0xff), (0x42, 0x69, 0xd0)), (True, (0x14, 0x17, 0x1d), (0x6b, 0x8c, 0xff))]:
            seen = draw(source, directory, dark)
            title = "dark" if dark else "light"
            tally.equal(max(seen, key=seen.get), paper, f"{title}: the paper's colour is the commonest")
            tally.check(seen.get(blue, 0) > 1000, f"{title}: the largest module is drawn", seen.get(blue))
            tally.check(seen.get((0xff, 0x72, 0x5c), 0) > 500, f"{title}: other modules are drawn")


subprocess.run(["tests/make_demo", f"{BUILD}/demo"], check=True)
alone = report(path=BASE)
page = check_page(alone, "one checkpoint")
for heading in ["Findings", "Where the parameters are", "Bytes by dtype", "Norms by layer", "Distributions", "Metadata"]:
    tally.check(heading in page.texts, f"one checkpoint: {heading}")
tally.check("What changed" not in page.texts, "one checkpoint is not compared")
check_numbers(alone)
compared = report(path=TUNE, base=BASE)
page = check_page(compared, "two checkpoints")
for text in ["What changed", "Change by layer", "score.weight", "only in the base", "F32 to BF16"]:
    tally.check(text in page.texts, f"two checkpoints: {text}")
tally.check(not re.search(r"new(<td class=\"n\">)*[0-9]", compared), "two checkpoints: a new tensor has no numbers")
with tempfile.TemporaryDirectory() as scratch:
    numbers = struct.pack("<2f", 1, math.nan)
    hostile = making.file(os.path.join(scratch, "it is.safetensors").replace(" ", ""),
                          {name: ("F32", [2], numbers) for name in HOSTILE}, {SCRIPT: "</td>" + SCRIPT, "a&b": '"<>'})
    page = check_page(report(path=hostile), "hostile names")
    tally.check(page.texts.count(SCRIPT) >= 3 and '"<>' in page.texts, "hostile names are shown as they are")
    empty = making.file(os.path.join(scratch, "empty.safetensors"), {})
    page = check_page(report(path=empty), "no tensors")
    tally.check("Nowhere: it has none." in page.texts and "svg" not in page.tags and any("no-tensors" in text for text in page.texts),
                "no tensors: nothing is drawn, and that is said", page.texts)
    one = making.file(os.path.join(scratch, "one.safetensors"), {"layers.0.w": ("F32", [2], numbers)})
    page = check_page(report(path=one), "one tensor")
    for text in ["parameters", "tensor", "layer", "file", "1 of 2 elements is NaN", "layer 0, up to 1"]:
        tally.check(text in page.texts, f"one tensor: {text}", page.texts)

# What is not finite, and is finite in the base, comes first and is an error, whatever else there is to say.
def f32(*values):
    return "F32", [len(values)], struct.pack(f"<{len(values)}f", *values)


def rows(source):
    """The cells of each row of the page's tables, as text."""
    return [[re.sub("<.*?>", "", cell).strip() for cell in re.split("<t[dh].*?>", row)[1:]] for row in re.findall("<tr>.*?(?=<tr>|</table>)", source, re.S)]


with tempfile.TemporaryDirectory() as scratch:
    many = {f"layers.{i}.w": f32(i, 1) for i in range(40)}
    base = {"old": f32(math.inf, math.nan, 1), "same": f32(math.nan)}
    tune = {"old": f32(math.inf, math.nan, 2), "same": f32(math.nan), "bad": f32(1, 2, math.nan, 4), "zero": f32(0, 0)}
    for directory, tensors in (("base", {"bad": f32(1, 2, 3, 4), **base}), ("tune", tune)):
        making.file(f"{scratch}/{directory}/1.safetensors", many | tensors)
        making.file(f"{scratch}/{directory}/2.safetensors", many)  # twice the same names: a warning each, or one
    source = report(path=f"{scratch}/tune", base=f"{scratch}/base")
    check_page(source, "new NaN")
    found = rows(source)
    tally.equal(found[1], ["error", "new-nan", "bad", "1 of 4 elements is NaN where the base has none"], "new NaN first")
    tally.check(["warning", "nan", "old", "1 of 3 elements is NaN, as in the base"] in found, "old NaN is a warning", found)
    tally.check(["warning", "infinite", "old", "1 of 3 elements is infinite, as in the base"] in found, "old infinities, too", found)
    tally.check(["advice", "all-zero", "zero", "all elements are 0"] in found, "no kind of finding hides another", found)
    tally.check("1 tensor has NaN or infinities that the base has not." in source, "and it is said in words")
    tally.check(any(row[:2] == ["bad", "changed not finite"] and row[2:] == ["NaN", "NaN", "25.0%", "NaN"] for row in found),
                "a NaN is not a distance of 0", found)
    source = report(path=f"{scratch}/tune")
    tally.equal(rows(source)[1][:2], ["error", "nan"], "without a base every NaN is an error")
    # of one kind, more than are shown
    making.file(f"{scratch}/many.safetensors", {f"t{i}": f32(math.nan) for i in range(15)} | {"inf": f32(math.inf)})
    found = rows(report(path=f"{scratch}/many.safetensors"))
    tally.check(["error", "nan", "and 3 more", ""] in found and any(row[1:3] == ["infinite", "inf"] for row in found), "how many more", found)
    # packed codes have no distance
    for name, byte, directory in (("a", 3, "codes_a"), ("b", 5, "codes_b")):
        making.file(f"{scratch}/{directory}.safetensors", {"q.qweight": ("I32", [2, 2], bytes([byte] * 16)), "q.scales": f32(1, 1), "w": f32(byte)})
    found = rows(report(path=f"{scratch}/codes_b.safetensors", base=f"{scratch}/codes_a.safetensors"))
    tally.check(["q.qweight", "changed: codes differ", "", "", "100.0%", ""] in found, "codes", found)
    # a missing path ends it before a line is written
    for parameters in ({"path": "/none"}, {"path": BASE, "base": "/none"}, {"base": BASE}):
        code, out, error = shell.script("report", **parameters)
        tally.equal((code, out, error.count("\n")), (1, "", 1), f"report with {parameters}: {error}")
check_drawn(alone)
tally.finish()
