"""Programs killed at random while they fit: what is left of them, and for how long?

    python -m benchmarks.reliability.parents

Each program fits with two workers, over and over; half of them share a file in a folder
(`memmap_dir`) in place of memory. It is killed with SIGKILL at a random moment, from
its start on. Prints a table and writes a record (see record.py). Takes about five
minutes.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from benchmarks import record
from benchmarks.reliability.residue import holders, shared_names

KILLS = 50
MOST_SECONDS = 8.0
"""Of a program's life: starting takes two of them."""
GONE_SECONDS = 2.0
"""Promised."""
PROGRAM = """
import sys, warnings
import numpy as np
from hogblock import MLPClassifier
warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(4000, 40)).astype(np.float32)
y = (x[:, 0] > 0).astype(int)
while True:
    MLPClassifier(
        n_jobs=2, max_iter=200, learning_rate="cosine", method={method!r},
        memmap_dir={memmap_dir!r},
    ).fit(x, y)
"""
METHODS = ("thinned", "sync", "assm", "passm+")


def kill_one(number, seconds, folder):
    """Start a program, kill it, and see what is left."""
    marker = uuid.uuid4().hex
    names = set(shared_names())
    memmap_dir = str(folder) if number % 2 else None
    source = PROGRAM.format(
        method=METHODS[number % len(METHODS)], memmap_dir=memmap_dir
    )
    program = subprocess.Popen(
        [sys.executable, "-c", source],
        env=os.environ | {"HOGBLOCK_MARK": marker},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    workers = len(holders(marker)) - 1
    program.kill()
    program.wait()
    killed = time.perf_counter()
    while holders(marker) and time.perf_counter() - killed < 5 * GONE_SECONDS:
        time.sleep(0.02)
    return {
        "after": seconds,
        "method": METHODS[number % len(METHODS)],
        "processes": 1 + workers,
        "gone after": time.perf_counter() - killed,
        "left": len(holders(marker)),
        "names": len(set(shared_names()) - names),
        "files": len(os.listdir(folder)),
    }


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            kill_one(k, MOST_SECONDS * draw.random(), Path(folder))
            for k in range(options.kills)
        ]
    training = [r for r in rows if r["processes"] > 1]
    figures = {
        "programs killed": len(rows),
        "of them with workers": len(training),
        "processes left": sum(r["left"] for r in rows),
        "names in shared memory left": sum(r["names"] for r in rows),
        "files left in memmap_dir": sum(r["files"] for r in rows),
        "later than promised": sum(r["gone after"] > GONE_SECONDS for r in rows),
        "all gone after, s": record.spread([r["gone after"] for r in training]),
    }
    for name, value in figures.items():
        print(f"{name:<40}{value}")
    settings = dict(most_seconds=MOST_SECONDS, promised=GONE_SECONDS)
    record.write(options.out, "killed-parents", settings, figures, rows=rows)


if __name__ == "__main__":
    main()
