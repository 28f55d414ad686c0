"""Schedules of runs: what a scheduler has to fit, and the events of a run."""

from itertools import zip_longest

import numpy as np

from hogblock.methods import Method
from hogblock.models.network import Network
from hogblock.scheduling.base import Events, Scheduler
from hogblock.scheduling.given import check_events, kept
from hogblock.scheduling.law import Law
from hogblock.scheduling.log import EventLog
from hogblock.scheduling.replay import Replay, events_of
from hogblock.training.run_plan import RunPlan

STREAM = 0x5C4ED
"""Of the seeds that come from a run's, the one of its schedule."""


def check_scheduler(scheduler: Scheduler, network: Network, method: Method) -> None:
    """Refuse to train by a scheduler what it cannot schedule.

    Raises
    ------
    ValueError
    """
    what = f"schedule={scheduler!r}"
    workers = scheduler.workers
    if method.one_worker and workers > 1:
        raise ValueError(
            f"{what} has {workers} workers, and method={method.name!r} has one"
        )
    if isinstance(scheduler, Replay):
        return
    if isinstance(scheduler, Law) and scheduler.overlap != 0:
        raise ValueError(
            f"{what} has overlap={scheduler.overlap!r}, and simulated workers of a "
            "network write at one moment: set overlap=0"
        )
    if method.together:
        raise ValueError(
            f"{what} is of no use to method={method.name!r}, whose workers wait for "
            "each other"
        )
    if method.epochs == "worker":
        raise ValueError(
            f"{what} hands out the minibatches of shared epochs, and method={method} "
            "has epochs='worker'"
        )
    rows = sum(tensor.rows for tensor in network.tensors)
    if workers * method.blocks_per_worker > rows:
        raise ValueError(
            f"{what} has {workers} workers with {method.blocks_per_worker} blocks "
            f"each, and the network has {rows} rows of parameters"
        )


class RunEvents:
    """The events of a run.

    Parameters
    ----------
    run_plan : RunPlan
        Whose settings have a scheduler.
    """

    def __init__(self, run_plan: RunPlan):
        scheduler = run_plan.settings.schedule
        assert isinstance(scheduler, Scheduler)
        self.run_plan, self.scheduler = run_plan, scheduler
        self.seeds = np.random.SeedSequence(run_plan.settings.seed, spawn_key=(STREAM,))

    def between(self, first: int, end: int) -> Events:
        """Events that take the tickets from `first` to before `end`."""
        if isinstance(self.scheduler, Replay):
            log = self.scheduler.log
            wanted = (log.ticket >= first) & (log.ticket < end)
            return kept(events_of(log), wanted)
        events = self._of_tickets(end - first)
        if self.run_plan.settings.method.owns_blocks:
            events = events._replace(ages=self._own_seen(events))
        return events._replace(ticket=events.ticket + first)

    def _of_tickets(self, n_tickets: int) -> Events:
        """Events that take the first tickets; workers leave when these are over.

        A scheduler goes on for ever: its later steps are left out, and so many events
        are asked for that the last of the first has ended.
        """
        (seed,) = self.seeds.spawn(1)
        blocks, workers = len(self.run_plan.blocks), self.scheduler.workers
        n_events, most = n_tickets, 8 * n_tickets + 64 * workers
        while n_events <= most:
            random = np.random.default_rng(seed)
            events = self.scheduler.events(n_events, blocks, random)
            events = check_events(events, n_events, blocks, workers)
            wanted = events.ticket < n_tickets
            taken = np.sort(events.ticket[wanted])
            if np.array_equal(taken, np.arange(n_tickets)):
                return kept(events, wanted)
            n_events += max(8 * workers, n_events // 8)
        missing = np.setdiff1d(np.arange(n_tickets), events.ticket)[:1]
        raise ValueError(
            f"schedule={self.scheduler!r} has not ended ticket {missing} within "
            f"{len(events.ticket)} events"
        )

    def _own_seen(self, events: Events) -> np.ndarray:
        """Ages by which a worker has always seen its own writes of its own blocks."""
        ages = events.ages.copy()
        for worker, owned in enumerate(self.run_plan.owned):
            mine = np.flatnonzero(events.worker == worker)
            since = np.diff(mine, prepend=-1) - 1
            for block in owned:
                ages[mine, block] = np.minimum(ages[mine, block], since)
        return ages


def check_log(log: EventLog, run_plan: RunPlan, model: dict[str, str]) -> None:
    """Refuse to replay a log of another model, or one that lacks a step.

    Parameters
    ----------
    log : EventLog
    run_plan : RunPlan
    model : dict of str to str
        What the log has to agree with, see `EventLog`.

    Raises
    ------
    ValueError
        That names the first thing in which they differ, or the first step.
    """
    for name, now in model.items():
        if (then := log.model.get(name)) != now:
            raise ValueError(
                f"the log is of another model: {name} was {then}, and is {now}"
            )
    blocks = tuple((block.start, block.stop) for block in run_plan.blocks)
    if log.blocks != blocks:
        pairs = enumerate(zip_longest(log.blocks, blocks))
        k, (old, new) = next((k, pair) for k, pair in pairs if pair[0] != pair[1])
        raise ValueError(
            f"the log is of another model: block {k} was {old}, and is {new}"
        )
    counters = run_plan.workers if run_plan.own_epochs else 1
    of = log.worker if run_plan.own_epochs else np.zeros(len(log), np.int64)
    for counter in range(counters):
        tickets = log.ticket[(of == counter) & (log.ticket < run_plan.steps)]
        times = np.bincount(tickets, minlength=run_plan.steps)
        if (times != 1).any():
            first = int(np.argmax(times != 1))
            raise ValueError(
                f"the log has ticket {first} {times[first]} times, and each of the "
                f"{run_plan.steps} is needed once"
            )
