"""The limits: loops in C over a mapped file (peers_c/limits.c). They are compiled twice, as programs usually are, and
into the widest instructions of this machine."""

import ctypes
import mmap
import os
import subprocess

from measure import DIRECTORY
from peers_report import Peer

POPULATE_READ = 22  # MADV_POPULATE_READ, since Linux 5.14
USUAL = ("-O2",)
WIDEST = ("-O3", "-march=native")


def library(flags=USUAL):
    os.makedirs(DIRECTORY, exist_ok=True)
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers_c", "limits.c")
    path = os.path.abspath(os.path.join(DIRECTORY, f"limits{''.join(flags)}.so"))
    subprocess.run([os.environ.get("CC") or "cc", *flags, "-shared", "-fPIC", source, "-o", path], check=True)
    loops = ctypes.CDLL(path)
    for loop in (loops.limit_read, loops.limit_read_both, loops.limit_count):
        loop.restype = ctypes.c_uint64
    return loops


def mapped(path, nbytes):
    """The first bytes of the tensors in a file, which are mapped with all pages in place."""
    with open(path, "rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    try:
        mapping.madvise(POPULATE_READ)
    except OSError:
        pass  # the warming round touches them
    header = 8 + int.from_bytes(mapping[:8], "little")
    return memoryview(mapping)[header:header + nbytes]


def over(loop, *views):
    """A contestant: a loop over one buffer, or over several of one size."""
    pointers = [ctypes.byref(ctypes.c_char.from_buffer(view)) for view in views]  # which keep what they point to
    size = ctypes.c_size_t(len(views[0]))
    return lambda: loop(*pointers, size)


def mapping_anew(loop, nbytes, *paths):
    """A contestant: the files mapped, read by the loop, and unmapped."""
    def contestant():
        over(loop, *(mapped(path, nbytes) for path in paths))()
    return contestant


def reading(nbytes, *paths, goal=0.0):
    """The loops that read so much of a file, or of each of two, as peers."""
    views = [mapped(path, nbytes) for path in paths]
    usual, widest = (library(flags)["limit_read_both" if len(paths) > 1 else "limit_read"] for flags in (USUAL, WIDEST))
    both = " both" if len(paths) > 1 else ""
    return (Peer(f"limit: a loop that reads{both}, -O2", over(usual, *views), goal),
            Peer("limit: the same, which maps and unmaps", mapping_anew(usual, nbytes, *paths)),
            Peer("limit: the first, widest instructions", over(widest, *views)))


def counting(nbytes, path):
    """The loop that counts codes of 16 bits, as a peer."""
    return Peer("limit: a loop that counts codes of 16 bits", over(library().limit_count, mapped(path, nbytes)))
