"""What a scheduler is, and the events that it makes."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np


class Events(NamedTuple):
    """Steps in the order in which they end: event k takes x^k to x^(k+1).

    Parameters
    ----------
    worker : ndarray of shape (n_events,), int64
        Whose step it is.
    ticket : ndarray of shape (n_events,), int64
        Number of the step in the order in which steps begin.
    ages : ndarray of shape (n_events, n_cells), int64
        Event k reads cell j of x^(k - ages[k, j]): 0 is what the event before left.
    overlap : ndarray of shape (n_events,), int64
        A write that is not atomic adds to what its words were so many events before:
        what these wrote is lost.
    """

    worker: np.ndarray
    ticket: np.ndarray
    ages: np.ndarray
    overlap: np.ndarray


Events.__module__ = "hogblock.asynchrony"  # no field of it


class Scheduler(ABC):
    """Says which worker ends the next step, and how old what it read is.

    One of one's own implements `largest_age` and `events`.

    Attributes
    ----------
    workers : int
        How many there are, numbered from 0.
    """

    __module__ = "hogblock.asynchrony"
    workers: int

    @property
    @abstractmethod
    def largest_age(self) -> int | None:
        """Bound on all ages that it knows of beforehand; None if it knows none."""

    @abstractmethod
    def events(
        self, n_events: int, n_cells: int, random: np.random.Generator
    ) -> Events:
        """The first events of a run that begins now; no age goes back behind it.

        Parameters
        ----------
        n_events : int
            How many.
        n_cells : int
            Of x: what is read at one moment (a coordinate, a block).
        random : Generator
            The only source of randomness.

        Returns
        -------
        Events
            Of so many rows; ages of at most k at event k.
        """
