"""scikit-learn's tests of its MLPs, by hogblock's names; docs/parity.md has the list.

Adapted from sklearn/neural_network/tests/test_mlp.py of scikit-learn 1.9.1:
Copyright (c) 2007-2026 The scikit-learn developers. BSD-3-Clause, as is hogblock (see
LICENSE): redistribution and use, with or without modification, are permitted if this
notice, the conditions and the disclaimer of that licence are retained.

A test has the name that it has there.
"""

import re
import warnings

import joblib
import numpy as np
import pytest
from sklearn.datasets import (
    load_digits,
    load_iris,
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MinMaxScaler, scale

from hogblock import MLPClassifier, MLPRegressor

UNFINISHED = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
BOTH = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]


def _digits(n_class):
    X, y = load_digits(n_class=n_class, return_X_y=True)
    return MinMaxScaler().fit_transform(X[:200]), y[:200]


MULTI, BINARY = _digits(3), _digits(2)
IRIS = load_iris(return_X_y=True)
X_REG, Y_REG = make_regression(
    n_samples=200, n_features=10, bias=20.0, noise=100.0, random_state=7
)
Y_REG = scale(Y_REG)


@UNFINISHED
def test_alpha():
    X, y = BINARY[0][:100], BINARY[1][:100]
    sizes = []
    for alpha in (0, 1):
        model = MLPClassifier(10, alpha=alpha, random_state=1, standardize=False)
        sizes.append([np.abs(w).sum() for w in model.fit(X, y).coefs_])
    assert (np.array(sizes[0]) > sizes[1]).all()


@UNFINISHED
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("data", [MULTI, BINARY], ids=["multi", "binary"])
def test_lbfgs_classification(data, activation):
    """By this package's own way to train."""
    X, y = data
    model = MLPClassifier(50, activation, max_iter=60, random_state=1)
    predicted = model.fit(X[:150], y[:150]).predict(X[150:])
    assert model.score(X[:150], y[:150]) > 0.95
    assert (len(predicted), predicted.dtype) == (50, y.dtype)


@UNFINISHED
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_lbfgs_regression(activation):
    """Networks that are not linear do much better than those that are."""
    model = MLPRegressor(50, activation, max_iter=400, batch_size=20, tol=0)
    rate = 0.1 if activation == "logistic" else 0.01  # whose slopes are a quarter
    model.set_params(random_state=1, learning_rate="cosine", alpha=0)
    model.set_params(learning_rate_init=rate)
    score = model.fit(X_REG, Y_REG).score(X_REG, Y_REG)
    assert score > (0.8 if activation == "identity" else 0.95)


def test_multilabel_classification():
    X, y = make_multilabel_classification(n_samples=50, random_state=0)
    options = dict(activation="logistic", alpha=1e-5, learning_rate_init=0.2)
    model = MLPClassifier(50, random_state=0, tol=0, max_iter=150, **options)
    with pytest.warns(ConvergenceWarning):
        assert model.fit(X, y).score(X, y) > 0.97
    model = MLPClassifier(50, random_state=0, **options)
    for _ in range(100):
        model.partial_fit(X, y, classes=[0, 1, 2, 3, 4])
    assert model.score(X, y) > 0.9
    # Nothing to stratify by.
    assert MLPClassifier(early_stopping=True).fit(X, y).predict(X).shape == y.shape


@UNFINISHED
def test_multioutput_regression():
    X, y = make_regression(n_samples=200, n_targets=5, random_state=11)
    model = MLPRegressor(50, random_state=1).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.predict(X).shape == y.shape


def test_partial_fit_classes_error():
    model = MLPClassifier().partial_fit([[3, 2]], [0], classes=[0, 1])
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit([[3, 2]], [0], classes=[1, 2])


@UNFINISHED
@pytest.mark.parametrize("data", [MULTI, BINARY], ids=["multi", "binary"])
def test_partial_fit_classification(data):
    X, y = data
    options = dict(random_state=1, alpha=1e-5, method="sgd")
    whole = MLPClassifier(max_iter=20, tol=0, **options).fit(X, y)
    model = MLPClassifier(**options)
    for _ in range(20):
        model.partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_array_equal(model.predict(X), whole.predict(X))
    assert model.score(X, y) > 0.95


