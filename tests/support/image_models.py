"""Small estimators for images that several tests train."""

import numpy as np

from hogblock import (
    CNNClassifier,
)
from hogblock.models import (
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool2D,
    Network,
)

PLANNED = dict(learning_rate="cosine", random_state=0)  # never a ConvergenceWarning
SMALL = dict(conv_layers=((6, 3),), hidden_layer_sizes=24)


def dense_network(shape, n_outputs):
    """A hidden layer over rows or images."""
    before = [Flatten()] if len(shape) == 3 else []
    return Network([*before, Dense(16, "relu"), Dense(n_outputs)], shape)


def strided_network(shape, n_outputs):
    layers = [Conv2D(8, 3, stride=2, activation="relu"), GlobalAvgPool2D()]
    return Network([*layers, Dense(n_outputs)], shape)


def small(**changes):
    return CNNClassifier(**(SMALL | PLANNED | dict(max_iter=3) | changes))


def assert_same_fit(a, b):
    """Bit for bit."""
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_array_equal(one, other)
    assert a.loss_curve_ == b.loss_curve_
