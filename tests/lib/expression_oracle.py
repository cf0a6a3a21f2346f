"""Computed tensors in NumPy: what ext/docs/reference.md says that an expression is, without the extension.

All numbers within an expression are doubles; only "convert" rounds, and the root does, once, to the expression's dtype.
Operators that only move elements move codes, so that every bit stays.
"""

import functools
import json

import numpy

import number_formats

WIDE = {"F64", "I32", "U32", "I64", "U64"}
COMPARISONS = {
    "greater": numpy.greater, "greater_equal": numpy.greater_equal, "less": numpy.less, "less_equal": numpy.less_equal,
    "equals": numpy.equal,
}
KINDS_OF_WHOLE_NUMBERS = {"BOOL", *number_formats.INTEGERS}


class Tensor:
    """`codes` where nothing has been computed, else `doubles`."""

    def __init__(self, dtype, codes=None, doubles=None):
        self.dtype, self.codes, self.doubles = dtype, codes, doubles
        self.shape = (codes if doubles is None else doubles).shape

    def values(self):
        if self.doubles is None:
            self.doubles = number_formats.decode(self.dtype, self.codes)
        return self.doubles

    def rounded(self):
        """The codes of the root."""
        return number_formats.encode(self.dtype, self.doubles) if self.codes is None else self.codes

    def moved(self, move):
        if self.codes is not None:
            return Tensor(self.dtype, move(self.codes))
        return Tensor(self.dtype, doubles=move(self.doubles))


def number(value):
    return float(value)  # also of "inf" and "-inf"


def is_number(argument):
    return isinstance(argument, (int, float)) or argument in ("inf", "-inf")


def evaluate(node, tensors):
    """`node` is an expression's JSON, parsed or as text; `tensors` maps refs to Tensors."""
    if isinstance(node, str):
        if not node.startswith("{"):
            return tensors[node]
        node = json.loads(node)
    arguments = [number(argument) if is_number(argument) else evaluate(argument, tensors)
                 for argument in node.get("args", [])]
    return OPERATORS[node["op"]](node, *arguments)


def dtype_of(arguments):
    return "F64" if any(isinstance(a, Tensor) and a.dtype in WIDE for a in arguments) else "F32"


def doubles(argument):
    return argument.values() if isinstance(argument, Tensor) else argument


def elementwise(compute, dtype=None):
    def operator(node, *arguments):
        with numpy.errstate(all="ignore"):
            result = compute(*(doubles(argument) for argument in arguments))
        return Tensor(dtype or dtype_of(arguments), doubles=numpy.asarray(result, "f8"))
    return operator


def extreme(function, sign_of_zero):
    """IEEE 754-2019's minimum and maximum: -0 is less than 0."""
    def compute(a, b):
        zeros = (a == 0) & (b == 0)
        zero = numpy.where(sign_of_zero(numpy.signbit(a), numpy.signbit(b)), -0.0, 0.0)
        return numpy.where(zeros, zero, function(a, b))
    return compute


def in_order(terms, shape):
    """The sum of an iterable of arrays, one after the other."""
    return functools.reduce(numpy.add, terms, numpy.zeros(shape))


def over_axis(square):
    def operator(node, tensor):
        values = numpy.moveaxis(tensor.values(), node["axis"], 0)
        with numpy.errstate(all="ignore"):
            total = in_order((item * item if square else item for item in values), values.shape[1:])
            total = numpy.sqrt(total) if square else total
        return Tensor(dtype_of([tensor]), doubles=numpy.expand_dims(total, node["axis"]))
    return operator


def lerp(node, a, b):
    return elementwise(lambda a, b: a + node["t"] * (b - a))(node, a, b)


def length(values):
    """The norm, where it can divide."""
    norm = numpy.sqrt(numpy.sum(values * values))
    return 1.0 if norm <= 1e-8 else norm


def slerp(node, a, b):
    t = node["t"]
    with numpy.errstate(all="ignore"):
        left, right = a.values() / length(a.values()), b.values() / length(b.values())
        cosine = numpy.clip(numpy.sum(left * right), -1, 1)
        if abs(cosine) > 0.9995:
            return lerp(node, a, b)
        angle = numpy.arccos(cosine)
        weights = numpy.sin((1 - t) * angle), numpy.sin(t * angle)
        result = (weights[0] * a.values() + weights[1] * b.values()) / numpy.sin(angle)
    return Tensor(dtype_of([a, b]), doubles=numpy.asarray(result, "f8"))


def matmul(node, a, b):
    left, right = a.values(), b.values()
    flat_left, flat_right = left.ndim == 1, right.ndim == 1
    left = left[None, :] if flat_left else left
    right = right[:, None] if flat_right else right
    assert left.shape[-1] == right.shape[-2]
    batch = numpy.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    with numpy.errstate(all="ignore"):
        result = in_order((left[..., :, k, None] * right[..., k, None, :] for k in range(left.shape[-1])),
                          batch + (left.shape[-2], right.shape[-1]))
    result = result[..., 0, :] if flat_left else result
    result = result[..., 0] if flat_right else result
    return Tensor(dtype_of([a, b]), doubles=numpy.asarray(result))


