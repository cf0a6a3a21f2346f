"""Bytes of a file, mapped into memory for as long as something refers to them.

A mapping here holds no descriptor, so that a thousand tensors of a model take no more of them than one does. Python's
own mappings do, before 3.13."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import sys
import weakref
from typing import Any, BinaryIO

if sys.platform == "win32":
    def _pages(file: BinaryIO, start: int, length: int, is_private: bool) -> memoryview:
        access = mmap.ACCESS_COPY if is_private else mmap.ACCESS_READ
        return memoryview(mmap.mmap(file.fileno(), length, access=access, offset=start))
else:
    @functools.lru_cache(maxsize=None)
    def _functions() -> Any:
        """mmap() and munmap(), with 64-bit offsets also on 32-bit machines."""
        library: Any = ctypes.CDLL(None, use_errno=True)
        make = getattr(library, "mmap64", library.mmap)
        make.restype = ctypes.c_void_p
        make.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
        remove = library.munmap
        remove.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        return make, remove

    def _pages(file: BinaryIO, start: int, length: int, is_private: bool) -> memoryview:
        make, remove = _functions()
        protection = mmap.PROT_READ | mmap.PROT_WRITE if is_private else mmap.PROT_READ
        address = make(None, length, protection, mmap.MAP_PRIVATE, file.fileno(), start)
        if address == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        pages = (ctypes.c_ubyte * length).from_address(address)
        end = weakref.finalize(pages, remove, address, length)
        end.atexit = False  # what is left when the process ends may still be in use
        return memoryview(pages) if is_private else memoryview(pages).toreadonly()


def mapped(file: BinaryIO, offset: int, nbytes: int, is_private: bool) -> memoryview:
    """The bytes, without a copy: nobody can write to them; or, if they are private, what is written stays in this
    memory and never reaches the file. Raises OSError if the system refuses."""
    before = offset % mmap.ALLOCATIONGRANULARITY
    return _pages(file, offset - before, before + nbytes, is_private)[before:]


def copied(file: BinaryIO, offset: int, nbytes: int) -> memoryview:
    """The bytes, in memory of their own. Raises EOFError if the file ends before they do."""
    buffer = memoryview(bytearray(nbytes))
    file.seek(offset)
    filled = 0
    while filled < nbytes:
        count = file.readinto(buffer[filled:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError(f"{os.fsdecode(file.name)}: expected {nbytes} bytes at offset {offset}, found {filled}")
        filled += count
    return buffer
