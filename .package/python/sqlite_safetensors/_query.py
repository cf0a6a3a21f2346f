"""The answer to one question, in the form that one works with."""

from __future__ import annotations

import importlib
from typing import Any, Callable, Dict, List, Literal, Mapping, Sequence, Tuple, Union, overload

from ._loading import connect, driver_connection

_Rows = List[Tuple[Any, ...]]
Parameters = Union[Sequence[Any], Mapping[str, Any]]


def _dicts(names: List[str], rows: _Rows) -> List[Dict[str, Any]]:
    return [dict(zip(names, row)) for row in rows]


def _pandas(names: List[str], rows: _Rows) -> Any:
    return importlib.import_module("pandas").DataFrame.from_records(rows, columns=names)


def _polars(names: List[str], rows: _Rows) -> Any:
    return importlib.import_module("polars").DataFrame(rows, schema=names, orient="row", infer_schema_length=None)


def _arrow(names: List[str], rows: _Rows) -> Any:
    arrow = importlib.import_module("pyarrow")
    columns = list(zip(*rows)) if rows else [()] * len(names)
    return arrow.table([arrow.array(column) for column in columns], names=names)


# By name: the package it needs, and what makes it.
_FORMS: Dict[str, Tuple[str, Callable[[List[str], _Rows], Any]]] = {
    "dicts": ("builtins", _dicts), "pandas": ("pandas", _pandas), "polars": ("polars", _polars),
    "arrow": ("pyarrow", _arrow)}


def _answer(connection: Any, sql: str, parameters: Parameters) -> Tuple[List[str], _Rows]:
    """The columns' names and the rows."""
    cursor = connection.cursor()
    names: List[str] = []

    def note_names(cursor: Any, sql: str, bindings: Any) -> bool:
        names[:] = [column[0] for column in cursor.getdescription()]
        return True

    try:
        if hasattr(cursor, "setexectrace"):  # APSW, whose cursor has no description once it is at the end
            cursor.setexectrace(note_names)
        if hasattr(cursor, "row_factory"):  # sqlite3
            cursor.row_factory = None
        rows = [tuple(row) for row in cursor.execute(sql, parameters)]
        return names or [column[0] for column in getattr(cursor, "description", None) or ()], rows
    finally:
        cursor.close()


@overload
def query(sql: str, parameters: Parameters = (), *, connection: Any = None,
          as_: Literal["dicts"] = "dicts") -> List[Dict[str, Any]]: ...


@overload
def query(sql: str, parameters: Parameters = (), *, connection: Any = None, as_: str) -> Any: ...


def query(sql: str, parameters: Parameters = (), *, connection: Any = None, as_: str = "dicts") -> Any:
    """The rows of an SQL statement: a list of dicts, or with `as_` "pandas" or "polars" a DataFrame, with "arrow" a
    pyarrow.Table. Parameters are a sequence for `?` and a mapping for `:name`.

    Without a connection, the statement has one of its own, in memory, and if it writes checkpoints they are there when
    this returns. In a connection that is given, and has the extension loaded, they are there when it commits."""
    if as_ not in _FORMS:
        raise ValueError(f"expected as_ to be one of {', '.join(_FORMS)}, found {as_!r}")
    package, form = _FORMS[as_]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as problem:
        if problem.name != package:
            raise
        raise ModuleNotFoundError(f"query(as_={as_!r}) needs the package {package}", name=package) from None
    if connection is not None:
        names, rows = _answer(driver_connection(connection), sql, parameters)
    else:
        own = connect(isolation_level=None)
        try:
            names, rows = _answer(own, sql, parameters)
        finally:
            own.close()
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"expected columns of different names, found {name!r} twice; name one of them with AS")
    return form(names, rows)
