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
        """Bound on all ages by its law; None if it has no bound."""

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


def check_events(events: Events, workers: int) -> None:
    """Refuse events that cannot be.

    Raises
    ------
    ValueError
        That names the first.
    """
    k = np.arange(len(events.worker))
    too_old = (events.ages < 0) | (events.ages > k[:, None])
    for wrong, what in (
        ((events.worker < 0) | (events.worker >= workers), "worker"),
        (events.ticket < 0, "ticket"),
        (too_old.any(axis=1), "ages"),
        ((events.overlap < 0) | (events.overlap > k), "overlap"),
    ):
        if wrong.any():
            first = int(np.argmax(wrong))
            found = getattr(events, what)[first]
            raise ValueError(
                f"event {first} is impossible: {what} {found.tolist()} of {workers} "
                f"workers, after {first} events"
            )


def kept(events: Events, wanted: np.ndarray) -> Events:
    """Some of the events, as if there had been no others.

    Parameters
    ----------
    events : Events
    wanted : ndarray of shape (n_events,), bool
    """
    before: np.ndarray = np.cumsum(wanted) - wanted  # of these, before each event
    k = np.arange(len(wanted))

    def among_these(ages: np.ndarray) -> np.ndarray:
        return (before - before[k - ages.T]).T[wanted]

    return Events(
        events.worker[wanted],
        events.ticket[wanted],
        among_these(events.ages),
        among_these(events.overlap),
    )
