"""The machines that there are packages for, as .package/targets has them, and what has been built for one."""

import dataclasses
import os
import platform
from dataclasses import dataclass

from . import project

PROGRAM = "safetensors-sql"


@dataclass
class Target:
    """One row of the table; a dash there is nothing here."""
    name: str
    zig: str
    library_suffix: str
    program_suffix: str
    wheel: str
    npm_os: str
    npm_cpu: str
    npm_libc: str
    deb: str

    @property
    def npm(self):
        """What Node calls the machine, and after a dash the C library, where there are two."""
        libc = {"glibc": "-gnu", "musl": "-musl"}.get(self.npm_libc, "")
        return f"{self.npm_os}-{self.npm_cpu}{libc}"


@dataclass
class Built:
    """What has been built for a target, in a directory of its own."""
    target: Target
    directory: str

    @property
    def library_name(self):
        return f"safetensors{self.target.library_suffix}"

    @property
    def program_name(self):
        """The program's name, or None where there is only the library."""
        name = PROGRAM + (self.target.program_suffix or "")
        return name if os.path.exists(os.path.join(self.directory, name)) else None

    @property
    def library(self):
        return self.read(self.library_name)

    @property
    def program(self):
        return self.read(self.program_name)

    def read(self, name):
        with open(os.path.join(self.directory, name), "rb") as file:
            return file.read()


def table():
    rows = {}
    for line in project.read(".package", "targets").decode().splitlines():
        if line and not line.startswith("#"):
            values = [None if value == "-" else value for value in line.split()]
            rows[values[0]] = Target(*values)
    return rows


def here():
    """The target that this machine is, whatever version of its C library a release is made for."""
    libc = "glibc" if platform.libc_ver()[0] == "glibc" else "musl"  # what this Python uses; a machine can have both
    for target in table().values():
        if target.zig.startswith(f"{platform.machine()}-linux-") and target.npm_libc == libc:
            return dataclasses.replace(target, wheel=f"linux_{platform.machine()}")
    raise SystemExit(f"no target is for {platform.machine()} and {libc}: .package/targets")
