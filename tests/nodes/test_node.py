"""A node without a cluster: what it does once at most, and when it answers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hogblock import schedules
from hogblock.distributed import Averaging
from hogblock.distributed.compression import pack
from hogblock.distributed.exchange import Edge
from hogblock.distributed.node import Node
from hogblock.distributed.pace import Pace
from hogblock.distributed.task import Call, Task, Verdict
from hogblock.methods import Hogwild
from hogblock.training.settings import Settings
from support.cpu_runs import BATCH, BATCHES, NONE, ROWS, N, make_data

pytestmark = pytest.mark.timeout(60)

NETWORK = ROWS
START = NETWORK.initialise(np.random.RandomState(0))


def task(epochs=3, holds=(), averaging=None, rate=0.05, run=1):
    table, points = schedules.rate_table(
        schedules.Schedule(), rate, 0.5, epochs=epochs, batches=BATCHES, samples=N
    )
    chosen = Settings(
        method=Hogwild(), workers=1, batch=BATCH, epochs=epochs, loss="softmax",
        rate=table, rate_points=points, momentum=0.9, nesterov=False, shuffle=True,
        alpha=1e-3, seed=3, gate="held" if holds else "open",
    )  # fmt: skip
    averaging = averaging or Averaging(every=5)
    return Task(
        run, NETWORK, chosen, START, START, "cpu", averaging, holds=frozenset(holds)
    )


@pytest.fixture
def training():
    """``training(task)``: a node that trains in a thread, and what comes of it."""
    pool, nodes = ThreadPoolExecutor(8), []

    def begin(of):
        node, data = Node(), make_data()
        arrays = data.x, data.targets, NONE, NONE, NONE
        nodes.append((node, of.run))
        return node, pool.submit(node.train, of, *arrays), pool

    yield begin
    for node, run in nodes:
        node.stop(run)
    pool.shutdown()


def test_calls_are_answered_once(training):
    node, outcome, _ = training(task(epochs=2000))
    first = node.exchange(Call(1, 1))
    assert first.offer.number == 1 and first.steps >= 1
    assert node.exchange(Call(1, 1)) is None
    second = node.exchange(Call(1, 2))
    assert second.offer.number == 2
    assert node.exchange(Call(1, 1)) is None
    node.stop(1)
    assert not outcome.result(20).result.interrupted


def test_an_answer_counts_once_and_the_model_ends_at_the_mean(training):
    """Of an idle node, on which every addition can be seen."""
    node, outcome, _ = training(task(epochs=1))
    outcome.result(20)
    offer = node.exchange(Call(1, 1)).offer
    model = offer.packed.values
    answer = pack(model + np.float32(1), None)
    report = node.exchange(Call(1, 2, answers=offer.number), answer)
    assert report.finished and report.counts.bytes_received == answer.nbytes
    np.testing.assert_allclose(report.offer.packed.values, model + 1, rtol=1e-6)
    # The same answer again, and one to an offer that is long gone.
    for number, answers in ((3, offer.number), (4, 77)):
        report = node.exchange(Call(1, number, answers=answers), answer)
        np.testing.assert_allclose(report.offer.packed.values, model + 1, rtol=1e-6)


def test_a_later_call_takes_the_place_of_one_that_waits(training):
    node, _, pool = training(task(epochs=10**6, averaging=Averaging(every=10**9)))
    waiting = pool.submit(node.exchange, Call(1, 1))
    later = pool.submit(node.exchange, Call(1, 2))
    assert waiting.result(20) is None
    assert not later.done()
    node.stop(1)
    assert later.result(20).finished


def test_a_node_waits_where_there_will_be_a_verdict(training):
    """And ends where it says so; with the rates that it says until then."""
    node, outcome, _ = training(task(epochs=3, holds=(0, 1, 2)))
    number, verdicts = 0, ()
    for epoch in range(2):
        waits_at = None
        while waits_at != epoch:
            number += 1
            report = node.exchange(Call(1, number, verdicts=verdicts))
            waits_at = report.waits_at
        assert report.epochs == epoch + 1 and report.steps == (epoch + 1) * BATCHES
        assert not report.finished and not outcome.done()
        verdicts = (Verdict(epoch, stop=epoch == 1, rate_factor=0.0),)
    report = node.exchange(Call(1, number + 1, verdicts=verdicts))
    found = outcome.result(20)
    assert len(found.result.losses) == 2
    samples, losses, weights = found.record[:2].T
    np.testing.assert_array_equal(samples, N)
    np.testing.assert_allclose(losses / weights, found.result.losses)
    assert report.seconds_waited >= 0 and node.exchange(Call(1, number + 2)).finished


def test_neighbours_meet_in_the_middle(training):
    of = task(epochs=1, averaging=Averaging(every=5, topology="ring"))
    node, outcome, _ = training(of)
    outcome.result(20)
    mine = node.exchange(Call(1, 1)).offer.packed.values
    edge, theirs = Edge(of.averaging, START), mine + np.float32(2)
    answer = node.meet(1, (0, 1), edge.offer(theirs))
    np.testing.assert_allclose(theirs + edge.answered(answer), mine + 1, rtol=1e-6)
    after = node.exchange(Call(1, 2)).offer.packed.values
    np.testing.assert_allclose(after, mine + 1, rtol=1e-6)
    # A meeting that this end has had already is none.
    late = Edge(of.averaging, START)
    assert node.meet(1, (0, 1), late.offer(theirs)) is None


@pytest.mark.parametrize(
    ("averaging", "early", "late"),
    [
        (Averaging(every=7), 7, 14),
        # 3 ms on a core of a node that takes 1 ms a minibatch, for 2% of its time.
        (Averaging(share=0.02), 150, 300),
        (Averaging(share=0.05), 60, 120),
    ],
)
def test_exchanges_are_as_far_apart_as_their_cost_asks(averaging, early, late):
    pace = Pace(averaging, 1000)
    pace.learn(1e-3, 0)
    assert pace.interval(100, 0.1) == early
    assert pace.interval(600, 0.6) == late


def test_a_costly_exchange_is_rarer_than_a_cheap_one():
    pace = Pace(Averaging(), 10**6)
    assert pace.interval(10, 0.01) == 1
    pace.learn(1e-3, 0)
    cheap = pace.interval(10, 0.01)
    for _ in range(8):
        pace.learn(1e-3, 10**8)
    assert pace.interval(10, 0.01) > 10 * cheap
