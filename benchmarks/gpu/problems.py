"""What the GPU benchmark trains: problems, their networks in hogblock, their data.

Fashion-MNIST if its files are there; otherwise random samples of the same shape, whose
classes a random linear map decides: speed and loss can be measured, not accuracy on
what people know. Small problems stand in where a run must be short.
"""

from functools import cache
from math import prod
from pathlib import Path

import numpy as np

from benchmarks import problems
from benchmarks.problems import CLASSES, CONVNETS, MLP, Conv, Convnet, Dense, Perceptron
from hogblock import models

NETWORKS = {
    "mlp": MLP,
    "conv16-32": CONVNETS["conv16-32"],
    "lenet5": CONVNETS["lenet5"],
}
TINY = {
    "mlp": Perceptron((9, 8, 6, CLASSES)),
    "conv16-32": Convnet(
        (Conv(2, 3), Dense(6), Dense(CLASSES, relu=False)), shape=(4, 4, 1)
    ),
}
SIZES = {"train": 60_000, "t10k": 10_000}
TINY_SIZES = {"train": 16, "t10k": 20}
DATA_SEED = 20_240_607


def use_data(folder):
    """Read Fashion-MNIST from `folder` (None: where it is installed)."""
    if folder:
        problems.DATA = Path(folder)


def have_fashion_mnist():
    """Whether the four files are there."""
    names = (f"{s}-{k}-ubyte.gz" for s in SIZES for k in ("images-idx3", "labels-idx1"))
    return all((problems.DATA / name).is_file() for name in names)


def shape_of(problem):
    """Shape of a sample."""
    return problem.shape if isinstance(problem, Convnet) else problem.widths[:1]


def samples(problem, split, tiny=False):
    """Read or draw a split.

    Returns
    -------
    x, y : ndarray
        float32 (n, features) and int64 (n,); not to be changed.
    """
    return _samples(prod(shape_of(problem)), split, tiny)


@cache
def _samples(width, split, tiny):
    if not tiny and width == 784 and have_fashion_mnist():
        return problems.load_fashion_mnist(split)
    n = (TINY_SIZES if tiny else SIZES)[split]
    rng = np.random.default_rng(DATA_SEED)
    teacher = rng.standard_normal((width, CLASSES), np.float32)
    own = rng.spawn(len(SIZES))[list(SIZES).index(split)]
    x = own.standard_normal((n, width), np.float32)
    return x, (x @ teacher).argmax(1)


def network_of(problem):
    """hogblock's form of a problem's network."""
    if isinstance(problem, Perceptron):
        hidden = [models.Dense(units, "relu") for units in problem.widths[1:-1]]
        layers = [*hidden, models.Dense(problem.widths[-1])]
        return models.Network(layers, problem.widths[:1])
    layers, flat = [], False
    for layer in problem.layers:
        match layer:
            case Conv(channels, kernel, padding, relu):
                act = "relu" if relu else "identity"
                conv = models.Conv2D(channels, kernel, padding=padding, activation=act)
                layers += [conv, models.MaxPool2D(2)]
            case Dense(units, relu):
                layers += [] if flat else [models.Flatten()]
                layers.append(models.Dense(units, "relu" if relu else "identity"))
                flat = True
    return models.Network(layers, problem.shape)
