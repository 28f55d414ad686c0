"""Callbacks: what they are told of a fit, and how they end it."""

import pickle
import runpy
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris

from hogblock import (
    CNNClassifier,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    save_model,
)
from hogblock.engines.cpu import pool
from hogblock.estimators import sklearn_callbacks
from hogblock.estimators.callbacks import has_callbacks, without_callbacks
from hogblock.models import Dense, Network
from support.segments import segments

X, Y = load_iris(return_X_y=True)
PLANNED = dict(max_iter=4, learning_rate="cosine", random_state=0)
TASKS = hasattr(MLPClassifier, "set_callbacks")
since_1_9 = pytest.mark.skipif(not TASKS, reason="scikit-learn before 1.9")


class Follower:
    """Notes what it is told; ends the fit with the epoch `last`."""

    def __init__(self, last=None, first=None):
        self.told, self.params, self.last, self.first = [], [], last, first

    def on_epoch_begin(self, estimator, epoch):
        self.told.append(("begin", epoch))
        self.first_outputs = estimator.predict_proba(X)
        return epoch == self.first

    def on_epoch_end(self, estimator, epoch):
        self.told.append(("end", epoch))
        assert len(estimator.loss_curve_) == estimator.n_iter_ == epoch + 1
        self.outputs = estimator.predict_proba(X)
        self.score = estimator.score(X, Y)
        return np.bool_(epoch == self.last)


class EndOnly:
    def __init__(self, hook):
        self.on_epoch_end = hook


def test_each_epoch_is_told_and_the_model_is_that_of_its_end():
    follower = Follower()
    model = MLPClassifier((5,), callbacks=[follower], **PLANNED).fit(X, Y)
    assert follower.told == [(h, k) for k in range(4) for h in ("begin", "end")]
    np.testing.assert_array_equal(follower.outputs, model.predict_proba(X))
    three = clone(model).set_params(callbacks=[Follower(last=2)]).fit(X, Y)
    np.testing.assert_array_equal(follower.first_outputs, three.predict_proba(X))
    assert follower.score == model.score(X, Y)
    alone = clone(model).set_params(callbacks=None).fit(X, Y)
    np.testing.assert_array_equal(alone.coefs_[0], model.coefs_[0])


@pytest.mark.parametrize(("last", "first"), [(1, None), (None, 1)])
def test_true_ends_the_fit_after_that_epoch_without_a_warning(last, first):
    follower = Follower(last, first)
    options = PLANNED | {"learning_rate": "constant", "max_iter": 50}
    model = MLPClassifier((5,), callbacks=(follower,), **options).fit(X, Y)
    assert model.n_iter_ == len(model.loss_curve_) == 2
    assert follower.told[-1] == ("end", 1)
    np.testing.assert_array_equal(follower.outputs, model.predict_proba(X))


def test_several_workers_wait_so_that_it_is_exact():
    follower = Follower(last=1)
    options = PLANNED | {"n_jobs": 2, "batch_size": 8}
    model = MLPClassifier((5,), callbacks=[follower], **options).fit(X, Y)
    assert model.n_workers_ == 2 and model.n_iter_ == 2
    np.testing.assert_array_equal(follower.outputs, model.predict_proba(X))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_exception_leaves_nothing(n_jobs):
    def fail(estimator, epoch):
        raise LookupError("no")

    pool.close()
    model = MLPClassifier((5,), batch_size=8, **PLANNED).fit(X, Y)
    model.set_params(callbacks=[EndOnly(fail)], n_jobs=n_jobs)
    before = {**vars(model)}
    with pytest.raises(LookupError, match="no"):
        model.fit(X[:, :2], Y)
    assert vars(model).keys() == before.keys() and model.n_features_in_ == 4
    assert all(vars(model)[name] is before[name] for name in before)
    assert segments() == set() and pool.running() == []


def test_training_on_is_an_epoch_a_call():
    epochs = []
    hook = EndOnly(lambda e, k: epochs.append((k, e.n_iter_, len(e.loss_curve_))))
    model = MLPRegressor((5,), callbacks=[hook], **PLANNED)
    for _ in range(2):
        model.partial_fit(X, Y)
    assert epochs == [(0, 1, 1), (0, 2, 2)]


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: CNNClassifier(((2, 2),), hidden_layer_sizes=(), **o),
        lambda **o: NetworkClassifier(Network([Dense(3)], (4,)), **o),
    ],
)
def test_what_is_seen_has_the_validation_scores_and_predicts(make):
    scores = []

    def hook(estimator, epoch):
        assert estimator.coefs_ and not hasattr(estimator, "staleness_")
        scores.append((estimator.score(X, Y), estimator.validation_scores_[-1]))

    model = make(callbacks=[EndOnly(hook)], **PLANNED).fit(X, Y, X_val=X, y_val=Y)
    assert [a for a, _ in scores] == [b for _, b in scores] == model.validation_scores_


class Nothing:
    pass


@pytest.mark.parametrize("wrong", [Nothing(), Follower, None, len])
def test_what_has_no_hook_is_refused(wrong):
    with pytest.raises(ValueError, match=r"callbacks=.* on_epoch_begin or on_epoch_e"):
        MLPClassifier(callbacks=[wrong]).fit(X, Y)
    with pytest.raises(ValueError, match="The 'callbacks' parameter"):
        MLPClassifier(callbacks=Follower()).fit(X, Y)


