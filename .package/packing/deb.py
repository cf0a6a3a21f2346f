"""The Debian package of one architecture: the library where SQLite looks for it, the program and its manual page, the
header, the scripts and the documents. DEBFULLNAME and DEBEMAIL name the maintainer."""

import glob
import gzip
import hashlib
import os
import re
import subprocess
import tempfile
import time

from . import archive, manual, project

MULTIARCH = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu", "armhf": "arm-linux-gnueabihf",
             "riscv64": "riscv64-linux-gnu"}
DOC = f"usr/share/doc/{project.NAME}"
DOCUMENTS = ("README.md", "sql/README.md", "ext/docs/*.md", "tests/bench/README.md")
OVERRIDES = """\
# A plugin, which nothing links to; its place is where `.load safetensors` looks.
{name}: sharedobject-in-library-directory-missing-soname [usr/lib/*/safetensors.so]
"""


def maintainer():
    return f"{os.environ.get('DEBFULLNAME', project.NAME)} <{os.environ.get('DEBEMAIL', 'packages@example.org')}>"


def changelog():
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(project.date()))
    return (f"{project.NAME} ({project.version()}) unstable; urgency=medium\n\n"
            f"  * See NEWS.\n\n -- {maintainer()}  {date}\n").encode()


def compress(data):
    return gzip.compress(data, 9, mtime=0)


def glibc(directory):
    """The newest version of a symbol of glibc that the files in a directory need."""
    needed = subprocess.run(["readelf", "-V", "--wide", *glob.glob(f"{directory}/*")], capture_output=True, text=True,
                            check=True).stdout
    return max(re.findall(r"GLIBC_(\d+(?:\.\d+)+)", needed), key=lambda version: [*map(int, version.split("."))])


def files(built):
    """Everything that is installed, by its path."""
    found = {f"usr/lib/{MULTIARCH[built.target.deb]}/safetensors.so": built.library,
             "usr/include/safetensors.h": project.read("ext", "safetensors.h"),
             f"{DOC}/copyright": project.read(".package", "copyright"),
             f"{DOC}/changelog.gz": compress(changelog()),
             f"{DOC}/NEWS.gz": compress(project.read(".package", "CHANGELOG.md")),
             f"usr/share/lintian/overrides/{project.NAME}": OVERRIDES.format(name=project.NAME).encode()}
    if built.program_name:
        found["usr/bin/safetensors-sql"] = archive.program(built.program)
        found["usr/share/man/man1/safetensors-sql.1.gz"] = compress(manual.page())
    for path in sorted(glob.glob(f"{project.ROOT}/sql/**/*.sql", recursive=True)):
        name = os.path.relpath(path, project.ROOT)
        found[f"usr/share/{project.NAME}/{name}"] = project.read(name)
    for pattern in DOCUMENTS:
        for path in glob.glob(os.path.join(project.ROOT, pattern)):
            name = os.path.relpath(path, project.ROOT)
            found[f"{DOC}/{name}.gz"] = compress(project.read(name))
    return archive.entries(found)


def lay_out(root, found, built):
    """Writes the tree that dpkg-deb packs."""
    for name, entry in found.items():
        archive.write(os.path.join(root, name), entry.data)
        os.chmod(os.path.join(root, name), entry.mode)
    sums = "".join(f"{hashlib.md5(entry.data).hexdigest()}  {name}\n" for name, entry in found.items())
    control = project.fill(project.read(".package", "deb", "control").decode(), {
        "NAME": project.NAME, "VERSION": project.version(), "ARCHITECTURE": built.target.deb,
        "MAINTAINER": maintainer(), "GLIBC": glibc(built.directory),
        "SIZE": sum(len(entry.data) + 1023 >> 10 for entry in found.values())})
    archive.write(os.path.join(root, "DEBIAN/control"), control.encode())
    archive.write(os.path.join(root, "DEBIAN/md5sums"), sums.encode())
    for folder, folders, _ in os.walk(root):
        os.chmod(folder, 0o755)


def pack(out, built):
    path = os.path.join(out, f"{project.NAME}_{project.version()}_{built.target.deb}.deb")
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        lay_out(root, files(built), built)
        # It gives files that are newer than this the same date.
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, path], check=True,
                       stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(project.date())})
    return path


def make(out, builds):
    return [pack(out, built) for built in builds if built.target.deb]
