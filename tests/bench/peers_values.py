"""Passes over values beside their limits, PyTorch and NumPy: statistics, comparisons, histograms, hashes, and the first
pass of a connection. What takes the libraries long is done on a part of the tensor, by both."""

import ctypes
import os
import re

import peers_limits as limits
from compare import blocks, in_numpy, in_torch
from measure import Shell, in_fresh_shell, numpy, scaled, tensor_file, torch
from peers_report import Peer, against, agree, nothing, size_of, table
from stats import BLOCK, SIZE, elements

try:
    import xxhash
except ImportError:
    xxhash = None

STATS_GOALS = {"F32": 0.9, "BF16": 0.8, "F16": 0.75, "F8_E4M3": 0.7}
COMPARE_GOALS = {"F32": 0.9, "BF16": 0.75}
HISTOGRAM_GOALS = {"": 0.45, ", -1, 1": 0.6}
BINS = 100
PART = 16  # of the tensor, for what takes the libraries long


def e4m3():
    """The number of each code of F8_E4M3."""
    codes = numpy.arange(256)
    exponent, mantissa = codes >> 3 & 15, codes & 7
    numbers = numpy.where(exponent, (1 + mantissa / 8) * 2.0 ** (exponent - 7), mantissa / 8 * 2.0 ** -6)
    numbers[(codes & 127) == 127] = numpy.nan
    return numpy.where(codes & 128, -numbers, numbers).astype("f4")


def floats_in_numpy(dtype, view):
    """The values as NumPy computes with them fastest."""
    if dtype == "F32":
        return numpy.frombuffer(view, "f4")
    if dtype == "F16":
        return numpy.frombuffer(view, "f2").astype("f4")
    if dtype == "BF16":
        return (numpy.frombuffer(view, "u2").astype("u4") << 16).view("f4")
    return e4m3()[numpy.frombuffer(view, "u1")]


def stats_in_numpy(dtype, view):
    """All columns of tensor_stats."""
    x = floats_in_numpy(dtype, view)
    return (numpy.isnan(x).sum(), numpy.isinf(x).sum(), (x == 0).sum(), x.min(), x.max(), x.mean(dtype="f8"),
            x.std(dtype="f8"), numpy.abs(x).max(), numpy.sqrt(numpy.square(x, dtype="f8").sum()))


def torch_dtype(dtype):
    """None where this PyTorch does not have it."""
    return getattr(torch, {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "F8_E4M3": "float8_e4m3fn"}[dtype], None)


def stats_in_torch(dtype, view):
    x = torch.frombuffer(view, dtype=torch_dtype(dtype)).float()
    double = x.double()
    return (torch.isnan(x).sum(), torch.isinf(x).sum(), (x == 0).sum(), x.min(), x.max(), double.mean(),
            double.std(unbiased=False), x.abs().max(), double.norm())


def torch_peer(what, contestant, dtype="F32"):
    """A row for PyTorch, or why there is none."""
    if not torch:
        return Peer(f"PyTorch{what}", None)
    if torch_dtype(dtype) is None:
        return Peer(f"PyTorch{what}", None, missing=f"this PyTorch has no {dtype}")
    return Peer(f"PyTorch{what}", contestant)


def statistics(dtype, path, nbytes, part):
    few = limits.mapped(path, part)
    whole = f"SELECT * FROM tensor_stats('{path}#x')"
    of_part = f"SELECT * FROM tensor_stats('{path}?slice=0:{part // SIZE[dtype]}#x')"
    table(f"tensor_stats, {dtype}, all columns, {size_of(nbytes)}")
    with Shell() as shell:
        agree(f"tensor_stats of {dtype}", shell.run(of_part)[0], stats_in_numpy(dtype, few), 1e-6)
        against(shell.timed(whole), *limits.reading(nbytes, path, goal=STATS_GOALS[dtype]))
        size = f", over {size_of(part)}"
        against(shell.timed(of_part), torch_peer(size, lambda: stats_in_torch(dtype, few), dtype),
                Peer(f"NumPy{size}", lambda: stats_in_numpy(dtype, few)), most=9)


def first_pass(path, nbytes):
    table(f"the first pass of a connection, the file cached: tensor_stats, F32, {size_of(nbytes)}")
    against(in_fresh_shell(f"SELECT * FROM tensor_stats('{path}#x')"), *limits.reading(nbytes, path, goal=0.9))


