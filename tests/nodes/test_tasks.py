"""What the driver makes of a fit, without nodes: tasks, rounds, verdicts, results."""

from types import SimpleNamespace

import numpy as np
import pytest

from hogblock import schedules
from hogblock.distributed import Averaging, Ray
from hogblock.distributed.exchange import Hub, Member
from hogblock.distributed.judge import Judge
from hogblock.distributed.member import RETURN_SECONDS, NodeState, check_enough
from hogblock.distributed.rounds import RoundClock
from hogblock.distributed.task import Counts, Report
from hogblock.distributed.tasks import Tasks
from hogblock.errors import WorkerError
from hogblock.methods import Hogwild
from hogblock.training.settings import Settings
from support.cpu_runs import BATCH, BATCHES, ROWS, N

EPOCHS = 6
START = np.zeros(ROWS.size, np.float32)


def tasks(nodes=2, shared=True, **changes):
    rate, points = schedules.rate_table(
        schedules.resolve("cosine"), 0.1, 0.5, epochs=EPOCHS, batches=BATCHES, samples=N
    )
    values = dict(
        method=Hogwild(), workers=2, batch=BATCH, epochs=EPOCHS, loss="softmax",
        rate=rate, rate_points=points, momentum=0.9, nesterov=False, shuffle=True,
        alpha=0.0, seed=7,
    )  # fmt: skip
    chosen = Settings(**values | changes)
    return Tasks(Ray(nodes=nodes), ROWS, chosen, START, shared)


def test_nodes_of_the_same_samples_share_the_order_and_take_its_parts():
    of = [tasks(3).of(node, 1, START, 0, 1.0).settings for node in range(3)]
    assert [each.part for each in of] == [(0, 3), (1, 3), (2, 3)]
    assert {each.seed for each in of} == {7}


def test_nodes_of_their_own_samples_have_an_order_of_their_own():
    of = [tasks(3, False).of(node, 1, START, 0, 1.0).settings for node in range(3)]
    assert {each.part for each in of} == {(0, 1)}
    assert len({each.seed for each in of}) == 3


@pytest.mark.parametrize("first", [1, 4])
def test_who_comes_back_has_the_rates_that_were_planned(first):
    whole = tasks()
    rest = whole.of(1, 2, START, first, 0.5).settings
    assert rest.epochs == EPOCHS - first and rest.trained == first
    assert rest.planned == EPOCHS and rest.seed != whole.settings.seed
    for epochs in range(rest.epochs + 1):
        expected = 0.5 * whole.settings.rate_after(first + epochs)
        assert rest.rate_after(epochs) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "holds", "gate", "still"),
    [
        (dict(gate="open"), set(), "open", set()),
        (dict(gate="open", hold_every=2), {1, 3, 5}, "held", {1, 3, 5}),
        (dict(gate="ahead"), set(range(6)), "ahead", set()),
        (dict(gate="ahead", hold_every=3), set(range(6)), "held", {2, 5}),
        (dict(gate="held"), set(range(6)), "held", set(range(6))),
    ],
)
def test_nodes_wait_where_something_is_decided(changes, holds, gate, still):
    of = tasks(**changes)
    assert of.holds == holds
    assert of.of(0, 1, START, 0, 1.0).settings.gate == gate
    assert {e for e in range(EPOCHS) if of.holds_still(e)} == still


def judged(of, answers):
    """A judge, after it has judged an epoch with each answer."""
    said = iter(answers)

    def on_epoch(epoch):
        epoch.rate_factor *= 0.5
        return next(said)

    judge = Judge(of, on_epoch, None)
    stops = [
        judge.judge(np.array([N, 2.0 * N, N]), START, lambda: 1.0) for _ in answers
    ]
    return judge, stops


