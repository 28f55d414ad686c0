"""Smooth problems."""

import numpy as np

from hogblock.asynchrony.problems.base import Problem
from hogblock.kernels.events import problems as kernels


class Quadratic(Problem):
    """sum_j a_j x_j^2 / 2.

    Parameters
    ----------
    a : float or array-like of shape (n,), default=1.0
        Positive.
    """

    __module__ = "hogblock.asynchrony"
    name = "quadratic"
    minimum = 0.0

    def __init__(self, a=1.0):
        self.a = np.atleast_1d(np.array(a, np.float64))
        self.n = len(self.a)

    @property
    def address(self):
        kernels.quadratic.compile()
        return kernels.quadratic.address

    @property
    def data(self):
        return self.a.ctypes.data

    def value(self, x):
        return float(0.5 * self.a @ np.square(x))

    def subgradient(self, x, sample=None):
        return self.a * x

    def distance(self, x):
        return float(np.linalg.norm(x))
