"""Judges coverage, which comes in lcov's format: at least 95% of the lines of ext/ are reached by a
test (coverage.py share), and tests/build/coverage.txt explains those that are not (coverage.py lines)."""

import collections
import os
import sys

from tally import Tally

LEAST = 95
EXPLANATIONS = "tests/build/coverage.txt"


def read_explanations():
    """By file, what a line that is not reached has in it; the lines with '#' say why."""
    explained = collections.defaultdict(list)
    with open(EXPLANATIONS, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, _, fragment = line.rstrip("\n").partition(": ")
                explained[name].append(fragment)
    return explained


def read_lines():
    """By file, the numbers of all lines with code, and of those that were not reached."""
    every, missed = collections.defaultdict(set), collections.defaultdict(set)
    for line in sys.stdin:
        if line.startswith("SF:"):
            name = os.path.relpath(line[3:].strip())
        elif line.startswith("DA:") and name.startswith("ext/"):
            number, count = map(int, line[3:].split(",")[:2])
            every[name].add(number)
            if count == 0:
                missed[name].add(number)
    return every, missed


def has_code(line):
    """A brace that closes a block after a return is never reached, nor has it to be."""
    return line.strip() != "}"


def regions(numbers):
    """Runs of lines that follow one another."""
    run = []
    for number in sorted(numbers):
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


tally = Tally()
explained = read_explanations()
every, missed = read_lines()
total, uncovered = (sum(map(len, lines.values())) for lines in (every, missed))
percent = 100 * (1 - uncovered / total) if total else 0
print(f"{percent:.1f}% of {total} lines")
tally.check(percent >= LEAST, f"at least {LEAST}% of all lines")
for name in sorted(missed) if sys.argv[1] == "lines" else ():
    with open(name, encoding="utf-8") as file:
        source = file.read().split("\n")
    for run in regions(missed[name]):
        lines = [source[number - 1] for number in run]
        if not any(map(has_code, lines)):
            continue
        known = any(fragment in line for fragment in explained[name] for line in lines)
        text = "\n".join(f"{name}:{number}:{line}" for number, line in zip(run, lines))
        tally.check(known, "neither reached nor explained in " + EXPLANATIONS, text)
tally.finish()
