"""Checkpoints of a fit: ``checkpoint``, ``resume`` and what goes with them."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from hogblock.engines.base import Engine
from hogblock.estimators.problem import Problem
from hogblock.estimators.start import Start
from hogblock.saving.checkpoint import Checkpoint
from hogblock.saving.checkpoints import Checkpoints
from hogblock.saving.facts import facts_of
from hogblock.saving.fingerprint import fingerprints_of
from hogblock.training.run_state import RunState
from hogblock.training.stopping import Monitor


class NoCheckpoints:
    """Of a fit that saves none.

    Parameters
    ----------
    random_state : int, RandomState or None

    Attributes
    ----------
    random_state : int, RandomState or None
        What the fit draws from.
    every : int
        Epochs from one checkpoint to the next; 0: there are none.
    found : Checkpoint or None
        What the fit goes on from.
    """

    every = 0
    found: Checkpoint | None = None

    def __init__(self, random_state):
        self.random_state = random_state

    def begin(self, estimator, problem: Problem, start: Start) -> None:
        """A run begins, of this problem and from there."""

    def save(self, state: RunState, monitor: Monitor, reductions: int) -> None:
        """The run is at a state, which its monitor has judged."""


class FitCheckpoints(NoCheckpoints):
    """Of a fit that saves them.

    Parameters
    ----------
    estimator : NetworkEstimator
    saved : Checkpoints
        In the folder, which the fit holds.
    """

    def __init__(self, estimator, saved: Checkpoints):
        found = saved.found
        if found is not None and found.random is not None:
            super().__init__(copy.deepcopy(found.random))
        else:
            super().__init__(_repeatable(estimator.random_state))
        self.every, self.found, self._saved = estimator.checkpoint_every, found, saved
        whole = isinstance(self.random_state, Integral)
        self._random = None if whole else copy.deepcopy(self.random_state)

    def begin(self, estimator, problem: Problem, start: Start) -> None:
        """A run begins, of this problem and from there.

        Raises
        ------
        ValueError
            If what was found is of another fit: names what differs.
        """
        facts = facts_of(
            estimator, start.network, problem.targets, start.standing, start.seed
        )
        data = fingerprints_of(**_data_of(problem))
        self._saved.begin(facts, data, self._random)

    def save(self, state: RunState, monitor: Monitor, reductions: int) -> None:
        self._saved.save(state, monitor, reductions)


def _repeatable(random_state):
    """What to draw from, so that another fit can draw the same."""
    if random_state is None:
        seed = check_random_state(None).randint(np.iinfo(np.int32).max)
        return np.random.RandomState(seed)
    return random_state


def _data_of(problem: Problem) -> dict[str, Any]:
    """What is trained and validated on, by the names of the arguments of ``fit``."""
    validation = problem.validation
    return {
        "X": getattr(problem.X, "digest", problem.X),
        "y": problem.y,
        "sample_weight": problem.weights,
        "X_val": validation and validation.X,
        "y_val": validation and validation.y,
        "sample_weight_val": validation and validation.weights,
    }


@contextmanager
def checkpoints_of(
    estimator, engine: Engine, incremental: bool
) -> Iterator[NoCheckpoints]:
    """Those of a fit; at the end of the block the last one is written.

    Raises
    ------
    ValueError
        If the fit cannot have any, or its folder is another fit's.
    OSError
        If the folder cannot be written to.
    """
    if estimator.checkpoint is None:
        if estimator.resume:
            raise ValueError("resume=True needs checkpoint=, the folder to resume from")
        yield NoCheckpoints(estimator.random_state)
        return
    _check(estimator, engine, incremental)
    path, keep = estimator.checkpoint, estimator.checkpoint_keep
    with Checkpoints(path, keep, estimator.resume) as saved:
        yield FitCheckpoints(estimator, saved)


def _check(estimator, engine: Engine, incremental: bool) -> None:
    named = f"checkpoint={estimator.checkpoint!r}"
    if incremental:
        raise ValueError(
            f"partial_fit does not support {named}: call hogblock.save_model after it"
        )
    if estimator.schedule is not None:
        raise ValueError(f"{named} does not go with schedule={estimator.schedule!r}")
    if not engine.keeps_states:
        raise ValueError(
            f"{named} is for the host only, and device={estimator.device!r}: set "
            "device='cpu', or call hogblock.save_model after fit"
        )
