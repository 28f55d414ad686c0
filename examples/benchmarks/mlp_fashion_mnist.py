"""Fashion-MNIST, 784-256-128-10: hogblock beside PyTorch, JAX and scikit-learn.

Measures, in one run on one machine:

- training throughput (samples/s) at several minibatch sizes: median of the repeats and
  their spread, warm-up and compilation excluded;
- time to a test accuracy of `TARGET`, evaluation excluded: learning rate and number of
  epochs (of a cosine schedule) are tuned for each side on `TUNING_SEEDS`, then the best
  setting is run with `SEEDS`; a run that never gets there counts as infinite;
- peak memory of the measured epochs.

Every side runs alone in processes of its own. A peer that is not installed is skipped
and named. Needs Debian's package ``dataset-fashion-mnist``; the peers are
``pip install torch==2.13.0 jax``.

    python mlp_fashion_mnist.py                     # all, about 25 minutes
    python mlp_fashion_mnist.py --only throughput
    python mlp_fashion_mnist.py --sides passm+-2,jax-scan

Prints tables (Markdown) and writes mlp_fashion_mnist.json and .png into ``--out``.
"""

import argparse
import json
import platform
from pathlib import Path
from statistics import median

import mlp_hogblock
import mlp_peers
import numpy as np

BATCHES = (32, 64, 256)
EPOCHS, REPEATS = 1, 5  # of a throughput measurement
TARGET = 0.89
ACCURACY_BATCH = 64
LEARNING_RATES = (0.02, 0.04, 0.08)
BUDGETS = (7, 10)
TUNING_SEEDS = (100, 101)
SEEDS = (0, 1, 2, 3, 4)
BASELINE = "torch"  # ratios are to the fastest side whose name starts like this

SIDES = {name: mlp_hogblock.__file__ for name in mlp_hogblock.RUNS}
SIDES |= {name: mlp_peers.__file__ for name in mlp_peers.PEERS}


def run(side, action, **options):
    """Lines of one side; prints why if it is not available."""
    lines = mlp_peers.run_peer(side, action, script=SIDES[side], **options)
    for line in lines:
        if not line["available"]:
            print(f"{side}: not available ({line['why']})", flush=True)
    return [line for line in lines if line["available"]]


def measure_throughput(sides):
    """{batch: {side: line}}; sides take turns, so that a slow minute hits few."""
    table = {}
    for batch in BATCHES:
        table[batch] = {}
        for side in sides:
            lines = run(side, "throughput", batch=batch, epochs=EPOCHS, repeats=REPEATS)
            if lines:
                table[batch][side] = lines[0]
                rate = median(lines[0]["samples_per_s"])
                print(f"batch {batch:4} {side:18} {rate:10,.0f} samples/s", flush=True)
    return table


def seconds_to_target(line):
    """Training seconds until the test accuracy first reaches `TARGET`."""
    reached = [
        s for s, a in zip(line["seconds"], line["accuracy"], strict=True) if a >= TARGET
    ]
    return reached[0] if reached else float("inf")


def slowness(runs):
    """Order of settings: the slower run's time, then the worse final accuracy."""
    final = min(run["accuracy"][-1] for run in runs)
    return max(map(seconds_to_target, runs)), -final


def measure_time_to_target(sides):
    """{side: {"lr", "budget", "seconds", "final"}} at each side's best setting."""
    table = {}
    for side in sides:
        options = dict(batch=ACCURACY_BATCH, lr=LEARNING_RATES, seed=TUNING_SEEDS)
        tried = {}
        for budget in BUDGETS:
            for line in run(side, "train", budget=budget, **options):
                tried.setdefault((line["lr"], budget), []).append(line)
        if not tried:
            continue
        lr, budget = min(tried, key=lambda setting: slowness(tried[setting]))
        options |= dict(lr=lr, seed=SEEDS)
        runs = run(side, "train", budget=budget, **options)
        table[side] = {
            "lr": lr,
            "budget": budget,
            "seconds": [seconds_to_target(r) for r in runs],
            "final": [r["accuracy"][-1] for r in runs],
            "runs": runs,
        }
        print(
            f"{side:18} to {TARGET}: {median(table[side]['seconds']):.2f} s, final "
            f"{median(table[side]['final']):.4f} (lr {lr}, "
            f"{budget} epochs)",
            flush=True,
        )
    return table


