"""What packed weights stand for, against NumPy: each scheme over random tensors, packed here by its description in
ext/docs/weights.md, whole, in parts and on threads; and the models of MODELS, which the real tools packed, against
what these tools unpack.

    tests/interop/dequantize.py [SEED]

Suite: interop
"""

import json
import os
import random
import struct
import sys
import tempfile

from tally import Tally, connect

try:
    import numpy
except ImportError:
    print("skipped: packed weights against NumPy (it is not installed: make interop)")
    Tally().finish()

import packed_weights
from packed_weights import MAKERS, numbers

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(2**32)
MODELS = os.environ.get("MODELS", os.path.join("..", "shared", "models"))
tally = Tally()
db = connect()
root = tempfile.mkdtemp()
path = os.path.join(root, "packed.safetensors")
packed_weights.seed(SEED)
numpy.seterr(all="ignore")


# ---- Files ----

def put(tensors):
    """A file of the tensors: pairs of dtype and array, whose bytes are as they are."""
    header, data = {}, bytearray()
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (1 - len(text) % 2)  # tensors begin at any byte
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


# ---- Random tensors ----

def expression(scheme, parts, options, of=None):
    refs = json.dumps({role: f"{of or path}#{role if of is None else name}" for role, name in parts.items()})
    return db.execute("SELECT tensor_dequantize(?, ?, ?)", [scheme, refs, json.dumps(options)]).fetchone()[0]


def bits_of(values):
    """As F32, with one NaN."""
    single = numpy.ascontiguousarray(numpy.asarray(values).astype("<f4"))
    single[numpy.isnan(single)] = numpy.nan
    return single.view("<u4")


def got_of(text):
    """The bytes of an expression as floats of its shape."""
    shape, data = db.execute("SELECT tensor_shape(?1), tensor_cast(?1, 'F32')", [text]).fetchone()
    return numpy.frombuffer(data, "<f4").reshape(json.loads(shape))


def compare(what, got, expected):
    expected = numpy.asarray(expected)
    if list(got.shape) != list(expected.shape):
        tally.check(False, what, f"shape {got.shape}, not {expected.shape}")
        return
    wrong = numpy.flatnonzero(bits_of(got) != bits_of(expected))
    first = wrong[0] if wrong.size else 0
    tally.check(wrong.size == 0, what, f"{wrong.size} of {got.size} elements, the first at {first}: "
                f"{got.ravel()[first] if got.size else None!r}, not {numpy.float32(expected.ravel()[first])!r}")


def check_random(number):
    make = MAKERS[number % len(MAKERS)]
    scheme, parts, options, expected = make()
    put(parts)
    what = f"seed {SEED}: {make.__name__} {number} {scheme} {options}, " + \
        ", ".join(f"{role} {part[0]} {part[1]}" for role, part in parts.items())
    db.execute(f"PRAGMA threads = {number % 3}")
    db.execute("SELECT safetensors_config('io', ?)", ["pread" if number % 5 == 0 else "map"])
    try:
        text = expression(scheme, {role: role for role in parts}, options)
        compare(what, got_of(text), expected)
        flat = numpy.asarray(expected).ravel()
        row = number % expected.shape[0]
        step = f"{row}, ..., ::2"
        sliced = db.execute("SELECT tensor_slice(?, ?)", [text, step]).fetchone()[0]
        compare(f"{what}: slice {step}", got_of(sliced), expected[row][..., ::2])
        turned = db.execute("SELECT tensor_transpose(?)", [text]).fetchone()[0]
        compare(f"{what}: transposed", got_of(turned), expected.T)
        # The operators take it as it is, in doubles.
        twice = db.execute("SELECT tensor_mul(?, 2)", [text]).fetchone()[0]
        with numpy.errstate(all="ignore"):
            compare(f"{what}: twice", got_of(twice), flat.reshape(expected.shape) * 2)
    except Exception as problem:  # pylint: disable=broad-exception-caught
        tally.check(False, what, repr(problem))


# ---- Models ----

def header_of(file):
    with open(file, "rb") as opened:
        length = struct.unpack("<Q", opened.read(8))[0]
        header = json.loads(opened.read(length))
    metadata = header.pop("__metadata__", {})
    return header, metadata, 8 + length


