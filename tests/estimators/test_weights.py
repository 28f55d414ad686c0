"""Sample weights of any size: what counts is their proportions."""

import numpy as np
import pytest

from hogblock import MLPClassifier, MLPRegressor

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 4))
LABELS = (X @ [1, -1, 0.5, 2] > 0).astype(int)
VALUES = np.sin(X[:, 0]) + X[:, 1]
WEIGHTS = RANDOM.uniform(0.5, 1.5, 200)
WEIGHTS[::7] = 0
WEIGHTS /= WEIGHTS[WEIGHTS > 0].mean()
PLAN = dict(
    hidden_layer_sizes=(20,),
    max_iter=20,
    learning_rate="cosine",
    learning_rate_init=0.05,
    random_state=0,
)
KINDS = {MLPClassifier: LABELS, MLPRegressor: VALUES}


def predictions(kind, weights, **options):
    model = kind(**PLAN | options).fit(X, KINDS[kind], weights)
    assert model.score(X, KINDS[kind]) > 0.9
    assert 0 < model.loss_ < 0.3
    return model.predict_proba(X) if kind is MLPClassifier else model.predict(X)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("factor", [1e-300, 1e-46, 1e-38, 1e37, 1e39, 1e300])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(60)
def test_weights_beyond_float32(kind, factor, n_jobs):
    found = predictions(kind, factor * WEIGHTS, n_jobs=n_jobs, batch_size=25)
    if n_jobs == 1:
        wanted = predictions(kind, WEIGHTS, batch_size=25)
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_full_batches_of_weights_beyond_float32(kind):
    """Where equal samples are merged into one weight."""
    for factor in (1e-46, 1e39):
        found = predictions(kind, factor * WEIGHTS, batch_size=200, max_iter=200)
        wanted = predictions(kind, WEIGHTS, batch_size=200, max_iter=200)
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("factor", [2.0**-6, 2.0**6])
def test_alpha_is_as_large_as_the_weights_make_it(factor):
    """The objective is (sum w loss + alpha / 2 |W|^2) / sum w, within float32."""
    wanted = predictions(MLPClassifier, WEIGHTS, alpha=0.05)
    found = predictions(MLPClassifier, factor * WEIGHTS, alpha=0.05 * factor)
    np.testing.assert_array_equal(found, wanted)
    other = MLPClassifier(**PLAN, alpha=0.05).fit(X, LABELS, factor * WEIGHTS)
    assert np.abs(other.predict_proba(X) - wanted).max() > 1e-3


def test_huge_weights_of_some():
    """The others do not count, and nothing overflows."""
    junk = np.arange(200) % 3 == 0
    y = np.where(junk, 1 - LABELS, LABELS)
    weights = np.where(junk, 1.0, 1e200)
    assert MLPClassifier(**PLAN).fit(X, y, weights).score(X, LABELS) > 0.9


def test_class_weights_are_part_of_the_size():
    huge = MLPClassifier(**PLAN, class_weight={0: 1e200, 1: 1e200}).fit(X, LABELS)
    plain = MLPClassifier(**PLAN).fit(X, LABELS)
    np.testing.assert_allclose(huge.predict_proba(X), plain.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize(
    ("class_weight", "weight", "message"),
    [
        ({0: np.nan, 1: 1}, 1.0, "class_weight.* (not finite|finite numbers of 0)"),
        ({0: np.inf, 1: 1}, 1.0, "class_weight.* (not finite|finite numbers of 0)"),
        ({0: 1e200, 1: 1}, 1e200, "class_weight.* (not finite|finite numbers of 0)"),
        ({0: -1, 1: 1}, 1.0, "class_weight.* (negative|finite numbers of 0)"),
        ({0: 0, 1: 0}, 1.0, "class_weight.* zero everywhere"),
        ({0: 1e-200, 1: 1e-200}, 1e-200, "class_weight.* zero everywhere"),
        (None, np.inf, "sample_weight.* infinity"),
        (None, np.nan, "sample_weight.* NaN"),
    ],
)
def test_weights_that_are_none(class_weight, weight, message):
    model = MLPClassifier(**PLAN, class_weight=class_weight)
    with pytest.raises(ValueError, match=message):
        model.fit(X, LABELS, np.full(200, weight))


@pytest.mark.parametrize("dtype", [bool, int, np.float16, np.float32])
def test_types_of_weights(dtype):
    weights = (np.arange(200) % 3 > 0).astype(dtype)
    wanted = predictions(MLPClassifier, weights.astype(float))
    np.testing.assert_array_equal(predictions(MLPClassifier, weights), wanted)
