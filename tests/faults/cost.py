"""The cost of hostile headers and indexes grows as they do: twice the input takes about twice the
instructions, which valgrind's callgrind counts. cost.c has the attacks, and says what they are.

    cost.py [SIZE]     bytes of the smaller input, 50,000 by default

Suite: cost
"""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

from tally import BUILD, Tally

# Twice, and what sorting, growing arrays and the smaller input's fixed share may add or take away.
MOST = 2.5
SIZE = int(sys.argv[1]) if len(sys.argv) > 1 else 50000
PROGRAM = f"{BUILD}/tests/faults/cost"

tally = Tally()
if not shutil.which("valgrind"):
    print("skipped: counting instructions, without valgrind")
    tally.finish()


def instructions(attack, size):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=measured",
         PROGRAM, attack, str(size)], capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


names = subprocess.run([PROGRAM, "list"], capture_output=True, text=True, check=True).stdout.split()
with ThreadPoolExecutor(os.cpu_count()) as pool:
    smalls = pool.map(instructions, names, repeat(SIZE))
    larges = pool.map(instructions, names, repeat(2 * SIZE))
for name, small, large in zip(names, smalls, larges):
    print(f"{name:30} {small:12,} to {large:12,} instructions, {large / small:.2f} times")
    tally.check(small > 0 and large / small < MOST, f"{name}: {small} to {large} instructions")
tally.finish()
