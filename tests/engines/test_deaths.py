"""Workers that die in the middle of a run: replaced, counted, and too many of them."""

import os
import signal
import sys
from unittest import mock

import numpy as np
import pytest

from hogblock import MLPClassifier, methods
from hogblock.engines.cpu import pool
from hogblock.engines.cpu.cause import OutOfMemoryKills, cause_of
from hogblock.engines.cpu.run import Run
from hogblock.errors import WorkerError
from support.segments import segments

pytestmark = pytest.mark.timeout(60)

EPOCHS, BATCHES = 2_000, 40  # tenths of a second: a look may come late
LONG = dict(max_iter=EPOCHS, batch_size=16)
FOREVER = LONG | dict(max_iter=10**5)  # more would be pages of shared memory
DIED = r"worker process \d+ died with exit code -9 \(SIGKILL: .*\)\. Another one"


@pytest.fixture(scope="module")
def data():
    x = np.random.default_rng(0).normal(size=(640, 12)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int)


def estimator(**changes):
    values = dict(hidden_layer_sizes=(8,), n_jobs=2, random_state=0)
    values |= dict(learning_rate="cosine")
    return MLPClassifier(**(values | changes))


@pytest.fixture
def when(monkeypatch):
    """``when(epochs, act)``: does something once so many epochs are judged."""
    planned = []
    poll = Run.poll

    def polled(run):
        poll(run)
        while planned and len(run.losses) >= planned[0][0]:
            planned.pop(0)[1]()

    monkeypatch.setattr(Run, "poll", polled)
    return lambda epochs, act: planned.append((epochs, act))


def kill(number=signal.SIGKILL):
    """Kill a worker that trains, and wait until it is dead."""
    busy = [w for w in pool.running() if not w.waiting and w.process.poll() is None]
    busy[0].process.send_signal(number)
    busy[0].process.wait()


@pytest.mark.parametrize(
    "method",
    ["hogwild", "assm", "passm+", "thinned", "sync", methods.PASSM(epochs="worker")],
)
def test_a_killed_worker_is_replaced_and_the_budget_is_kept(data, when, method):
    when(50, kill)
    with pytest.warns(RuntimeWarning, match=DIED):
        model = estimator(method=method, **LONG).fit(*data)
    own = getattr(method, "epochs", "shared") == "worker"
    workers = 2 if own else 1
    assert model.n_iter_ == len(model.loss_curve_) == EPOCHS
    assert model.n_worker_restarts_ == 1
    steps = model.steps_per_worker_
    steps = steps[:1] if method == "sync" else steps
    assert steps.sum() == EPOCHS * BATCHES * workers
    # The minibatch that was under way may have been counted already.
    assert abs(model.t_ - EPOCHS * len(data[0]) * workers) <= 16
    assert model.score(*data) > 0.95
    assert segments() == set()


def test_a_worker_that_crashes_is_named_with_its_signal(data, when):
    when(50, lambda: kill(signal.SIGSEGV))
    with pytest.warns(RuntimeWarning, match=r"-11 \(SIGSEGV: it read memory"):
        assert estimator(**LONG).fit(*data).n_worker_restarts_ == 1


@pytest.mark.parametrize("method", ["hogwild", "sync", "assm"])
def test_too_many_deaths_end_the_fit_with_the_model_so_far(data, when, method):
    model = estimator(method=method, max_worker_restarts=1, **FOREVER)
    when(100, kill)
    when(110, kill)
    with (
        pytest.warns(RuntimeWarning, match=DIED),
        pytest.raises(WorkerError, match=r"after 1 others .* max_worker_restarts=1"),
    ):
        model.fit(*data)
    assert 0 < model.n_iter_ == len(model.loss_curve_)
    assert model.loss_ < model.loss_curve_[0]
    assert segments() == set()
    assert estimator(max_iter=3).fit(*data).n_workers_ == 2


def test_a_fit_that_never_began_leaves_a_fitted_model_as_it_was(data, monkeypatch):
    model = estimator(max_iter=3, n_jobs=1).fit(*data)
    before = model.predict_proba(data[0])
    pool.close()
    # Processes that end at once, in place of workers.
    monkeypatch.setattr(
        "hogblock.engines.cpu.bootstrap.command", lambda *_: [sys.executable, "-c", ""]
    )
    model.set_params(n_jobs=2, max_worker_restarts=0)
    with pytest.raises(WorkerError, match=r"exit code 0 \(it left of itself"):
        model.fit(*data)
    np.testing.assert_array_equal(model.predict_proba(data[0]), before)


@pytest.mark.parametrize("method", ["sync", "hogwild"])
def test_a_worker_killed_after_ctrl_c_is_no_news(data, when, method):
    """Nobody is wanted any more, and nobody waits for the dead one."""
    when(50, lambda: os.kill(os.getpid(), signal.SIGINT))
    stop = Run.stop

    def stopped(run):
        kill()
        stop(run)

    with (
        mock.patch.object(Run, "stop", stopped),
        pytest.warns(UserWarning, match="^Training interrupted by user"),
    ):
        model = estimator(method=method, **FOREVER).fit(*data)
    assert model.n_iter_ >= 50


def test_the_second_ctrl_c_ends_at_once(data, when):
    for _ in range(2):
        when(50, lambda: os.kill(os.getpid(), signal.SIGINT))
    stop = Run.stop

    def stopped(run):
        for worker in pool.running():
            os.kill(worker.process.pid, signal.SIGSTOP)  # it does not leave
        stop(run)

    with mock.patch.object(Run, "stop", stopped), pytest.raises(KeyboardInterrupt):
        estimator(**FOREVER).fit(*data)
    assert pool.running() == []
    assert segments() == set()


def test_causes():
    kills = OutOfMemoryKills()
    assert "left of itself" in cause_of(3, kills)
    assert cause_of(-signal.SIGBUS, kills).startswith("SIGBUS: memory could not")
    assert cause_of(-signal.SIGTRAP, kills) == "SIGTRAP"
    assert "somebody killed it" in cause_of(-signal.SIGKILL, kills)
    kills._before -= 1  # another one was counted since
    assert "out of memory" in cause_of(-signal.SIGKILL, kills)


def test_epochs_under_way_do_not_count_after_ctrl_c(data, when):
    """Though workers have died, and one that did might have taken a minibatch."""
    when(50, kill)
    recover = Run.recover

    def recovered(run, rank):
        recover(run, rank)
        when(len(run.losses) + 50, lambda: os.kill(os.getpid(), signal.SIGINT))

    with (
        mock.patch.object(Run, "recover", recovered),
        pytest.warns((RuntimeWarning, UserWarning)) as warned,
    ):
        model = estimator(**FOREVER).fit(*data)
    assert str(warned[-1].message) == "Training interrupted by user."
    assert model.n_worker_restarts_ == 1
    assert 100 <= model.n_iter_ <= model.t_ // len(data[0])


def test_whole_epochs_count_after_ctrl_c(data):
    """Though the parent has judged none of them when it comes."""
    poll, epochs = Run.poll, 30

    def late(run):
        if not run.finished and run.steps < epochs * BATCHES:
            return
        if not run.finished:
            os.kill(os.getpid(), signal.SIGINT)
            return
        poll(run)

    with (
        mock.patch.object(Run, "poll", late),
        pytest.warns(UserWarning, match="^Training interrupted by user"),
    ):
        model = estimator(**FOREVER).fit(*data)
    assert model.n_iter_ == len(model.loss_curve_) >= epochs
    assert model.n_iter_ <= model.t_ // len(data[0])
