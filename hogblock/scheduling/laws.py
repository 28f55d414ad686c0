"""Laws of ages: the probability of each."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from hogblock.scheduling.arguments import check_probabilities, check_real, check_whole


class AgeLaw(ABC):
    """How likely each age is. One of one's own implements `probabilities`."""

    __module__ = "hogblock.asynchrony"

    @abstractmethod
    def probabilities(self) -> np.ndarray:
        """Those of the ages 0, 1, ...

        Returns
        -------
        ndarray of shape (largest age + 1,), float64
            Their sum is 1.
        """


@dataclass(frozen=True)
class Uniform(AgeLaw):
    """All ages from `low` to `high`, equally often.

    Parameters
    ----------
    low, high : int
        0 <= low <= high.

    Raises
    ------
    ValueError
        If a bound is no whole number, or negative, or `high` is below `low`.
    """

    __module__ = "hogblock.asynchrony"
    low: int
    high: int

    def __post_init__(self):
        check_whole("low of Uniform", self.low, 0)
        check_whole("high of Uniform", self.high, self.low)

    def probabilities(self):
        ages = np.arange(self.high + 1)
        return (ages >= self.low) / (self.high - self.low + 1)


@dataclass(frozen=True)
class Geometric(AgeLaw):
    """Age a with a probability proportional to (1 - p)^a, cut off above `largest`.

    Parameters
    ----------
    p : float
        In (0, 1]: without the cut, the probability of age 0.
    largest : int
        Largest age.

    Raises
    ------
    ValueError
        If `p` is not in (0, 1], or `largest` is no whole number or negative.
    """

    __module__ = "hogblock.asynchrony"
    p: float
    largest: int

    def __post_init__(self):
        if check_real("p of Geometric", self.p, above=True) > 1:
            raise ValueError(f"p of Geometric={self.p!r} must be at most 1")
        check_whole("largest of Geometric", self.largest, 0)

    def probabilities(self):
        weights = (1.0 - self.p) ** np.arange(self.largest + 1)
        return weights / weights.sum()


def age_probabilities(name: str, ages) -> np.ndarray:
    """Probabilities of the ages 0, 1, ... of what a scheduler takes as `name`.

    Parameters
    ----------
    name : str
        Of the argument, for errors.
    ages : int, AgeLaw or array-like
        Always that age, or a law, or the probabilities themselves.
    """
    if isinstance(ages, AgeLaw):
        return check_probabilities(f"{name}={ages!r}", ages.probabilities())
    if isinstance(ages, Integral) or np.ndim(ages) == 0:
        age = check_whole(name, ages, 0)
        return (np.arange(age + 1) == age).astype(np.float64)
    return check_probabilities(name, ages)


def largest_of(probabilities: np.ndarray) -> int:
    """Largest age that is possible."""
    return int(np.flatnonzero(probabilities)[-1])
