"""Asynchronous methods on a CUDA device: the same steps, taken on the host, are equal.

Blocks of the simulator run one after another, so that it is known which worker does
which minibatch when: see ``cuda_runs.Replay``.
"""

from dataclasses import replace

import numpy as np
import pytest

from hogblock import Cuda
from hogblock.engines.cuda.engine import usable_workers
from hogblock.methods import PASSM, SGD, From, Hogwild, Mixed, PASSMPlus, Sync
from hogblock.models import Dense, Network
from hogblock.training.run_plan import make_run_plan
from support import cuda_runs as runs
from support.cuda_replays import assert_replayed, replay
from support.cuda_runs import BATCHES, CARD, NETWORK, Replay, Watch, assert_close, fit

pytestmark = pytest.mark.usefixtures("simulator")

LAYERED = Cuda(threads=2, launch="graph", blocks_per_worker=1)
MIX = (
    (0.0, {"full": 1.0}),
    (0.5, {"full": 0.3, "own": 0.3, "suffix": 0.2, From(1): 0.2}),
)
EVERY_SCOPE = Mixed(mix=MIX)


@pytest.mark.parametrize(
    ("method", "workers"),
    [
        (Hogwild(), 3),
        (Hogwild(epochs="worker"), 2),
        (PASSM(), 3),
        (PASSM(random_blocks=2, reads="copy"), 2),
        (PASSMPlus(warmup_fraction=0.5), 2),
        (PASSMPlus(switch_epochs=(1, 2), alternate=False), 2),
        (PASSMPlus(scope="suffix"), 3),
        (PASSMPlus(scope="suffix", random_blocks=2), 2),
        (PASSMPlus(scope=From(1)), 2),
        (EVERY_SCOPE, 2),
        (replace(EVERY_SCOPE, random_blocks=2), 2),
        (Hogwild(thinning=1.3), 2),
        (PASSM(thinning=1.3), 3),
        (replace(EVERY_SCOPE, thinning=1.3), 2),
    ],
    ids=repr,
)
def test_persistent_steps(monkeypatch, method, workers):
    runs.pace(monkeypatch, 3)
    watch = Watch()
    chosen = runs.settings(method, workers, epochs=3 if "(1" in repr(method) else 2)
    found = fit(chosen, watch)
    assert_replayed(found, watch, *replay(chosen, 3))
    shared = method.epochs == "shared"
    total = BATCHES * chosen.epochs * (1 if shared else workers)
    assert found.steps == found.steps_per_worker.sum() == total


@pytest.mark.parametrize(
    ("method", "workers"),
    [
        (Hogwild(reads="copy"), 2),
        (PASSMPlus(random_blocks=2), 2),
        (replace(EVERY_SCOPE, random_blocks=2), 2),
        (PASSMPlus(scope="suffix", thinning=1.3), 2),
    ],
    ids=repr,
)
def test_layered_steps(monkeypatch, method, workers):
    runs.pace(monkeypatch, 64)
    watch, chosen = Watch(), runs.settings(method, workers)
    found = fit(chosen, watch, device=LAYERED)
    assert_replayed(found, watch, *replay(chosen, 64, layered=True))


def test_layered_graphs_of_many_steps(monkeypatch):
    """Minibatches behind one another, so many that they make a graph of their own."""
    runs.pace(monkeypatch, 64)
    monkeypatch.setattr("hogblock.engines.cuda.launches.STEPS_A_GRAPH", 2)
    chosen = runs.settings(PASSM(), 2)
    found = fit(chosen, device=LAYERED)
    again = Replay(chosen)
    for ticket in (0, 2, 1, 3, 4, 6, 8, 5, 7, 9):  # 0 2 | 1 3 | 4 ; 6 8 | 5 7 | 9
        again.step(ticket % 2, ticket)
    assert_close(found.params, again.params())


@pytest.mark.parametrize("method", [Hogwild(), PASSM(), PASSMPlus()], ids=repr)
def test_one_worker_takes_sequential_steps_by_every_method(method):
    wanted = fit(runs.settings(epochs=1)).params
    found = fit(runs.settings(method, epochs=1)).params
    np.testing.assert_array_equal(found, wanted)


def test_both_launches_draw_the_same_blocks(monkeypatch):
    """Which block a worker draws depends on its own count of steps only."""
    runs.pace(monkeypatch, 64)
    chosen = runs.settings(PASSM(random_blocks=2), 2, epochs=2)
    found, layered = (fit(chosen, device=device) for device in (CARD, LAYERED))
    np.testing.assert_array_equal(found.updates_per_block, layered.updates_per_block)
    assert found.updates_per_block.sum() == found.steps
    assert (found.updates_per_block > 0).all()
    own = found.updates_per_block.reshape(2, 2).sum(1)
    np.testing.assert_array_equal(own, found.steps_per_worker)


def test_passm_writes_each_block_by_its_owner_only():
    """The owner's share of the minibatches is zero: its block stays as it was."""
    chosen = runs.settings(PASSM(), 2, epochs=1)
    only_first = replace(chosen, batch=runs.N)  # the one minibatch is worker 0's
    found = fit(only_first)
    np.testing.assert_array_equal(found.updates_per_block, [1, 0])
    changed = np.flatnonzero(found.params != runs.start())
    plan = make_run_plan(NETWORK, runs.DATA, chosen)
    ranges = [own.updated for own in plan.plans[1:]]
    inside = [[(s, s + n) for s, n, _ in part if n] for part in ranges]
    assert changed.size
    assert all(any(a <= k < b for a, b in inside[0]) for k in changed)
    assert not any(a <= k < b for a, b in inside[1] for k in changed)


@pytest.mark.parametrize(
    ("method", "n_jobs", "batches", "expected"),
    [
        (SGD(), 5, 100, 1),
        (Sync(), None, 100, 1),
        (Hogwild(), None, 3, 1),
        (Hogwild(), None, 13, 3),
        (Hogwild(), None, 1000, 8),
        (PASSM(), 3, 1000, 3),
        (PASSM(), 1000, 1000, 18),  # rows of parameters
        (PASSM(random_blocks=4), None, 1000, 4),
        (Hogwild(), 7, 2, 2),
    ],
)
def test_usable_workers(method, n_jobs, batches, expected):
    assert usable_workers(NETWORK, method, n_jobs, batches) == expected


def test_more_workers_than_layers_train():
    """Blocks are rows of a layer then."""
    network = Network([Dense(3)], (runs.FEATURES,))
    found = fit(runs.settings(PASSM(), 4, epochs=1), network=network)
    np.testing.assert_array_equal(found.updates_per_block, [2, 1, 1, 1])
    again = Replay(runs.settings(PASSM(), 4, epochs=1), network=network)
    for ticket in (0, 4, 1, 2, 3):
        again.step(ticket % 4, ticket)
    assert_close(found.params, again.params())