def histograms(dtype, path, nbytes, part):
    few = limits.mapped(path, part)
    array = floats_in_numpy(dtype, few)
    tensor = torch.frombuffer(few, dtype=torch_dtype(dtype)) if torch else None
    for given, goal in HISTOGRAM_GOALS.items():
        table(f"tensor_histogram, {dtype}, {BINS} bins, range {'given' if given else 'not given'}, {size_of(nbytes)}")
        span = {"range": (-1, 1)} if given else {}
        bounds = {"min": -1, "max": 1} if given else {}
        whole, of_part = (f"SELECT sum(count) FROM tensor_histogram('{path}{part}#x', {BINS}{given})"
                          for part in ("", f"?slice=0:{part // SIZE[dtype]}"))
        with Shell() as shell:
            agree("tensor_histogram", shell.run(of_part)[0], [numpy.histogram(array, BINS, **span)[0].sum()])
            counting = [limits.counting(nbytes, path)] if SIZE[dtype] == 2 else []
            against(shell.timed(whole), *limits.reading(nbytes, path, goal=goal), *counting)
            size = f", over {size_of(part)}"
            against(shell.timed(of_part),
                    torch_peer(f"'s histc{size}", lambda: torch.histc(tensor.float(), BINS, **bounds)),
                    Peer(f"NumPy's histogram{size}", lambda: numpy.histogram(floats_in_numpy(dtype, few), BINS, **span)), most=9)


def hashes(path, nbytes):
    hashing = limits.library(limits.WIDEST).limit_hash
    view, digest = limits.mapped(path, nbytes), (ctypes.c_ubyte * 16)()
    sql = f"SELECT tensor_hash('{path}#x')"

    def hashed(data, size):
        hashing(data, size, digest)

    table(f"tensor_hash (XXH3, 128 bits), {size_of(nbytes)}")
    with Shell() as shell:
        limits.over(hashed, view)()
        same = shell.run(sql)[0] == bytes(digest).hex()
        agree("tensor_hash: as xxHash's", str(int(same)), [1])
        against(shell.timed(sql),
                Peer("limit: xxHash's loop, widest instructions", limits.over(hashed, view), 0.95),
                Peer("limit: the same, which maps and unmaps", limits.mapping_anew(hashed, nbytes, path)),
                Peer("Python: xxhash", (lambda: xxhash.xxh3_128_digest(view)) if xxhash else None))


def numbers_in(text):
    """Of "(np.int64(3), np.float64(0.5))": 3 and 0.5."""
    return re.findall(r"(?<![a-z0-9])[-+]?\d[\d.e+-]*", text)


def comparison(dtype):
    nbytes = scaled(1 << 30, BLOCK)
    part = nbytes // PART
    paths = [tensor_file(f"peers_{dtype}_{x}", dtype, [nbytes // SIZE[dtype]], nbytes,
                         [b"".join(blocks(x, dtype, BLOCK))] * (nbytes // BLOCK)) for x in "ab"]
    refs, parts = (", ".join(f"'{path}{part}#x'" for path in paths) for part in ("", f"?slice=0:{part // SIZE[dtype]}"))
    table(f"tensor_compare, {dtype}, all columns, two of {size_of(nbytes)}")
    with Shell() as shell:
        against(shell.timed(f"SELECT * FROM tensor_compare({refs})"),
                *limits.reading(nbytes, *paths, goal=COMPARE_GOALS[dtype]))
        size, numpys = f", in float64, over {size_of(part)}", in_numpy(paths, dtype, part)
        agree(f"tensor_compare of {dtype}", shell.run(f"SELECT * FROM tensor_compare({parts})")[0].partition("|")[2],
              numbers_in(numpys()), 1e-6)
        against(shell.timed(f"SELECT * FROM tensor_compare({parts})"),
                torch_peer(size, in_torch(paths, dtype, part) if torch else None),
                Peer(f"NumPy{size}", numpys), most=9)
    for path in paths:
        os.remove(path)


def run():
    if not numpy:
        nothing("tensor_stats, tensor_histogram, tensor_hash, tensor_compare", "no NumPy to make the data with")
        return
    nbytes = scaled(1 << 30, BLOCK)
    for dtype in STATS_GOALS:
        path = tensor_file(f"peers_{dtype}", dtype, [nbytes // SIZE[dtype]], nbytes,
                           [elements(dtype).tobytes()] * (nbytes // BLOCK))
        statistics(dtype, path, nbytes, nbytes // PART)
        if dtype == "F32":
            first_pass(path, nbytes)
            hashes(path, nbytes)
        if SIZE[dtype] > 1:
            histograms(dtype, path, nbytes, nbytes // PART)
        os.remove(path)
    for dtype in COMPARE_GOALS:
        comparison(dtype)
