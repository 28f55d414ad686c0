"""Fits of random configurations, with random kills and interrupts, for ten minutes.

    python -m benchmarks.reliability.soak

What must not grow is counted every so often: memory, open files, threads, processes,
segments. Ends with exit code 1 if anything went wrong. Prints a table, writes a record
(see record.py) and a picture.
"""

import argparse
import collections
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.reliability.residue import census
from hogblock import CNNClassifier, MLPClassifier, MLPRegressor
from hogblock.engines.cpu import pool
from hogblock.errors import WorkerError

SECONDS = 600.0
SETTLED = 0.25
"""Share of the time after which nothing may grow any more."""
GROWTH_MB = 40.0
"""Of memory, that is noise: allocators keep what they had."""
METHODS = ("thinned", "hogwild", "assm", "passm", "passm+", "sync", "sgd", "mixed")
DISTURBANCES = ("none", "none", "kill", "kills", "ctrl-c", "ctrl-c twice", "diverge")
RATE = {"diverge": 1e25}


def configuration(draw):
    """A random estimator, its data, and what happens to its fit."""
    rows, features = draw.choice([60, 700, 5000]), draw.choice([1, 7, 40])
    rng = np.random.default_rng(draw.randrange(2**32))
    disturbance = draw.choice(DISTURBANCES)
    options = dict(
        method=draw.choice(METHODS),
        n_jobs=draw.choice([1, 2, 3]),
        max_iter=draw.choice([1, 20, 400]),
        learning_rate=draw.choice(["constant", "adaptive", "cosine", "invscaling"]),
        learning_rate_init=RATE.get(disturbance, 0.01),
        on_divergence=draw.choice(["raise", "restore", "reduce_lr"]),
        max_worker_restarts=draw.choice([0, 10]),
        early_stopping=draw.random() < 0.3,
        random_state=draw.randrange(1000),
        batch_size=draw.choice(["auto", 16, 200]),
    )
    if draw.random() < 0.2:
        x = rng.integers(0, 256, (rows, 8, 8), np.uint8)
        options |= dict(max_iter=2, conv_layers=((8, 3),))
        return CNNClassifier(**options), x, rng.integers(0, 3, rows), disturbance
    x = rng.normal(size=(rows, features)).astype(draw.choice([np.float32, np.float64]))
    options |= dict(hidden_layer_sizes=draw.choice([(5,), (40, 20)]))
    if draw.random() < 0.4:
        return MLPRegressor(**options), x, x.sum(axis=1), disturbance
    return MLPClassifier(**options), x, (x[:, 0] > 0).astype(int), disturbance


class Disturber(threading.Thread):
    """Kills workers, or interrupts this process, while a fit goes on."""

    def __init__(self, kind, seed):
        super().__init__(daemon=True)
        self._kind, self._random = kind, random.Random(seed)
        self.over = threading.Event()

    def run(self):
        for _ in range({"kills": 5, "ctrl-c twice": 2, "none": 0}.get(self._kind, 1)):
            if self.over.wait(0.6 * self._random.random()):
                return
            if self._kind.startswith("ctrl-c"):
                os.kill(os.getpid(), signal.SIGINT)
            elif self._kind.startswith("kill"):
                busy = [w for w in pool.running() if not w.waiting]
                if busy:
                    victim = self._random.choice(busy).process
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(victim.pid, signal.SIGKILL)


def fit_one(draw, folder):
    """One fit; what came of it: (disturbance, outcome, what is wrong with it)."""
    model, x, y, disturbance = configuration(draw)
    if draw.random() < 0.3:
        model.set_params(checkpoint=folder)
    disturber = Disturber(disturbance, draw.randrange(2**32))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            disturber.start()
            try:
                model.fit(x, y)
                outcome = "fitted"
            except WorkerError:
                outcome = "WorkerError"
            except KeyboardInterrupt:
                outcome = "KeyboardInterrupt"
            except ValueError as error:
                diverged = "diverged" in str(error)
                outcome = "diverged" if diverged else f"ValueError: {error}"
            finally:
                disturber.over.set()
                disturber.join()
    except KeyboardInterrupt:  # it came between the fit and here
        disturber.over.set()
        disturber.join()
        outcome = "KeyboardInterrupt"
    return disturbance, outcome, wrong_with(model, x, disturbance, outcome)


