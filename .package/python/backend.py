#!/usr/bin/env python3
"""Builds the wheel and the source package: a PEP 517 backend that needs Python and a C compiler, and no other package.

    backend.py OUT_DIR

builds the source package. This is in the project's .package/python, where make and .package/fetch gather the C sources,
or there in a source package, which has them in src. $CC compiles them, or cc, with $CFLAGS.
"""

import concurrent.futures
import dataclasses
import os
import platform
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(PROJECT, ".package"))
from packing import sdist, targets, wheel  # noqa: E402

SUFFIXES = {"win32": (".dll", ".exe"), "darwin": (".dylib", "")}  # of a library and a program
LINK = {"linux": ["-s", "-Wl,-z,relro,-z,now"]}


def run(*command):
    try:  # what make and the compiler print belongs where errors do
        status = subprocess.run(command, stdout=sys.stderr.fileno(), check=False).returncode
    except FileNotFoundError:
        raise SystemExit(f"{command[0]}: not found; this package is compiled by $CC, or cc") from None
    if status != 0:
        raise SystemExit(f"failed: {shlex.join(command)}")


def directories():
    """Where the C sources are."""
    inside = os.path.join(PROJECT, "src")
    if os.path.isdir(inside):
        return [inside]
    build = os.environ["BUILD"] = os.path.join(PROJECT, os.environ.get("BUILD") or "build")
    run("make", "--no-print-directory", "-s", "-C", PROJECT, "amalgamation", f"BUILD={build}")
    run(sys.executable, os.path.join(PROJECT, ".package", "fetch"), "sqlite")
    return [os.path.join(build, "amalgamation"), os.path.join(build, "fetched", "sqlite"),
            os.path.join(PROJECT, ".package")]


def compile_here(sources, directory):
    """Makes the library and the program for this machine."""
    library, program = (os.path.join(directory, name + suffix) for name, suffix in
                        zip(("safetensors", targets.PROGRAM), SUFFIXES.get(sys.platform, (".so", ""))))
    cc = [*shlex.split(os.environ.get("CC") or "cc"), *shlex.split(os.environ.get("CFLAGS") or "-O2"), "-w", "-fPIC",
          *(f"-I{place}" for place in sources.directories)]
    link, files = LINK.get(sys.platform, []), sources.program()
    libraries = files.pop("link") if sys.platform != "win32" else files.pop("link")[:0]
    objects = {name: os.path.join(directory, f"{name}.o") for name in files}
    commands = [[*cc, *flags, "-c", sources.path(name), "-o", objects[name]] for name, flags in files.items()]
    commands.append([*cc, "-std=c11", "-ffp-contract=off", "-fvisibility=hidden", "-shared", *link,
                     sources.path("safetensors.c"), "-o", library, *libraries])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda command: run(*command), commands))
    run(*cc, *link, *objects.values(), "-o", program, *libraries)


def target_here():
    """The kind of machine that the compiler makes files for, as packages see it."""
    if sys.platform == "darwin":  # where Python itself may be for several kinds of machine, and for older systems
        major, minor = platform.mac_ver()[0].split(".")[:2]
        name = f"macosx_{major}_{minor if major == '10' else 0}_{platform.machine()}"
    else:
        name = re.sub("[-.]", "_", sysconfig.get_platform())
    nothing = {field.name: None for field in dataclasses.fields(targets.Target)}
    library, program = SUFFIXES.get(sys.platform, (".so", ""))
    return targets.Target(**{**nothing, "library_suffix": library, "program_suffix": program, "wheel": name})


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with tempfile.TemporaryDirectory() as directory:
        compile_here(sdist.Sources(directories()), directory)
        return os.path.basename(*wheel.make(wheel_directory, [targets.Built(target_here(), directory)]))


def build_sdist(sdist_directory, config_settings=None):
    return os.path.basename(sdist.make(sdist_directory, directories()))


if __name__ == "__main__":
    print(sdist.make(sys.argv[1], directories()))
