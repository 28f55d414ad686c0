"""Is a model of several nodes as good as one of as many workers on one node?

    python -m benchmarks.distributed.accuracy

All sides see as many samples. Learning rate and minibatch of those with a grid are the
best on a part of the training set that is held out; variants of a side take over what
is best for it. Then models of `SEEDS` are trained on all of it, the sides in turns.
Prints a table, writes a record and a picture (see record.py). Takes half an hour.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import record
from benchmarks.distributed.machines import machines
from hogblock import CNNClassifier, MLPClassifier
from hogblock.datasets import load_fashion_mnist
from hogblock.distributed import Averaging, Ray, engine
from hogblock.distributed.session import Session, session

SEEDS = range(5)
TUNING_SEED = 100
HELD_OUT = 10_000


def nodes(number, **averaging):
    """Options of a side on nodes of one worker each."""
    return dict(device=Ray(nodes=number, averaging=Averaging(**averaging)), n_jobs=1)


def mlp(**options):
    return MLPClassifier((256, 128), max_iter=20, learning_rate="cosine", **options)


def conv(**options):
    return CNNClassifier(
        ((16, 3), (32, 3)), image_shape=(28, 28, 1), max_iter=10,
        learning_rate="cosine", **options,
    )  # fmt: skip


class Side(NamedTuple):
    """Who trains a network.

    Attributes
    ----------
    options : dict
    choices : tuple of (rate, minibatch)
        That are tried.
    """

    options: dict
    choices: tuple[tuple[float, int], ...]


class Task(NamedTuple):
    """A network, and the sides that train it."""

    make: Callable
    sides: dict[str, Side]


MANY = ((0.0125, 64), (0.025, 64), (0.05, 64), (0.0125, 32), (0.025, 32), (0.0125, 16))
FEW = ((0.025, 64), (0.0125, 32))
FAST = ((0.05, 64), (0.1, 64), (0.05, 32))
TASKS = {
    "mlp": Task(
        mlp,
        {
            "one node, 2 workers": Side(dict(n_jobs=2), MANY),
            "2 nodes": Side(nodes(2, every=50), MANY),
            "2 nodes, auto": Side(nodes(2), MANY),
            "2 nodes, int8": Side(nodes(2, every=50, compression="int8"), MANY),
            "2 nodes, ring": Side(nodes(2, every=50, topology="ring"), MANY),
            "one node, 4 workers": Side(dict(n_jobs=4), MANY),
            "4 nodes": Side(nodes(4, every=50), MANY),
            "4 nodes, auto": Side(nodes(4), MANY),
        },
    ),
    "conv16-32": Task(
        conv,
        {
            "one node, 2 workers": Side(dict(n_jobs=2), FEW),
            "2 nodes": Side(nodes(2, every=10), FAST),
            "2 nodes, outer momentum": Side(
                nodes(2, every=10, outer_momentum=0.5), ((0.025, 64),)
            ),
            "one node, 4 workers": Side(dict(n_jobs=4), FEW),
            "4 nodes": Side(nodes(4, every=10), FAST),
            "4 nodes, outer momentum": Side(
                nodes(4, every=10, outer_momentum=0.6), ((0.05, 64), (0.025, 64))
            ),
        },
    ),
}


def base_of(side):
    """One node with as many workers."""
    return side if side.startswith("one") else f"one node, {side[0]} workers"


def tuned_as(task, side):
    """The side whose rate and minibatch a side has."""
    first = side.partition(",")[0]
    same = first in task.sides and task.sides[first].choices == task.sides[side].choices
    return first if same else side


def fit(task, side, choice, seed, train, test):
    """A model's accuracy, and what its nodes tell."""
    rate, batch = choice
    model = task.make(
        learning_rate_init=rate, batch_size=batch, random_state=seed,
        on_divergence="restore", **task.sides[side].options,
    )  # fmt: skip
    start = time.perf_counter()
    model.fit(*train)
    found = {
        "side": side,
        "rate": rate,
        "batch": batch,
        "seed": seed,
        "accuracy": model.score(*test),
        "samples": int(model.t_),
        "seconds": time.perf_counter() - start,
    }
    if model.nodes_:
        found["exchanges"] = int(np.mean([n.exchanges for n in model.nodes_]))
        found["bytes"] = int(model.rounds_.bytes[-1])
        found["waited"] = max(n.seconds_waited for n in model.nodes_)
        found["apart"] = float(np.median(model.rounds_.apart))
    print(found, flush=True)
    return found


