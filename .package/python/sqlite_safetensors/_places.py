"""Where the extension and the program are."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import sysconfig
from typing import Iterator

_DIRECTORY = os.path.dirname(os.path.abspath(__file__))
SUFFIX = {"win32": ".dll", "cygwin": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
"""What SQLite appends to the path of an extension."""


def loadable_path() -> str:
    """The path of the loadable extension, without the suffix, which SQLite appends."""
    return os.path.join(_DIRECTORY, "safetensors")


def _programs(name: str) -> Iterator[str]:
    """Where installers put a program: where they recorded it, and where `pip install --target`, `pip install` and
    `pip install --user` put it."""
    try:
        for file in importlib.metadata.files("sqlite-safetensors") or ():
            if file.name == name:
                yield os.path.abspath(file.locate())
    except importlib.metadata.PackageNotFoundError:
        pass
    yield os.path.join(os.path.dirname(_DIRECTORY), "bin", name)
    yield os.path.join(sysconfig.get_path("scripts"), name)
    yield os.path.join(sysconfig.get_path("scripts", f"{os.name}_user"), name)


def program_path() -> str:
    """The path of the program safetensors-sql that came with this package.

    Raises FileNotFoundError if it is not where installers put programs."""
    name = "safetensors-sql.exe" if os.name == "nt" else "safetensors-sql"
    tried = list(dict.fromkeys(_programs(name)))
    for path in tried:
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(f"{name}: expected the program that comes with sqlite-safetensors, found none at "
                            + " or ".join(tried))
