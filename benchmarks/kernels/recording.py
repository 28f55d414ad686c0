"""Cost of recording staleness: the atomic operations of a step on two blocks.

    python -m benchmarks.kernels.recording

Prints the figure and writes a record (see record.py). Takes a second, and a minute
where Numba has to compile.
"""

import argparse
import timeit
from pathlib import Path

import numpy as np
from numba import njit

from benchmarks import record
from hogblock.kernels.cpu.memory import atomic_add, atomic_load

REPEATS = 7
STEPS = 100_000


@njit(nogil=True)
def record_steps(counters, staleness, seen, steps):
    """The bookkeeping of `steps` steps on two blocks."""
    for _ in range(steps):
        for block in range(2):
            seen[block] = atomic_load(counters + 64 * block)
        for block in range(2):
            age = atomic_add(counters + 64 * block, 1) - seen[block]
            staleness[0, block, min(age, 63)] += 1  # read
            staleness[1, block, min(age, 63)] += 1  # written


def nanoseconds(repeats):
    """Nanoseconds a step that the bookkeeping takes, of all repeats."""
    counters = np.zeros(16, np.int64)
    own = np.zeros((2, 2, 64), np.int64), np.zeros(2, np.int64)
    record_steps(counters.ctypes.data, *own, 1)
    runs = timeit.repeat(
        lambda: record_steps(counters.ctypes.data, *own, STEPS),
        number=1,
        repeat=repeats,
    )
    return [1e9 * seconds / STEPS for seconds in runs]


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    spread = record.spread(nanoseconds(options.repeats))
    figures = {"recording staleness, ns a step": spread}
    record.show(figures)
    record.write(options.out, "recording", {"steps": STEPS, "blocks": 2}, figures)


if __name__ == "__main__":
    main()
