"""Packs texts into few bytes, in the form that ext/program/packed_text.h describes. The same texts give the same bytes."""

LEAST = 5  # bytes of a match
MORE = 15
TRIES = 16  # earlier places that are looked at


def number(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def step(literals, length=0, distance=0):
    """The bytes of one step; the last has no match."""
    match = max(length - LEAST, 0)
    out = bytes([min(len(literals), MORE) << 4 | min(match, MORE)])
    if len(literals) >= MORE:
        out += number(len(literals) - MORE)
    out += literals
    if length:
        out += number(distance)
        if match >= MORE:
            out += number(match - MORE)
    return out


def match_length(data, one, other):
    """How many bytes from `one` on are the same as those from the later `other` on."""
    length, part = LEAST, 64
    while other + length < len(data):
        ours = data[other + length:other + length + part]
        theirs = data[one + length:one + length + len(ours)]
        if ours != theirs:
            return length + next(i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b)
        length += len(ours)
    return length


def pack(data):
    out, places, at, begin = bytearray(), {}, 0, 0
    while at < len(data):
        key = data[at:at + LEAST]
        length, place = max(((match_length(data, place, at), place) for place in places.get(key, ())[-TRIES:]), default=(0, 0))
        if not length or len(key) < LEAST:
            places.setdefault(key, []).append(at)
            at += 1
            continue
        out += step(data[begin:at], length, at - place)
        for i in range(at, at + length):
            places.setdefault(data[i:i + LEAST], []).append(i)
        at += length
        begin = at
    return bytes(out + step(data[begin:]))
