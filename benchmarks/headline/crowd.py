"""More workers than cores: quality at equal epochs, and how stale what they read is.

    python -m benchmarks.headline.crowd

Each number of workers trains at the same minibatch, learning rate and epochs, in turns.
Throughput means nothing here where workers share cores. Prints a table and writes a
record (see record.py).
"""

import argparse

import numpy as np

from benchmarks import record
from benchmarks.headline.sides import MOMENTUM, Side, fit
from benchmarks.headline.tasks import TASKS
from hogblock import methods

WORKERS = (1, 2, 4, 8)
SEEDS = 3
BATCH = 64
METHODS = {
    "hogwild": methods.Hogwild(),
    "thinned": methods.Thinned(),
    "thinned, horizon own": methods.Thinned(horizon="own"),
}


def main():
    options = _options()
    figures = {}
    print(
        f"{'task':<20}{'method':<24}{'workers':>8}{'quality':>18}{'less sgd':>10}",
        end="",
    )
    print(f"{'age':>7}")
    for task in (t for t in TASKS if options.tasks in t.name):
        rate, epochs = task.rates[1], task.budgets[-1]
        sides = {("sgd", 1): Side(methods.SGD(), 1)}
        sides |= {(m, w): Side(METHODS[m], w) for m in METHODS for w in WORKERS}
        runs = {key: [] for key in sides}
        for seed in range(options.seeds):
            for key, side in sides.items():
                runs[key].append(fit(task, side, BATCH, rate, epochs, seed))
        reference = np.mean([r["quality"] for r in runs["sgd", 1]])
        for (name, workers), found in runs.items():
            quality = [r["quality"] for r in found]
            age = float(np.mean([r["age"] for r in found]))
            less = float(np.mean(quality) - reference)
            print(
                f"{task.name:<20}{name:<24}{workers:>8}{np.mean(quality):>10.4f} "
                f"({np.std(quality):.4f}){less:>+10.4f}{age:>7.2f}"
            )
            figures[f"{task.name}, {name}, {workers} workers"] = {
                "quality": record.spread(quality), "less sgd": less, "age": age,
            }  # fmt: skip
    settings = {
        "batch": BATCH,
        "momentum": MOMENTUM,
        "seeds": options.seeds,
        "rates": {t.name: t.rates[1] for t in TASKS},
        "epochs": {t.name: t.budgets[-1] for t in TASKS},
    }
    print(f"\n{record.write(options.out, 'crowd', settings, figures)}")


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default="", help="only those whose name has this")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", default=record.RESULTS, help="folder of records")
    return parser.parse_args()


if __name__ == "__main__":
    main()
