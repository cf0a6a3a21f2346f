"""Statistics, histograms and hashes of one large tensor: against a plain loop that reads the same mapping, the
usual way in NumPy and PyTorch, one thread and two, and a file that is not in the cache against cat."""

import ctypes
import mmap
import os
import subprocess
import threading

from measure import DIRECTORY, Shell, numpy, rate, rate_heading, scaled, take_turns, tensor_file, torch

# What memory gives one thread: every word used, and nothing more done.
LOOP = r"""
#include <stddef.h>
#include <stdint.h>
#include <string.h>
uint64_t read_all(const unsigned char *data, size_t size) {
  uint64_t sum = 0, word;
  for (size_t i = 0; i + sizeof word <= size; i += sizeof word) {
    memcpy(&word, data + i, sizeof word);
    sum += word;
  }
  return sum;
}
"""
SIZE = {"F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "F8_E5M2": 1}  # bytes of an element
LOOP_GOAL = {"F32": 0.9, "BF16": 0.8, "F16": 0.75, "F8_E4M3": 0.7, "F8_E5M2": 0.7}
PEERS = {"F32": (8, 25), "F16": (20, None), "BF16": (None, 40)}  # NumPy, PyTorch: all columns
BLOCK = 1 << 24


def read_loop():
    os.makedirs(DIRECTORY, exist_ok=True)
    path = os.path.abspath(os.path.join(DIRECTORY, "read_all.so"))
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-x", "c", "-", "-o", path],
                   input=LOOP, text=True, check=True)
    return ctypes.CDLL(path).read_all


def on_two_threads(loop, address, nbytes):
    """A contestant: the loop, on half of the bytes in each of two threads."""
    half = nbytes // 2

    def contestant():
        other = threading.Thread(target=loop, args=(ctypes.c_void_p(address + half), ctypes.c_size_t(half)))
        other.start()
        loop(ctypes.c_void_p(address), ctypes.c_size_t(half))
        other.join()
    return contestant


