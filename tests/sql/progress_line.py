"""Progress in the sqlite3 shell, on a pseudo terminal: the line comes when work takes longer than a second, and
nothing of it is left, neither between rows nor after Ctrl-C.

Covers little: of all lines, others reach nearly as many.
"""

import json
import math
import os
import pty
import re
import select
import struct
import tempfile
import time

from tally import BUILD, Tally, connect

tally = Tally()
COUNT = 50_000_000  # 200 MB, all zero: a sparse file


def make(path):
    header = json.dumps({"x": {"dtype": "F32", "shape": [COUNT], "data_offsets": [0, 4 * COUNT]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 4 * COUNT)


def shell(sql, interrupt_at=None, **environment):
    """What the shell writes to a terminal. Once `interrupt_at` is seen, Ctrl-C is pressed."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("sqlite3", ["sqlite3", "-batch", "-cmd", f".load {BUILD}/safetensors", ":memory:", sql],
                   {**os.environ, **environment})
    written, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            try:
                got = os.read(terminal, 65536)
            except OSError:
                break
            if not got:
                break
            written += got
            if interrupt_at and interrupt_at in written:
                os.write(terminal, b"\x03")
                interrupt_at = None
    os.close(terminal)
    os.waitpid(process, 0)
    return written.decode()


def screen(written):
    """The lines that are seen in the end: a carriage return goes back, what follows writes over."""
    lines = []
    for line in written.replace("\r\n", "\n").split("\n"):
        cells, at = [], 0
        for character in line:
            if character == "\r":
                at = 0
                continue
            cells[at:at + 1] = character
            at += 1
        lines.append("".join(cells).rstrip())
    return [line for line in lines if line]


with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "zeros.safetensors")
    make(path)
    db = connect()
    sql = f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {{}})
              SELECT i, mean FROM n, tensor_stats(tensor_ref('{path}', 'x', '0:' || ({COUNT} - i)))"""
    few, fastest = 20, math.inf  # a row takes longer in a statement of its own
    for _ in range(3):
        begin = time.monotonic()
        db.execute(sql.format(few)).fetchall()
        fastest = min(fastest, time.monotonic() - begin)
    rows = max(2, math.ceil(2.5 / (fastest / few)))
    expected = [f"{i}|0.0" for i in range(1, rows + 1)]

    written = shell(sql.format(rows), SAFETENSORS_PROGRESS="1")
    line = re.search(r"safetensors: x  [\d.]+ [kMG]?B of 200 MB, [\d.]+ [kMG]B/s, \d+ s left", written)
    tally.check(line, "the line is shown", written[-300:])
    tally.equal(screen(written), expected, "rows, and nothing else, are left")
    begun = shell("SELECT safetensors_config('progress', 1); " + sql.format(rows))
    tally.check("safetensors: x  " in begun, "safetensors_config('progress', 1)")
    tally.equal(shell(sql.format(rows), SAFETENSORS_PROGRESS="0").replace("\r", ""), "\n".join(expected) + "\n",
                "no line unless asked for")
    # Several passes over the same bytes count as that many bytes.
    fastest = math.inf
    for without in range(3):  # another slice each, as what a tensor's quantiles have counted is kept
        begin = time.monotonic()
        db.execute(f"SELECT tensor_quantile('{path}?slice={without + 1}:#x', 0.5)").fetchall()
        fastest = min(fastest, time.monotonic() - begin)
    calls = max(2, math.ceil(2.5 / fastest))
    written = shell(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {calls}) "
                    f"SELECT i, tensor_quantile(tensor_ref('{path}', 'x', '0:' || ({COUNT} - i)), 0.5) FROM n",
                    SAFETENSORS_PROGRESS="1")
    done = [float(number) for number in re.findall(r"safetensors: x  ([\d.]+) MB of 400 MB", written)]
    tally.check(any(number > 200 for number in done), "the line of two passes", written[-300:])
    tally.equal(screen(written), [f"{i}|0.0" for i in range(1, calls + 1)], "rows, and nothing else, are left of them")
    written = shell(sql.format(100 * rows), interrupt_at=b"safetensors: x  ", SAFETENSORS_PROGRESS="1")
    seen = screen(written.replace("^C", ""))  # which the terminal writes, wherever it is just then
    left = [line for line in seen if not re.fullmatch(r"\d+\|0\.0", line)]
    tally.check("safetensors: x  " in written and all("interrupted" in line for line in left),
                "Ctrl-C leaves nothing of it", left)
tally.finish()
