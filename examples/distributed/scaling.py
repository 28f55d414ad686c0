"""Time to a target loss against nodes and bandwidth, simulated: 1 to 1,024 nodes.

Two problems are trained by nodes that take local steps and average their models beside
them, around a hub (a star) or with their neighbours (a ring). A star has the loss of
its hub's average, a ring that of the mean of its models. Nodes and links are those
of STEP_SECONDS, EXCHANGE_SECONDS, LATENCY and BANDWIDTHS. Each number of nodes has its
best rate of a grid, found on the star with the fastest links, among the best one of
fewer nodes and those above that::

    python examples/distributed/scaling.py
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

sys.path.append(str(Path(__file__).parent.parent / "asynchrony"))
from _shared import COLORS, MARKERS, new_figure, options, print_table, save

from hogblock.asynchrony import Compute, Link, NetworkProblem, simulate_nodes
from hogblock.distributed import Averaging
from hogblock.models import Dense, Network

NODES = (1, 4, 16, 64, 256, 1024)
BANDWIDTHS = {"1 GB/s": 1e9, "10 MB/s": 1e7, "1 MB/s": 1e6}
FASTEST = "1 GB/s"
LINES = (
    ("star", "1 GB/s"),
    ("star", "10 MB/s"),
    ("star", "1 MB/s"),
    ("ring", "1 MB/s"),
)
STYLES = {"star": "-", "ring": ":"}
AHEAD = 4
"""Rates that are tried, from the best one of fewer nodes on."""
RATES = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56)
STEP_SECONDS, EXCHANGE_SECONDS, LATENCY = 0.9e-3, 4.5e-3, 12e-3
"""Measured on two nodes of one machine, see benchmarks/distributed/calibration.py."""
STEPS, MOST_STEPS = 24_000, 1_500_000
"""Steps of all nodes together: where each has FEWEST, and at most."""
FEWEST = 5_000
RECORD_SECONDS = 0.02
BATCH = 4
CLAIM = """\
Claim: more nodes gain where the noise of gradients is what slows one of them down, and
next to nothing where it is not. A star gains up to where its hub is full: where the
models of all nodes take longer through the hub's link than the steps between two
exchanges. A ring has no such middle: even the slowest links do for it."""


def digits_network() -> NetworkProblem:
    """A ReLU network on digits: with little noise, as it can fit them all."""
    X, y = load_digits(return_X_y=True)
    network = Network([Dense(32, "relu"), Dense(10)], (64,))
    return NetworkProblem(network, X / 16, y, batch=BATCH)


def noisy_classes() -> NetworkProblem:
    """Softmax regression on classes drawn by chance: with noise to the end."""
    random = np.random.default_rng(0)
    scales = np.geomspace(1, 0.3, 50)
    X = random.standard_normal((8192, 50)) * scales
    scores = X @ (random.standard_normal((50, 10)) * 0.7 / scales[:, None])
    y = (scores + 1.5 * random.gumbel(size=scores.shape)).argmax(axis=1)
    return NetworkProblem(Network([Dense(10)], (50,)), X, y, batch=BATCH, alpha=1e-4)


PROBLEMS = {
    "ReLU network, digits": (digits_network, 0.05),
    "softmax regression, noisy classes": (noisy_classes, 0.84),
}
"""Function that makes it, and the target loss."""


def run(problem, nodes, target, rate, bandwidth, topology, seconds):
    """A simulation up to the target, or for so many seconds of steps."""
    steps = int(np.ceil(seconds / STEP_SECONDS))
    return simulate_nodes(
        problem, nodes=nodes, steps=steps, rate=rate, x0=problem.start(0),
        averaging=Averaging(topology=topology),
        compute=Compute(
            STEP_SECONDS, "lognormal", sigma=0.3, exchange=EXCHANGE_SECONDS,
            exchange_per_byte=1e-9,
        ),
        link=Link(LATENCY, BANDWIDTHS[bandwidth]),
        records=np.arange(0, 3 * seconds, max(RECORD_SECONDS, seconds / 400)),
        target=target,
        random_state=0,
    )  # fmt: skip


def tuned(problem, nodes, target, rates, longest):
    """The rate of the least time to the target, and its run; the first one counts."""
    best = run(problem, nodes, target, rates[0], FASTEST, "star", longest)
    rate, least = rates[0], best.time_to(target)
    for other in rates[1:]:
        found = run(problem, nodes, target, other, FASTEST, "star", min(least, longest))
        if found.time_to(target) < least:
            rate, best, least = other, found, found.time_to(target)
    return rate, best


def longest_of(nodes: int) -> float:
    """Seconds of steps that a node may take."""
    return max(STEPS / nodes, min(FEWEST, MOST_STEPS / nodes)) * STEP_SECONDS


def times_of(problem, nodes, target, rates, lines):
    """Best rate, its run on the fastest star, and the time to the target by line."""
    longest = longest_of(nodes)
    rate, best = tuned(problem, nodes, target, rates, longest)
    times = {}
    for topology, bandwidth in lines:
        found = best
        if (topology, bandwidth) != ("star", FASTEST):
            found = run(problem, nodes, target, rate, bandwidth, topology, longest)
        times[topology, bandwidth] = found.time_to(target)
    return rate, best, times


def main() -> None:
    """Tune, simulate, print, draw."""
    given = options(__doc__)
    numbers, lines, grid = NODES, LINES, RATES
    if given.quick:
        numbers, lines, grid = (1, 16), (LINES[0], LINES[-1]), (0.08, 0.32)
    print(CLAIM)
    figure, panels = new_figure(len(PROBLEMS))
    for axes, (name, (make, target)) in zip(panels, PROBLEMS.items(), strict=True):
        problem, rates, rows, times = make(), grid, [], []
        for nodes in numbers:
            rate, best, found = times_of(problem, nodes, target, rates, lines)
            times.append(found)
            at = grid.index(rate)
            rates = grid[at : at + AHEAD]
            shown = [f"{t:.2f}" if np.isfinite(t) else "-" for t in found.values()]
            gain = times[0][lines[0]] / found[lines[0]]
            facts = [f"{gain:.1f}", best.steps[-1] * BATCH, best.mean_participants]
            rows.append([f"{nodes:5}", f"{rate:g}", *shown, *facts])
        print(f"\nSimulated seconds to loss {target} of the {name} (-: not reached):")
        head = [f"{topology}, {bandwidth}" for topology, bandwidth in lines]
        facts = ["speed-up", "   samples", "nodes a round"]
        print_table(["nodes", "rate", *head, *facts], rows)
        draw(axes, name, numbers, times, target)
    panels[0].legend(frameon=False, fontsize=8)
    save(figure, given.out, "scaling")


def draw(axes, name, numbers, times, target) -> None:
    """Times to the target against nodes, a line for each topology and bandwidth."""
    for k, (topology, bandwidth) in enumerate(times[0]):
        found = np.array([each[topology, bandwidth] for each in times])
        found = np.where(np.isfinite(found), found, np.nan)
        look = MARKERS[k] + STYLES[topology]
        label = f"{topology}, {bandwidth}"
        axes.plot(numbers, found, look, color=COLORS[k], label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(numbers, [str(n) for n in numbers])
    axes.set_xlabel("simulated nodes")
    axes.set_ylabel(f"seconds to loss {target} (log scale)")
    axes.set_title(name)


if __name__ == "__main__":
    main()
