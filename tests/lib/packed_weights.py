"""Packed weights by chance: each scheme's parts, options, and what they stand for, by its description in ext/docs/weights.md.

A part is a tuple of dtype, shape and bytes, as making.py takes them."""

import numpy

import number_formats

E2M1 = [0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6]
DTYPES = {"F32": "<f4", "F16": "<f2", "I32": "<i4", "U32": "<u4", "I8": "i1", "U8": "u1", "I64": "<i8"}
chance = numpy.random.default_rng()


def seed(number):
    """Makes all that follows what it is for that number."""
    global chance  # pylint: disable=global-statement
    chance = numpy.random.default_rng(number)


# ---- Parts ----

def stored(dtype, array):
    array = numpy.asarray(array)
    return dtype, list(array.shape), array.astype(DTYPES[dtype]).tobytes()


def raw(dtype, shape, content):
    return dtype, list(shape), bytes(content)


def decode(dtype, content):
    """The numbers of whole bytes."""
    return number_formats.decode(dtype, numpy.frombuffer(content, f"<u{number_formats.BITS[dtype] // 8}").astype("u8"))


def numbers(tensor):
    """The elements of a stored tensor as doubles."""
    dtype, shape, content = tensor
    if dtype in DTYPES:
        return numpy.frombuffer(content, DTYPES[dtype]).astype(float).reshape(shape)
    return decode(dtype, content).reshape(shape)


def random_scale(shape, dtype=None):
    dtype = dtype or str(chance.choice(["F32", "F16", "BF16"]))
    values = chance.normal(size=shape) * 0.02 + 0.03
    if dtype == "BF16":
        bits = values.astype("<f4").view("<u4") >> 16
        return "BF16", list(shape), bits.astype("<u2").tobytes()
    return stored(dtype, values)


def random_bytes(dtype, shape, avoid=()):
    codes = chance.integers(0, 256, size=shape, dtype=numpy.uint8)
    for code in avoid:
        codes[codes == code] = 1
    return raw(dtype, shape, codes.tobytes())


# ---- Packing ----

