"""Subgradients of the problems of the event model: see `call.SUBGRADIENT`.

float64, in the order of NumPy's loops; at a kink each takes the selection that its
docstring names. `data` is an address of float64.
"""

from numba import carray

from hogblock.kernels.cpu.jit import exact
from hogblock.kernels.cpu.memory import doubles
from hogblock.kernels.events.call import subgradient_of


@exact
def _sign(value):
    """-1, 0 or 1: 0 at 0; not a number stays what it is."""
    if value > 0.0:
        return 1.0
    return -1.0 if value < 0.0 else value + 0.0


@exact
def _inner(row, x, n):
    """Product of the first n of a row with x."""
    total = 0.0
    for j in range(n):
        total += row[j] * x[j]
    return total


def _quadratic(x, n, sample, data, out):
    """a_j x_j of sum_j a_j x_j^2 / 2; data: a [n]."""
    at, a, g = carray(x, n), doubles(data, n), carray(out, n)
    for j in range(n):
        g[j] = a[j] * at[j]


def _absolute(x, n, sample, data, out):
    """sign(x_j) of sum_j |x_j|, 0 at 0; data: nothing."""
    at, g = carray(x, n), carray(out, n)
    for j in range(n):
        g[j] = _sign(at[j])


def _kink(x, n, sample, data, out):
    """Of |x_1 - x_2| + r (x_1^2 + x_2^2), sign(0) = 0; data: r [1]."""
    at, ridge, g = carray(x, 2), doubles(data, 1)[0], carray(out, 2)
    side = _sign(at[0] - at[1])
    g[0] = side + 2.0 * ridge * at[0]
    g[1] = -side + 2.0 * ridge * at[1]


def _max_affine(x, n, sample, data, out):
    """a_i of the first i with the largest a_i x + b_i.

    data: their number, then for each a_i [n] and b_i.
    """
    pieces = int(doubles(data, 1)[0])
    rows = doubles(data + 8, pieces * (n + 1)).reshape((pieces, n + 1))
    at, g = carray(x, n), carray(out, n)
    best, height = 0, _inner(rows[0], at, n) + rows[0, n]
    for i in range(1, pieces):
        value = _inner(rows[i], at, n) + rows[i, n]
        if value > height:
            best, height = i, value
    for j in range(n):
        g[j] = rows[best, j]


def _phase_retrieval(x, n, sample, data, out):
    """2 sign((a_i x)^2 - b_i) (a_i x) a_i, sign(0) = 0; of one i, or the mean.

    data: their number, then for each a_i [n] and b_i.
    """
    count = int(doubles(data, 1)[0])
    rows = doubles(data + 8, count * (n + 1)).reshape((count, n + 1))
    at, g = carray(x, n), carray(out, n)
    first, end = (0, count) if sample < 0 else (sample, sample + 1)
    for j in range(n):
        g[j] = 0.0
    for i in range(first, end):
        inner = _inner(rows[i], at, n)
        factor = 2.0 * _sign(inner * inner - rows[i, n]) * inner
        for j in range(n):
            g[j] += factor * rows[i, j]
    for j in range(n):
        g[j] /= end - first


quadratic = subgradient_of(_quadratic)
absolute = subgradient_of(_absolute)
kink = subgradient_of(_kink)
max_affine = subgradient_of(_max_affine)
phase_retrieval = subgradient_of(_phase_retrieval)
