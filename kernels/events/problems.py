"""Subgradients of the problems of the event model: see `call.SUBGRADIENT`.

float64; at a kink each takes the selection that its docstring names.
"""

from numba import carray

from hogblock.kernels.cpu.memory import doubles
from hogblock.kernels.events.call import subgradient_of


def _quadratic(x, n, sample, data, out):
    """a_j x_j of sum_j a_j x_j^2 / 2; data: a [n]."""
    at, a, g = carray(x, n), doubles(data, n), carray(out, n)
    for j in range(n):
        g[j] = a[j] * at[j]


quadratic = subgradient_of(_quadratic)
