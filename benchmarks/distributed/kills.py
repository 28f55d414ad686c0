"""Nodes killed at random in many fits: does each end, and how good is it?

    python -m benchmarks.distributed.kills

Each fit is made twice from one seed: with `KILLS` kills of its nodes at random moments,
and without. Prints a table, writes a record (see record.py). Takes ten minutes.
"""

import argparse
import os
import random
import signal
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification

from benchmarks import record
from benchmarks.distributed.machines import machines
from benchmarks.reliability.residue import census, descendants
from hogblock import MLPClassifier
from hogblock.distributed import Averaging, Ray

FITS = 10
KILLS = 5
"""In each fit."""
NODES, EPOCHS = 3, 1500
PAUSE = 2.0
"""Seconds from one kill to the next at least, and half of it on average more."""
ROWS, FEATURES, CLASSES = 20_000, 40, 5


def problem():
    """Training and test part; the test part has as many rows."""
    x, y = make_classification(
        2 * ROWS, FEATURES, n_informative=20, n_classes=CLASSES, class_sep=0.7,
        flip_y=0.05, random_state=0,
    )  # fmt: skip
    return np.float32(x[:ROWS]), y[:ROWS], np.float32(x[ROWS:]), y[ROWS:]


def pids_of_nodes():
    """Processes of the nodes of a fit on a cluster of this process."""
    found = []
    for pid in descendants(os.getpid()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"ray::Node"):
            found.append(pid)
    return found


class Killer(threading.Thread):
    """Kills nodes of fits of this process."""

    def __init__(self, kills, seed):
        super().__init__(daemon=True)
        self.left, self.killed = kills, 0
        self._random = random.Random(seed)
        self._over = threading.Event()

    def run(self):
        while self.left and not self._over.is_set():
            time.sleep(PAUSE * (0.5 + self._random.random()))
            pids = pids_of_nodes()
            if pids and not self._over.is_set():
                os.kill(self._random.choice(pids), signal.SIGKILL)
                self.left -= 1
                self.killed += 1

    def end(self):
        self._over.set()
        self.join()


def fit(data, seed, kills):
    """One fit; what it came to."""
    x, y, x_test, y_test = data
    device = Ray(nodes=NODES, averaging=Averaging(), max_node_restarts=100)
    model = MLPClassifier(
        (64,), device=device, n_jobs=1, max_iter=EPOCHS, learning_rate="cosine",
        learning_rate_init=0.01, batch_size=32, random_state=seed,
    )  # fmt: skip
    killer = Killer(kills, seed)
    killer.start()
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        model.fit(x, y)
    seconds = time.perf_counter() - start
    killer.end()
    return {
        "seed": seed,
        "kills": killer.killed,
        "lost": sum("was lost" in str(w.message) for w in warned),
        "restarts": sum(node.restarts for node in model.nodes_),
        "complete": model.n_iter_ == EPOCHS == len(model.loss_curve_),
        "samples": model.t_ / (EPOCHS * ROWS),
        "accuracy": model.score(x_test, y_test),
        "seconds": seconds,
        "nodes left": len(pids_of_nodes()),
    }


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=FITS)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    data, rows = problem(), []
    with machines(NODES):
        for seed in range(options.fits):
            for kills in (0, KILLS):
                rows.append(fit(data, seed, kills))
                print(rows[-1], flush=True)
    time.sleep(5)
    after = census()
    killed, calm = ([r for r in rows if bool(r["kills"]) == k] for k in (True, False))
    change = [
        100 * (a["accuracy"] - b["accuracy"]) for a, b in zip(killed, calm, strict=True)
    ]
    figures = {
        "fits": len(killed),
        "kills": sum(r["kills"] for r in killed),
        "restarts": sum(r["restarts"] for r in killed),
        "fits that completed": sum(r["complete"] for r in killed),
        "share of the samples that was trained": float(
            np.mean([r["samples"] for r in killed])
        ),
        "accuracy": float(np.mean([r["accuracy"] for r in killed])),
        "accuracy, undisturbed": float(np.mean([r["accuracy"] for r in calm])),
        "accuracy with kills less without, points": float(np.mean(change)),
        "its standard error, points": float(
            np.std(change, ddof=1) / np.sqrt(len(change))
        ),
        "spread of undisturbed fits, points": float(
            100 * np.std([r["accuracy"] for r in calm], ddof=1)
        ),
        "after": after,
    }
    for name, value in figures.items():
        print(f"{name:<62}{value}")
    settings = dict(nodes=NODES, epochs=EPOCHS, kills=KILLS, pause=PAUSE)
    record.write(
        options.out, "killed-nodes", settings, figures,
        (*record.PACKAGES, "ray"), rows=rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
