"""Nodes that die, and come back or do not; drivers that end: nothing is left."""

import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hogblock import MLPClassifier
from hogblock.distributed import Averaging, Ray
from hogblock.distributed.driver import Driver
from hogblock.errors import WorkerError
from support.nodes import (
    add_node,
    children_of,
    command_of,
    pids_of_nodes,
    until,
)

pytestmark = [pytest.mark.ray, pytest.mark.timeout(150)]

X, Y = load_digits(return_X_y=True)
ROWS, EPOCHS = 1400, 2_000  # a node that died is back before they are over
TESTS = Path(__file__).parents[1]
PLAN = dict(learning_rate="cosine", learning_rate_init=0.05, max_iter=EPOCHS)


def model(topology="star", nodes=2, **options):
    """A classifier whose fit takes some seconds."""
    averaging = Averaging(every=20, topology=topology)
    device = Ray(nodes=nodes, averaging=averaging, **options)
    return MLPClassifier((64,), device=device, random_state=0, batch_size=32, **PLAN)


@pytest.fixture
def at_a_round(monkeypatch):
    """``at_a_round(number, action)``: done when so many rounds are over."""

    def plan(number, action):
        seen = []

        def judge(driver):
            original(driver)
            rounds = len(driver._log.rounds())
            if rounds >= number and not seen:
                seen.append(rounds)
                action()

        original = Driver._judge_what_is_over
        monkeypatch.setattr(Driver, "_judge_what_is_over", judge)
        return seen

    return plan


def kill_one():
    os.kill(pids_of_nodes()[0], signal.SIGKILL)


def kill_all():
    for pid in pids_of_nodes():
        os.kill(pid, signal.SIGKILL)


def fit(estimator):
    """Fitted, and the messages of what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X[:ROWS], Y[:ROWS])
    return estimator, [str(each.message) for each in caught]


def check(fitted):
    """The model is whole, and its attributes describe it."""
    assert fitted.n_iter_ == len(fitted.loss_curve_) == EPOCHS
    assert fitted.t_ == sum(node.samples for node in fitted.nodes_)
    assert fitted.score(X[ROWS:], Y[ROWS:]) > 0.85


@pytest.mark.usefixtures("cluster")
def test_a_killed_node_leaves_the_ring(at_a_round):
    killed = at_a_round(3, kill_one)
    fitted, told = fit(model("ring", nodes=3))
    check(fitted)
    assert killed and sum("was lost" in each for each in told) == 1
    assert sum(node.restarts for node in fitted.nodes_) <= 1
    # The others went on, and were in every epoch.
    assert sum(n.samples > 0.3 * ROWS * EPOCHS for n in fitted.nodes_) >= 2


@pytest.mark.usefixtures("cluster")
def test_a_node_that_comes_back_trains_on_from_the_average(at_a_round):
    at_a_round(3, kill_one)
    slow = model().set_params(max_iter=10_000)
    fitted, told = fit(slow)
    assert fitted.n_iter_ == 10_000
    back = [node for node in fitted.nodes_ if node.restarts]
    assert len(back) == 1 and "was lost" in told[0]
    # Of its half it lacks what was trained while it was gone.
    assert 0 < back[0].samples < ROWS * 10_000 / 2
    assert fitted.rounds_.nodes[-1] == 2
    assert fitted.score(X[ROWS:], Y[ROWS:]) > 0.85


def test_a_machine_that_is_gone_is_done_without(cluster, at_a_round):
    machine = next(n for n in cluster.worker_nodes)
    at_a_round(3, lambda: cluster.remove_node(machine, allow_graceful=False))
    try:
        fitted, told = fit(model(nodes=3))  # one on each machine
    finally:
        add_node(cluster)
    check(fitted)
    assert sum("was lost" in each for each in told) == 1


@pytest.mark.usefixtures("cluster")
def test_too_few_nodes_are_an_error_with_the_model_so_far(at_a_round):
    at_a_round(3, kill_one)
    lasting = model(min_nodes=2, max_node_restarts=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(WorkerError, match="1 of 2 nodes are left, and min_nodes=2"):
            lasting.fit(X[:ROWS], Y[:ROWS])
    assert lasting.n_iter_ < EPOCHS and np.isfinite(lasting.coefs_[0]).all()
    assert lasting.t_ == sum(node.samples for node in lasting.nodes_)
    lasting.predict(X)


@pytest.mark.usefixtures("cluster")
def test_all_nodes_may_die_and_come_back(at_a_round):
    at_a_round(3, kill_all)
    fitted, told = fit(model())
    check(fitted)
    assert sum(node.restarts for node in fitted.nodes_) >= 1
    assert sum("was lost" in each for each in told) == 2


@pytest.mark.usefixtures("cluster")
def test_an_interrupt_returns_the_average_so_far(at_a_round):
    interrupt = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
    at_a_round(3, interrupt.start)
    fitted, told = fit(model().set_params(max_iter=100_000))
    assert told == ["Training interrupted by user."]
    assert 0 < fitted.n_iter_ < 100_000
    assert fitted.t_ == sum(node.samples for node in fitted.nodes_)
    assert fitted.score(X[ROWS:], Y[ROWS:]) > 0.5


def test_nothing_outlives_a_driver():
    """Neither one whose fit is over, nor one that is killed in the middle of a fit."""
    driver = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "support.node_driver"],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert driver.stdout.readline() == "over: no handler changed, nothing left\n"

        def nodes():
            """Actors of this driver, and no other one on this machine."""
            return set(pids_of_nodes(driver.pid))

        assert until(lambda: len(nodes()) == 2, 60)
        assert until(lambda: len(children_of(nodes())) >= 4, 60)
        below = nodes() | set(children_of(nodes()))
    finally:
        driver.kill()
        driver.communicate()
    # Ray's own servants take a minute to notice.
    assert until(lambda: not any(map(command_of, below)), 30), [
        command_of(pid) for pid in below
    ]
