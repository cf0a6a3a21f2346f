"""Safetensors checkpoints as SQL tables, in SQLite.

    import sqlite_safetensors

    db = sqlite_safetensors.connect()
    db.execute("SELECT name, dtype, shape FROM safetensors_tensors(?)", ["model.safetensors"]).fetchall()

connect() opens a database with the extension, load() loads it into a connection that is open, and query() answers a
single question. tensor() and torch() give a tensor that SQL has found to NumPy and PyTorch. The tables and functions
are described in `SELECT name, signature, description FROM safetensors_help`.
"""

from ._arrays import tensor, torch
from ._loading import connect, load
from ._places import loadable_path, program_path
from ._query import query
from ._version import __version__

__all__ = ["__version__", "connect", "load", "loadable_path", "program_path", "query", "tensor", "torch"]