@pytest.mark.parametrize(
    ("gate", "end", "stops"),
    [("open", 2, True), ("ahead", 3, False), ("held", 2, False)],
)
def test_a_fit_ends_where_the_verdict_says(gate, end, stops):
    """Where nobody waits, all have to leave at once."""
    judge, told = judged(tasks(gate=gate), [False, True])
    assert (judge.end, told) == (end, [False, stops])
    assert judge.losses == [2.0, 2.0] and judge.factor == 0.25
    state = judge.state(START, 3.0)
    assert state.epochs == 2 and float(state.arrays["rate_factor"][0]) == 0.25
    again = Judge(tasks(gate=gate), lambda epoch: False, state)
    assert again.over == 2 and again.factor == 0.25


def node(rank, called=0.0, offered=0.0, **report):
    """A node that has reported."""
    state = NodeState(rank, None, "here", EPOCHS, 0)
    state.called_at, state.offered_at = called, offered
    values = dict(
        offer=None, model=None, first=0, record=np.zeros((EPOCHS, 3)), epochs=0,
        waits_at=None, steps=1, finished=False, counts=Counts(), seconds_waited=0.0,
    )  # fmt: skip
    state.told(Report(**values | report))
    return state


def hub_with(ready, nodes):
    averaging = Averaging()
    hub = Hub(averaging, START)
    for rank in range(nodes):
        member = Member(averaging, hub.join(rank))
        if rank in ready:
            hub.offered(rank, member.offer(START))
    return hub


@pytest.mark.parametrize(
    ("ready", "closes"),
    [
        ({0, 1, 2}, 0.0),  # all are there
        ({0}, np.inf),  # a mean of one is none
        ({0, 1}, 14.0 + 0.5 * 4.0),  # the first took 4 seconds
    ],
)
def test_a_round_waits_by_the_interval_of_its_first_node(ready, closes):
    nodes = [node(0, 10.0, 14.0), node(1, 10.0, 15.0), node(2)]
    clock = RoundClock(Averaging(patience=0.5))
    assert clock.closes_at(nodes, hub_with(ready, 3)) == closes


def test_nodes_that_stand_open_no_round():
    """Else two of them would exchange without end, until the third one comes."""
    nodes = [node(0, finished=True), node(1, waits_at=2), node(2)]
    clock = RoundClock(Averaging())
    assert clock.closes_at(nodes, hub_with({0, 1}, 3)) == np.inf
    assert clock.closes_at(nodes, hub_with({0, 1, 2}, 3)) == 0.0


def test_what_a_node_did_in_earlier_lives_counts():
    record = np.zeros((EPOCHS, 3))
    record[0] = 10, 20.0, 10
    state = node(0, record=record, steps=5, counts=Counts(1, 100, 100, 0.5))
    state.lost(1.0, "it was killed")
    assert not state.lives and state.steps == 5
    later = np.zeros((EPOCHS - 2, 3))
    later[0] = 7, 7.0, 7
    state.phase = "trains"
    state.told(SimpleNamespace(**node(0, steps=3).report._asdict() | dict(
        first=2, record=later, counts=Counts(2, 30, 30, 0.25)
    )))  # fmt: skip
    assert state.steps == 8 and state.counts == Counts(3, 130, 130, 0.75)
    np.testing.assert_array_equal(state.record[:3, 0], [10, 0, 7])
    told = state.summary(2)
    assert (told.samples, told.steps, told.exchanges) == (17, 8, 3)


def test_too_few_nodes_are_told_by_name():
    nodes = [node(0), node(1), node(2)]
    check_enough(nodes, 3, 0.0)
    nodes[1].lost(0.0, "it was killed")
    check_enough(nodes, 3, RETURN_SECONDS - 1)  # it may come back
    with pytest.raises(WorkerError, match=r"node 1 \(here\): it was killed"):
        check_enough(nodes, 3, RETURN_SECONDS + 1)
    check_enough(nodes, 2, RETURN_SECONDS + 1)
    nodes[2].lost(0.0, "too")
    nodes[2].phase = "dead"
    with pytest.raises(WorkerError, match="1 of 3 nodes are left, and min_nodes=2"):
        check_enough(nodes, 2, RETURN_SECONDS + 1)
    # Who has trained to the end needs nobody any more.
    check_enough([node(0, finished=True), nodes[1], nodes[2]], 3, RETURN_SECONDS + 1)