def test_copies_have_copies_and_files_have_none(tmp_path):
    follower = Follower()
    model = MLPClassifier((5,), callbacks=[follower], **PLANNED)
    copied = clone(model).fit(X, Y)
    assert follower.told == [] and len(copied.callbacks[0].told) == 8
    again = pickle.loads(pickle.dumps(copied))
    assert again.callbacks[0].told == copied.callbacks[0].told
    checkpointed = model.set_params(checkpoint=tmp_path / "kept").fit(X, Y)
    path = tmp_path / "model.safetensors"
    save_model(checkpointed, path)
    assert model.callbacks == [follower]

    def hook(estimator, epoch):
        save_model(estimator, tmp_path / "early")

    model.set_params(callbacks=[EndOnly(hook)], checkpoint=None)
    with pytest.raises(ValueError, match="a fit that is under way"):
        model.fit(X, Y)
    assert not (tmp_path / "early").exists()


def test_what_goes_to_nodes_has_no_callbacks():
    model = MLPClassifier(callbacks=[EndOnly(lambda *_: None)])  # which nobody pickles
    if TASKS:
        model.set_callbacks(Task())
    alone = pickle.loads(pickle.dumps(without_callbacks(model)))
    assert alone.callbacks is None and not has_callbacks(alone)
    assert has_callbacks(model) and len(model.callbacks) == 1


def test_a_fit_that_goes_back_tells_of_epochs_again():
    epochs = []
    hook = EndOnly(lambda estimator, epoch: epochs.append(epoch))
    options = PLANNED | {"learning_rate_init": 1e30, "on_divergence": "reduce_lr"}
    model = MLPClassifier((5,), callbacks=[hook], **options)
    with pytest.warns(UserWarning, match="diverged"):
        model.fit(X, Y)
    assert len(epochs) >= model.n_iter_ == len(model.loss_curve_)


# scikit-learn's ----------------------------------------------------------------------


@since_1_9
def test_scores_of_scikit_learn_are_those_of_each_epoch():
    from sklearn.callback import ScoringMonitor

    ours, theirs = [], ScoringMonitor(scoring="accuracy")
    hook = EndOnly(lambda estimator, epoch: ours.append(estimator.score(X, Y)))
    model = MLPClassifier((5,), callbacks=[hook], **PLANNED).set_callbacks(theirs)
    model.fit(X, Y, sample_weight=np.ones(150))
    rows = theirs.get_logs().data
    assert [r["accuracy"] for r in rows if r["task_name"] == "epoch"] == ours
    assert not hasattr(model, "_callback_fit_ctx")


class Task:
    """A callback by scikit-learn's protocol."""

    def __init__(self, last=None, fails=False):
        self.calls, self.last, self.fails = [], last, fails

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, fitted_estimator=None):
        self.calls.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.calls.append(("end", context.task_name, context.task_id))
        if self.fails:
            raise LookupError("no")
        fitted_estimator.predict(X)
        return context.task_name == "epoch" and context.task_id == self.last


@since_1_9
def test_a_fit_is_a_task_and_its_epochs_are_tasks_below():
    task = Task(last=1)
    model = MLPClassifier((5,), **PLANNED).set_callbacks(task).fit(X, Y)
    epochs = [(hook, "epoch", k) for k in range(2) for hook in ("begin", "end")]
    fit = ("begin", "fit", 0), *epochs, ("end", "fit", 0)
    assert task.calls == ["setup", *fit, "teardown"] and model.n_iter_ == 2


@since_1_9
def test_teardown_comes_after_an_exception():
    task = Task(fails=True)
    model = MLPClassifier((5,), **PLANNED).set_callbacks(task)
    with pytest.raises(LookupError):
        model.fit(X, Y)
    assert task.calls[-1] == "teardown" and not hasattr(model, "coefs_")
    assert not hasattr(model, "n_features_in_")


@since_1_9
def test_bars_of_scikit_learn(monkeypatch, capsys):
    from sklearn.callback import ProgressBar

    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(ImportError, match="rich"):
        ProgressBar()
    monkeypatch.undo()
    pytest.importorskip("rich")
    model = MLPClassifier((5,), **PLANNED).set_callbacks(ProgressBar()).fit(X, Y)
    assert "MLPClassifier - fit" in capsys.readouterr().out and model.n_iter_ == 4


def test_an_older_scikit_learn_has_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    names = runpy.run_path(str(Path(sklearn_callbacks.__file__)))
    assert not hasattr(names["CallbackSupportMixin"], "set_callbacks")


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_a_hook_leaves_a_whole_epoch(times):
    """The first waits for the hook to end, the second does not."""
    ended = []

    def hook(estimator, epoch):
        if epoch == 2:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        ended.append(epoch)

    model = MLPClassifier((5,), callbacks=[EndOnly(hook)], **PLANNED)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X, Y, X_val=X, y_val=Y)
    assert ended == ([0, 1, 2] if times == 1 else [0, 1])
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_) == 3
