"""Activations: their op-table code, and the slope of the piecewise linear ones."""

from typing import NamedTuple

from hogblock.kernels import ops as op


class Activation(NamedTuple):
    """Code in the op table, slope left of zero, gain of the initial weights.

    The gain is scikit-learn's: 2 for logistic, 6 for the others.
    """

    kind: int
    slope: float
    gain: float


def leaky(slope: float) -> Activation:
    """v > 0 ? v : slope * v."""
    return Activation(op.LINEAR, slope, 6.0)


ACTIVATIONS = {
    "identity": leaky(1.0),
    "logistic": Activation(op.LOGISTIC, 0.0, 2.0),
    "tanh": Activation(op.TANH, 0.0, 6.0),
    "relu": leaky(0.0),
    "leaky_relu": leaky(0.01),
}
