"""Two workers, one coordinate each, slide along a kink, or do not.

On f(x) = |x1 - x2| + r (x1^2 + x2^2) with a small ridge r every point of the kink
x1 = x2 is a dead end for whoever minimises over one coordinate at a time: no change of
x1 alone, or of x2 alone, makes f smaller. Subgradient steps of two workers who own one
coordinate each do slide along it, if who is next is chance. With fresh reads the slopes
of |x1 - x2| cancel on average, and the flow d x / d(sum of rates) = -r x is left. With
stale reads each sees the other one where it was, farther out, and is held back: by a
factor that depends on the age and not on the steps, so that smaller steps do not bring
the speed back.

The differential inclusion of the theory allows all speeds of the flow, from none on: on
the kink each block may take any slope between -1 and 1 of its own. Strictly in turn,
where nothing is left to chance, the slopes need not cancel: x rests, or runs along the
kink up and down, though steps, ages and own blocks are as the theory asks::

    python examples/asynchrony/kink_sliding.py
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

from hogblock.asynchrony import Adversarial, Kink, Law, simulate

RIDGE = 0.1
START = (0.5, 3.3)
EVENTS = 1_000_000
CASES = {f"age {age}": Law(workers=2, ages=age) for age in (0, 2, 8, 32)}
"""Random order, and the age at which workers read each other."""
IN_TURN = Adversarial(workers=2, age=0)
DRAWN = "age 2"
SCALES = (0.5, 0.1)
"""Of the steps; the first is drawn."""
NEAREST = 0.1
"""Distance to which the speed is measured: nearer by, chance is as large."""


def rate(k: np.ndarray, scale: float = SCALES[0]) -> np.ndarray:
    """Steps of the theory: they go to zero, with an infinite sum."""
    return scale / (k + 10) ** 0.75


def run(scheduler, n_events: int, scale: float = SCALES[0]):
    """Two workers, one coordinate each."""
    return simulate(
        Kink(RIDGE), scheduler, n_events, x0=START, ownership="owned",
        rate=lambda k: rate(k, scale), n_records=8_000, random_state=0,
    )  # fmt: skip


def slide(found, scale: float = SCALES[0]) -> tuple[np.ndarray, np.ndarray, float]:
    """From the kink on: sums of rates, distances to 0, speed in terms of the flow's."""
    sums = np.cumsum(rate(np.arange(found.n_events + 1.0), scale))[found.recorded_at]
    gap = found.trajectory[:, 1] - found.trajectory[:, 0]
    meets = int(np.flatnonzero(gap <= 0)[0])
    sums, distances = sums[meets:] - sums[meets], found.trajectory[meets:].mean(axis=1)
    distances = np.sqrt(2) * np.abs(distances)
    end = int(np.argmax(distances < NEAREST)) or len(distances) - 1
    speed = np.log(distances[0] / distances[end]) / (RIDGE * sums[end])
    return sums, distances, float(speed)


def one_coordinate_at_a_time(steps: int = 10) -> np.ndarray:
    """Versions of exact minimisation over x1, x2, x1, ...

    Over x1 the minimiser of |x1 - x2| + r x1^2 is x2, cut to [-1/(2r), 1/(2r)].
    """
    x, path = np.array(START), [START]
    for k in range(steps):
        x[k % 2] = np.clip(x[1 - k % 2], -1 / (2 * RIDGE), 1 / (2 * RIDGE))
        path.append(tuple(x))
    return np.array(path)


def draw_path(axes, found, stuck) -> None:
    """Paths over the level lines of f."""
    first, second = np.meshgrid(
        np.linspace(-0.6, 3.6, 200), np.linspace(-0.6, 3.6, 200)
    )
    values = np.abs(first - second) + RIDGE * (first**2 + second**2)
    axes.contour(first, second, values, levels=14, colors="#bbbbbb", linewidths=0.8)
    axes.plot(
        [-0.6, 3.6], [-0.6, 3.6], color="#999999", linestyle=":", label="the kink"
    )
    path = found.trajectory
    axes.plot(
        *path.T,
        color=COLORS[list(CASES).index(DRAWN)],
        linewidth=1,
        label=f"path, {DRAWN}",
    )
    axes.plot(*stuck.T, color="#555555", linestyle="--", label="exact, one coordinate")
    axes.plot(*stuck[-1], "D", color="#555555", label="where that is stuck")
    axes.plot(*START, "o", color="black", label="start")
    axes.plot(0, 0, "*", color="black", markersize=11, label="minimum")
    axes.set_aspect("equal")
    axes.set_xlabel("x1, of worker 0")
    axes.set_ylabel("x2, of worker 1")
    axes.set_title("The path slides along the kink")
    axes.legend(loc="lower right", fontsize=8)


def main() -> None:
    """Run, print, draw."""
    given = options(__doc__)
    n_events = EVENTS // 20 if given.quick else EVENTS
    print(
        "Claim: workers of one coordinate each, in random order, slide along the kink\n"
        "towards the minimum, where exact minimisation of one coordinate is stuck: at\n"
        "the speed of the flow if they read fresh, else at a share of it that depends\n"
        "on the age, not on steps.\n"
    )
    stuck = one_coordinate_at_a_time()
    figure, (left, right) = new_figure(2)
    rows = []
    looks = zip(CASES.items(), COLORS, MARKERS, strict=True)
    for (case, law), color, marker in looks:
        found = run(law, n_events)
        sums, distances, speed = slide(found)
        other = slide(run(law, n_events, SCALES[1]), SCALES[1])[2]
        rows.append([case, n_events, float(np.linalg.norm(found.x)), speed, other])
        shown = np.searchsorted(sums, np.linspace(0, sums[-1], 25)).clip(
            max=len(sums) - 1
        )
        look = {"marker": marker, "color": color, **SIMULATED}
        label = f"{case}: speed {speed:.2f} of the flow's"
        right.plot(sums[shown], distances[shown], **look, label=label)
        if case == DRAWN:
            draw_path(left, found, stuck)
        if case == "age 0":
            flow = sums, distances[0] * np.exp(-RIDGE * sums)
    print_table(
        [" case", " events", "distance to 0", *(f"speed, scale {c}" for c in SCALES)],
        rows,
    )
    end = float(np.linalg.norm(stuck[-1]))
    print(
        f"exact minimisation over one coordinate at a time stops at distance {end:.4g}"
    )

    path = run(IN_TURN, n_events).trajectory.mean(axis=1)[100:]
    print(
        f"strictly in turn, with fresh reads, x was from {path.min():.2f} to "
        f"{path.max():.2f} on the kink,\nand is at {path[-1]:.2f} in the end"
    )

    right.plot(*flow, color="black", label="flow along the kink, theory")
    right.axhline(end, color="#555555", linestyle="--", label="exact, one coordinate")
    right.set_yscale("log")
    right.set_xlabel("sum of rates since the kink was met")
    right.set_ylabel("distance to the minimum (log scale)")
    right.set_title("Stale reads slow it, for steps of all sizes")
    right.legend(loc="lower left")
    save(figure, given.out, "kink_sliding")


if __name__ == "__main__":
    main()
