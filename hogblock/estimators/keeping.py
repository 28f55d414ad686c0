"""Keeps where a run is, at the ends of its epochs: for checkpoints, and to go back."""

from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

from hogblock.estimators.checkpoints import NoCheckpoints
from hogblock.estimators.divergence import still
from hogblock.saving.checkpoint import Checkpoint, followed_by
from hogblock.training.run_state import RunState
from hogblock.training.settings import Epoch
from hogblock.training.stopping import Monitor


class _Place(NamedTuple):
    """Where a run was.

    Attributes
    ----------
    state : RunState or None
        None is the beginning.
    followed : dict
        What its monitor had come to.
    """

    state: RunState | None
    followed: dict[str, Any]


class Keeper:
    """Follows a run with a monitor, and keeps its state.

    Parameters
    ----------
    monitor : Monitor
        Decides.
    checkpoints : NoCheckpoints
        Take states, as often as they say.
    goes_back : bool
        Keep the state of the lowest loss, for `go_back`.

    Attributes
    ----------
    state : RunState or None
        What the run goes on from, if it is not the beginning.
    reductions : int
        How often divergence has reduced the learning rates.
    """

    def __init__(self, monitor: Monitor, checkpoints: NoCheckpoints, goes_back: bool):
        self._monitor, self._checkpoints = monitor, checkpoints
        self._goes_back = goes_back
        self.state: RunState | None = None
        self.reductions = 0
        self._beginning = _Place(None, followed_by(monitor))
        self._lowest: _Place | None = None

    @property
    def hold_every(self) -> int:
        """Epochs after which all workers have to wait: see ``Settings``."""
        return 1 if self._goes_back else self._checkpoints.every

    @property
    def diverged(self) -> bool:
        """Whether the epoch that was judged last was not finite."""
        return self._monitor.diverged

    def resume(self, found: Checkpoint) -> None:
        """Let the run go on from a checkpoint."""
        found.restore(self._monitor)
        self.state, self.reductions = found.state, found.reductions
        self._lowest = _Place(found.state, followed_by(self._monitor))

    def go_back(self) -> int:
        """Let the run go on from the epoch of the lowest loss; returns its number.

        From the beginning, if going on from there has not led to a lower one.
        """
        place = self._lowest or self._beginning
        self._lowest = None
        self.state = place.state and still(place.state)
        for name, value in place.followed.items():
            # A list that the monitor goes on with is not that of the place.
            setattr(self._monitor, name, copy(value))
        self._monitor.diverged = False
        self.reductions += 1
        return len(self._monitor.losses)

    def __call__(self, epoch: Epoch) -> bool:
        stop = self._monitor(epoch)
        if self.hold_every and not self._monitor.diverged:
            epoch.then = self._keep
        return stop

    def _keep(self, state_of: Callable[[], RunState], over: bool) -> None:
        losses, every = self._monitor.losses, self._checkpoints.every
        saves = bool(every) and (over or len(losses) % every == 0)
        lowest = self._goes_back and losses[-1] == min(losses)
        if not (saves or lowest):
            return
        state = state_of()
        if lowest:
            self._lowest = _Place(state, followed_by(self._monitor))
        if saves:
            self._checkpoints.save(state, self._monitor, self.reductions)
