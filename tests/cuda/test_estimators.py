"""Estimators on a simulated CUDA device, from fit to predictions elsewhere."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from hogblock import (
    Augmentation,
    CNNClassifier,
    Cuda,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
)
from hogblock.engines.cuda.card import Card
from hogblock.methods import Hogwild, PASSMPlus
from hogblock.models import Conv2D, Dense, Flatten, GlobalAvgPool2D, GroupNorm, Network
from hogblock.schedules import Adaptive
from support import cuda_runs as runs
from support.fake_cuda import DeviceArray

pytestmark = pytest.mark.usefixtures("simulator")

N = 32
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(N, 3)).astype(np.float32)
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
VALUES = (X[:, 0] - X[:, 2]).astype(np.float64)
IMAGES = RANDOM.integers(0, 100, (16, 4, 4, 1), dtype=np.uint8)
SIDES = np.arange(16) % 2
IMAGES[SIDES == 1, :, :2] += 120
FLIP = Augmentation(flip=False, pad=1)
SMALL, LARGE = Cuda(threads=2), Cuda(threads=4)
PLAN = dict(learning_rate="cosine", random_state=0, batch_size=8)
THIN_SUFFIX = PASSMPlus(scope="suffix", thinning=0.7)


@pytest.fixture(autouse=True)
def launches_of_an_epoch(monkeypatch):
    """Makes asynchronous fits reproducible in the simulator."""
    runs.pace(monkeypatch, 64)


def two_filters(input_shape, n_outputs):
    layers = [Conv2D(2, 2), GroupNorm(1), Flatten(), Dense(n_outputs)]
    return Network(layers, input_shape)


def means(input_shape, n_outputs):
    return Network([Conv2D(3, 1), GlobalAvgPool2D(), Dense(n_outputs)], input_shape)


# Learning --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["hogwild", "passm+", Hogwild(reads="copy"), THIN_SUFFIX]
)
def test_classes_are_learnt(method):
    model = MLPClassifier(
        (6,), method=method, device=SMALL, n_jobs=2, max_iter=8, dropout=0.1,
        learning_rate_init=0.3, **PLAN,
    ).fit(X, Y)  # fmt: skip
    assert model.n_workers_ == 2 and model.device_ == "cuda:0"
    assert len(model.loss_curve_) == model.n_iter_ == 8
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]
    assert model.score(X, Y) >= 0.9
    assert model.steps_per_worker_.sum() == 8 * 4
    assert (model.staleness_.sum(axis=1) == 8 * 4).all()
    assert model.overlap_.sum() == model.updates_per_block_.sum()
    assert 0 < model.training_seconds_


def test_values_are_learnt():
    model = MLPRegressor(
        (5,), "tanh", method="passm+", device=SMALL, n_jobs=2, max_iter=9,
        learning_rate_init=0.1, **PLAN,
    ).fit(X, VALUES)  # fmt: skip
    assert model.score(X, VALUES) > 0.8


@pytest.mark.parametrize(
    "model",
    [
        CNNClassifier(((2, 2),), hidden_layer_sizes=(4,), augmentation=FLIP),
        NetworkClassifier(two_filters),
    ],
    ids=["CNN", "network"],
)
def test_images_are_learnt(model):
    model.set_params(device=LARGE, n_jobs=2, max_iter=5, learning_rate_init=0.05)
    model.set_params(**PLAN | {"batch_size": 4}).fit(IMAGES, SIDES)
    assert model.loss_curve_[-1] < 0.8 * model.loss_curve_[0]
    assert model.score(IMAGES, SIDES) >= 0.9
    assert model.n_workers_ == 2 and model.device_ == "cuda:0"


# The same as on the host -----------------------------------------------------------


def fit_both(model, *data, **named):
    """The same fit by one worker of the device and of the host."""
    if model.method == "auto":  # which is another method on each
        model.set_params(method="passm+")
    there, here = clone(model), clone(model)
    there.set_params(device=SMALL, n_jobs=1).fit(*data, **named)
    here.set_params(device="cpu", n_jobs=1).fit(*data, **named)
    assert (there.device_, here.device_) == ("cuda:0", "cpu")
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-4)
    assert_same_model(there, here)
    return there, here


def assert_same_model(there, here):
    pairs = zip(
        (*there.coefs_, *there.intercepts_),
        (*here.coefs_, *here.intercepts_),
        strict=True,
    )
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_adaptive_rates_follow_the_loss():
    model = MLPClassifier(
        (4,), max_iter=9, learning_rate=Adaptive(lowest=0.3), learning_rate_init=1.0,
        tol=10.0, n_iter_no_change=1, batch_size=16, random_state=0,
    )  # fmt: skip
    there, here = fit_both(model, X, Y)
    # Stalled from the second epoch on: three epochs at 1.0, two at 0.2.
    assert there.n_iter_ == here.n_iter_ == 5


def test_early_stopping_keeps_the_best_epoch():
    model = MLPClassifier(
        (4,), early_stopping=True, max_iter=4, learning_rate_init=1.0, **PLAN
    )
    there, _ = fit_both(model, X[:24], Y[:24], X_val=X[24:], y_val=Y[24:])
    scores = there.validation_scores_
    assert len(scores) == 4
    assert there.best_validation_score_ == max(scores)
    assert there.score(X[24:], Y[24:]) == there.best_validation_score_


def test_float64_weights_and_full_batches():
    weights = RANDOM.uniform(0, 2, N)
    model = MLPClassifier((4,), max_iter=3, class_weight="balanced", **PLAN)
    for batch in (10, 100):
        far = X.astype(np.float64) + 1e5
        fit_both(model.set_params(batch_size=batch), far, Y, weights)


def test_partial_fit_and_warm_start_go_on():
    model = MLPClassifier((4,), warm_start=True, max_iter=1, **PLAN)
    there, here = fit_both(model, X, Y)
    for _ in range(2):
        for each in (there, here):
            each.set_params(max_iter=4).partial_fit(X, Y)
        assert_same_model(there, here)
    carried = there._carried.velocity, here._carried.velocity
    np.testing.assert_allclose(*carried, rtol=1e-3, atol=1e-5)
    for each in (there, here):
        each.fit(X, Y)
    assert_same_model(there, here)
    assert there.n_iter_ == here.n_iter_


# Predictions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "x", "y"),
    [
        (MLPClassifier((4,), dropout=0.5), X, Y),
        (MLPRegressor((4,), dropout=0.5), X, np.stack([VALUES, -VALUES], 1)),
        (CNNClassifier(((2, 2),), hidden_layer_sizes=(3,), dropout=0.5), IMAGES, SIDES),
        (NetworkClassifier(means), IMAGES / np.float32(255), SIDES),
    ],
    ids=["MLP", "regression", "CNN", "network"],
)
def test_predictions_of_both_places_are_equal(monkeypatch, model, x, y):
    monkeypatch.setattr(
        "hogblock.engines.cuda.predict.CHUNK", 5
    )  # several, and a short one
    model = clone(model).set_params(max_iter=1, **PLAN).fit(x, y)
    model.set_params(device=LARGE)
    for name in ("predict", "predict_proba", "predict_log_proba"):
        if hasattr(model, name):
            here, there = (getattr(model, name)(each) for each in (x, DeviceArray(x)))
            if here.dtype.kind == "f":
                np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)
                assert there.dtype == here.dtype
            else:
                np.testing.assert_array_equal(there, here)


def test_a_model_goes_where_there_is_no_cuda(tmp_path):
    model = MLPClassifier((4,), device=SMALL, max_iter=1, **PLAN).fit(X, Y)
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps((model, X, model.predict_proba(X))))
    source = """