def wrong_with(model, x, disturbance, outcome):
    """What of an outcome was not promised, or None."""
    expected = {
        "none": {"fitted"},
        "kill": {"fitted", "WorkerError"},
        "kills": {"fitted", "WorkerError"},
        "ctrl-c": {"fitted", "KeyboardInterrupt"},
        "ctrl-c twice": {"fitted", "KeyboardInterrupt"},
        "diverge": {"fitted", "diverged"},
    }
    if outcome not in expected[disturbance]:
        return f"{outcome} after {disturbance}: {model}"
    if outcome == "fitted":
        if not np.isfinite(model.predict(x)).all():
            return f"predictions are not finite: {model}"
        if model.n_iter_ != len(model.loss_curve_):
            return f"n_iter_ is not the length of loss_curve_: {model}"
    return None


def soak(seconds, seed):
    """Fit for so long; returns outcomes, faults and the censuses."""
    draw = random.Random(seed)
    outcomes, faults, censuses = collections.Counter(), [], []
    start, counted = time.perf_counter(), 0.0
    while (now := time.perf_counter() - start) < seconds:
        with tempfile.TemporaryDirectory() as folder:
            disturbance, outcome, wrong = fit_one(draw, Path(folder) / "checkpoints")
        outcomes[disturbance, outcome.partition(":")[0]] += 1
        if wrong:
            faults.append(wrong)
            print(f"fault: {wrong}", flush=True)
        if now - counted > seconds / 60:
            counted = now
            pool.close()
            censuses.append(census() | {"seconds": now})
    pool.close()
    censuses.append(census() | {"seconds": time.perf_counter() - start})
    return outcomes, faults, censuses


def growth(censuses):
    """Growth of each count from the settled part's start to the end."""
    settled = censuses[int(SETTLED * len(censuses)) :]
    third = max(1, len(settled) // 3)
    return {
        name: float(
            np.median([c[name] for c in settled[-third:]])
            - np.median([c[name] for c in settled[:third]])
        )
        for name in settled[0]
        if name != "seconds"
    }


def main():
    """Soak, print, write; exit code 1 after a fault or growth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    outcomes, faults, censuses = soak(options.seconds, options.seed)
    grown = growth(censuses)
    print(f"{'disturbance':<14}{'outcome':<20}{'fits':>6}")
    for (disturbance, outcome), count in sorted(outcomes.items()):
        print(f"{disturbance:<14}{outcome:<20}{count:>6}")
    print(f"\n{'count':<14}{'first':>10}{'last':>10}{'growth':>10}")
    for name, change in grown.items():
        first, last = censuses[0][name], censuses[-1][name]
        print(f"{name:<14}{first:>10.1f}{last:>10.1f}{change:>10.1f}")
    figures = {
        "fits": sum(outcomes.values()),
        "faults": len(faults),
        "growth": grown,
        "outcomes": {f"{d}: {o}": n for (d, o), n in sorted(outcomes.items())},
    }
    path = record.write(
        options.out, "soak", dict(seconds=options.seconds, seed=options.seed), figures,
        faults=faults, censuses=censuses,
    )  # fmt: skip
    draw_memory(path.with_suffix(".png"), censuses)
    grew = grown.pop("memory, MB") > GROWTH_MB or any(v > 0 for v in grown.values())
    sys.exit(1 if faults or grew else 0)


def draw_memory(path, censuses):
    """Memory and open files over time."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
    minutes = [c["seconds"] / 60 for c in censuses]
    axes.plot(minutes, [c["memory, MB"] for c in censuses], label="memory, MB")
    axes.set(xlabel="minutes", ylabel="MB", ylim=(0, None))
    counts = axes.twinx()
    for name in ("open files", "threads", "processes"):
        counts.plot(minutes, [c[name] for c in censuses], ":", label=name)
    counts.set(ylabel="count", ylim=(0, None))
    figure.legend(loc="outside upper center", ncols=4)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
