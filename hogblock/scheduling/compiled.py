"""Schedulers whose next event is a kernel: a simulation runs it inside its own loop."""

from abc import abstractmethod

import numpy as np

from hogblock.kernels.events.schedule import Schedule
from hogblock.kernels.events.scheduler import fill_events, look_back
from hogblock.scheduling.base import Events, Scheduler

READS = ("inconsistent", "consistent")
SLICE = 1 << 18  # events of one compiled call, between which Ctrl-C is heard


class CompiledScheduler(Scheduler):
    """A scheduler that the kernels know.

    Attributes
    ----------
    one_age : bool
        All cells are read at one moment.
    """

    one_age: bool

    @abstractmethod
    def schedule(self, n_cells: int) -> Schedule:
        """What kernels read and change, at the beginning of a run.

        Parameters
        ----------
        n_cells : int
        """

    def events(self, n_events, n_cells, random):
        schedule = self.schedule(n_cells)
        shape = (n_events, n_cells)
        worker, ticket, overlap = (np.empty(n_events, np.int64) for _ in range(3))
        ages = np.empty(shape, np.int64)
        for k in range(0, n_events, SLICE):
            part = slice(k, k + SLICE)
            columns = worker[part], ticket[part], ages[part], overlap[part]
            fill_events(schedule, random, k, *columns)
        return Events(worker, ticket, ages, overlap)


def farthest(
    schedule: Schedule, n_events: int, n_cells: int, random, allowed: int | None
) -> tuple[int, int, int]:
    """How far a run's events reach back; or the first that reaches beyond `allowed`.

    Parameters
    ----------
    schedule : Schedule
        Of a beginning run; it is used up.
    n_events, n_cells : int
    random : Generator
        Is used up, too.
    allowed : int or None
        Versions back; None allows all.

    Returns
    -------
    tuple of int
        The largest age or overlap, then event and cell of the first that is not
        allowed, -1 if all are. Cell -1 is the event's overlap.
    """
    most = np.iinfo(np.int64).max if allowed is None else allowed
    ages, largest = np.empty(n_cells, np.int64), 0
    for k in range(0, n_events, SLICE):
        stop = min(k + SLICE, n_events)
        found, event, cell = look_back(schedule, random, k, stop, ages, most)
        largest = max(largest, found)
        if event >= 0:
            return largest, event, cell
    return largest, -1, -1
