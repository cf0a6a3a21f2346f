"""A sharded model by its index against the same shards by a pattern, which need none: what the index costs. And
against Python: json for the index, safe_open for the shards where safetensors is installed, json for their headers
where not."""

import json
import os

from directories import headers_in_python, write
from measure import DIRECTORY, RUNS, Shell, heading, in_fresh_shell, row, scaled, take_turns

try:
    from safetensors import safe_open
except ImportError:
    safe_open = None


def model(shards, tensors):
    """`tensors` in as many shards, called as a mixture of experts calls them."""
    directory = os.path.join(DIRECTORY, f"index_{shards}_{tensors}")
    if os.path.exists(directory):
        return directory
    os.makedirs(directory)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        names = [f"model.layers.{n // 3072}.mlp.experts.{n // 12 % 256}.{('gate', 'up', 'down')[n // 4 % 3]}_proj."
                 f"{('weight', 'weight_packed', 'weight_scale', 'weight_shape')[n % 4]}"
                 for n in range(shard * tensors // shards, (shard + 1) * tensors // shards)]
        write(f"{directory}/{file}", names)
        weight_map.update(dict.fromkeys(names, file))
    with open(f"{directory}/model.safetensors.index.json", "w", encoding="utf-8") as file:
        json.dump({"metadata": {"total_size": 8 * tensors}, "weight_map": weight_map}, file, indent=2)
    return directory


def in_python(directory):
    with open(f"{directory}/model.safetensors.index.json", encoding="utf-8") as file:
        weight_map = json.load(file)["weight_map"]
    if safe_open is None:
        return len(weight_map), headers_in_python(f"{directory}/*.safetensors")
    count = 0
    for shard in sorted(set(weight_map.values())):
        with safe_open(os.path.join(directory, shard), framework="np") as file:
            count += len(file.keys())
    return len(weight_map), count


def memory(sql):
    """Most bytes resident after the statement, less those of a shell that has the extension."""
    with Shell("SELECT 1") as empty, Shell(sql) as shell:
        return (shell.peak_memory() - empty.peak_memory()) / 1e6


def measure(shards, tensors):
    directory = model(shards, tensors)
    by_index, by_pattern = (f"SELECT count(*), sum(nbytes) FROM safetensors_tensors('{directory}/{name}')"
                            for name in ("model.safetensors.index.json", "*.safetensors"))
    heading(f"{tensors:,} tensors in {shards} shards, never read before", "index", "pattern")
    row("count(*), sum(nbytes)", *take_turns(in_fresh_shell(by_index), in_fresh_shell(by_pattern)), goal=2)
    row("peak memory, MB", memory(by_index), memory(by_pattern), "MB", goal=1.5)
    heading("", "index", "Python")
    row(f"the same; peer: json and {'safe_open' if safe_open else 'json'}",
        *take_turns(in_fresh_shell(by_index), lambda: in_python(directory), runs=min(RUNS, 5)), goal=1)


def run():
    measure(163, scaled(500_000))
    measure(163, scaled(91_000))
