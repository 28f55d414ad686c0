"""Activations and their derivatives, a value at a time."""

import math

from numba import float32

from hogblock.kernels.cuda.jit import part
from hogblock.kernels.ops import LINEAR, LOGISTIC, TANH


@part
def activated(v, kind, slope):
    """act(v); a LINEAR one is v > 0 ? v : slope * v."""
    if kind == LINEAR:
        return v if v > float32(0) else v * slope
    if kind == TANH:
        return float32(math.tanh(v))
    e = float32(math.exp(-abs(v)))
    positive = float32(float32(1) / (float32(1) + e))
    return positive if v > float32(0) else float32(e * positive)


@part
def derivative(y, kind, slope):
    """act' in terms of y = act(v); at 0 a LINEAR one has `slope`."""
    if kind == LINEAR:
        return float32(1) if y > float32(0) else slope
    if kind == TANH:
        return float32(float32(1) - y * y)
    if kind == LOGISTIC:
        return float32(y * (float32(1) - y))
    return float32(1)
