"""Tables and pictures of a comparison, see comparison.py."""

from math import inf, nan
from statistics import median

import numpy as np

from benchmarks.record import spread

BAR_SPAN = 0.8  # of the distance between two sides


def seconds_to(target, line):
    """Training seconds until the test accuracy first reaches `target`."""
    pairs = zip(line["seconds"], line["accuracy"], strict=True)
    return next((s for s, a in pairs if a >= target), inf)


def rate_of(measured):
    """Median samples/s."""
    return median(measured["samples_per_s"])


def fastest(row):
    """Side with the most samples/s."""
    return max(row, key=lambda side: rate_of(row[side]))


def best_rate(row, baseline):
    """Samples/s of the fastest side whose name starts with `baseline`.

    NaN without one: a ratio to it is then unknown.
    """
    rates = (rate_of(v) for side, v in row.items() if side.startswith(baseline))
    return max(rates, default=nan)


def thousands(rate):
    """A rate in thousands, with decimals where it is small."""
    decimals = (rate < 20_000) + (rate < 2_000)
    return f"{rate / 1000:.{decimals}f}"


def never_or(seconds):
    """Seconds as text; what was never reached took infinitely many."""
    return "never" if seconds == inf else f"{seconds:.2f}"


def ratio(value):
    """A ratio as text, "-" where there is nothing to compare."""
    return f"{value:.2f}x" if 0 < value < inf else "-"


def figures(throughput, target):
    """Medians and spreads of a record: samples/s by case and side, seconds by side."""
    return {
        "samples_per_s": {
            case: {side: spread(line["samples_per_s"]) for side, line in row.items()}
            for case, row in throughput.items()
        },
        "peak_mb": {
            case: {side: line["peak_mb"] for side, line in row.items()}
            for case, row in throughput.items()
        },
        "seconds_to_target": {
            side: spread(found["seconds"]) for side, found in target.items()
        },
        "final_accuracy": {
            side: spread(found["final"]) for side, found in target.items()
        },
    }


def throughput_rows(comparison, table):
    """Markdown rows: median and spread in thousands, and the ratio to the baseline."""
    yield "| side | " + " | ".join(table) + " | MB |"
    yield "|---" * (len(table) + 2) + "|"
    best = {case: best_rate(row, comparison.baseline) for case, row in table.items()}
    for side in dict.fromkeys(side for row in table.values() for side in row):
        cells, memory = [], []
        for case, row in table.items():
            if side not in row:
                cells.append("-")
                continue
            rates = row[side]["samples_per_s"]
            low, middle, high = min(rates), median(rates), max(rates)
            spread = f"{thousands(low)}-{thousands(high)}"
            over_best = ratio(middle / best[case])
            cells.append(f"{thousands(middle)}k ({spread}), {over_best}")
            memory.append(row[side]["peak_mb"])
        yield f"| {side} | " + " | ".join(cells) + f" | {max(memory):.0f} |"


def target_rows(comparison, table):
    """Markdown rows of the time to the target accuracy."""
    title = f"s to {comparison.target}: median (spread)"
    yield f"| side | {title} | ratio | final | lr | epochs |"
    yield "|---|---|---|---|---|---|"
    theirs = [
        median(v["seconds"])
        for side, v in table.items()
        if side.startswith(comparison.baseline)
    ]
    best = min(theirs, default=nan)
    for side, v in table.items():
        middle = median(v["seconds"])
        low, high = never_or(min(v["seconds"])), never_or(max(v["seconds"]))
        yield (
            f"| {side} | {never_or(middle)} ({low}-{high}) | {ratio(best / middle)} | "
            f"{median(v['final']):.4f} | {v['lr']} | {v['budget']} |"
        )


def draw(comparison, throughput, target, path):
    """A panel for each measurement: speed by case, accuracy over time."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    panels = bool(throughput) + bool(target)
    if not panels:
        return
    figure = Figure(figsize=(6.5 * panels, 5), layout="constrained")
    axes = iter(figure.subplots(1, panels, squeeze=False)[0])
    if throughput:
        draw_throughput(next(axes), comparison, throughput)
    if target:
        draw_target(next(axes), comparison, target)
    figure.savefig(path, dpi=120)


def draw_throughput(axes, comparison, table):
    """Bars of samples/s by side and case, over those of the baseline's best side."""
    sides = list(dict.fromkeys(side for row in table.values() for side in row))
    height = BAR_SPAN / len(table)
    for k, (case, row) in enumerate(table.items()):
        best = best_rate(row, comparison.baseline)
        ratios = [rate_of(row[side]) / best if side in row else 0 for side in sides]
        place = np.arange(len(sides)) + height * (k - (len(table) - 1) / 2)
        axes.barh(place, ratios, 0.9 * height, label=case)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(sides)), sides)
    axes.invert_yaxis()
    label = f"samples/s over the best of {comparison.baseline}"
    axes.set(xlabel=label, title="Training throughput")
    axes.legend()


def draw_target(axes, comparison, table):
    """Test accuracy over training time of each side's median run."""

    def seconds(run):
        return seconds_to(comparison.target, run)

    for side, v in table.items():
        middle = sorted(v["runs"], key=seconds)[len(v["runs"]) // 2]
        line = "-" if side in comparison.ours else "--"
        axes.plot(middle["seconds"], middle["accuracy"], line, label=side)
    axes.axhline(comparison.target, color="grey", linewidth=0.8)
    axes.set(xlabel="training time (s)", ylabel="test accuracy", title="Median run")
    axes.set_ylim(comparison.lowest_accuracy, comparison.highest_accuracy)
    axes.legend(fontsize="small")
