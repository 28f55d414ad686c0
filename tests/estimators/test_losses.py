"""The losses of regressors: what they tend to, and how they are asked for."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV

from hogblock import CNNRegressor, MLPClassifier, MLPRegressor, NetworkRegressor
from hogblock.models import Dense, Network
from hogblock.models.losses import (
    REGRESSION_LOSSES,
    Huber,
    LogisticCrossEntropy,
    Quantile,
)

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}."
                                        f"{ConvergenceWarning.__name__}")  # fmt: skip

PLAN = dict(
    max_iter=20, random_state=0, learning_rate="cosine", alpha=0.0, batch_size=20
)


@pytest.fixture(scope="module")
def skewed():
    """One feature that says nothing, and targets of a long tail on one side."""
    random = np.random.default_rng(0)
    y = random.lognormal(0, 1, 400)
    return random.normal(0, 1e-3, (400, 1)), y


def constant_of(loss, X, y, **options):
    """What a model without hidden layers predicts for features that say nothing."""
    network = Network([Dense(1)], (1,))
    model = NetworkRegressor(network, loss=loss, **PLAN | dict(max_iter=100) | options)
    return model.fit(X, y).predict(np.zeros((1, 1)))[0]


@pytest.mark.parametrize("standardize", [True, False])
def test_squared_error_tends_to_the_mean_and_absolute_error_to_the_median(
    skewed, standardize
):
    X, y = skewed
    how = {"standardize": standardize}
    assert constant_of("squared_error", X, y, **how) == pytest.approx(y.mean(), abs=0.1)
    assert constant_of("absolute_error", X, y, **how) == pytest.approx(
        np.median(y), abs=0.1
    )


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_tends_to_it(skewed, quantile):
    X, y = skewed
    found = constant_of("quantile", X, y, quantile=quantile)
    assert np.mean(y < found) == pytest.approx(quantile, abs=0.03)
    same = constant_of(Quantile(quantile), X, y, quantile=0.3)
    assert same == found


@pytest.fixture(scope="module")
def counts():
    """Counts whose logarithm of the mean is linear in the features."""
    random = np.random.default_rng(3)
    X = random.normal(3, 2, (600, 2))
    return X, random.poisson(np.exp(0.3 * X[:, 0] - 0.2 * X[:, 1] + 1.5))


@pytest.mark.parametrize("standardize", [True, False])
def test_poisson_is_the_generalised_linear_model(counts, standardize):
    """Without hidden layers, as in scikit-learn; `coefs_` take raw X."""
    X, y = counts
    linear = PoissonRegressor(alpha=0, tol=1e-8, max_iter=1000).fit(X, y)
    plan = PLAN | dict(max_iter=150, standardize=standardize, learning_rate_init=2e-3)
    model = MLPRegressor((), loss="poisson", **plan).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0][:, 0], linear.coef_, atol=4e-3)
    assert model.intercepts_[0][0] == pytest.approx(linear.intercept_, abs=0.02)
    np.testing.assert_allclose(model.predict(X), linear.predict(X), rtol=0.03)
    by_hand = np.exp(X @ model.coefs_[0] + model.intercepts_[0])[:, 0]
    np.testing.assert_allclose(model.predict(X), by_hand, rtol=1e-4)
    assert model.score(X, y) == pytest.approx(r2_score(y, model.predict(X)))


def test_poisson_refuses_negative_targets(counts):
    X, y = counts
    with pytest.raises(ValueError, match=r"y has the negative value -3; loss='poisson"):
        MLPRegressor(loss="poisson").fit(X, y - 3.0 - y.min())
    model = MLPRegressor(loss="poisson")
    with pytest.raises(ValueError, match=r"y_val has the negative value -1; loss"):
        model.fit(X, y, X_val=X[:5], y_val=[1, 2, 3, 4, -1.0])


def test_a_model_that_trains_on_keeps_its_link(counts):
    model = MLPRegressor((3,), **PLAN).partial_fit(*counts)
    model.set_params(loss="poisson")
    with pytest.raises(ValueError, match=r"loss='poisson'.*out_activation_='exp'.*'id"):
        model.partial_fit(*counts)
    np.testing.assert_array_equal(model.predict(counts[0]).shape, 600)


@pytest.mark.parametrize("classes", [2, 3])
def test_smoothed_labels_hold_probabilities_back(classes):
    """Where classes are apart, the probability tends to that of the smoothed target."""
    y = np.arange(60) % classes
    X = np.eye(classes)[y]
    plan = PLAN | dict(max_iter=100, learning_rate_init=0.1)
    model = MLPClassifier((8,), label_smoothing=0.2, **plan).fit(X, y)
    found = model.predict_proba(X)[np.arange(60), y]
    np.testing.assert_allclose(found, 0.8 + 0.2 / classes, atol=0.01)
    assert model.score(X, y) == 1
    chances = model.predict_proba(X)
    target = 0.8 * np.eye(classes)[y] + 0.2 / classes
    loss = -(target * np.log(chances)).sum(axis=1).mean()
    assert model.loss_ == pytest.approx(loss, abs=1e-3)
    assert MLPClassifier((8,), **plan).fit(X, y).predict_proba(X).max() > 0.99


def test_huber_lies_between_and_its_delta_counts(skewed):
    X, y = skewed
    deviation = max(y.std(), (y.max() - y.mean()) / 5)
    for delta in (0.05, 0.5):
        found = constant_of(Huber(delta), X, y)
        assert np.median(y) - 0.1 < found < y.mean()
        residuals = np.clip(y - found, -delta * deviation, delta * deviation)
        assert abs(residuals.mean()) < 0.1 * np.abs(residuals).mean()
    assert constant_of(Huber(1e6), X, y) == constant_of("squared_error", X, y)


@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_loss_curve_is_of_the_loss(skewed, loss):
    """The loss of the outputs that the model ends with, in the network's units."""
    X, y = skewed
    model = MLPRegressor((5,), loss=loss, standardize=False, **PLAN).fit(X, y)
    found = model.predict(X)
    size = np.abs(found - y)
    values = {
        "squared_error": size**2 / 2,
        "absolute_error": size,
        "huber": np.where(size > 1.35, 1.35 * (size - 1.35 / 2), size**2 / 2),
        "quantile": size / 2,
        "poisson": found - y * np.log(np.maximum(found, 1e-300)),
    }
    assert model.loss_ == pytest.approx(values[loss].mean(), rel=0.02)
    assert model.out_activation_ == ("exp" if loss == "poisson" else "identity")