def tuned(task, data):
    """The best rate and minibatch of each side, and all that was tried."""
    train = data.data[:-HELD_OUT], data.target[:-HELD_OUT]
    test = data.data[-HELD_OUT:], data.target[-HELD_OUT:]
    tried = [
        fit(task, side, choice, TUNING_SEED, train, test)
        for side in task.sides
        if tuned_as(task, side) == side
        for choice in task.sides[side].choices
    ]
    best = {}
    for side in task.sides:
        mine = [t for t in tried if t["side"] == tuned_as(task, side)]
        top = max(mine, key=lambda t: t["accuracy"])
        best[side] = top["rate"], top["batch"]
    return best, tried


def measured(name, data):
    """All fits of a task, and its table."""
    task = TASKS[name]
    best, tried = tuned(task, data)
    train, test = (data.data, data.target), (data.data_test, data.target_test)
    fits = [
        fit(task, side, best[side], seed, train, test)
        for seed in SEEDS
        for side in task.sides
    ]
    figures = {}
    for side in task.sides:
        mine = [f for f in fits if f["side"] == side]
        base = [f for f in fits if f["side"] == base_of(side)]
        points = [
            100 * (a["accuracy"] - b["accuracy"])
            for a, b in zip(mine, base, strict=True)
        ]
        figures[side] = {
            "rate": mine[0]["rate"],
            "minibatch": mine[0]["batch"],
            "accuracy": float(np.mean([f["accuracy"] for f in mine])),
            "spread": float(np.std([f["accuracy"] for f in mine], ddof=1)),
            "points to one node": float(np.mean(points)),
            "standard error": float(np.std(points, ddof=1) / np.sqrt(len(points))),
            "exchanges": float(np.mean([f.get("exchanges", 0) for f in mine])),
            "MB": float(np.mean([f.get("bytes", 0) for f in mine]) / 1e6),
            "waited, s": max(f.get("waited", 0.0) for f in mine),
        }
    show(name, figures)
    return figures, {"tuning": tried, "fits": fits}


def show(name, figures):
    """Print the table of a task."""
    head = f"{name:<30}{'rate':>9}{'batch':>6}{'accuracy':>10}{'spread':>8}"
    print(f"{head}{'points':>8}{'error':>7}{'exchanges':>10}{'MB':>8}{'waited':>8}")
    for side, of in figures.items():
        print(
            f"{side:<30}{of['rate']:>9.5g}{of['minibatch']:>6}{of['accuracy']:>10.4f}"
            f"{of['spread']:>8.4f}{of['points to one node']:>8.2f}"
            f"{of['standard error']:>7.2f}{of['exchanges']:>10.0f}{of['MB']:>8.1f}"
            f"{of['waited, s']:>8.2f}",
            flush=True,
        )


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, action="append")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    data = load_fashion_mnist()
    with machines(4), session(Ray(nodes=4), 1, True) as kept:
        engine.session = lambda options, *_: nullcontext(
            Session(*(each[: options.n_nodes] for each in kept))
        )  # the same nodes for all fits
        for name in options.task or TASKS:
            figures, rows = measured(name, data)
            sides = {side: repr(of) for side, of in TASKS[name].sides.items()}
            path = record.write(
                options.out, f"nodes-accuracy-{name}",
                {"sides": sides, "seeds": len(SEEDS), "held out": HELD_OUT},
                figures, (*record.PACKAGES, "ray"), rows=rows,
            )  # fmt: skip
            draw(path.with_suffix(".png"), name, rows)


def draw(path, name, found):
    """Accuracy of each fit, a row a side."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    sides = list(dict.fromkeys(f["side"] for f in found["fits"]))
    for place, side in enumerate(reversed(sides)):
        values = [f["accuracy"] for f in found["fits"] if f["side"] == side]
        axes.plot(values, [place] * len(values), "o", alpha=0.6, color="#1f5fa8")
        axes.plot(np.mean(values), place, "|", markersize=18, color="#c2571a")
    axes.set_yticks(range(len(sides)), list(reversed(sides)))
    axes.set(xlabel="test accuracy", title=name)
    axes.grid(alpha=0.25)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
