"""The reference implementation, PyPI's safetensors, reads what the extension writes and the extension what it
writes: the same names, dtypes, shapes, bytes and metadata, and the same file to the byte.

Suite: interop
"""

import ctypes
import json
import os
import random
import struct
import tempfile

import making
import reader
from tally import Tally, connect

try:
    import numpy
    from safetensors import TensorSpec, deserialize, safe_open, serialize
except ImportError:
    print("skipped: the reference implementation (safetensors and NumPy are not installed: make interop)")
    Tally().finish()

MODELS = 300
# What the reference calls a dtype where it writes; there is no way to have it write the two of 6 bits.
WRITES = {
    "BOOL": "bool", "F4": "float4_e2m1fn_x2", "U8": "uint8", "I8": "int8", "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu", "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz", "I16": "int16", "U16": "uint16", "F16": "float16", "BF16": "bfloat16",
    "I32": "int32", "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64",
    "U64": "uint64",
}
NAMES = ["", " ", "a", "a.b", "a b", 'q"b\\', "x/y", "../x", "é", "e\u0301", "😀", "\U0010ffff", "\x01", "\n", "\x7f",
         "\u2028", "__metadata", "dtype", "#?slice=:", "'", "n" * 5000]
METADATA = [None, {}, {"format": "pt"}, {"": ""}, {"a\n": 'b"\\', "é": "\0", "z": "😀", "y": "x" * 3000}]
SHAPES = [[], [0], [1], [8], [2, 4], [3, 0, 8], [0, 0], [1] * 20 + [8], [2, 1, 8]]
tally = Tally()
db = connect()
db.execute("CREATE TABLE tensor(name, dtype, shape, data)")


def take(model):
    db.execute("DELETE FROM tensor")
    db.executemany("INSERT INTO tensor VALUES (?, ?, ?, ?)",
                   [(name, dtype, json.dumps(shape), data) for name, (dtype, shape, data) in model.items()])


def text_of(metadata):
    return None if metadata is None else json.dumps(metadata)


def ours(model, metadata):
    """The file that the extension makes."""
    take(model)
    return db.execute("SELECT safetensors_serialize(name, dtype, shape, data, ?) FROM tensor", [text_of(metadata)]).fetchone()[0]


def theirs(model, metadata):
    """The file that the reference makes. For its packed dtype a shape has half of the last dimension."""
    kept, specs = [], {}
    for name, (dtype, shape, data) in model.items():
        kept.append(ctypes.create_string_buffer(data, len(data)))
        shape = [*shape[:-1], shape[-1] // 2] if dtype == "F4" else shape
        specs[name] = TensorSpec(dtype=WRITES[dtype], shape=shape, data_ptr=ctypes.addressof(kept[-1]), data_len=len(data))
    return bytes(serialize(specs, metadata))


def as_read_by_reference(data):
    return {name: (tensor["dtype"], tensor["shape"], bytes(tensor["data"])) for name, tensor in deserialize(data)}


def as_read_by_us(path_or_bytes):
    rows = db.execute("SELECT name, dtype, shape, data FROM safetensors_tensors(?)", [path_or_bytes])
    return {name: (dtype, json.loads(shape), data) for name, dtype, shape, data in rows}


def metadata_of(path):
    """As both read it."""
    with safe_open(path, "numpy") as file:
        reference = file.metadata()
    return reference, dict(db.execute("SELECT key, value FROM safetensors_metadata(?)", [path]).fetchall())


def header_of(data):
    return json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])


def check(directory, model, metadata, what):
    """Either writes the model, and either reads what the other wrote."""
    data = ours(model, metadata)
    tally.equal(as_read_by_reference(data), model, f"{what}: the reference reads what we write")
    path = making.file(f"{directory}/ours.safetensors", {})
    db.execute("INSERT INTO safetensors_write(path, name, dtype, shape, data, metadata, mode) "
               "SELECT ?, name, dtype, shape, data, ?, 'replace' FROM tensor "
               "UNION ALL SELECT ?1, NULL, NULL, NULL, NULL, NULL, NULL", [path, text_of(metadata)])
    db.commit()
    with open(path, "rb") as file:
        tally.check(file.read() == data, f"{what}: the same in a file")
    tally.equal(metadata_of(path)[0], metadata or None, f"{what}: the reference reads our metadata")
    if not all(dtype in WRITES for dtype, _, _ in model.values()):
        return
    written = theirs(model, metadata)
    with open(path, "wb") as file:
        file.write(written)
    tally.equal(as_read_by_us(path), model, f"{what}: we read what the reference writes")
    tally.equal(metadata_of(path), (metadata, metadata or {}), f"{what}: we read the reference's metadata")
    findings = db.execute("SELECT code FROM safetensors_check(?) WHERE severity = 'error'", [path]).fetchall()
    tally.equal(findings, [], f"{what}: safetensors_check of what the reference writes")
    # The reference writes metadata in an order of its own, which differs from run to run; no metadata is {} to it.
    metadata = header_of(written).get("__metadata__")
    if metadata != {}:
        tally.check(ours(model, metadata) == written, f"{what}: the same bytes", ours(model, metadata)[:2000], written[:2000])


