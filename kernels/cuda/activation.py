"""Activations and their derivatives, a value at a time."""

import math
from collections.abc import Callable
from typing import NamedTuple

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda.choice import make_choice
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.ops import GELU_CUBIC, GELU_LINEAR


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


@part
def _between(x, bound):
    """x within [-bound, bound]; NaN stays NaN."""
    x = bound if x > bound else x
    return -bound if x < -bound else x


@part
def _gelu(x, slope):
    inside = _between(x, float32(14))  # outside it nothing changes
    square = float32(inside * inside)
    z = float32(inside * (float32(GELU_LINEAR) + float32(GELU_CUBIC) * square))
    lowest = inside if x < float32(0) else x
    return float32(lowest * _logistic(z, slope))


@part
def _gelu_derivative(x, slope):
    x = _between(x, float32(14))
    square = float32(x * x)
    z = float32(x * (float32(GELU_LINEAR) + float32(GELU_CUBIC) * square))
    steep = float32(float32(GELU_LINEAR) + float32(3 * GELU_CUBIC) * square)
    rest = float32(x * _logistic(-z, slope))
    return float32(_logistic(z, slope) * (float32(1) + rest * steep))


@part
def _silu(x, slope):
    lowest = _between(x, float32(88)) if x < float32(0) else x
    return float32(lowest * _logistic(x, slope))


@part
def _silu_derivative(x, slope):
    rest = float32(_between(x, float32(88)) * _logistic(-x, slope))
    return float32(_logistic(x, slope) * (float32(1) + rest))


@part
def _elu(x, slope):
    return x if x > float32(0) else float32(slope * float32(math.expm1(x)))


@part
def _elu_derivative(x, slope):
    return float32(1) if x > float32(0) else float32(slope * float32(math.exp(x)))


@part
def _softplus(x, slope):
    larger = x if x > float32(0) else float32(0)
    rest = float32(math.log1p(float32(math.exp(-abs(x)))))
    return float32(larger + rest)


@part
def _softplus_derivative(x, slope):
    return _logistic(x, slope)


FORMULAS = {
    op.LINEAR: Formula(_leaky, _leaky_derivative),
    op.TANH: Formula(_tanh, _tanh_derivative),
    op.LOGISTIC: Formula(_logistic, _logistic_derivative),
    op.GELU: Formula(_gelu, _gelu_derivative),
    op.SILU: Formula(_silu, _silu_derivative),
    op.ELU: Formula(_elu, _elu_derivative),
    op.SOFTPLUS: Formula(_softplus, _softplus_derivative),
}

_FUSED = {code: f for code, f in FORMULAS.items() if code < op.FROM_INPUT}

# Called as ``f(code, v, slope)``: those that run inside other phases, and all.
fused_forward = make_choice({code: f.forward for code, f in _FUSED.items()})
fused_derivative = make_choice({code: f.derivative for code, f in _FUSED.items()})
forward = make_choice({code: f.forward for code, f in FORMULAS.items()})
derivative = make_choice({code: f.derivative for code, f in FORMULAS.items()})
