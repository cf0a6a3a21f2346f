"""The source package for pip. It has the project's directories as far as they are needed to make a wheel, and in src
the C sources, which are made and fetched."""

import os
import shlex

from . import archive, project, wheel

FILES = ("LICENSE", "ext/safetensors.h", ".package/copyright", ".package/python/METADATA", ".package/python/README.md",
         ".package/python/backend.py",
         *(f".package/packing/{name}.py" for name in ("__init__", "archive", "project", "sdist", "targets", "wheel")))
NAMES = ("safetensors.c", "safetensors.h", "program.list", "sqlite3.h", "sqlite3ext.h", "shell.c")  # and the program's
SHELL = "safetensors-shell.c"


class Sources:
    """The C sources of the library and the program, which are in several directories."""

    def __init__(self, directories):
        self.directories = directories

    def path(self, name):
        paths = [os.path.join(directory, name) for directory in self.directories]
        return next(path for path in paths if os.path.exists(path))

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def program(self):
        """Each C file of the program with its flags; and as "link" the libraries."""
        rows = [line.partition("\t") for line in self.read("program.list").decode().splitlines()]
        files = {name: shlex.split(flags) for name, _, flags in rows if not name.startswith("#")}
        return {**files, SHELL: files[SHELL] + files["sqlite3.c"]}


def build_system():
    """pyproject.toml, one directory higher than in the project."""
    return project.read(".package", "python", "pyproject.toml").replace(b'"."', b'".package/python"')


def make(out, directories):
    """`directories`: of `make amalgamation`, of SQLite's sources, of program.list."""
    sources = Sources(directories)
    files = {"PKG-INFO": wheel.metadata(), "README.md": project.read(".package", "python", "README.md"),
             "pyproject.toml": build_system(), **{name: project.read(name) for name in FILES},
             **{f".package/python/{name}": data for name, data in wheel.module().items()},
             **{f"src/{name}": sources.read(name) for name in [*NAMES, *sources.program()] if name != "link"}}
    stem = f"{wheel.MODULE}-{project.version()}"
    return archive.tar_gz(os.path.join(out, f"{stem}.tar.gz"), {f"{stem}/{name}": data for name, data in files.items()})
