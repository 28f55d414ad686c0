"""Activations and their derivatives, a value at a time."""

import math
from collections.abc import Callable
from typing import NamedTuple

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda.choice import make_choice
from hogblock.kernels.cuda.jit import part


class Formula(NamedTuple):
    """An activation and its derivative.

    Attributes
    ----------
    forward : device function
        ``(x, slope)``: act(x).
    derivative : device function
        ``(v, slope)``: act'(x), where v is act(x), or x for codes from
        ``ops.FROM_INPUT`` on.
    """

    forward: Callable
    derivative: Callable


@part
def _leaky(x, slope):
    return x if x > float32(0) else x * slope


@part
def _leaky_derivative(y, slope):
    return float32(1) if y > float32(0) else slope


@part
def _tanh(x, slope):
    return float32(math.tanh(x))


@part
def _tanh_derivative(y, slope):
    return float32(float32(1) - y * y)


@part
def _logistic(x, slope):
    e = float32(math.exp(-abs(x)))
    positive = float32(float32(1) / (float32(1) + e))
    return positive if x > float32(0) else float32(e * positive)


@part
def _logistic_derivative(y, slope):
    return float32(y * (float32(1) - y))


FORMULAS = {
    op.LINEAR: Formula(_leaky, _leaky_derivative),
    op.TANH: Formula(_tanh, _tanh_derivative),
    op.LOGISTIC: Formula(_logistic, _logistic_derivative),
}

_FUSED = {code: f for code, f in FORMULAS.items() if code < op.FROM_INPUT}

# Called as ``f(code, v, slope)``: those that run inside other phases, and all.
fused_forward = make_choice({code: f.forward for code, f in _FUSED.items()})
fused_derivative = make_choice({code: f.derivative for code, f in _FUSED.items()})
forward = make_choice({code: f.forward for code, f in FORMULAS.items()})
derivative = make_choice({code: f.derivative for code, f in FORMULAS.items()})
