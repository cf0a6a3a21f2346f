"""Reads what programs and libraries of Linux and FreeBSD (ELF), macOS (Mach-O) and Windows (PE) say of themselves.

Sources: System V ABI and the Linux Standard Base; <mach-o/loader.h>; Microsoft's PE format.
"""

import struct
from dataclasses import dataclass, field

ELF_MACHINES = {0x3e: "x86_64", 0xb7: "aarch64", 0x28: "arm", 0xf3: "riscv64"}
MACHO_MACHINES = {0x01000007: "x86_64", 0x0100000c: "aarch64"}
PE_MACHINES = {0x8664: "x86_64", 0xaa64: "aarch64"}


@dataclass
class Binary:
    kind: str
    machine: str
    exports: set = field(default_factory=set)
    needed: set = field(default_factory=set)  # libraries
    imports: dict = field(default_factory=dict)  # ELF: undefined name to its version, PE: library to names
    facts: set = field(default_factory=set)  # words as below
    system: str = ""  # Mach-O: the oldest macOS


def text_at(data, at):
    return data[at:data.index(b"\0", at)].decode()


# ---- ELF ----

DYNSYM, VERNEED, VERSYM, DYNAMIC = 11, 0x6ffffffe, 0x6fffffff, 6
NEEDED, TEXTREL, FLAGS, FLAGS_1 = 1, 22, 30, 0x6ffffffb
SEGMENTS = {3: "interpreter", 0x6474e552: "relro"}
STACK, EXECUTABLE = 0x6474e551, 1


