"""What the subjects of the benchmark measure with.

    shell = Shell(f"SELECT count(*) FROM safetensors_tensors('{path}')")      # warms up
    ours, peer = take_turns(shell.timed("SELECT ..."), lambda: numpy.sum(array))
    heading("what it is about", "ours", "NumPy")
    row("what was done", ours, peer, goal=2)

A figure is the median of RUNS runs that take turns with the peer's; a ratio is ours by the peer's,
so less is better. Peers that are not installed are None: `if measure.numpy:`.

What a run spends is measured by the clock on the wall and in the time of the processor, which other programs on the
machine disturb less: rounds() returns both."""

import contextlib
import io
import json
import os
import re
import statistics
import struct
import subprocess
import time
import warnings
from typing import NamedTuple

BUILD = os.environ.get("BUILD", "build")
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
RUNS = 7 if SCALE >= 1 else 5
DIRECTORY = os.path.join(BUILD, "bench")

try:
    import numpy
except ImportError:
    numpy = None
try:
    # A PyTorch that was built with an older NumPy says at length that it cannot use this one, which nothing here needs.
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        torch.zeros(1)
except ImportError:
    torch = None


def peers():
    """Versions of the peers in Python."""
    versions = [("NumPy", numpy), ("PyTorch", torch)]
    return ", ".join(f"{name} {module.__version__}" if module else f"no {name}"
                     for name, module in versions)


def scaled(count, step=1):
    """That many at full scale; a multiple of `step`, and at least one step."""
    return max(int(count * min(SCALE, 1)) // step, 1) * step


# ---- Timing ----

class Spent(NamedTuple):
    """Seconds: by the clock on the wall, and of the processor, in all threads."""
    wall: float
    cpu: float


class Stopwatch:
    """Counts what a process (this one) spends from now on."""

    def __init__(self, pid=None):
        # As clock_getcpuclockid() has it on Linux. Threads that have ended are counted, too.
        self.clock = time.CLOCK_PROCESS_CPUTIME_ID if pid is None else ~pid << 3 | 2
        self.cpu = time.clock_gettime(self.clock)
        self.wall = time.perf_counter()

    def spent(self):
        wall = time.perf_counter() - self.wall
        return Spent(wall, time.clock_gettime(self.clock) - self.cpu)


NOISE = []  # of each contestant so far: the distance of its quartiles by its median


def rounds(*contestants, least=RUNS, most=0, seconds=0.0):
    """What each contestant spent, round by round: `least` rounds, and more, up to `most`, while so many seconds have
    not passed. A contestant is a function that does the work; it may return what is to be counted instead of all that
    it does, as a Spent or in seconds. Each round begins with another contestant."""
    spent = [[] for _ in contestants]
    began = time.perf_counter()
    number = 0
    while number < least or number < most and time.perf_counter() - began < seconds:
        for place in range(len(contestants)):
            place = (place + number) % len(contestants)
            watch = Stopwatch()
            counted = contestants[place]()
            total = watch.spent()
            if isinstance(counted, float):
                counted = Spent(counted, counted)
            spent[place].append(counted if isinstance(counted, Spent) else total)
            del counted
        number += 1
    if number > 2:
        for walls in ([each.wall for each in taken] for taken in spent):
            low, middle, high = statistics.quantiles(walls, method="inclusive")
            NOISE.append((high - low) / middle)
    return spent


def take_turns(*contestants, runs=None):
    """Median seconds of each contestant, as rounds() has them."""
    return [statistics.median(each.wall for each in taken)
            for taken in rounds(*contestants, least=runs or RUNS)]


def cpu_of(contestant):
    """The same contestant, of which the processor's time alone is counted."""
    def counted():
        watch = Stopwatch()
        spent = contestant()
        return (spent if isinstance(spent, Spent) else watch.spent()).cpu
    return counted


class Shell:
    """An sqlite3 shell that has the extension loaded and has run the statements of `setup`. It
    stays open, so what a connection keeps is there for the next statement."""

    def __init__(self, *setup, build=BUILD):
        # A pipe's output is line by line, so that an answer comes when it is there.
        self.process = subprocess.Popen(["stdbuf", "-oL", "sqlite3", "-batch", "-bail", ":memory:"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1)
        self.run(f".load {build}/safetensors")
        for statement in setup:
            self.run(statement)

    def run(self, sql):
        """The lines that a statement (or a dot-command) prints."""
        end = "" if sql.startswith(".") else ";"
        self.process.stdin.write(f"{sql}{end}\n.print =done=\n")
        lines = []
        for line in self.process.stdout:
            if line == "=done=\n":
                return lines
            lines.append(line.rstrip("\n"))
        raise RuntimeError(f"the sqlite3 shell stopped at: {sql}")

    def timed(self, sql):
        """A contestant: that statement, in this shell."""
        def contestant():
            watch = Stopwatch(self.process.pid)
            self.run(sql)
            return watch.spent()
        return contestant

    def peak_memory(self):
        """Most bytes ever resident."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s*(\d+) kB", status.read()).group(1)) * 1024

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def in_fresh_shell(sql, build=BUILD):
    """A contestant: that statement in a shell of its own, whose start is not counted."""
    def contestant():
        with Shell("SELECT 1", build=build) as shell:
            return shell.timed(sql)()
    return contestant


def copying(size):
    """A contestant: memcpy of `size` bytes into fresh memory."""
    source = bytearray(size)
    return lambda: bytes(source)


# ---- Data, made once, in BUILD/bench ----

def fixture(mode, name):
    """A file that tests/lib/fixtures makes."""
    path = os.path.join(DIRECTORY, name)
    if not os.path.exists(path):
        os.makedirs(DIRECTORY, exist_ok=True)
        subprocess.run([f"{BUILD}/tests/fixtures", f"--{mode}", path], check=True)
    return path


def tensor_file(name, dtype, shape, nbytes, blocks=()):
    """A file with one tensor, "x", whose bytes are those of `blocks`, and zeros (a hole in the
    file) for what is left of nbytes."""
    os.makedirs(DIRECTORY, exist_ok=True)
    path = os.path.join(DIRECTORY, f"{name}.safetensors")
    header = json.dumps({"x": {"dtype": dtype, "shape": shape, "data_offsets": [0, nbytes]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for block in blocks:
            file.write(block)
        file.truncate(8 + len(header) + nbytes)
    return path


# ---- The report ----

def heading(title, ours="ours", peer="peer"):
    print(f"\n{title:<58} {ours:>9} {peer:>10} {'':<4} {'ratio':>6}  goal", flush=True)


def row(what, ours, peer=None, unit="s", goal=None):
    """`goal` is the ratio that ours is meant not to exceed; a peer that is not there is None."""
    beside = f"{peer:>10.4f} {unit:<4} {ours / peer:>6.2f}" if peer else f"{'-':>10} {unit:<4} {'-':>6}"
    print(f"{what:<58} {ours:>9.4f} {beside}{f'  <= {goal:g}' if goal else ''}", flush=True)


def rate_heading(title):
    print(f"\n{title:<58} {'ours':>9} {'peer':>10} {'':<4} {'ratio':>6}  goal", flush=True)


def rate(what, ours, peer, goal=None):
    """GB/s: more is better, and `goal` is the ratio that is to be reached."""
    print(f"{what:<58} {ours:>9.2f} {peer:>10.2f} GB/s {ours / peer:>6.2f}{f'  >= {goal:g}' if goal else ''}",
          flush=True)
