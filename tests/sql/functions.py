"""No function writes a file: every function that the extension registers is listed here with what it does, and
whatever it is given, called by itself and as an aggregate over rows, no file is made or changed."""

import itertools
import os
import sqlite3
import tempfile

import making
from tally import Tally, connect

tally = Tally()

# Reviewed: what each function does. A new one belongs here once somebody has looked at what it does.
COMPUTES = {"tensor_ref", "safetensors_pretty", "safetensors_label", "safetensors_html", "safetensors_page", "safetensors_wrap", "safetensors_common", "safetensors_refuse", "safetensors_version"}
PRINTS = {"safetensors_print", "safetensors_parameters"}  # read tables of the temp schema
BUILDS = {f"tensor_{name}" for name in (
    "add sub mul div minimum maximum greater greater_equal less less_equal equals isnan where neg abs sign sqrt exp log norm total lerp "
    "slerp matmul transpose reshape slice take concat convert full random dequantize delta").split()} | {"tensors_sum", "tensors_average", "tensors_stack"}
READS = {"tensor_dtype", "tensor_shape", "tensor_numel", "tensor_nbytes", "tensor_data", "tensor_json", "tensor_item", "tensor_cast",
         "tensor_hash", "tensor_sha256", "tensor_quantile", "tensor_sparkline", "tensor_equal", "tensor_allclose", "tensor_cosine", "tensor_max_abs_diff",
         "safetensors_serialize", "safetensors_digest"}
SETS = {"safetensors_config"}
REFUSE = {"safetensors_write", "safetensors_write_sharded"}  # were aggregates that wrote: a sentence says what took their place


def functions(db):
    return {(name, narg) for name, narg in db.execute(
        "SELECT name, narg FROM pragma_function_list WHERE name LIKE 'safetensors%' OR name LIKE 'tensor\\_%' ESCAPE '\\' OR "
        "name LIKE 'tensors\\_%' ESCAPE '\\'")}


def state(directory):
    """Every file with its bytes and its time of change."""
    found = {}
    for where, directories, names in os.walk(directory):
        for name in directories + names:
            path = os.path.join(where, name)
            status = os.lstat(path)
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
    return found


def values(directory):
    source = making.file(f"{directory}/source.safetensors", {"a": b"1234", "b": ("F32", [2], bytes(8))})
    return [f"{directory}/new.safetensors", f"{directory}/new.safetensors.index.json", source, f"{source}#a", "x", "U8", "[4]", b"1234",
            10, '{"k":"v"}', None]


with tempfile.TemporaryDirectory(prefix="functions.") as root:
    db = connect()
    names = functions(db)
    tally.equal({name for name, _ in names}, COMPUTES | PRINTS | BUILDS | READS | SETS | {name for name, _ in names if name in REFUSE},
                "every function has been reviewed")
    arguments = values(root)
    before = state(root)
    usual = [arguments[0], "x", "U8", "[4]", b"1234", '{"k":"v"}', "y"]
    sharded = [arguments[1], 10] + usual[1:]
    called = 0
    for name, narg in sorted(names):
        if name in SETS:
            continue  # its settings would change what the others do
        for count in [narg] if narg >= 0 else range(5):
            lists = [usual[:count], sharded[:count], [arguments[2]] + usual[1:count]]
            if count <= 2:
                lists += map(list, itertools.product(arguments, repeat=count))
            for given in lists:
                marks = ", ".join("?" * len(given))
                for rows in ("", " FROM (VALUES (1), (2))"):
                    called += 1
                    try:
                        db.execute(f"SELECT {name}({marks}){rows}", given).fetchall()
                    except sqlite3.Error:
                        pass
        tally.equal(state(root), before, f"what {name} with {narg} arguments leaves in the directory")
    tally.check(called > 500, "functions were called", called)
    for name, narg in sorted(names):
        if name not in REFUSE:
            continue
        count = narg if narg >= 0 else 5
        try:
            tally.check(False, f"{name} writes nothing any more", db.execute(f"SELECT {name}({', '.join('?' * count)})", usual[:count]).fetchall())
        except sqlite3.Error as error:
            tally.check("INSERT INTO safetensors_write" in str(error), f"{name} says what took its place", error)
    tally.equal(state(root), before, "the directory at the end")
tally.finish()
