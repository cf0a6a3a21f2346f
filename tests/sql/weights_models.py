"""safetensors_weights over models that the tools themselves wrote: counts and shapes against what the unquantised
modules have, each tensor in exactly one row, and damage: each part of a packed weight removed, resized and retyped in
turn, of which the status tells and no other row.

MODELS is a directory of them, each with ORACLE.json and, beside it, what the tool dequantises to."""

import glob
import json
import os
import shutil
import struct
import tempfile

import making
from tally import Tally, connect

MODELS = os.environ.get("MODELS", "../shared/models")
QUANTISED = sorted(os.path.dirname(path) for path in glob.glob(f"{MODELS}/quant/*/ORACLE.json"))
tally = Tally()
db = connect()
ROOT = tempfile.mkdtemp(prefix="weights.")

# By config.json's quant_method, or the beginning of the directory's name where there is none.
SCHEMES = {"awq": {"awq"}, "gptq": {"gptq"}, "fp8": {"fp8"}, "mxfp4": {"mxfp4"}, "torchao": {"torchao"},
           "bitsandbytes": {"bnb-nf4", "bnb-fp4", "bnb-int8"}, "hqq": {"hqq"}, "quanto": {"quanto"}, "mlx": {"mlx"},
           "compressed-tensors": {"fp8", "int8", "int4", "int3", "int2", "int8-group", "mxfp4", "mxfp8", "nvfp4"}}

# Tensors that HQQ writes and that say nothing about how to unpack the weight.
SAYS_NOTHING = {"channel_wise", "compute_dtype", "encoded_state_dict", "offload_meta", "optimize", "quant_scale",
                "quant_zero", "round_zero", "stores_quant_config", "unpack_view_dtype", "view_as_float"}
DTYPES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "BF16": 2, "F16": 2, "I32": 4, "U32": 4, "F32": 4, "I64": 8}


def rows(path):
    return db.execute("SELECT name, scheme, dtype, shape, numel, nbytes, status, role, parts, ref, bits "
                      "FROM safetensors_weights(?)", [path]).fetchall()


def config(directory):
    try:
        with open(f"{directory}/config.json", encoding="utf-8") as file:
            return json.load(file)
    except OSError:
        return {}


def oracle(directory):
    with open(f"{directory}/ORACLE.json", encoding="utf-8") as file:
        return json.load(file)


