"""Fits that leave checkpoints, and fits that go on from one."""

from contextlib import contextmanager

import numpy as np
import pytest

from hogblock.estimators import base, run
from hogblock.estimators.keeping import Keeper
from hogblock.saving.checkpoint import Checkpoint, followed_by, random_before
from hogblock.saving.facts import facts_of
from hogblock.saving.fingerprint import fingerprints_of


def data_of(problem):
    X_val, y_val, weights_val = problem.validation or (None, None, None)
    weights = problem.weights if problem.weights.size else None
    return fingerprints_of(
        X=problem.X, y=problem.y, sample_weight=weights, X_val=X_val, y_val=y_val,
        sample_weight_val=weights_val,
    )  # fmt: skip


@contextmanager
def following(save, resumed=None, check=None):
    """Fits in the block save checkpoints, and go on from one that is given.

    Parameters
    ----------
    save : callable
        Takes a `Checkpoint`, and the monitor that follows.
    resumed : Checkpoint, default=None
    check : callable, default=None
        Takes facts, fingerprints and random state of the fit; None: `resumed` does.
    """
    begin, fit = run.run, base.NetworkEstimator._fit_by
    before = None

    def fit_by(self, engine, given, incremental):
        nonlocal before
        if resumed is not None and resumed.random is not None:
            np.random.mtrand._rand.set_state(resumed.random.get_state())
        before = random_before(self.random_state)
        return fit(self, engine, given, incremental)

    def run_(estimator, engine, problem, start):
        facts = facts_of(
            estimator, start.network, problem.targets, start.standing, start.seed
        )
        data = data_of(problem)
        if check is not None:
            check(facts, data, before)
        elif resumed is not None:
            resumed.check(facts, data)

        def keeper(monitor, every):
            def keep(state):
                followed = followed_by(monitor)
                save(Checkpoint(facts, data, before, state, followed), monitor)

            kept = Keeper(monitor, every, keep)
            if resumed is not None:
                resumed.restore(monitor)
                kept.state = resumed.state
            return kept

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run, "Keeper", keeper)
            return begin(estimator, engine, problem, start)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "run", run_)
        patch.setattr(base.NetworkEstimator, "_fit_by", fit_by)
        yield
