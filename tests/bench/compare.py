"""Two large tensors compared, on one thread: all numbers against reading both, NumPy and PyTorch; equal ones
against memcmp; and what the headers of two large models tell."""

import ctypes
import math
import mmap
import os
import random
import shutil
import subprocess

from measure import (DIRECTORY, Shell, fixture, heading, in_fresh_shell, numpy, row, scaled, take_turns,
                     tensor_file, torch)

# Two streams read, each word used and nothing more done: what memory gives.
LOOP = r"""
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint64_t Words __attribute__((vector_size(32)));
uint64_t read_both(const unsigned char *a, const unsigned char *b, size_t size) {
  Words x, y, sum = {0}, other = {0};
  for (size_t i = 0; i + sizeof x <= size; i += sizeof x) {
    memcpy(&x, a + i, sizeof x);
    memcpy(&y, b + i, sizeof y);
    sum += x;
    other += y;
  }
  sum += other;
  return sum[0] + sum[1] + sum[2] + sum[3];
}
"""
SIZE = {"F32": 4, "BF16": 2}  # bytes of an element
GOALS = {"F32": (1 / 0.6, 1 / 6, 1 / 20), "BF16": (1 / 0.45, 1 / 20, 1 / 30)}  # loop, NumPy, PyTorch


def read_loop():
    path = os.path.abspath(os.path.join(DIRECTORY, "read_both.so"))
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-w", "-shared", "-fPIC", "-x", "c", "-", "-o", path],
                   input=LOOP, text=True, check=True)
    return ctypes.CDLL(path).read_both


def mapped(path, size):
    """The tensor's first bytes, mapped anew: pages come in as they are touched."""
    with open(path, "rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    header = 8 + int.from_bytes(mapping[:8], "little")
    return memoryview(mapping)[header:header + size]


def over_both(function, paths, size):
    """A contestant: a C function of two pointers and a size."""
    def contestant():
        views = [mapped(path, size) for path in paths]
        pointers = [ctypes.byref(ctypes.c_char.from_buffer(view)) for view in views]
        function(*pointers, ctypes.c_size_t(size))
    return contestant


def blocks(seed, dtype, size):
    """Moderate numbers of both signs, a megabyte of them again and again."""
    block = bytearray(random.Random(seed).randbytes(1 << 20))
    high = block[SIZE[dtype] - 1::SIZE[dtype]]
    block[SIZE[dtype] - 1::SIZE[dtype]] = bytes(byte & 0x80 | 0x3d for byte in high)
    for done in range(0, size, len(block)):
        yield block[:size - done]


def in_numpy(paths, dtype, size):
    def load(path):
        if dtype == "F32":
            return numpy.frombuffer(mapped(path, size), "<f4").astype(numpy.float64)
        codes = numpy.frombuffer(mapped(path, size), "<u2")
        return (codes.astype(numpy.uint32) << 16).view(numpy.float32).astype(numpy.float64)

    def contestant():
        a, b = map(load, paths)
        difference = numpy.abs(a - b)
        norms = numpy.linalg.norm(a) * numpy.linalg.norm(b)
        return str((numpy.count_nonzero(a != b), difference.max(), difference.mean(),
                    math.sqrt(numpy.mean(difference ** 2)),
                    numpy.linalg.norm(difference) / numpy.linalg.norm(a), numpy.dot(a, b) / norms))
    return contestant


def in_torch(paths, dtype, size):
    kind = {"F32": torch.float32, "BF16": torch.bfloat16}[dtype]
    torch.set_num_threads(1)

    def contestant():
        a, b = (torch.frombuffer(mapped(path, size), dtype=kind).double() for path in paths)
        difference = (a - b).abs()
        return str((int((a != b).sum()), float(difference.max()), float(difference.mean()),
                    float((difference ** 2).mean().sqrt()), float(difference.norm() / a.norm()),
                    float(torch.dot(a, b) / (a.norm() * b.norm()))))
    return contestant


def against_libraries(shell, dtype, paths, size):
    """Over a part, since float64 takes a multiple of it."""
    refs = ", ".join(f"'{path}?slice=0:{size // SIZE[dtype]}#x'" for path in paths)
    ours = shell.timed(f"SELECT * FROM tensor_compare({refs})")
    for name, module, peer, goal in (("NumPy", numpy, in_numpy, GOALS[dtype][1]),
                                     ("PyTorch", torch, in_torch, GOALS[dtype][2])):
        theirs = [peer(paths, dtype, size)] if module else []
        row(f"all numbers of {size / 2**20:g} MiB; peer: {name}, in float64",
            *take_turns(ours, *theirs, runs=5), goal=goal)


def numbers(dtype):
    size = scaled(1 << 30, 1 << 20)
    paths = [tensor_file(f"compare_{dtype}_{x}", dtype, [size // SIZE[dtype]], size, blocks(x, dtype, size))
             for x in "ab"]
    copy = shutil.copyfile(paths[0], os.path.join(DIRECTORY, "compare_copy.safetensors"))
    other, same = (f"'{paths[0]}#x', '{path}#x'" for path in (paths[1], copy))
    heading(f"two {dtype} tensors of {size >> 20} MiB each, on one thread")
    with Shell(f"SELECT tensor_max_abs_diff({other})", f"SELECT tensor_equal({same})") as shell:
        row("tensor_compare, all numbers; peer: a loop that reads both",
            *take_turns(shell.timed(f"SELECT * FROM tensor_compare({other})"),
                        over_both(read_loop(), paths, size)), goal=GOALS[dtype][0])
        memcmp = over_both(ctypes.CDLL(None).memcmp, (paths[0], copy), size)
        row("tensor_equal of equal ones; peer: memcmp",
            *take_turns(shell.timed(f"SELECT tensor_equal({same})"), memcmp), goal=1 / 0.9)
        row("tensor_compare of equal ones; peer: memcmp",
            *take_turns(shell.timed(f"SELECT * FROM tensor_compare({same})"), memcmp))
        against_libraries(shell, dtype, paths, size // 4)
    for path in (*paths, copy):
        os.remove(path)


def structure():
    paths = fixture("model", "model.safetensors"), fixture("model", "model_2.safetensors")
    lists = [f"SELECT count(name), count(dtype), count(shape) FROM safetensors_tensors('{path}')" for path in paths]
    diff = ("SELECT count(name), count(dtype_a), count(dtype_b), count(shape_a), count(shape_b) "
            f"FROM safetensors_diff('{paths[0]}', '{paths[1]}')")
    heading("two models of 91,991 tensors: names, dtypes, shapes", "diff", "2 lists")
    row("safetensors_diff, with the reading of headers",
        *take_turns(in_fresh_shell(diff), in_fresh_shell("; ".join(lists))), goal=2)
    with Shell(*lists) as shell:
        ours, *theirs = take_turns(*map(shell.timed, (diff, *lists)))
        row("safetensors_diff, headers parsed before", ours, sum(theirs), goal=2)


def run():
    structure()
    numbers("F32")
    numbers("BF16")
