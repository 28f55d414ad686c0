"""Does the simulation of nodes tell what real ones do?

    python -m benchmarks.distributed.calibration

Fits on 2, 3 and 4 nodes of this machine exchange every `CALIBRATED` minibatches: times
of steps, exchanges and messages are taken from their reports. The simulation of the
same nodes then predicts fits that exchange every `CHECKED` minibatches: exchanges,
seconds and losses stand beside those of real ones. Prints a table, writes a record (see
record.py). Takes three minutes.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.distributed.machines import machines
from hogblock import MLPClassifier
from hogblock.asynchrony import Compute, Link, NetworkProblem, simulate_nodes
from hogblock.datasets import load_fashion_mnist
from hogblock.distributed import Averaging, Ray
from hogblock.distributed.pace import MESSAGE_SECONDS

NODES = (2, 3, 4)
CALIBRATED, CHECKED = 40, (20, 160)
ROWS, BATCH, EPOCHS, RATE = 24_000, 64, 6, 0.02
REPEATS = 2
UNITS = (256, 128)


def data():
    """Rows of zero mean and unit variance, and their classes."""
    found = load_fashion_mnist()
    x = np.float32(found.data[:ROWS]) / 255
    return (x - np.float32(0.286)) / np.float32(0.353), found.target[:ROWS]


def real(x, y, nodes, every, seed):
    """A fit of sequential SGD on each node."""
    return MLPClassifier(
        UNITS, device=Ray(nodes=nodes, averaging=Averaging(every=every)),
        method="sgd", n_jobs=1, max_iter=EPOCHS, learning_rate="step",
        learning_rate_init=RATE, batch_size=BATCH, alpha=0.0, standardize=False,
        nesterovs_momentum=False, random_state=seed,
    ).fit(x, y)  # fmt: skip


def simulated(problem, model, compute, link, every, start):
    """The same nodes and steps in simulated time."""
    nodes = model.nodes_
    return simulate_nodes(
        problem, nodes=len(nodes), steps=max(n.steps for n in nodes),
        averaging=Averaging(every=every), compute=compute, link=link, x0=start,
        rate=RATE, momentum=0.9, samples="parts", records=2, random_state=0,
    )  # fmt: skip


def loss_of(problem, model):
    """The function at the model's parameters, as the simulation has it."""
    return problem.value(np.float64(model._params))


def compared(x, y, nodes):
    """Rows of the table for so many nodes."""
    fits = {
        every: [real(x, y, nodes, every, seed) for seed in range(REPEATS)]
        for every in sorted({CALIBRATED, *CHECKED})
    }
    report = [row for fit in fits[CALIBRATED] for row in fit.nodes_]
    compute = Compute.from_report(report, beside=MESSAGE_SECONDS)
    link = Link.from_report(report, every=CALIBRATED)
    network = fits[CALIBRATED][0]._network
    problem = NetworkProblem(network, x, y, batch=BATCH)
    rows, start = [], np.float64(network.initialise(np.random.RandomState(0)))
    for every in CHECKED:
        found = simulated(problem, fits[every][0], compute, link, every, start)
        for seed, model in enumerate(fits[every]):
            rows.append(
                {
                    "nodes": nodes,
                    "every": every,
                    "seed": seed,
                    "exchanges": float(np.mean([n.exchanges for n in model.nodes_])),
                    "exchanges, simulated": float(found.per_node["exchanges"].mean()),
                    "seconds": float(np.mean([n.seconds for n in model.nodes_])),
                    "seconds, simulated": float(found.per_node["seconds"].mean()),
                    "loss": float(loss_of(problem, model)),
                    "loss, simulated": float(found.hub_values[-1]),
                }
            )
    about = {
        "step, s": float(np.mean(compute.means(nodes))),
        "latency, s": link.latency,
    }
    return rows, about


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    x, y = data()
    rows, learnt = [], {}
    with machines(max(NODES)):
        real(x, y, 2, CALIBRATED, 0)  # kernels are there
        for nodes in NODES:
            more, learnt[nodes] = compared(x, y, nodes)
            rows += more
    figures = {}
    names = ("exchanges", "seconds", "loss")
    print(
        f"{'nodes':>5}{'every':>6}"
        + "".join(f"{n:>12}{'simulated':>11}" for n in names)
    )
    for nodes in NODES:
        for every in CHECKED:
            mine = [r for r in rows if (r["nodes"], r["every"]) == (nodes, every)]
            of = {
                name: float(np.mean([r[name] for r in mine]))
                for each in names
                for name in (each, f"{each}, simulated")
            }
            figures[f"{nodes} nodes, every {every}"] = of
            print(f"{nodes:>5}{every:>6}" + "".join(
                f"{of[n]:>12.4g}{of[f'{n}, simulated']:>11.4g}" for n in names
            ))  # fmt: skip
    settings = dict(
        rows=ROWS, batch=BATCH, epochs=EPOCHS, rate=RATE, units=UNITS,
        calibrated=CALIBRATED, repeats=REPEATS,
    )  # fmt: skip
    record.write(
        options.out, "nodes-simulated", settings, figures,
        (*record.PACKAGES, "ray"), rows=rows, learnt=learnt,
    )  # fmt: skip
    print(learnt)


if __name__ == "__main__":
    main()