def read(path):
    """The entries of a file, with their bytes, and its metadata."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata = header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
            for name, entry in header.items()}, metadata


def write(path, entries, metadata):
    """A new file, not another state of one that was read a moment ago."""
    if os.path.exists(path):
        os.remove(path)
    making.file(path, entries, metadata)


def test_counts():
    """The sum of the weights is what the unquantised model counts."""
    for path in sorted(glob.glob(f"{MODELS}/*/*/ORACLE.json")):
        directory, expected = os.path.dirname(path), oracle(os.path.dirname(path))
        count = expected.get("num_parameters_unquantised", expected.get("num_parameters"))
        if not isinstance(count, int) or not glob.glob(f"{directory}/*.safetensors"):
            continue
        if any("/" in file for file in expected.get("files", {})):
            continue  # the parts of a pipeline, each in a directory of its own
        found, = db.execute("SELECT sum(numel) FROM safetensors_weights(?) WHERE role = 'weight'", [directory]).fetchone()
        tally.equal(found, count, f"{directory}: parameters")


def test_rows():
    """Schemes, shapes, and that each tensor is in one row."""
    for directory in QUANTISED:
        found = rows(directory)
        tensors = dict(db.execute("SELECT name, nbytes FROM safetensors_tensors(?)", [directory]))
        packed = [row for row in found if row[1] != "none"]
        seen = [name for row in found for name in (json.loads(row[8]).values() if row[8] else [row[0]])]
        tally.equal(sorted(seen), sorted(tensors), f"{directory}: each tensor once")
        tally.equal(sum(row[5] for row in found), sum(tensors.values()), f"{directory}: bytes")
        tally.equal({row[6] for row in found}, {"ok"}, f"{directory}: status")
        quantization = config(directory).get("quantization_config") or {}
        method = quantization.get("quant_method") or os.path.basename(directory).split("-")[0]
        if "base" not in directory:
            tally.check(packed and {row[1] for row in packed} <= SCHEMES[method], f"{directory}: schemes",
                        {row[1] for row in packed})
        for result in glob.glob(f"{directory}/oracle/*.safetensors"):
            shapes = {row[0]: row[3] for row in found}
            for name, shape in db.execute("SELECT name, shape FROM safetensors_tensors(?)", [result]):
                tally.equal(shapes.get(name), shape, f"{directory}: shape of {name}")
        for row in found:
            again = db.execute("SELECT shape, ref, rowid FROM safetensors_weights(?) WHERE name = ?",
                               [directory, row[0]]).fetchall()
            tally.equal([line[:2] for line in again], [(row[3], row[9])], f"{directory}: lookup of {row[0]}")


def damaged(entries, part, kind):
    """The entries with one damaged; None where this kind of damage changes nothing."""
    entries = dict(entries)
    dtype, shape, data = entries.pop(part)
    if kind == "removed":
        return entries
    if kind == "resized":
        if not shape:
            entries[part] = (dtype, [2], data * 2)
        else:
            each = len(data) // shape[0]
            entries[part] = (dtype, [shape[0] + 1, *shape[1:]], data + data[:each])
        return entries
    other = {"BOOL": "F32", "U8": "F32", "I8": "F32", "F8_E4M3": "F32"}.get(dtype, "U8")
    entries[part] = (other, shape, bytes(len(data) // DTYPES[dtype] * DTYPES[other]))
    return entries


def check_damage(directory, entries, metadata, name, parts, kind, sound):
    part_names = set(parts.values())
    for role, part in parts.items():
        word = part.rsplit(".", 1)[-1]
        path = f"{ROOT}/model.safetensors"
        write(path, damaged(entries, part, kind), metadata)
        what = f"{directory}: {part} {kind}"
        found = rows(path)
        others = [row for row in found if row[0] not in part_names and row[0] != name]
        expected = [row for row in sound if row[0] != name]
        tally.equal([(row[:9], row[10]) for row in others], [(row[:9], row[10]) for row in expected],
                    f"{what}: other rows")
        own = [row for row in found if row[0] in part_names or row[0] == name]
        status = "; ".join(row[6] for row in own)
        if word in SAYS_NOTHING and kind != "removed":
            continue
        if role == "weight" and kind == "resized" and len(parts) == 2 and entries[parts.get("scale", part)][1] in ([], [1]):
            continue  # one scale serves any number of rows
        tally.check(any(row[6] != "ok" for row in own), f"{what}: status", own)
        told = (word, role, word.split("__")[0].rsplit("_", 1)[-1], "quant_state")
        tally.check(any(text in status for text in told), f"{what}: names it", status)
        if kind == "removed" and word not in SAYS_NOTHING:
            tally.equal([row for row in own if row[9] is not None and row[9].startswith("{")], [],
                        f"{what}: nothing to unpack")


def test_damage():
    for directory in QUANTISED:
        for path in glob.glob(f"{ROOT}/*"):
            os.remove(path)
        for path in glob.glob(f"{directory}/*.json"):
            if not path.endswith(("ORACLE.json", ".index.json")):
                shutil.copy(path, ROOT)
        entries, metadata = read(f"{directory}/model.safetensors")
        write(f"{ROOT}/model.safetensors", entries, metadata)
        sound = rows(f"{ROOT}/model.safetensors")
        schemes = {}
        for row in sound:
            if row[8] is not None:
                schemes.setdefault((row[1], tuple(json.loads(row[8]))), row)
        for row in schemes.values():
            for kind in ("removed", "resized", "retyped"):
                check_damage(directory, entries, metadata, row[0], json.loads(row[8]), kind, sound)


if not QUANTISED:
    print(f"skipped: models of quantising tools, as there are none in {MODELS}")
tally.run(globals(), ROOT)
