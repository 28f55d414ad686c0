"""What a problem is: a function of few variables with a compiled subgradient."""

import ctypes
from abc import ABC, abstractmethod
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from hogblock.kernels.cpu.jit import check_runnable

_SUBGRADIENT = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, *(ctypes.c_int64,) * 3, ctypes.c_void_p
)


def call_kernel(kernel, x: np.ndarray, sample: int, data: int) -> np.ndarray:
    """What a compiled subgradient writes, at x of shape (n,), float64, C order."""
    out = np.empty(len(x))
    call = _SUBGRADIENT(address_of(kernel))
    call(x.ctypes.data, len(x), sample, data, out.ctypes.data)
    return out


def address_of(kernel) -> int:
    """Address of a subgradient; the first call compiles it, where kernels can run."""
    check_runnable()
    if kernel.address is None:  # a second time would move it
        kernel.compile()
    return kernel.address


class Problem(ABC):
    """Something to be minimised: locally Lipschitz, smooth or not, convex or not.

    A problem of one's own is a subclass with a `kernel`, `data`, `value` and
    `distance`.

    Attributes
    ----------
    name : str
    n : int
        Variables.
    n_samples : int
        The function is the mean of so many.
    minimum : float or None
        Least value, where it is known.
    kernel : numba CFunc
        The subgradient, of ``kernels.events.call.subgradient_of``.
    """

    __module__ = "hogblock.asynchrony"
    name: ClassVar[str] = ""
    kernel: ClassVar[Any]
    n: int
    n_samples: int = 1
    minimum: float | None = None

    @property
    def address(self) -> int:
        """Address of the compiled subgradient; the first call compiles it."""
        return address_of(self.kernel)

    @property
    @abstractmethod
    def data(self) -> int:
        """Address of what the subgradient reads; the problem keeps it alive."""

    @property
    def coordinates(self) -> np.ndarray:
        """Coordinates that the function depends on; all but in a network's padding."""
        return np.arange(self.n)

    @abstractmethod
    def value(self, x) -> float:
        """The function.

        Parameters
        ----------
        x : array-like of shape (n,)

        Returns
        -------
        float
        """

    def subgradient(self, x, sample: int | None = None) -> np.ndarray:
        """A subgradient, by the compiled code that simulations run.

        Parameters
        ----------
        x : array-like of shape (n,)
        sample : int, default=None
            Of one of the `n_samples`; None: of their mean.

        Returns
        -------
        ndarray of shape (n,), float64

        Raises
        ------
        ValueError
            If x has another shape, or there is no such sample.
        """
        at = np.ascontiguousarray(self._checked(x))
        number = -1 if sample is None else self._checked_sample(sample)
        return call_kernel(self.kernel, at, number, self.data)

    @abstractmethod
    def distance(self, x) -> float:
        """Distance to the nearest minimiser; nan where they are not known.

        Parameters
        ----------
        x : array-like of shape (n,)

        Returns
        -------
        float
        """

    def _checked(self, x) -> np.ndarray:
        """x as float64."""
        at = np.asarray(x, np.float64)
        if at.shape != (self.n,):
            raise ValueError(
                f"x has shape {at.shape}; {self.name} takes shape ({self.n},)"
            )
        return at

    def _checked_sample(self, sample) -> int:
        known = isinstance(sample, Integral) and 0 <= int(sample) < self.n_samples
        if not known:
            raise ValueError(
                f"sample={sample!r} of {self.name} must be an integer in "
                f"[0, {self.n_samples}), or None"
            )
        return int(sample)
