"""Casts against PyTorch's and NumPy's, bit by bit, on millions of values.

The program build/tests/unit/decode --cast converts as the extension does. PyTorch is the authority for
the dtypes and directions it defines; NumPy for unsigned integers, and for F64 to F16, which PyTorch
rounds twice (encode.h). Where one of them is not installed, its part is skipped.

Covers little: of all lines, others reach nearly as many.
"""

import os
import platform
import subprocess
import sys
import warnings

from tally import BUILD, Tally

try:
    import numpy
except ImportError:
    print("skipped: casts against NumPy and PyTorch (NumPy is not installed)")
    print("0 passed, 0 failed")
    sys.exit(0)
try:
    import torch
except ImportError:
    torch = None

warnings.simplefilter("ignore")  # of imaginary parts that are dropped, as they should be

tally = Tally()
generator = numpy.random.default_rng(1)

NUMPY = {
    "BOOL": numpy.bool_, "U8": numpy.uint8, "I8": numpy.int8, "I16": numpy.int16,
    "U16": numpy.uint16, "F16": numpy.float16, "I32": numpy.int32, "U32": numpy.uint32,
    "F32": numpy.float32, "C64": numpy.complex64, "F64": numpy.float64, "I64": numpy.int64,
    "U64": numpy.uint64,
}  # fmt: skip
TORCH = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "C64": "complex64",
    "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu",
    "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E4M3FNUZ": "float8_e4m3fnuz",
}  # fmt: skip
SIZE = {"BOOL": 1, "BF16": 2, "C64": 8}
FLOATS = ["F16", "BF16", "F32", "F64"]
SMALL = ["F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ"]
SIGNED = ["I8", "I16", "I32", "I64"]
X86 = platform.machine() in ("x86_64", "AMD64")  # whose results out of range are the rule
UNSIGNED = ["U8", "U16", "U32", "U64"]


def size_of(dtype):
    return SIZE.get(dtype) or (1 if dtype.startswith("F8") else numpy.dtype(NUMPY[dtype]).itemsize)


def cast(raw, from_dtype, to_dtype):
    program = os.path.join(BUILD, "tests/unit/decode")
    command = [program, "--cast", from_dtype, to_dtype]
    return subprocess.run(command, input=raw, stdout=subprocess.PIPE, check=True).stdout


# ---- Values ----


def special_floats():
    """Around all that matters to some format: powers of two, halves of them, limits, non-numbers."""
    powers = 2.0 ** numpy.arange(-160, 140)
    steps = [1, 1.5, 1.25, 1.75, 1.125, 1.0625, 1.9375, 1.99951171875, 1.998046875, 1.99609375]
    limits = [65504, 65519.99, 65520, 57344, 61440, 448, 464, 465, 240, 248, 127.5, 255.5, 3e38]
    values = numpy.concatenate([powers * step for step in steps] + [numpy.array(limits)])
    values = numpy.concatenate([values, numpy.nextafter(values, 0), numpy.nextafter(values, 1e300)])
    plain = numpy.concatenate([numpy.arange(0, 70000) / 4, [0.0, 1e300, 5e-324]])
    values = numpy.concatenate([values, plain])
    return numpy.concatenate([values, -values, [numpy.inf, -numpy.inf, numpy.nan]])


def little(array):
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def random_bytes(size):
    return generator.integers(0, 256, size, dtype=numpy.uint8).tobytes()


def values_of(dtype):
    """The bytes of a few million elements, or of all there are."""
    if dtype == "BOOL":
        return bytes([0, 1] * 32)
    if size_of(dtype) == 1:
        return bytes(range(256))
    if size_of(dtype) == 2:
        return little(numpy.arange(65536, dtype=numpy.uint16))
    raw = random_bytes(1000000 * size_of(dtype))
    if dtype in ("F32", "F64"):
        with numpy.errstate(all="ignore"):
            raw += little(special_floats().astype(NUMPY[dtype]))
            sizes = 2.0 ** generator.uniform(-30, 20, 1000000)
            raw += little((generator.standard_normal(1000000) * sizes).astype(NUMPY[dtype]))
    elif dtype != "C64":
        near = numpy.arange(-70000, 70000)
        raw += little(near.astype(NUMPY[dtype]))
        powers = numpy.array([1 << bit for bit in range(63)], dtype=numpy.int64)
        for offset in (-1, 0, 1):
            raw += little((powers + offset).astype(NUMPY[dtype]))
    return raw


# ---- Comparing ----