def check_dtypes(directory):
    chance = random.Random(1)
    for dtype, bits in reader.BITS.items():
        model = {}
        for i, shape in enumerate(SHAPES):
            count = int(numpy.prod(shape))
            if count * bits % 8 == 0:
                model[f"t{i}"] = (dtype, shape, chance.randbytes(count * bits // 8))
        check(directory, model, None, dtype)


def check_no_tensors():
    """A row without a name and data adds no tensor."""
    data = db.execute("SELECT safetensors_serialize(NULL, NULL, NULL, NULL, NULL)").fetchone()[0]
    tally.equal(deserialize(data), [], "no tensors, read by the reference")
    tally.equal(data, theirs({}, None), "no tensors, the same bytes")


def check_models(directory):
    chance = random.Random(2)
    for number in range(MODELS):
        # Every other one of what the reference writes, too.
        dtypes = list(WRITES if number % 2 else reader.BITS)
        check(directory, making.random_model(chance, dtypes, most=20), chance.choice(METADATA), f"model {number}")


def check_shards(directory):
    """A model in shards: each tensor in the shard that the index says, as the reference reads that."""
    chance = random.Random(3)
    for number in range(20):
        model = making.random_model(chance, list(reader.BITS))
        path = f"{directory}/sharded/{number}/model.safetensors.index.json"
        os.makedirs(os.path.dirname(path))
        take(model)
        db.execute("INSERT INTO safetensors_write(path, max_shard_bytes, name, dtype, shape, data, metadata) "
                   "SELECT ?, ?, name, dtype, shape, data, ? FROM tensor",
                   [path, chance.choice([1, 100, 1000, 10**9]), '{"format":"pt"}'])
        db.commit()
        with open(path, encoding="utf-8") as file:
            index = json.load(file)
        found = {}
        for shard in set(index["weight_map"].values()):
            shard_path = os.path.join(os.path.dirname(path), shard)
            with open(shard_path, "rb") as file:
                tensors = as_read_by_reference(file.read())
            tally.equal({name for name, place in index["weight_map"].items() if place == shard}, set(tensors), f"shard {shard}")
            tally.equal(metadata_of(shard_path)[0], {"format": "pt"}, f"metadata of shard {shard}")
            found.update(tensors)
        tally.equal(found, model, "a model in shards")
        tally.equal(index["metadata"]["total_size"], sum(len(data) for _, _, data in model.values()), "total_size")
        tally.equal(as_read_by_us(os.path.dirname(path)), model, "a model in shards, read again")


def check_slices(directory):
    """Parts of a tensor: get_slice() of the reference and the extension's slices."""
    array = numpy.arange(7 * 5 * 3, dtype=numpy.float32).reshape(7, 5, 3)
    path = making.file(f"{directory}/slices.safetensors", {"t": ("F32", [7, 5, 3], array.tobytes())})
    with safe_open(path, "numpy") as file:
        part = file.get_slice("t")
        for text, wanted in [("2", part[2]), ("1:5", part[1:5]), (":,2:", part[:, 2:]), ("3:,1:4,:2", part[3:, 1:4, :2]),
                             (":,1", part[:, 1]), ("0:0", part[0:0])]:
            got = db.execute("SELECT tensor_data(tensor_ref(?, 't', ?))", [path, text]).fetchone()[0]
            tally.equal(got, wanted.tobytes(), f"slice {text}")


with tempfile.TemporaryDirectory() as root:
    check_dtypes(root)
    check(root, {name: ("U8", [2], name.encode()[:2].ljust(2)) for name in NAMES}, {"format": "pt"}, "odd names")
    for data_of in METADATA:
        check(root, {"t": ("F32", [], b"\0\0\x80?")}, data_of, f"metadata {str(data_of)[:60]}")
    check_no_tensors()
    check_models(root)
    check_shards(root)
    check_slices(root)
tally.finish()
