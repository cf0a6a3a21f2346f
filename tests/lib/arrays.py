"""Numbers as tensors, for test scripts that have NumPy: to and from what making.file() takes."""

import numpy as np

STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "U8": "u1"}


def encoded(values, dtype):
    """A tensor as making.file() takes it, of doubles. BF16 is rounded to nearest, ties to even, by its bits."""
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype == "BF16":
            bits = np.frombuffer(values.astype("<f4").tobytes(), "<u4").astype(np.int64)
            stored = np.where(np.isnan(values.ravel()), 0x7FC0, (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
        else:
            stored = values.astype(STORED[dtype])
    return dtype, list(values.shape), stored.tobytes()


def decoded(tensor):
    dtype, shape, data = tensor
    stored = np.frombuffer(data, STORED[dtype])
    return ((stored.astype("<u4") << 16).view("<f4") if dtype == "BF16" else stored).astype("f8").reshape(shape)


def rounded(values, tensors, dtype):
    """The result of an expression over these tensors: rounded once to F32 or F64, and then to the dtype of the file."""
    wide = any(tensor[0] == "F64" for tensor in tensors)
    return encoded(values if wide else values.astype("<f4").astype("f8"), dtype)
