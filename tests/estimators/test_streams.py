"""``partial_fit`` of a stream of small parts, whose first say little of what comes."""

import numpy as np
import pytest

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor
from hogblock.training.scaling import ENOUGH

RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=(600, 3))
X = Z * [50, 1e-3, 1e6] + [1e3, 5, -1e8]
LABELS = (Z @ [1, -1, 0.5] > 0).astype(int)
VALUES = 1e5 + 300 * (np.sin(Z[:, 0]) + Z[:, 1])
STILL = dict(learning_rate_init=1e-30, alpha=0)
"""Options of a fit that changes nothing but the scaling."""


def streamed(model, x, y, size, passes=1, **first):
    for _ in range(passes):
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            model.partial_fit(x[part], y[part], **first)
            first = {}
    return model


def classifier(**options):
    rate = dict(learning_rate_init=0.03)
    return MLPClassifier((20,), random_state=0, **rate | options)


def regressor(**options):
    rate = dict(learning_rate_init=0.03)
    return MLPRegressor((20,), random_state=0, **rate | options)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_stream_of_few_rows_at_a_time(size):
    rate = dict(learning_rate_init=0.002 * size)
    rows = slice(200 * size)
    model = streamed(classifier(**rate), X[rows], LABELS[rows], size, classes=[0, 1])
    assert model.score(X, LABELS) > 0.9
    model = streamed(regressor(**rate), X[rows], VALUES[rows], size, 2)
    assert model.score(X, VALUES) > 0.5


def test_a_stream_of_single_images():
    x = RANDOM.integers(90, 110, size=(300, 4, 4), dtype=np.uint8)
    y = np.arange(300) % 2
    x[y == 1, :2] += 8
    model = CNNClassifier(((4, 3),), hidden_layer_sizes=8, random_state=0)
    assert streamed(model, x, y, 1, classes=[0, 1]).score(x, y) > 0.9


@pytest.mark.parametrize("size", [1, 40, 200])
def test_first_rows_that_are_all_equal(size):
    x = np.vstack([np.repeat(X[:1], size, axis=0), X])
    y = np.r_[np.repeat(LABELS[:1], size), LABELS]
    model = classifier().partial_fit(x[:size], y[:size], classes=[0, 1])
    streamed(model, x[size:], y[size:], 50, 5)
    assert model.score(X, LABELS) > 0.93
    y = np.r_[np.repeat(VALUES[:1], size), VALUES]
    model = regressor().partial_fit(x[:size], y[:size])
    assert model.predict(x[:1]) == pytest.approx(VALUES[0], rel=1e-3)
    assert streamed(model, x[size:], y[size:], 50, 15).score(X, VALUES) > 0.8


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("before", ["partial_fit", "fit"])
def test_a_column_that_varies_only_later(before):
    """What was constant has taught nothing, so that its scaling is free."""
    x = X.copy()
    x[:300, 1] = 5
    x[:, 1] = (x[:, 1] - 5) * 1e8 + 5
    y = (Z[:, 1] > 0).astype(int)
    model = classifier()
    if before == "fit":
        model.set_params(max_iter=20).fit(x[:300], y[:300])
    else:
        streamed(model, x[:300], y[:300], 150, classes=[0, 1])
    streamed(model, x[300:], y[300:], 30, 8)
    assert model.score(x[300:], y[300:]) > 0.9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_with_a_column_that_was_constant():
    x = X.copy()
    x[:300, 1] = 5
    model = classifier(warm_start=True, max_iter=10)
    model.fit(x[:300], LABELS[:300]).fit(x[300:], LABELS[300:])
    assert model.score(x[300:], LABELS[300:]) > 0.93
    values = np.r_[np.full(300, VALUES[0]), VALUES[300:]]
    model = regressor(warm_start=True, max_iter=60)
    model.fit(x[:300], values[:300])
    assert model.fit(x[300:], values[300:]).score(x[300:], values[300:]) > 0.8


@pytest.mark.parametrize("kind", [classifier, regressor])
def test_scaling_is_final_after_enough_rows_or_a_fit(kind):
    y = LABELS if kind is classifier else VALUES
    first = dict(classes=[0, 1]) if kind is classifier else {}
    other = 3 * X[:50] + 1
    for rows in (ENOUGH, ENOUGH // 2):
        model = kind(**STILL).partial_fit(X[:rows], y[:rows], **first)
        before = model.coefs_[0]
        changed = (model.partial_fit(other, y[:50]).coefs_[0] != before).any()
        assert changed == (rows < ENOUGH)
    planned = kind(**STILL, learning_rate="step", max_iter=2)
    model = planned.fit(X[:50], y[:50])
    before = model.coefs_[0]
    np.testing.assert_array_equal(model.partial_fit(other, y[:50]).coefs_[0], before)


def test_a_part_that_is_refused_changes_nothing():
    model = regressor().partial_fit(X[:3], VALUES[:3])
    before = model.predict(X)
    with pytest.raises(ValueError, match="y has 2 outputs; the model has 1"):
        model.partial_fit(X[:3], np.c_[VALUES, VALUES][:3])
    with pytest.raises(ValueError, match="a range beyond float64"):
        model.partial_fit(X[:2], [-1.7e308, 1.7e308])
    np.testing.assert_array_equal(model.predict(X), before)
