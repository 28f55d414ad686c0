"""What exchanges take of a node's workers.

    python -m benchmarks.distributed.cost

One node has the first core, with all of its threads; the driver and the cluster have
the second. Fits with exchanges and without are made in turns. The node is alone, and so
its own model comes back to it: it sends, receives and adds as with others. Prints a
table, writes a record (see record.py). Takes four minutes.
"""

import argparse
import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.distributed.accuracy import conv, mlp
from benchmarks.distributed.kills import pids_of_nodes
from benchmarks.distributed.machines import machines
from hogblock.datasets import load_fashion_mnist
from hogblock.distributed import Averaging, Ray, engine
from hogblock.distributed.session import session

TURNS = 6
NEVER = 10**9
SIDES = {
    "without": Averaging(every=NEVER),
    "auto (2%)": Averaging(),
    "auto (5%)": Averaging(share=0.05),
    "auto, int8": Averaging(compression="int8"),
}
TASKS = {"mlp": (mlp, 6), "conv16-32": (conv, 2)}


def keep_apart(over):
    """All threads of nodes on the first core, whenever there are new ones."""
    while not over.wait(0.05):
        for pid in pids_of_nodes():
            for thread in os.listdir(f"/proc/{pid}/task"):
                try:
                    os.sched_setaffinity(int(thread), {0})
                except OSError:
                    continue


def measured(make, epochs, data):
    """Samples a second of each side, by turn."""
    found = {side: [] for side in SIDES}
    exchanges = {side: [] for side in SIDES}
    for _ in range(TURNS + 1):
        for side, averaging in SIDES.items():
            model = make(
                device=Ray(nodes=1, averaging=averaging), n_jobs=1, random_state=0,
                learning_rate_init=0.01,
            ).set_params(max_iter=epochs)  # fmt: skip
            model.fit(data.data, data.target)
            (node,) = model.nodes_
            found[side].append(node.samples / node.seconds)
            exchanges[side].append(node.exchanges)
    # The first turn is to get warm.
    return {s: v[1:] for s, v in found.items()}, exchanges


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    data = load_fashion_mnist()
    over, figures, rows = threading.Event(), {}, {}
    with machines(1), session(Ray(nodes=1), 1, True) as nodes:
        threading.Thread(target=keep_apart, args=(over,), daemon=True).start()
        time.sleep(0.5)
        engine.session = lambda *_: nullcontext(nodes)  # the same node for all fits
        for name, (make, epochs) in TASKS.items():
            rates, exchanges = measured(make, epochs, data)
            rows[name] = {"samples/s": rates, "exchanges": exchanges}
            base = np.array(rates["without"])
            for side, values in rates.items():
                lost = 100 * (1 - np.array(values) / base)
                of = record.spread(lost.tolist()) | {
                    "standard error": float(lost.std(ddof=1) / np.sqrt(len(lost))),
                    "k samples/s": float(np.median(values) / 1000),
                    "exchanges": float(np.median(exchanges[side])),
                }
                figures[f"{name}, {side}: lost, %"] = of
                print(
                    f"{name:<12}{side:<14}{of['k samples/s']:>9.1f} k samples/s"
                    f"{of['exchanges']:>6.0f} exchanges, lost {of['median']:6.2f}% "
                    f"(mean {lost.mean():.2f} +- {of['standard error']:.2f})",
                    flush=True,
                )
    over.set()
    record.write(
        options.out, "nodes-cost", dict(turns=TURNS), figures,
        (*record.PACKAGES, "ray"), rows=rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
