#!/usr/bin/env python3
"""Refreshes the catalogue of a fleet, with Ray (2.40 or newer) to start a command on each node, and nothing more:

    fleet_ray.py ALL.db PARTS NODE=FOLDER... [--reads duplicates|all] [--timeout SECONDS]

Each node refreshes its part, PARTS/NODE.db, by scan.sh; PARTS is a folder that all nodes see. Then the parts are merged
into ALL.db. A node is a Ray resource of its name: ray start --resources '{"NODE": 1}'. A task that dies is tried again; a node
that does not answer in time keeps what is known of it, and is named: then the exit status is 1.

scan.sh says which program it runs; this file and scripts beside it must be at the same place on all nodes.
"""

import argparse
import os
import subprocess
import sys

import ray

HERE = os.path.dirname(os.path.abspath(__file__))
RETRIES = 3


@ray.remote(max_retries=RETRIES, num_cpus=1)
def scan(words, environment):
    """A look at one node, in a process of that node. What it fails with is an error of this task."""
    done = subprocess.run([os.path.join(HERE, "scan.sh"), *words], env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"exit status {done.returncode}")
    return done.stdout.strip()


def merge(database, part):
    """Joins a part to the catalogue."""
    if os.environ.get("EXTENSION"):
        load = "'" + os.environ["EXTENSION"].replace("'", "''") + "'"
        value = "'" + part.replace("'", "''") + "'"
        value = value.replace("\\", "\\\\").replace('"', '\\"')
        with open(os.path.join(HERE, "merge.sql"), encoding="utf-8") as script:
            subprocess.run(["sqlite3", "-batch", "-bail", "-cmd", f".load {load}", "-cmd", f'.param set :part "{value}"', database], stdin=script, check=True)
    else:
        subprocess.run(["safetensors-sql", "fleet", "merge", part, "--database", database], check=True)


def refresh(database, parts, folders, reads=None, timeout=3600):
    """`folders` maps nodes to their folders. Returns what became of the nodes that have not been looked at: node to sentence."""
    os.makedirs(parts, exist_ok=True)
    files = {node: os.path.join(os.path.abspath(parts), f"{node}.db") for node in folders}
    environment = {name: os.environ[name] for name in ("EXTENSION", "PATH") if name in os.environ}
    tasks = {scan.options(resources={node: 1}).remote([node, folder, files[node], *([reads] if reads else [])], environment): node
             for node, folder in folders.items()}
    done, late = ray.wait(list(tasks), num_returns=len(tasks), timeout=timeout)
    failed = {tasks[task]: f"no answer within {timeout} s" for task in late}
    for task in late:
        ray.cancel(task, force=True)
    for task in done:
        try:
            print(ray.get(task))
        except ray.exceptions.RayError as error:
            failed[tasks[task]] = str(error).strip().splitlines()[-1]
    for part in files.values():
        if os.path.exists(part):
            merge(database, part)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", metavar="ALL.db")
    parser.add_argument("parts", metavar="PARTS")
    parser.add_argument("nodes", metavar="NODE=FOLDER", nargs="+")
    parser.add_argument("--reads", choices=("duplicates", "all"))
    parser.add_argument("--timeout", type=float, default=3600)
    given = parser.parse_args()
    ray.init(address="auto", log_to_driver=False)
    failed = refresh(given.database, given.parts, dict(node.split("=", 1) for node in given.nodes), given.reads, given.timeout)
    for node, why in failed.items():
        print(f"{node} was not looked at, and what is known of it is as it was: {why}", file=sys.stderr)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
