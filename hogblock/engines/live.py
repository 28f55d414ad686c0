"""A run that others may look at, and add to, while its workers write on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np


class Live(ABC):
    """The shared parameters of a run that is under way; for any thread."""

    @abstractmethod
    def snapshot(self) -> np.ndarray:
        """Copy of the parameters, of shape (size,), float32, while they are written."""

    @abstractmethod
    def add(self, delta: np.ndarray) -> None:
        """Add to the parameters; no update of a worker is lost.

        Parameters
        ----------
        delta : ndarray of shape (size,), float32
        """

    @property
    @abstractmethod
    def steps(self) -> int:
        """Minibatches that the workers have done, added up."""

    @property
    @abstractmethod
    def record(self) -> np.ndarray:
        """Of each epoch of the run: samples, sum of losses, sum of weights.

        Of shape (epochs, 3), float64.
        """

    @abstractmethod
    def stop(self) -> None:
        """Let the workers leave at their next step."""


Beside = Callable[[Live | None], None]
"""Told of a run when its workers are about to begin, and with None when it ends."""


@contextmanager
def shown(live: Live, beside: Beside | None) -> Iterator[None]:
    """`beside` knows the run during the block."""
    if beside is None:
        yield
        return
    beside(live)
    try:
        yield
    finally:
        beside(None)
