"""Schedulers whose next event is a kernel: a simulation runs it inside its own loop."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator

import numpy as np

from hogblock.kernels.events.schedule import Schedule
from hogblock.kernels.events.scheduler import fill_events
from hogblock.scheduling.base import Events, Scheduler

READS = ("inconsistent", "consistent")
SLICE = 1 << 18  # cells or events of a compiled call: between two, Ctrl-C is heard


class CompiledScheduler(Scheduler):
    """A scheduler that the kernels know."""

    @property
    @abstractmethod
    def one_age(self) -> bool:
        """Whether all cells are read at one moment."""

    @abstractmethod
    def schedule(self, n_cells: int) -> Schedule:
        """What kernels read and change, at the beginning of a run.

        Parameters
        ----------
        n_cells : int
        """

    def events(self, n_events, n_cells, random):
        parts = slices(self.schedule(n_cells), n_events, n_cells, random)
        worker, ticket, ages, overlap = zip(*parts, strict=True)
        return Events(*map(np.concatenate, (worker, ticket, ages, overlap)))


def slices(schedule: Schedule, n_events: int, n_cells: int, random) -> Iterator[Events]:
    """The events of a beginning run, some at a time; both given objects are used up.

    Parameters
    ----------
    schedule : Schedule
    n_events, n_cells : int
    random : Generator
    """
    length = max(1, SLICE // n_cells)
    for first in range(0, max(n_events, 1), length):
        count = min(length, n_events - first)
        worker, ticket, overlap = (np.empty(count, np.int64) for _ in range(3))
        ages = np.empty((count, n_cells), np.int64)
        fill_events(schedule, random, first, worker, ticket, ages, overlap)
        yield Events(worker, ticket, ages, overlap)


def farthest(parts: Iterable[Events], allowed: int | None) -> int:
    """How many versions a run's events reach back.

    Parameters
    ----------
    parts : iterable of Events
        The run's, one after another.
    allowed : int or None
        Versions that are kept; None: as many as it takes.

    Raises
    ------
    ValueError
        If they are too few; names the first event and cell.
    """
    largest = first = 0
    for part in parts:
        # The overlap as one cell more: it may reach beyond the ages.
        back = np.column_stack([part.ages, part.overlap])
        if allowed is not None and (back > allowed).any():
            event, cell = np.unravel_index(int(np.argmax(back > allowed)), back.shape)
            age = back[event, cell]
            own = cell < part.ages.shape[1]
            what = f"reads cell {cell} at age" if own else "has an overlap of"
            raise ValueError(
                f"event {first + event} {what} {age}, and history={allowed} versions "
                "are kept"
            )
        largest = max(largest, int(back.max()))
        first += len(back)
    return largest
