"""A run on a card that others look at and add to, between its launches."""

import numpy as np
import pytest

from hogblock.engines.cuda.engine import CudaEngine
from hogblock.engines.cuda.training import train
from hogblock.engines.devices import Cuda
from hogblock.methods import Hogwild
from support import cuda_runs as runs
from support.cuda_runs import BATCHES, CARD, NETWORK

pytestmark = pytest.mark.usefixtures("simulator")

EPOCHS = 3


class Beside:
    """Adds one to every parameter whenever it is asked, which is once an epoch."""

    def __init__(self, stops=False):
        self.live = None
        self.seen, self.stops = [], stops

    def __call__(self, live):
        if live is None:
            self.last, self.record = self.live.snapshot(), self.live.record
        else:
            self.live = live
            self.start = live.snapshot()

    def on_epoch(self, epoch):
        self.seen.append(self.live.snapshot())
        self.live.add(np.ones_like(self.start))
        if self.stops:
            self.live.stop()
        return False


def run(monkeypatch, beside, rate, gate="open"):
    runs.pace(monkeypatch, 64)
    chosen = runs.settings(Hogwild(), 2, epochs=EPOCHS, gate=gate, rate=rate)
    start = np.arange(NETWORK.size, dtype=np.float32)
    return start, train(
        NETWORK, runs.DATA, chosen, start, beside.on_epoch, beside=beside, device=CARD
    )


@pytest.mark.parametrize("gate", ["open", "held"])
def test_what_is_added_is_in_the_model(monkeypatch, gate):
    """Of a run whose own steps are too small to be seen."""
    beside = Beside()
    start, found = run(monkeypatch, beside, 1e-30, gate)
    np.testing.assert_array_equal(beside.start, start)
    np.testing.assert_array_equal(found.params, start + EPOCHS)
    np.testing.assert_array_equal(beside.last, start + EPOCHS)
    # What was added counts at once, though the card takes it up later.
    for number, seen in enumerate(beside.seen):
        np.testing.assert_array_equal(seen, start + number)


def test_the_record_tells_of_epochs(monkeypatch):
    beside = Beside()
    _, found = run(monkeypatch, beside, 0.01)
    samples, losses, weights = beside.record.T
    np.testing.assert_array_equal(samples, len(runs.X))
    np.testing.assert_allclose(losses / weights, found.losses, rtol=1e-6)


def test_a_run_can_be_ended_from_beside(monkeypatch):
    _, found = run(monkeypatch, Beside(stops=True), 0.01, "held")
    assert len(found.losses) == 1 and found.steps == BATCHES


def test_one_card_shows_its_runs():
    """Servers have a vector of parameters each."""
    assert CudaEngine((Cuda(0),)).shows_runs
    assert not CudaEngine((Cuda(0), Cuda(1))).shows_runs
