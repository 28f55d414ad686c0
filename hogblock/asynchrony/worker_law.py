"""What a scheduler promises of its workers."""

from dataclasses import dataclass

import numpy as np

from hogblock.scheduling.adversarial import Adversarial
from hogblock.scheduling.base import Scheduler
from hogblock.scheduling.event_driven import EventDriven
from hogblock.scheduling.law import Law
from hogblock.scheduling.replay import Replay

ROUNDING = 1e-6
"""Of times that are added up, as a share of the shorter one."""


@dataclass(frozen=True)
class WorkerLaw:
    """Who ends the next step, as far as the law of a scheduler says.

    chances : ndarray of shape (workers,) or None
        Least probability of each worker to end the next step, whatever the past; None:
        the law has none.
    within : list of int or None
        Events in a row of which each worker surely ends one; None: no number is enough.
    """

    chances: np.ndarray | None = None
    within: list[int] | None = None


def worker_law_of(scheduler: Scheduler) -> WorkerLaw:
    """What is promised; nothing for schedulers of other classes."""
    workers = scheduler.workers
    if workers == 1:
        return WorkerLaw(np.ones(1), [1])
    if isinstance(scheduler, Law):
        given = scheduler.probabilities
        equal = np.full(workers, 1 / workers)
        return WorkerLaw(equal if given is None else np.asarray(given, np.float64))
    if isinstance(scheduler, Adversarial):
        return WorkerLaw(within=[workers] * workers)
    if isinstance(scheduler, EventDriven) and scheduler.straggler is None:
        return _law_of_times(scheduler)
    return WorkerLaw()


def age_bound_of(scheduler: Scheduler) -> int | None:
    """Bound on all ages by the law of a scheduler; None if there is none.

    A log's largest age is none: the machine that it was recorded on has no law.
    """
    if isinstance(scheduler, Replay):
        return None
    if isinstance(scheduler, EventDriven):
        # Others end fewer steps during one of a worker's than between two of its ends.
        within = worker_law_of(scheduler).within
        return None if within is None else max(within) - 1
    return scheduler.largest_age


def _law_of_times(scheduler: EventDriven) -> WorkerLaw:
    means = np.broadcast_to(np.asarray(scheduler.mean, np.float64), scheduler.workers)
    other = scheduler.read + scheduler.write
    if scheduler.service == "deterministic":
        # While a worker takes one step, another ends at most so many, and one more.
        times = means + other
        ended = np.floor(times[:, None] / times + ROUNDING).astype(np.int64) + 1
        counts = (1 + ended.sum(axis=1) - np.diag(ended)).tolist()
        return WorkerLaw(within=counts)
    if scheduler.service == "exponential" and other == 0:
        # Such a time has no memory: whatever was, the odds are those of the rates.
        return WorkerLaw((1 / means) / (1 / means).sum())
    return WorkerLaw()
