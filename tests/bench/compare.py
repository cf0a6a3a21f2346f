"""Two large tensors compared, on one thread: all numbers against reading both, NumPy and PyTorch; equal ones against
memcmp; and what only headers tell of two large models."""

import ctypes
import math
import mmap
import os
import random
import shutil
import subprocess

from measure import (FOLDER, Shell, fixture, heading, in_fresh_shell, numpy, row, scaled, take_turns, tensor_file,
                     torch)

# A read of two streams, each load used and nothing more: what memory gives.
LOOP = r"""
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint64_t Word __attribute__((vector_size(32)));
uint64_t read_both(const unsigned char *a, const unsigned char *b, size_t size) {
  Word x, y, sum[2] = {{0}, {0}};
  for (size_t i = 0; i + sizeof x <= size; i += sizeof x) {
    memcpy(&x, a + i, sizeof x);
    memcpy(&y, b + i, sizeof y);
    sum[0] += x;
    sum[1] += y;
  }
  sum[0] += sum[1];
  return sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
}
"""


def read_loop():
    path = os.path.abspath(os.path.join(FOLDER, "read_both.so"))
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-w", "-shared", "-fPIC", "-x", "c", "-", "-o", path],
                   input=LOOP, text=True, check=True)
    return ctypes.CDLL(path).read_both


class Mapped:
    """A file's tensor, mapped anew: pages come in as they are touched, as in ours."""

    def __init__(self, path, size):
        with open(path, "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.size, self.offset = size, len(self.map) - size
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.map)) + self.offset


def over_both(function, paths, size):
    """A contestant: a C function of two pointers and a size."""
    def contestant():
        a, b = (Mapped(path, size) for path in paths)
        function(ctypes.c_void_p(a.address), ctypes.c_void_p(b.address), ctypes.c_size_t(size))
    return contestant


def blocks(seed, dtype, size):
    """Moderate numbers of both signs, a megabyte of them again and again."""
    block = bytearray(random.Random(seed).randbytes(1 << 20))
    step = 2 if dtype == "BF16" else 4
    block[step - 1::step] = bytes(byte & 0x80 | 0x3d for byte in block[step - 1::step])
    for done in range(0, size, len(block)):
        yield block[:size - done]


def in_numpy(paths, dtype, size):
    def load(path):
        offset = os.path.getsize(path) - size
        if dtype == "F32":
            return numpy.memmap(path, "<f4", "r", offset).astype(numpy.float64)
        codes = numpy.memmap(path, "<u2", "r", offset)
        return (codes.astype(numpy.uint32) << 16).view(numpy.float32).astype(numpy.float64)

    def contestant():
        a, b = map(load, paths)
        difference = numpy.abs(a - b)
        size_a, size_b = numpy.linalg.norm(a), numpy.linalg.norm(b)
        return str((numpy.count_nonzero(a != b), difference.max(), difference.mean(), math.sqrt(numpy.mean(difference ** 2)),
                    numpy.linalg.norm(difference) / size_a, numpy.dot(a, b) / size_a / size_b))
    return contestant


def in_torch(paths, dtype, size):
    kind = {"F32": torch.float32, "BF16": torch.bfloat16}[dtype]

    def load(path):
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        return torch.frombuffer(data, dtype=kind, offset=len(data) - size).double()

    def contestant():
        torch.set_num_threads(1)
        a, b = map(load, paths)
        difference = (a - b).abs()
        return str((int((a != b).sum()), float(difference.max()), float(difference.mean()), float((difference ** 2).mean().sqrt()),
                    float(difference.norm() / a.norm()), float(torch.nn.functional.cosine_similarity(a, b, dim=0))))
    return contestant


GOALS = {"F32": (1 / 0.6, 1 / 6, 1 / 20), "BF16": (1 / 0.45, 1 / 20, 1 / 30)}  # reading, NumPy, PyTorch


def numbers(dtype):
    size = scaled(1 << 30, 4096)
    count = size // (2 if dtype == "BF16" else 4)
    paths = [tensor_file(f"compare_{dtype}_{x}", dtype, [count], size, blocks(x, dtype, size)) for x in "ab"]
    copy = shutil.copyfile(paths[0], paths[0].replace("_a.", "_copy."))
    loop, numpy_goal, torch_goal = GOALS[dtype]
    ours = f"SELECT * FROM tensor_compare('{paths[0]}#x', '{paths[1]}#x')"
    heading(f"two {dtype} tensors of {size >> 20} MiB each, all numbers")
    with Shell(ours) as shell:
        row("tensor_compare; peer: a loop that reads both",
            *take_turns(shell.timed(ours), over_both(read_loop(), paths, size)), goal=loop)
        for name, module, peer, goal in (("NumPy", numpy, in_numpy, numpy_goal), ("PyTorch", torch, in_torch, torch_goal)):
            mine, theirs = take_turns(shell.timed(ours), *([peer(paths, dtype, size)] if module else []), runs=5) if module \
                else (take_turns(shell.timed(ours), runs=5)[0], None)
            row(f"tensor_compare; peer: {name}, in float64", mine, theirs, goal=goal)
        same = f"'{paths[0]}#x', '{copy}#x'"
        memcmp = over_both(ctypes.CDLL(None).memcmp, (paths[0], copy), size)
        for what, sql, goal in (("tensor_equal of equal ones; peer: memcmp", f"SELECT tensor_equal({same})", 1 / 0.9),
                                ("all numbers of equal ones; peer: memcmp", f"SELECT * FROM tensor_compare({same})", None)):
            row(what, *take_turns(shell.timed(sql), memcmp), goal=goal)
    for path in (*paths, copy):
        os.remove(path)


def structure():
    a, b = fixture("model", "model.safetensors"), fixture("model", "model_2.safetensors")
    def listing(path):
        return f"SELECT count(name), count(dtype), count(shape) FROM safetensors_tensors('{path}')"
    diff = f"SELECT count(name), count(dtype_a), count(dtype_b), count(shape_a), count(shape_b) FROM safetensors_diff('{a}', '{b}')"
    heading("two models of 91,991 tensors", "diff", "2 lists")
    row("names, dtypes, shapes; headers read by both", *take_turns(in_fresh_shell(diff), in_fresh_shell(f"{listing(a)}; {listing(b)}")), goal=2)
    with Shell(listing(a), listing(b)) as shell:
        mine, one, two = take_turns(shell.timed(diff), shell.timed(listing(a)), shell.timed(listing(b)))
        row("the same, headers parsed before", mine, one + two, goal=2)


def run():
    structure()
    numbers("F32")
    numbers("BF16")
