"""Smooth problems."""

import numpy as np

from hogblock.asynchrony.problems.arguments import finite
from hogblock.asynchrony.problems.base import Problem
from hogblock.kernels.events import problems as kernels


class Quadratic(Problem):
    """sum_j a_j x_j^2 / 2.

    Convex and smooth, with the gradient a_j x_j; the minimum is 0, at 0.

    Parameters
    ----------
    a : float or array-like of shape (n,), default=1.0
        Curvatures, positive.

    Raises
    ------
    ValueError
        If one is not.

    Examples
    --------
    >>> from hogblock.asynchrony import Quadratic
    >>> bowl = Quadratic([1.0, 4.0])
    >>> bowl.value([2.0, 1.0])
    4.0
    >>> bowl.subgradient([2.0, 1.0])
    array([2., 4.])
    """

    __module__ = "hogblock.asynchrony"
    name = "quadratic"
    kernel = kernels.quadratic
    minimum = 0.0

    def __init__(self, a=1.0):
        self.a = np.atleast_1d(finite(a, "a", (0, 1)))
        if self.a.min() <= 0:
            j = int(self.a.argmin())
            raise ValueError(f"a[{j}]={self.a[j]} must be positive")
        self.n = len(self.a)

    @property
    def data(self):
        return self.a.ctypes.data

    def value(self, x):
        return float(0.5 * self.a @ np.square(self._checked(x)))

    def distance(self, x):
        return float(np.linalg.norm(self._checked(x)))
