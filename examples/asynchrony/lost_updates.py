"""Updates that racy writes lose, against the number of workers.

A worker that adds to a word by load and store overwrites what others have stored
between the two. If the others end y steps during a write on average, each link of the
chain of writes that survive passes over y others, and a share of y / (1 + y) is lost.
Atomic writes lose nothing, and nor do plain stores where every block has one writer::

    python examples/asynchrony/lost_updates.py
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

from hogblock.asynchrony import EventDriven, Quadratic, simulate

WORKERS = (1, 2, 4, 8, 16, 32, 64)
WRITES = (0.01, 0.1, 0.5)
"""Mean duration of a write, in those of the computation before it."""
EVENTS = 50_000
COORDINATES = 64
KINDS = {
    "racy": {"writes": "racy"},
    "atomic": {"writes": "atomic"},
    "owned": {"writes": "racy", "ownership": "owned"},
}
"""Options of a simulation; owned: disjoint blocks with plain stores."""
NONE = ("atomic", "owned")
"""Where no update may be lost."""


def lost_share(workers: int, write: float, n_events: int, **options) -> tuple:
    """Share of the updates of a coordinate that were lost, and of their sum."""
    run = simulate(
        Quadratic(np.ones(COORDINATES)), EventDriven(workers, write=write), n_events,
        x0=np.ones(COORDINATES), rate=1e-4, n_records=2, random_state=0, **options,
    )  # fmt: skip
    lengths = np.array([stop - start for start, stop in run.blocks])
    missing = np.linalg.norm(run.issued - run.applied) / np.linalg.norm(run.issued)
    return run.lost / (run.updates_per_block @ lengths), missing


def expected_share(workers, write: float):
    """y / (1 + y), where y is how many others end a step during a write."""
    others = (workers - 1) * write / (1 + write)
    return others / (1 + others)


def main() -> None:
    """Run, print, draw."""
    given = options(__doc__)
    workers = WORKERS[:5] if given.quick else WORKERS
    n_events = EVENTS // 10 if given.quick else EVENTS
    print(
        "Claim: racy writes to shared blocks lose a share y / (1 + y) of the updates,\n"
        "if others end y steps during a write; atomic writes and disjoint blocks lose\n"
        "none.\n"
    )
    rows, found = [], {}
    for write in WRITES:
        for count in workers:
            shares = {}
            for kind, chosen in KINDS.items():
                shares[kind], missing = lost_share(count, write, n_events, **chosen)
                if kind == "racy":
                    of_sum = missing
            found[write, count] = shares
            expected = expected_share(count, write)
            rows.append([write, count, expected, *shares.values(), of_sum])
    head = [
        "write time",
        "workers",
        "theory",
        "  racy",
        "atomic",
        "disjoint",
        "of the sum, racy",
    ]
    print_table(head, rows)

    figure, (axes,) = new_figure()
    every = np.geomspace(1, workers[-1], 200)
    for write, color, marker in zip(WRITES, COLORS, MARKERS, strict=False):
        axes.plot(every, expected_share(every, write), color=color)
        racy = [found[write, count]["racy"] for count in workers]
        look = {"marker": marker, "color": color, **SIMULATED}
        axes.plot(workers, racy, **look, label=f"racy, write / computation = {write:g}")
    axes.plot([], [], color="black", label="y / (1 + y), theory")
    none = [max(found[w, c][k] for w in WRITES for k in NONE) for c in workers]
    label = "atomic writes, and disjoint blocks"
    axes.plot(workers, none, "kx", markersize=8, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xticks(workers, [str(count) for count in workers])
    axes.set_ylim(-0.04, 1.04)
    axes.set_xlabel("workers (log scale)")
    axes.set_ylabel("share of updates that are lost")
    axes.set_title("Plain stores lose updates unless blocks are disjoint")
    figure.legend(loc="outside lower center", ncols=2)
    save(figure, given.out, "lost_updates")


if __name__ == "__main__":
    main()
