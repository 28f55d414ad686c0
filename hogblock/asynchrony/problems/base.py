"""What a problem is: a function of few variables with a compiled subgradient."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np


class Problem(ABC):
    """Something to be minimised.

    Attributes
    ----------
    name : str
    n : int
        Variables.
    n_samples : int
        The function is the mean of so many.
    minimum : float or None
        Least value, where it is known.
    """

    name: ClassVar[str] = ""
    n: int
    n_samples: int = 1
    minimum: float | None = None

    @property
    @abstractmethod
    def address(self) -> int:
        """Of the compiled subgradient, a ``kernels.events.call.SUBGRADIENT``."""

    @property
    @abstractmethod
    def data(self) -> int:
        """Address of what the subgradient reads; the problem keeps it alive."""

    @abstractmethod
    def value(self, x) -> float:
        """The function at x of shape (n,)."""

    @abstractmethod
    def subgradient(self, x, sample: int | None = None) -> np.ndarray:
        """A subgradient at x, of one sample or of the mean: shape (n,), float64."""

    @abstractmethod
    def distance(self, x) -> float:
        """Distance of x to the nearest minimiser; nan where they are not known."""
