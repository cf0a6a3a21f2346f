"""The rows of a BF16 matrix nearest to one of them, by cosine: beside a loop that reads the matrix, PyTorch in BF16 and
in F32, and NumPy. Each finds the ten nearest."""

import os

import peers_limits as limits
from measure import Shell, numpy, scaled, tensor_file, torch
from peers_report import Peer, against, agree, nothing, size_of, table

COLUMNS, NEAREST, QUERY = 1024, 10, 7
ROWS = 512  # converted to F32 at once: a part that stays in the processor's cache


def matrix(rows):
    """Random BF16 numbers of moderate size and both signs, block by block."""
    chance = numpy.random.default_rng(1)
    for begin in range(0, rows, 4096):
        codes = chance.integers(0, 1 << 16, (min(4096, rows - begin), COLUMNS), dtype="u2")
        yield (codes & 0x80ff | 0x3e00).tobytes()


def cosines_in_torch(view, wide):
    """A contestant. What it returns are the rows, the nearest first."""
    codes = torch.frombuffer(view, dtype=torch.bfloat16).view(-1, COLUMNS)

    def cosines(rows, query):
        return torch.mv(rows, query) / (rows.norm(dim=1) * query.norm())

    def in_bf16():
        return torch.topk(cosines(codes, codes[QUERY]), NEAREST).indices

    def in_f32():
        query = codes[QUERY].float()
        return torch.topk(torch.cat([cosines(part.float(), query) for part in codes.split(ROWS)]), NEAREST).indices
    return in_f32 if wide else in_bf16


def cosines_in_numpy(view):
    codes = numpy.frombuffer(view, "u2").reshape(-1, COLUMNS)

    def floats(part):
        return (part.astype("u4") << 16).view("f4")

    def contestant():
        query = floats(codes[QUERY])
        parts = (floats(codes[begin:begin + ROWS]) for begin in range(0, len(codes), ROWS))
        cosines = numpy.concatenate([part @ query / numpy.sqrt(numpy.einsum("ij,ij->i", part, part)) for part in parts])
        cosines /= numpy.linalg.norm(query)
        nearest = numpy.argpartition(-cosines, NEAREST)[:NEAREST]
        return nearest[numpy.argsort(-cosines[nearest])]
    return contestant


def run():
    if not numpy:
        nothing("tensor_nearest", "no NumPy to make the data with")
        return
    rows = scaled(150_000, 1000)
    nbytes = rows * COLUMNS * 2
    title = f"tensor_nearest, cosine, {rows:,} x {COLUMNS} BF16, {size_of(nbytes)}"
    with Shell() as shell:
        if not shell.run("SELECT name FROM pragma_module_list WHERE name = 'tensor_nearest'"):
            nothing(title, "this build does not have it")
            return
        path = tensor_file("peers_nearest", "BF16", [rows, COLUMNS], nbytes, matrix(rows))
        sql = f"SELECT i, score FROM tensor_nearest('{path}#x', '{path}?slice={QUERY}#x', {NEAREST})"
        view = limits.mapped(path, nbytes)
        in_numpy = cosines_in_numpy(view)
        agree("tensor_nearest: rows", "|".join(row.split("|")[0] for row in shell.run(sql)), in_numpy())
        in_bf16, in_f32 = (cosines_in_torch(view, wide) if torch else None for wide in (False, True))
        table(title)
        against(shell.timed(sql), *limits.reading(nbytes, path, goal=0.6))
        against(shell.timed(sql), Peer("PyTorch in BF16", in_bf16, 1), Peer("PyTorch, converted to F32 in parts", in_f32),
                Peer("NumPy, converted to F32 in parts", in_numpy), most=9)
    os.remove(path)