class Elf:
    def __init__(self, data):
        self.data, self.wide = data, data[4] == 2
        assert data[5] == 1, "little-endian"
        kind, machine = struct.unpack_from("<HH", data, 16)
        at = struct.unpack_from("<QQ" if self.wide else "<II", data, 32 if self.wide else 28)
        sizes = struct.unpack_from("<5H", data, 54 if self.wide else 42)
        self.sections = [self.section(at[1] + i * sizes[2]) for i in range(sizes[3])]
        self.binary = Binary("ELF", ELF_MACHINES.get(machine, hex(machine)))
        self.binary.facts.add({2: "fixed", 3: "shared"}.get(kind, "other"))
        for i in range(sizes[1]):
            self.segment(at[0] + i * sizes[0])
        self.dynamic()
        self.symbols(self.versions())

    def section(self, at):
        """Type, offset, size, link, info."""
        fields = struct.unpack_from("<IIQQQQIIQQ" if self.wide else "<10I", self.data, at)
        return fields[1], fields[4], fields[5], fields[6], fields[7]

    def find(self, kind):
        return next((section for section in self.sections if section[0] == kind), None)

    def segment(self, at):
        kind = struct.unpack_from("<I", self.data, at)[0]
        flags = struct.unpack_from("<I", self.data, at + (4 if self.wide else 24))[0]
        if kind in SEGMENTS:
            self.binary.facts.add(SEGMENTS[kind])
        if kind == STACK:
            self.binary.facts.add("executable stack" if flags & EXECUTABLE else "data stack")

    def dynamic(self):
        found = self.find(DYNAMIC)
        if found is None:
            self.binary.facts.add("static")
            return
        _, begin, size, link, _ = found
        strings, step = self.sections[link][1], 16 if self.wide else 8
        for at in range(begin, begin + size, step):
            tag, value = struct.unpack_from("<qQ" if self.wide else "<iI", self.data, at)
            if tag == NEEDED:
                self.binary.needed.add(text_at(self.data, strings + value))
            if tag == TEXTREL or (tag == FLAGS and value & 4):
                self.binary.facts.add("text relocations")
            if (tag == FLAGS and value & 8) or (tag == FLAGS_1 and value & 1):
                self.binary.facts.add("bound at once")
        if not self.binary.needed and "interpreter" not in self.binary.facts:
            self.binary.facts.add("static")

    def versions(self):
        """The versions that are needed, by their number."""
        names, found = {}, self.find(VERNEED)
        if found is None:
            return names
        _, at, _, link, count = found
        strings = self.sections[link][1]
        for _ in range(count):
            _, entries, _, first, following = struct.unpack_from("<HHIII", self.data, at)
            entry = at + first
            for _ in range(entries):
                _, _, number, name, step = struct.unpack_from("<IHHII", self.data, entry)
                names[number] = text_at(self.data, strings + name)
                entry += step
            at += following
        return names

    def symbols(self, versions):
        found, numbers = self.find(DYNSYM), self.find(VERSYM)
        if found is None:
            return
        _, begin, size, link, _ = found
        strings, step = self.sections[link][1], 24 if self.wide else 16
        for i in range(1, size // step):
            at = begin + i * step
            name, info, section = struct.unpack_from("<IBxH" if self.wide else "<I8xBxH", self.data, at)
            name = text_at(self.data, strings + name)
            if section != 0:
                self.binary.exports.add(name)
            elif info >> 4 != 2:  # a weak one may be missing
                number = struct.unpack_from("<H", self.data, numbers[1] + 2 * i)[0] if numbers else 0
                self.binary.imports[name] = versions.get(number & 0x7fff)


# ---- Mach-O ----

LOAD_DYLIB, SIGNATURE, VERSION_MIN, BUILD_VERSION, DYLD_INFO, EXPORTS_TRIE = 0xc, 0x1d, 0x24, 0x32, 0x80000022, 0x80000033
MACHO_PIE = 0x200000


def read_macho(data):
    _, machine, _, kind, count, _, flags, _ = struct.unpack_from("<8I", data)
    binary = Binary("Mach-O", MACHO_MACHINES.get(machine, hex(machine)))
    binary.facts.add({2: "program", 6: "library"}.get(kind, "other"))
    if flags & MACHO_PIE:
        binary.facts.add("pie")
    at = 32
    for _ in range(count):
        command, size = struct.unpack_from("<II", data, at)
        if command == LOAD_DYLIB:
            binary.needed.add(text_at(data, at + struct.unpack_from("<I", data, at + 8)[0]))
        if command == SIGNATURE:
            binary.facts.add("signed")
        if command in (BUILD_VERSION, VERSION_MIN):
            version = struct.unpack_from("<I", data, at + (12 if command == BUILD_VERSION else 8))[0]
            binary.system = f"{version >> 16}.{version >> 8 & 255}"
        if command in (DYLD_INFO, EXPORTS_TRIE):
            begin, length = struct.unpack_from("<II", data, at + (40 if command == DYLD_INFO else 8))
            if length > 0:
                binary.exports.update(macho_exports(data, begin))
        at += size
    return binary


def uleb(data, at):
    """A number of 7 bits a byte, and what follows it."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def macho_exports(data, trie, node=0, prefix=""):
    """The names of the tree in which the dynamic linker looks."""
    size, at = uleb(data, trie + node)
    if size > 0:
        yield prefix
    at += size
    children, at = data[at], at + 1
    for _ in range(children):
        edge = text_at(data, at)
        child, at = uleb(data, at + len(edge) + 1)
        yield from macho_exports(data, trie, child, prefix + edge)


# ---- PE ----


class Pe:
    def __init__(self, data):
        self.data = data
        at = struct.unpack_from("<I", data, 0x3c)[0]
        assert data[at:at + 4] == b"PE\0\0"
        machine, sections, _, _, _, size, flags = struct.unpack_from("<HHIIIHH", data, at + 4)
        optional = at + 24
        assert struct.unpack_from("<H", data, optional)[0] == 0x20b, "64 bits"
        self.sections = [struct.unpack_from("<4I", data, optional + size + 40 * i + 8) for i in range(sections)]
        self.binary = Binary("PE", PE_MACHINES.get(machine, hex(machine)))
        self.binary.facts.add("library" if flags & 0x2000 else "program")
        features = struct.unpack_from("<H", data, optional + 70)[0]
        for bit, word in ((0x40, "anywhere"), (0x100, "data stack")):
            if features & bit:
                self.binary.facts.add(word)
        exports, _, imports, _ = struct.unpack_from("<4I", data, optional + 112)
        self.export_names(exports)
        self.import_names(imports)

    def offset(self, address):
        for size, begin, raw_size, raw in self.sections:
            if begin <= address < begin + max(size, raw_size):
                return address - begin + raw
        raise ValueError(f"no section has {address:#x}")

    def text(self, address):
        return text_at(self.data, self.offset(address))

    def export_names(self, address):
        if address == 0:
            return
        count, _, names = struct.unpack_from("<3I", self.data, self.offset(address) + 24)
        for i in range(count):
            self.binary.exports.add(self.text(struct.unpack_from("<I", self.data, self.offset(names) + 4 * i)[0]))

    def import_names(self, address):
        at = self.offset(address) if address else None
        while at is not None:
            lookup, _, _, name, _ = struct.unpack_from("<5I", self.data, at)
            if name == 0:
                return
            library = self.text(name)
            self.binary.needed.add(library.lower())
            names, entry = [], self.offset(lookup)
            while True:
                value = struct.unpack_from("<Q", self.data, entry)[0]
                if value == 0:
                    break
                names.append(f"#{value & 0xffff}" if value >> 63 else self.text(value + 2))
                entry += 8
            self.binary.imports[library.lower()] = names
            at += 20


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] == b"\x7fELF":
        return Elf(data).binary
    if data[:4] == b"\xcf\xfa\xed\xfe":
        return read_macho(data)
    if data[:2] == b"MZ":
        return Pe(data).binary
    raise ValueError(f"{path} is no program and no library")
