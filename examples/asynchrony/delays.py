"""Delays on this machine, measured and modelled.

A real fit is logged with as many workers as cores and with more. How many steps ended
while one was on its way is compared with three models of the same number of workers:
the worst case (always one less than there are workers), exponential service times, and
log-normal ones whose spread and stragglers are fitted::

    python examples/asynchrony/delays.py
"""

import os

import numpy as np
from _shared import COLORS, MARKERS, new_figure, options, print_table, save
from sklearn.datasets import make_classification

from hogblock import MLPClassifier
from hogblock.asynchrony import Adversarial, EventDriven, Recording

CORES = len(os.sched_getaffinity(0))
WORKERS = (CORES, 4 * CORES)
SAMPLES, EPOCHS = 20_000, 20
SIGMAS = (0.05, 0.2, 0.5, 1.0)
STRAGGLERS = (None, (0.003, 30.0), (0.01, 30.0), (0.03, 30.0), (0.01, 300.0))
LARGEST = 40  # ages shown
CLAIM = """\
Claim: while its worker runs, a step sees at most about as many others end as there are
cores; where the system puts the worker aside it sees very many. Laws of equal workers
miss both, and what comes nearest has rare, long stragglers."""


def measured(workers: int, quick: bool) -> np.ndarray:
    """Shares of the delays 0, 1, ... of a real fit."""
    n = 4_000 if quick else SAMPLES
    X, y = make_classification(n, 60, n_informative=20, n_classes=4, random_state=0)
    model = MLPClassifier(
        (128, 64), method="hogwild", n_jobs=workers, schedule=Recording(),
        max_iter=1 if quick else EPOCHS, learning_rate="cosine", random_state=0,
    )  # fmt: skip
    log = model.fit(X, y).events_
    # Workers begin one after another, and end so: what is between counts.
    return shares(log.delays()[len(log) // 10 :, 0])


def shares(delays: np.ndarray) -> np.ndarray:
    """Shares of 0, 1, ..., and of everything from LARGEST on."""
    counts = np.bincount(np.minimum(delays, LARGEST), minlength=LARGEST + 1)
    return counts / counts.sum()


def modelled(scheduler, n_events: int) -> np.ndarray:
    """The same of a scheduler."""
    events = scheduler.events(n_events, 1, np.random.default_rng(0))
    return shares(events.ages[n_events // 10 :, 0])


def models(workers: int, found: np.ndarray, n_events: int) -> dict[str, np.ndarray]:
    """Shares by each model; the log-normal one is the nearest of a grid."""
    fitted = [
        modelled(
            EventDriven(workers, service="lognormal", sigma=sigma, straggler=straggler),
            n_events,
        )
        for sigma in SIGMAS
        for straggler in STRAGGLERS
    ]
    return {
        "worst case": modelled(Adversarial(workers, workers - 1), n_events),
        "exponential": modelled(EventDriven(workers), n_events),
        "log-normal, fitted": min(fitted, key=lambda each: distance(each, found)),
    }


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Of two distributions, in total variation: 0 is equal, 1 disjoint."""
    return float(np.abs(one - other).sum() / 2)


def mean(distribution: np.ndarray) -> float:
    """Mean age, what is beyond LARGEST counted as that."""
    return float(distribution @ np.arange(len(distribution)))


def main() -> None:
    """Measure, model, compare, draw."""
    given = options(__doc__)
    n_events = 5_000 if given.quick else 200_000
    figure, panels = new_figure(len(WORKERS))
    rows = []
    crowds = (CORES, 2 * CORES) if given.quick else WORKERS
    for axes, workers in zip(panels, crowds, strict=True):
        found = measured(workers, given.quick)
        ages = np.arange(LARGEST + 1)
        axes.bar(ages, found, color="#c9d6e6", label="measured")
        row = [f"{workers:7}", f"{mean(found):.2f}", f"{found[-1]:.2%}"]
        named = models(workers, found, n_events)
        for k, (name, expected) in enumerate(named.items()):
            there = np.where(expected > 0, expected, np.nan)
            axes.plot(
                ages, there, MARKERS[k], color=COLORS[k], mfc="none", ms=5, label=name
            )
            row.append(f"{distance(expected, found):.2f}")
        rows.append(row)
        axes.set_yscale("log")
        axes.set_ylim(1e-5, 2)
        axes.set_title(f"{workers} workers on {CORES} cores")
        axes.set_xlabel(f"delay in steps of others (last: {LARGEST} and more)")
    panels[0].set_ylabel("share of steps (log scale)")
    panels[0].legend(frameon=False)
    print(CLAIM)
    print(
        f"\nDelays, and the distance (0 to 1) of each model from them; {CORES} cores:"
    )
    head = ["workers", "mean delay", f"{LARGEST} and more", *named]
    print_table(head, rows)
    save(figure, given.out, "delays")


if __name__ == "__main__":
    main()
