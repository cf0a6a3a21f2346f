"""Makes checkpoints for the test scripts, without the extension: files, and models with an index."""

import json
import os
import struct


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


def model(folder, shards, name="model"):
    """An index in `folder`, and its shards: a mapping of their names to tensors, as file() takes them."""
    for shard, tensors in shards.items():
        file(os.path.join(folder, shard), tensors)
    return index(os.path.join(folder, f"{name}.safetensors.index.json"),
                 {tensor: shard for shard, tensors in shards.items() for tensor in tensors})


def tensors_of(path):
    """What a file has, as file() takes it."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])]) for name, entry in header.items()}
