"""What staleness does to momentum.

Left: steps to the minimum of a quadratic, with momentum 0, 0.5 and 0.9, each at its
best rate: theory is the largest root of the characteristic polynomial of the recursion
with a constant age. Right: without any momentum, ages that are geometric (those of C
workers whose steps take exponential times) make the mean of x go as momentum 1 - 1/C at
the rate divided by C does. That is a theorem of Mitliagkas, Zhang, Hadjis and Ré
(2016), "Asynchrony begets momentum"::

    python examples/asynchrony/momentum_and_staleness.py
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

from hogblock.asynchrony import Geometric, Law, Quadratic, simulate, stability_limit

CURVATURES = np.geomspace(0.01, 1.0, 10)
TARGET = 1e-4
"""Of the largest |x_j|, which begins with 1."""
MOMENTA = (0.0, 0.5, 0.9)
AGES = (0, 1, 2, 4, 8, 16)
RATES = np.geomspace(0.02, 0.999, 80)
"""Tried for the best one, in terms of the largest stable rate."""

WORKERS = (1, 4, 16)
RATE = 0.1
COPIES, EVENTS = 20_000, 120
"""Coordinates with ages of their own, to take the mean of; and how far."""
LARGEST = 400
"""Age at which the geometric law is cut: all but 1e-11 of it lies before."""


def largest_root(rate: float, age: int, momentum: float) -> float:
    """By which the slowest of all coordinates shrinks in an event, in the end."""
    roots = []
    for a in (CURVATURES[0], CURVATURES[-1]):  # those between are faster
        polynomial = np.zeros(age + 3)
        polynomial[:3] = 1.0, -(1.0 + momentum), momentum
        polynomial[-2] += rate * a
        roots.append(np.abs(np.roots(polynomial)).max())
    return max(roots)


def best_rate(age: int, momentum: float) -> tuple[float, float]:
    """The rate with the smallest largest root, and the events that theory expects."""
    rates = RATES * stability_limit(age, momentum) / CURVATURES[-1]
    roots = [largest_root(rate, age, momentum) for rate in rates]
    best = int(np.argmin(roots))
    return float(rates[best]), float(np.log(TARGET) / np.log(roots[best]))


def simulated_steps(rate: float, age: int, momentum: float, enough: int) -> float:
    """Events after which x stays below the target."""
    run = simulate(
        Quadratic(CURVATURES), Law(ages=age), enough, x0=np.ones(len(CURVATURES)),
        rate=rate, momentum=momentum, n_records=enough + 1,
    )  # fmt: skip
    above = np.flatnonzero(np.abs(run.trajectory).max(axis=1) > TARGET)
    return float(run.recorded_at[above[-1]] + 1)


def simulated_mean(workers: int, copies: int) -> np.ndarray:
    """Mean of x over coordinates with independent geometric ages, at each version."""
    law = Law(workers, ages=Geometric(1 / workers, LARGEST))
    run = simulate(
        Quadratic(np.ones(copies)), law, EVENTS, x0=np.ones(copies), rate=RATE,
        n_records=EVENTS + 1, random_state=0,
    )  # fmt: skip
    return run.trajectory.mean(axis=1)


def expected_mean(workers: int) -> np.ndarray:
    """The path of one worker with momentum 1 - 1/C, at the rate divided by C.

    Before the first event x stood still at its start: the velocity begins as if all
    earlier gradients had been taken there.
    """
    momentum, path = 1 - 1 / workers, [1.0]
    velocity = 1 / (1 - momentum)
    for _ in range(EVENTS):
        velocity = momentum * velocity + path[-1]
        path.append(path[-1] - RATE / workers * velocity)
    return np.array(path)


def draw_steps(axes, ages, found) -> None:
    """Events to the target against age."""
    for m, color, marker in zip(MOMENTA, COLORS, MARKERS, strict=False):
        theory, simulated = np.transpose([found[m, age] for age in ages])
        axes.plot(ages, theory, color=color, label=f"momentum {m}, theory")
        look = {"marker": marker, "color": color, **SIMULATED}
        axes.plot(ages, simulated, **look, label=f"momentum {m}, simulated")
    axes.set_yscale("log")
    axes.set_xlabel("age of what is read (events)")
    axes.set_ylabel(f"events until |x| < {TARGET:g} (log scale)")
    axes.set_title("Momentum saves steps with fresh reads only")
    axes.legend(loc="lower right")


def draw_means(axes, means) -> None:
    """Mean of x against events."""
    for (workers, (simulated, expected)), color, marker in zip(
        means.items(), COLORS, MARKERS, strict=False
    ):
        momentum = f"momentum {1 - 1 / workers:.4g}, rate {RATE:g}/{workers}"
        axes.plot(expected, color=color, label=f"1 worker, {momentum}, theory")
        at = np.arange(0, EVENTS + 1, 6)
        look = {"marker": marker, "color": color, **SIMULATED}
        label = f"{workers} worker{'s' if workers > 1 else ''}, momentum 0, simulated"
        axes.plot(at, simulated[at], **look, label=label)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xlabel("events")
    axes.set_ylabel("mean of x (begins with 1)")
    axes.set_title("Geometric ages are a momentum of 1 - 1/workers")
    axes.legend(loc="upper right")


def main() -> None:
    """Run, print, draw."""
    given = options(__doc__)
    ages = AGES[:4] if given.quick else AGES
    copies = COPIES // 10 if given.quick else COPIES
    print(
        "Claim: staleness acts like momentum. On a quadratic of condition number 100,\n"
        "momentum saves steps where reads are fresh, saves hardly any at age 1, and\n"
        "costs steps where reads are older. Geometric ages of C workers are momentum\n"
        "1 - 1/C.\n"
    )
    found, rows = {}, []
    for m in MOMENTA:
        for age in ages:
            rate, expected = best_rate(age, m)
            steps = simulated_steps(rate, age, m, int(2 * expected) + 100)
            found[m, age] = expected, steps
            gain = found[0.0, age][1] / steps
            rows.append([m, age, rate, expected, steps, gain])
    head = [
        "momentum",
        "age",
        "best rate",
        "steps, theory",
        "simulated",
        "gain by momentum",
    ]
    print_table(head, rows)
    means = {c: (simulated_mean(c, copies), expected_mean(c)) for c in WORKERS}
    rows = [
        [c, 1 - 1 / c, simulated[30], expected[30], np.abs(simulated - expected).max()]
        for c, (simulated, expected) in means.items()
    ]
    head = ["workers", "as momentum", "mean x at event 30", "expected", "largest error"]
    print_table(head, rows)

    figure, (left, right) = new_figure(2)
    draw_steps(left, ages, found)
    draw_means(right, means)
    save(figure, given.out, "momentum_and_staleness")


if __name__ == "__main__":
    main()
