"""tensor_svd against NumPy: matrices of all proportions with flat and steep spectra, ties, low rank and noise, in files,
slices and expressions; the vectors; that the outcome does not depend on threads or the way of reading; and an interrupt.

Covers little: of all lines, others reach nearly as many.
"""

import os
import sqlite3
import tempfile
import threading
import time

import making
from tally import Tally, connect

try:
    import numpy
except ImportError:
    numpy = None

tally = Tally()
COLUMNS = "i, value, energy, left, right"


def rotation(count):
    return numpy.linalg.qr(rng.standard_normal((count, count)))[0]


def spectrum(rows, columns, values):
    """A matrix with these singular values."""
    count = len(values)
    return rotation(rows)[:, :count] * values @ rotation(columns)[:count]


def low_rank(rows, columns, rank):
    return rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))


def judge(what, rows, matrix, k, tolerance):
    """Compares rows of tensor_svd with the decomposition of the matrix."""
    matrix = matrix.reshape(len(matrix), -1).astype(float)
    expected = numpy.linalg.svd(matrix, compute_uv=False)
    count = min(k, len(expected))
    if not tally.equal([row[0] for row in rows], list(range(count)), f"{what}: places"):
        return
    values = numpy.array([row[1] for row in rows])
    allowed = tolerance * numpy.maximum(expected[:count], 1e-7 * expected[0] if tolerance > 1e-6 else expected[0])
    tally.check(bool((abs(values - expected[:count]) <= allowed).all()), f"{what}: values {values} and {expected[:count]}")
    shares = numpy.cumsum(expected[:count] ** 2) / (expected ** 2).sum()
    tally.check(bool((abs(numpy.array([row[2] for row in rows]) - shares) <= 3 * tolerance).all()), f"{what}: energy")
    left, right = (numpy.array([numpy.frombuffer(row[column], "<f4") for row in rows]).astype(float) for column in (3, 4))
    real = values > 1e-6 * values[0]  # those of noise are any
    for vectors, side in (left, "left"), (right, "right"):
        products = (vectors @ vectors.T)[real][:, real]
        tally.check(bool((abs(products - numpy.eye(real.sum())) <= 1e-5).all()), f"{what}: {side} vectors are orthogonal")
    tally.check(all(vector[abs(vector).argmax()] > 0 for vector in left[real]), f"{what}: signs")
    error = numpy.linalg.norm((left.T * values) @ right - matrix)
    best = numpy.sqrt((expected[count:] ** 2).sum())
    tally.check(error <= best * (1 + 10 * tolerance) + 1e-6 * expected[0] * count, f"{what}: {error} of {best} is left")


def ask(*arguments):
    marks = ", ".join("?" * len(arguments))
    return db.execute(f"SELECT {COLUMNS} FROM tensor_svd({marks})", arguments).fetchall()


def ask_numbers(matrix, k):
    return ask(matrix.tobytes(), "F64", str(list(matrix.shape)), k)


def check_exactly():
    """One side of at most 600."""
    for rows, columns, k in ((50, 30, 10), (30, 70, 30), (5000, 90, 90), (90, 5000, 20), (17, 1, 3), (1, 17, 3),
                             (300, 310, 512), (33, 16, 16)):
        matrix = rng.standard_normal((rows, columns))
        judge(f"noise {rows} x {columns}", ask_numbers(matrix, k), matrix, k, 1e-12)
    for name, values in (("steep", 10.0 ** -numpy.arange(0, 30, .2)), ("ties", numpy.repeat([3., 2, 1], 50)),
                         ("some zero", numpy.repeat([1., 0], 75))):
        matrix = spectrum(200, 150, values)
        judge(name, ask_numbers(matrix, 150), matrix, 150, 1e-12)
    matrix = rng.standard_normal((12, 5, 3))
    judge("three dimensions", ask_numbers(matrix, 12), matrix, 12, 1e-12)


def check_large():
    """Both sides of more than 600: 10^-3 of each value."""
    steep, ties = 10.0 ** -(numpy.arange(700) / 50), numpy.repeat([3., 2, 1, .5], 175)
    for name, matrix, k in (("flat", rng.standard_normal((900, 700)), 16), ("flat, wide", rng.standard_normal((650, 1400)), 8),
                            ("very wide", rng.standard_normal((610, 6000)), 4), ("steep", spectrum(800, 700, steep), 40),
                            ("rank 16", low_rank(1000, 700, 16), 20), ("ties", spectrum(700, 700, ties), 30),
                            ("many values", rng.standard_normal((750, 650)), 250)):
        judge(name, ask_numbers(matrix, k), matrix, k, 1e-3)


def check_files():
    """Tensors at odd places of files, slices of them, and what is computed of them."""
    for name, matrix in numbers.items():
        ref = f"{path}#{name}"
        judge(f"{name} of a file", ask(ref, 6), matrix, 6, 1e-3)
        judge(f"{name}, a slice", ask(f"{path}?slice=1::2,::3#{name}", 6), matrix[1::2, ::3], 6, 1e-3)
        computed, = db.execute("SELECT tensor_transpose(tensor_add(?, ?))", (ref, ref)).fetchone()
        judge(f"{name}, computed", ask(computed, 6), 2 * matrix.T, 6, 1e-3)


def check_same():
    """The same with other threads and another way of reading."""
    outcomes = set()
    for threads, io in [(threads, io) for threads in (0, 1, 3) for io in ("map", "pread")]:
        db.execute(f"PRAGMA threads = {threads}")
        db.execute("SELECT safetensors_config('io', ?)", (io,))
        outcomes.add(repr([ask(f"{path}#{name}", 5) for name in numbers]))
    tally.equal(len(outcomes), 1, "outcomes with other threads and ways of reading")


def check_interrupt():
    for sql in ("SELECT value FROM tensor_svd(tensor_random('[6000,6000]', 1), 64)",
                "SELECT value FROM tensor_svd(tensor_random('[200000,600]', 1), 5)",
                "SELECT value FROM tensor_svd(tensor_random('[1200,1200]', 1), 512)"):
        timer = threading.Timer(0.5, db.interrupt)
        timer.start()
        began = time.monotonic()
        try:
            db.execute(sql).fetchall()
            tally.check(False, f"{sql} was not interrupted")
        except sqlite3.OperationalError as error:
            tally.check("interrupt" in str(error), f"{sql}: {error}")
        tally.check(time.monotonic() - began < 10, f"{sql} ends soon")
        timer.join()


if numpy:
    rng = numpy.random.default_rng(20261202)
    db = connect()
    check_exactly()
    check_large()
    check_interrupt()
    with tempfile.TemporaryDirectory() as root:
        path = os.path.join(root, "m.safetensors")
        numbers = {name: rng.standard_normal(shape).astype("<f4")
                   for name, shape in (("large", (700, 680)), ("tall", (3000, 20)), ("wide", (20, 3000)))}
        making.file(path, {"x": ("U8", [1], b"1"), **{name: ("F32", list(matrix.shape), matrix.tobytes())
                                                     for name, matrix in numbers.items()}})
        check_files()
        check_same()
else:
    print("skipped: NumPy is not there")
tally.finish()
