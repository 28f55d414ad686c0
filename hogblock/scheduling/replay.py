"""Replay: the schedule of a run that was logged."""

from dataclasses import dataclass, field

import numpy as np

from hogblock.scheduling.base import Events, Scheduler
from hogblock.scheduling.log import EventLog


@dataclass(frozen=True)
class Replay(Scheduler):
    """Steps end in the order of a log, and read what those of the log had read.

    Parameters
    ----------
    log : EventLog

    Raises
    ------
    ValueError
        When it is used: if fewer events are logged than are wanted, or x has other
        cells than the blocks of the log.

    Notes
    -----
    Steps of a log that were on their way at once are replayed one after another, in the
    order in which they ended. What the log does not know is what a step read of a write
    that was under way.
    """

    __module__ = "hogblock.asynchrony"

    log: EventLog
    workers: int = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "workers", self.log.workers)

    @property
    def largest_age(self) -> int:
        return int(self.log.delays().max(initial=0))

    def events(
        self, n_events: int, n_cells: int, random: np.random.Generator
    ) -> Events:
        log = self.log
        if n_cells != len(log.blocks):
            raise ValueError(
                f"the log has {len(log.blocks)} blocks, and what is replayed has "
                f"{n_cells}"
            )
        if n_events > len(log):
            raise ValueError(
                f"event {len(log)} is missing: {n_events} are wanted, and the log ends "
                f"there (its run had {log.n_total})"
            )
        return Events(*(column[:n_events] for column in events_of(log)))

    def epochs(self, wanted: int, batches: int, own: bool) -> int:
        """How many epochs of `batches` minibatches to replay, of so many at most.

        Parameters
        ----------
        wanted, batches : int
        own : bool
            Every worker has epochs of its own.

        Raises
        ------
        ValueError
            If the log was cut off before the end of these epochs, or has none.
        """
        log = self.log
        of = log.worker if own else np.zeros(len(log), np.int64)
        owners = log.workers if own else 1
        missing = min(_first_missing(log.ticket[of == k]) for k in range(owners))
        whole = missing // batches
        if whole >= wanted or (whole > 0 and len(log) == log.n_total):
            return min(whole, wanted)
        raise ValueError(
            f"the log ends after {len(log)} of {log.n_total} events: ticket {missing} "
            f"(of epoch {whole}) is missing, and {wanted} epochs are wanted. Set "
            f"max_iter to at most {whole}, or record with a larger max_bytes"
        )

    def __repr__(self):
        return f"Replay({self.log!r})"


def events_of(log: EventLog) -> Events:
    """The steps of a log as events."""
    return Events(
        log.worker.astype(np.int64),
        log.ticket,
        log.delays(),
        np.zeros(len(log), np.int64),
    )


def _first_missing(tickets: np.ndarray) -> int:
    """The first number that is not there."""
    there = np.unique(tickets)
    return int(np.argmin(np.append(there == np.arange(len(there)), False)))
