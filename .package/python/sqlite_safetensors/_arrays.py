"""Tensors as arrays of NumPy and tensors of PyTorch."""

from __future__ import annotations

import importlib
import math
import sys
from typing import TYPE_CHECKING, Any, List, Optional

from ._stored import BITS, stored

if TYPE_CHECKING:
    import numpy

_NUMPY = {"BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4", "U32": "<u4",
          "F32": "<f4", "C64": "<c8", "F64": "<f8", "I64": "<i8", "U64": "<u8"}
_ML_DTYPES = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
              "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz"}
_TORCH = {"BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "F16": "float16",
          "I32": "int32", "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64",
          **_ML_DTYPES}


def _module(name: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name != name:
            raise
        raise ModuleNotFoundError(f"{purpose} needs the package {name}", name=name) from None


def _packed_shape(dtype: str, shape: List[int]) -> List[int]:
    """The shape of the bytes that have the elements of F4 and F6: their last dimension is shorter, if it takes whole
    bytes, and else there is but one."""
    if shape and shape[-1] * BITS[dtype] % 8 == 0:
        return [*shape[:-1], shape[-1] * BITS[dtype] // 8]
    return [math.prod(shape) * BITS[dtype] // 8]


def _numpy_dtype(numpy: Any, dtype: str) -> Any:
    if dtype in _NUMPY:
        return numpy.dtype(_NUMPY[dtype])
    try:
        return numpy.dtype(getattr(importlib.import_module("ml_dtypes"), _ML_DTYPES[dtype]))
    except (ModuleNotFoundError, AttributeError):
        raise TypeError(f"NumPy has no {dtype}: install the package ml_dtypes, which gives it one, or ask for the "
                        "values in another dtype, as in tensor(connection, ref, 'F32')") from None


def tensor(connection: Any, ref: str, dtype: Optional[str] = None) -> numpy.ndarray[Any, Any]:
    """The tensor that a ref names, as a read-only NumPy array; with a dtype, cast as tensor_cast() does.

    `connection` has the extension loaded, and need not stay open. Without a cast, the bytes of a file are mapped and
    not copied, also those of a slice, and stay mapped as long as the array or a view of it lives. They are copied if
    they are few, not aligned for their type, or not to be mapped: safetensors_config('io') is 'pread'. That setting is
    for files that others may truncate meanwhile: reading what is no longer there of a mapping ends the process.

    BF16 and the 8-bit floats become dtypes of the package ml_dtypes, and without it are a TypeError. Of F4 and F6,
    the array has the bytes (uint8), in which elements are packed, the first in the lowest bits; their last dimension
    is shorter accordingly."""
    framework = _module("numpy", "tensor()")
    found = stored(connection, ref, dtype)
    shape = found.shape
    if BITS[found.dtype] < 8:
        found.dtype, shape = "U8", _packed_shape(found.dtype, shape)
    element = _numpy_dtype(framework, found.dtype)
    buffer = found.buffer.toreadonly()
    if sys.byteorder == "big" and found.dtype == "BF16":  # ml_dtypes has it in the machine's order alone
        buffer = memoryview(framework.frombuffer(buffer, "<u2").astype("=u2").tobytes())
    array: numpy.ndarray[Any, Any] = framework.frombuffer(buffer, element).reshape(shape)[found.index]
    return array


def torch(connection: Any, ref: str, dtype: Optional[str] = None) -> Any:
    """The tensor that a ref names, as a PyTorch tensor on the CPU; with a dtype, cast as tensor_cast() does.

    Bytes are mapped or copied as for tensor(). The tensor can be written to: what is written is seen through this
    tensor and its views alone, and never reaches the file. Of F4 and F6 it has the bytes, as tensor() gives them."""
    framework = _module("torch", "torch()")
    found = stored(connection, ref, dtype, is_private=True)
    shape = found.shape
    if BITS[found.dtype] < 8:
        found.dtype, shape = "U8", _packed_shape(found.dtype, shape)
    element = getattr(framework, _TORCH[found.dtype], None)
    if element is None:
        raise TypeError(f"this PyTorch has no {found.dtype}: use a newer one, or ask for the values in another dtype, "
                        "as in torch(connection, ref, 'F32')")
    if len(found.buffer) == 0:
        return framework.empty(shape, dtype=element)
    whole = framework.frombuffer(found.buffer, dtype=element).reshape(shape)
    return whole[found.index] if found.index else whole
