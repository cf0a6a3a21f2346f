"""make bench: figures and ratios, ours and its peers side by side in one run. Judges nothing.

    tests/python tests/bench [SUBJECT...]

A subject is a module beside this file with a function run(); measure.py is what they measure with.
BENCH_SCALE below 1 makes a short run: smaller data, fewer runs."""

import importlib
import os
import statistics
import sys

import measure

SUBJECTS = (
    "headers",
    "directories",
    "index",
    "values",
    "environment",
    "stats",
    "compare",
    "nearest",
    "writing",
    "expressions",
    "dequantize",
    "against",
    "network",
    "peers",
)


def main():
    print(f"medians of {measure.RUNS} runs; {os.cpu_count()} CPUs; scale {measure.SCALE:g}; "
          f"{measure.peers()}")
    for subject in sys.argv[1:] or SUBJECTS:
        del measure.NOISE[:]
        importlib.import_module(subject).run()
        if measure.NOISE:
            print(f"noise of {subject}: from one quartile of a contestant's seconds to the other it is "
                  f"{statistics.median(measure.NOISE):.0%} of their median, at most {max(measure.NOISE):.0%}", flush=True)


if __name__ == "__main__":
    main()
