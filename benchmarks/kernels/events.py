"""Speed of the event model: events a second on a quadratic of 10 variables, one core.

    python -m benchmarks.kernels.events

Prints the figures and writes a record (see record.py). Takes some seconds, and half a
minute more where Numba has to compile.
"""

import argparse
import timeit
from pathlib import Path

import numpy as np

from benchmarks import record
from hogblock.asynchrony import (
    Adversarial,
    EventDriven,
    Law,
    Quadratic,
    Uniform,
    simulate,
)

REPEATS = 7
EVENTS = 200_000
N = 10
CASES = {
    "law, ages 0 to 8, inconsistent": (Law(4, Uniform(0, 8)), {}),
    "law, ages 0 to 8, consistent": (Law(4, Uniform(0, 8), reads="consistent"), {}),
    "law, owned blocks, momentum, noise": (
        Law(4, Uniform(0, 8)),
        dict(ownership="owned", momentum=0.9, noise=0.1),
    ),
    "adversarial, age 8": (Adversarial(4, 8), {}),
    "event-driven, 4 workers": (EventDriven(4), {}),
    "event-driven, 4 workers, reads and racy writes take time": (
        EventDriven(4, read=0.2, write=0.1),
        dict(writes="racy"),
    ),
    "event-driven, 64 workers, likewise": (
        EventDriven(64, read=0.2, write=0.1),
        dict(writes="racy"),
    ),
}


def millions_a_second(scheduler, options, repeats):
    """Million events a second, of all repeats, with all that `simulate` does."""
    problem = Quadratic(np.linspace(0.5, 1, N))

    def run():
        # A small rate: nothing underflows, which would cost time of its own.
        simulate(problem, scheduler, EVENTS, rate=1e-5, random_state=0, **options)

    run()
    return [EVENTS / s / 1e6 for s in timeit.repeat(run, number=1, repeat=repeats)]


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    figures = {
        f"{name}, million events/s": record.spread(
            millions_a_second(*case, options.repeats)
        )
        for name, case in CASES.items()
    }
    record.show(figures)
    settings = {"events": EVENTS, "variables": N}
    record.write(options.out, "events", settings, figures)


if __name__ == "__main__":
    main()