def stream(codes, bits):
    """Rows of codes as words of 32 bits, without gaps."""
    rows, columns = codes.shape
    words = -(-columns * bits // 32)
    result = numpy.zeros((rows, words), dtype=object)
    for r in range(rows):
        whole = sum(int(code) << bits * j for j, code in enumerate(codes[r]))
        result[r] = [whole >> 32 * w & 0xffffffff for w in range(words)]
    return result.astype("<u4")


def in_words(codes, bits):
    rows, columns = codes.shape
    per = 32 // bits
    result = numpy.zeros((rows, -(-columns // per)), dtype="<u4")
    for j in range(columns):
        result[:, j // per] |= codes[:, j].astype("<u4") << numpy.uint32(bits * (j % per))
    return result


def down(codes, bits, pack=stream):
    return numpy.ascontiguousarray(pack(numpy.ascontiguousarray(codes.T), bits).T)


def slices(codes, bits, word_bits, low_first):
    per = word_bits // bits
    rows = -(-codes.shape[0] // per)
    padded = numpy.zeros((rows * per, codes.shape[1]), dtype=numpy.uint64)
    padded[:codes.shape[0]] = codes
    result = numpy.zeros((rows, codes.shape[1]), dtype=numpy.uint64)
    for i in range(per):
        shift = bits * (i if low_first else per - 1 - i)
        result |= padded[i * rows:(i + 1) * rows] << numpy.uint64(shift)
    return result


def codes_of(shape, bits):
    return chance.integers(0, 1 << bits, size=shape)


def words(array):
    return raw(str(chance.choice(["I32", "U32"])), array.shape, array.astype("<u4").tobytes())


def spread(values, shape, block=None, index=None):
    """values[..., i // rows, j // columns], or by the index of the columns."""
    rows = numpy.arange(shape[-2]) // (block[0] if block and values.shape[-2] > 1 else shape[-2])
    columns = numpy.arange(shape[-1]) // (block[1] if block and values.shape[-1] > 1 else shape[-1])
    if index is not None:
        columns = numpy.where(index == -1, columns, index)
    return values[..., rows[:, None], columns[None, :]]


# ---- Each scheme: parts, options, and the expected value ----

def size(least=1, most=70, multiple=1):
    return int(chance.integers(least, most)) * multiple


def rows_and_columns(most=200):
    """Now and then with longer rows than are computed at once."""
    if chance.integers(0, 6) == 0:
        return [size(1, 4), size(4000, 7000)]
    return [size(), size(1, most)]


def make_fp8():
    dtype = str(chance.choice(["F8_E4M3", "F8_E5M2"]))
    rank = int(chance.integers(2, 4))
    shape = [size(1, 5)] * (rank - 2) + ([size(1, 300), size(1, 300)] if chance.integers(0, 2) else rows_and_columns())
    weight = random_bytes(dtype, shape)
    form = chance.integers(0, 7)
    block = [int(chance.integers(2, 140)), int(chance.integers(2, 140))]
    blocks = [-(-shape[-2] // block[0]), -(-shape[-1] // block[1])]
    lead = shape[:-2]
    options = {}
    if form == 0:
        scale = random_scale([])
    elif form == 1:
        scale = random_scale([1])
    elif form == 2:
        scale = random_scale(lead + [shape[-2], 1])
    elif form == 3:
        scale = random_scale(shape[:1])
    elif form == 4:
        scale = random_scale(lead + [1, shape[-1]])
    elif form == 5:
        block, blocks = [128, 128], [-(-shape[-2] // 128), -(-shape[-1] // 128)]
        scale = random_scale(lead + blocks)
    else:
        scale, options = random_scale(lead + blocks), {"block": block}
    if chance.integers(0, 5) == 0:
        scale = random_bytes("U8", scale[1], [255])
    values = numbers(scale) if scale[0] != "U8" else 2.0 ** (numbers(scale) - 127)
    if values.ndim < 2:
        values = values.reshape((-1,) + (1,) * (rank - 1)) if values.size > 1 else values.reshape([1] * rank)
    if values.shape[-2] in (1, shape[-2]) and values.shape[-1] in (1, shape[-1]):
        values = numpy.broadcast_to(values, shape)
    else:
        block = [1 if values.shape[-2] == shape[-2] else block[0], 1 if values.shape[-1] == shape[-1] else block[1]]
        values = spread(values, shape, block)
    return "fp8", {"weight": weight, "scale": scale}, options, numbers(weight) * values


def make_int8():
    shape = rows_and_columns()
    weight = random_bytes("I8", shape)
    scale = random_scale([shape[0], 1])
    parts, value, options = {"weight": weight, "scale": scale}, numbers(weight), {}
    if chance.integers(0, 2):
        parts["zero_point"] = random_bytes("I8", [shape[0], 1])
        value = value - numbers(parts["zero_point"])
    value = value * numbers(scale)
    if chance.integers(0, 2):
        options["divide"] = 127
        value = value / 127
    return "int8", parts, options, value


def make_mxfp8():
    shape = [size(), size(1, 200)]
    weight, scale = random_bytes("F8_E4M3", shape), random_bytes("U8", [shape[0], -(-shape[1] // 32)], [255])
    value = numbers(weight) * spread(2.0 ** (numbers(scale) - 127), shape, [1, 32])
    return "mxfp8", {"weight": weight, "scale": scale}, {}, value


def make_bnb_int8():
    shape = rows_and_columns()
    weight, scale = random_bytes("I8", shape), random_scale(shape[:1], "F32")
    return "bnb-int8", {"weight": weight, "SCB": scale}, {}, numbers(weight) * numbers(scale)[:, None] / 127


def make_pack_quantized():
    bits = int(chance.choice([2, 3, 4, 8]))
    shape = rows_and_columns(300)
    group = int(chance.choice([-1, 16, 32, 37, 128]))
    groups = 1 if group == -1 else -(-shape[1] // group)
    codes, scale = codes_of(shape, bits), random_scale([shape[0], groups])
    told = -(-shape[1] * bits // 32) != -(-shape[1] // (32 // bits))
    older = told and chance.integers(0, 3) == 0
    pack = in_words if older else stream
    parts = {"weight_packed": words(pack(codes, bits)), "weight_scale": scale}
    index, value = None, codes.astype(float)
    if chance.integers(0, 2):
        index = chance.integers(0, groups, size=shape[1])
        if chance.integers(0, 3) == 0:
            index[:] = -1
        parts["weight_g_idx"] = stored("I32", index)
    block = [1, shape[1] if group == -1 else group]
    if chance.integers(0, 2):
        zeros = codes_of([shape[0], groups], bits)
        parts["weight_zero_point"] = words(down(zeros, bits, pack))
        value = value - spread(zeros.astype(float), shape, block, index)
    else:
        value = value - (1 << bits - 1)
    options = {"bits": bits, "group_size": group, "shape": shape}
    name = {2: "int2", 3: "int3", 4: "int4", 8: "int8-group"}[bits]
    return name, parts, options, value * spread(numbers(scale), shape, block, index)


def make_gptq():
    bits = int(chance.choice([2, 3, 4, 8]))
    shape = [size(1, 5, 32), size(1, 10, 32)]
    group = int(chance.choice([32, 64, -1]))
    groups = 1 if group == -1 else -(-shape[1] // group)
    codes, zeros, scale = codes_of(shape, bits), codes_of([shape[0], groups], bits), random_scale([groups, shape[0]], "F16")
    plus_one = bool(chance.integers(0, 2))
    index = None
    parts = {"qweight": words(down(codes.T, bits)), "scales": scale,
             "qzeros": words(stream(((zeros - plus_one) % (1 << bits)).T, bits))}
    if chance.integers(0, 2):
        index = chance.integers(0, groups, size=shape[1])
        parts["g_idx"] = stored("I32", index)
    block = [1, shape[1] if group == -1 else group]
    value = codes - spread(zeros.astype(float), shape, block, index)
    options = {"bits": bits, "group_size": group, "zero": "plus_one" if plus_one else "stored"}
    return "gptq", parts, options, value * spread(numbers(scale).T, shape, block, index)


def make_awq():
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    group = 32
    shape = [size(1, 12, 8), size(1, 6, 32)]
    groups = shape[1] // group
    codes, zeros = codes_of(shape, 4), codes_of([shape[0], groups], 4)

    def ordered(rows):
        eights = rows.reshape(rows.shape[0], -1, 8)
        return eights[:, :, order].reshape(rows.shape)
    if chance.integers(0, 2):
        scale = random_scale([groups, shape[0]], "F16")
        parts = {"qweight": words(stream(ordered(codes.T), 4)), "qzeros": words(stream(ordered(zeros.T), 4)), "scales": scale}
        scales, version = numbers(scale).T, "gemm"
    else:
        padded = numpy.zeros([shape[0], -(-groups // 8) * 8], dtype=int)
        padded[:, :groups] = zeros
        scale = random_scale(padded.shape, "F16")
        parts = {"qweight": words(stream(codes, 4)), "qzeros": words(stream(padded, 4)), "scales": scale}
        scales, version = numbers(scale)[:, :groups], "gemv"
    value = (codes - spread(zeros.astype(float), shape, [1, group])) * spread(scales, shape, [1, group])
    return "awq", parts, {"bits": 4, "group_size": group, "version": version}, value


def make_bnb_4bit():
    shape = [size(1, 30), size(1, 60)] if chance.integers(0, 2) else rows_and_columns()
    numel, block = shape[0] * shape[1], int(chance.choice([64, 128]))
    codes, blocks = codes_of([numel + numel % 2], 4), -(-numel // block)
    content = (codes[0::2] << 4 | codes[1::2]).astype(numpy.uint8).tobytes()
    dtype = str(chance.choice(["U8", "BF16", "F32"]))
    each = {"U8": 1, "BF16": 2, "F32": 4}[dtype]
    content += bytes(-len(content) % each)
    table, scale = random_scale([16], "F32"), random_scale([blocks], "F32")
    parts = {"weight": raw(dtype, [len(content) // each, 1], content), "quant_map": table, "absmax": scale}
    options, absmax = {"shape": shape, "blocksize": block}, numbers(scale)
    if chance.integers(0, 2):
        parts["absmax"] = random_bytes("U8", [blocks])
        parts["nested_quant_map"] = random_scale([256], "F32")
        parts["nested_absmax"] = random_scale([-(-blocks // 4)], "F32")
        options.update(nested_blocksize=4, nested_offset=0.03125)
        nested = numpy.repeat(numbers(parts["nested_absmax"]), 4)[:blocks]
        absmax = numbers(parts["nested_quant_map"])[numbers(parts["absmax"]).astype(int)] * nested + 0.03125
    value = numbers(table)[codes[:numel]] * numpy.repeat(absmax, block)[:numel]
    return str(chance.choice(["bnb-nf4", "bnb-fp4"])), parts, options, value.reshape(shape)


def nibbles(codes):
    return (codes[..., 0::2] | codes[..., 1::2] << 4).astype(numpy.uint8)


def make_mxfp4():
    shape = [size(), size(1, 10, 32)]
    codes, scale = codes_of(shape, 4), random_bytes("U8", [shape[0], shape[1] // 32], [255])
    content = nibbles(codes)
    weight = raw("F4", shape, content.tobytes()) if chance.integers(0, 2) else raw("U8", content.shape, content.tobytes())
    value = numpy.array(E2M1)[codes] * spread(2.0 ** (numbers(scale) - 127), shape, [1, 32])
    return "mxfp4", {"weight": weight, "scale": scale}, {}, value


def make_gpt_oss():
    experts, out, blocks = size(1, 4), size(), size(1, 6)
    codes, scale = codes_of([experts, out, 32 * blocks], 4), random_bytes("U8", [experts, out, blocks], [255])
    content = nibbles(codes)
    weight = raw("U8", [experts, out, blocks, 16], content.tobytes())
    value = numpy.array(E2M1)[codes] * numpy.repeat(2.0 ** (numbers(scale) - 127), 32, axis=2)
    return "mxfp4", {"weight": weight, "scale": scale}, {"layout": "gpt-oss"}, value.transpose(0, 2, 1)


def make_nvfp4():
    shape = [size(1, 4)] * int(chance.integers(0, 2)) + [size(), size(1, 10, 16) if chance.integers(0, 5) else 4096 + 16]
    codes, scale = codes_of(shape, 4), random_bytes("F8_E4M3", shape[:-1] + [shape[-1] // 16], [0x7f, 0xff])
    content = nibbles(codes)
    parts = {"weight": raw("U8", content.shape, content.tobytes()), "scale": scale}
    value = numpy.array(E2M1)[codes] * spread(numbers(scale), shape, [1, 16])
    factor = random_scale(shape[:1] if len(shape) == 3 else [1], "F32")
    factors = numbers(factor).reshape((-1,) + (1,) * (len(shape) - 1))
    if chance.integers(0, 2):
        parts["multiply"] = factor
        return "nvfp4", parts, {}, value * factors
    parts["divide"] = factor
    return "nvfp4", parts, {}, value / factors


def make_hqq():
    packing = str(chance.choice(["8bit_u8", "4bit_u8", "3bit_32", "2bit_u8", "1bit_u8"]))
    bits, group, axis = int(packing[0]), int(chance.choice([16, 64])), int(chance.integers(0, 2))
    word_bits, per = (32, 1) if packing == "3bit_32" else (8, 8 // bits)
    rows = size(1, 9, per)
    shape = [rows, group * size(1, 5)]
    numel = shape[0] * shape[1]
    held = [numel // group, group] if axis == 1 else [group, numel // group]
    codes = codes_of(held, bits)
    packed = slices(codes, bits, word_bits, False)
    dtype = "I32" if word_bits == 32 else "U8"
    weight = raw(dtype, packed.shape, packed.astype("<u4" if word_bits == 32 else "u1").tobytes())
    along = [held[0], 1] if axis == 1 else [1, held[1]]
    scale, zero = random_scale(along), random_scale(along)
    value = (codes - numbers(zero)) * numbers(scale)
    options = {"bits": bits, "axis": axis, "packing": packing, "shape": shape, "group_size": group}
    return "hqq", {"W_q": weight, "scale": scale, "zero": zero}, options, value.reshape(shape)


def make_quanto():
    if chance.integers(0, 2):
        shape, dtype = [size(), size()], str(chance.choice(["I8", "F8_E4M3"]))
        weight, scale = random_bytes(dtype, shape), random_scale([shape[0], 1])
        return "quanto", {"weight": weight, "scale": scale}, {"bits": 8}, numbers(weight) * numbers(scale)
    bits, group = int(chance.choice([2, 4])), 64
    shape = [size(1, 9, 4), size(1, 4, 64)]
    held = [shape[0] * shape[1] // group, group]
    codes = codes_of(held, bits)
    packed = slices(codes, bits, 8, True)
    parts = {"data": raw("U8", packed.shape, packed.astype("u1").tobytes()), "scale": random_scale([held[0], 1], "F16"),
             "shift": random_scale([held[0], 1], "F16")}
    value = codes * numbers(parts["scale"]) - numbers(parts["shift"])
    return "quanto", parts, {"bits": bits, "shape": shape}, value.reshape(shape)


def make_torchao():
    shape, group = [size(), size(1, 6, 32)], 32
    groups = shape[1] // group
    weight, scale = random_bytes("I8", shape), random_scale([shape[0], groups])
    zero = random_bytes("I8", [shape[0], groups])
    value = (numbers(weight) - spread(numbers(zero), shape, [1, group])) * spread(numbers(scale), shape, [1, group])
    options = {"block": [1, group]} if chance.integers(0, 2) else {}
    return "torchao", {"qdata": weight, "scale": scale, "zero_point": zero}, options, value


def make_mlx():
    mode = str(chance.choice(["affine", "affine", "mxfp4", "mxfp8", "nvfp4"]))
    lead = [size(1, 4)] * int(chance.integers(0, 2))
    shape = lead + [size(1, 30), size(1, 8, 32)]
    flat = [int(numpy.prod(shape[:-1])), shape[-1]]
    bits = {"affine": int(chance.choice([2, 3, 4, 5, 6, 8])), "mxfp8": 8}.get(mode, 4)
    group = 16 if mode == "nvfp4" else 32
    codes = codes_of(flat, bits)
    if bits == 8 and mode == "mxfp8":
        codes[(codes & 0x7f) == 0x7f] = 0
    packed = stream(codes, bits)
    weight = raw("U32", shape[:-1] + [packed.shape[1]], packed.tobytes())
    along = shape[:-1] + [shape[-1] // group]
    parts, options = {"weight": weight}, {"bits": bits, "group_size": group, "mode": mode}
    codes = codes.reshape(shape)
    if mode == "affine":
        parts["scales"], parts["biases"] = random_scale(along, "F16"), random_scale(along, "F16")
        value = codes * spread(numbers(parts["scales"]), shape, [1, group]) + spread(numbers(parts["biases"]), shape, [1, group])
    else:
        parts["scales"] = random_bytes("U8", along, [255, 0x7f])
        scales = decode("F8_E4M3", parts["scales"][2]).reshape(along) if mode == "nvfp4" else \
            2.0 ** (numbers(parts["scales"]) - 127)
        table = decode("F8_E4M3", bytes(range(256))) if bits == 8 else numpy.array(E2M1)
        value = table[codes] * spread(scales, shape, [1, group])
    return "mlx", parts, options, value


MAKERS = [make_fp8, make_int8, make_mxfp8, make_bnb_int8, make_pack_quantized, make_gptq, make_awq, make_bnb_4bit,
          make_mxfp4, make_gpt_oss, make_nvfp4, make_hqq, make_quanto, make_torchao, make_mlx]
