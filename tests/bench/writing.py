"""Writing checkpoints: copied by refs, and converted, against cp; both with fsync. And converted without a disk, against a
loop in C and PyTorch."""

import ctypes
import json
import mmap
import os
import statistics
import struct
import subprocess

from measure import DIRECTORY, RUNS, Shell, Spent, Stopwatch, heading, rounds, row, scaled, take_turns, torch

MIB = 1 << 20
TARGET = os.path.join(DIRECTORY, "written.safetensors")


def model(name, dtype, nbytes, size):
    """A file of tensors of 16 MiB, of bytes that no file system can share or leave out."""
    os.makedirs(DIRECTORY, exist_ok=True)
    path, block = os.path.join(DIRECTORY, f"{name}.safetensors"), os.urandom(16 * MIB)
    count = max(nbytes // len(block), 1)
    header = json.dumps({f"t{i:03}": {"dtype": dtype, "shape": [len(block) // size],
                                      "data_offsets": [i * len(block), (i + 1) * len(block)]}
                         for i in range(count)}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for i in range(count):
            file.write(block[i:] + block[:i])
        os.fsync(file.fileno())
    return path


def afresh(work, target=TARGET):
    """A contestant that makes the target, which is not there before and whose removal is not counted."""
    def contestant():
        if os.path.exists(target):
            os.unlink(target)
        watch = Stopwatch()
        spent = work()
        return spent if isinstance(spent, Spent) else watch.spent()
    return contestant


def copying_file(path):
    """cp, and what it wrote brought to the disk."""
    def work():
        subprocess.run(["cp", path, TARGET], check=True)
        with open(TARGET, "rb") as file:
            os.fsync(file.fileno())
    return afresh(work)


def writing(shell, source, dtype):
    sql = ("INSERT INTO safetensors_write(path, name, dtype, shape, data, mode) "
           f"SELECT '{TARGET}', name, {dtype}, shape, ref, 'replace' FROM safetensors_tensors('{source}')")
    return afresh(shell.timed(sql))


def measure(what, source, dtype, peer, goal):
    with Shell() as shell:
        ours, theirs = take_turns(writing(shell, source, dtype), copying_file(peer), runs=min(RUNS, 5))
        row(what, ours, theirs, goal=goal)
        row("  peak memory, MiB", shell.peak_memory() / MIB, unit="MiB", goal=64)


# ---- Without a disk ----

# Rounds to nearest, ties to even, and writes what it has rounded piece by piece.
CAST_LOOP = r"""
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
int cast_to_file(const uint32_t *floats, size_t count, int descriptor) {
  static uint16_t piece[1 << 17];
  const size_t size = sizeof piece / sizeof piece[0];
  for (size_t done = 0; done < count; done += size) {
    size_t part = count - done < size ? count - done : size;
    for (size_t i = 0; i < part; i++) {
      uint32_t bits = floats[done + i], rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
      piece[i] = (bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16 & 0x8000) | 0x7fc0 : rounded;
    }
    if (write(descriptor, piece, part * 2) != (ssize_t)(part * 2)) return 1;
  }
  return 0;
}
"""
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else DIRECTORY
CAST = os.path.join(MEMORY, f"safetensors-bench-{os.getpid()}.safetensors")


def cast_loop():
    path = os.path.abspath(os.path.join(DIRECTORY, "cast_to_file.so"))
    subprocess.run([os.environ.get("CC", "cc"), "-O3", "-march=native", "-shared", "-fPIC", "-x", "c", "-", "-o", path],
                   input=CAST_LOOP, text=True, check=True)
    return ctypes.CDLL(path).cast_to_file


def cast():
    nbytes = scaled(1024 * MIB, 16 * MIB)
    path = model("casting_F32", "F32", nbytes, 4)
    loop = cast_loop()
    with open(path, "rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    begin = 8 + int.from_bytes(mapping[:8], "little")
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapping)) + begin

    def by_loop():
        descriptor = os.open(CAST, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        if loop(ctypes.c_void_p(address), ctypes.c_size_t(nbytes // 4), descriptor) != 0:
            raise OSError("cannot write")
        os.close(descriptor)

    def by_torch():
        numbers = torch.frombuffer(memoryview(mapping)[begin:], dtype=torch.float32)
        numbers.to(torch.bfloat16).view(torch.int16).numpy().tofile(CAST)

    sql = ("INSERT INTO safetensors_write(path, name, dtype, shape, data) "
           f"SELECT '{CAST}', name, 'BF16', shape, ref FROM safetensors_tensors('{path}')")
    with Shell() as shell, Shell("PRAGMA threads = 1") as two:
        contestants = [shell.timed(sql), two.timed(sql), by_loop] + [by_torch] * (torch is not None)
        if torch:
            torch.set_num_threads(1)
        spent = rounds(*(afresh(contestant, CAST) for contestant in contestants))
    cpu, wall = ([statistics.median(each[kind] for each in taken) for taken in spent] for kind in (1, 0))
    heading(f"F32 to BF16, {nbytes // MIB} MiB, written to memory")
    row("time of the processor; peer: a loop in C with write()", cpu[0], cpu[2], goal=1 / 0.6)
    row("time; peer: the same loop", wall[0], wall[2], goal=1 / 0.6)
    row("time on two threads; peer: the same loop", wall[1], wall[2])
    if torch:
        row("time of the processor; peer: PyTorch, tofile()", cpu[0], cpu[3], goal=1)
        row("time; peer: PyTorch, tofile()", wall[0], wall[3], goal=1)
    for made in (path, CAST):
        os.unlink(made)


def run():
    nbytes = scaled(2048 * MIB, 16 * MIB)
    f32, bf16 = model("writing_F32", "F32", nbytes, 4), model("writing_BF16", "BF16", nbytes // 2, 2)
    heading(f"writing {nbytes // MIB} MiB")
    measure("rewritten by refs; peer: cp", f32, "dtype", f32, 1 / 0.85)
    measure("converted from BF16 to F32; peer: cp of such a file", bf16, "'F32'", f32, 1 / 0.7)
    for path in (f32, bf16, TARGET):
        os.unlink(path)
    cast()
