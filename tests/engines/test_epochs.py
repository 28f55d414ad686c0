"""What is reported of a run is what was trained, whatever ended it."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from hogblock import MLPClassifier, MLPRegressor, methods
from hogblock.engines.cpu import training
from hogblock.engines.cpu.memory import private_arrays
from hogblock.engines.cpu.pack import arguments_of, shared_specification, tasks_of
from hogblock.kernels import counters as c
from hogblock.kernels.cpu.job import WRITE_PLAIN
from hogblock.kernels.cpu.step import _count_update
from hogblock.training.run_plan import make_run_plan
from support.cpu_runs import BATCHES, ROWS, N, make_data, settings, start

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.filterwarnings("ignore:max_iter"),
]

METHODS = ["hogwild", "assm", "passm", "passm+", "sync"]
EPOCHS = 500


@pytest.fixture(scope="module")
def data():
    return make_data()


def run(data, method, gate, on_epoch, **changes):
    chosen = settings(method, 2, epochs=EPOCHS, gate=gate, **changes)
    return training.train(ROWS, data, chosen, start(ROWS), on_epoch)


def slow_judge(stop_at):
    """Says stop at an epoch, and late: workers that may run on have the time to."""

    def judge(epoch):
        time.sleep(0.02)
        return epoch.index == stop_at

    return judge


@pytest.mark.parametrize("name", METHODS)
def test_a_stop_counts_the_epoch_that_was_under_way(data, name):
    result = run(data, methods.resolve(name), "ahead", slow_judge(2))
    assert len(result.losses) in (3, 4)
    each = 2 if name == "sync" else 1
    assert result.steps == len(result.losses) * BATCHES
    assert result.steps_per_worker.sum() == each * result.steps
    assert result.samples == len(result.losses) * N
    assert result.loss_so_far is None


@pytest.mark.parametrize("name", METHODS)
def test_held_workers_stop_where_they_were_told(data, name):
    seen = []

    def judge(epoch):
        seen.append(epoch.params)
        return slow_judge(2)(epoch)

    result = run(data, methods.resolve(name), "held", judge)
    assert len(result.losses) == 3 and result.steps == 3 * BATCHES
    np.testing.assert_array_equal(result.params, seen[-1])


def test_workers_with_epochs_of_their_own_are_counted_too(data):
    own = methods.Hogwild(epochs="worker")
    result = run(data, own, "ahead", slow_judge(1))
    epochs = len(result.losses)
    assert epochs in (2, 3)
    assert (result.steps_per_worker == epochs * BATCHES).all()
    assert result.samples == 2 * epochs * N


@pytest.mark.parametrize("name", METHODS)
def test_held_workers_take_the_new_rate_at_once(data, name):
    seen = []

    def freeze(epoch):
        seen.append(epoch.params)
        epoch.rate_factor = 0.0
        return epoch.index == 1

    run(data, methods.resolve(name), "held", freeze, momentum=0.0)
    np.testing.assert_array_equal(seen[1], seen[0])


def test_a_failure_ends_an_open_run(data):
    result = run(data, methods.Hogwild(), "open", slow_judge(1))
    assert len(result.losses) == 2


# Estimators -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 20)).astype(np.float32)
    noise = 0.5 * rng.normal(size=400)
    return x, (x[:, :3].sum(1) + noise > 0).astype(int)


def check_counts(model, n_samples, batches):
    """Epochs, steps and samples of a fit tell of the same training."""
    assert len(model.loss_curve_) == model.n_iter_
    assert model.loss_ == model.loss_curve_[-1]
    assert model.t_ == model.n_iter_ * n_samples
    steps = model.steps_per_worker_.sum()
    if model.method == "sync":
        steps //= model.n_workers_
    assert steps == model.n_iter_ * batches
    assert (model.staleness_.sum(axis=1) == model.n_iter_ * batches).all()
    np.testing.assert_array_equal(model.overlap_.sum(1), model.updates_per_block_)


@pytest.mark.parametrize("schedule", ["constant", "adaptive"])
@pytest.mark.parametrize("method", METHODS)
def test_a_fit_ended_by_tol_reports_what_was_trained(small, method, schedule):
    model = MLPClassifier(
        method=method, n_jobs=2, batch_size=16, tol=1e-2, n_iter_no_change=3,
        learning_rate=schedule, random_state=0, max_iter=EPOCHS,
    ).fit(*small)  # fmt: skip
    assert model.n_workers_ == 2 and model.n_iter_ < EPOCHS
    check_counts(model, 400, 25)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_other_ends_of_a_fit_report_what_was_trained(small, n_jobs):
    options = dict(n_jobs=n_jobs, batch_size=16, random_state=0)
    check_counts(MLPClassifier(max_iter=4, tol=0, **options).fit(*small), 400, 25)
    model = MLPClassifier(
        early_stopping=True, n_iter_no_change=2, max_iter=EPOCHS, **options
    ).fit(*small)
    assert len(model.validation_scores_) == model.n_iter_ < EPOCHS
    check_counts(model, 360, 23)
    model = MLPRegressor(max_iter=3, learning_rate="cosine", **options).fit(*small)
    check_counts(model, 400, 25)


def test_synchronous_workers_make_the_same_model_whatever_ends_the_run(small):
    """Ended by tol, by a validation score, and by a rate that has become too small."""
    for options in (
        {"tol": 1e-2},
        {"early_stopping": True},
        {"learning_rate": "adaptive", "tol": 1e-1},
    ):
        models = [
            MLPClassifier(
                method="sync", n_jobs=2, batch_size=16, n_iter_no_change=2,
                random_state=0, max_iter=EPOCHS, **options,
            ).fit(*small)
            for _ in range(2)
        ]  # fmt: skip
        assert models[0].n_iter_ < EPOCHS
        assert models[0].loss_curve_ == models[1].loss_curve_
        np.testing.assert_array_equal(models[0]._params, models[1]._params)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_in_the_first_epoch_reports_what_was_trained(n_jobs):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400_000, 20)).astype(np.float32)
    model = MLPClassifier(
        (300, 300), n_jobs=n_jobs, batch_size=32, random_state=0, max_iter=3
    )
    MLPClassifier(n_jobs=n_jobs, max_iter=1).fit(x[:1000], x[:1000, 0] > 0)
    threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(x, x[:, 0] > 0)
    assert model.n_iter_ == 0 and model.loss_curve_ == []
    assert np.isfinite(model.loss_)
    assert 0 < model.t_ == 32 * model.steps_per_worker_.sum() < len(x)


# Ages ------------------------------------------------------------------------------


def test_a_step_counts_the_ages_of_what_it_read_and_of_what_it_wrote(data):
    """The first of two workers of `passm`, while the other one writes three times."""
    chosen = settings(methods.PASSM(), 2)
    plan = make_run_plan(ROWS, data, chosen)
    arrays = private_arrays(shared_specification(plan))
    arrays |= {"x": data.x, "targets": data.targets, "weights": data.weights}
    worker, plans, *_ = arguments_of(tasks_of(plan)[0], arrays)
    own = 1
    worker.counters[(c.BLOCKS + 1) * c.STRIDE] = 3
    _count_update(worker, plans, own, WRITE_PLAIN, 0)
    read, written = worker.staleness
    assert read[0, 0] == read[1, 3] == 1 and read.sum() == 2
    assert written[0, 0] == 1 and written.sum() == 1