@pytest.mark.parametrize("loss", ["absolute_error", Huber(0.3)])
def test_every_regressor_has_it_and_several_outputs(loss):
    random = np.random.default_rng(1)
    X = random.normal(size=(80, 6, 6))
    y = np.stack([X.mean(axis=(1, 2)), X[:, 0, 0]], axis=1)
    plan = PLAN | {"max_iter": 60}
    models = [
        CNNRegressor(((4, 3),), hidden_layer_sizes=(8,), loss=loss, **plan),
        NetworkRegressor(Network([Dense(8), Dense(2)], (36,)), loss=loss, **plan),
        MLPRegressor((8,), loss=loss, **plan),
    ]
    for model, rows in zip(models, (X, X.reshape(80, -1), X.reshape(80, -1)),
                           strict=True):  # fmt: skip
        assert model.fit(rows, y).score(rows, y) > 0.5


def test_an_object_is_a_parameter_like_any_other(skewed):
    X, y = skewed
    model = MLPRegressor((3,), loss=Huber(0.7), **PLAN)
    assert model.get_params()["loss"] == Huber(0.7)
    again = clone(model)
    assert again.loss == Huber(0.7) and "loss=Huber(delta=0.7)" in repr(again)
    search = GridSearchCV(
        model, {"loss": ["squared_error", Huber(0.1), "absolute_error"]}, cv=2
    )
    search.fit(X, y)
    assert search.best_params_["loss"] in (
        "squared_error",
        Huber(0.1),
        "absolute_error",
    )


def test_a_model_that_trains_on_takes_up_another_loss(skewed):
    X, y = skewed
    model = MLPRegressor((3,), **PLAN).partial_fit(X, y)
    other = MLPRegressor((3,), **PLAN).partial_fit(X, y)
    other.set_params(loss="absolute_error")
    assert model.partial_fit(X, y).loss_ != other.partial_fit(X, y).loss_


@pytest.mark.parametrize("loss", ["softmax", "hubber", None, LogisticCrossEntropy()])
def test_other_losses_are_refused(skewed, loss):
    with pytest.raises(ValueError, match=r"'loss' parameter.*absolute_error"):
        MLPRegressor(loss=loss).fit(*skewed)


@pytest.mark.parametrize("quantile", [0, 1, -0.5, np.nan, "0.5"])
def test_quantile_is_between_zero_and_one(skewed, quantile):
    with pytest.raises(ValueError, match=r"'quantile' parameter.*\(0.0, 1.0\)"):
        MLPRegressor(loss="quantile", quantile=quantile).fit(*skewed)
    with pytest.raises(ValueError, match=r"quantile=.* of Quantile must be a number"):
        Quantile(quantile)


@pytest.mark.parametrize("smoothing", [1.0, -0.1, "0.1"])
def test_smoothing_is_a_share(skewed, smoothing):
    X, y = skewed
    with pytest.raises(ValueError, match=r"'label_smoothing' parameter.*\[0.0, 1.0\)"):
        MLPClassifier(label_smoothing=smoothing).fit(X, y > 1)


@pytest.mark.parametrize("delta", [0, -1.0, np.nan, np.inf, "1", None])
def test_delta_is_a_positive_number(delta):
    with pytest.raises(ValueError, match=r"delta=.* of Huber must be a number in"):
        Huber(delta)
