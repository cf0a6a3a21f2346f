"""The libraries and programs of a release, as .package/compile has left them: each is for the machine and the system that
.package/targets says, exports one name, needs only what every such system has, and is linked as it should be. Nothing of
it runs here. `make check-release` runs this.

Suite: release
"""

import os
import re

import binary
from tally import BUILD, Tally

tally = Tally()
RELEASE = f"{BUILD}/release"
ENTRY = "sqlite3_safetensors_init"
OF_LINKER = {"___dso_handle", "__mh_dylib_header"}  # where a library for macOS begins; zig's linker exports them always
LOADERS = {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "ld-linux-armhf.so.3", "ld-linux-riscv64-lp64d.so.1"}
# With libdl, which is a library of its own in the oldest: libcrypto is opened at run time, where it is there.
GLIBC = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", *LOADERS}
NEEDED = {"gnu": GLIBC, "gnueabihf": GLIBC, "musl": {"libc.so"}, "freebsd": {"libc.so.7", "libm.so.5", "libthr.so.3"}}
# What every Windows since 10 has.
WINDOWS = re.compile(r"kernel32|ntdll|advapi32|shell32|user32|bcrypt|api-ms-win-crt-\w+-l1-1-0")


def version_of(text):
    return tuple(map(int, re.findall(r"\d+", text)))


def rows():
    with open(".package/targets", encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                yield line.split()[:5]


class Checked:
    """One file, and the row of its target."""

    def __init__(self, path, triple, is_program):
        self.path, self.is_program = path, is_program
        self.triple, self.machine = triple, triple.split("-")[0]
        self.found = binary.read(path)

    def check(self, good, what, *details):
        tally.check(good, f"{self.path}: {what}", *details)

    def facts(self, wanted, unwanted):
        self.check(wanted <= self.found.facts, f"expected {', '.join(wanted - self.found.facts)}", self.found.facts)
        self.check(not unwanted & self.found.facts, f"{', '.join(unwanted & self.found.facts)}", self.found.facts)

    def common(self):
        self.check(self.found.machine == self.machine, f"is for {self.found.machine}")
        entry = "_" + ENTRY if self.found.kind == "Mach-O" else ENTRY
        if not self.is_program:
            self.check(self.found.exports - OF_LINKER == {entry}, "exports", self.found.exports)
        with open(self.path, "rb") as file:
            data = file.read()
        for path in (os.getcwd(), os.path.expanduser("~/")):
            self.check(path.encode() not in data, f"has the path {path} in it")

    def elf(self, libc):
        self.facts({"data stack"}, {"executable stack", "text relocations"})
        if self.is_program and libc == "musl":
            self.facts({"static"}, {"interpreter"})
            return
        self.facts({"shared", "relro", "bound at once"} | ({"interpreter"} if self.is_program else set()), {"static"})
        self.check(self.found.needed <= NEEDED[libc], "needs", self.found.needed - NEEDED[libc])

    def glibc(self, oldest):
        """Every name that it takes from elsewhere is of the C library, in the version of the target or before."""
        others = {name: version for name, version in self.found.imports.items()
                  if version is None or not version.startswith("GLIBC_") or version_of(version) > version_of(oldest)}
        self.check(not others, f"takes names of others than glibc {oldest}", others)

    def linux(self):
        libc, _, oldest = self.triple.split("-")[2].partition(".")
        self.elf(libc)
        if libc.startswith("gnu"):
            self.glibc(oldest)

    def freebsd(self):
        self.elf("freebsd")

    def macos(self):
        self.facts({"program", "pie"} if self.is_program else {"library"}, set())
        if self.machine == "aarch64":
            self.facts({"signed"}, set())  # otherwise the system does not load it
        self.check(version_of(self.found.system) <= (11, 0), f"needs macOS {self.found.system}")
        self.check(self.found.needed <= {"/usr/lib/libSystem.B.dylib"}, "needs", self.found.needed)

    def windows(self):
        self.facts({"program" if self.is_program else "library", "anywhere", "data stack"}, set())
        others = {name for name in self.found.needed if not WINDOWS.fullmatch(name.removesuffix(".dll"))}
        self.check(not others, "needs", others)

    def run(self):
        self.common()
        getattr(self, re.match(r"[a-z]+", self.triple.split("-")[1]).group())()


def main():
    there = 0
    for name, triple, library, program, wheel in rows():
        files = [(f"safetensors{library}", False)]
        if wheel != "-":
            files.append(("safetensors-sql" + ("" if program == "-" else program), True))
        if not os.path.isdir(f"{RELEASE}/{name}"):
            print(f"skipped: {name} (it was not compiled: make release)")
            continue
        there += 1
        for file, is_program in files:
            path = f"{RELEASE}/{name}/{file}"
            tally.check(os.path.exists(path), f"{path} is missing")
            if os.path.exists(path):
                Checked(path, triple, is_program).run()
    print(f"{there} targets")
    tally.finish()


main()
