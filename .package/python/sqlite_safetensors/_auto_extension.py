"""Connections with the extension in a Python whose sqlite3 module was built without enable_load_extension.

SQLite calls a process's automatic extensions for each connection that is opened (sqlite3_auto_extension). One of
them is here registered as long as a connection is being opened by opened_with_extension(), and does nothing in other
threads. Its function is in the SQLite library that the sqlite3 module uses, which may be a shared library or linked
into the module or into Python. There can be others in the process, which are left alone if they are of another version.
A connection in memory tells whether it is the right one: the extension is called for it, or it is not.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import threading
from typing import Any, Callable, Iterator, Optional

from ._places import SUFFIX, loadable_path

_REFUSAL = ("the SQLite library of this Python cannot have extensions; use the program safetensors-sql, "
            "the package apsw, or a Python whose sqlite3 module has enable_load_extension")
_INITIALISER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class _Thread(threading.local):
    """What one thread is about."""

    is_opening = False
    was_called = False


_thread = _Thread()
_lock = threading.Lock()
_opening = 0  # threads, under the lock
_library: Optional[ctypes.CDLL] = None  # the SQLite library, once it is found
_initialise: Optional[Callable[[int, int, int], int]] = None  # the extension's entry point, once it is found


def _after_fork() -> None:
    global _lock, _opening
    _lock, _opening = threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _run_here(connection: int, message: int, interface: int) -> int:
    """The automatic extension. A library that cannot have extensions passes no interface."""
    if not _thread.is_opening or not interface or _initialise is None:
        return 0
    _thread.was_called = True
    return _initialise(connection, message, interface)


# Lives as long as the process, since SQLite may call it once more after it was cancelled.
_automatic = _INITIALISER(_run_here)


def _libraries() -> Iterator[ctypes.CDLL]:
    """Libraries that may have the SQLite of the sqlite3 module, in the order in which a linker searches them."""
    import _sqlite3

    if os.name == "nt":
        find = ctypes.WinDLL("kernel32").GetModuleHandleW  # type: ignore[attr-defined,unused-ignore]
        find.restype = ctypes.c_void_p
        for name in ("sqlite3.dll", os.path.basename(getattr(_sqlite3, "__file__", "python3.dll"))):
            handle = find(ctypes.c_wchar_p(name))
            if handle:
                yield ctypes.CDLL(name, handle=handle)
        return
    yield ctypes.CDLL(None)
    path = getattr(_sqlite3, "__file__", None)  # None: it is linked into Python
    if path is not None:
        yield ctypes.CDLL(path)


def _is_of_version(library: Any, version: str) -> bool:
    """Whether the library is an SQLite from the same sources. One that is not in use must not be called for more: it
    can be half replaced by the one that is."""
    if not all(hasattr(library, f"sqlite3_{name}") for name in ("sourceid", "auto_extension", "cancel_auto_extension")):
        return False
    library.sqlite3_sourceid.restype = ctypes.c_char_p
    found: bytes = library.sqlite3_sourceid()
    return found == version.encode()


def _opened(library: ctypes.CDLL, open_connection: Callable[[], sqlite3.Connection]) -> Optional[sqlite3.Connection]:
    """The connection with the extension, or None if this is not the library of the sqlite3 module."""
    global _opening
    was_opening = _thread.is_opening
    with _lock:
        if library.sqlite3_auto_extension(_automatic) != 0:
            return None
        _opening += 1
    _thread.is_opening, _thread.was_called = True, False
    try:
        connection = open_connection()
    finally:
        _thread.is_opening = was_opening
        with _lock:
            _opening -= 1
            if _opening == 0:
                library.sqlite3_cancel_auto_extension(_automatic)
    if _thread.was_called:
        return connection
    connection.close()
    return None


def _find_library() -> ctypes.CDLL:
    global _initialise
    entry = ctypes.CDLL(loadable_path() + SUFFIX).sqlite3_safetensors_init
    entry.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    _initialise = entry
    database = sqlite3.connect(":memory:")
    version = database.execute("SELECT sqlite_source_id()").fetchone()[0]
    database.close()
    for library in _libraries():
        if _is_of_version(library, version):
            connection = _opened(library, lambda: sqlite3.connect(":memory:"))
            if connection is not None:
                connection.close()
                return library
    raise sqlite3.NotSupportedError(_REFUSAL)


def opened_with_extension(open_connection: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """The connection that the function opens, with the extension loaded."""
    global _library
    if _library is None:
        _library = _find_library()
    connection = _opened(_library, open_connection)
    if connection is None:
        raise sqlite3.NotSupportedError(_REFUSAL)
    return connection
