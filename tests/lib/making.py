"""Makes checkpoints for the test scripts, without the extension: files, and models with an index."""

import json
import math
import os
import struct

import reader


def file(path, tensors, metadata=None):
    """`tensors` maps a name to bytes, which become U8 of one dimension, or to (dtype, shape, bytes)."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, value in tensors.items():
        dtype, shape, content = value if isinstance(value, tuple) else ("U8", [len(value)], value)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + data)
    return path


def index(path, weight_map, **metadata):
    """A model's index. `weight_map` maps a tensor's name to its shard's."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"metadata": metadata, "weight_map": weight_map}, out)
    return path


def model(directory, shards, name="model"):
    """An index in `directory`, and its shards: a mapping of their names to tensors, as file() takes them."""
    for shard, tensors in shards.items():
        file(os.path.join(directory, shard), tensors)
    values = [value for tensors in shards.values() for value in tensors.values()]
    return index(os.path.join(directory, f"{name}.safetensors.index.json"),
                 {tensor: shard for shard, tensors in shards.items() for tensor in tensors},
                 total_size=sum(len(value[2] if isinstance(value, tuple) else value) for value in values))


def tensors_of(path):
    """What a file has, as file() takes it."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])]) for name, entry in header.items()}


def random_model(chance, dtypes, most=60):
    """Tensors as file() takes them, of sizes that whole bytes hold."""
    model = {}
    for i in range(chance.randrange(1, most)):
        dtype = chance.choice(dtypes)
        shape = [chance.randrange(0, 9) for _ in range(chance.randrange(0, 4))]
        if reader.BITS[dtype] % 8:
            shape.append(chance.choice([0, 4, 8, 16]))
        name = chance.choice(["layer", "é", "Z", 'q"b\\', ""]) + f".{i}"
        model[name] = (dtype, shape, chance.randbytes(math.prod(shape) * reader.BITS[dtype] // 8))
    return model


def zeros(dtype, *shape):
    """A tensor of zeros, as file() takes it."""
    size = {"U8": 1, "I8": 1, "F8_E4M3": 1, "I16": 2, "F16": 2, "BF16": 2, "F32": 4, "I32": 4, "U32": 4}[dtype]
    for dimension in shape:
        size *= dimension
    return dtype, list(shape), bytes(size)
