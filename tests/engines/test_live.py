"""Runs that others look at and add to: nothing that workers do is lost."""

import threading

import numpy as np
import pytest

from hogblock.engines.cpu.training import train
from hogblock.methods import METHODS, Hogwild
from hogblock.models import Dense, Network
from hogblock.training.settings import TrainingData
from support import cpu_runs as runs
from support.cpu_runs import NONE

RATE = 2.0**-6
UNIT = 64.0
"""More than the steps of a run change a parameter by, and exact beside it."""

BATCH, ROWS, EPOCHS = 16, 1024, 60
STEPS = EPOCHS * ROWS // BATCH


class Adder:
    """Adds to the parameters of a run, again and again, from a thread of its own."""

    def __init__(self, delta):
        self.delta, self.added, self.seen = np.float32(delta), 0, []
        self.live = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._add)

    def __call__(self, live):
        if live is None:
            self._over.set()
            self._thread.join()
            self.steps, self.record = self.live.steps, self.live.record
            self.last = self.live.snapshot()
        else:
            self.live = live
            self._thread.start()

    def _add(self):
        while self.added < 900 and not self._over.wait(0.0002):
            self.seen.append(self.live.snapshot())
            self.live.add(np.full_like(self.seen[-1], self.delta))
            self.added += 1


def linear():
    """|x - target| far from its kink: every step moves each parameter by the rate."""
    one = np.ones((ROWS, 1), np.float32)
    return Network([Dense(1)], (1,)), TrainingData(one, 1e7 * one, NONE, NONE, NONE)


def both(params):
    """Weight and bias, without the lines that they fill."""
    return np.float64([t.view(params).ravel()[0] for t in linear()[0].tensors])


def settings(method, workers):
    return runs.settings(
        method, workers, epochs=EPOCHS, rate=RATE, batch=BATCH, loss="absolute_error",
        momentum=0.0, alpha=0.0,
    )  # fmt: skip


def run(method, workers, adder):
    network, data = linear()
    chosen = settings(method, workers)
    start = np.zeros(network.size, np.float32)
    return train(network, data, chosen, start, beside=adder)


def test_no_update_of_a_worker_is_lost_to_additions():
    """Its plain store may undo an addition, which is told by the multiples of 64."""
    adder = Adder(UNIT)
    found = run(Hogwild(), 1, adder)
    assert found.steps == STEPS and adder.added > 0
    moved = both(adder.last)
    np.testing.assert_array_equal(moved % UNIT, STEPS * RATE)
    assert (moved <= STEPS * RATE + UNIT * adder.added).all()


def test_nothing_at_all_is_lost_between_atomic_writers():
    adder = Adder(UNIT)
    found = run(Hogwild(atomic=True), 2, adder)
    assert found.steps == STEPS and adder.added > 0
    expected = STEPS * RATE + UNIT * adder.added
    np.testing.assert_array_equal(both(adder.last), expected)


def test_snapshots_follow_the_run():
    adder = Adder(0.0)
    found = run(Hogwild(), 1, adder)
    values = [snapshot[0] for snapshot in adder.seen]
    assert values == sorted(values) and values[-1] <= found.params[0]
    assert adder.steps == STEPS
    samples, losses, weights = adder.record.T
    np.testing.assert_array_equal(samples, ROWS)
    np.testing.assert_array_equal(weights, ROWS)
    np.testing.assert_allclose(losses / weights, found.losses)
    # A snapshot is a copy: the run does not change it.
    assert adder.seen[0][0] == values[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_can_be_ended_from_beside(workers):
    class Stopper:
        def __call__(self, live):
            if live is not None:
                live.stop()

    found = run(Hogwild(), workers, Stopper())
    assert found.steps < STEPS and not found.interrupted


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
@pytest.mark.parametrize("method", ["sgd", "sync"])
def test_the_parts_of_an_epoch_are_all_its_minibatches(parts, method):
    """Each sample is seen once, by one part: losses of a model at rest add up."""
    rows = 203
    targets = np.float32(2.0 ** (np.arange(rows) % 8))[:, None]
    data = TrainingData(np.ones_like(targets), targets, NONE, NONE, NONE)
    network, total = Network([Dense(1)], (1,)), np.zeros(2)
    for part in range(parts):
        chosen = runs.settings(
            METHODS[method](), 1, epochs=2, rate=1e-30, loss="absolute_error",
            part=(part, parts),
        )  # fmt: skip
        found = train(network, data, chosen, np.zeros(network.size, np.float32))
        samples = _samples(part, parts, rows)
        assert found.samples == 2 * samples
        total += np.multiply(found.losses, samples)
    np.testing.assert_allclose(total, targets.sum(), rtol=1e-6)


def _samples(part, parts, rows):
    """Of an epoch, in a part of its minibatches of `runs.BATCH`."""
    batches = -(-rows // runs.BATCH)
    first, end = (k * batches // parts for k in (part, part + 1))
    return min(rows, end * runs.BATCH) - first * runs.BATCH
