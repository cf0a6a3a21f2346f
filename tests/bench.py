"""make bench: figures and ratios, ours and its peers side by side in one run. Judges nothing.

Each figure is the median of RUNS runs that take turns with its peer's. BENCH_SCALE below 1 makes a
short run: smaller data, fewer runs. Data are generated into BUILD/bench."""

import json
import os
import re
import statistics
import struct
import subprocess
import time

BUILD = os.environ.get("BUILD", "build")
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
RUNS = 7 if SCALE >= 1 else 3
FOLDER = os.path.join(BUILD, "bench")


def make(mode, name):
    path = os.path.join(FOLDER, name)
    if not os.path.exists(path):
        os.makedirs(FOLDER, exist_ok=True)
        subprocess.run([f"{BUILD}/tests/fixtures", f"--{mode}", path], check=True)
    return path


def shell(statements, setup=""):
    """Seconds for each statement, timed by the sqlite3 shell itself."""
    script = f".load {BUILD}/safetensors\n{setup}\n.timer on\n" + ";\n".join(statements) + ";\n"
    done = subprocess.run(["sqlite3", "-batch", ":memory:"], input=script, capture_output=True,
                          text=True, check=True)
    return [float(t) for t in re.findall(r"Run Time: real ([0-9.]+)", done.stdout)]


def medians(statements, setup=""):
    runs = [shell(statements, setup) for _ in range(RUNS)]
    return [statistics.median(column) for column in zip(*runs)]


def row(what, ours, peer, unit="s", better="lower"):
    ratio = ours / peer if peer else float("nan")
    print(f"{what:<58} {ours:>9.4f} {peer:>9.4f} {unit:<5} {ratio:>6.2f}")


def heading(title, ours="ours", peer="peer"):
    print(f"\n{title:<58} {ours:>9} {peer:>9} {'':<5} {'ratio':>6}")


def header_seconds_in_python(path):
    times = []
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        text = file.read(length)
    for _ in range(min(RUNS, 3)):
        start = time.perf_counter()
        json.loads(text)
        times.append(time.perf_counter() - start)
    return statistics.median(times), length


def peak_memory(sql):
    """Peak resident bytes of a shell that runs one statement."""
    done = subprocess.run(["sqlite3", "-batch", "-cmd", f".load {BUILD}/safetensors", ":memory:", sql,
                           ".shell grep VmHWM /proc/$PPID/status"], capture_output=True, text=True,
                          check=True)
    return int(re.search(r"VmHWM:\s*(\d+) kB", done.stdout).group(1)) * 1024


def bench_header(path, title):
    peer, length = header_seconds_in_python(path)
    table = f"safetensors_tensors('{path}')"
    ours = statistics.median(shell([f"SELECT count(*), sum(nbytes) FROM {table}"])[0] for _ in range(RUNS))
    heading(f"{title}: a header of {length / 1e6:.1f} MB", "ours", "json.loads")
    row("open, validate, SELECT count(*), sum(nbytes)", ours, peer)
    memory = peak_memory(f"SELECT count(*), sum(nbytes) FROM {table}")
    row("peak memory, MB; peer: the header's size", memory / 1e6, length / 1e6, "MB")


def bench_rows(path, title):
    table = f"safetensors_tensors('{path}')"
    setup = (f"CREATE TABLE t AS SELECT name, dtype, nbytes FROM {table};"
             f"SELECT count(*) FROM {table};")
    count = int(subprocess.run(["sqlite3", "-cmd", f".load {BUILD}/safetensors", ":memory:",
                                f"SELECT count(*) FROM {table}"], capture_output=True, text=True,
                               check=True).stdout)
    columns = "SELECT max(name), max(dtype), max(nbytes) FROM"
    got = medians([f"SELECT count(*) FROM {table}", f"SELECT count(*) FROM generate_series(1, {count})",
                   f"{columns} {table}", f"{columns} t"], setup)
    heading(f"{title}: {count:,} rows, header parsed before")
    row("count(*); peer: generate_series", got[0], got[1])
    row("three columns; peer: an in-memory table", got[2], got[3])


def bench_join(path, title):
    table = f"safetensors_tensors('{path}')"
    other = make("model", "model_2.safetensors")
    setup = (f"SELECT count(*) FROM {table}; SELECT count(*) FROM safetensors_tensors('{other}');")
    scan = "SELECT count(name), sum(nbytes) FROM"
    got = medians([f"{scan} {table}", f"{scan} safetensors_tensors('{other}')",
                   f"SELECT count(name), sum(a.nbytes + b.nbytes) FROM {table} a "
                   f"JOIN safetensors_tensors('{other}') b USING (name)",
                   f"SELECT count(name), sum(a.nbytes) FROM {table} a "
                   f"FULL JOIN safetensors_tensors('{other}') b USING (name)"], setup)
    heading(f"{title}: joined with another by name", "join", "2 scans")
    row("JOIN", got[2], got[0] + got[1])
    row("FULL JOIN", got[3], got[0] + got[1])


def make_matrix(dtype, size, rows):
    """A sparse file of one matrix x of `rows` rows of 1000 elements."""
    path = os.path.join(FOLDER, f"{dtype}_{rows}.safetensors")
    nbytes = rows * 1000 * size
    header = json.dumps({"x": {"dtype": dtype, "shape": [rows, 1000],
                               "data_offsets": [0, nbytes]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + nbytes)
    return path


def copy_seconds(size):
    """A memcpy into fresh memory of this size."""
    source = bytearray(size)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        copy = bytes(source)
        times.append(time.perf_counter() - start)
        del copy
    return statistics.median(times)


def bench_values(rows):
    count = rows * 1000
    f32, bf16 = make_matrix("F32", 4, rows), make_matrix("BF16", 2, rows)
    setup = (f"SELECT sum(length(tensor_data('{f32}#x'))), length(tensor_cast('{bf16}#x', 'F32'));")
    got = medians([f"SELECT sum(value) FROM tensor_elements('{f32}#x')",
                   f"SELECT sum(value) FROM generate_series(1, {count})",
                   f"SELECT length(tensor_cast('{bf16}#x', 'F32'))"], setup)
    heading(f"values: {count:,} elements")
    row("sum(value) of F32 elements; peer: generate_series", got[0], got[1])
    row("tensor_cast BF16 to F32; peer: memcpy of the result", got[2], copy_seconds(count * 4))


def main():
    model = make("model", "model.safetensors")
    print(f"medians of {RUNS} runs; {os.cpu_count()} CPUs; scale {SCALE}")
    bench_header(model, "91,991 tensors")
    bench_rows(model, "91,991 tensors")
    bench_join(model, "91,991 tensors")
    bench_values(100000 if SCALE >= 1 else 1000)
    if SCALE >= 1:
        limit = make("limit", "limit.safetensors")
        bench_header(limit, "783,918 tensors")
        bench_rows(limit, "783,918 tensors")


if __name__ == "__main__":
    main()
