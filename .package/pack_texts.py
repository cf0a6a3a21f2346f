"""Packs texts into few bytes, in the form that ext/program/packed_text.h describes. The same texts give the same bytes."""

LEAST = 5  # bytes of a match
MORE = 15
TRIES = 64  # earlier places that are looked at


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


class Places:
    """Where the bytes so far have what comes next."""

    def __init__(self, data):
        self.data, self.known = data, {}

    def add(self, begin, end):
        for at in range(begin, end):
            self.known.setdefault(self.data[at:at + LEAST], []).append(at)

    def best(self, at):
        """The length and the distance of the match that saves most; 0 for none."""
        found = (0, 0, 0)
        if at + LEAST <= len(self.data):
            for place in self.known.get(self.data[at:at + LEAST], ())[-TRIES:]:
                length = match_length(self.data, place, at)
                written = 1 + len(number(at - place)) + (length - LEAST >= MORE)
                found = max(found, (length - written, -(at - place), length))
        return found[2], -found[1]


def pack(data, begin=0):
    """The bytes from `begin` on, which may refer to those before."""
    out, at, places = bytearray(), begin, Places(data)
    places.add(0, begin)
    while at < len(data):
        length, distance = places.best(at)
        places.add(at, at + 1)
        if length and places.best(at + 1)[0] <= length + 1:
            out += step(data[begin:at], length, distance)
            places.add(at + 1, at + length)
            begin = at = at + length
        else:
            at += 1
    return bytes(out + step(data[begin:]))
