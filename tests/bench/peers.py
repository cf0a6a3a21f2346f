"""The extension beside other programs, PEERS=1: plain loops in C, PyTorch, NumPy, xxHash, the crate in Rust,
safetensors in Python, DuckDB. `make bench PEERS=1` installs what it can in BUILD/peers; a peer that is not there is skipped.
Each part is a subject, too: `make bench PEERS=1 ONLY=peers_headers`.

Everything runs on one thread: the loops, the extension (PRAGMA threads is 0), PyTorch, NumPy, DuckDB."""

import importlib.metadata
import os

import peers_casting
import peers_headers
import peers_nearest
import peers_values
from peers_report import NOTE, VERDICTS

PACKAGES = ("torch", "numpy", "safetensors", "duckdb", "xxhash")


def version(package):
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {package}"


def run():
    if not os.environ.get("PEERS"):
        print("\nother programs: not asked for (PEERS=1)")
        return
    print(f"\nother programs, each on one thread: {', '.join(map(version, PACKAGES))}\n\n{NOTE}")
    for part in (peers_values, peers_casting, peers_nearest, peers_headers):
        part.run()
    print(f"\ngoals: {sum(VERDICTS)} of {len(VERDICTS)} met" if VERDICTS else "\ngoals: not judged in a short run")
