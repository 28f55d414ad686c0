"""The averager beside a run: snapshots, what to add, and when the next one is due."""

import threading
import time
from collections.abc import Callable

import numpy as np

from hogblock.distributed.pace import Pace
from hogblock.distributed.task import Counts, Task, Verdict
from hogblock.engines.live import Live
from hogblock.training.settings import Epoch

LOOK_SECONDS = 2e-3, 5e-2
"""Between two looks at how far the workers are, at least and at most."""


class Averager:
    """A node's side of its run, for the threads that train and that exchange.

    Before the workers begin and after they have left, the model is an array that only
    exchanges change.

    Parameters
    ----------
    task : Task
    batches : int
        Minibatches of an epoch, of all workers.
    """

    def __init__(self, task: Task, batches: int):
        self.task = task
        self.epochs = task.first_epoch
        self.waits_at: int | None = None
        self.seconds_waited = 0.0
        self.finished = False
        self.counts = Counts()
        self._pace = Pace(task.averaging, batches * task.settings.epochs)
        self._state = threading.Condition()
        self._live: Live | None = None
        self._model = task.params.copy()
        self._record = np.zeros((task.settings.epochs, 3))
        self._steps = 0
        self._began: float | None = None
        self._seconds = 0.0
        self._verdicts: dict[int, Verdict] = {}
        self._stops = False
        self._due = 0

    # Of the thread that trains -----------------------------------------------------

    def begins(self, live: Live | None) -> None:
        """The run's parameters are there; with None, about to be gone."""
        with self._state:
            if live is None:
                self._leave()
            else:
                self._live, self._began = live, time.perf_counter()
                self._due = self._pace.interval(0, 0.0)
                if self._stops:
                    live.stop()
            self._state.notify_all()

    def _leave(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            self._model = live.snapshot()
            self._record, self._steps = live.record, live.steps
            self._seconds = time.perf_counter() - (self._began or 0.0)

    def ended(self) -> None:
        """No worker trains any more."""
        with self._state:
            self.finished = True
            self._state.notify_all()

    def on_epoch(self, epoch: Epoch) -> bool:
        """An epoch of the run is over: wait for its verdict, if there will be one."""
        index = self.task.first_epoch + epoch.index
        with self._state:
            self.epochs = index + 1
            if index not in self.task.holds:
                return self._stops
            self.waits_at = index
            self._state.notify_all()
            before = time.perf_counter()
            self._state.wait_for(lambda: self._stops or index in self._verdicts)
            self.seconds_waited += time.perf_counter() - before
            self.waits_at = None
            verdict = self._verdicts.pop(index, None)
        if verdict is None:
            return True
        epoch.rate_factor = verdict.rate_factor
        return verdict.stop

    # Of the threads that exchange ----------------------------------------------------

    @property
    def steps(self) -> int:
        """Minibatches done by all workers."""
        with self._state:
            return self._steps if self._live is None else self._live.steps

    @property
    def seconds(self) -> float:
        """Since the workers began, or that they took."""
        if self._live is None or self._began is None:
            return self._seconds
        return time.perf_counter() - self._began

    def record(self) -> np.ndarray:
        """See ``Live.record``."""
        with self._state:
            return self._record if self._live is None else self._live.record

    def snapshot(self) -> np.ndarray:
        """Copy of the model."""
        with self._state:
            live = self._live
            return self._model.copy() if live is None else live.snapshot()

    def add(self, delta: np.ndarray) -> None:
        """Add to the model."""
        with self._state:
            if self._live is None:
                self._model += delta
            else:
                self._live.add(delta)

    def judge(self, verdicts: tuple[Verdict, ...]) -> None:
        """Let the run go on behind epochs, or end there."""
        with self._state:
            self._verdicts |= {each.epoch: each for each in verdicts}
            self._state.notify_all()

    def stop(self) -> None:
        """Have the workers leave at their next step."""
        with self._state:
            self._stops = True
            if self._live is not None:
                self._live.stop()
            self._state.notify_all()

    def learn(self, seconds: float, sent: int, received: int) -> None:
        """An exchange took so long, and moved so many bytes; sets the next one."""
        self.counts = self.counts.plus(Counts(1, sent, received, seconds))
        self._pace.learn(seconds, sent + received)

    def take_up(self) -> None:
        """The next exchange is due an interval from here."""
        self._due = self.steps + self._pace.interval(self.steps, self.seconds)

    def wait(self, superseded: Callable[[], bool]) -> None:
        """Until the next exchange is due, or there is something to tell.

        superseded : callable
            Whether nobody waits for it any more.
        """
        while not superseded():
            with self._state:
                steps = self.steps
                if self.finished or (self._live is not None and steps >= self._due):
                    return
                if self.waits_at is not None and self.waits_at not in self._verdicts:
                    return
                left = self._left(steps)
                self._state.wait(min(max(left, LOOK_SECONDS[0]), LOOK_SECONDS[1]))

    def _left(self, steps: int) -> float:
        """Seconds until the next exchange is due, as far as can be told."""
        if not steps:
            return LOOK_SECONDS[0]
        return (self._due - steps) * self.seconds / steps
