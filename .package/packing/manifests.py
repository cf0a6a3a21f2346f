"""The formula for Homebrew and the manifest for winget, which name the archives of this release and their digests; and the
package by which Hugging Face's command line finds the wheel.

REPOSITORY is the address of the project, below which its releases are, as on GitHub."""

import hashlib
import os

from . import archive, archives, project

SYSTEMS = {"darwin": "MACOS", "win32": "WINDOWS", "linux": "LINUX"}
IDENTIFIER = "SqliteSafetensors.SqliteSafetensors"
WINGET = {"version.yaml": f"{IDENTIFIER}.yaml", "installer.yaml": f"{IDENTIFIER}.installer.yaml",
          "locale.en-US.yaml": f"{IDENTIFIER}.locale.en-US.yaml"}


def values(out, builds):
    repository = os.environ.get("REPOSITORY") or "https://example.org/sqlite-safetensors"
    found = {"REPOSITORY": repository, "VERSION": project.version(), "PUBLISHER_ID": IDENTIFIER.split(".", maxsplit=1)[0],
             "DOWNLOADS": f"{repository}/releases/download/v{project.version()}"}
    for built in builds:
        target = built.target
        if target.npm_os not in SYSTEMS or target.npm_libc == "musl":
            continue
        machine = f"{SYSTEMS[target.npm_os]}_{target.npm_cpu.upper()}"
        with open(os.path.join(out, archives.file_of(target)), "rb") as file:
            found[f"SHA256_{machine}"] = hashlib.sha256(file.read()).hexdigest()
        found[f"FILE_{machine}"] = archives.file_of(target)
        found[f"DIRECTORY_{machine}"] = archives.name_of(target)
    return found


def make(out, builds):
    """After the archives, which it reads in `out`."""
    known = values(out, builds)

    def fill(*path):
        return project.fill(project.read(".package", *path).decode(), known).encode()

    formula = archive.write(os.path.join(out, "homebrew", "sqlite-safetensors.rb"), fill("homebrew", "sqlite-safetensors.rb"))
    extension = archive.write(os.path.join(out, "hf", "pyproject.toml"), fill("hf", "pyproject.toml"))
    return [formula, extension] + [archive.write(os.path.join(out, "winget", name), fill("winget", template))
                        for template, name in WINGET.items()]
