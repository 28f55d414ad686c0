"""Robust phase retrieval: nonsmooth and nonconvex."""

import numpy as np

from hogblock.asynchrony.problems.arguments import (
    affine,
    packed,
    point,
    sixteenths,
)
from hogblock.asynchrony.problems.base import Problem
from hogblock.kernels.events import problems as kernels
from hogblock.scheduling.arguments import check_whole


class PhaseRetrieval(Problem):
    """``mean_i |(a_i x)^2 - b_i|``: find x from the squares of what was measured of it.

    Neither smooth nor convex, but a convex function of a smooth map, so that chain
    rules hold with equality: the Clarke subdifferential is the mean over i of
    2 s_i (a_i x) a_i with s_i = sign((a_i x)^2 - b_i), or all s_i of [-1, 1] where that
    is 0; the subgradient takes s_i = 0 there. The origin is stationary as well: a local
    maximum, if all b_i are positive. A sample is a row.

    Parameters
    ----------
    A : array-like of shape (m, n)
    b : array-like of shape (m,)
        Squares of the measurements; with noise, some may be negative.
    solution : array-like of shape (n,), default=None
        x* with b = (A x*)^2, if it is known; it is not checked. It and -x* are then the
        minimisers, as far as `distance` knows.

    Attributes
    ----------
    A, b : ndarray, float64
    solution : ndarray of shape (n,) or None

    Raises
    ------
    ValueError
        If shapes do not agree, or a number is not finite.

    References
    ----------
    J. Duchi and F. Ruan, "Solving (most) of a set of quadratic equalities: composite
    optimization for robust phase retrieval", Information and Inference 8 (2019),
    arXiv:1705.02356. D. Davis, D. Drusvyatskiy and C. Paquette, "The nonsmooth
    landscape of phase retrieval", IMA Journal of Numerical Analysis 40 (2020),
    arXiv:1711.03247, find its other stationary points.

    Examples
    --------
    >>> from hogblock.asynchrony import PhaseRetrieval
    >>> problem = PhaseRetrieval.random(3, 12, random_state=0)
    >>> problem.value(-problem.solution), problem.distance(-problem.solution)
    (0.0, 0.0)
    """

    __module__ = "hogblock.asynchrony"
    name = "phase retrieval"
    kernel = kernels.phase_retrieval

    def __init__(self, A, b, solution=None):
        self.A, self.b = affine(A, b)
        self.n_samples, self.n = self.A.shape
        self._packed = packed(self.A, self.b)
        self.solution = solution
        if solution is not None:
            self.solution = point(solution, "solution", self.n)
            self.minimum = self.value(self.solution)

    @classmethod
    def random(cls, n: int, m: int, random_state=None) -> "PhaseRetrieval":
        """One of normal measurements of a normal x*, without noise.

        All are rounded to sixteenths, so that at x* the residuals are exactly 0.

        Parameters
        ----------
        n, m : int
            Variables, and measurements: of 2 n - 1 or more, no other than -x* has the
            same squares (with probability 1).
        random_state : int or Generator, default=None

        Returns
        -------
        PhaseRetrieval
        """
        n, m = check_whole("n", n, 1), check_whole("m", m, 1)
        random = np.random.default_rng(random_state)
        x = sixteenths(random.standard_normal(n))
        while not x.any():
            x = sixteenths(random.standard_normal(n))
        A = sixteenths(random.standard_normal((m, n)))
        return cls(A, np.square(A @ x), x)

    @property
    def data(self):
        return self._packed.ctypes.data

    def value(self, x):
        return float(np.abs(np.square(self.A @ self._checked(x)) - self.b).mean())

    def distance(self, x):
        if self.solution is None:
            return float("nan")
        at = self._checked(x)
        signs = at - self.solution, at + self.solution
        return float(min(map(np.linalg.norm, signs)))
