"""A run whose workers are simulated: one process takes all steps, in a given order.

Event k of a schedule is a step whose worker has read block b as it was `ages[k, b]`
events before (docs/method.md, section 10). What the steps on their way have read by now
lies in a copy each; an event runs the kernels of a real worker on its copy. Kernels are
called for each event: a call costs some 10 us, of a step of hundreds.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hogblock.engines.cpu.memory import private_floats
from hogblock.engines.cpu.pack import Task, arguments_of, tasks_of
from hogblock.engines.cpu.run import Run
from hogblock.kernels import counters as c
from hogblock.kernels.cpu import job
from hogblock.kernels.cpu.run import run_steps
from hogblock.scheduling.base import Events
from hogblock.training.run_plan import RunPlan
from hogblock.training.scheduled import RunEvents

STEPS_A_LOOK = 64
"""Of all workers, from one look for what is not finite to the next: 10 us each."""


@dataclass
class _Reading:
    """What a step has read so far.

    Attributes
    ----------
    params, seen : ndarray
        Parameters, and how often each block had been written.
    """

    params: np.ndarray
    seen: np.ndarray


@dataclass
class ScheduledWorkers:
    """The workers of a run, which take steps when they are told to.

    Attributes
    ----------
    run_plan : RunPlan
    arrays : dict of str to ndarray
    tasks : list of Task
    """

    run_plan: RunPlan
    arrays: dict[str, np.ndarray]
    tasks: list[Task]
    _free: list[_Reading] = field(default_factory=list)

    def __post_init__(self):
        first = arguments_of(self.tasks[0], self.arrays)
        self.bounds = [(b.start, b.stop) for b in self.run_plan.blocks]
        self.counts = self.arrays["counters"][:: c.STRIDE][c.BLOCKS :]
        self.arguments = [self._arguments(first, task) for task in self.tasks]

    def _arguments(self, first: tuple, task: Task) -> tuple:
        """Those of a worker: work space, which no two use at once, is the first's."""
        worker, _, samples, rule = first
        if self.run_plan.settings.method.together:  # one worker's step is that of all
            rule = rule._replace(write=job.WRITE_PLAIN)
        worker = worker._replace(
            record=self.arrays["record"][task.rank],
            staleness=self.arrays["staleness"][task.rank],
            velocity=self.arrays["velocity"][task.rank],
            state=self.arrays["state"][task.rank],
            rank=task.rank,
            key=task.key,
        )
        return worker, task.plans, samples, rule

    def read(self, reading: _Reading, first: int, end: int) -> None:
        """Read the blocks from `first` to before `end` as they are now."""
        part = slice(self.bounds[first][0], self.bounds[end - 1][1])
        reading.params[part] = self.arrays["params"][part]
        reading.seen[first:end] = self.counts[first:end]

    def begin(self) -> _Reading:
        """A reading that has read nothing yet."""
        if self._free:
            return self._free.pop()
        size = self.run_plan.n_parameters
        return _Reading(
            private_floats(params=size)["params"],
            np.zeros(len(self.bounds), np.int64),
        )

    def step(self, rank: int, ticket: int, reading: _Reading | None) -> bool:
        """Let a worker take a step by what it has read, or by what is there now."""
        worker, plans, samples, rule = self.arguments[rank]
        worker.state[job.PENDING] = ticket
        if reading is not None:
            worker = worker._replace(copy=reading.params, seen=reading.seen)
            rule = rule._replace(read=job.READ_GIVEN)
            self._free.append(reading)
        return run_steps(worker, plans, samples, rule, 1) == 1


def run_events(workers: ScheduledWorkers, events: Events, after_step) -> None:
    """Take the steps of some events, until ``after_step()`` is True.

    Parameters
    ----------
    workers : ScheduledWorkers
    events : Events
        Whose ages are of blocks.
    after_step : callable
    """
    waiting = _pieces_by_event(events.ages)
    readings: defaultdict[int, _Reading] = defaultdict(workers.begin)
    for k in range(len(events.worker)):
        for event, first, end in waiting.pop(k, ()):
            workers.read(readings[event], first, end)
        reading = readings.pop(k, None)
        if not workers.step(int(events.worker[k]), int(events.ticket[k]), reading):
            return
        if after_step():
            return


def _pieces_by_event(ages: np.ndarray) -> dict[int, list[tuple[int, int, int]]]:
    """What is read before which event, as (event that reads, first block, end).

    Neighbours of one age are read together. Events that read everything as it is when
    they end are not in it.
    """
    n, blocks = ages.shape
    starts = np.ones((n, blocks), bool)
    starts[:, 1:] = ages[:, 1:] != ages[:, :-1]
    starts[~ages.any(axis=1)] = False
    event, first = np.nonzero(starts)
    last = np.append(event[1:] != event[:-1], True)[: len(event)]  # piece of its event
    end = np.where(last, blocks, np.roll(first, -1))
    when = event - ages[event, first]
    waiting: dict[int, list[tuple[int, int, int]]] = {}
    columns = (column.tolist() for column in (when, event, first, end))
    for at, *piece in zip(*columns, strict=True):
        waiting.setdefault(at, []).append(tuple(piece))
    return waiting


def train_scheduled(run: Run, progress: Callable[[int], None]):
    """Train in this process by a schedule: bit-reproducible, whatever it is.

    Parameters
    ----------
    run : Run
        Prepared.
    progress : callable

    Returns
    -------
    Result
    """
    workers = ScheduledWorkers(run.run_plan, run.arrays, tasks_of(run.run_plan))
    events = RunEvents(run.run_plan)
    done = 0

    def after_step() -> bool:
        nonlocal done
        done += 1
        if done % STEPS_A_LOOK == 0:
            run.look()
        if done < run.steps_to_judge:
            return run.diverged
        run.poll()
        progress(run.samples)
        return run.finished

    interrupted = False
    run.start()
    try:
        while not run.finished:
            run_events(workers, events.between(*run.tickets), after_step)
    except KeyboardInterrupt:
        interrupted = True
    return run.result(run.seconds, interrupted)
