"""What the methods are compared on: data, networks, budgets.

Quality is the accuracy on held-out rows, or R^2. A budget is a number of epochs over
which the learning rate falls by half a cosine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from sklearn.datasets import (
    load_digits,
    make_classification,
    make_friedman1,
    make_gaussian_quantiles,
)
from sklearn.model_selection import train_test_split

from benchmarks.problems import load_fashion_mnist
from hogblock import MLPClassifier, MLPRegressor, NetworkClassifier
from hogblock.models import lenet5, small_convnet

DATA_SEED = 0


@dataclass(frozen=True)
class Task:
    """One data set and network.

    Attributes
    ----------
    name : str
    load : callable
        Returns training rows, test rows, training targets, test targets.
    estimator : callable
        Estimator of the network, which takes the options of all of them.
    budgets : tuple of int
        Epochs.
    batches : tuple of int
        Minibatch sizes to choose from.
    rates : tuple of float
        Initial learning rates at a minibatch of 64, to be scaled by the root of its
        size.
    seeds, tuning_seeds : int
        Runs of a point, and of a candidate of the tuning: more where data are few.
    """

    name: str
    load: Callable
    estimator: Callable
    budgets: tuple[int, ...]
    batches: tuple[int, ...] = (32, 64, 128)
    rates: tuple[float, ...] = (0.01, 0.02, 0.04)
    seeds: int = 5
    tuning_seeds: int = 1

    def data(self):
        """Training rows, test rows, training targets, test targets; loaded once."""
        return _loaded(self.load)


@cache
def _loaded(load):
    return load()


def fashion(images=False):
    """Fashion-MNIST, as rows or as images."""
    (x, y), (x_test, y_test) = map(load_fashion_mnist, ("train", "t10k"))
    if images:
        x, x_test = (rows.reshape(-1, 28, 28, 1) for rows in (x, x_test))
    return x, x_test, y, y_test


def _split(x, y, test):
    x = np.ascontiguousarray(x, np.float32)
    return train_test_split(x, y, test_size=test, random_state=DATA_SEED)


def digits():
    """1,797 handwritten digits of 8 x 8 pixels."""
    return _split(*load_digits(return_X_y=True), 797)


def clusters():
    """100,000 rows of 40 features, 10 classes of 3 clusters each, 2% of them wrong."""
    x, y = make_classification(
        120_000, 40, n_informative=16, n_redundant=8, n_classes=10,
        n_clusters_per_class=3, class_sep=1.2, flip_y=0.02, random_state=DATA_SEED,
    )  # fmt: skip
    return _split(x, y, 20_000)


def shells():
    """20,000 rows of 12 features, 5 classes between concentric spheres."""
    x, y = make_gaussian_quantiles(
        n_samples=30_000, n_features=12, n_classes=5, random_state=DATA_SEED
    )
    return _split(x, y, 10_000)


def friedman():
    """40,000 rows of 20 features, of which 5 make the target, and noise."""
    x, y = make_friedman1(50_000, 20, noise=1.0, random_state=DATA_SEED)
    return _split(x, y.astype(np.float32), 10_000)


TASKS = (
    Task(
        "MLP 784-256-128-10", fashion, partial(MLPClassifier, (256, 128)), (3, 6, 10),
        (64, 128, 256), tuning_seeds=4,
    ),
    Task(
        "conv16-32", partial(fashion, True), partial(NetworkClassifier, small_convnet),
        (1, 2, 4),
    ),
    Task(
        "LeNet-5", partial(fashion, True), partial(NetworkClassifier, lenet5),
        (2, 4, 8), tuning_seeds=2,
    ),
    Task(
        "digits", digits, partial(MLPClassifier, (100,)), (4, 8, 16),
        rates=(0.025, 0.05, 0.1), seeds=25, tuning_seeds=10,
    ),
    Task(
        "clusters, 100,000", clusters, partial(MLPClassifier, (128, 64)), (3, 6, 12),
        rates=(0.05, 0.1, 0.2), seeds=10, tuning_seeds=3,
    ),
    Task(
        "shells, 20,000", shells, partial(MLPClassifier, (128, 64)), (2, 4, 8),
        rates=(0.05, 0.1, 0.2), seeds=10, tuning_seeds=3,
    ),
    Task(
        "regression, 40,000", friedman, partial(MLPRegressor, (128, 64)), (2, 4, 8),
        rates=(0.03, 0.06, 0.12), seeds=10, tuning_seeds=3,
    ),
)  # fmt: skip