import pickle, sys
for name in ("cupy", "cupyx", "numba_cuda", "numba.cuda", "cuda"):
    sys.modules[name] = None
with open(sys.argv[1], "rb") as file:
    model, x, expected = pickle.load(file)
assert abs(model.predict_proba(x) - expected).max() < 1e-6
assert model.device_ == "cuda:0" and type(model.device).__name__ == "Cuda"
try:
    model.fit(x, x[:, 0] > 0)
except Exception as error:
    print(type(error).__name__, error)
"""
    plain = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(
        [sys.executable, "-c", source, path], capture_output=True, text=True, env=plain
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("DeviceUnavailableError the package ")


def test_parameters_are_kept():
    model = MLPClassifier((4,), device=SMALL, n_jobs=3)
    assert clone(model).get_params() == model.get_params()
    assert model.get_params()["device"] is SMALL
    several = clone(model.set_params(device=["cuda:0", "cuda:1"]))
    assert several.device == ["cuda:0", "cuda:1"]
    assert "Cuda" in repr(clone(model.set_params(device=LARGE)))


def test_ctrl_c_returns_the_model_so_far(monkeypatch):
    run_to = Card.run_to

    def interrupted(self, limit):
        if limit > 4:
            raise KeyboardInterrupt
        return run_to(self, limit)

    monkeypatch.setattr(Card, "run_to", interrupted)
    model = MLPClassifier((4,), device=SMALL, max_iter=99, n_jobs=1, **PLAN)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, Y)
    assert model.n_iter_ == 1 and model.steps_per_worker_.tolist() == [4]
    assert model.predict(X).shape == (N,)
