"""Programs killed while they write checkpoints: does each go on from a whole one?

    python -m benchmarks.reliability.checkpoints

A program trains a network whose checkpoints take longer to write than its epochs to
train, so that it writes nearly always. It is killed with SIGKILL at a random moment,
its folder is looked through, and the next program goes on from there. Prints a table
and writes a record (see record.py). Takes about eight minutes.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import record
from hogblock.saving.checkpoint import Checkpoint

KILLS = 100
WRITING_SECONDS = 1.5
"""A program is killed within so much time after its first own checkpoint is begun."""
UNITS = 1000
PROGRAM = """
import sys, warnings
import numpy as np
from hogblock import MLPClassifier
warnings.simplefilter("error")
x = np.random.default_rng(0).normal(size=(256, 784)).astype(np.float32)
model = MLPClassifier(
    ({units}, {units}), max_iter=10**6, learning_rate="cosine", random_state=0,
    checkpoint=sys.argv[1], resume=True, n_jobs=int(sys.argv[2]), batch_size=16,
)
model.fit(x, (x[:, 0] > 0).astype(int))
"""


def looked_through(folder):
    """Epochs of the checkpoints that can be read, faults, and unfinished files."""
    epochs, faults = [], []
    for path in sorted(folder.glob("epoch-*.safetensors")):
        try:
            epochs.append(Checkpoint.read(path).state.epochs)
        except (ValueError, OSError) as error:
            faults.append(f"{path.name}: {error}")
    unfinished = [
        name
        for name in os.listdir(folder)
        if not name.startswith("epoch-") and name != ".lock"
    ]
    return epochs, faults, unfinished


def kill_one(folder, n_jobs, draw):
    """Let a program go on from the folder, kill it, and see what is there."""
    before = looked_through(folder)[0] if folder.exists() else []
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(units=UNITS), str(folder), str(n_jobs)],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while program.poll() is None and time.monotonic() < deadline:
        names = set(os.listdir(folder)) if folder.exists() else set()
        if any(n.startswith(".") and n != ".lock" for n in names):
            break  # it writes its first one
        time.sleep(0.002)
    time.sleep(WRITING_SECONDS * draw.random())
    ended = program.poll()
    program.kill()
    complaint = program.communicate()[1]
    epochs, faults, unfinished = looked_through(folder)
    return {
        "n_jobs": n_jobs,
        "went on from": max(before, default=0),
        "epochs": epochs,
        "faults": faults,
        "ended by itself": complaint[-400:] if ended is not None else None,
        "in a write": bool(unfinished),
        "lost": max(before, default=0) > max(epochs, default=0),
    }


def main():
    """Measure, print, write; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            kill_one(Path(folder) / f"jobs-{jobs}", jobs, draw)
            for k in range(options.kills)
            for jobs in [1 + k % 2]
        ]
    figures = {
        "kills": len(rows),
        "of them in a write": sum(r["in a write"] for r in rows),
        "checkpoints that could not be read": sum(len(r["faults"]) for r in rows),
        "programs that could not go on": sum(bool(r["ended by itself"]) for r in rows),
        "programs that got no further": sum(
            max(r["epochs"], default=0) <= r["went on from"] for r in rows
        ),
        "kills after which less was there": sum(r["lost"] for r in rows),
        "most checkpoints in a folder": max(len(r["epochs"]) for r in rows),
        "epochs trained by the last program": max(max(r["epochs"]) for r in rows[-2:]),
    }
    for name, value in figures.items():
        print(f"{name:<40}{value}")
    settings = dict(units=UNITS, seconds=WRITING_SECONDS, seed=options.seed)
    record.write(options.out, "killed-writers", settings, figures, rows=rows)
    sys.exit(bool(figures["checkpoints that could not be read"]))


if __name__ == "__main__":
    main()
