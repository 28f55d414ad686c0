"""Convex problems with kinks along which absolute values vanish."""

import numpy as np

from hogblock.asynchrony.problems.arguments import finite
from hogblock.asynchrony.problems.base import Problem
from hogblock.kernels.events import problems as kernels
from hogblock.scheduling.arguments import check_whole


class L1Norm(Problem):
    """``sum_j |x_j|``.

    Convex. The subdifferential is the product of {sign(x_j)}, or [-1, 1] where x_j is
    0; the subgradient takes 0 there. The minimum is 0, at 0.

    Parameters
    ----------
    n : int

    Raises
    ------
    ValueError
        If n is not a positive integer.

    Examples
    --------
    >>> from hogblock.asynchrony import L1Norm
    >>> L1Norm(3).subgradient([2.0, 0.0, -1.0])
    array([ 1.,  0., -1.])
    """

    __module__ = "hogblock.asynchrony"
    name = "sum of absolute values"
    kernel = kernels.absolute
    minimum = 0.0

    def __init__(self, n: int):
        self.n = check_whole("n", n, 1)

    @property
    def data(self):
        return 0

    def value(self, x):
        return float(np.abs(self._checked(x)).sum())

    def distance(self, x):
        return float(np.linalg.norm(self._checked(x)))


class AbsoluteValue(L1Norm):
    """``|x|`` of one variable.

    Convex. The subdifferential is {sign(x)}, or [-1, 1] at 0; the subgradient takes 0
    there. The minimum is 0, at 0.

    Examples
    --------
    >>> from hogblock.asynchrony import AbsoluteValue
    >>> AbsoluteValue().subgradient([-3.0])
    array([-1.])
    """

    __module__ = "hogblock.asynchrony"
    name = "absolute value"

    def __init__(self):
        super().__init__(1)


class Kink(Problem):
    """``|x_1 - x_2| + ridge (x_1^2 + x_2^2)``.

    Convex, with a kink along x_1 = x_2: workers of one coordinate each see slopes of
    about 1 there, while only the ridge drives x along the kink. The subdifferential is
    2 ridge x + s (1, -1) with s = sign(x_1 - x_2), or all s of [-1, 1] on the kink; the
    subgradient takes s = 0 there. The minimum is 0, at 0 (without a ridge: everywhere
    on the kink).

    Parameters
    ----------
    ridge : float, default=0.1
        Not negative.

    Raises
    ------
    ValueError
        If it is.

    Examples
    --------
    >>> from hogblock.asynchrony import Kink
    >>> kink = Kink(ridge=0.5)
    >>> kink.subgradient([2.0, 1.0]), kink.subgradient([1.0, 1.0])
    (array([3., 0.]), array([1., 1.]))
    """

    __module__ = "hogblock.asynchrony"
    name = "kink"
    kernel = kernels.kink
    n = 2
    minimum = 0.0

    def __init__(self, ridge: float = 0.1):
        self._ridge = np.atleast_1d(finite(ridge, "ridge", (0,)))
        if self.ridge < 0:
            raise ValueError(f"ridge={ridge!r} must not be negative")

    @property
    def ridge(self) -> float:
        """Factor of the squares."""
        return float(self._ridge[0])

    @property
    def data(self):
        return self._ridge.ctypes.data

    def value(self, x):
        at = self._checked(x)
        return float(abs(at[0] - at[1]) + self.ridge * (at @ at))

    def distance(self, x):
        at = self._checked(x)
        if self.ridge == 0:
            return float(abs(at[0] - at[1]) / np.sqrt(2))
        return float(np.linalg.norm(at))
