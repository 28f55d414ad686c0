"""What a scheduler promises of its workers."""

from dataclasses import dataclass

import numpy as np

from hogblock.scheduling.adversarial import Adversarial
from hogblock.scheduling.base import Scheduler
from hogblock.scheduling.event_driven import EventDriven
from hogblock.scheduling.law import Law


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


def _law_of_times(scheduler: EventDriven) -> WorkerLaw:
    means = np.broadcast_to(np.asarray(scheduler.mean, np.float64), scheduler.workers)
    other = scheduler.read + scheduler.write
    if scheduler.service == "deterministic":
        # While a worker takes one step, another ends at most so many, and one more.
        times = means + other
        counts = [
            1 + sum(int(own // each) + 1 for c, each in enumerate(times) if c != worker)
            for worker, own in enumerate(times)
        ]
        return WorkerLaw(within=counts)
    if scheduler.service == "exponential" and other == 0:
        # Such a time has no memory: whatever was, the odds are those of the rates.
        return WorkerLaw((1 / means) / (1 / means).sum())
    return WorkerLaw()