def transpose(node, tensor):
    return tensor.moved(lambda array: numpy.transpose(array, node.get("axes")))


def reshape(node, tensor):
    return tensor.moved(lambda array: array.reshape(node["shape"]))


def index_of(text):
    """A slice's text for NumPy."""
    return eval(f"numpy.s_[{text}]", {"numpy": numpy})  # pylint: disable=eval-used


def slice_(node, tensor):
    return tensor.moved(lambda array: numpy.asarray(array[index_of(node["slice"])]))


def take(node, tensor):
    return tensor.moved(lambda array: numpy.take(array, numpy.array(node["indices"], "i8"), node["axis"]))


def join(node, arguments, function):
    dtypes = {argument.dtype for argument in arguments}
    if len(dtypes) == 1 and all(argument.codes is not None for argument in arguments):
        return Tensor(arguments[0].dtype, function([argument.codes for argument in arguments]))
    dtype = arguments[0].dtype if len(dtypes) == 1 else dtype_of(arguments)
    return Tensor(dtype, doubles=function([argument.values() for argument in arguments]))


def concat(node, *arguments):
    return join(node, arguments, lambda arrays: numpy.concatenate(arrays, node["axis"]))


def stack(node, *arguments):
    return join(node, arguments, numpy.stack)


def convert(node, tensor):
    dtype = node["dtype"]
    if tensor.codes is not None and tensor.dtype in KINDS_OF_WHOLE_NUMBERS:
        return Tensor(dtype, number_formats.encode_exactly(dtype, tensor.dtype, tensor.codes))
    if tensor.codes is not None and tensor.dtype == dtype:
        return tensor
    return Tensor(dtype, number_formats.encode(dtype, tensor.values()))


def full(node):
    return Tensor("F32", doubles=numpy.full(node["shape"], number(node["value"])))


def random_words(seed, count):
    """Philox 4x32-10: Salmon, Moraes, Dror, Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (2011)."""
    blocks = numpy.arange((count + 3) // 4, dtype="u8")
    words = [blocks & numpy.uint64(0xffffffff), blocks >> numpy.uint64(32), blocks * numpy.uint64(0),
             blocks * numpy.uint64(0)]
    return numpy.stack(philox(words, [seed & 0xffffffff, seed >> 32 & 0xffffffff]), -1).reshape(-1)[:count]


def philox(counter, key):
    """`counter` is four arrays of words, which are uint64 below 2^32; so is the result."""
    low, shift = numpy.uint64(0xffffffff), numpy.uint64(32)
    for _ in range(10):
        first, second = counter[0] * numpy.uint64(0xD2511F53), counter[2] * numpy.uint64(0xCD9E8D57)
        counter = [second >> shift ^ counter[1] ^ numpy.uint64(key[0]), second & low,
                   first >> shift ^ counter[3] ^ numpy.uint64(key[1]), first & low]
        key = [(key[0] + 0x9E3779B9) & 0xffffffff, (key[1] + 0xBB67AE85) & 0xffffffff]
    return counter


def random(node):
    count = int(numpy.prod(node["shape"], dtype=object))
    words = random_words(node["seed"], count)
    return Tensor("F32", doubles=((words >> numpy.uint64(8)) * 2.0**-24).reshape(node["shape"]))


def weighted(node, arguments):
    weights = [number(weight) for weight in node.get("weights", [1] * len(arguments))]
    with numpy.errstate(all="ignore"):
        total = functools.reduce(numpy.add, (weight * tensor.values() for weight, tensor in zip(weights, arguments)))
    return total, functools.reduce(float.__add__, weights, 0.0)


def sum_(node, *arguments):
    return Tensor(dtype_of(arguments), doubles=weighted(node, arguments)[0])


def average(node, *arguments):
    total, weight = weighted(node, arguments)
    with numpy.errstate(all="ignore"):
        return Tensor(dtype_of(arguments), doubles=total / weight)


OPERATORS = {
    "add": elementwise(numpy.add), "sub": elementwise(numpy.subtract), "mul": elementwise(numpy.multiply),
    "div": elementwise(numpy.divide),
    "minimum": elementwise(extreme(numpy.minimum, numpy.logical_or)),
    "maximum": elementwise(extreme(numpy.maximum, numpy.logical_and)),
    **{name: elementwise(function, "F32") for name, function in COMPARISONS.items()},
    "isnan": elementwise(numpy.isnan, "F32"),
    "where": elementwise(lambda c, a, b: numpy.where(c != 0, a, b)),
    "neg": elementwise(numpy.negative), "abs": elementwise(numpy.abs), "sign": elementwise(numpy.sign),
    "sqrt": elementwise(numpy.sqrt), "exp": elementwise(numpy.exp), "log": elementwise(numpy.log),
    "norm": over_axis(True), "total": over_axis(False), "lerp": lerp, "slerp": slerp, "matmul": matmul,
    "transpose": transpose, "reshape": reshape, "slice": slice_, "take": take, "concat": concat, "convert": convert,
    "full": full, "random": random, "sum": sum_, "average": average, "stack": stack,
}
