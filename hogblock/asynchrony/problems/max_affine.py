"""The largest of affine functions."""

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


class MaxAffine(Problem):
    """max_i (a_i x + b_i).

    Convex and polyhedral. The subdifferential is the convex hull of the a_i whose piece
    is the largest at x; where several are, the subgradient is that of the first.

    Parameters
    ----------
    A : array-like of shape (pieces, n)
    b : array-like of shape (pieces,)
    minimiser : array-like of shape (n,), default=None
        The only minimiser, if it is known; it is not checked.

    Attributes
    ----------
    A, b : ndarray, float64
    minimiser : ndarray of shape (n,) or None

    Raises
    ------
    ValueError
        If shapes do not agree, or a number is not finite.

    Examples
    --------
    >>> from hogblock.asynchrony import MaxAffine
    >>> roof = MaxAffine([[1.0], [-2.0]], [0.0, 3.0])
    >>> roof.value([1.0]), roof.subgradient([1.0])
    (1.0, array([1.]))
    >>> MaxAffine.random(3, 10, random_state=0).minimum
    0.0
    """

    __module__ = "hogblock.asynchrony"
    name = "maximum of affine functions"
    kernel = kernels.max_affine

    def __init__(self, A, b, minimiser=None):
        self.A, self.b = affine(A, b)
        self.n = self.A.shape[1]
        self._packed = packed(self.A, self.b)
        self.minimiser = minimiser
        if minimiser is not None:
            self.minimiser = point(minimiser, "minimiser", self.n)
            self.minimum = self.value(self.minimiser)

    @classmethod
    def random(cls, n: int, pieces: int, random_state=None) -> "MaxAffine":
        """One with the minimum 0 at a single point that is drawn, too.

        There n + 1 pieces meet whose slopes sum to 0, so that 0 is inside their hull;
        all others are lower. Up to about 1000 variables the meeting has no error of
        rounding.

        Parameters
        ----------
        n : int
        pieces : int
            At least n + 1.
        random_state : int or Generator, default=None

        Returns
        -------
        MaxAffine

        Raises
        ------
        ValueError
            If there are too few pieces.
        """
        n = check_whole("n", n, 1)
        pieces = check_whole("pieces", pieces, n + 1)
        random = np.random.default_rng(random_state)
        # Slopes near a turned cross: well conditioned.
        turned = np.linalg.qr(random.standard_normal((n, n)))[0]
        meeting = sixteenths(2 * np.sqrt(n) * turned)
        others = sixteenths(random.standard_normal((pieces - n - 1, n)))
        A = np.vstack([meeting, -meeting.sum(axis=0), others])
        x = sixteenths(random.standard_normal(n))
        below = np.zeros(pieces)
        below[n + 1 :] = sixteenths(random.uniform(0.1, 2, pieces - n - 1))
        return cls(A, -A @ x - below, x)

    @property
    def data(self):
        return self._packed.ctypes.data

    def value(self, x):
        return float((self.A @ self._checked(x) + self.b).max())

    def distance(self, x):
        if self.minimiser is None:
            return float("nan")
        return float(np.linalg.norm(self._checked(x) - self.minimiser))
