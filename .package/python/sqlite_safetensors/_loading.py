"""Loading the extension into connections."""

from __future__ import annotations

import inspect
import os
import sqlite3
from typing import Any, TypeVar, Union

from . import _auto_extension
from ._places import loadable_path

Connection = TypeVar("Connection")
Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def driver_connection(connection: Any) -> Any:
    """The connection of the driver below one of SQLAlchemy or Django, else the connection itself."""
    for name in ("connection", "driver_connection"):  # of an engine, and of its pool
        inner = getattr(connection, name, None)
        if hasattr(inner, "execute") or hasattr(inner, "driver_connection"):
            connection = inner
    return connection


def load(connection: Connection) -> Connection:
    """Loads the extension into an open connection of sqlite3, pysqlite3, APSW, SQLAlchemy or Django, and returns the
    connection. Whether it allows extensions to be loaded is afterwards as it was before.

    Raises sqlite3.NotSupportedError for connections of a Python that was built without support for extensions:
    connect() opens connections with the extension there. Otherwise errors are those of the connection's driver."""
    inner = driver_connection(connection)
    allow = getattr(inner, "enable_load_extension", None) or getattr(inner, "enableloadextension", None)
    run = getattr(inner, "load_extension", None) or getattr(inner, "loadextension", None)
    if inspect.iscoroutinefunction(allow):
        raise TypeError("expected a connection whose methods return their results, found one whose methods are "
                        "awaited; allow it extensions, and load loadable_path() with it")
    if allow is None or run is None:
        if isinstance(inner, sqlite3.Connection):
            raise sqlite3.NotSupportedError(
                "this Python was built without support for extensions, so none can be loaded into an open connection; "
                "open it with sqlite_safetensors.connect(), which needs no such support")
        raise TypeError("expected a connection of sqlite3, pysqlite3, APSW, SQLAlchemy or Django, "
                        f"found {type(connection).__qualname__}")
    was_allowed = _allows_extensions(inner)
    allow(True)
    try:
        run(loadable_path())
    finally:
        allow(was_allowed)
    return connection


def _allows_extensions(connection: Any) -> bool:
    """Whether the connection allows statements to load extensions. This one asks, and loads none."""
    try:
        connection.cursor().execute("SELECT load_extension(NULL)").fetchall()
    except Exception as problem:  # of any driver
        if "not authorized" in str(problem):
            return False
        raise
    return True


def connect(database: Path = ":memory:", **options: Any) -> sqlite3.Connection:
    """Opens a database with the extension loaded: sqlite3.connect(), with its options.

    Works also if this Python was built without support for extensions, as those of pyenv are: then SQLite itself is
    asked, for the time of the call, to load the extension into what this thread opens.

    Raises sqlite3.NotSupportedError if this Python's SQLite cannot have extensions at all."""
    def open_connection() -> sqlite3.Connection:
        connection: sqlite3.Connection = sqlite3.connect(database, **options)
        return connection

    if not hasattr(sqlite3.Connection, "enable_load_extension"):
        return _auto_extension.opened_with_extension(open_connection)
    connection = open_connection()
    try:
        return load(connection)
    except BaseException:
        connection.close()
        raise
