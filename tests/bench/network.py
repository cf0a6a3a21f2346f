"""Headers at a hub, of which each answer takes 50 ms to come: beside parallel curl, local files, and huggingface_hub.

The hub is on this machine (tests/lib/delayed_hub.py), and answers from memory. The last rows say how many requests it could
answer in the time that ours took for them, so that it is not what is measured."""

import os
import shutil
import struct
import subprocess
import sys
import tempfile

from measure import BUILD, RUNS, SCALE, Shell, heading, row, take_turns

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from delayed_hub import COMMIT, DelayedHub, header_file, index_file  # noqa: E402  pylint: disable=wrong-import-position

HOP = 0.05
SHARDS = max(2, round(96 * min(1, SCALE)))
TENSORS = round(497_000 * min(1, SCALE)) // SHARDS
ADAPTERS = max(40, round(200 * min(1, SCALE)))


def shard_name(number):
    return f"model-{number:05}-of-{SHARDS:05}.safetensors"


def make_repositories():
    adapters = {f"adapter-{i:03}.safetensors": header_file([f"base_model.model.model.layers.{layer}.self_attn.{part}_proj.lora_{side}.weight"
                                                            for layer in range(32) for part in "qkvo" for side in "AB"], shape=(16, 4096)) for i in range(ADAPTERS)}
    names = {shard_name(i + 1): [f"model.layers.{i % 61}.mlp.experts.{i}{e // 3:05}.{('up', 'down', 'gate')[e % 3]}_proj.weight" for e in range(TENSORS)] for i in range(SHARDS)}
    large = {name: header_file(tensors) for name, tensors in names.items()}
    large["model.safetensors.index.json"] = index_file(names)
    return {"org/adapters": adapters, "org/large": large}


def curl(urls, directory):
    """A contestant: curl, 32 requests at a time, for pairs of an address and a range; each step begins when the last has ended."""
    def contestant():
        for step in urls:
            lines = []
            for number, (url, size) in enumerate(step):
                lines += ["next"] if number else []
                lines += [f'url = "{url}"', "location", "silent", "show-error", f'output = "{directory}/out"' if number < 0 else 'output = "/dev/null"']
                lines += [f'range = "0-{size - 1}"'] if size else []
            subprocess.run(["curl", "-q", "--parallel", "--parallel-immediate", "--parallel-max", "32", "--config", "-"], input="\n".join(lines), text=True, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return contestant


def shell(path, hub, directory, cache="off"):
    """A contestant: the headers at a path, in a shell of its own, whose start is not counted."""
    def contestant():
        environment = {"HF_ENDPOINT": hub.hub, "XDG_CACHE_HOME": directory, "HF_HUB_CACHE": os.path.join(directory, "none"), "SAFETENSORS_HEADER_CACHE": cache}
        os.environ.update(environment)
        with Shell("SELECT safetensors_config('network', 'on')") as opened:
            return opened.timed(f"SELECT count(*), sum(nbytes) FROM safetensors_tensors('{path}')")()
    return contestant


def client(hub):
    """A contestant: huggingface_hub, in the interpreter that has it; None if none has it. Its imports are not counted."""
    program = ("import sys, time, huggingface_hub\n"
               "t = time.perf_counter()\nm = huggingface_hub.get_safetensors_metadata('org/large')\n"
               "print(time.perf_counter() - t)\n")
    for directory in "interop", "peers/python":
        python = os.path.join(BUILD, directory, "bin", "python")
        if os.path.exists(python) and subprocess.run([python, "-c", "import huggingface_hub"], check=False, stderr=subprocess.DEVNULL).returncode == 0:
            def contestant(python=python):
                done = subprocess.run([python, "-c", program], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                      env={**os.environ, "HF_ENDPOINT": hub.hub, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"})
                return float(done.stdout)
            return contestant
    return None


def write_locally(files, directory):
    os.makedirs(directory)
    for name, (first, size) in files.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(first)
            file.truncate(size)


def measure(hub, idle, directory):
    adapters, large = hub.repositories["org/adapters"], hub.repositories["org/large"]
    resolve = f"{hub.hub}/{{}}/resolve/{COMMIT}/{{}}"
    interface = [[(f"{hub.hub}/api/models/{{}}/revision/main", None)], [(f"{hub.hub}/api/models/{{}}/tree/{COMMIT}?recursive=true", None)]]

    def first(repository):
        return [[(url.format(repository), size) for url, size in step] for step in interface]

    urls = [(resolve.format("org/adapters", name), 128 << 10) for name in adapters]
    heading(f"{ADAPTERS} headers at a hub, {HOP * 1000:.0f} ms a hop")
    ours, alone, together = take_turns(shell("hf://org/adapters", hub, directory), curl([urls], directory), curl(first("org/adapters") + [urls], directory))
    row("each in a file of its own; peer: curl, 32 at a time", ours, alone, goal=1.3)
    row("peer: curl, which asks for commit and list first, too", ours, together)

    index = "model.safetensors.index.json"
    header = {name: 8 + struct.unpack("<Q", text[:8])[0] for name, (text, _) in large.items() if name != index}
    exact = first("org/large") + [[(resolve.format("org/large", index), None)], [(resolve.format("org/large", name), size) for name, size in header.items()]]
    heading(f"{SHARDS} shards, {TENSORS * SHARDS:,} tensors: {sum(header.values()) / 1e6:.0f} MB, an index of {large[index][1] / 1e6:.0f} MB")
    asks = shell("hf://org/large", hub, directory)
    hub.counts()
    asks()
    counts = hub.counts()
    row("requests after the list of files, without redirects", counts["files"], None, "")
    row("bytes that were fetched, MB; peer: headers and index", counts["bytes"] / 1e6, (sum(header.values()) + large[index][1]) / 1e6, "MB")
    pinned = f"hf://org/large@{COMMIT}"
    keeps = shell(pinned, hub, directory, "on")
    keeps()
    local = os.path.join(directory, "local")
    write_locally(large, local)
    hub.counts()
    keeps()
    row("requests of another connection, for a commit", hub.counts()["files"], None, "")
    again, here = take_turns(keeps, shell(local, hub, directory))
    ours, transfer = take_turns(asks, curl(exact, directory), runs=min(RUNS, 5))
    row("headers and index; peer: curl, which knows their sizes", ours, transfer, goal=1.5)
    row("another connection, for a commit; peer: local files", again, here, goal=1.2)
    theirs = client(hub)
    if theirs:
        row("peer: huggingface_hub, get_safetensors_metadata", *take_turns(asks, theirs, runs=min(RUNS, 3)), goal=0.5)

    heading("what the hub itself takes, without delay: ours is the time above")
    base = resolve.replace(hub.hub, idle.hub)
    (answered,) = take_turns(curl([[(base.format("org/adapters", name), 128 << 10) for name in adapters]], directory))
    row(f"{ADAPTERS} headers, by curl", shell_time(hub, directory), answered)


def shell_time(hub, directory):
    return take_turns(shell("hf://org/adapters", hub, directory))[0]


def run():
    for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("HF_")]:
        del os.environ[variable]
    repositories = make_repositories()
    directory = tempfile.mkdtemp()
    hub, idle = DelayedHub(repositories, HOP), DelayedHub(repositories, 0)
    try:
        measure(hub, idle, directory)
    finally:
        hub.stop()
        idle.stop()
        shutil.rmtree(directory)
