"""Workers of unequal speed have the same limit, and are slower.

Two workers own one coordinate each of f(x) = |x1 - x2| + r (x1^2 + x2^2), and read
fresh. Worker 0 takes a share q of the events, worker 1 the rest. Along the kink x1 = x2
the slopes have to cancel at these shares, which leaves the flow d x / d(sum of rates) =
-4 q (1 - q) r x: whatever q is, it ends in the minimum; the more unequal the shares
are, the longer it takes::

    python examples/asynchrony/unequal_rates.py
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

from hogblock.asynchrony import Kink, Law, simulate

RIDGE = 0.15
START = (2.0, 2.0)
FASTER = (1, 3, 9)
"""Events of worker 0 for each event of worker 1."""
EVENTS = 300_000
RUNS = 16
"""To take the mean of: who is next is chance."""


def rate(k: np.ndarray) -> np.ndarray:
    """Steps of the theory: they go to zero, with an infinite sum."""
    return 0.5 / (k + 10) ** 0.75


def mean_path(share: float, n_events: int, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Versions at which x was recorded, and the mean of x (r, 2) over runs."""
    law = Law(workers=2, probabilities=[share, 1 - share])
    found = [
        simulate(
            Kink(RIDGE), law, n_events, x0=START, ownership="owned", rate=rate,
            n_records=n_events // 100 + 1, random_state=seed,
        )
        for seed in range(runs)
    ]  # fmt: skip
    return found[0].recorded_at, np.mean([run.trajectory for run in found], axis=0)


def main() -> None:
    """Run, print, draw."""
    given = options(__doc__)
    n_events, runs = (EVENTS // 10, 4) if given.quick else (EVENTS, RUNS)
    print(
        "Claim: with block rates of 9:1 the limit is that of 1:1, and the way takes\n"
        "the 1 / (4 q (1 - q)) = 2.8-fold sum of rates.\n"
    )
    sums = np.cumsum(rate(np.arange(n_events + 1.0)))
    figure, (axes,) = new_figure()
    rows = []
    for faster, color, marker in zip(FASTER, COLORS, MARKERS, strict=False):
        share = faster / (1 + faster)
        speed = 4 * share * (1 - share)
        at, path = mean_path(share, n_events, runs)
        distances = np.linalg.norm(path, axis=1)
        flow = distances[0] * np.exp(-speed * RIDGE * (sums[at] - sums[0]))
        rows.append([f"{faster}:1", speed, *path[-1], distances[-1], flow[-1]])
        axes.plot(at[1:], flow[1:], color=color, label=f"rates {faster}:1, flow")
        shown = np.unique(np.geomspace(1, len(at) - 1, 22).astype(int))
        look = {"marker": marker, "color": color, **SIMULATED}
        axes.plot(at[shown], distances[shown], **look, label=f"{faster}:1, simulated")
    head = [
        "rates",
        "4 q (1 - q)",
        "x1 at the end",
        "x2 at the end",
        "distance",
        "by the flow",
    ]
    print_table(head, rows)

    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("events (log scale)")
    axes.set_ylabel("distance of the mean x to the minimum (log scale)")
    axes.set_title("Unequal block rates: the same limit, later")
    axes.legend(loc="lower left")
    save(figure, given.out, "unequal_rates")


if __name__ == "__main__":
    main()
