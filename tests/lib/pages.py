"""Checks of HTML pages: strictly by what is written, and in Chromium, where it is installed, by how it looks."""

import html
import json
import os
import re
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser

VOID = {"meta", "br"}
TAGS = VOID | set("html head title style body header footer h1 h2 h3 p div b small span i code ul li table thead tbody tr th td svg path".split())
ATTRIBUTES = set("lang charset http-equiv name content class style data-is id".split()) | set("viewbox preserveaspectratio vector-effect colspan d role aria-label".split())
INSIDE = {"li": "ul", "tr": "thead tbody", "td": "tr", "th": "tr", "thead": "table", "tbody": "table", "body": "html", "head": "html", "title": "head"}
INLINE = set("b small span i code br".split())
WIDTHS = (390, 800, 1400)  # of a phone, a tablet, a desk


class Page(HTMLParser):
    """Tags, attributes and texts. An error is a tag that is not closed, or stands where it may not."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.texts, self.open, self.errors, self.ids = [], [], [], []
        self.feed(source)
        self.close()
        self.errors += [f"<{tag}> is not closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        parent = self.open[-1] if self.open else None
        if tag not in TAGS:
            self.errors.append(f"<{tag}>")
        if tag in INSIDE and parent not in INSIDE[tag].split():
            self.errors.append(f"<{tag}> in <{parent}>")
        if parent == "p" and tag not in INLINE or parent in INLINE and tag in ("div", "p", "table", "ul"):
            self.errors.append(f"<{tag}> in <{parent}>")
        if parent in ("table", "tr", "thead", "tbody", "ul") and INSIDE.get(tag, "").split().count(parent) == 0:
            self.errors.append(f"<{tag}> in <{parent}>")
        names = [name for name, _ in attrs]
        self.errors += [f"{name} in <{tag}>" for name in names if name not in ATTRIBUTES or names.count(name) > 1]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.texts.append(data)


def check(tally, source, title):
    """Whether a page is well formed, quotes all attributes, runs nothing and loads nothing. Returns it."""
    page = Page(source)
    tally.equal(page.errors[:5], [], f"{title}: is strict HTML")
    tally.equal(len(page.ids), len(set(page.ids)), f"{title}: ids are unique")
    body = re.sub(r"<style>.*?</style>", "", source.removeprefix("<!DOCTYPE html>"), flags=re.S)
    rest = re.sub(r"</?[a-z][a-z0-9]*(?: [a-zA-Z-]+=\"[^\"<>]*\")*>", "", body)
    tally.check("<" not in rest and ">" not in rest, f"{title}: tags are tags", re.findall(".{0,20}[<>].{0,20}", rest)[:3])
    tally.check(not re.search(r"&(?!(?:[a-z]+|#\d+);)", body), f"{title}: & is escaped", re.findall(r"&(?!(?:[a-z]+|#\d+);).{0,20}", body)[:3])
    tally.check("default-src 'none'" in source and not re.search(r"url\(|@import|https?:| on[a-z]+=\"|<script", re.sub(r">[^<]*<", "><", source), re.I),
                f"{title}: runs and loads nothing")
    tally.check(len(source.encode()) < 300_000, f"{title}: is small", len(source))
    return page


# In each frame: how wide the page is, what stands out to the right, table cells whose text does not fit, and texts
# whose contrast with what is behind them is less than 4.5 (WCAG AA).
MEASURE = """
const shade = c => { const [r, g, b, a] = (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const l = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  return {a: a === undefined ? 1 : a, l: .2126 * l(r) + .7152 * l(g) + .0722 * l(b)}; };
onload = () => { const out = [];
  for (const frame of document.querySelectorAll('iframe')) {
    const document = frame.contentDocument, root = document.documentElement, width = root.clientWidth, wide = [], cut = [], faint = new Set();
    for (const e of document.body.querySelectorAll('*')) {
      const box = e.getBoundingClientRect();
      if (box.right > width + 1 || box.left < -1) wide.push(e.tagName + ' ' + e.textContent.slice(0, 40));
      if (e.tagName == 'TD' && e.scrollWidth > e.clientWidth + 1) cut.push(e.textContent.slice(0, 40));
      if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()) || !box.width) continue;
      let back = e, style = getComputedStyle(e);
      while (back && shade(getComputedStyle(back).backgroundColor).a < 1 && getComputedStyle(back).backgroundImage == 'none') back = back.parentElement;
      const behind = getComputedStyle(back || root);
      if (behind.backgroundImage != 'none') continue;
      const [dark, light] = [shade(style.color).l, shade(behind.backgroundColor).l].sort((a, b) => a - b);
      if ((light + .05) / (dark + .05) < 4.5) faint.add(e.tagName + '.' + e.className + ' ' + style.color + ' on ' + behind.backgroundColor);
    }
    out.push({title: frame.title, width, scroll: root.scrollWidth, wide: wide.slice(0, 3), cut: cut.slice(0, 3), faint: [...faint].slice(0, 3),
              paper: getComputedStyle(document.body).backgroundColor});
  }
  document.body.textContent = 'MEASURED' + JSON.stringify(out) + 'MEASURED'; };
"""


def draw(tally, sources):
    """How Chromium shows pages, a dictionary of title to source, at three widths, light and dark."""
    if shutil.which("chromium") is None:
        print("skipped: the pages in a browser (chromium is not installed)")
        return
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "frames.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"<!DOCTYPE html><meta charset=\"utf-8\"><script>{MEASURE}</script>")
            for title, source in sources.items():
                for width in WIDTHS:
                    file.write(f'<iframe title="{title}" style="border:0;width:{width}px;height:400px" srcdoc="{html.escape(source)}"></iframe>')
        for dark, paper in ((False, "rgb(255, 255, 255)"), (True, "rgb(18, 21, 27)")):
            command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
                       "--disable-component-update", "--hide-scrollbars", f"--user-data-dir={directory}/{dark}", "--virtual-time-budget=60000",
                       *(["--blink-settings=preferredColorScheme=0"] if dark else []), "--dump-dom", f"file://{path}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            found = re.search(r"<body>MEASURED(.*?)MEASURED</body>", done.stdout, re.S)
            tally.check(found, "chromium shows the pages", done.stderr[-500:])
            for frame in json.loads(html.unescape(found[1])) if found else []:
                what = f"{frame['title']}, {frame['width']} pixels, {'dark' if dark else 'light'}"
                tally.equal((frame["scroll"], frame["wide"]), (frame["width"], []), f"{what}: no scrolling sideways")
                tally.equal(frame["cut"], [], f"{what}: what is in a cell fits")
                tally.equal(frame["faint"], [], f"{what}: contrast")
                tally.equal(frame["paper"], paper, f"{what}: its theme")
