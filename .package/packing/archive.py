"""Archives whose bytes depend on what is in them alone: files in order, one date, no owner.

Files are given as a dictionary from a name to bytes, or to an Entry where a program is to be run."""

import gzip
import io
import os
import tarfile
import time
import zipfile
from dataclasses import dataclass

from . import project

EARLIEST_IN_ZIP = 315532800  # 1980


@dataclass
class Entry:
    data: bytes
    mode: int = 0o644


def program(data):
    return Entry(data, 0o755)


def entries(files):
    """All files as entries, in the order of their names."""
    return {name: files[name] if isinstance(files[name], Entry) else Entry(files[name]) for name in sorted(files)}


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


def tar_gz(path, files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, entry in entries(files).items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(entry.data), entry.mode, project.date()
            archive.addfile(info, io.BytesIO(entry.data))
    return write(path, gzip.compress(out.getvalue(), 9, mtime=0))


def zip_(path, files):
    date = time.gmtime(max(project.date(), EARLIEST_IN_ZIP))[:6]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, entry in entries(files).items():
            info = zipfile.ZipInfo(name, date)
            info.create_system = 3  # Unix, whose modes external_attr has
            info.external_attr = (0o100000 | entry.mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entry.data)
    return write(path, out.getvalue())
