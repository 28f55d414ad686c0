"""What protection costs: looks for what is not finite, and checkpoints.

    python -m benchmarks.reliability.cost

Fits with and without, in turns, on random data of the sizes of Fashion-MNIST; then the
longest time that a checkpoint of ten million parameters keeps a worker waiting. Prints
a table and writes a record (see record.py). Takes about five minutes.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks import record
from hogblock import MLPClassifier
from hogblock.engines.cpu.run import Run

ROUNDS = 25
ROWS, FEATURES, CLASSES = 30_000, 784, 10
CASES = {
    "784-256-128-10, one worker": dict(hidden_layer_sizes=(256, 128), max_iter=4),
    "784-256-128-10, two workers": dict(
        hidden_layer_sizes=(256, 128), max_iter=8, n_jobs=2
    ),
    "784-32-10, two workers": dict(hidden_layer_sizes=(32,), max_iter=40, n_jobs=2),
}
"""A fit takes about a second."""

STALLS = 12
LARGE = (2700, 2700)
"""784-2700-2700-10 has 9.4 million parameters."""


def problem(rows=ROWS):
    """Random bytes and classes: speed does not depend on what they mean."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (rows, FEATURES), np.uint8)
    return x, rng.integers(0, CLASSES, rows)


def throughput(data, options, protected, folder):
    """Samples a second of a fit; `folder` for checkpoints, or None."""
    model = MLPClassifier(
        learning_rate="cosine", random_state=0, checkpoint=folder, **options
    )
    looks = mock.patch.object(Run, "look", lambda run: None)
    if protected:
        model.fit(*data)
    else:
        with looks:
            model.fit(*data)
    return model.t_ / model.training_seconds_


def compare(data, options, rounds):
    """Throughput without looks, with them, and with a checkpoint an epoch as well."""
    found = {"without": [], "looks": [], "checkpoints": []}
    for k in range(rounds + 1):
        for name in sorted(found, reverse=bool(k % 2)):
            with tempfile.TemporaryDirectory() as folder:
                saves = folder if name == "checkpoints" else None
                speed = throughput(data, options, name != "without", saves)
            if k:  # the first round warms up
                found[name].append(speed)
    return found


def stalls(rounds):
    """Milliseconds that a worker waits for a checkpoint of a large model, of each."""
    x, y = problem(2048)
    waits = []
    state = Run.state

    def timed(run):
        start = time.perf_counter()
        try:
            return state(run)
        finally:
            waits.append(1000 * (time.perf_counter() - start))

    with (
        mock.patch.object(Run, "state", timed),
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        model = MLPClassifier(
            LARGE, max_iter=rounds, checkpoint=folder, random_state=0,
            learning_rate="cosine", batch_size=64,
        )  # fmt: skip
        model.fit(x, y)
        size = max(f.stat().st_size for f in Path(folder).iterdir() if f.is_file())
    return waits, sum(c.size for c in model.coefs_), size


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    data = problem()
    figures, rows = {}, {}
    for name, case in CASES.items():
        found = compare(data, case, options.rounds)
        rows[name] = found
        for kind in ("looks", "checkpoints"):
            cost = [
                100 * (1 - with_it / without)
                for with_it, without in zip(found[kind], found["without"], strict=True)
            ]
            figures[f"{name}: {kind}, % of throughput"] = record.spread(cost)
    waits, parameters, size = stalls(STALLS)
    figures["stall of a large checkpoint, ms"] = record.spread(waits)
    record.show(figures)
    print(f"{parameters:,} weights, {size / 2**20:.0f} MiB a checkpoint")
    settings = dict(rows=ROWS, cases=CASES, large=LARGE, parameters=parameters)
    record.write(options.out, "protection", settings, figures, rows=rows, stalls=waits)


if __name__ == "__main__":
    main()