def test_partial_fit_unseen_classes():
    model = MLPClassifier(random_state=0)
    model.partial_fit([[1], [2], [3]], ["a", "b", "c"], classes=["a", "b", "c", "d"])
    model.partial_fit([[4]], ["d"])
    assert model.score([[1], [2], [3], [4]], ["a", "b", "c", "d"]) > 0


@UNFINISHED
@pytest.mark.parametrize("momentum", [0, 0.9])
def test_partial_fit_regression(momentum):
    options = dict(random_state=1, learning_rate_init=0.05, batch_size=len(X_REG))
    options |= dict(momentum=momentum, method="sgd")
    whole = MLPRegressor(max_iter=100, tol=0, **options).fit(X_REG, Y_REG)
    model = MLPRegressor(**options)
    for _ in range(100):
        model.partial_fit(X_REG, Y_REG)
    np.testing.assert_allclose(
        model.predict(X_REG), whole.predict(X_REG), rtol=1e-3, atol=1e-4
    )
    assert model.score(X_REG, Y_REG) > 0.65


def test_partial_fit_errors():
    with pytest.raises(ValueError, match="class"):
        MLPClassifier().partial_fit([[3, 2], [1, 6]], [1, 0], classes=[2])


def test_nonfinite_params():
    """Standardised, values near the end of float64 are as good as any."""
    random = np.random.RandomState(0)
    X = np.finfo(np.float64).max * random.uniform(size=(10, 2))
    y = random.standard_normal(size=10)
    model = MLPRegressor(max_iter=5, learning_rate="cosine", random_state=0)
    assert np.isfinite(model.fit(X, y).predict(X)).all()
    with pytest.raises(ValueError, match=r"diverged.*standardize=True"):
        model.set_params(standardize=False).fit(X, y)


@UNFINISHED
def test_predict_proba_binary():
    X, y = BINARY[0][:50], BINARY[1][:50]
    model = MLPClassifier(5, "logistic", random_state=1).fit(X, y)
    proba, log_proba = model.predict_proba(X), model.predict_log_proba(X)
    assert proba.shape == (50, 2)
    np.testing.assert_array_equal(proba.argmax(axis=1), log_proba.argmax(axis=1))
    np.testing.assert_allclose(log_proba, np.log(proba), rtol=1e-5)
    assert roc_auc_score(y, proba[:, 1]) == 1


