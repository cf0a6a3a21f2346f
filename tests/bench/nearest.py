"""The rows of an embedding that are nearest to one of them, 150,000 rows of 1024 BF16: against a loop that reads the
same bytes, PyTorch in BF16 and F32, and functions over the rows, as BLOBs and as refs. In the processor's time."""

import ctypes
import os
import statistics

from measure import Shell, heading, numpy, rate, rate_heading, rounds, row, scaled, tensor_file, torch
from stats import mapped, read_loop

ROWS, COLUMNS, SOME = 150_000, 1024, 5_000
BLOCK = 1000  # rows


def medians(*contestants):
    return [statistics.median(each.cpu for each in taken) for taken in rounds(*contestants)]


def embedding(rows):
    """Normal numbers, as weights are."""
    for number in range(rows // BLOCK):
        numbers = numpy.random.default_rng(number).standard_normal(BLOCK * COLUMNS, "f4")
        yield (numbers.view("u4") >> 16).astype("<u2").tobytes()


def in_torch(view, rows, dtype):
    torch.set_num_threads(1)
    matrix = torch.frombuffer(view, dtype=torch.bfloat16).reshape(rows, COLUMNS).to(dtype)

    def contestant():
        scores = torch.nn.functional.cosine_similarity(matrix, matrix[42].reshape(1, COLUMNS))
        return (scores.topk(10),)
    return contestant


def passes(path, rows, nbytes, loop):
    def read():
        """The mapping's pages come in as they are touched."""
        view = mapped(path)
        loop(ctypes.byref(ctypes.c_char.from_buffer(view)), ctypes.c_size_t(nbytes))

    table = f"tensor_nearest('{path}#x', '{path}?slice=42#x', {{}}, '{{}}')"
    queries = [f"SELECT sum(score) FROM {table.format(k, metric)}" for k, metric in ((10, "cosine"), (10, "dot"), (10, "l2"), ("NULL", "cosine"))]
    view = mapped(path)
    peers = [in_torch(view, rows, dtype) for dtype in (torch.bfloat16, torch.float32)] if torch else []
    with Shell(*queries) as shell:
        rates = [nbytes / 1e9 / seconds for seconds in medians(read, *map(shell.timed, queries), *peers)]
    rate_heading(f"{rows:,} rows of {COLUMNS} BF16, {nbytes / 1e9:.2f} GB, cached, one thread")
    rate("tensor_nearest, 10 by cosine; peer: a loop that reads", rates[1], rates[0], 0.6)
    rate("10 by product", rates[2], rates[0])
    rate("10 by distance", rates[3], rates[0])
    rate("all rows by cosine, and the sum of their scores", rates[4], rates[0])
    for name, peer in zip(("in BF16", "in F32"), rates[5:]):
        rate(f"10 by cosine; peer: PyTorch {name}", rates[1], peer, 1)


def functions(path, rows):
    rows = min(SOME, rows)
    query = f"SELECT max(c) FROM (SELECT tensor_cosine({{}}) AS c FROM (SELECT tensor_data('{path}?slice=42#x') AS data) AS q, " \
        f"tensor_rows('{path}#x') AS r WHERE r.i < {rows})"
    blobs = query.format(f"r.data, 'BF16', '[{COLUMNS}]', q.data, 'BF16', '[{COLUMNS}]'")
    refs = query.format(f"r.ref, '{path}?slice=42#x'")
    with Shell(blobs, refs) as shell:
        of_blobs, of_refs = medians(shell.timed(blobs), shell.timed(refs))
    heading(f"{rows:,} rows, microseconds for each", "refs", "BLOBs")
    row("tensor_cosine of a row and one row", of_refs / rows * 1e6, of_blobs / rows * 1e6, unit="us", goal=2)


def run():
    if not numpy:
        print("\nskipped: nearest rows (no NumPy to make the data with)")
        return
    rows = scaled(ROWS, BLOCK)
    nbytes = rows * COLUMNS * 2
    path = tensor_file("nearest", "BF16", [rows, COLUMNS], nbytes, embedding(rows))
    passes(path, rows, nbytes, read_loop())
    functions(path, rows)
    os.unlink(path)
