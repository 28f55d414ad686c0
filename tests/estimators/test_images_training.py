"""Estimators for images and over any network: what they learn, and how they go on."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from hogblock import (
    Augmentation,
    CNNClassifier,
    CNNRegressor,
    NetworkClassifier,
    NetworkRegressor,
    methods,
)
from hogblock.models import (
    resnet8,
    small_convnet,
)
from support.image_models import (
    PLANNED,
    SMALL,
    assert_same_fit,
    dense_network,
    small,
    strided_network,
)
from support.segments import segments

# What is learned ----------------------------------------------------------------------


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
@pytest.mark.parametrize("method", list(methods.METHODS))
def test_every_method_learns_digits_with_two_workers(glyphs, method, kind):
    model = CNNClassifier(
        ((8, 3),), hidden_layer_sizes=32, method=method, n_jobs=2, max_iter=30,
        batch_size=32, **PLANNED,
    )  # fmt: skip
    model.fit(glyphs.data.astype(kind), glyphs.target)
    assert model.score(glyphs.data_test.astype(kind), glyphs.target_test) > 0.9
    assert model.n_workers_ == (1 if method == "sgd" else 2)
    assert model.staleness_.shape == (model.n_workers_, 64)
    assert model.updates_per_block_.shape == (model.n_workers_,)
    assert (model.updates_per_block_ > 0).all()


@pytest.mark.timeout(60)
def test_nothing_is_left_in_shared_memory(glyphs):
    small(n_jobs=2).fit(glyphs.data, glyphs.target)  # the workers are there from now on
    model = small(n_jobs=2, augmentation=Augmentation(pad=1))
    assert model.fit(glyphs.data, glyphs.target).n_workers_ == 2
    assert segments() == set()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_residual_network_learns_digits(glyphs, n_jobs):
    model = NetworkClassifier(resnet8, max_iter=3, n_jobs=n_jobs, **PLANNED)
    model.fit(glyphs.data[:800], glyphs.target[:800])
    assert model.score(glyphs.data_test, glyphs.target_test) > 0.75
    assert model.n_workers_ == n_jobs and model.image_shape_ == (8, 8, 1)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (CNNClassifier, SMALL | dict(dropout=0.2, augmentation=Augmentation(1, True))),
        (CNNRegressor, SMALL | dict(image_shape=(8, 8))),
        (NetworkClassifier, dict(network=strided_network)),
        (NetworkRegressor, dict(network=strided_network, learning_rate_init=1e-3)),
    ],
    ids=["CNNClassifier", "CNNRegressor", "NetworkClassifier", "NetworkRegressor"],
)
def test_one_job_is_bit_reproducible(glyphs, make, options):
    fits = [
        make(**options, max_iter=2, n_jobs=1, **PLANNED).fit(glyphs.data, glyphs.target)
        for _ in range(2)
    ]
    assert_same_fit(*fits)
    other = make(**options, max_iter=2, learning_rate="cosine", random_state=1)
    other.fit(glyphs.data, glyphs.target)
    assert not np.array_equal(other.coefs_[0], fits[0].coefs_[0])


def test_fitted_attributes(glyphs):
    model = CNNClassifier(
        ((4, (3, 5)), (6, 2)), hidden_layer_sizes=(20, 9), max_iter=4, **PLANNED
    )
    model.fit(glyphs.data, glyphs.target)
    assert [w.shape for w in model.coefs_] == [
        (3, 5, 1, 4),
        (2, 2, 4, 6),
        (24, 20),
        (20, 9),
        (9, 10),
    ]
    assert [b.shape for b in model.intercepts_] == [(4,), (6,), (20,), (9,), (10,)]
    assert all(w.dtype == np.float32 for w in [*model.coefs_, *model.intercepts_])
    assert model.image_shape_ == (8, 8, 1) and model.n_features_in_ == 64
    np.testing.assert_array_equal(model.classes_, np.arange(10))
    assert (model.n_outputs_, model.n_layers_) == (10, 6)
    assert model.out_activation_ == "softmax"
    assert len(model.loss_curve_) == model.n_iter_ == 4
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_) < model.loss_curve_[0]
    assert model.t_ == 4 * len(glyphs.data)
    steps = 4 * -(-len(glyphs.data) // 64)
    assert model.steps_per_worker_.tolist() == [steps]
    assert model.updates_per_block_.tolist() == [steps]
    assert model.staleness_[0, 0] == steps == model.staleness_.sum()
    assert (model.n_workers_, model.device_) == (1, "cpu")
    assert model.training_seconds_ > 0
    assert model.validation_scores_ is None and model.best_validation_score_ is None


def test_attributes_of_a_network_without_biases(glyphs):
    model = NetworkClassifier(resnet8, max_iter=1, **PLANNED)
    model.fit(glyphs.data[:200], glyphs.target[:200])
    assert model.coefs_[0].shape == (3, 3, 1, 16)
    assert model.coefs_[-1].shape == (64, 10)
    network = resnet8((8, 8, 1), 10)
    values = sum(w.size for w in [*model.coefs_, *model.intercepts_])
    assert values == network.n_parameters
    assert model.n_layers_ == 11  # ten kernels and dense weights, and the input


# Targets and weights ------------------------------------------------------------------


def test_two_classes(glyphs):
    keep = glyphs.target < 2
    x, y = glyphs.data[keep], np.array(["zero", "one"])[glyphs.target[keep]]
    model = small(max_iter=10).fit(x, y)
    assert model.score(x, y) > 0.98
    assert model.classes_.tolist() == ["one", "zero"]
    assert model.n_outputs_ == 1 and model.out_activation_ == "logistic"
    proba = model.predict_proba(x)
    assert proba.shape == (len(x), 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        model.classes_[proba.argmax(axis=1)], model.predict(x)
    )


def test_probabilities(glyphs):
    model = small(max_iter=10).fit(glyphs.data, glyphs.target)
    x, y = glyphs.data_test, glyphs.target_test
    proba = model.predict_proba(x)
    assert proba.shape == (len(x), 10) and (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(x)), proba, rtol=1e-4)
    np.testing.assert_array_equal(proba.argmax(axis=1), model.predict(x))
    assert model.score(x, y) == accuracy_score(y, model.predict(x)) > 0.85


def test_several_labels(colours):
    x, y = colours
    labels = np.c_[y // 2, y % 2, y == 3].astype(int)
    model = small(max_iter=30).fit(x, labels)
    assert model.predict(x).shape == model.predict_proba(x).shape == (400, 3)
    assert model.score(x, labels) > 0.9
    assert model.out_activation_ == "logistic" and model.n_outputs_ == 3


@pytest.mark.parametrize("make", [CNNRegressor, NetworkRegressor])
def test_several_outputs(colours, make):
    x, _ = colours
    targets = np.c_[
        x[..., 0].mean(axis=(1, 2)), 1e-3 * x[:, 0, 0, 1], -7.0 * x[:, 4, 5]
    ]
    options = SMALL if make is CNNRegressor else dict(network=dense_network)
    model = make(**options, max_iter=60, batch_size=16, **PLANNED).fit(x, targets)
    assert model.predict(x).shape == (400, 5)
    assert model.score(x, targets) == pytest.approx(r2_score(targets, model.predict(x)))
    assert model.score(x, targets) > 0.8
    one = clone(model).fit(x, targets[:, 0])
    assert one.predict(x).shape == (400,) and one.out_activation_ == "identity"
    assert one.score(x, targets[:, 0]) > 0.7


def test_a_weight_of_two_is_a_sample_twice(colours):
    """To the last bit where one minibatch holds them all."""
    x, y = colours[0][:40], colours[1][:40]
    weights = 1 + np.arange(40) % 2
    weighted = small().fit(x, y, weights)
    assert_same_fit(
        weighted, small().fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    )
    order = np.random.default_rng(0).permutation(40)
    assert_same_fit(weighted, small().fit(x[order], y[order], weights[order]))
    by_class = dict(enumerate([1.0, 2.0, 0.5, 3.0]))
    assert_same_fit(
        small(class_weight=by_class).fit(x, y),
        small().fit(x, y, np.array([by_class[k] for k in y])),
    )
    assert not np.array_equal(small().fit(x, y).coefs_[0], weighted.coefs_[0])


def test_weights_of_many_samples(colours):
    x, y = colours
    wrong = np.r_[y, (y + 1) % 4]
    weights = np.r_[np.ones(400), np.zeros(400)]
    model = small(max_iter=30).fit(np.r_[x, x], wrong, weights)
    assert model.score(x, y) > 0.9
    by_class = {0: 1.0, 1: 2.0, 2: 0.5, 3: 3.0}
    a = small().fit(x, y, np.array([by_class[k] for k in y]))
    b = small(class_weight=by_class).fit(x, y)
    assert_same_fit(a, b)
    real = CNNRegressor(**SMALL, max_iter=30, **PLANNED)
    real.fit(np.r_[x, x], np.r_[y, 100 - y], weights)
    assert real.score(x, y) > 0.8


# Going on, stopping, searching --------------------------------------------------------


def test_partial_fit(glyphs):
    model = small(learning_rate="constant")
    for epoch in range(8):
        for part in range(0, 1400, 350):
            rows = slice(part, part + 350)
            x = glyphs.data[rows]
            model.partial_fit(
                x if part else x.reshape(-1, 64),  # rows and images may alternate
                glyphs.target[rows],
                classes=np.arange(10) if part == epoch == 0 else None,
            )
    assert model.n_iter_ == len(model.loss_curve_) == 32
    assert model.t_ == 32 * 350
    assert model.score(glyphs.data_test, glyphs.target_test) > 0.85
    before = model.predict_proba(glyphs.data_test)
    for wrong in ((4, 16), (4, 16, 1), (4, 4, 4), (16, 4)):
        x = glyphs.data[:10].reshape(10, *wrong)
        shown = rf"\({', '.join(map(str, (*wrong, 1)[:3]))}\)"
        with pytest.raises(ValueError, match=rf"{shown}.*\(8, 8, 1\)"):
            model.partial_fit(x, glyphs.target[:10])
    with pytest.raises(ValueError, match="25 features"):
        model.partial_fit(np.zeros((3, 25)), [0, 1, 2])
    np.testing.assert_array_equal(model.predict_proba(glyphs.data_test), before)
    with pytest.raises(ValueError, match="classes must be passed"):
        small().partial_fit(glyphs.data, glyphs.target)


def test_partial_fit_of_a_regressor_and_a_network(glyphs):
    x, y = glyphs.data, glyphs.target
    model = NetworkRegressor(small_convnet((8, 8, 1), 1), random_state=0)
    for _ in range(6):
        model.partial_fit(x, y)
    assert model.n_iter_ == 6
    assert model.score(glyphs.data_test, glyphs.target_test) > 0.6
    with pytest.raises(ValueError, match=r"\(8, 7, 1\).*\(8, 8, 1\)"):
        model.partial_fit(x[:, :, :7], y)


def test_dark_images_do_not_fix_the_scale(glyphs):
    """A first part of black and nearly black bytes is no part scaled to [0, 1]."""
    model = small()
    dark = (glyphs.data[:100] > 8).astype(np.uint8)
    model.partial_fit(dark, glyphs.target[:100], classes=np.arange(10))
    model.partial_fit(glyphs.data, glyphs.target)
    assert model.n_iter_ == 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start(glyphs):
    x, y = glyphs.data, glyphs.target
    model = small(warm_start=True, learning_rate="constant")
    first = model.fit(x, y).loss_
    assert model.fit(x[..., 0], y).loss_curve_[3] < first
    assert model.fit(x.reshape(-1, 64), y).n_iter_ == 3
    with pytest.raises(ValueError, match=r"\(4, 16, 1\).*\(8, 8, 1\)"):
        model.fit(x.reshape(-1, 4, 16), y)
    cold = small(learning_rate="constant").fit(x, y)
    assert cold.loss_ == first
    assert cold.fit(x.reshape(-1, 4, 16), y).image_shape_ == (4, 16, 1)


def test_unfinished_fit_warns(glyphs):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        CNNClassifier(**SMALL, max_iter=2).fit(glyphs.data[:200], glyphs.target[:200])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_early_stopping_keeps_the_best_snapshot(glyphs, n_jobs):
    x_val, y_val = glyphs.data_test, glyphs.target_test
    model = small(
        early_stopping=True, n_iter_no_change=3, n_jobs=n_jobs, max_iter=100,
        learning_rate="constant", learning_rate_init=0.02,  # steady on busy cores too
    )  # fmt: skip
    model.fit(glyphs.data, glyphs.target, X_val=x_val, y_val=y_val)
    assert len(model.validation_scores_) == model.n_iter_ < 100
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.85
    assert model.score(x_val, y_val) == pytest.approx(model.best_validation_score_)


def test_validation_images_may_be_rows(glyphs):
    x_val, y_val = glyphs.data_test, glyphs.target_test
    scores = [
        small().fit(glyphs.data, glyphs.target, X_val=form, y_val=y_val)
        for form in (x_val, x_val[..., 0], x_val.reshape(-1, 64))
    ]
    assert all(m.validation_scores_ == scores[0].validation_scores_ for m in scores)
    last = scores[0].validation_scores_[-1]
    assert scores[0].score(x_val, y_val) == pytest.approx(last)


def test_early_stopping_sets_images_aside(glyphs):
    model = small(
        early_stopping=True, validation_fraction=0.25, n_iter_no_change=2, max_iter=20
    ).fit(glyphs.data, glyphs.target)
    assert model.t_ == model.n_iter_ * int(0.75 * len(glyphs.data))
    assert model.best_validation_score_ > 0.85


def test_search_over_images(glyphs):
    x, y = glyphs.data[:400], glyphs.target[:400]
    grid = {
        "conv_layers": [((4, 3),), ()],
        "augmentation": [None, Augmentation(pad=1)],
    }
    search = GridSearchCV(small(max_iter=15, batch_size=16), grid, cv=2).fit(x, y)
    assert search.best_score_ > 0.6
    assert search.best_estimator_.image_shape_ == (8, 8, 1)
    networks = {"network": [dense_network, small_convnet]}
    search = GridSearchCV(
        NetworkClassifier(dense_network, max_iter=15, **PLANNED), networks, cv=2
    ).fit(x[..., 0], y)
    assert search.best_params_["network"] in networks["network"]
    assert search.score(glyphs.data_test, glyphs.target_test) > 0.7
    rows = make_pipeline(MinMaxScaler(), small(max_iter=15, batch_size=16))
    assert cross_val_score(rows, x.reshape(400, 64), y, cv=2).min() > 0.6


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_models_can_be_kept(glyphs, tmp_path, n_jobs):
    """pickle, joblib and deepcopy; what comes back predicts, and can be trained on."""
    x, y = glyphs.data, glyphs.target
    for model in (
        small(n_jobs=n_jobs, method=methods.Hogwild()),
        NetworkClassifier(strided_network, n_jobs=n_jobs, max_iter=1, **PLANNED),
        NetworkRegressor(small_convnet((8, 8, 1), 1), max_iter=1, **PLANNED),
    ):
        model.fit(x, y)
        wanted = model.predict(glyphs.data_test)
        buffer = io.BytesIO()
        joblib.dump(model, buffer)
        buffer.seek(0)
        for again in (
            pickle.loads(pickle.dumps(model)),
            joblib.load(buffer),
            copy.deepcopy(model),
        ):
            np.testing.assert_array_equal(again.predict(glyphs.data_test), wanted)
            assert again.image_shape_ == (8, 8, 1)
            again.set_params(max_iter=9)  # of whose plan there is a rest
            assert again.partial_fit(x, y).n_iter_ == model.n_iter_ + 1
            with pytest.raises(ValueError, match=r"\(4, 16, 1\)"):
                again.predict(glyphs.data_test.reshape(-1, 4, 16))
        np.testing.assert_array_equal(model.predict(glyphs.data_test), wanted)


def test_predicting_in_threads_changes_nothing(glyphs):
    model = small(max_iter=1).fit(glyphs.data, glyphs.target)
    x = np.tile(glyphs.data, (6, 1, 1, 1))  # enough for two threads
    one = model.predict_proba(x)
    np.testing.assert_allclose(
        model.set_params(n_jobs=2).predict_proba(x), one, rtol=1e-5, atol=1e-7
    )
