"""Judges the epochs of a fit on several nodes: asks what to do after each."""

from collections.abc import Callable

import numpy as np

from hogblock.distributed.tasks import Tasks
from hogblock.training.run_state import RunState
from hogblock.training.settings import Epoch, OnEpoch


class Judge:
    """The epochs of a fit that are over, and what was said of them.

    Parameters
    ----------
    tasks : Tasks
    on_epoch : callable
        As for ``engines.base.Engine.train``.
    state : RunState or None
        What the fit goes on from.

    Attributes
    ----------
    losses : list of float
    factor : float
        On the learning rates, from now on.
    end : int
        Epochs after which the fit is over.
    """

    def __init__(self, tasks: Tasks, on_epoch: OnEpoch, state: RunState | None):
        self._tasks, self._on_epoch = tasks, on_epoch
        self.losses = list(state.losses) if state else []
        self.factor = float(state.arrays["rate_factor"][0]) if state else 1.0
        self.end = tasks.settings.epochs

    @property
    def over(self) -> int:
        """Epochs that are judged."""
        return len(self.losses)

    def judge(
        self,
        sums: np.ndarray,
        params: np.ndarray,
        seconds: Callable[[], float],
    ) -> bool:
        """Judge the next epoch; whether all workers have to leave at once.

        Parameters
        ----------
        sums : ndarray of shape (3,)
            Samples, sum of losses, sum of weights of the epoch.
        params : ndarray of shape (size,), float32
            The average by now; where all wait at the end of the epoch, of that.
        seconds : callable
            Training time so far.
        """
        epoch = self.over
        _, loss, weight = sums
        self.losses.append(float(loss / weight) if weight else 0.0)
        asked = Epoch(epoch, self.losses[-1], params, seconds(), self.factor)
        stop = bool(self._on_epoch(asked))
        self.factor = float(asked.rate_factor)
        held = epoch in self._tasks.holds
        if stop and not held:
            self.end = self.over
        elif stop and self.end == self._tasks.settings.epochs:
            # Workers that are ahead train the epoch after it to its end.
            ahead = 0 if self._tasks.holds_still(epoch) else 1
            self.end = min(self.end, self.over + ahead)
        if asked.then is not None and self._tasks.holds_still(epoch):
            asked.then(lambda: self.state(params, seconds()), self.over >= self.end)
        return stop and not held

    def state(self, params: np.ndarray, seconds: float) -> RunState:
        """What another fit can go on from, where this one is: momentum stays behind."""
        return RunState(
            self.over,
            params.copy(),
            list(self.losses),
            seconds,
            {
                "velocity": np.zeros((1, params.size), np.float32),
                "rate_factor": np.array([self.factor], np.float32),
            },
        )
