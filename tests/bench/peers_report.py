"""How the peers' table is measured and printed.

    table("what is done")
    against(ours, Peer("NumPy", contestant, goal=2), Peer("DuckDB", None))

All contestants of against() take turns, after one turn each that warms up. Their speeds are the peer's time by ours in
the same round, so more is better, and above 1 the extension is faster."""

import os
import statistics
import subprocess
import time
from typing import Callable, NamedTuple, Optional

from measure import SCALE, Spent, rounds, torch

if torch:
    torch.set_num_threads(1)  # as the extension uses

WIDTH = 44
VERDICTS = []  # whether each goal so far was met
NOTE = """\
CPU, wall  milliseconds: of the processor, and by the clock on the wall; medians of all rounds
speed      the peer's time divided by ours, round by round: the median, for the processor's time also the quartiles.
           More is better: at 2.00 the extension takes half of the peer's time
limit      a loop in C that does the least that is needed, over memory that is mapped before: at 0.90 the extension
           runs at nine tenths of it. Compiled with -O2, as programs are, and with -O3 for this machine, which gives
           it the widest instructions
goal       for the speed in the processor's time, unless it says otherwise"""


class Peer(NamedTuple):
    name: str
    contestant: Optional[Callable]
    goal: float = 0  # the speed to reach
    missing: str = "not installed"  # why there is no contestant


def table(title):
    print(f"\n{title}\n  {'beside':<{WIDTH}} {'CPU: ours':>9} {'peer':>9} {'speed':>7} {'quartiles':<13} "
          f"{'wall: ours':>10} {'peer':>9} {'speed':>7} rounds  goal", flush=True)


def skipped(name, why):
    print(f"  {name:<{WIDTH}} skipped: {why}", flush=True)


def nothing(title, why):
    """Instead of a table."""
    print(f"\n{title}\n  skipped: {why}", flush=True)


def milliseconds(spent):
    """The medians, for the processor and on the wall."""
    return [1e3 * statistics.median(values) for values in zip(*((each.cpu, each.wall) for each in spent))]


def figure(value):
    return f"{value:>9,.1f}" if value < 1e5 else f"{value:>9,.0f}"


def print_row(name, ours, theirs, goal, within):
    cpu, wall = milliseconds(ours)
    peer_cpu, peer_wall = milliseconds(theirs)
    speeds = [max(b.cpu, 1e-9) / max(a.cpu, 1e-9) for a, b in zip(ours, theirs)]
    low, middle, high = statistics.quantiles(speeds, method="inclusive")
    walls = statistics.median(b.wall / a.wall for a, b in zip(ours, theirs))
    judged = judge(f">= {goal:g}", middle >= goal) if goal else ""
    judged += judge(f"wall <= {within:g} ms", wall <= within) if within else ""
    print(f"  {name:<{WIDTH}} {figure(cpu)} {figure(peer_cpu)} {middle:>7.2f} {f'{low:.2f}-{high:.2f}':<13} "
          f" {figure(wall)} {figure(peer_wall)} {walls:>7.2f} {len(ours):>6}  {judged}".rstrip(), flush=True)


def judge(goal, met):
    """A short run is too short to judge."""
    if SCALE < 1:
        return goal
    VERDICTS.append(met)
    return f"{goal} {'met' if met else 'missed'}"


def against(ours, *peers, least=5, most=25, seconds=5.0, within=0.0):
    """A row for each peer. `within`: ours is meant to take no more milliseconds on the wall."""
    if SCALE < 1:
        least, most, seconds = 3, 3, 0
    there = [peer for peer in peers if peer.contestant]
    contestants = [ours, *(peer.contestant for peer in there)]
    if there:
        rounds(*contestants, least=1)
        mine, *others = rounds(*contestants, least=least, most=most, seconds=seconds)
    for peer in peers:
        if peer in there:
            print_row(peer.name, mine, others[there.index(peer)], peer.goal, within)
        else:
            skipped(peer.name, peer.missing)


def size_of(nbytes):
    return f"{nbytes / 1e9:.2f} GB" if nbytes >= 1e9 else f"{nbytes / 1e6:.0f} MB"


def agree(what, ours, theirs, tolerance=0.0):
    """That the numbers in a row of the extension, as the shell prints it, are the peer's: both did the same work."""
    ours, theirs = [float(value) for value in ours.split("|")], [float(value) for value in theirs]
    if len(ours) != len(theirs) or any(abs(a - b) > tolerance * abs(b) for a, b in zip(ours, theirs)):
        raise AssertionError(f"{what}: the extension has {ours}, the peer {theirs}")


def process(*command):
    """A contestant: a program from its start to its end."""
    def contestant():
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise RuntimeError(f"{command[0]} ended with {child.returncode}")
        return Spent(wall, usage.ru_utime + usage.ru_stime)
    return contestant
