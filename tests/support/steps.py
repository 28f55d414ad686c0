"""Single steps of the engine for processors on random problems."""

import numpy as np

from hogblock import methods
from hogblock.engines.cpu import training
from hogblock.models import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GroupNorm,
    LeakyReLU,
    MaxPool2D,
    Network,
    Residual,
    SpatialDropout2D,
)
from hogblock.training import run_plan
from hogblock.training.settings import Settings, TrainingData
from support.passes import random_biases

F32 = np.float32
NONE = np.zeros(0, F32)


def make_problem(random, network, loss, n):
    """Parameters (biases too), inputs and targets."""
    params = network.initialise(np.random.RandomState(random.integers(2**31)))
    random_biases(network, params, random)
    x = random.standard_normal((n, int(np.prod(network.input_shape))), F32)
    n_out = network.output_shape[0]
    if loss == "softmax":
        return params, x, random.integers(n_out, size=n, dtype=np.int32)
    if loss == "logistic":
        return params, x, random.integers(2, size=(n, n_out)).astype(F32)
    return params, x, random.standard_normal((n, n_out), F32)


def take_steps(network, problem, loss, method=None, *, key=None, weights=NONE,
               **changes):  # fmt: skip
    """One step on all samples in their order, or what `changes` says.

    key : of the only worker's random numbers.
    """
    params, x, targets = problem
    values = dict(
        method=method or methods.SGD(), workers=1, batch=len(x), epochs=1, loss=loss,
        rate=np.full(1, 0.5, F32), rate_points=1, momentum=0.0, nesterov=False,
        shuffle=False, alpha=0.0, seed=5,
    )  # fmt: skip
    data = TrainingData(x, targets, weights, NONE, NONE)
    settings = Settings(**values | changes)
    drawn = run_plan._keys
    try:
        if key is not None:
            run_plan._keys = lambda seed, workers, *part: (
                0,
                np.array([key], np.uint32),
            )
        return training.train(network, data, settings, params)
    finally:
        run_plan._keys = drawn


PIXELS = [Conv2D(6, 3, activation="tanh")]
TAILS = {
    "flat": [*PIXELS, Flatten()],
    "pooled convolution": [Conv2D(7, 3, activation="relu"), MaxPool2D(2), Flatten()],
    "max pool": [*PIXELS, LeakyReLU(0.1), MaxPool2D(3, 2, "same"), Flatten()],
    "average pool": [*PIXELS, AvgPool2D(2), Flatten()],
    "global average": [*PIXELS, GlobalAvgPool2D()],
    "depthwise": [*PIXELS, DepthwiseConv2D(3, activation="gelu"), Flatten()],
    "strides": [Conv2D(5, 3, 2, activation="silu"), DepthwiseConv2D(2, 2), Flatten()],
    "winograd": [Conv2D(16, 3, activation="relu"), Conv2D(16, 3), Flatten()],
    "group norm": [*PIXELS, GroupNorm(3, 0.1), GlobalAvgPool2D()],
    "dropout": [*PIXELS, Flatten(), Dropout(0.4)],
    "channel dropout": [*PIXELS, SpatialDropout2D(0.4), Conv2D(4, 2), Flatten()],
    "residual": [
        *PIXELS,
        Residual([Conv2D(6, 3, activation="relu"), GroupNorm(2, 0.1)]),
        Residual([Conv2D(5, 2, 2)], [Conv2D(5, 1, 2, bias=False)]),
        Flatten(),
    ],
    "dense": [Flatten(), Dense(17, "relu"), Dense(9, "logistic")],
}
"""Layers before an output layer, one list for each kind that there is."""

OF_EVERY_KIND = {name: Network([*t, Dense(4)], (8, 8, 3)) for name, t in TAILS.items()}
