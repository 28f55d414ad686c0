"""Train a classifier on several nodes, print what each did, and draw the loss.

By default there are two nodes, on the cluster of Ray that runs on this machine, or else
on a local one that is started for the fit. Takes Fashion-MNIST if it is installed
(``apt-get install dataset-fashion-mnist``), else scikit-learn's digits::

    pip install 'hogblock[ray,plot]'
    python examples/distributed/fashion_mnist.py

On a real cluster, see ``cluster.yaml`` beside this file::

    ray submit cluster.yaml fashion_mnist.py -- --address auto --nodes 4
"""

import argparse
import math
from pathlib import Path

from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hogblock import MLPClassifier
from hogblock.datasets import load_fashion_mnist
from hogblock.distributed import Averaging, Ray
from hogblock.report import AveragingDisplay

RATE = 0.01
"""Of one node. The mean of N models moves as far as one of them, and each node takes
one step in N: N nodes get N times the rate."""
PANELS = ("seconds", "bytes", "apart")


def fashion_mnist():
    """Fashion-MNIST, and the hidden layers of a network that fits it."""
    data = load_fashion_mnist()
    print("Fashion-MNIST: 28 x 28 pixels, 10 kinds of clothes")
    return (256, 128), data.data, data.data_test, data.target, data.target_test


def digits():
    """The digits of scikit-learn, likewise."""
    print("Fashion-MNIST is not installed: training on scikit-learn's 8 x 8 digits")
    X, y = load_digits(return_X_y=True)
    split = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
    return (100,), *split


def options() -> argparse.Namespace:
    """Those of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--nodes", type=int, default=2, help="how many (%(default)s)")
    add("--jobs", type=int, default=1, help="workers of each node (%(default)s)")
    add("--epochs", type=int, default=10, help="over all samples (%(default)s)")
    add("--rate", type=float, help=f"learning rate ({RATE} times the nodes)")
    add("--address", default="auto", help='host:port, "auto" or "local" (%(default)s)')
    add("--averaging", choices=["star", "ring"], default="star", help="(%(default)s)")
    add("--compression", choices=["bfloat16", "int8"], help="of what is sent (none)")
    add("--out", type=Path, default="results", help="folder of the picture (results)")
    return parser.parse_args()


def print_nodes(model) -> None:
    """What each node did; `age` is the mean of what its steps read."""
    head = (
        f"{'node':>4}  {'host':<16}{'steps':>8}{'samples':>9}{'age':>6}"
        f"{'exchanges':>11}{'MB sent':>10}{'MB got':>10}{'waited s':>10}"
        f"{'restarts':>10}"
    )
    print(f"\n{head}\n{'-' * len(head)}")
    for node in model.nodes_:
        age = "-" if math.isnan(node.mean_age) else f"{node.mean_age:.2f}"
        print(
            f"{node.node:>4}  {node.host:<16.15}{node.steps:>8}{node.samples:>9}"
            f"{age:>6}{node.exchanges:>11}{node.bytes_sent / 1e6:>10.3f}"
            f"{node.bytes_received / 1e6:>10.3f}{node.seconds_waited:>10.2f}"
            f"{node.restarts:>10}"
        )


def draw(model, folder: Path) -> None:
    """Loss by time and by traffic, and how far the models were apart."""
    axes = Figure((15, 4.4), dpi=120, layout="constrained").subplots(1, len(PANELS))
    display = AveragingDisplay.from_estimator(model, ax=axes, panels=PANELS)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "distributed.png"
    display.figure_.savefig(path)
    print(f"picture in {path}")


def main() -> None:
    """Train, print, draw."""
    given = options()
    try:
        hidden, X_train, X_test, y_train, y_test = fashion_mnist()
    except FileNotFoundError:
        hidden, X_train, X_test, y_train, y_test = digits()
    averaging = Averaging(topology=given.averaging, compression=given.compression)
    model = MLPClassifier(
        hidden_layer_sizes=hidden,
        device=Ray(nodes=given.nodes, address=given.address, averaging=averaging),
        n_jobs=given.jobs,
        max_iter=given.epochs,
        learning_rate="cosine",
        learning_rate_init=given.rate or RATE * given.nodes,
        verbose=True,
        random_state=0,
    )
    model.fit(X_train, y_train)
    print_nodes(model)
    sent = model.rounds_.epoch_bytes[-1] / 1e6
    print(
        f"\n{model.n_iter_} epochs in {model.training_seconds_:.1f} s, "
        f"{len(model.rounds_)} rounds of exchange, {sent:.3f} MB sent"
    )
    print(f"test accuracy {model.score(X_test, y_test):.2%}")
    draw(model, given.out)


if __name__ == "__main__":
    main()
