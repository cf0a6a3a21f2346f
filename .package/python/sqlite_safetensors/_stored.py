"""The stored bytes of a tensor that a ref names, outside of SQLite, whose values have at most 1,000,000,000 bytes and
live as long as a statement does."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, Dict, List, Match, Optional, Tuple, Union

from ._loading import driver_connection
from ._mapping import copied, mapped

BITS: Dict[str, int] = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64}
_SMALL = 1 << 16  # bytes that are sooner copied than mapped
_CHUNK = 1 << 26  # bytes that SQLite is asked for at a time
_ATTEMPTS = 3

Index = Tuple[Any, ...]


@dataclass
class Stored:
    """A tensor's bytes, in C order; of those that `index` selects if it is not empty."""

    dtype: str
    shape: List[int]
    buffer: memoryview
    index: Index = ()


@dataclass
class _Ref:
    """What a ref is made of."""

    path: str
    name: str
    slice: Optional[str]


@dataclass
class _Place:
    """Where a file has a tensor."""

    file: Union[str, bytes]
    offset: int
    dtype: str
    shape: List[int]
    nbytes: int


def _rows(connection: Any, sql: str, *parameters: Any) -> List[Tuple[Any, ...]]:
    """The rows, as tuples whatever the connection makes of rows."""
    cursor = connection.cursor()
    if hasattr(cursor, "row_factory"):  # sqlite3
        cursor.row_factory = None
    try:
        return [tuple(row) for row in cursor.execute(sql, parameters)]
    finally:
        cursor.close()


def _parsed(ref: str) -> Optional[_Ref]:
    """The parts of a ref that SQLite has found to be one; None if it has no place in one file."""
    if ref.startswith("{"):
        return None
    path, _, name = ref.partition("#")
    path, question, option = path.partition("?")
    if question and not option.startswith("slice=") or "damaged=" in option:
        return None
    decoded = re.sub("%(25|23|3[Ff])", lambda escape: chr(int(escape[1], 16)), path)
    return _Ref(decoded, name, option[len("slice="):] if question else None)


def _indices(text: Optional[str]) -> Index:
    """A slice's text as NumPy's basic index."""
    def part(item: str) -> Any:
        item = item.strip()
        if item == "...":
            return Ellipsis
        if ":" not in item:
            return int(item)
        return slice(*(int(bound) if bound.strip() else None for bound in item.split(":")))

    if text is None:
        return ()
    found = tuple(part(item) for item in text.split(",")) if text.strip() else ()
    return found if Ellipsis in found else (*found, Ellipsis)  # with which the result is never a scalar


def _place(connection: Any, ref: _Ref) -> Optional[_Place]:
    """Where the tensor is. None if that is in no file, or in several."""
    found = _rows(connection, 'SELECT file, "offset", dtype, shape, nbytes FROM safetensors_tensors(?) WHERE name = ?',
                  ref.path, ref.name)
    if len(found) != 1 or not isinstance(found[0][0], str):
        return None
    file, offset, dtype, shape, nbytes = found[0]
    return _Place(_file_name(file), offset, dtype, json.loads(shape), nbytes)


def _file_name(text: str) -> Union[str, bytes]:
    """The path that the extension reports as this text: %80 to %FF are bytes that are not UTF-8, and before these a %
    is %25."""
    def byte(escape: Match[bytes]) -> bytes:
        return b"%" + escape[1][2:] + escape[2] if escape[1] else bytes([int(escape[2], 16)])

    return text if os.name == "nt" else re.sub(b"%((?:25)*)([89A-F][0-9A-F])", byte, text.encode())


def _identity(status: os.stat_result) -> Tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _opened(connection: Any, ref: _Ref) -> Optional[Tuple[_Place, BinaryIO]]:
    """The place, and the file opened: the same file in the same state before and after the place was asked for, so
    that it cannot be one's place in another's bytes. None if there is none."""
    for _ in range(_ATTEMPTS):
        before = _place(connection, ref)
        if before is None:
            return None
        try:
            file = open(before.file, "rb", buffering=0)
        except (OSError, ValueError):
            return None
        identity = _identity(os.fstat(file.fileno()))
        try:
            if _place(connection, ref) == before and _identity(os.stat(before.file)) == identity:
                return before, file
        except BaseException:
            file.close()
            raise
        file.close()
    return None


