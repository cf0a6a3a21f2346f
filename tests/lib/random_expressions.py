"""Random expressions whose shapes fit, over random tensors of every dtype."""

import json
import math

import numpy

import number_formats
from expression_oracle import Tensor, is_number
from number_formats import BITS, DTYPES

REAL = [dtype for dtype in DTYPES if dtype != "C64"]
BINARY = ["add", "sub", "mul", "div", "minimum", "maximum", "greater", "greater_equal", "less", "less_equal", "equals"]
UNARY = ["isnan", "neg", "abs", "sign", "sqrt"]
INEXACT = ["exp", "log"]  # to an ulp of F32: only at the root, where nothing amplifies the difference
NUMBERS = [0, 1, -1, 2, 0.1, -2.5, 1e-310, 1e300, 3, math.inf, -math.inf, 2**53, 1 / 3]
SEEDS = [0, 1, 7, -1, 2**63 - 1, -2**63, 0x123456789abcdef]
MOST = 400  # elements


class Maker:
    def __init__(self, chance, path_of):
        """`chance` is a random.Random; path_of(name) is the ref of a tensor."""
        self.chance, self.path_of = chance, path_of
        self.numpy = numpy.random.Generator(numpy.random.PCG64(chance.getrandbits(64)))
        self.stored = {}  # name to (dtype, shape, bytes)
        self.tensors = {}  # ref to Tensor

    # ---- Leaves ----

    def codes(self, dtype, shape):
        """Every code is possible; half of the tensors have numbers of common size."""
        count, bits = math.prod(shape), BITS[dtype]
        kind = self.chance.choice(["any", "common", "common", "mixed"])
        anything = self.numpy.integers(0, 1 << 63, count, dtype="u8") << numpy.uint64(1)
        anything = (anything | self.numpy.integers(0, 2, count, dtype="u8")) >> numpy.uint64(64 - bits)
        scale = 100 if dtype[0] in "UI" else 1
        with numpy.errstate(over="ignore"):
            common = number_formats.encode(dtype, self.numpy.standard_normal(count) * scale)
            special = number_formats.encode(dtype, self.numpy.choice(
                [0, -0.0, 1, -1, numpy.inf, -numpy.inf, numpy.nan, 1e-40, -1e-310, 3e38, 1e-7, 2.0**62, 127], count))
        if kind == "mixed":
            which = self.numpy.integers(0, 3, count)
            return numpy.choose(which, [anything, common, special]).astype("u8").reshape(shape)
        return (anything if kind == "any" else common).reshape(shape)

    def leaf(self, shape, dtypes=REAL):
        """A ref. Some are slices of a larger tensor."""
        dtypes = [dtype for dtype in dtypes if math.prod(shape) * BITS[dtype] % 8 == 0] or ["F32"]
        dtype, name = self.chance.choice(dtypes), f"t{len(self.stored)}"
        outer, text = shape, None
        if self.chance.random() < 0.15 and BITS[dtype] % 8 == 0:
            outer, text = self.larger(shape)
        codes = self.codes(dtype, outer)
        self.stored[name] = (dtype, list(outer), number_formats.pack(dtype, codes))
        ref = self.path_of(name, text)
        if text is not None:
            codes = numpy.asarray(codes[eval(f"numpy.s_[{text}]", {"numpy": numpy})])
        self.tensors[ref] = Tensor(dtype, codes)
        return ref

    def larger(self, shape):
        """A shape and the text of a slice of it that has `shape`. F4 and F6 have no such refs to whole bytes."""
        outer, parts = [], []
        for size in shape:
            while self.chance.random() < 0.2:
                outer.append(self.chance.randrange(1, 4))
                parts.append(str(self.chance.randrange(-outer[-1], outer[-1])))
            start, step = self.chance.randrange(3), self.chance.choice([1, 1, 2, 3])
            end = start + max(size - 1, 0) * step + (size > 0)
            outer.append(end + self.chance.randrange(step))
            parts.append(f"{start}:{end}:{step}" if self.chance.random() < 0.5 or not size else f"{start}::{step}")
        if not parts or self.chance.random() < 0.3:
            at = self.chance.randrange(len(parts) + 1)
            parts.insert(at, "...")
        return outer, ", ".join(parts)

    # ---- Expressions of a given shape ----

    def shape(self, most=3):
        size = lambda: self.chance.choice([0, 1, 1, 2, 3, 4, 4, 5, 8])
        shape = [size() for _ in range(self.chance.randrange(most + 1))]
        return shape if math.prod(shape) <= MOST else shape[:1]

    def narrower(self, shape):
        """Two shapes that broadcast to `shape`."""
        left, right = list(shape), list(shape)
        for i, size in enumerate(shape):
            which = self.chance.randrange(4)
            if which < 2:
                (left, right)[which][i] = 1
        cut = self.chance.randrange(len(shape) + 1) if self.chance.random() < 0.4 else 0
        while cut and any(other != size for other, size in zip(right[:cut], shape[:cut])):
            cut -= 1
        left = left[cut:]
        return (left, right) if self.chance.random() < 0.5 else (right, left)

    def number(self):
        return self.chance.choice(NUMBERS) if self.chance.random() < 0.7 else self.chance.gauss(0, 1)

    def tree(self, shape, depth, dtypes=REAL, op=None, root=False):
        """An expression as JSON. Without `op` any operator that can give `shape`."""
        if op is None and (depth <= 0 or self.chance.random() < 0.15):
            return self.leaf(shape, dtypes)
        ops = [op] if op else self.chance.sample(sorted(MAKERS), len(MAKERS))
        for name in ops:
            if name in INEXACT + ["slerp"] and not root:
                continue
            node = MAKERS[name](self, name, shape, lambda inner: self.tree(inner, depth - 1, dtypes))
            if node is not None:
                return node
        return None

    def binary(self, op, shape, inner):
        if self.chance.random() < 0.2:
            arguments = [inner(shape), self.number()]
            self.chance.shuffle(arguments)
        else:
            arguments = [inner(part) for part in self.narrower(shape)]
        return {"op": op, "args": arguments}

    def unary(self, op, shape, inner):
        return {"op": op, "args": [inner(shape)]}

    def where(self, op, shape, inner):
        """Two of the three broadcast to the shape; the third is of any shape that does, or a number."""
        arguments = [inner(part) for part in self.narrower(shape)]
        arguments.append(self.number() if self.chance.random() < 0.4 else inner(self.narrower(shape)[0]))
        if is_number(arguments[2]) or self.chance.random() < 0.5:
            return {"op": op, "args": arguments}
        return {"op": op, "args": arguments[::-1]}

    def over_axis(self, op, shape, inner):
        axes = [axis for axis, size in enumerate(shape) if size == 1]
        if not axes:
            return None
        axis = self.chance.choice(axes)
        before = list(shape)
        before[axis] = self.chance.choice([0, 1, 2, 3, 7])
        return {"op": op, "args": [inner(before)], "axis": axis - self.chance.choice([0, len(shape)])}

    def lerp(self, op, shape, inner):
        left, right = self.narrower(shape) if op == "lerp" else (shape, shape)
        return {"op": op, "args": [inner(left), inner(right)], "t": self.chance.choice([0, 1, 0.5, 0.3, -1.5])}

    def matmul(self, op, shape, inner):
        common = self.chance.choice([0, 1, 2, 3, 5])
        if not shape:
            return {"op": op, "args": [inner([common]), inner([common])]}
        if len(shape) == 1 or self.chance.random() < 0.2:
            if self.chance.random() < 0.5:
                return {"op": op, "args": [inner(shape + [common]), inner([common])]}
            return {"op": op, "args": [inner([common]), inner(shape[:-1] + [common, shape[-1]])]}
        left, right = self.narrower(shape[:-2])
        return {"op": op, "args": [inner(left + [shape[-2], common]), inner(right + [common, shape[-1]])]}

    def transpose(self, op, shape, inner):
        if self.chance.random() < 0.3:
            return {"op": op, "args": [inner(shape[::-1])]}
        axes = self.chance.sample(range(len(shape)), len(shape))
        before = [0] * len(shape)
        for size, axis in zip(shape, axes):
            before[axis] = size
        return {"op": op, "args": [inner(before)],
                "axes": [axis - self.chance.choice([0, len(shape)]) for axis in axes]}

    def reshape(self, op, shape, inner):
        count = math.prod(shape)
        before = self.factors(count) if count else self.chance.sample(shape, len(shape)) + [self.chance.randrange(4)]
        after = list(shape)
        if count and shape and self.chance.random() < 0.3:
            after[self.chance.randrange(len(shape))] = -1
        return {"op": op, "args": [inner(before)], "shape": after}

    def factors(self, count):
        shape = []
        while count > 1:
            factor = self.chance.choice([n for n in range(1, count + 1) if count % n == 0])
            shape.append(factor)
            count //= factor
        return shape

    def slice(self, op, shape, inner):
        before, text = self.larger(shape)
        return {"op": op, "args": [inner(before)], "slice": text} if math.prod(before) <= 4 * MOST else None

    def take(self, op, shape, inner):
        if not shape:
            return None
        axis, before = self.chance.randrange(len(shape)), list(shape)
        before[axis] = self.chance.randrange(1, 6)
        indices = [self.chance.randrange(-before[axis], before[axis]) for _ in range(shape[axis])]
        return {"op": op, "args": [inner(before)], "indices": indices, "axis": axis - self.chance.choice([0, len(shape)])}

    def concat(self, op, shape, inner):
        if not shape:
            return None
        axis, parts = self.chance.randrange(len(shape)), []
        left = shape[axis]
        while left > 0 or not parts:
            parts.append(self.chance.randrange(left + 1) if len(parts) < 3 else left)
            left -= parts[-1]
        arguments = [inner(shape[:axis] + [part] + shape[axis + 1:]) for part in parts]
        return {"op": op, "args": arguments, "axis": axis - self.chance.choice([0, len(shape)])}

    def stack(self, op, shape, inner):
        if not shape or not 1 <= shape[0] <= 5:
            return None
        return {"op": op, "args": [inner(shape[1:]) for _ in range(shape[0])]}

    def convert(self, op, shape, inner):
        dtypes = [dtype for dtype in REAL if math.prod(shape) * BITS[dtype] % 8 == 0]
        return {"op": op, "args": [inner(shape)], "dtype": self.chance.choice(dtypes)}

    def full(self, op, shape, inner):
        return {"op": op, "shape": shape, "value": text_of_infinity(self.number())}

    def random(self, op, shape, inner):
        return {"op": op, "shape": shape, "seed": self.chance.choice(SEEDS + [self.chance.randrange(2**63)])}

    def aggregate(self, op, shape, inner):
        arguments = [inner(shape) for _ in range(self.chance.randrange(1, 5))]
        node = {"op": op, "args": arguments}
        if self.chance.random() < 0.6:
            node["weights"] = [abs(self.chance.gauss(0, 1)) + 0.1 for _ in arguments]
        return node


MAKERS = {
    **dict.fromkeys(BINARY, Maker.binary), **dict.fromkeys(UNARY + INEXACT, Maker.unary), "where": Maker.where,
    "norm": Maker.over_axis, "total": Maker.over_axis, "lerp": Maker.lerp, "slerp": Maker.lerp, "matmul": Maker.matmul,
    "transpose": Maker.transpose, "reshape": Maker.reshape, "slice": Maker.slice, "take": Maker.take,
    "concat": Maker.concat, "convert": Maker.convert, "full": Maker.full, "random": Maker.random,
    "sum": Maker.aggregate, "average": Maker.aggregate, "stack": Maker.stack,
}
MOVES = ["transpose", "reshape", "slice", "take", "concat", "stack"]


def text_of_infinity(value):
    """JSON has no infinities."""
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def as_text(node):
    """The JSON text of an expression, in the form that builders write, but for spaces."""
    def plain(item):
        if isinstance(item, dict):
            return {key: plain(value) for key, value in item.items()}
        if isinstance(item, list):
            return [plain(value) for value in item]
        return text_of_infinity(item) if isinstance(item, float) else item
    return json.dumps(plain(node))
