"""make bench: figures and ratios, ours and its peers side by side in one run. Judges nothing.

    tests/python tests/bench [SUBJECT...]

A subject is a module beside this file with a function run(); measure.py is what they measure with.
BENCH_SCALE below 1 makes a short run: smaller data, fewer runs."""

import importlib
import os
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
    "writing",
    "expressions",
    "dequantize",
    "against",
)


def main():
    print(f"medians of {measure.RUNS} runs; {os.cpu_count()} CPUs; scale {measure.SCALE:g}; "
          f"{measure.peers()}")
    for subject in sys.argv[1:] or SUBJECTS:
        importlib.import_module(subject).run()


if __name__ == "__main__":
    main()
