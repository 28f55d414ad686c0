"""Workers killed at random in many fits: does each complete, and how good is it?

    python -m benchmarks.reliability.workers

Each fit is made twice from one seed, with `KILLS` kills of its workers at random
moments and without. Prints a table, writes a record (see record.py) and a picture.
Takes about ten minutes.
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
from benchmarks.reliability.residue import census
from hogblock import MLPClassifier
from hogblock.engines.cpu import pool

FITS = 50
KILLS = 4
"""In each fit."""
METHODS = ("thinned", "hogwild", "passm+", "sync", "assm")
PAUSE = 0.5
"""Seconds from one kill to the next at least, and half of it on average more."""
OPTIONS = dict(
    hidden_layer_sizes=(64,),
    batch_size=32,
    n_jobs=2,
    learning_rate="cosine",
    learning_rate_init=0.01,
)
EPOCHS = {"sync": 300}
MOST_EPOCHS = 500
ROWS, FEATURES, CLASSES = 20_000, 40, 5


def problem():
    """Training and test part; the test part has as many rows."""
    x, y = make_classification(
        2 * ROWS,
        FEATURES,
        n_informative=20,
        n_classes=CLASSES,
        class_sep=0.7,
        flip_y=0.05,
        random_state=0,
    )
    return np.float32(x[:ROWS]), y[:ROWS], np.float32(x[ROWS:]), y[ROWS:]


class Killer(threading.Thread):
    """Kills workers of this process that are in a run."""

    def __init__(self, kills, seed):
        super().__init__(daemon=True)
        self.left, self.killed = kills, 0
        self.noticed = []
        self._random = random.Random(seed)
        self._over = threading.Event()

    def run(self):
        while self.left and not self._over.is_set():
            time.sleep(PAUSE * (1 + self._random.random()))
            busy = [w for w in pool.running() if not w.waiting]
            if busy and not self._over.is_set():
                pid = self._random.choice(busy).process.pid
                os.kill(pid, signal.SIGKILL)
                self.left -= 1
                self.killed += 1
                self._wait_for_another(pid)

    def _wait_for_another(self, pid):
        """Note how long it took until a worker was there in its place."""
        start = time.perf_counter()
        while time.perf_counter() - start < 5 and not self._over.is_set():
            if pid not in {w.process.pid for w in pool.running()}:
                self.noticed.append(time.perf_counter() - start)
                return
            time.sleep(0.001)

    def end(self):
        self._over.set()
        self.join()


def fit(data, method, seed, kills):
    """One fit; what it came to."""
    x, y, x_test, y_test = data
    epochs = EPOCHS.get(method, MOST_EPOCHS)
    model = MLPClassifier(method=method, random_state=seed, max_iter=epochs, **OPTIONS)
    killer = Killer(kills, seed)
    killer.start()
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        model.fit(x, y)
    seconds = time.perf_counter() - start
    killer.end()
    return {
        "method": method,
        "seed": seed,
        "kills": killer.killed,
        "restarts": model.n_worker_restarts_,
        "warnings": len(warned),
        "noticed": killer.noticed,
        "complete": model.n_iter_ == epochs == len(model.loss_curve_),
        "accuracy": model.score(x_test, y_test),
        "seconds": seconds,
    }


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=FITS)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    data = problem()
    fit(data, METHODS[0], 0, 0)  # workers are up, kernels compiled
    before = census()
    rows = []
    for k in range(options.fits):
        method = METHODS[k % len(METHODS)]
        for kills in (0, KILLS):
            rows.append(fit(data, method, k, kills))
    after = census()
    killed = [r for r in rows if r["kills"]]
    calm = {(r["method"], r["seed"]): r for r in rows if not r["kills"]}
    change = [
        100 * (r["accuracy"] - calm[r["method"], r["seed"]]["accuracy"])
        for r in killed
        if (r["method"], r["seed"]) in calm
    ]
    noticed = [1000 * t for r in killed for t in r["noticed"]]
    print(f"{'method':<10}{'fits':>6}{'kills':>7}{'complete':>10}"
          f"{'accuracy':>10}{'undisturbed':>13}")  # fmt: skip
    for method in METHODS:
        of = [r for r in killed if r["method"] == method]
        alone = [r["accuracy"] for r in calm.values() if r["method"] == method]
        print(f"{method:<10}{len(of):>6}{sum(r['kills'] for r in of):>7}"
              f"{sum(r['complete'] for r in of):>10}"
              f"{np.mean([r['accuracy'] for r in of]):>10.4f}"
              f"{np.mean(alone):>13.4f}")  # fmt: skip
    error = np.std(change, ddof=1) / np.sqrt(len(change))
    figures = {
        "fits": len(killed),
        "kills": sum(r["kills"] for r in killed),
        "restarts": sum(r["restarts"] for r in killed),
        "fits that completed": sum(r["complete"] for r in killed),
        "accuracy with kills less without, points": float(np.mean(change)),
        "its standard error, points": float(error),
        "accuracy of undisturbed fits, spread between seeds, points": float(
            100 * np.mean([np.std([r["accuracy"] for r in calm.values()
                                   if r["method"] == m]) for m in METHODS])
        ),
        "replaced after, ms": record.spread(noticed),
        "before": before,
        "after": after,
    }  # fmt: skip
    for name, value in figures.items():
        print(f"{name:<62}{value}")
    path = record.write(
        options.out, "killed-workers", OPTIONS | dict(kills=KILLS), figures, rows=rows
    )
    draw(path.with_suffix(".png"), killed, calm)


def draw(path, killed, calm):
    """Accuracy with kills over that without, a point a pair of fits."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5), layout="constrained")
    for method in METHODS:
        pairs = [
            (calm[method, r["seed"]]["accuracy"], r["accuracy"])
            for r in killed
            if r["method"] == method and (method, r["seed"]) in calm
        ]
        if pairs:
            axes.plot(*zip(*pairs, strict=True), "o", label=method, alpha=0.8)
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color="0.6", zorder=0)
    axes.set(
        xlabel="test accuracy, undisturbed",
        ylabel=f"test accuracy, {KILLS} workers killed",
    )
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