def throughput_rows(table):
    """Markdown rows: median and spread in thousands, and the ratio to the baseline."""
    yield "| side | " + " | ".join(f"batch {b}" for b in table) + " | MB |"
    yield "|---" * (len(table) + 2) + "|"
    best = {
        batch: max(
            (
                median(v["samples_per_s"])
                for s, v in row.items()
                if s.startswith(BASELINE)
            ),
            default=float("nan"),
        )
        for batch, row in table.items()
    }
    for side in next(iter(table.values())):
        cells = []
        for batch, row in table.items():
            rates = np.array(row[side]["samples_per_s"]) / 1000
            cells.append(
                f"{np.median(rates):.0f}k ({rates.min():.0f}-{rates.max():.0f}), "
                f"{1000 * np.median(rates) / best[batch]:.2f}x"
            )
        memory = max(row[side]["peak_mb"] for row in table.values())
        yield f"| {side} | " + " | ".join(cells) + f" | {memory:.0f} |"


def target_rows(table):
    """Markdown rows of the time to `TARGET`."""
    yield f"| side | s to {TARGET}: median (spread) | ratio | final | lr | epochs |"
    yield "|---|---|---|---|---|---|"
    best = min(
        (median(v["seconds"]) for s, v in table.items() if s.startswith(BASELINE)),
        default=float("nan"),
    )
    for side, v in table.items():
        low, high = min(v["seconds"]), max(v["seconds"])
        middle = median(v["seconds"])
        yield (
            f"| {side} | {middle:.2f} ({low:.2f}-{high:.2f}) | {best / middle:.2f}x | "
            f"{median(v['final']):.4f} | {v['lr']} | {v['budget']} |"
        )


def draw(throughput, target, path):
    """A panel for each measurement: speed by batch size, accuracy over time."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    panels = bool(throughput) + bool(target)
    figure = Figure(figsize=(6.5 * panels, 5), layout="constrained")
    axes = iter(figure.subplots(1, panels, squeeze=False)[0])
    if throughput:
        draw_throughput(next(axes), throughput)
    if target:
        draw_target(next(axes), target)
    figure.savefig(path, dpi=120)


def draw_throughput(axes, table):
    """Bars of samples/s by side and minibatch size."""
    for k, (batch, row) in enumerate(table.items()):
        rates = [median(v["samples_per_s"]) / 1000 for v in row.values()]
        place = np.arange(len(rates)) + 0.27 * (k - 1)
        axes.barh(place, rates, 0.25, label=f"batch {batch}")
        axes.set_yticks(range(len(rates)), list(row))
    axes.invert_yaxis()
    axes.set(xlabel="thousand samples/s", title="Training throughput")
    axes.legend()


def draw_target(axes, table):
    """Test accuracy over training time of each side's median run."""
    for side, v in table.items():
        middle = sorted(v["runs"], key=seconds_to_target)[len(v["runs"]) // 2]
        line = "-" if side in mlp_hogblock.RUNS else "--"
        axes.plot(middle["seconds"], middle["accuracy"], line, label=side)
    axes.axhline(TARGET, color="grey", linewidth=0.8)
    axes.set(xlabel="training time (s)", ylabel="test accuracy", title="Median run")
    axes.set_ylim(0.84, 0.9)
    axes.legend(fontsize="small")


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--only", choices=["throughput", "target"])
    parser.add_argument("--out", type=Path, default=Path("results"))
    options = parser.parse_args()
    sides = options.sides.split(",")
    throughput, target = {}, {}
    if options.only != "target":
        throughput = measure_throughput(sides)
    if options.only != "throughput":
        target = measure_time_to_target(sides)
    for rows, table in ((throughput_rows, throughput), (target_rows, target)):
        if table:
            print("\n" + "\n".join(rows(table)))
    options.out.mkdir(parents=True, exist_ok=True)
    record = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "throughput": throughput,
        "target": target,
    }
    path = options.out / "mlp_fashion_mnist"
    path.with_suffix(".json").write_text(json.dumps(record, indent=1))
    draw(throughput, target, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
