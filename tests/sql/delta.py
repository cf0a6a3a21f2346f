"""What adapters change, kind by kind, against the definitions of PEFT and LyCORIS worked out here, element by element and
without any library: products, inverses and transforms in the plainest way, on small matrices of random numbers. And that
slices, rows and single elements of a change are those of the whole.

    tests/sql/delta.py [SEED]
"""

import cmath
import itertools
import json
import math
import os
import random
import struct
import sys
import tempfile

import making
from tally import Tally, connect, database_error

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(2**32)
TOLERANCE = 1e-6  # of the greatest element: results are floats
chance = random.Random(SEED)
tally = Tally()
db = connect()
root = tempfile.mkdtemp()
count = itertools.count()

# ---- Matrices: lists of rows of numbers ----


def numbers(size):
    return [chance.choice((-1, 1)) * chance.randrange(1, 65) / 32 for _ in range(size)]


def matrix(rows, columns):
    return [numbers(columns) for _ in range(rows)]


def product(a, b):
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


def turned(a):
    return [list(row) for row in zip(*a)]


def plus(a, b, factor=1):
    return [[x + factor * y for x, y in zip(*rows)] for rows in zip(a, b)]


def times(a, factor):
    return [[x * factor for x in row] for row in a]


def eye(size):
    return [[float(i == j) for j in range(size)] for i in range(size)]