@UNFINISHED
def test_predict_proba_multiclass():
    X, y = MULTI[0][:10], MULTI[1][:10]
    model = MLPClassifier(5, random_state=0).fit(X, y)
    proba, log_proba = model.predict_proba(X), model.predict_log_proba(X)
    assert proba.shape == (10, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(proba.argmax(axis=1), log_proba.argmax(axis=1))
    np.testing.assert_allclose(log_proba, np.log(proba), rtol=1e-5)


@UNFINISHED
def test_predict_proba_multilabel():
    """Labels are judged one by one: probabilities do not add up to 1."""
    X, y = make_multilabel_classification(n_samples=50, random_state=0)
    model = MLPClassifier(30, random_state=0, learning_rate_init=0.05).fit(X, y)
    proba, log_proba = model.predict_proba(X), model.predict_log_proba(X)
    assert proba.shape == y.shape
    np.testing.assert_array_equal(proba > 0.5, y)
    assert ((proba.sum(axis=1) - 1) ** 2).sum() > 1e-10
    np.testing.assert_array_equal(proba.argmax(axis=1), log_proba.argmax(axis=1))


@UNFINISHED
def test_shuffle():
    X, y = make_regression(n_samples=50, n_features=5, random_state=0)
    options = dict(max_iter=1, batch_size=1, random_state=0)

    def coefs(shuffle):
        return MLPRegressor(1, shuffle=shuffle, **options).fit(X, y).coefs_[0]

    for shuffle in (True, False):
        np.testing.assert_array_equal(coefs(shuffle), coefs(shuffle))
    assert not np.array_equal(coefs(True), coefs(False))


def test_tolerance():
    model = MLPClassifier(tol=0.5, max_iter=3000).fit([[3, 2], [1, 6]], [1, 0])
    assert model.n_iter_ < 3000


@BOTH
def test_early_stopping(kind):
    X, y, tol = BINARY[0][:100], BINARY[1][:100], 0.2
    model = kind(tol=tol, max_iter=3000, early_stopping=True).fit(X, y)
    assert model.n_iter_ < 3000
    assert model.best_loss_ is None
    scores, best = model.validation_scores_, model.best_validation_score_
    assert isinstance(scores, list) and max(scores) == best
    assert best + tol > max(scores[-2:])
    model = kind(tol=tol, max_iter=3000).fit(X, y)
    assert model.validation_scores_ is None and model.best_validation_score_ is None
    assert model.best_loss_ is not None


def test_adaptive_learning_rate():
    model = MLPClassifier(tol=0.5, max_iter=3000, learning_rate="adaptive")
    assert model.fit([[3, 2], [1, 6]], [1, 0]).n_iter_ < 3000
    assert model._carried.rate < 1e-6


@UNFINISHED
def test_warm_start():
    X, y = IRIS
    options = dict(warm_start=True, random_state=42, max_iter=3)
    model = MLPClassifier(2, **options).fit(X, y)
    model.fit(X, y).fit(X, np.repeat([0, 1, 2], [40, 40, 70]))
    message = "with warm_start=True y must have the classes"
    for counts, classes in (
        ([75, 75], [0, 1]),
        ([50, 50, 50], [0, 1, 3]),
        ([37, 37, 38, 38], range(4)),
        ([30] * 5, range(5)),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, np.repeat(list(classes), counts))


@BOTH
def test_mlp_warm_start_no_convergence(kind):
    """And test_warm_start_full_iteration: each fit takes `max_iter` epochs."""
    model = kind(warm_start=True, n_iter_no_change=np.inf, random_state=0)
    for epochs in (3, 3, 10, 20):
        model.set_params(max_iter=epochs)
        with pytest.warns(ConvergenceWarning):
            assert model.fit(*IRIS).n_iter_ == epochs


@pytest.mark.parametrize("patience", [2, 10, 100])
def test_n_iter_no_change(patience):
    X, y = BINARY[0][:100], BINARY[1][:100]
    model = MLPClassifier(tol=0.01, max_iter=3000, n_iter_no_change=patience)
    curve = np.array(model.set_params(random_state=0).fit(X, y).loss_curve_)
    assert patience < model.n_iter_ < 3000
    # The last epochs have not been better by `tol` than the best before.
    best = np.minimum.accumulate(curve)
    assert (curve[-patience:] > best[-patience - 1 : -1] - 0.01).all()


@UNFINISHED
def test_n_iter_no_change_inf():
    X, y = BINARY[0][:100], BINARY[1][:100]
    model = MLPClassifier(tol=1e9, max_iter=300, n_iter_no_change=np.inf)
    assert model.fit(X, y).n_iter_ == 300


def test_early_stopping_stratified():
    message = "The least populated classes? in y ha.* only 1 member"
    with pytest.raises(ValueError, match=message):
        MLPClassifier(early_stopping=True).fit(
            [[1, 2], [2, 3], [3, 4], [4, 5]], [0, 0, 0, 1]
        )


@UNFINISHED
def test_mlp_early_stopping_string_labels():
    X, y = make_classification(
        n_samples=200, n_features=10, n_classes=3, n_informative=5, random_state=42
    )
    y = np.array(["class_a", "class_b", "class_c"], dtype=object)[y]
    model = MLPClassifier(early_stopping=True, max_iter=20, random_state=42).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_
    assert np.isfinite(model.validation_scores_).all()


@UNFINISHED
@BOTH
@pytest.mark.parametrize("standardize", [True, False])
def test_mlp_param_dtypes(kind, standardize):
    """Without the scaling all are float32; with it `coefs_` need float64."""
    for dtype in (np.float32, np.float64):
        X, y = MULTI[0].astype(dtype), MULTI[1]
        model = kind((5, 3), random_state=1, max_iter=5, standardize=standardize)
        model.fit(X[:150], y[:150])
        wanted = np.float64 if standardize else np.float32
        assert {w.dtype for w in model.coefs_ + model.intercepts_} == {np.dtype(wanted)}
        if kind is MLPRegressor:
            found = model.predict(X[150:]).dtype
            assert found == (np.float64 if standardize else dtype)


def test_mlp_loading_from_joblib_partial_fit(tmp_path):
    model = MLPRegressor(42, random_state=42, max_iter=50, learning_rate="cosine")
    joblib.dump(model.fit([[2], [3]], [4, 4.5]), tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    loaded.set_params(learning_rate="constant")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a plan that is another
        for _ in range(200):
            loaded.partial_fit([[2]], [1])
    np.testing.assert_allclose(loaded.predict([[2]]), [1], rtol=1e-3)
    assert abs(model.predict([[2]])[0] - 1) > 1


@UNFINISHED
@BOTH
def test_preserve_feature_names(kind):
    """Nothing warns of names that are lost on the way to the validation set."""
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(np.random.RandomState(0).randn(20, 2), columns=["a", "b"])
    y = pd.Series(np.arange(20) % 2, name="y")
    model = kind(early_stopping=True, validation_fraction=0.2, max_iter=3).fit(X, y)
    assert model.feature_names_in_.tolist() == ["a", "b"]


@UNFINISHED
@BOTH
def test_mlp_warm_start_with_early_stopping(kind):
    model = kind(max_iter=10, random_state=0, warm_start=True, early_stopping=True)
    before = len(model.fit(*IRIS).validation_scores_)
    model.set_params(max_iter=20).fit(*IRIS)
    assert len(model.validation_scores_) > before


@UNFINISHED
@BOTH
def test_mlp_partial_fit_after_fit(kind):
    model = kind(early_stopping=True, random_state=0, max_iter=2).fit(*IRIS)
    message = "partial_fit does not support early_stopping=True"
    with pytest.raises(ValueError, match=message):
        model.partial_fit(*IRIS)


def test_mlp_diverging_loss():
    """It is an error here, also with a validation set; or the best model is kept."""
    options = dict(activation="identity", learning_rate_init=1.0, max_iter=20)
    options |= dict(early_stopping=True, standardize=False, random_state=0)
    model = MLPRegressor(100, **options)
    with pytest.raises(ValueError, match="training diverged"):
        model.fit(*IRIS)
    assert not hasattr(model, "validation_scores_")


@UNFINISHED
def test_mlp_sample_weight_with_early_stopping():
    X, y = make_regression(
        n_samples=100, n_features=2, n_informative=2, random_state=42
    )
    options = dict(early_stopping=True, max_iter=20, batch_size=10, random_state=42)
    one = MLPRegressor(10, **options).fit(X, y, sample_weight=np.ones_like(y))
    other = MLPRegressor(10, **options).fit(X, y)
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-5)


def test_mlp_vs_poisson_glm_equivalent():
    random = np.random.default_rng(0)
    X = np.linspace(0, 1, 100)
    y = random.poisson(np.exp(X + 1))
    X = X[:, None]
    wanted = PoissonRegressor(alpha=0, tol=1e-7).fit(X, y).predict(X)
    options = dict(activation="identity", alpha=0, batch_size=100, max_iter=1500)
    options |= dict(learning_rate="cosine", learning_rate_init=0.05, random_state=1)
    model = MLPRegressor(1, loss="poisson", **options).fit(X, y)
    np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-3)
    model = MLPRegressor(1, loss="squared_error", **options).fit(X, y)
    assert not np.allclose(model.predict(X), wanted, rtol=1e-2)


def test_minimum_input_sample_size():
    X, y = make_regression(n_samples=2, n_features=5, random_state=0)
    message = re.escape("R^2 is defined for two or more")
    with pytest.raises(ValueError, match=message):
        MLPRegressor(early_stopping=True, random_state=0).fit(X, y)
