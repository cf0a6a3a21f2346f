"""Packed weights: statistics of what they stand for, against a loop that reads as many bytes as they are packed in. Goals are
of that loop; the floats that are computed take four to eight times the bytes, so the second rate is theirs."""

import ctypes
import json
import os
import struct

from expressions import busy
from measure import DIRECTORY, Shell, cpu_of, numpy, rate, rate_heading, scaled, take_turns
from stats import mapped, read_loop

COLUMNS, GROUP = 8192, 128
GOAL = 0.5
PATH = os.path.join(DIRECTORY, "packed.safetensors")


def tensors(rows):
    chance = numpy.random.default_rng(1)

    def codes(*shape):
        return chance.integers(0, 256, size=shape, dtype="u1")

    def scales(kind, *shape):
        return chance.uniform(0.01, 0.02, size=shape).astype(kind)

    groups = COLUMNS // GROUP
    return {
        "fp8": ("F8_E4M3", [rows, COLUMNS], codes(rows, COLUMNS) & 0x77),
        "blocks": ("F32", None, scales("<f4", rows // GROUP, groups)),
        "channels": ("F32", None, scales("<f4", rows, 1)),
        "int4": ("I32", [rows, COLUMNS // 8], codes(rows, COLUMNS // 2)),
        "groups": ("F16", None, scales("<f2", rows, groups)),
        "qweight": ("I32", [COLUMNS // 8, rows], codes(COLUMNS // 8, rows * 4)),
        "qzeros": ("I32", [groups, rows // 8], codes(groups, rows // 2)),
        "scales": ("F16", None, scales("<f2", groups, rows)),
        "nvfp4": ("U8", None, codes(rows, COLUMNS // 2)),
        "sixteens": ("F8_E4M3", None, codes(rows, COLUMNS // 16) & 0x3f | 0x20),
        "global": ("F32", None, scales("<f4", 1)),
    }


def put(entries):
    os.makedirs(DIRECTORY, exist_ok=True)
    header, end = {}, 0
    for name, (dtype, shape, array) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape or list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(PATH, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, array in entries.values():
            file.write(array.tobytes())


def statistics(scheme, options, **parts):
    """SQL that reads all of the weight."""
    refs = ", ".join(f"'{role}', '{PATH}#{name}'" for role, name in parts.items())
    return f"SELECT * FROM tensor_stats(tensor_dequantize('{scheme}', json_object({refs}), '{json.dumps(options)}'))"


def run():
    if not numpy:
        print("\nskipped: packed weights (no NumPy to make the data with)")
        return
    rows = max(scaled(16384, 1024), 1024)
    numel = rows * COLUMNS
    put(tensors(rows))
    loop, view = read_loop(), mapped(PATH)
    address = ctypes.addressof(ctypes.c_char.from_buffer(view))
    half, by_groups = numel // 2, {"group_size": GROUP}
    subjects = [
        ("fp8, blocks of 128 x 128", numel, GOAL,
         statistics("fp8", {"block": [GROUP, GROUP]}, weight="fp8", scale="blocks")),
        ("fp8, a scale for each row", numel, GOAL, statistics("fp8", {}, weight="fp8", scale="channels")),
        ("int4, groups of 128", half, GOAL, statistics("int4", by_groups, weight_packed="int4", weight_scale="groups")),
        ("gptq of 4 bits, groups of 128", half, None,
         statistics("gptq", by_groups, qweight="qweight", qzeros="qzeros", scales="scales")),
        ("nvfp4", half, None, statistics("nvfp4", {}, weight="nvfp4", scale="sixteens", multiply="global")),
    ]
    with Shell(*[sql for _, _, _, sql in subjects]) as shell:
        seconds = take_turns(cpu_of(lambda: loop(ctypes.c_void_p(address), ctypes.c_size_t(numel))),
                             *[busy(shell, sql) for _, _, _, sql in subjects])
        peak = shell.peak_memory()
    limit = numel / 1e9 / seconds[0]
    rate_heading(f"packed weights of {numel >> 20} Mi elements; peer: a loop that reads")
    for (what, nbytes, goal, _), taken in zip(subjects, seconds[1:]):
        rate(f"{what}: the packed bytes", nbytes / 1e9 / taken, limit, goal)
        rate(f"{what}: the floats", 4 * numel / 1e9 / taken, limit)
    print(f"{'  peak memory, with what is mapped of the file':<58} {peak / (1 << 20):>9.2f} MiB")
    os.unlink(PATH)
