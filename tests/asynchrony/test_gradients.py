"""Gradients of fitted estimators: against the float64 twin, and against a step."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from hogblock import (
    Augmentation,
    CNNClassifier,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
)
from hogblock.asynchrony.gradients import estimator_gradient, objective_of
from hogblock.models import Dense, Dropout, Network
from support import naive

pytestmark = pytest.mark.filterwarnings("ignore:max_iter=1 epochs are over")

N = 150
ONCE = dict(max_iter=1, random_state=0, method="sgd", learning_rate_init=0.01)


def rows(seed=0):
    """Columns of unlike scales."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((N, 5)) * [1, 100, 0.01, 1, 1] + [0, 500, 0, 0, 0]
    return X, (X[:, 0] * X[:, 3] > 0) + (X[:, 4] > 0.5).astype(int)


def twin(estimator, X, targets, weights=None, batches=1):
    """The full gradient in float64."""
    inputs = estimator._inputs.scaled(np.asarray(X, float))
    loss = estimator._loss_of(estimator._targets).name
    return naive.network_gradient(
        estimator._network, estimator._params, inputs, targets, loss,
        weights=weights, alpha=batches * estimator.alpha,
    )[1]  # fmt: skip


@pytest.mark.parametrize("standardize", [True, False])
def test_classifiers(standardize):
    X, y = rows()
    if not standardize:
        X = X / np.abs(X).max(axis=0)
    model = MLPClassifier((6,), alpha=0.5, batch_size=40, standardize=standardize)
    model.set_params(**ONCE).fit(X, np.array(["a", "b", "c"])[y])
    assert (model._inputs.shift.size > 0) == standardize
    found = estimator_gradient(model, X, np.array(["a", "b", "c"])[y])
    assert found.shape == (model._network.size,) and found.dtype == np.float64
    np.testing.assert_allclose(found, twin(model, X, y, batches=4), atol=2e-6)
    assert np.linalg.norm(found) > 0.1


def test_weights_of_samples_and_classes():
    X, y = rows()
    y = (y > 0).astype(int)
    weights = np.random.default_rng(1).random(N)
    weights[:50] = 0  # a minibatch without weight
    model = MLPClassifier((6,), class_weight={0: 3, 1: 1}, alpha=0.5, batch_size=50)
    model.set_params(**ONCE).fit(X, y, sample_weight=weights)
    found = estimator_gradient(model, X, y, weights)
    both = weights * np.where(y == 0, 3, 1)
    expected = twin(model, X, y[:, None], both, batches=2)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_regressors_scale_their_targets():
    X, y = rows()
    y = np.column_stack([1000.0 * y, X[:, 0]])
    model = MLPRegressor((6,), loss="huber", **ONCE).fit(X, y)
    expected = twin(model, X, model._targets.scaled(y))
    found = objective_of(model, X, y)
    np.testing.assert_allclose(
        found.gradient(model._params), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_images():
    random = np.random.default_rng(2)
    X = random.integers(0, 255, (30, 9, 9)).astype(np.uint8)
    y = np.arange(30) % 3
    model = CNNClassifier(standardize=True, batch_size=8, alpha=0.0)
    model.set_params(**ONCE).fit(X, y)
    expected = twin(model, X.reshape(30, -1), y)
    np.testing.assert_allclose(estimator_gradient(model, X, y), expected, atol=1e-5)


def test_a_step_goes_along_it():
    X, y = rows()
    model = MLPClassifier((6,), alpha=0.5, batch_size=N, momentum=0, **ONCE)
    model.fit(X, y)
    before, gradient = model._params.astype(float), estimator_gradient(model, X, y)
    model.partial_fit(X, y)
    np.testing.assert_allclose(model._params, before - 0.01 * gradient, atol=1e-6)
    assert np.abs(model._params - before).max() > 1e-4


DROPPING = Network([Dense(4, "relu"), Dropout(0.1), Dense(3)], (5,))


def test_what_has_no_gradient_is_refused():
    X, y = rows()
    with pytest.raises(NotFittedError):
        estimator_gradient(MLPClassifier(), X, y)
    with pytest.raises(ValueError, match=r"layer 1 \(Dropout\(.*0\.1.* drops"):
        estimator_gradient(NetworkClassifier(DROPPING, **ONCE).fit(X, y), X, y)
    images = np.random.default_rng(0).random((30, 9, 9))
    model = CNNClassifier(augmentation=Augmentation(flip=True), **ONCE)
    labels = np.arange(30) % 3
    with pytest.raises(ValueError, match=r"augmentation=.* changes samples at random"):
        estimator_gradient(model.fit(images, labels), images, labels)


def test_other_data_are_refused():
    X, y = rows()
    model = MLPClassifier((4,), **ONCE).fit(X, y)
    with pytest.raises(ValueError, match="X has 4 features"):
        estimator_gradient(model, X[:, :4], y)
    with pytest.raises(ValueError, match=r"classes \[7\] that are not in"):
        estimator_gradient(model, X, np.where(y == 0, 7, y))
    with pytest.raises(ValueError, match="y=None"):
        estimator_gradient(model, X, None)
    with pytest.raises(ValueError, match="'mlp' is a str; allowed are"):
        estimator_gradient("mlp", X, y)
