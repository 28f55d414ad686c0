"""Largest stable step against age, by theory and by simulation.

On f(x) = a x^2 / 2 with a constant age, asynchronous gradient descent with momentum is
a linear recursion: it is stable while the roots of its characteristic polynomial lie in
the unit circle. A simulation that is driven to the edge of stability finds the same::

    python examples/asynchrony/stability_limit.py
"""

import numpy as np
from _shared import (
    COLORS,
    MARKERS,
    SIMULATED,
    new_figure,
    options,
    print_table,
    save,
)

from hogblock.asynchrony import Law, Quadratic, simulate, stability_limit

AGES = (0, 1, 2, 4, 8, 16)
MOMENTA = (0.0, 0.5, 0.9)
EVENTS = 20_000
"""Of a run: near the limit it takes long to tell whether it grows."""
BISECTIONS = 14
LOWEST, HIGHEST = 0.001, 5.0
"""Between which the limit lies."""
TINY = 1e-200
"""Below it a run has converged, whatever rounding does in the end."""


def is_stable(rate: float, age: int, momentum: float, n_events: int) -> bool:
    """Whether |x| is smaller late in a run than early."""
    run = simulate(
        Quadratic(1.0), Law(ages=age), n_events, x0=[1.0], rate=rate,
        momentum=momentum, n_records=400,
    )  # fmt: skip
    if run.diverged:
        return False
    size = np.abs(run.trajectory[:, 0])
    quarter = len(size) // 4
    early, late = size[quarter : 2 * quarter].max(), size[-quarter:].max()
    return late < early or late < TINY


def simulated_limit(age: int, momentum: float, n_events: int) -> float:
    """Largest rate of a stable run, by bisection of its logarithm."""
    stable, unstable = LOWEST, HIGHEST
    for _ in range(BISECTIONS):
        rate = float(np.sqrt(stable * unstable))
        if is_stable(rate, age, momentum, n_events):
            stable = rate
        else:
            unstable = rate
    return float(np.sqrt(stable * unstable))


def main() -> None:
    """Find the limits, print them, draw them."""
    given = options(__doc__)
    n_events = EVENTS // 4 if given.quick else EVENTS
    ages = AGES[:4] if given.quick else AGES
    print(
        "Claim: the largest stable step falls like 1 / age, and from age 1 on\n"
        "momentum m leaves at most 1 - m of it, though it allows longer steps where\n"
        "reads are fresh.\n"
    )
    limits = {
        (m, age): (stability_limit(age, m), simulated_limit(age, m, n_events))
        for m in MOMENTA
        for age in ages
    }
    rows = [
        [
            m,
            age,
            theory,
            found,
            f"{abs(found / theory - 1):.2%}",
            theory / limits[0, age][0],
        ]
        for (m, age), (theory, found) in limits.items()
    ]
    head = ["momentum", "age", "  theory", "simulated", " error", "of momentum 0"]
    print_table(head, rows)
    errors = [abs(found / theory - 1) for theory, found in limits.values()]
    print(f"largest error of a simulation: {max(errors):.2%}")

    figure, (axes,) = new_figure()
    every = np.arange(max(ages) + 1)
    for m, color, marker in zip(MOMENTA, COLORS, MARKERS, strict=False):
        theory = [stability_limit(age, m) for age in every]
        found = [limits[m, age][1] for age in ages]
        axes.plot(every, theory, color=color, label=f"momentum {m}, theory")
        look = {"marker": marker, "color": color, **SIMULATED}
        axes.plot(ages, found, **look, label=f"momentum {m}, simulated")
    axes.set_yscale("log")
    axes.set_xlabel("age of what is read (events)")
    axes.set_ylabel("largest stable rate x curvature (log scale)")
    axes.set_title("Stale reads, and more so with momentum, ask for short steps")
    axes.legend(ncols=2)
    save(figure, given.out, "stability_limit")


if __name__ == "__main__":
    main()
