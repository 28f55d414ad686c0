"""Data far from zero, of tiny or huge spread: a model of x is one of a + b x."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import r2_score

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor

PLANNED = dict(learning_rate="cosine", random_state=0)  # never a ConvergenceWarning
RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=(300, 4))
LABELS = (Z @ [1, -1, 0.5, 2] > 0).astype(int)
CORNERS = LABELS + 2 * (Z[:, 0] * Z[:, 1] > 0)
VALUES = np.sin(Z[:, 0]) + Z[:, 1]
SPREADS = [(1e6, 1e-2), (1e8, 1.0), (-1e12, 1e-2), (0.0, 1e300), (0.0, 1e-300)]
"""Offset and spread, of which float64 holds at least three digits."""


def classifier(**parameters):
    rate = dict(max_iter=20, learning_rate_init=0.05, batch_size=32)
    return MLPClassifier((20,), **PLANNED | rate | parameters)


def regressor(**parameters):
    rate = dict(max_iter=40, learning_rate_init=0.05, batch_size=32)
    return MLPRegressor((20,), **PLANNED | rate | parameters)


def forward(model, x):
    """Raw outputs by ``coefs_`` and ``intercepts_``, in float64."""
    *hidden, last = zip(model.coefs_, model.intercepts_, strict=True)
    for w, b in hidden:
        x = np.maximum(x @ w.astype(float) + b, 0)
    return x @ last[0].astype(float) + last[1]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(("offset", "spread"), SPREADS)
@pytest.mark.timeout(60)
def test_a_classifier_does_not_see_offset_and_spread(offset, spread, n_jobs):
    far = offset + spread * Z
    model = classifier(n_jobs=n_jobs).fit(far, LABELS)
    assert model.n_workers_ == n_jobs
    assert model.score(far, LABELS) > 0.95
    if n_jobs == 1:
        plain = classifier().fit(Z, LABELS)
        kept = max(1e-3, 1e-14 * abs(offset) / spread)
        found = model.predict_proba(far)
        np.testing.assert_allclose(found, plain.predict_proba(Z), atol=kept)


@pytest.mark.parametrize(("offset", "spread"), SPREADS)
def test_a_regressor_does_not_see_offset_and_spread(offset, spread):
    far = offset + spread * VALUES
    wanted = regressor().fit(Z, VALUES).score(Z, VALUES)
    model = regressor().fit(Z, far)
    assert wanted > 0.95
    assert model.score(Z, far) == pytest.approx(wanted, abs=1e-3)
    found = (model.predict(Z) - offset) / spread
    assert r2_score((far - offset) / spread, found) == pytest.approx(wanted, abs=1e-3)
    two = np.c_[far, VALUES]
    assert regressor().fit(Z, two).score(Z, two) > 0.95


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [1e-40, 1e-37, 1e37])
def test_spreads_whose_inverse_is_no_float32(dtype, spread):
    far = (spread * Z).astype(dtype)
    model = classifier().fit(far, LABELS)
    assert model.score(far, LABELS) > 0.95
    assert model.score(far.astype(np.float64), LABELS) > 0.95


def test_a_column_of_time_stamps():
    """Milliseconds of one afternoon, in 2026."""
    x = np.c_[1.77e12 + 1e4 * Z[:, 0].round(3), Z[:, 1:]]
    assert classifier().fit(x, LABELS).score(x, LABELS) > 0.95
    whole = x[:, :1].astype(np.int64)
    assert classifier().fit(whole, Z[:, 0] > 0).score(whole, Z[:, 0] > 0) > 0.95


def test_images_far_from_zero():
    x = RANDOM.normal(size=(200, 4, 4, 2))
    y = (x[:, :, :2, 0].sum(axis=(1, 2)) > 0).astype(int)
    model = CNNClassifier(
        ((6, 3),), hidden_layer_sizes=8, max_iter=25, batch_size=16, **PLANNED
    )
    far = 1e6 + 1e-2 * x
    assert model.fit(far, y).score(far, y) > 0.9


@pytest.mark.parametrize(("value", "noise"), [(0.3, 1e-16), (1e6, 1e-10), (1e12, 0)])
def test_rounding_is_no_spread(value, noise):
    """A column and targets that are constant but for their last bits."""
    same = value + noise * Z[:, :1]
    model = classifier().fit(np.c_[Z, same], LABELS)
    without = classifier().fit(np.c_[Z, np.zeros(300)], LABELS)
    assert model.loss_ == pytest.approx(without.loss_, rel=1e-3)
    constant = regressor().fit(Z, same[:, 0])
    np.testing.assert_allclose(constant.predict(Z), value, atol=0.1)


def test_singles_that_are_constant_but_for_their_last_bit():
    """At 1e12 that bit is worth 65536, which no network may see."""
    bits = np.where(Z[:, :1] > 0, 1e12, np.nextafter(np.float32(1e12), np.float32(0)))
    x = np.c_[Z, bits].astype(np.float32)
    assert np.ptp(x[:, -1]) > 1e4
    assert classifier().fit(x, LABELS).score(x, LABELS) > 0.95


def test_a_range_beyond_float64_is_refused():
    wide = Z.copy()
    wide[:2, 1] = -1.7e308, 1.7e308
    with pytest.raises(ValueError, match=r"^X .*column 1 .*-1\.7e\+308 to 1\.7e\+308"):
        classifier().fit(wide, LABELS)
    with pytest.raises(ValueError, match=r"^y .*column 0 .*-1\.7e\+308 to 1\.7e\+308"):
        regressor().fit(Z, wide[:, 1])


def test_float32_of_what_was_float64_in_fit():
    """A shift that is no float32 must not move rows that are."""
    x = (np.float32(1e4) + Z.astype(np.float32)).astype(np.float64)
    model = regressor().fit(x + 1e-4, VALUES)
    singles = x.astype(np.float32)
    found, wanted = model.predict(singles), model.predict(singles.astype(np.float64))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


# Scores ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.timeout(60)
def test_early_stopping_goes_on_at_an_offset(n_jobs):
    """float32 at 1e8 has steps of 8: no score could be told from the one before."""
    x = Z.astype(np.float32)
    near, far = (
        regressor(
            n_jobs=n_jobs,
            early_stopping=True,
            max_iter=60,
            learning_rate="constant",
            n_iter_no_change=10 if n_jobs == 1 else 60,
        ).fit(x, offset + VALUES)
        for offset in (0, 1e8)
    )
    assert near.best_validation_score_ > 0.9
    assert far.best_validation_score_ > 0.9
    assert far.score(x, 1e8 + VALUES) > 0.9
    assert far.n_iter_ == near.n_iter_
    if n_jobs == 1:
        np.testing.assert_allclose(
            far.validation_scores_, near.validation_scores_, atol=1e-5
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_predictions_keep_the_digits_of_y(dtype):
    x = RANDOM.integers(0, 256, (300, 3)).astype(dtype)
    y = 1e8 + x @ [0.01, 0.02, -0.01]
    model = regressor().fit(x, y)
    assert model.predict(x).dtype == np.float64
    assert r2_score(y, model.predict(x)) == pytest.approx(model.score(x, y), abs=1e-9)
    assert model.score(x, y) > 0.95


def test_scores_take_the_right_number_of_outputs():
    two = regressor(max_iter=2).fit(Z, np.c_[VALUES, VALUES])
    with pytest.raises(ValueError, match="y has 1 outputs; the model has 2"):
        two.score(Z, VALUES)
    one = regressor(max_iter=2).fit(Z, VALUES)
    assert one.score(Z, VALUES[:, None]) == one.score(Z, VALUES.tolist())
    with pytest.raises(ValueError, match="inconsistent"):
        one.score(Z, VALUES[:-1])
    with pytest.raises(ValueError, match="NaN"):
        one.score(Z, np.full(300, np.nan))


# Exported weights ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [1, 100])
@pytest.mark.parametrize("offset", [1e6, 1e8])
def test_coefs_compute_what_predict_does(offset, spread, dtype):
    if dtype == np.float32 and offset / spread > 1e5:
        spread *= 1e3  # what float32 holds
    x = (offset + spread * Z).astype(dtype)
    raw = x.astype(np.float64)
    for y, link in (
        (LABELS, lambda z: np.hstack([1 - expit(z), expit(z)])),
        (CORNERS, lambda z: softmax(z, axis=1)),
    ):
        model = classifier().fit(x, y)
        found = link(forward(model, raw))
        np.testing.assert_allclose(found, model.predict_proba(x), atol=1e-5)
    for y in (offset + spread * VALUES, 1e8 + 0.1 * np.c_[VALUES, Z]):
        model = regressor(max_iter=5).fit(x, y)
        found = forward(model, raw).reshape(y.shape)
        np.testing.assert_allclose(found, model.predict(x), rtol=0, atol=1e-5 * y.std())


def test_types_of_coefs():
    """float64 where a scaling is folded into them, else as they were trained."""
    for standardize, dtype in ((True, np.float64), (False, np.float32)):
        for model, y in ((classifier(), LABELS), (regressor(), VALUES)):
            model.set_params(standardize=standardize).fit(Z, y)
            for each in (*model.coefs_, *model.intercepts_):
                assert each.dtype == dtype