def _buffer(place: _Place, file: BinaryIO, is_private: bool, may_map: bool, is_sliced: bool) -> Optional[memoryview]:
    """The whole tensor's bytes: mapped, if they are aligned for their type and not so few that a copy is cheaper. None
    if many would be copied for a slice."""
    if place.nbytes < _SMALL:
        return copied(file, place.offset, place.nbytes)
    if may_map and place.offset % (max(BITS[place.dtype], 8) // 8) == 0:
        try:
            return mapped(file, place.offset, place.nbytes, is_private)
        except OSError:
            pass  # where memory is short, and in file systems without mappings
    return None if is_sliced else copied(file, place.offset, place.nbytes)


def _in_file(connection: Any, ref: str, is_private: bool) -> Optional[Stored]:
    """The bytes out of the file that has them. None if SQLite has to be asked for them."""
    parsed = _parsed(ref)
    opened = _opened(connection, parsed) if parsed is not None else None
    if parsed is None or opened is None:
        return None
    place, file = opened
    with file:
        is_sliced = parsed.slice is not None
        if is_sliced and BITS[place.dtype] < 8:
            return None
        may_map = _rows(connection, "SELECT safetensors_config('io')") == [("map",)]
        buffer = _buffer(place, file, is_private, may_map, is_sliced)
        return Stored(place.dtype, place.shape, buffer, _indices(parsed.slice)) if buffer is not None else None


def _from_sqlite(connection: Any, ref: str, dtype: Optional[str], nbytes: int, shape: List[int]) -> memoryview:
    """The bytes as SQLite returns them, cast if a dtype is given. Many are asked for by slices along the first
    dimension."""
    what = "tensor_data(ref)" if dtype is None else "tensor_cast(ref, ?1)"
    parsed = _parsed(ref)
    if nbytes <= _CHUNK or parsed is None or parsed.slice is not None or not shape or nbytes // shape[0] % 4:
        return memoryview(_rows(connection, f"SELECT {what} FROM (SELECT ?2 AS ref)", dtype, ref)[0][0])
    buffer = memoryview(bytearray(nbytes))
    row_nbytes = nbytes // shape[0]
    rows = max(1, _CHUNK // row_nbytes)
    for begin in range(0, shape[0], rows):
        end = min(begin + rows, shape[0])
        found = _rows(connection, f"SELECT {what} FROM (SELECT tensor_ref(?2, ?3, ?4) AS ref)", dtype, parsed.path,
                      parsed.name, f"{begin}:{end}")
        buffer[begin * row_nbytes:end * row_nbytes] = found[0][0]
    return buffer


def stored(connection: Any, ref: str, dtype: Optional[str] = None, is_private: bool = False) -> Stored:
    """The tensor's bytes, cast if another dtype is given. Nothing can write to them; or, if they are to be private,
    the caller can, and nobody else sees it."""
    if not isinstance(ref, str):
        raise TypeError(f"expected a ref, which is a str, found {type(ref).__qualname__}")
    connection = driver_connection(connection)
    [(own_dtype, text, numel)] = _rows(connection, "SELECT tensor_dtype(?1), tensor_shape(?1), tensor_numel(?1)", ref)
    shape = json.loads(text)
    is_cast = dtype not in (None, own_dtype)
    in_file = None if is_cast else _in_file(connection, ref, is_private)
    if in_file is not None:
        return in_file
    dtype = dtype or own_dtype
    buffer = _from_sqlite(connection, ref, dtype if is_cast else None, numel * BITS.get(dtype, 8) // 8, shape)
    return Stored(dtype, shape, memoryview(bytearray(buffer)) if is_private and buffer.readonly else buffer)
