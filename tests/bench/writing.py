"""Writing checkpoints: copied by refs, and converted, against cp; both with fsync."""

import json
import os
import struct
import subprocess

from measure import DIRECTORY, RUNS, Shell, Spent, Stopwatch, heading, row, scaled, take_turns

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


def afresh(work):
    """A contestant that makes TARGET, which is not there before and whose removal is not counted."""
    def contestant():
        if os.path.exists(TARGET):
            os.unlink(TARGET)
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


def run():
    nbytes = scaled(2048 * MIB, 16 * MIB)
    f32, bf16 = model("writing_F32", "F32", nbytes, 4), model("writing_BF16", "BF16", nbytes // 2, 2)
    heading(f"writing {nbytes // MIB} MiB")
    measure("rewritten by refs; peer: cp", f32, "dtype", f32, 1 / 0.85)
    measure("converted from BF16 to F32; peer: cp of such a file", bf16, "'F32'", f32, 1 / 0.7)
    for path in (f32, bf16, TARGET):
        os.unlink(path)
