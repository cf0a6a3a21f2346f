"""The packages for npm: a small one, and for each machine one with the library and the program, which npm installs with
the small one where it fits."""

import json
import os

from . import archive, project
from .targets import table

SCOPE = "@sqlite-safetensors"
FILES = ("index.cjs", "index.mjs", "index.d.cts", "index.d.mts", "README.md")


def manifest(name, description, **more):
    return (json.dumps({"name": name, "version": project.version(), "description": description,
                        "license": project.LICENCE, "keywords": ["sqlite", "sqlite-extension", "safetensors"], **more},
                       indent=2) + "\n").encode()


def pack(out, name, files):
    """npm's own name for the archive, and its one directory in it."""
    path = os.path.join(out, f"{name.lstrip('@').replace('/', '-')}-{project.version()}.tgz")
    return archive.tar_gz(path, {f"package/{file}": data for file, data in {**files, **project.licences()}.items()})


def pack_main(out):
    machines = sorted(target.npm for target in table().values() if target.npm_os)
    files = {file: project.read(".package", "npm", file) for file in FILES}
    files["program.cjs"] = archive.program(project.read(".package", "npm", "program.cjs"))
    files["package.json"] = manifest(
        project.NAME, project.SUMMARY,
        main="./index.cjs", module="./index.mjs", types="./index.d.cts",
        exports={".": {"import": {"types": "./index.d.mts", "default": "./index.mjs"},
                       "require": {"types": "./index.d.cts", "default": "./index.cjs"}},
                 "./package.json": "./package.json"},
        bin={"safetensors-sql": "./program.cjs"}, engines={"node": ">=16"},
        optionalDependencies={f"{SCOPE}/{machine}": project.version() for machine in machines})
    return pack(out, project.NAME, files)


def pack_machine(out, built):
    target = built.target
    name = f"{SCOPE}/{target.npm}"
    files = {built.library_name: archive.program(built.library)}
    if built.program_name:
        files[built.program_name] = archive.program(built.program)
    where = {"os": [target.npm_os], "cpu": [target.npm_cpu]}
    if target.npm_libc:
        where["libc"] = [target.npm_libc]
    files["package.json"] = manifest(name, f"The files of {project.NAME} for {target.npm}", **where)
    files["README.md"] = (f"The library and the program of [{project.NAME}](https://www.npmjs.com/package/"
                          f"{project.NAME}) for {target.npm}. Install that package.\n").encode()
    return pack(out, name, files)


def make(out, builds):
    return [pack_main(out)] + [pack_machine(out, built) for built in builds if built.target.npm_os]
