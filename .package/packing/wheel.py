"""The wheels for pip: the Python module, with the library in it, and the program as a script, which installers put on
the path and no Python starts."""

import base64
import hashlib
import os

from . import archive, project

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


def hub_extension(program_name):
    """The program under the name by which Hugging Face's command line finds an extension; not the program once more, which
    is most of a wheel."""
    if program_name.endswith(".exe"):
        return {"hf-safetensors-sql.cmd": f'@"%~dp0{program_name}" %*\r\n'.encode()}
    return {"hf-safetensors-sql": f'#!/bin/sh\nexec "${{0%/*}}/{program_name}" "$@"\n'.encode()}


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
        scripts = {built.program_name: built.program, **hub_extension(built.program_name)}
        files.update((f"{stem}.data/scripts/{name}", archive.program(data)) for name, data in scripts.items())
    files[f"{info}/RECORD"] = f"{record(files)}{info}/RECORD,,\n".encode()
    return archive.zip_(os.path.join(out, f"{stem}-py3-none-{'.'.join(tags)}.whl"), files)


def make(out, builds):
    return [pack(out, built.target.wheel, built) for built in builds if built.target.wheel]
