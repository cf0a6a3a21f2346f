"""A model of F32 tensors converted to BF16 and written, beside a loop that only converts, in memory, and PyTorch. Both
programs bring what they wrote to the disk (fsync)."""

import ctypes
import mmap
import os

import peers_limits as limits
from measure import Shell, scaled, torch
from peers_report import Peer, against, agree, size_of, table
from writing import MIB, TARGET, afresh, model

try:
    from safetensors.torch import load_file, save_file
except ImportError:
    save_file = None


def in_memory(loops, path, nbytes):
    """A contestant: the tensors' bytes converted, into memory that has been there before."""
    source, result = limits.mapped(path, nbytes), mmap.mmap(-1, nbytes // 2)
    pointers = [ctypes.byref(ctypes.c_char.from_buffer(buffer)) for buffer in (source, result)]

    def contestant():
        loops.limit_to_bf16(pointers[0], ctypes.c_size_t(nbytes // 4), pointers[1])
    return contestant, result


def in_torch(path):
    def work():
        save_file({name: tensor.to(torch.bfloat16) for name, tensor in load_file(path).items()}, TARGET)
        with open(TARGET, "rb") as file:
            os.fsync(file.fileno())
    return afresh(work)


def run():
    nbytes = scaled(1024 * MIB, 16 * MIB)
    path = model("peers_cast", "F32", nbytes, 4)
    sql = ("INSERT INTO safetensors_write(path, name, dtype, shape, data, mode) "
           f"SELECT '{TARGET}', name, 'BF16', shape, ref, 'replace' FROM safetensors_tensors('{path}')")
    loop, result = in_memory(limits.library(limits.WIDEST), path, nbytes)
    usual, _ = in_memory(limits.library(), path, nbytes)
    table(f"cast F32 to BF16 and write, {size_of(nbytes)} of F32")
    with Shell() as shell:
        against(afresh(shell.timed(sql)),
                Peer("limit: loop that casts, widest instructions", loop, 0.6),
                Peer("limit: the same, -O2", usual))
        same = limits.mapped(TARGET, nbytes // 2) == result[:]
        agree("cast to BF16: as the loop does", str(int(same)), [1])
        against(afresh(shell.timed(sql)),
                Peer("PyTorch: load_file, .to(bfloat16), save_file", in_torch(path) if torch and save_file else None, 1,
                     "PyTorch or safetensors is not installed"), most=9)
    for file in (path, TARGET):
        os.remove(file)
