"""Tables and pictures of the headline."""

from statistics import stdev

import numpy as np

from benchmarks.headline.frontier import geometric_mean, interval, speed_ups
from benchmarks.headline.sides import SEQUENTIAL

BASELINES = ("sync", "hogwild")
CLOCKS = ("wall", "modelled")


def frontier_of(side, clock):
    """Seconds, and qualities of the seeds, by budget."""
    return side[f"{clock}_s"], side["quality"]


def show_task(name, sides):
    """Print what was found on a task."""
    print(f"\n{name}")
    print(
        f"{'side':<24}{'batch':>6}{'rate':>7}{'wall s':>9}{'model s':>9}{'waits':>7}"
        f"{'age':>6}{'backpr.':>9}  quality by budget (spread of the seeds)"
    )
    for label, side in sides.items():
        qualities = "  ".join(
            f"{np.mean(q):.4f} ({stdev(q):.4f})" if len(q) > 1 else f"{q[0]:.4f}"
            for q in side["quality"]
        )
        print(
            f"{label:<24}{side['batch']:>6}{side['rate']:>7.3g}"
            f"{side['wall_s'][-1]:>9.3f}{side['modelled_s'][-1]:>9.3f}"
            f"{side['waits']:>7.0%}{side['age']:>6.2f}"
            f"{side['backpropagated'][-1]:>9.0%}  {qualities}"
        )
    for baseline in BASELINES:
        if baseline not in sides:
            continue
        print(f"times sooner at the quality of {baseline}, by its budgets")
        for label, side in sides.items():
            if label not in (baseline, SEQUENTIAL):
                cells = "   ".join(
                    f"{clock} "
                    + " ".join(f"{u:5.2f}x" for u in _ups(sides[baseline], side, clock))
                    for clock in CLOCKS
                )
                print(f"  {label:<24}{cells}")


def _ups(baseline, side, clock):
    return speed_ups(frontier_of(baseline, clock), frontier_of(side, clock))


def summary(found, rng):
    """Geometric means over tasks, and the quality at the longest budget.

    Parameters
    ----------
    found : dict of str to dict
        Of each task, of each side.
    rng : numpy.random.Generator

    Returns
    -------
    dict
    """
    figures = {}
    names = [n for n in next(iter(found.values())) if n != SEQUENTIAL]
    for baseline in (b for b in BASELINES if b in names):
        for name in (n for n in names if n != baseline):
            for clock in CLOCKS:
                pairs = [
                    (frontier_of(s[baseline], clock), frontier_of(s[name], clock))
                    for s in found.values()
                ]
                by_task = {
                    task: geometric_mean(speed_ups(*pair))
                    for task, pair in zip(found, pairs, strict=True)
                }
                low, high = interval(pairs, rng)
                figures[f"{name} sooner than {baseline}, {clock}"] = {
                    "mean": geometric_mean(list(by_task.values())),
                    "lowest": low,
                    "highest": high,
                    "by task": by_task,
                }
    for task, sides in found.items():
        last = sides[SEQUENTIAL]["quality"][-1]
        figures[f"quality less {SEQUENTIAL}'s, {task}"] = {
            name: float(np.mean(sides[name]["quality"][-1]) - np.mean(last))
            for name in names
        } | {"spread": stdev(last) if len(last) > 1 else 0.0}
    return figures


def show_summary(figures):
    """Print the geometric means, and the final qualities."""
    print("\ntimes sooner at the same quality: geometric mean over tasks and budgets")
    for name, value in figures.items():
        if "by task" in value:
            tasks = " ".join(f"{v:.2f}" for v in value["by task"].values())
            print(
                f"{name:<52}{value['mean']:6.2f}x ({value['lowest']:.2f}-"
                f"{value['highest']:.2f})   {tasks}"
            )
    for name, value in figures.items():
        if "by task" not in value:
            print(f"{name}: " + "  ".join(f"{k} {v:+.4f}" for k, v in value.items()))


def draw(found, path):
    """Draw a frontier a task to a file; nothing without Matplotlib."""
    try:
        from matplotlib import pyplot
    except ImportError:
        return
    columns = min(4, len(found))
    rows = -(-len(found) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(4.4 * columns, 3.6 * rows), squeeze=False
    )
    for panel in axes.flat[len(found) :]:
        panel.set_axis_off()
    for panel, (task, sides) in zip(axes.flat, found.items(), strict=False):
        for name, side in sides.items():
            qualities = np.asarray(side["quality"])
            panel.errorbar(
                side["modelled_s"], qualities.mean(axis=1), qualities.std(axis=1),
                marker="o", markersize=4, linewidth=1.2, capsize=2, label=name,
            )  # fmt: skip
        panel.set_xscale("log")
        panel.set_title(task, fontsize=10)
        panel.set_xlabel("seconds, modelled")
        panel.set_ylabel("quality on held-out rows")
        panel.grid(alpha=0.3)
    axes.flat[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
