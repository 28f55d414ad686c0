"""``max_grad_norm`` of estimators."""

import numpy as np
import pytest

from hogblock import MLPRegressor

PLAN = dict(hidden_layer_sizes=(5,), max_iter=3, random_state=0, learning_rate="cosine")


@pytest.fixture(scope="module")
def outliers():
    """Targets one of which is far away."""
    random = np.random.default_rng(0)
    X = random.normal(size=(128, 4))
    y = X.sum(axis=1)
    y[3] = 1e4
    return X, y


def test_it_bounds_a_step(outliers):
    """Of one step on all samples, without momentum or penalty: rate times the norm."""
    X, y = outliers
    how = PLAN | dict(batch_size=128, momentum=0.0, alpha=0.0, max_iter=1)
    how |= dict(learning_rate_init=0.1, standardize=False, learning_rate="constant")
    start = MLPRegressor(**how | dict(learning_rate_init=1e-30)).partial_fit(X, y)
    for largest in (0.5, 1e-3):
        model = MLPRegressor(max_grad_norm=largest, **how).partial_fit(X, y)
        moved = [
            np.square(a - b).sum()
            for name in ("coefs_", "intercepts_")
            for a, b in zip(getattr(model, name), getattr(start, name), strict=True)
        ]
        assert np.sqrt(sum(moved)) == pytest.approx(0.1 * largest, rel=1e-2)


def test_it_keeps_a_run_finite(outliers):
    X, y = outliers
    how = PLAN | dict(
        standardize=False, on_divergence="restore", learning_rate_init=1.0
    )
    with pytest.warns(UserWarning, match="diverged"):
        MLPRegressor(**how).fit(X, y)
    model = MLPRegressor(max_grad_norm=1.0, **how).fit(X, y)
    assert model.n_iter_ == 3 and np.isfinite(model.loss_)


@pytest.mark.parametrize("largest", [0, -1.0, "1", np.nan])
def test_it_is_a_positive_number(outliers, largest):
    with pytest.raises(ValueError, match="'max_grad_norm' parameter"):
        MLPRegressor(max_grad_norm=largest).fit(*outliers)


@pytest.mark.usefixtures("simulator")
def test_a_card_refuses_it(outliers):
    with pytest.raises(ValueError, match=r"max_grad_norm=1.0 is for the host only"):
        MLPRegressor(max_grad_norm=1.0, device="cuda").fit(*outliers)
