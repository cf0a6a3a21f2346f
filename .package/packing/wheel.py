"""The wheels for pip: the Python module, with the library in it, and the program as a script, which installers put on
the path and no Python starts."""

import base64
import hashlib
import os

from . import archive, project, targets

MODULE = "sqlite_safetensors"
PYTHON = (".package", "python")


def metadata():
    text = project.read(*PYTHON, "METADATA").decode()
    return (project.fill(text, {"VERSION": project.version()}) + "\n").encode() + project.read(*PYTHON, "README.md")


def module():
    """The module's files as they are in the project."""
    names = os.listdir(os.path.join(project.ROOT, *PYTHON, MODULE))
    return {f"{MODULE}/{name}": project.read(*PYTHON, MODULE, name) for name in names
            if name.endswith((".py", ".typed"))}


def platforms(tag):
    """The names of what a wheel runs on, in order; older installers do not know the first of two."""
    return [tag, tag.replace("_2_17_", "2014_")] if tag.startswith("manylinux_2_17_") else [tag]


def record(files):
    """The list of the files, with their digests."""
    def line(name):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name].data).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(files[name].data)}\n"

    return "".join(line(name) for name in sorted(files))


def hub_extension(stem, program_name):
    """The program under the name by which Hugging Face's command line finds an extension; not the program once more, which
    is most of a wheel. On Windows it has to be a hf-safetensors-sql.exe, which installers make of an entry point."""
    if program_name.endswith(".exe"):
        return {f"{stem}.dist-info/entry_points.txt": f"[console_scripts]\nhf-{targets.PROGRAM} = {MODULE}.__main__:main\n".encode()}
    script = f'#!/bin/sh\nexec "${{0%/*}}/{program_name}" "$@"\n'
    return {f"{stem}.data/scripts/hf-{targets.PROGRAM}": archive.program(script.encode())}


def pack(out, tag, built):
    stem, tags = f"{MODULE}-{project.version()}", platforms(tag)
    info = f"{stem}.dist-info"
    lines = ["Wheel-Version: 1.0", f"Generator: {project.NAME}", "Root-Is-Purelib: false",
             *(f"Tag: py3-none-{name}" for name in tags)]
    files = archive.entries({
        **module(), f"{MODULE}/_version.py": f'__version__ = "{project.version()}"\n'.encode(),
        f"{MODULE}/{built.library_name}": archive.program(built.library),
        **{f"{info}/licenses/{name}": data for name, data in project.licences().items()},
        f"{info}/METADATA": metadata(), f"{info}/WHEEL": ("\n".join(lines) + "\n").encode()})
    if built.program_name:
        files[f"{stem}.data/scripts/{built.program_name}"] = archive.program(built.program)
        files.update(archive.entries(hub_extension(stem, built.program_name)))
    files[f"{info}/RECORD"] = f"{record(files)}{info}/RECORD,,\n".encode()
    return archive.zip_(os.path.join(out, f"{stem}-py3-none-{'.'.join(tags)}.whl"), files)


def make(out, builds):
    return [pack(out, built.target.wheel, built) for built in builds if built.target.wheel]
