"""Headers of real and of extreme size: opening, listing, joining."""

import json
import struct

from measure import SCALE, Shell, fixture, heading, in_fresh_shell, row, take_turns


def header_text(path):
    with open(path, "rb") as file:
        return file.read(struct.unpack("<Q", file.read(8))[0])


def opening(path, title):
    text = header_text(path)
    sql = f"SELECT count(*), sum(nbytes) FROM safetensors_tensors('{path}')"
    ours, peer = take_turns(in_fresh_shell(sql), lambda: json.loads(text))
    heading(f"{title}: a header of {len(text) / 1e6:.1f} MB", "ours", "json.loads")
    row("open, validate, SELECT count(*), sum(nbytes)", ours, peer)
    with Shell(sql) as shell:
        row("peak memory, MB; peer: the header's size", shell.peak_memory() / 1e6, len(text) / 1e6,
            "MB")


def listing(path, title):
    table = f"safetensors_tensors('{path}')"
    columns = "SELECT max(name), max(dtype), max(nbytes) FROM"
    with Shell(f"CREATE TABLE t AS SELECT name, dtype, nbytes FROM {table}") as shell:
        count = int(shell.run(f"SELECT count(*) FROM {table}")[0])
        heading(f"{title}: {count:,} rows, header parsed before")
        row("count(*); peer: generate_series",
            *take_turns(shell.timed(f"SELECT count(*) FROM {table}"),
                        shell.timed(f"SELECT count(*) FROM generate_series(1, {count})")))
        row("three columns; peer: an in-memory table",
            *take_turns(shell.timed(f"{columns} {table}"), shell.timed(f"{columns} t")))


def joining(path, title):
    a = f"safetensors_tensors('{path}')"
    b = f"safetensors_tensors('{fixture('model', 'model_2.safetensors')}')"
    scan = "SELECT count(name), sum(nbytes) FROM"
    with Shell(f"{scan} {a}", f"{scan} {b}") as shell:
        inner, full, scan_a, scan_b = take_turns(
            shell.timed(f"SELECT count(name), sum(a.nbytes + b.nbytes) FROM {a} a JOIN {b} b USING (name)"),
            shell.timed(f"SELECT count(name), sum(a.nbytes) FROM {a} a FULL JOIN {b} b USING (name)"),
            shell.timed(f"{scan} {a}"), shell.timed(f"{scan} {b}"))
    heading(f"{title}: joined with another by name", "join", "2 scans")
    row("JOIN", inner, scan_a + scan_b)
    row("FULL JOIN", full, scan_a + scan_b)


def run():
    model = fixture("model", "model.safetensors")
    opening(model, "91,991 tensors")
    listing(model, "91,991 tensors")
    joining(model, "91,991 tensors")
    if SCALE >= 1:
        limit = fixture("limit", "limit.safetensors")
        opening(limit, "783,918 tensors")
        listing(limit, "783,918 tensors")