def elements(dtype):
    """16 MB of normal numbers, as weights are."""
    numbers = numpy.random.default_rng(1).normal(0, 0.02, BLOCK // SIZE[dtype]).astype("f4")
    if dtype == "F32":
        return numbers
    if dtype == "F16":
        return numbers.astype("f2")
    if dtype == "BF16":
        return (numbers.view("u4") >> 16).astype("u2")
    finite = 0x7f if dtype == "F8_E4M3" else 0x7c
    return numpy.random.default_rng(1).integers(0, finite, BLOCK).astype("u1")


def mapped(path):
    with open(path, "rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    header = 8 + int.from_bytes(mapping[:8], "little")
    return memoryview(mapping)[header:]


def numpy_way(array, all_columns):
    if all_columns:
        numpy.isnan(array).sum(), numpy.isinf(array).sum(), (array == 0).sum()
        numpy.abs(array).max(), numpy.sqrt(numpy.square(array, dtype="f8").sum())
    return array.min(), array.max(), array.mean(dtype="f8"), array.std(dtype="f8")


def torch_way(tensor, all_columns):
    double = tensor.double()
    if all_columns:
        torch.isnan(tensor).sum(), torch.isinf(tensor).sum(), (tensor == 0).sum()
        tensor.abs().max(), double.norm()
    return tensor.min(), tensor.max(), double.mean(), double.std(unbiased=False)


def peers(dtype, path, nbytes, all_gbs, few_gbs, median_gbs):
    """What takes them long is done on an eighth."""
    part = mapped(path)[:nbytes // 8]
    all_goals = PEERS[dtype]
    if all_goals[0]:
        array = numpy.frombuffer(part, "f4" if dtype == "F32" else "f2")
        every, few, median = (len(part) / 1e9 / seconds for seconds in take_turns(
            lambda: numpy_way(array, True), lambda: numpy_way(array, False), lambda: (numpy.quantile(array, 0.5),), runs=5))
        rate("tensor_stats, all columns; peer: NumPy", all_gbs, every, all_goals[0])
        rate("mean, std, min, max; peer: NumPy", few_gbs, few, 3 if dtype == "F32" else None)
        rate("tensor_quantile, 0.5; peer: NumPy", median_gbs, median)
    if all_goals[1] and torch:
        torch.set_num_threads(1)
        tensor = torch.frombuffer(part, dtype=torch.float32 if dtype == "F32" else torch.bfloat16)
        every, few = (len(part) / 1e9 / seconds for seconds in take_turns(
            lambda: torch_way(tensor, True), lambda: torch_way(tensor, False), runs=5))
        rate("tensor_stats, all columns; peer: PyTorch", all_gbs, every, all_goals[1])
        rate("mean, std, min, max; peer: PyTorch", few_gbs, few, 8 if dtype == "F32" else None)


def cached(dtype, path, nbytes, loop):
    view = mapped(path)
    address = ctypes.addressof(ctypes.c_char.from_buffer(view))
    ref = f"{path}#x"
    every, few = f"SELECT * FROM tensor_stats('{ref}')", f"SELECT mean, std, min, max FROM tensor_stats('{ref}')"
    finite = f"SELECT n_nan FROM tensor_stats('{ref}')"
    given, bins = (f"SELECT sum(count) FROM tensor_histogram('{ref}', 100{limits})" for limits in (", -0.1, 0.1", ""))
    hashed, median = f"SELECT tensor_hash('{ref}')", f"SELECT tensor_quantile('{ref}', 0.5)"
    with Shell(*[every] * 3) as one, Shell("PRAGMA threads = 1", *[every] * 3) as two:
        rates = [nbytes / 1e9 / seconds for seconds in take_turns(
            lambda: loop(ctypes.c_void_p(address), ctypes.c_size_t(nbytes)), one.timed(every), one.timed(few), one.timed(finite),
            one.timed(hashed), one.timed(bins), two.timed(every), two.timed(hashed),
            on_two_threads(loop, address, nbytes), one.timed(median), two.timed(median), one.timed(given))]
        kernels = one.run("SELECT substr(safetensors_version(), instr(safetensors_version(), 'kernels'))")[0]
    limit = rates[0]
    rate_heading(f"{dtype}: {nbytes / 1e9:.2f} GB, cached; {kernels}")
    rate("tensor_stats, all columns; peer: a loop that reads", rates[1], limit, LOOP_GOAL[dtype])
    rate("tensor_stats, n_nan alone", rates[3], limit)
    rate("tensor_hash", rates[4], limit, 0.75)
    rate("tensor_histogram, 100 bins", rates[5], limit, 0.45 if dtype == "F32" else None)
    rate("tensor_histogram, 100 bins, range given", rates[11], limit, 0.6 if dtype == "F32" else None)
    rate("tensor_quantile, 0.5", rates[9], limit)
    rate("tensor_quantile on two threads; peer: on one", rates[10], rates[9])
    rate("tensor_stats on two threads; peer: on one", rates[6], rates[1], 1.7)
    rate("tensor_hash on two threads; peer: on one", rates[7], rates[4], 1.7)
    rate("tensor_hash on two threads; peer: the loop on two", rates[7], rates[8])
    if dtype in PEERS:
        peers(dtype, path, nbytes, rates[1], rates[2], rates[9])


def drop(path):
    """Takes the file out of the system's cache."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def cold(path, nbytes):
    def contestant(work):
        def timed():
            drop(path)
            return take_turns(work, runs=1)[0]
        return timed

    def in_shell(sql):
        with Shell() as shell:
            return take_turns(shell.timed(sql), runs=1)[0]

    rates = [nbytes / 1e9 / seconds for seconds in take_turns(
        contestant(lambda: subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)),
        contestant(lambda: in_shell(f"SELECT * FROM tensor_stats('{path}#x')")),
        contestant(lambda: in_shell(f"SELECT tensor_hash('{path}#x')")))]
    rate_heading(f"F32: {nbytes / 1e9:.2f} GB, not cached")
    rate("tensor_stats, all columns; peer: cat FILE >/dev/null", rates[1], rates[0], 0.9)
    rate("tensor_hash", rates[2], rates[0], 0.9)


def run():
    if not numpy:
        print("\nskipped: statistics (no NumPy to make the data with)")
        return
    loop = read_loop()
    nbytes = scaled(1 << 30, BLOCK)
    for dtype in SIZE:
        path = tensor_file(f"stats_{dtype}", dtype, [nbytes // SIZE[dtype]], nbytes,
                           [elements(dtype).tobytes()] * (nbytes // BLOCK))
        cached(dtype, path, nbytes, loop)
        if dtype == "F32":
            cold(path, nbytes)
        os.unlink(path)