def is_nan(raw, dtype):
    """Which elements are NaN; every NaN is as good as another."""
    if dtype == "BF16":
        wide = numpy.frombuffer(raw, "<u2").astype(numpy.uint32) << 16
        return numpy.isnan(wide.view(numpy.float32))
    if dtype == "C64":
        return numpy.isnan(numpy.frombuffer(raw, "<f4"))
    if dtype in ("F16", "F32", "F64"):
        return numpy.isnan(numpy.frombuffer(raw, numpy.dtype(NUMPY[dtype]).newbyteorder("<")))
    if dtype in ("F8_E5M2", "F8_E4M3"):
        magnitude = numpy.frombuffer(raw, numpy.uint8) & 0x7F
        return magnitude >= (0x7D if dtype == "F8_E5M2" else 0x7F)
    return numpy.zeros(len(raw) // size_of(dtype), bool)


def compare(authority, raw, expected, from_dtype, to_dtype, keep=None):
    """Counts one cast; `keep` says which elements the authority defines."""
    got = cast(raw, from_dtype, to_dtype)
    what = f"{from_dtype} to {to_dtype} as in {authority}"
    if len(got) != len(expected):
        tally.check(False, what, f"{len(got)} bytes, not {len(expected)}")
        return
    unit = 4 if to_dtype == "C64" else size_of(to_dtype)
    got_bits = numpy.frombuffer(got, f"<u{unit}")
    expected_bits = numpy.frombuffer(expected, f"<u{unit}")
    differs = got_bits != expected_bits
    differs &= ~(is_nan(got, to_dtype) & is_nan(expected, to_dtype))
    if keep is not None:
        differs &= keep
    bad = numpy.flatnonzero(differs)
    details = []
    for at in bad[:5]:
        size = size_of(from_dtype)
        source = at * unit // size_of(to_dtype)
        element = raw[source * size : source * size + size][::-1].hex()
        details.append(f"0x{element}: got {got_bits[at]:#x}, expected {expected_bits[at]:#x}")
    tally.check(len(bad) == 0, what, f"{len(bad)} of {len(differs)} differ", *details)


# ---- NumPy ----


def with_numpy(from_dtype, to_dtype, fits=None):
    raw = values_of(from_dtype)
    source = numpy.frombuffer(raw, numpy.dtype(NUMPY[from_dtype]).newbyteorder("<"))
    with numpy.errstate(all="ignore"):
        expected = little(source.astype(NUMPY[to_dtype]))
        keep = None if fits is None else fits(source.astype(numpy.float64), to_dtype)
    compare("NumPy", raw, expected, from_dtype, to_dtype, keep)


def in_range(values, dtype):
    """Truncation fits: outside, NumPy's result depends on the machine's vector instructions."""
    limits = numpy.iinfo(NUMPY[dtype])
    return (values > float(limits.min) - 1) & (values < float(limits.max) + 1)


def compare_with_numpy():
    integers = SIGNED + UNSIGNED
    for from_dtype in integers + ["BOOL"]:
        for to_dtype in integers + ["BOOL", "F32", "F64", "C64"]:
            if from_dtype != to_dtype:
                with_numpy(from_dtype, to_dtype)
    for from_dtype in ("F16", "F32", "F64"):
        for to_dtype in ("F16", "F32", "F64", "C64", "BOOL"):
            if from_dtype != to_dtype:
                with_numpy(from_dtype, to_dtype)
        for to_dtype in integers:
            with_numpy(from_dtype, to_dtype, in_range)
    for to_dtype in ("F32", "F64", "BOOL"):
        with_numpy("C64", to_dtype)


# ---- PyTorch ----


def torch_dtype(dtype):
    return getattr(torch, TORCH[dtype], None)


def torch_bytes(tensor):
    """The elements as stored: this machine's, which is little-endian wherever PyTorch runs."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor).contiguous()
    elif tensor.dtype != torch.bool:
        integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
        tensor = tensor.view(integers[tensor.element_size()])
    return tensor.numpy().tobytes()


def torch_tensor(raw, dtype):
    return torch.frombuffer(bytearray(raw), dtype=torch_dtype(dtype))


def rounded_once(source):
    """Where rounding a F64 or an integer to F32 changes nothing."""
    values = source.to(torch.float64)
    kept = values.to(torch.float32).to(torch.float64) == values
    return (kept & (values.abs() < 2.0**53) | values.isnan()).numpy()


def with_torch(from_dtype, to_dtype):
    raw = values_of(from_dtype)
    source = torch_tensor(raw, from_dtype)
    try:
        expected = torch_bytes(source.to(torch_dtype(to_dtype)))
    except (RuntimeError, NotImplementedError) as error:
        print(f"skipped: {from_dtype} to {to_dtype} ({error})")
        return
    keep = None
    if from_dtype in ("F64", "I32", "I64") and to_dtype in ["F16", "BF16"] + SMALL:
        keep = rounded_once(source)
    elif to_dtype in SIGNED + UNSIGNED and from_dtype in FLOATS and not X86:
        keep = in_range(source.to(torch.float64).numpy(), to_dtype)
    compare("PyTorch", raw, expected, from_dtype, to_dtype, keep)


def compare_with_torch():
    here = [dtype for dtype in TORCH if torch_dtype(dtype) is not None]
    missing = [dtype for dtype in TORCH if dtype not in here]
    if missing:
        print(f"skipped: casts of {', '.join(missing)} (not in PyTorch {torch.__version__})")
    for from_dtype in here:
        for to_dtype in here:
            if from_dtype != to_dtype:
                with_torch(from_dtype, to_dtype)


compare_with_numpy()
if torch is None:
    print("skipped: casts against PyTorch (it is not installed)")
else:
    compare_with_torch()
tally.finish()
