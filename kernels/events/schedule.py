"""What the compiled schedulers read and change: one layout for all kinds.

One layout has one compiled loop; what a kind does not use is empty.
"""

from typing import NamedTuple

import numpy as np

from hogblock.kernels.events.tables import Table, make_table

LAW, ADVERSARIAL, EVENT_DRIVEN, GIVEN = range(4)
EXPONENTIAL, DETERMINISTIC, LOGNORMAL = range(3)
NEVER = make_table([1.0])  # always 0


class Timing(NamedTuple):
    """How long workers take; times in any unit.

    Attributes
    ----------
    service : int
        EXPONENTIAL, DETERMINISTIC or LOGNORMAL: how long a worker computes.
    mean : ndarray of shape (workers,), float64
    sigma : float
        Of the logarithm, of LOGNORMAL.
    slow, factor : float
        Probability that a step takes `factor` times as long.
    read, write : float
        Durations.
    """

    service: int
    mean: np.ndarray
    sigma: float
    slow: float
    factor: float
    read: float
    write: float


class Clock(NamedTuple):
    """Where each worker is, of EVENT_DRIVEN.

    Attributes
    ----------
    heap : ndarray of shape (workers,), int64
        Workers in the order of `time`, as a heap.
    time : ndarray of shape (workers,), float64
        When the worker's next doing is.
    stage : ndarray of shape (workers,), int64
        Which doing: the read of that cell, the beginning (cells) or the end
        (cells + 1) of its write.
    began, computes : ndarray of shape (workers,), float64
        When its step began, and how long it computes.
    seen : ndarray of shape (workers, cells), int64
        Version that it has read.
    found : ndarray of shape (workers,), int64
        Version at the beginning of its write.
    ticket : ndarray of shape (workers,), int64
    tickets : ndarray of shape (1,), int64
        Steps that have begun.
    """

    heap: np.ndarray
    time: np.ndarray
    stage: np.ndarray
    began: np.ndarray
    computes: np.ndarray
    seen: np.ndarray
    found: np.ndarray
    ticket: np.ndarray
    tickets: np.ndarray


class Schedule(NamedTuple):
    """A scheduler at one moment of a run.

    Attributes
    ----------
    kind : int
        LAW, ADVERSARIAL, EVENT_DRIVEN or GIVEN.
    one_age : bool
        All cells are read at one moment.
    who, age, overlap : Table
        Of LAW; `age` and `overlap` of ADVERSARIAL too.
    last : ndarray of shape (workers,), int64
        Version that the worker's last step has left; of LAW and ADVERSARIAL.
    timing : Timing
    clock : Clock
    worker, ticket, ages, overlaps : ndarray
        Of GIVEN: the events.
    """

    kind: int
    one_age: bool
    who: Table
    age: Table
    overlap: Table
    last: np.ndarray
    timing: Timing
    clock: Clock
    worker: np.ndarray
    ticket: np.ndarray
    ages: np.ndarray
    overlaps: np.ndarray


NO_TIMING = Timing(EXPONENTIAL, np.empty(0), 0.0, 0.0, 1.0, 0.0, 0.0)


def _clock(workers, cells) -> Clock:
    def whole(*shape):
        return np.zeros(shape, np.int64)

    heap = np.arange(workers, dtype=np.int64)
    reals = (np.zeros(workers) for _ in range(3))
    time, began, computes = reals
    seen, found = whole(workers, cells), whole(workers)
    ticket, tickets = whole(workers), whole(1)
    return Clock(
        heap, time, whole(workers), began, computes, seen, found, ticket, tickets
    )


def make_schedule(
    kind, workers, cells, one_age=False, who=NEVER, age=NEVER, overlap=NEVER,
    timing=NO_TIMING, events=None,
) -> Schedule:  # fmt: skip
    """A schedule at the beginning of a run.

    Parameters
    ----------
    kind, one_age, who, age, overlap, timing
        See `Schedule`.
    workers, cells : int
    events : tuple of four ndarrays, optional
        Worker, ticket, ages, overlap of GIVEN.
    """
    if events is None:
        empty = np.empty(0, np.int64)
        events = empty, empty, np.empty((0, 0), np.int64), empty
    given = (np.require(each, np.int64, ["C", "W"]) for each in events)
    clock = _clock(*((workers, cells) if kind == EVENT_DRIVEN else (0, 0)))
    last = np.zeros(workers, np.int64)
    return Schedule(kind, one_age, who, age, overlap, last, timing, clock, *given)
