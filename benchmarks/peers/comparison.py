"""Compare all sides in one run: throughput, and training time to a test accuracy.

A driver describes its comparison by a `Comparison` and calls `main`. Every side runs
alone in processes of its own (see sides.py). A side that is not available is skipped
and named.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks import record
from benchmarks.peers import comparison_report as report
from benchmarks.peers.sides import run_peer

PACKAGES = (*record.PACKAGES, "torch", "jax")


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes
    ----------
    name : str
        Of the record.
    modules : dict of str to str
        Module that runs each side.
    ours : collection of str
        Sides that are hogblock's.
    cases : dict of str to dict
        Options of the throughput measurements, by their title.
    rounds : int
        Times that all sides take a turn at a case.
    training : dict
        Options of the training runs, but for learning rate, seed and budget.
    target : float
        Test accuracy.
    learning_rates, budgets : sequence
        What is tried for each side; a budget is a number of epochs.
    tuning_seeds, seeds : sequence of int
        Seeds of the tuning, and of the runs at the best setting.
    baseline : str
        Ratios are to the best side whose name starts like this.
    lowest_accuracy, highest_accuracy : float
        Limits of the picture.
    """

    name: str
    modules: dict
    ours: tuple
    cases: dict
    rounds: int
    training: dict
    target: float
    learning_rates: tuple
    budgets: tuple
    tuning_seeds: tuple
    seeds: tuple
    baseline: str
    lowest_accuracy: float
    highest_accuracy: float


def run(comparison, side, action, **options):
    """Lines of one side; prints why if it is not available."""
    lines = run_peer(side, action, module=comparison.modules[side], **options)
    for line in lines:
        if not line["available"]:
            print(f"{side}: not available ({line['why']})", flush=True)
    return [line for line in lines if line["available"]]


def measure_throughput(comparison, case, sides):
    """{side: line of sides.throughput, with the rates of all rounds}.

    Sides take turns, so that a slow minute hits few.
    """
    row, sides = {}, list(sides)
    for _ in range(comparison.rounds):
        for side in tuple(sides):
            lines = run(comparison, side, "throughput", **comparison.cases[case])
            if not lines:
                sides.remove(side)
                continue
            (line,) = lines
            rate = report.rate_of(line)
            print(f"{case:10} {side:22} {rate:10,.0f} samples/s", flush=True)
            if side in row:
                earlier = row[side]["samples_per_s"]
                line["samples_per_s"] = earlier + line["samples_per_s"]
            row[side] = line
    return row


def measure_target(comparison, side):
    """A side's runs at its best setting; None if it is not available.

    Returns
    -------
    dict
        lr, budget, seconds (to the target) and final (accuracy) of each run, runs.
    """
    options = dict(lr=comparison.learning_rates, seed=comparison.tuning_seeds)
    options |= comparison.training
    tried = {}
    for budget in comparison.budgets:
        for line in run(comparison, side, "train", budget=budget, **options):
            tried.setdefault((line["lr"], budget), []).append(line)
    if not tried:
        return None

    def slowness(setting):
        """The slower run's time, then the worse final accuracy."""
        runs = tried[setting]
        final = min(run["accuracy"][-1] for run in runs)
        return max(report.seconds_to(comparison.target, r) for r in runs), -final

    lr, budget = min(tried, key=slowness)
    options |= dict(lr=lr, seed=comparison.seeds)
    runs = run(comparison, side, "train", budget=budget, **options)
    if not runs:
        return None
    found = {
        "lr": lr,
        "budget": budget,
        "seconds": [report.seconds_to(comparison.target, r) for r in runs],
        "final": [r["accuracy"][-1] for r in runs],
        "runs": runs,
    }
    print(
        f"{side:22} to {comparison.target}: {median(found['seconds']):.2f} s, final "
        f"{median(found['final']):.4f} (lr {lr}, {budget} epochs)",
        flush=True,
    )
    return found


class Results:
    """What was measured, and the record that holds it.

    Parameters
    ----------
    comparison : Comparison
    folder : Path
    added : bool
        Whether to start from the folder's newest record of this machine.
    """

    def __init__(self, comparison, folder, added):
        self.comparison, self.folder = comparison, folder
        newest = record.latest(folder, comparison.name) if added else None
        earlier = newest["measured"] if newest else {}
        self.throughput = earlier.get("throughput", {})
        self.target = earlier.get("target", {})

    def write(self):
        """Write the numbers and the picture."""
        path = record.write(
            self.folder,
            self.comparison.name,
            asdict(self.comparison),
            report.figures(self.throughput, self.target),
            PACKAGES,
            measured={"throughput": self.throughput, "target": self.target},
        )
        picture = path.with_suffix(".png")
        report.draw(self.comparison, self.throughput, self.target, picture)

    def show(self):
        """Print the tables, in Markdown."""
        for table, rows in (
            (self.throughput, report.throughput_rows),
            (self.target, report.target_rows),
        ):
            if table:
                print("\n" + "\n".join(rows(self.comparison, table)))


def options_parser(description, sides):
    """Command line that every driver has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sides", default=",".join(sides))
    parser.add_argument("--only", choices=["throughput", "target"])
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    add = "keep what --out holds of other cases and sides"
    parser.add_argument("--add", action="store_true", help=add)
    return parser


def main(comparison, options, choose=lambda sides, throughput: sides):
    """Measure, print and write.

    Parameters
    ----------
    comparison : Comparison
    options : Namespace
        Of `options_parser`.
    choose : callable
        ``choose(sides, throughput)`` returns the sides that train to the target.
    """
    sides = options.sides.split(",")
    results = Results(comparison, options.out, options.add)
    if options.only != "target":
        for case in comparison.cases:
            row = measure_throughput(comparison, case, sides)
            if row:
                results.throughput[case] = row
                results.write()
    if options.only != "throughput":
        for side in choose(sides, results.throughput):
            found = measure_target(comparison, side)
            if found:
                results.target[side] = found
                results.write()
    results.show()
