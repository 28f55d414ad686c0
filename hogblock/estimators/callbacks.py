"""Callbacks: who is told of the epochs of a fit, and may end it."""

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np

from hogblock.estimators.keeping import Keeper
from hogblock.estimators.validation import FEATURES
from hogblock.training.settings import Epoch

HOOKS = ("on_epoch_begin", "on_epoch_end")
UNDER = "_skl_callbacks"
"""Where scikit-learn keeps its own in an estimator."""

Attributes = Callable[[], dict[str, Any]]
"""Those with which the estimator predicts as it would by now; made when asked for."""


class Listener:
    """Is told of a fit."""

    def begin(self) -> None:
        """Training begins."""

    def epoch_begins(self, epoch: int, attributes: Attributes) -> bool:
        """An epoch, counted from 0, begins; whether the fit shall end after it."""
        return False

    def epoch_ends(self, epoch: int, attributes: Attributes) -> bool:
        """An epoch is over; whether the fit is."""
        return False

    def end(self, attributes: Attributes) -> None:
        """Training is over, and this is what the estimator becomes."""


class EpochCallbacks(Listener):
    """The objects of the parameter `callbacks`.

    Parameters
    ----------
    estimator : NetworkEstimator

    Raises
    ------
    ValueError
        If one of them has no hook; names it.
    """

    def __init__(self, estimator):
        self._estimator = estimator
        for each in estimator.callbacks or ():
            hooks = [getattr(each, name, None) for name in HOOKS]
            if isinstance(each, type) or not any(map(callable, hooks)):
                raise ValueError(
                    f"callbacks={estimator.callbacks!r} must be objects with a method "
                    f"{' or '.join(HOOKS)}, and one is {each!r}"
                )

    def epoch_begins(self, epoch, attributes):
        return self._call("on_epoch_begin", epoch, attributes)

    def epoch_ends(self, epoch, attributes):
        return self._call("on_epoch_end", epoch, attributes)

    def _call(self, name: str, epoch: int, attributes: Attributes) -> bool:
        callbacks = self._estimator.callbacks or ()
        hooks = [getattr(each, name) for each in callbacks if hasattr(each, name)]
        if not hooks:
            return False
        seen = as_fitted(self._estimator, attributes())
        return any([bool(hook(seen, epoch)) for hook in hooks])


def has_callbacks(estimator) -> bool:
    """Whether anybody is told of a fit, of scikit-learn's callbacks too."""
    return bool(estimator.callbacks) or bool(vars(estimator).get(UNDER))


def without_callbacks(estimator):
    """A shallow copy that tells nobody."""
    alone = copy(estimator)
    alone.callbacks = None
    vars(alone).pop(UNDER, None)
    return alone


def as_fitted(estimator, attributes: dict[str, Any]):
    """The estimator with these fitted attributes, and none of a fit before.

    It predicts. It cannot train on: of that, a fit that is under way tells nothing.
    """
    seen = object.__new__(type(estimator))
    kept = {*estimator._get_param_names(), *FEATURES}
    mine = {name: value for name, value in vars(estimator).items() if name in kept}
    vars(seen).update(mine | attributes)
    return seen


class Following:
    """Judges each epoch of a run as a keeper does, then tells of it.

    Parameters
    ----------
    judge : Keeper
    listeners : list of Listener
    attributes_of : callable
        `Attributes` by parameters.
    epochs : int
        Of the run, at most.

    Attributes
    ----------
    stopped : bool
        A listener has ended the run.
    """

    def __init__(
        self,
        judge: Keeper,
        listeners: list[Listener],
        attributes_of: Callable[[np.ndarray], Attributes],
        epochs: int,
    ):
        self._judge, self._listeners, self._epochs = judge, listeners, epochs
        self._attributes_of = attributes_of
        self._ends_after = self.stopped = False

    def begins(self, epoch: int, params: np.ndarray) -> None:
        """An epoch begins with these parameters, unless there are no more."""
        if epoch < self._epochs:
            attributes = self._attributes_of(params)
            told = [each.epoch_begins(epoch, attributes) for each in self._listeners]
            self._ends_after |= any(told)

    def __call__(self, epoch: Epoch) -> bool:
        stop = self._judge(epoch)
        if self._judge.diverged or not self._listeners:
            return stop
        attributes = self._attributes_of(epoch.params)
        told = [each.epoch_ends(epoch.index, attributes) for each in self._listeners]
        self.stopped = self._ends_after or any(told)
        if not (stop or self.stopped):
            self.begins(epoch.index + 1, epoch.params)
        return stop or self.stopped
