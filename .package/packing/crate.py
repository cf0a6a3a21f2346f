"""The crate for Cargo, whose build script compiles the one-file sources; DIRECTORY is that of `make amalgamation`.

It has SQLite's headers, and no SQLite: that is rusqlite's, or the system's."""

import os
import shutil
import subprocess
import tempfile

from . import archive, project

SQLITE_HEADERS = ("sqlite3.h", "sqlite3ext.h")


def files(sources, headers):
    """All files of the crate, by their paths in it."""
    found = dict(project.licences())
    template = os.path.join(project.ROOT, ".package", "crate")
    for folder, _, names in os.walk(template):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), template)
            text = project.read(".package", "crate", path).decode()
            found[path] = project.fill(text, {"VERSION": project.version()}).encode()
    for directory, names in ((sources, ("safetensors.c", "safetensors.h")), (headers, SQLITE_HEADERS)):
        for name in names:
            with open(os.path.join(directory, name), "rb") as file:
                found[f"source/{name}"] = file.read()
    return found


def pack(out, found):
    """Cargo makes the archive, in a directory where it finds no repository that it would describe."""
    name = f"{project.NAME}-{project.version()}.crate"
    if not shutil.which("cargo"):
        raise SystemExit("the crate is packed by cargo, 1.85 or newer, which is not installed")
    with tempfile.TemporaryDirectory() as root:
        for path, data in found.items():
            archive.write(os.path.join(root, "crate", path), data)
        command = ["cargo", "package", "--quiet", "--no-verify", "--allow-dirty", "--locked",
                   "--target-dir", os.path.join(root, "target")]
        crate = os.path.join(root, "crate")
        if subprocess.run(command, cwd=crate, capture_output=True, check=False).returncode != 0:
            # Without the registry, what is in Cargo's cache will do.
            subprocess.run([*command, "--offline"], cwd=crate, check=True)
        os.makedirs(out, exist_ok=True)
        shutil.copy(os.path.join(root, "target", "package", name), os.path.join(out, name))
    return os.path.join(out, name)


def make(out, sources, headers):
    return [pack(out, files(sources, headers))]
