"""The Python package, for its tests: as it is in .package/python, with the library that was built, or the installed one
if INSTALLED is set."""

import importlib
import os
import shutil
import sys

from tally import BUILD

SOURCE = ".package/python/sqlite_safetensors"


def assemble(directory):
    """Puts the package into a directory as the wheel has it, but for the program."""
    package = os.path.join(directory, "sqlite_safetensors")
    shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("__pycache__"))
    os.symlink(os.path.abspath(f"{BUILD}/safetensors.so"), os.path.join(package, "safetensors.so"))
    with open(os.path.join(package, "_version.py"), "w", encoding="utf-8") as file:
        file.write('__version__ = "0"\n')


def imported(directory):
    """The package, put into the directory first unless the installed one is tested."""
    if not os.environ.get("INSTALLED"):
        assemble(directory)
        sys.path.insert(0, directory)
    return importlib.import_module("sqlite_safetensors")


def module(name):
    """A module that tests can do without, or None, which is told."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        print(f"skipped: {name} is not installed")
        return None


def error(function, *arguments, **options):
    """The kind of the exception and its text."""
    try:
        function(*arguments, **options)
    except Exception as problem:  # pylint: disable=broad-except
        return type(problem).__name__, str(problem)
    return "none", ""
