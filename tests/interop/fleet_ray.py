"""The catalogue of four nodes by Ray: four raylets on this machine, of which a worker is killed, and then a node.

Suite: fleet
"""

import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

import making
from tally import BUILD, Tally

try:
    import ray
    from ray.cluster_utils import Cluster
except ImportError:
    print("skipped: the catalogue of a fleet by Ray (ray is not installed)\n0 passed, 0 failed")
    sys.exit(0)
sys.path.insert(0, "sql/fleet")
import fleet_ray  # noqa: E402

tally = Tally()
ROOT = tempfile.mkdtemp(prefix="fleet-ray.")
NODES, FILES = 4, 150
folders = {f"n{node}": f"{ROOT}/{node}" for node in range(NODES)}
os.environ["EXTENSION"] = os.path.abspath(f"{BUILD}/safetensors")
for node in range(NODES):
    for number in range(FILES):
        path = making.file(f"{ROOT}/{node}/{number}.safetensors", {f"t{i}": ("F32", [1], struct.pack("<f", node)) for i in range(200)}, {"n": str(number)})
        os.utime(path, (1e9, 1e9))


def counts():
    connection = sqlite3.connect(f"{ROOT}/all.db")
    found = connection.execute("SELECT node, count(*), count(DISTINCT path), sum(status = 'ok') FROM file GROUP BY 1").fetchall()
    connection.close()
    return found


def processes_of(word):
    """The processes that have the word in their command, and their parents."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if word.encode() in file.read() and int(name) != os.getpid():
                    with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as status:
                        yield int(name), int(status.read().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue


def kill_worker(word, killed):
    """Kills what scans a node, once, and the worker of Ray that has started it."""
    end = time.monotonic() + 60
    while time.monotonic() < end and not killed:
        found = list(processes_of(word))
        own = {process for process, _ in found}
        parents = {parent for _, parent in found if parent not in own and parent not in (os.getpid(), 1)}
        for process in parents | own:
            try:
                os.kill(process, signal.SIGKILL)
                killed.append(process)
            except OSError:
                pass
        time.sleep(0.002)


def refresh(timeout=120):
    return fleet_ray.refresh(f"{ROOT}/all.db", f"{ROOT}/parts", folders, None, timeout)


cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100 << 20})
try:
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=100 << 20, resources={name: 1}) for name in folders]
    ray.init(address=cluster.address, log_to_driver=False)
    whole = [(name, FILES, FILES, FILES) for name in folders]

    killed = []
    killer = threading.Thread(target=kill_worker, args=(f"{ROOT}/parts/n1.db", killed))
    killer.start()
    tally.equal(refresh(), {}, "all nodes answer, though a worker is killed")
    killer.join()
    tally.check(killed, "a worker was killed")
    tally.equal(counts(), whole, "every file is there once")
    tally.equal(refresh(), {}, "again")
    tally.equal(counts(), whole, "every file is there once")
    cluster.remove_node(nodes[2], allow_graceful=False)
    tally.equal(list(refresh(timeout=20)), ["n2"], "a node that is gone is named")
    tally.equal(counts(), whole, "and keeps what is known of it")
    folders["n3"] = f"{ROOT}/nowhere"
    failed = refresh(timeout=20)
    tally.check(sorted(failed) == ["n2", "n3"] and "no such file" in failed["n3"], "what a node fails with is said", failed)
    tally.equal([name for name in os.listdir(f"{ROOT}/parts") if not name.endswith(".db")], [], "nothing is left")
finally:
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(ROOT, ignore_errors=True)
tally.finish()
