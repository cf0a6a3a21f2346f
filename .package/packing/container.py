"""What a container is built in: the Containerfile, and the static programs by the names that containers give to
architectures."""

import os

from . import archive, project

ARCHITECTURES = {"x64": "amd64", "arm64": "arm64"}


def make(out, builds):
    name = f"{project.NAME}-container-{project.version()}"
    found = {**project.licences(), "Containerfile": project.read(".package", "container", "Containerfile")}
    for built in builds:
        if built.target.npm_libc == "musl" and built.program_name:
            found[f"{ARCHITECTURES[built.target.npm_cpu]}/{built.program_name}"] = archive.program(built.program)
    return [archive.tar_gz(os.path.join(out, f"{name}.tar.gz"),
                           {f"{name}/{file}": data for file, data in found.items()})]