class Model:
    def __init__(self, folder):
        self.folder = folder
        self.file = os.path.join(folder, "model.safetensors")
        self.tensors, self.metadata, self.begin = header_of(self.file)
        self.config = self.json("config.json")
        self.quantization = self.config.get("quantization_config") or self.config.get("quantization") or {}

    def json(self, name):
        name = os.path.join(self.folder, name)
        if not os.path.exists(name):
            return {}
        with open(name, encoding="utf-8") as opened:
            return json.load(opened)

    def bytes(self, name):
        begin, end = self.tensors[name]["data_offsets"]
        with open(self.file, "rb") as opened:
            opened.seek(self.begin + begin)
            return opened.read(end - begin)

    def integers(self, name):
        return [int(number) for number in numbers((self.tensors[name]["dtype"], [-1], self.bytes(name)))]

    def has(self, name):
        return name in self.tensors

    def parts(self, module, **roles):
        return {role: f"{module}{suffix}" for role, suffix in roles.items() if self.has(f"{module}{suffix}")}


def compressed(model, module, target):
    weights = next(iter(model.quantization["config_groups"].values()))["weights"]
    kind = next(iter(model.quantization["config_groups"].values()))["format"]
    if kind == "pack-quantized":
        bits = weights["num_bits"]
        options = {"bits": bits, "group_size": weights["group_size"] or -1, "shape": model.integers(module + ".weight_shape")}
        parts = model.parts(module, weight_packed=".weight_packed", weight_scale=".weight_scale",
                            weight_zero_point=".weight_zero_point", weight_g_idx=".weight_g_idx")
        return {8: "int8-group"}.get(bits, f"int{bits}"), parts, options
    name = ".weight_packed" if "4-pack" in kind else ".weight"
    parts = model.parts(module, weight=name, scale=".weight_scale", divide=".weight_global_scale")
    scheme = {"mxfp4-pack-quantized": "mxfp4", "mxfp8-quantized": "mxfp8", "nvfp4-pack-quantized": "nvfp4",
              "int-quantized": "int8"}.get(kind, "fp8")
    return scheme, parts, {"block": weights["block_structure"]} if weights["block_structure"] else {}


def described(model, module, target):
    """The scheme, parts and options of one weight of a model; None if it is a plain tensor."""
    method, weight = model.quantization.get("quant_method"), f"{module}.weight"
    if model.has(f"{target}_blocks"):
        return "mxfp4", {"weight": f"{target}_blocks", "scale": f"{target}_scales"}, {"layout": "gpt-oss"}
    if model.has(f"{module}.qweight"):
        parts = model.parts(module, qweight=".qweight", qzeros=".qzeros", scales=".scales", g_idx=".g_idx")
        options = {"bits": model.quantization["bits"], "group_size": model.quantization["group_size"]}
        if method == "awq":
            return "awq", parts, {**options, "version": model.quantization["version"]}
        return "gptq", parts, {**options, "zero": "stored" if model.quantization["checkpoint_format"] == "gptq_v2" else "plus_one"}
    if method == "compressed-tensors" and model.has(f"{module}.weight_scale"):
        return compressed(model, module, target)
    if model.has(f"{weight}_scale_inv"):
        return "fp8", {"weight": weight, "scale": f"{weight}_scale_inv"}, {"block": model.quantization["weight_block_size"]}
    for kind in ("nf4", "fp4"):
        if model.has(f"{weight}.quant_state.bitsandbytes__{kind}"):
            state = json.loads(model.bytes(f"{weight}.quant_state.bitsandbytes__{kind}"))
            parts = model.parts(module, weight=".weight", absmax=".weight.absmax", quant_map=".weight.quant_map",
                                nested_absmax=".weight.nested_absmax", nested_quant_map=".weight.nested_quant_map")
            names = {"shape", "blocksize", "nested_blocksize", "nested_offset"}
            return f"bnb-{kind}", parts, {name: state[name] for name in names & state.keys()}
    if model.has(f"{module}.SCB"):
        return "bnb-int8", {"weight": weight, "SCB": f"{module}.SCB"}, {}
    if model.has(f"{module}.W_q"):
        parts = model.parts(module, W_q=".W_q", scale=".scale", zero=".zero")
        options = {"bits": model.integers(f"{module}.nbits")[0], "axis": model.integers(f"{module}.axis")[0],
                   "packing": model.bytes(f"{module}.packing").decode(), "shape": model.integers(f"{module}.shape"),
                   "group_size": model.integers(f"{module}.group_size")[0]}
        return "hqq", parts, options
    if model.has(f"{weight}._data"):
        return "quanto", model.parts(module, weight=".weight._data", scale=".weight._scale"), {"bits": 8}
    if model.has(f"{weight}._data._data"):
        names = model.json("quantization_map.json") or model.json("quanto_qmap.json")
        parts = model.parts(module, data=".weight._data._data", scale=".weight._scale", shift=".weight._shift")
        return "quanto", parts, {"bits": int(names[module]["weights"][-1])}
    if model.has(f"{module}._weight_qdata"):
        parts = model.parts(module, qdata="._weight_qdata", scale="._weight_scale", zero_point="._weight_zero_point")
        about = json.loads(model.metadata[weight])
        return "torchao", parts, {"block": about["_data"]["block_size"]}
    if model.has(f"{module}.scales"):
        parts = model.parts(module, weight=".weight", scales=".scales", biases=".biases")
        return "mlx", parts, {name: model.quantization[name] for name in ("bits", "group_size", "mode")}
    return None


