"""Many files: adapters by a pattern, a model of many shards. The peer reads the same headers in
Python with json alone, as safetensors' users do who want names and shapes."""

import glob
import json
import os
import struct

from measure import DIRECTORY, Shell, heading, in_fresh_shell, row, scaled, take_turns

SHARDS, TENSORS = 163, 91991


def write(path, tensors):
    """A file of F16 tensors of 8 bytes each, which are a hole in the file."""
    header = json.dumps({name: {"dtype": "F16", "shape": [2, 2], "data_offsets": [8 * n, 8 * n + 8]}
                         for n, name in enumerate(tensors)}, separators=(",", ":")).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 8 * len(tensors))


def adapters(count):
    directory = os.path.join(DIRECTORY, f"adapters_{count}")
    if not os.path.exists(directory):
        os.makedirs(directory)
        names = [f"base_model.model.model.layers.{layer}.self_attn.{part}_proj.lora_{side}.weight"
                 for layer in range(32) for part in "qv" for side in "AB"]
        write(f"{directory}/0.safetensors", names)
        with open(f"{directory}/0.safetensors", "rb") as file:
            content = file.read()
        for n in range(1, count):
            with open(f"{directory}/{n}.safetensors", "wb") as file:
                file.write(content)
    return directory


def model():
    directory = os.path.join(DIRECTORY, "shards")
    if not os.path.exists(directory):
        os.makedirs(directory)
        weight_map = {}
        for shard in range(SHARDS):
            name = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
            count = TENSORS // SHARDS + (shard < TENSORS % SHARDS)
            names = [f"model.layers.{shard}.mlp.experts.{n}.down_proj.weight_scale_inv" for n in range(count)]
            write(f"{directory}/{name}", names)
            weight_map.update(dict.fromkeys(names, name))
        with open(f"{directory}/model.safetensors.index.json", "w", encoding="utf-8") as file:
            json.dump({"metadata": {}, "weight_map": weight_map}, file)
    return directory


def headers_in_python(pattern):
    tensors = 0
    for path in glob.glob(pattern):
        with open(path, "rb") as file:
            tensors += len(json.loads(file.read(struct.unpack("<Q", file.read(8))[0])))
    return tensors


def model_in_python(directory):
    with open(f"{directory}/model.safetensors.index.json", encoding="utf-8") as file:
        weight_map = json.load(file)["weight_map"]
    return len(weight_map), headers_in_python(f"{directory}/*.safetensors")


def run():
    heading("many files, headers never read before", "ours", "Python")
    for count in (scaled(1000), scaled(10000)):
        pattern = f"{adapters(count)}/*.safetensors"
        row(f"{count:,} adapters: tensors and bytes of each file",
            *take_turns(in_fresh_shell(f"SELECT count(*), sum(tensors), sum(nbytes) FROM safetensors_files('{pattern}')"),
                        lambda pattern=pattern: headers_in_python(pattern)))
    directory = model()
    row(f"{SHARDS} shards, {TENSORS:,} tensors: count(*), sum(nbytes)",
        *take_turns(in_fresh_shell(f"SELECT count(*), sum(nbytes) FROM safetensors_tensors('{directory}')"),
                    lambda: model_in_python(directory)))
    scan = f"SELECT count(*), sum(length(name)) FROM safetensors_tensors('{directory}')"
    with Shell(scan) as shell:
        heading(f"{SHARDS} shards, {TENSORS:,} tensors, headers known", "join", "2 scans")
        join, once = take_turns(shell.timed(f"SELECT count(*), sum(length(name)) FROM safetensors_tensors('{directory}') "
                                            f"JOIN safetensors_tensors('{directory}') USING (name)"), shell.timed(scan))
        row("the model joined with itself by name", join, 2 * once, goal=3)
