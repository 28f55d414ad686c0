"""A method is one class, wherever it is written: what it declares is what is done."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from hogblock import Cuda, MLPClassifier
from hogblock.methods import Method, Stretch
from support import cuda_runs as runs
from support.cuda_replays import assert_replayed, replay
from support.cuda_runs import BATCHES, CARD, Watch, fit

pytestmark = pytest.mark.usefixtures("simulator")

EPOCHS = 3


@dataclass(frozen=True)
class Thirds(Method):
    """Every third step is full; from the third epoch on none is."""

    name: ClassVar[str] = "thirds"
    owns_blocks: ClassVar[bool] = True

    def stretches(self, batches, epochs, trained=0):
        return [Stretch(0, ("full", "own", "own")), Stretch(2 * batches, ("own",))]


@dataclass(frozen=True)
class Careful(Thirds):
    """The same with every update under the lock."""

    name: ClassVar[str] = "careful"
    locks: ClassVar[bool] = True


@dataclass(frozen=True)
class Meeting(Method):
    """All workers make one step, as their mean."""

    name: ClassVar[str] = "meeting"
    together: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True


def updates(result):
    return result.updates_per_block.tolist()


@pytest.mark.parametrize("method", [Thirds, Careful])
def test_workers_of_the_host_take_the_turns(method):
    """Each passes over all the data, so that the number of its turns is known."""
    chosen = runs.settings(method(epochs="worker"), 2, epochs=EPOCHS)
    found = runs.on_host(chosen)
    full = -(-2 * BATCHES // 3)
    own = EPOCHS * BATCHES - full
    assert updates(found) == [own + 2 * full] * 2
    assert found.steps_per_worker.tolist() == [EPOCHS * BATCHES] * 2


def test_workers_of_a_card_take_the_same_steps(monkeypatch):
    runs.pace(monkeypatch, 3)
    watch, chosen = Watch(), runs.settings(Thirds(), 2, epochs=EPOCHS)
    found = fit(chosen, watch)
    assert_replayed(found, watch, *replay(chosen, 3))


def test_devices_own_blocks_where_workers_would():
    chosen = runs.settings(Thirds(epochs="worker"), 1, epochs=EPOCHS)
    found = fit(chosen, device=(CARD, CARD))
    full = -(-2 * BATCHES // 3)
    # Each device counts the blocks that it owns, which the other one has a mirror of.
    assert updates(found) == [EPOCHS * BATCHES] * 2 and full > 1


def test_workers_that_meet_have_the_model_of_one():
    network = runs.Network([runs.Dense(6, "tanh"), runs.Dense(3)], (runs.FEATURES,))
    alone, met = (
        runs.on_host(runs.settings(Meeting(), workers, epochs=1), network=network)
        for workers in (1, 2)
    )
    np.testing.assert_allclose(met.params, alone.params, atol=1e-5)
    assert met.steps == alone.steps == BATCHES
    assert met.staleness[:, 1:].sum() == 0


@pytest.mark.parametrize("method", [Thirds(), Careful(), Meeting()], ids=repr)
def test_estimators_take_it(method):
    plan = dict(max_iter=2, learning_rate="cosine", batch_size=5, random_state=0)
    model = MLPClassifier((5,), method=method, n_jobs=2, **plan)
    X, y = np.repeat(runs.X, 2, axis=0), np.repeat(runs.LABELS, 2)
    assert model.fit(X, y).n_workers_ == 2
    model.set_params(device=CARD)
    if method.locks:
        with pytest.raises(ValueError, match="'careful' does not run on cuda:0"):
            model.fit(X, y)
        return
    assert model.fit(X, y).device_ == "cuda:0"
    model.set_params(device=[CARD, Cuda(1, threads=2)])
    if method.owns_blocks:
        assert model.fit(X, y).n_workers_ == 4
        return
    with pytest.raises(ValueError, match=r"'meeting' does not run on .*'cuda:1'"):
        model.fit(X, y)