def rounded(values, dtype):
    """Floats rounded to a dtype, as bits."""
    single = numpy.ascontiguousarray(values.astype("<f4"))
    if dtype == "F16":
        return single.astype("<f2").view("<u2").astype(int)
    if dtype == "BF16":
        word = single.view("<u4").astype(numpy.uint64)
        return ((word + 0x7fff + (word >> 16 & 1)) >> 16).astype(int)
    return single.view("<i4").astype(int)


# How a tool's result is compared: rounded to the dtype in which it computes, or by a distance of F32.
COMPUTED = {"ct-kv-cache-fp8": "BF16", "gptq-4bit-g64-sym": "F16", "gptq-4bit-desc-act-asym": "F16", "gptq-2bit-g64": "F16",
            "awq-gemm-g64": "F16", "bnb-nf4": "BF16", "bnb-fp4-u8-storage-bf16": "BF16", "bnb-nf4-moe": "BF16",
            "ct-w4a16-int4-group128": "BF16", "ct-w4-channel-all-linear": "BF16", "ct-w4a16-actorder-gptq": "BF16",
            "ct-moe-w4a16": "BF16", "ct-w3-channel": "BF16", "ct-w8a8-int8-channel": "BF16", "ct-nvfp4a16": "BF16",
            "quanto-int8": "BF16", "quanto-fp8-activations": "BF16", "torchao-int8wo": "BF16", "torchao-intx-3bit": "BF16"}
ONE_ULP = {"bnb-int8-open", "hqq-4bit-g64"}
ROUNDED_TWICE = {"quanto-int2-pretrained"}


def check_weight(name, model, target, expected):
    module = target.removesuffix(".weight")
    found = described(model, module, target)
    if found is None:
        return False
    scheme, parts, options = found
    if scheme == "quanto" and options["bits"] < 8:
        options["shape"] = list(expected.shape)
    text = expression(scheme, parts, options, model.file)
    try:
        got = got_of(text)
    except Exception as problem:  # pylint: disable=broad-exception-caught
        tally.check(False, f"{name}: {target}", repr(problem), text)
        return True
    if got.shape != expected.shape:
        tally.check(False, f"{name}: {target}", f"shape {got.shape}, not {expected.shape}")
    elif name in ROUNDED_TWICE:
        error = numpy.abs(got.astype(float) - expected).max()
        tally.check(error <= 2.0**-7 * numpy.abs(expected).max(), f"{name}: {target}", f"differs by {error}")
    else:
        distance = numpy.abs(rounded(got, COMPUTED.get(name, "F32")) - rounded(expected, COMPUTED.get(name, "F32"))).max()
        tally.check(distance <= (name in ONE_ULP), f"{name}: {target} as the tool unpacks it", f"differs by {distance} units")
    return True


def check_models():
    folder = os.path.join(MODELS, "quant")
    if not os.path.isdir(folder):
        print("skipped: packed weights as the tools wrote them (there are no models at MODELS)")
        return
    for name in sorted(os.listdir(folder)):
        oracle = os.path.join(folder, name, "oracle", "oracle.safetensors")
        if not os.path.exists(oracle):
            continue
        model = Model(os.path.join(folder, name))
        tensors, _, begin = header_of(oracle)
        with open(oracle, "rb") as opened:
            data = opened.read()[begin:]
        checked = 0
        for target, entry in tensors.items():
            values = numpy.frombuffer(data[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
            checked += check_weight(name, model, target, values)
        tally.check(checked > 0, f"{name}: no packed weight was found")


try:
    for case in range(int(os.environ.get("CASES", 450))):
        check_random(case)
    check_models()
finally:
    for leftover in os.listdir(root):
        os.unlink(os.path.join(root, leftover))
    os.rmdir(root)
tally.finish()
