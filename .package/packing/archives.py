"""An archive for each machine, for people who want files and no package manager: the library, the program with its manual
page, the header, the scripts and the licences. And one of the one-file sources."""

import glob
import os

from . import archive, manual, project


def common():
    found = {**project.licences(), "safetensors.h": project.read("ext", "safetensors.h"),
             "README.md": project.read("README.md")}
    for path in glob.glob(f"{project.ROOT}/sql/**/*", recursive=True):
        name = os.path.relpath(path, project.ROOT)
        if name.endswith((".sql", ".md", ".sh", ".py")):
            found[name] = project.read(name)
    return found


def name_of(target):
    """The archive's name without the ending, which is also that of the directory in it."""
    return f"{project.NAME}-{project.version()}-{target.name}"


def file_of(target):
    return name_of(target) + (".zip" if target.npm_os == "win32" else ".tar.gz")


def pack(out, built):
    found = {**common(), built.library_name: archive.program(built.library)}
    if built.program_name:
        found[built.program_name] = archive.program(built.program)
        found["safetensors-sql.1"] = manual.page()
    write = archive.zip_ if file_of(built.target).endswith(".zip") else archive.tar_gz
    return write(os.path.join(out, file_of(built.target)),
                 {f"{name_of(built.target)}/{name}": data for name, data in found.items()})


def pack_sources(out, sources):
    """`sources`: the directory of `make amalgamation`."""
    name = f"{project.NAME}-amalgamation-{project.version()}"
    found = project.licences()
    for file in ("safetensors.c", "safetensors.h"):
        with open(os.path.join(sources, file), "rb") as source:
            found[file] = source.read()
    return archive.zip_(os.path.join(out, f"{name}.zip"), {f"{name}/{file}": data for file, data in found.items()})


def make(out, builds):
    return [pack(out, built) for built in builds]