def inverse(a):
    """By Gauss and Jordan, with pivots."""
    size = len(a)
    rows = [list(row) + one for row, one in zip(a, eye(size))]
    for k in range(size):
        pivot = max(range(k, size), key=lambda r: abs(rows[r][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for r in range(size):
            if r != k:
                rows[r] = [x - rows[r][k] * y for x, y in zip(rows[r], rows[k])]
    return [row[size:] for row in rows]


def blocks(matrices):
    """The matrix that has these along its diagonal."""
    size = len(matrices[0])
    return [[matrices[i // size][i % size][j % size] if i // size == j // size else 0.0
             for j in range(size * len(matrices))] for i in range(size * len(matrices))]


def flat(a):
    return [x for inner in a for x in flat(inner)] if isinstance(a, list) else [a]


def shaped(values, shape):
    values = list(values)
    if len(shape) <= 1:
        return values
    step = math.prod(shape[1:])
    return [shaped(values[i * step:(i + 1) * step], shape[1:]) for i in range(shape[0])]


# ---- Asking the extension ----


def shape_of(a):
    return [len(a), *shape_of(a[0])] if isinstance(a, list) else []


def build(kind, parts, options=None, base=None, dtypes=None):
    """The expression over a file that has the parts."""
    tensors = dict(parts)
    if base is not None:
        tensors["base"] = base
    stored = {}
    for name, values in tensors.items():
        code = "i" if dtypes and name in dtypes else "f"
        content = struct.pack(f"<{len(flat(values))}{code}", *flat(values))
        stored[name] = ("I32" if code == "i" else "F32", shape_of(values), content)
    path = making.file(os.path.join(root, f"{next(count)}.safetensors"), stored)
    refs = {name: f"{path}#{name}" for name in parts}
    query = "SELECT tensor_delta(?, ?, ?, ?)"
    values = (kind, json.dumps(refs), json.dumps(options or {}), f"{path}#base" if base is not None else None)
    return db.execute(query, values).fetchone()[0]


def check(kind, expected, parts, options=None, base=None, what="", dtypes=None):
    what = f"seed {SEED}: {kind}{' ' if what else ''}{what}"
    change = build(kind, parts, options, base, dtypes)
    wrong = database_error(db, "SELECT tensor_json(?)", change)
    if wrong != "no error":
        tally.check(False, f"{what}: {wrong}")
        return
    query = "SELECT tensor_json(?1), tensor_dtype(?1), tensor_shape(?1)"
    text, dtype, shape = db.execute(query, (change,)).fetchone()
    found = json.loads(text)
    tally.equal((dtype, json.loads(shape)), ("F32", shape_of(expected)), f"{what}: dtype and shape")
    greatest = max(map(abs, flat(expected)))
    error = max((abs(x - y) for x, y in zip(flat(found), flat(expected))), default=0)
    tally.check(error <= TOLERANCE * greatest, f"{what}: {error:.3g} off", found, expected)
    check_parts(change, found, what)


def check_parts(change, found, what):
    """Rows, slices and single elements are those of the whole."""
    row = chance.randrange(len(found))
    tally.equal(json.loads(db.execute("SELECT tensor_json(?, ?)", (change, str(row))).fetchone()[0]), found[row],
                f"{what}: row {row}")
    if isinstance(found[0], list) and not isinstance(found[0][0], list):
        column = chance.randrange(len(found[0]))
        query = "SELECT tensor_item(?1, ?2, ?3), tensor_json(?1, ?4)"
        item, text = db.execute(query, (change, row, column, f":, {column}::2")).fetchone()
        tally.equal((item, json.loads(text)), (found[row][column], [r[column::2] for r in found]),
                    f"{what}: element and columns")


# ---- Two factors ----


def test_lora():
    a, b, scale = matrix(2, 5), matrix(4, 2), 0.75
    change = times(product(b, a), scale)
    check("lora", change, {"lora_A": a, "lora_B": b}, {"scale": scale})
    check("lora", turned(change), {"lora_A": a, "lora_B": b}, {"scale": scale, "fan_in_fan_out": True}, what="turned")
    check("lora", turned(change), {"lora_embedding_A": a, "lora_embedding_B": b}, {"scale": scale}, what="embedding")
    kernel = shaped(flat(a), [2, 5, 1])
    up = shaped(flat(b), [4, 2, 1, 1])
    check("lora", shaped(flat(change), [4, 5, 1]), {"lora_A": kernel, "lora_B": up}, {"scale": scale}, what="conv1d")
    wide = shaped(numbers(2 * 3 * 2 * 2), [2, 3, 2, 2])
    check("lora", shaped(flat(product(b, shaped(flat(wide), [2, 12]))), [4, 3, 2, 2]), {"lora_A": wide, "lora_B": up},
          what="conv2d")
    check("lora", change, {"lora_A": kernel, "lora_B": up}, {"scale": scale}, base=matrix(4, 5), what="of a linear layer")


def test_lora_experts():
    experts, rank, ins, outs = 3, 2, 4, 5
    a, b = matrix(experts * rank, ins), matrix(outs, experts * rank)
    change = [[[sum(b[o][r * experts + e] * a[e * rank + r][i] for r in range(rank)) for i in range(ins)]
               for o in range(outs)] for e in range(experts)]
    check("lora", change, {"lora_A": a, "lora_B": b}, {"experts": experts}, what="experts")
    check("lora", [turned(expert) for expert in change], {"lora_A": a, "lora_B": b},
          {"experts": experts, "transposed": True}, what="experts turned")


def core(t, wa, wb):
    """[p][r][k][l] of the sum over i, j of t[i][j][k][l] wa[i][p] wb[j][r]."""
    places = range(len(t[0][0])), range(len(t[0][0][0]))
    return [[[[sum(t[i][j][k][m] * wa[i][p] * wb[j][r] for i in range(len(t)) for j in range(len(t[0])))
               for m in places[1]] for k in places[0]] for r in range(len(wb[0]))] for p in range(len(wa[0]))]


def test_lora_mid():
    mid, down, up = shaped(numbers(2 * 3 * 3 * 2), [2, 3, 3, 2]), matrix(3, 4), matrix(5, 2)
    change = core(mid, turned(up), down)
    check("lora", change, {"lora_A": shaped(flat(down), [3, 4, 1, 1]), "lora_B": shaped(flat(up), [5, 2, 1, 1]),
                           "lora_mid": mid}, what="with a core")


def decomposed(base, change, magnitudes, rows=True):
    merged = plus(base, change)
    if not rows:
        merged = turned(merged)
    merged = [[m * x / math.sqrt(sum(y * y for y in row)) for x in row] for m, row in zip(magnitudes, merged)]
    return plus(merged if rows else turned(merged), base, -1)


def test_dora():
    a, b, base, scale = matrix(2, 5), matrix(4, 2), matrix(4, 5), 1.5
    change, magnitudes = times(product(b, a), scale), numbers(4)
    parts = {"lora_A": a, "lora_B": b, "lora_magnitude_vector": magnitudes}
    check("dora", decomposed(base, change, magnitudes), parts, {"scale": scale}, base)
    check("dora", turned(decomposed(base, change, magnitudes)), parts, {"scale": scale, "fan_in_fan_out": True},
          turned(base), what="turned")
    inputs = numbers(5)
    check("dora", decomposed(base, change, inputs, rows=False), parts | {"lora_magnitude_vector": inputs},
          {"scale": scale, "axis": 1}, base, what="of inputs")
    check("dora", turned(decomposed(base, change, magnitudes)),
          {"lora_embedding_A": a, "lora_embedding_B": b, "lora_magnitude_vector": magnitudes}, {"scale": scale},
          turned(base), what="embedding")
    wide, filters = shaped(numbers(2 * 12), [2, 3, 2, 2]), matrix(4, 12)
    change = product(b, shaped(flat(wide), [2, 12]))
    check("dora", shaped(flat(decomposed(filters, change, magnitudes)), [4, 3, 2, 2]),
          {"lora_A": wide, "lora_B": shaped(flat(b), [4, 2, 1, 1]),
           "lora_magnitude_vector": shaped(magnitudes, [1, 4, 1, 1])}, {}, shaped(flat(filters), [4, 3, 2, 2]), what="conv2d")


def test_adalora():
    a, b, e = matrix(3, 4), matrix(5, 3), numbers(3)
    change = product(b, [[x * f for x in row] for row, f in zip(a, e)])
    check("adalora", times(change, 0.25), {"lora_A": a, "lora_B": b, "lora_E": [[x] for x in e]}, {"scale": 0.25})


def test_loha():
    w = {"hada_w1_a": matrix(4, 2), "hada_w1_b": matrix(2, 6), "hada_w2_a": matrix(4, 2), "hada_w2_b": matrix(2, 6)}
    first, second = product(w["hada_w1_a"], w["hada_w1_b"]), product(w["hada_w2_a"], w["hada_w2_b"])
    change = [[x * y for x, y in zip(*rows)] for rows in zip(first, second)]
    check("loha", times(change, 2), w, {"scale": 2})
    check("loha", shaped(flat(change), [4, 3, 2, 1]), w, {"shape": [4, 3, 2, 1]}, what="conv2d")
    base, magnitudes = matrix(4, 6), numbers(4)
    check("loha", decomposed(base, change, magnitudes), w | {"lora_magnitude_vector": magnitudes}, {}, base, what="dora")
    w = {f"hada_{name}": shaped(numbers(size), shape) for name, size, shape in (
        ("w1_a", 8, [2, 4]), ("w1_b", 6, [2, 3]), ("w2_a", 8, [2, 4]), ("w2_b", 6, [2, 3]),
        ("t1", 16, [2, 2, 2, 2]), ("t2", 16, [2, 2, 2, 2]))}
    first = core(w["hada_t1"], w["hada_w1_a"], w["hada_w1_b"])
    second = core(w["hada_t2"], w["hada_w2_a"], w["hada_w2_b"])
    change = [x * y for x, y in zip(flat(first), flat(second))]
    check("loha", shaped(change, [4, 3, 2, 2]), w, what="with cores")


def kron(a, b):
    return [[x * y for x in row for y in other] for row in a for other in b]


def test_lokr():
    w1, w2 = matrix(2, 3), matrix(4, 2)
    a, b = matrix(2, 2), matrix(2, 3)
    check("lokr", times(kron(w1, w2), 0.5), {"lokr_w1": w1, "lokr_w2": w2}, {"scale": 0.5})
    check("lokr", kron(product(a, b), w2), {"lokr_w1_a": a, "lokr_w1_b": b, "lokr_w2": w2}, what="factored")
    down, up = matrix(4, 2), matrix(2, 2)
    check("lokr", kron(w1, product(down, up)), {"lokr_w1": w1, "lokr_w2_a": down, "lokr_w2_b": up}, what="factored, too")
    wide = shaped(numbers(4 * 2 * 3 * 2), [4, 2, 3, 2])
    change = [[[[w1[i // 4][j // 2] * wide[i % 4][j % 2][k][m] for m in range(2)] for k in range(3)] for j in range(6)]
              for i in range(8)]
    check("lokr", change, {"lokr_w1": w1, "lokr_w2": wide}, what="conv2d")
    t, wa, wb = shaped(numbers(2 * 2 * 3 * 2), [2, 2, 3, 2]), matrix(2, 4), matrix(2, 2)
    inner = core(t, wa, wb)
    change = [[[[w1[i // 4][j // 2] * inner[i % 4][j % 2][k][m] for m in range(2)] for k in range(3)] for j in range(6)]
              for i in range(8)]
    check("lokr", change, {"lokr_w1": w1, "lokr_t2": t, "lokr_w2_a": wa, "lokr_w2_b": wb}, what="with a core")
    three = shaped(numbers(4 * 2 * 3), [4, 2, 3])
    change = [[[w1[i // 4][j // 2] * three[i % 4][j % 2][k] for k in range(3)] for j in range(6)] for i in range(8)]
    check("lokr", change, {"lokr_w1": w1, "lokr_w2": three}, {"trailing": True}, what="conv1d of LyCORIS")
    change = [[[w1[j // 2][k // 3] * three[i][j % 2][k % 3] for k in range(9)] for j in range(4)] for i in range(4)]
    check("lokr", change, {"lokr_w1": w1, "lokr_w2": three}, what="three dimensions, as torch.kron() has them")


# ---- Saved whole ----


def test_full_and_diff():
    saved, base = matrix(3, 4), matrix(3, 4)
    check("full", plus(saved, base, -1), {"saved": saved}, {}, base)
    check("diff", times(saved, 0.5), {"diff": saved}, {"scale": 0.5})
    check("diff", saved[0], {"diff": [saved[0]]}, {}, base[0], what="of a bias")


def test_tokens():
    base, tokens, indices = matrix(7, 3), matrix(2, 3), [5, 1]
    change = [[0.0] * 3 for _ in range(7)]
    for index, token in zip(indices, tokens):
        change[index] = [x - y for x, y in zip(token, base[index])]
    base[3][0] = math.inf  # where nothing changes, nothing is computed from it
    check("tokens", change, {"trainable_tokens_delta": tokens}, {"indices": indices}, base)


# ---- What all modules share ----


def test_vera():
    a, b, front, scale = matrix(2, 7), matrix(6, 2), numbers(4), numbers(2)
    change = product([[x * f for x in row] for row, f in zip(b, front)],
                     [[x * f for x in row[:5]] for row, f in zip(a, scale)])
    parts = {"vera_A": a, "vera_B": b, "vera_lambda_b": front, "vera_lambda_d": scale}
    check("vera", change, parts, {"shape": [4, 5]})
    check("vera", turned(change), parts, {"shape": [5, 4], "fan_in_fan_out": True}, what="turned")
    half = {"pvera_A": a + matrix(2, 7), "pvera_B": b, "pvera_lambda_b": front, "pvera_lambda_d": scale + numbers(2)}
    check("pvera", change, half, {}, matrix(4, 5))


def softmax(values):
    exponents = [math.exp(value - max(values)) for value in values]
    return [value / sum(exponents) for value in exponents]


def test_vblora():
    vectors, size, rank = 5, 3, 2
    bank = matrix(vectors, size)
    logits = {"A": [[numbers(vectors) for _ in range(2)] for _ in range(rank)],
              "B": [[numbers(vectors) for _ in range(rank)] for _ in range(3)]}
    for topk in (1, 2, vectors):
        factors, saved = {}, {"vblora_vector_bank": bank}
        for side, rows in logits.items():
            picked = [[sorted(range(vectors), key=lambda i, row=row: (-row[i], i))[:topk] for row in pair] for pair in rows]
            weights = [[softmax([row[i] for i in best]) for row, best in zip(*pairs)] for pairs in zip(rows, picked)]
            factors[side] = [[[sum(w * bank[i][k] for w, i in zip(*one)) for k in range(size)] for one in zip(*pairs)]
                             for pairs in zip(weights, picked)]
            saved[f"vblora_logits_{side}_topk_indices"] = picked
            saved[f"vblora_logits_{side}_topk_weights"] = [[w[:-1] for w in pair] for pair in weights]
        a = [flat(row) for row in factors["A"]]
        b = [[factors["B"][tile][r][k] for r in range(rank)] for tile in range(3) for k in range(size)]
        parts = {"vblora_vector_bank": bank, "vblora_logits_A": logits["A"], "vblora_logits_B": logits["B"]}
        check("vblora", product(b, a), parts, {"topk": topk}, what=f"top {topk}")
        if topk > 1:
            check("vblora", product(b, a), saved, what=f"top {topk}, saved",
                  dtypes={"vblora_logits_A_topk_indices", "vblora_logits_B_topk_indices"})


def test_randlora():
    rank, bases = 2, 3
    for out, ins in ((6, 5), (4, 5), (5, 5)):
        least, greatest = min(out, ins), max(out, ins)
        a = [[numbers(least + 1)] for _ in range(rank)]
        b = [[numbers(rank) for _ in range(bases + 1)] for _ in range(greatest + 2)]
        lam, gamma = matrix(rank, bases), matrix(bases, least)
        rows = [[a[r][0][c] * lam[r][n] * gamma[n][c] for c in range(least)] for r in range(rank) for n in range(bases)]
        columns = [[b[o][n][r] for n in range(bases) for r in range(rank)] for o in range(greatest)]
        change = times(product(columns, rows), 0.5)
        change = change if least == ins else turned(change)
        parts = {"randlora_A": a, "randlora_B": b, "randlora_lambda": lam, "randlora_gamma": gamma}
        check("randlora", change, parts, {"scale": 0.5, "shape": [out, ins]}, what=f"{out} x {ins}")


# ---- Patterns ----


def randperm(size, seed):
    """torch.randperm(): Mersenne Twister as Python has it, seeded as C++ does."""
    state = [seed & 0xffffffff]
    for i in range(1, 624):
        state.append((1812433253 * (state[-1] ^ state[-1] >> 30) + i) & 0xffffffff)
    twister = random.Random()
    twister.setstate((3, (*state, 624), None))
    order = list(range(size))
    for i in range(size - 1):
        other = i + twister.getrandbits(32) % (size - i)
        order[i], order[other] = order[other], order[i]
    return order


def test_fourierft():
    for out, ins in ((4, 6), (5, 3)):
        spectrum, seed = numbers(7), chance.randrange(2**40)
        dense = [[0.0] * ins for _ in range(out)]
        for value, place in zip(spectrum, randperm(out * ins, seed)):
            dense[place // ins][place % ins] = value
        change = [[sum((dense[u][v] * cmath.exp(2j * math.pi * (u * x / out + v * y / ins))).real for u in range(out)
                       for v in range(ins)) * 300 / out / ins for y in range(ins)] for x in range(out)]
        options = {"scaling": 300, "random_loc_seed": seed}
        check("fourierft", change, {"fourierft_spectrum": spectrum}, options | {"shape": [out, ins]}, what=f"{out} x {ins}")
        check("fourierft", turned(change), {"fourierft_spectrum": spectrum},
              options | {"shape": [ins, out], "fan_in_fan_out": True}, what=f"{out} x {ins}, turned")


def test_c3a():
    m, n, b = 2, 3, 4
    kernel = [[numbers(b) for _ in range(n)] for _ in range(m)]
    change = [[kernel[i // b][j // b][(j % b - i % b) % b] / (n * b) for j in range(n * b)] for i in range(m * b)]
    check("c3a", change, {"c3a_kernel": kernel})


def test_miss():
    out, ins, r = 6, 5, 2
    block = matrix(r, out)
    change = [[block[j % r][i] for j in range(ins)] for i in range(out)]
    check("miss", change, {"miss_block": block}, {"shape": [out, ins]})
    check("bone", change, {"bone_block": block}, {}, matrix(out, ins))
    mini = matrix(r, 3)
    change = [[mini[j % r][i % 3] for j in range(ins)] for i in range(out)]
    check("miss", change, {"miss_block": mini}, {"variant": "mini", "shape": [out, ins]}, what="mini")
    base, bat = matrix(6, 4), [matrix(2, 2) for _ in range(3)]
    change = [[sum(base[i][j // 2 * 2 + k] * bat[i // 2][k][j % 2] for k in range(2)) + bat[i // 2][i % 2][j % 2]
               for j in range(4)] for i in range(6)]
    check("miss", change, {"miss_block": bat}, {"variant": "bat"}, base, what="bat")


def test_gralora():
    k, sub, ins, outs = 2, 3, 6, 4
    rank, ik, ok = k * sub, 3, 2
    a = [matrix(ik, rank) for _ in range(k)]
    b = [matrix(rank, ok) for _ in range(k)]
    change = [[sum(a[j // ik][j % ik][i // ok * sub + s] * b[i // ok][j // ik * sub + s][i % ok] for s in range(sub))
               for j in range(ins)] for i in range(outs)]
    parts = {"gralora_A": a, "gralora_B": b}
    check("gralora", times(change, 0.5), parts, {"scale": 0.5})
    general = {"gralora_A_general": matrix(2, ins), "gralora_B_general": matrix(outs, 2)}
    change = plus(change, product(general["gralora_B_general"], general["gralora_A_general"]))
    check("gralora", change, parts | general, what="hybrid")
    check("gralora", turned(change), parts | general, {"fan_in_fan_out": True}, what="turned")


def test_sparse():
    out, ins = 40, 60  # more places than are read at once
    places = [chance.randrange(out * ins) for _ in range(700)]
    values = numbers(700)
    change = [0.0] * (out * ins)
    for place, value in zip(places, values):
        change[place] += value
    change = shaped(change, [out, ins])
    rows = [[place // ins for place in places], [place % ins for place in places]]
    check("shira", times(change, 2), {"shira_weight": values, "shira_indices": rows}, {"scale": 2, "shape": [out, ins]},
          dtypes={"shira_indices"})
    parts = {"supertuning_values": values, "supertuning_indices": places}
    check("supertuning", change, parts, {"shape": [out, ins]}, dtypes={"supertuning_indices"})
    a, b = matrix(2, ins), matrix(out, 2)
    change = plus(change, product(b, a), 0.5)
    check("supertuning", change, parts | {"supertuning_lora_A": a, "supertuning_lora_B": b}, {"scale": 0.5}, matrix(out, ins),
          what="with factors", dtypes={"supertuning_indices"})
    check("supertuning", change, parts | {"supertuning_lora_A": a, "supertuning_lora_B": b}, {"scale": 0.5},
          what="with factors alone", dtypes={"supertuning_indices"})


# ---- Rotations ----


def skew(upper, size):
    q = [[0.0] * size for _ in range(size)]
    values = iter(upper)
    for i in range(size):
        for j in range(i + 1, size):
            q[i][j] = next(values)
            q[j][i] = -q[i][j]
    return q


def cayley(q):
    return product(plus(eye(len(q)), q, -1), inverse(plus(eye(len(q)), q)))


def neumann(q, terms):
    total, power, powers = eye(len(q)), eye(len(q)), []
    for _ in range(max(terms - 1, 3)):
        power = product(power, q)
        powers.append(power)
    if terms < 2:
        return total
    if terms == 2:
        return plus(total, powers[0], 2)
    for power in powers[:-1]:
        total = plus(total, power, 2)
    return plus(total, powers[-1])


def test_oft():
    size, base = 3, matrix(4, 6)
    upper = [[x / 4 for x in numbers(3)] for _ in range(2)]
    for terms in (1, 2, 3, 4, 5, 8, 0):
        rotation = blocks([neumann(skew(u, size), terms) if terms else cayley(skew(u, size)) for u in upper])
        change = plus(product(base, turned(rotation)), base, -1)
        options = {"num_cayley_neumann_terms": terms} if terms else {"use_cayley_neumann": False}
        if terms != 1:
            check("oft", change, {"oft_R": upper}, options, base, what=f"{terms} terms")
    check("oft", shaped(flat(change), [4, 3, 2]), {"oft_R": upper}, options, shaped(flat(base), [4, 3, 2]), what="conv1d")
    change = plus(product(base, rotation), base, -1)
    check("oft", change, {"oft_embedding_R": upper}, options, base, what="embedding")
    rotation = blocks([cayley(skew(upper[0], size))] * 2)
    check("oft", plus(product(base, turned(rotation)), base, -1), {"oft_R": upper[:1]}, options, base, what="one block for all")
    norm = math.sqrt(2 * sum(x * x for x in upper[0]))
    q = times(skew(upper[0], size), 0.125 / norm)
    check("oft", plus(product(base, turned(blocks([cayley(q)] * 2))), base, -1), {"oft_R": upper[:1]},
          options | {"coft": True, "eps": 0.125}, base, what="COFT")


def butterfly(n, b, r):
    """PEFT's block_butterfly_perm()."""
    size = n // b
    order = [pos * r + k for pos in [*range(0, size // r, 2), *range(1, size // r, 2)] for k in range(r)]
    return [block + place for block in range(0, n, size) for place in order]


def test_boft():
    for factors, count, size in ((1, 2, 3), (2, 4, 2), (3, 4, 2), (2, 2, 4)):
        columns = count * size
        base, scales = matrix(3, columns), numbers(3)
        r = [[matrix(size, size) for _ in range(count)] for _ in range(factors)]
        total = eye(columns)
        for f in range(factors):
            rotations = [cayley(times(plus(one, turned(one), -1), 0.5)) for one in r[f]]
            order = butterfly(columns, count >> f, size // 2) if factors > 1 else range(columns)
            permutation = [[float(j == order[i]) for j in range(columns)] for i in range(columns)]
            total = product(product(product(permutation, blocks(rotations)), turned(permutation)), total)
        merged = product(base, turned(total))
        check("boft", plus(merged, base, -1), {"boft_R": r}, {}, base, what=f"{factors} factors of {size}")
        merged = [[x * s for x in row] for row, s in zip(merged, scales)]
        check("boft", plus(merged, base, -1), {"boft_R": r, "boft_s": [[s] for s in scales]}, {}, base, what="scaled")


def test_hra():
    ins, base, u = 5, matrix(4, 5), matrix(5, 3)
    columns = turned(u)
    units = [[x / math.hypot(*column) for x in column] for column in columns]
    total = eye(ins)
    for unit in units:
        total = product(total, plus(eye(ins), [[x * y for y in unit] for x in unit], -2))
    check("hra", plus(product(base, total), base, -1), {"hra_u": u}, {}, base)
    units = []
    for column in columns:
        for unit in units:
            dot = sum(x * y for x, y in zip(unit, column))
            column = [x - dot * y for x, y in zip(column, unit)]
        units.append([x / math.hypot(*column) for x in column])
    total = eye(ins)
    for unit in units:
        total = plus(total, [[x * y for y in unit] for x in unit], -2)
    check("hra", plus(product(base, total), base, -1), {"hra_u": u}, {"apply_GS": True}, base, what="orthogonal")


def test_road():
    out, group = 8, 4
    base = matrix(out, 3)
    for variant, size in (("road_1", 4), ("road_2", 8), ("road_4", 16)):
        theta, alpha = numbers(size), numbers(size)

        def column(i, second, variant=variant, theta=theta, alpha=alpha):
            place = {"road_1": i // group * 2 + i % 2, "road_2": i, "road_4": i // group * 8 + second * 4 + i % group}[variant]
            return alpha[place] * (math.sin if second else math.cos)(theta[place])

        merged = []
        for i in range(out):
            partner, sign = (i + 2, -1) if i % group < 2 else (i - 2, 1)
            merged.append([column(i, 0) * x + sign * column(i, 1) * y for x, y in zip(base[i], base[partner])])
        parts = {"road_theta": theta, "road_alpha": alpha}
        check("road", plus(merged, base, -1), parts, {"variant": variant, "group_size": group}, base, what=variant)
        bias = [row[0] for row in base]
        check("road", [m[0] - b for m, b in zip(merged, bias)], parts, {"variant": variant, "group_size": group}, bias,
              what=f"{variant}, bias")


# ---- The weight itself ----


def test_ia3():
    base, rows, columns = matrix(3, 4), numbers(3), numbers(4)
    of_rows = [[x * (f - 1) for x in row] for row, f in zip(base, rows)]
    of_columns = [[x * (f - 1) for x, f in zip(row, columns)] for row in base]
    check("ia3", of_rows, {"ia3_l": [[x] for x in rows]}, {}, base)
    check("ia3", of_columns, {"ia3_l": [columns]}, {"feedforward": True}, base, what="feedforward")
    check("ia3", turned(of_rows), {"ia3_l": [[x] for x in rows]}, {"fan_in_fan_out": True}, turned(base), what="turned")
    check("ia3", of_rows[0], {"ia3_l": [[rows[0]] for _ in range(4)]}, {}, base[0], what="bias")
    check("ia3", [[x * f for x in row] for row, f in zip(base, rows)], {"ia3_l": [[x] for x in rows]}, {"offset": True}, base,
          what="of LyCORIS")
    wide = shaped(numbers(4 * 3 * 2), [4, 3, 2])
    numbers_out, numbers_in = numbers(4), numbers(6)
    check("ia3", [[[x * (f - 1) for x in k] for k in row] for row, f in zip(wide, numbers_out)],
          {"ia3_l": shaped(numbers_out, [1, 4, 1])}, {}, wide, what="conv1d")
    change = [[[x * (numbers_in[o // 2 * 3 + i] - 1) for x in wide[o][i]] for i in range(3)] for o in range(4)]
    check("ia3", change, {"ia3_l": shaped(numbers_in, [1, 6, 1])}, {"feedforward": True, "groups": 2}, wide, what="groups")


def test_hira():
    base, a, b = matrix(3, 4), matrix(2, 4), matrix(3, 2)
    change = [[x * y for x, y in zip(*rows)] for rows in zip(base, product(b, a))]
    check("hira", change, {"hira_A": a, "hira_B": b}, {}, base)
    check("hira", turned(change), {"hira_A": a, "hira_B": b}, {"fan_in_fan_out": True}, turned(base), what="turned")
    check("hira", turned(change), {"hira_embedding_A": a, "hira_embedding_B": b}, {}, turned(base), what="embedding")
    check("hira", shaped(flat(change), [3, 2, 2]), {"hira_A": shaped(flat(a), [2, 2, 2]), "hira_B": shaped(flat(b), [3, 2, 1])},
          {}, shaped(flat(base), [3, 2, 2]), what="conv1d")


def householder(p):
    """Q of the QR decomposition with the signs of LAPACK: R's diagonal is against the sign of what it reflects."""
    rows, columns = len(p), len(p[0])
    r, q = [list(row) for row in p], eye(rows)
    for j in range(columns):
        column = [r[i][j] if i >= j else 0.0 for i in range(rows)]
        if not any(column[j + 1:]):
            continue
        column[j] += math.copysign(math.hypot(*column), column[j])
        length = sum(x * x for x in column)
        reflection = plus(eye(rows), [[x * y for y in column] for x in column], -2 / length)
        r, q = product(reflection, r), product(q, reflection)
    return [row[:columns] for row in q]


def test_deft():
    p, r, base = matrix(4, 2), matrix(2, 5), matrix(4, 5)
    relu, q = [[max(x, 0.0) for x in row] for row in p], householder(p)
    for method, left, right in (("relu", p, relu), ("qr", q, q)):
        factor = product(turned(right), base)
        options = {"decomposition_method": method}
        change = product(left, plus(times(r, 0.5), factor, -1))
        check("deft", change, {"deft_P": p, "deft_R": r}, options | {"scale": 0.5}, base, what=method)
        check("deft", turned(change), {"deft_P": p, "deft_R": r}, options | {"scale": 0.5, "fan_in_fan_out": True}, turned(base),
              what=f"{method}, turned")
        check("deft", times(product(left, factor), -1), {"deft_P": p}, options, base, what=f"{method}, para")


def test_delora():
    a, b, lam, norms = matrix(2, 4), matrix(3, 2), 3.0, numbers(4)
    a[1] = [x * 2**-20 for x in a[1]]  # shorter than the least norm
    diagonal = [lam / 2 / max(math.hypot(*row), 1e-4) / max(math.hypot(*column), 1e-4) for row, column in zip(a, turned(b))]
    change = product([[x * d for x, d in zip(row, diagonal)] for row in b], a)
    change = [[x * n for x, n in zip(row, norms)] for row in change]
    check("delora", change, {"delora_A": a, "delora_B": b, "delora_lambda": [lam], "delora_w_norm": norms})


def test_glora():
    base = matrix(3, 4)
    parts = {f"glora_{x}.{y}": matrix(*size) for x in "AB" for y, size in (("Xd", (3, 2)), ("Xu", (2, 4)))}
    factor, summand = (product(parts[f"glora_{x}.Xd"], parts[f"glora_{x}.Xu"]) for x in "AB")
    change = plus([[x * y for x, y in zip(*rows)] for rows in zip(base, factor)], summand)
    check("glora", change, parts, {}, base)
    check("glora", plus(times(base, 0.75), [[x] * 4 for x in (1.0, 2.0, 3.0)]),
          {"glora_A.X": [0.75], "glora_B.X": [[1.0], [2.0], [3.0]]}, {}, base, what="a number and a vector")
    bias, down, up, d, e = numbers(3), matrix(4, 2), matrix(2, 1), numbers(3), [0.5]
    change = [b * f + 0.5 + x[0] for b, f, x in zip(bias, d, product(base, product(down, up)))]
    check("glora_bias", change,
          {"weight": base, "glora_C.Xd": down, "glora_C.Xu": up, "glora_D.X": d, "glora_E.X": e}, {}, bias)


tally.run(globals(), root)
