"""The headline: time to the same quality, of all methods, on seven tasks.

    python -m benchmarks.headline.run            # 40 minutes
    python -m benchmarks.headline.run --quick    # 5 minutes

Sides are tuned first (minibatch and learning rate, each for itself), then trained in
turns: seed by seed, budget by budget, side by side. Time is counted in two ways.

- *wall*: training seconds, by the median of what an epoch took in all runs of the side.
- *modelled*: what an epoch's steps take one worker that has the machine for itself,
  divided among the workers; for a synchronous side plus the waits at its barriers, for
  which the smallest difference to the wall is taken that any of its runs had. A noisy
  neighbour cannot decide it; that workers wait for each other's cache lines is not in
  it.

Every result goes to ``headline.jsonl`` in the folder given as ``--journal``; a run that
was cut off goes on there. Prints the tables, and writes a record (see record.py) and
the frontiers as a picture.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import record
from benchmarks.headline import report
from benchmarks.headline.journal import Journal
from benchmarks.headline.sides import (
    DEFAULT_SIDES,
    MOMENTUM,
    SEQUENTIAL,
    SIDES,
    WORKERS,
    fit,
)
from benchmarks.headline.tasks import TASKS
from benchmarks.headline.tuning import alone, tuned, value_of_time

REFERENCE = "hogwild"  # whose budgets say what time is worth
REFERENCE_BATCH = 64


def main():
    options = _options()
    names = [n for n in options.sides.split(",") if n != SEQUENTIAL]
    tasks = [t for t in TASKS if options.tasks in t.name]
    journal = Journal(Path(options.journal) / "headline.jsonl")
    found = {}
    for task in tasks:
        found[task.name] = measure(journal, task, names, options)
        report.show_task(task.name, found[task.name])
    figures = report.summary(found, np.random.default_rng(0))
    report.show_summary(figures)
    settings = {
        "workers": WORKERS,
        "momentum": MOMENTUM,
        "seeds": {t.name: _seeds(t, options) for t in tasks},
        "quick": options.quick,
        "budgets": {t.name: _budgets(t, options) for t in tasks},
        "methods": {name: str(SIDES[name].method) for name in names},
    }
    path = record.write(options.out, "headline", settings, figures, measured=found)
    report.draw(found, path.with_suffix(".png"))
    print(f"\n{path}")


def measure(journal, task, names, options):
    """Train all sides on a task; returns what was found by side."""
    budgets = _budgets(task, options)
    batches = task.batches
    if options.quick:
        task, batches = replace(task, tuning_seeds=1), (REFERENCE_BATCH,)
    slope = value_of_time(journal, task, REFERENCE, REFERENCE_BATCH)

    def worth(seconds, quality):
        return quality - slope * np.log2(seconds)

    every = [*names, SEQUENTIAL]
    chosen = {name: tuned(journal, task, name, batches, worth) for name in every}
    of_side = dict.fromkeys(names, budgets) | {SEQUENTIAL: budgets[-1:]}
    runs = {name: [[] for _ in of_side[name]] for name in every}
    for seed in range(_seeds(task, options)):
        for epochs in budgets:
            for name in (n for n in every if epochs in of_side[n]):
                k = of_side[name].index(epochs)
                key = ("run", task.name, name, *chosen[name], epochs, seed)
                runs[name][k].append(
                    journal.get(
                        key,
                        lambda n=name, e=epochs, s=seed: fit(
                            task, SIDES[n], *chosen[n], e, s
                        ),
                    )
                )
    return {
        name: _side(journal, task, name, chosen[name], of_side[name], runs[name])
        for name in every
    }


def _side(journal, task, name, chosen, budgets, runs):
    """Times and qualities of a side by budget."""
    batch, rate = chosen
    epoch_s = [
        r["seconds"] / epochs
        for each, epochs in zip(runs, budgets, strict=True)
        for r in each
    ]
    epoch = alone(journal, task, name, batch, rate)
    waits = 0.0
    if SIDES[name].method.together:
        waits = max(0.0, min(epoch_s) - epoch)
    return {
        "batch": batch,
        "rate": rate,
        "budgets": list(budgets),
        "wall_s": [epochs * median(epoch_s) for epochs in budgets],
        "wall_epoch_s": record.spread(epoch_s),
        "modelled_s": [epochs * (epoch + waits) for epochs in budgets],
        "waits": waits / (epoch + waits),
        "quality": [[r["quality"] for r in each] for each in runs],
        "age": float(np.mean([r["age"] for each in runs for r in each])),
        "backpropagated": [
            float(np.mean([r["backpropagated"] for r in each])) for each in runs
        ],
    }


def _seeds(task, options):
    return max(2, 2 * task.seeds // 5) if options.quick else task.seeds


def _budgets(task, options):
    return task.budgets[:2] if options.quick else task.budgets


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer budgets and seeds, minibatches of 64",
    )
    parser.add_argument("--tasks", default="", help="only those whose name has this")
    parser.add_argument(
        "--sides",
        default=",".join(DEFAULT_SIDES),
        help=f"of {', '.join(SIDES)}; default %(default)s",
    )
    parser.add_argument(
        "--journal", default="build/headline", help="folder; default %(default)s"
    )
    parser.add_argument("--out", default=record.RESULTS, help="folder of records")
    options = parser.parse_args()
    for name in options.sides.split(","):
        if name not in SIDES:
            parser.error(f"--sides: {name!r} is none of {', '.join(SIDES)}")
    return options


if __name__ == "__main__":
    main()
