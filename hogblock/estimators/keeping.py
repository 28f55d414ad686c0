"""Keeps where a run is, at the ends of its epochs."""

from collections.abc import Callable

from hogblock.training.run_state import RunState
from hogblock.training.settings import Epoch
from hogblock.training.stopping import Monitor


class Keeper:
    """Follows a run with a monitor, and keeps its state.

    Parameters
    ----------
    monitor : Monitor
        Decides.
    every : int
        Epochs from one state to the next; 0 keeps none.
    save : callable
        Takes each state.

    Attributes
    ----------
    state : RunState or None
        The last one.
    """

    def __init__(
        self,
        monitor: Monitor,
        every: int,
        save: Callable[[RunState], None] = lambda state: None,
    ):
        self._monitor, self._every, self._save = monitor, every, save
        self.state: RunState | None = None

    def __call__(self, epoch: Epoch) -> bool:
        stop = self._monitor(epoch)
        if self._every and not self._monitor.diverged:
            epoch.then = self._keep
        return stop

    def _keep(self, state_of: Callable[[], RunState], over: bool) -> None:
        if over or len(self._monitor.losses) % self._every == 0:
            self.state = state_of()
            self._save(self.state)
