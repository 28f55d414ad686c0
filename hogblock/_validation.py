"""Validation of samples, targets and weights, in scikit-learn's words."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import _check_sample_weight, validate_data

from hogblock._places import on_host
from hogblock.devices import is_device_array

STORED_TYPES = (np.float64, np.float32, np.uint8)
"""X of these types is trained on as it is; all others become the first."""

SAFE_WEIGHTS = 1e-20, 1e20
"""Sums of weights of this size, and of their products with losses, are float32."""


def check_X(estimator, X):
    """X as a fitted estimator takes it, where it lies."""
    return _check(estimator, X, reset=False)


def check_X_y(estimator, X, y, *, reset: bool):
    """X where it lies, and y on the host, where its classes are found; not sparse."""
    X, y = _check(estimator, X, on_host(y), reset=reset, multi_output=True)
    return X, y.toarray() if issparse(y) else y


def _check(estimator, X, *y, **options):
    if is_device_array(X):
        from hogblock.cuda.validation import check_device_array

        return check_device_array(estimator, X, *y, **options)
    return validate_data(estimator, X, *y, dtype=STORED_TYPES, order="C", **options)


def check_weights(sample_weight, y) -> np.ndarray:
    """Sample weights on the host, one for each of y."""
    sample_weight = on_host(sample_weight)
    if not np.asarray(sample_weight).any():
        raise ValueError(
            "sample_weight is zero everywhere; at least one must be positive"
        )
    return _check_sample_weight(sample_weight, y, ensure_non_negative=True)


def single_weights(weights: np.ndarray) -> np.ndarray:
    """Sample weights, class weights multiplied in, as float32 to train with.

    Weights out of the range of `SAFE_WEIGHTS` are divided by the mean of the positive
    ones, so that `alpha` counts as without weights. All others stay as they are:
    their size says how much `alpha` counts.

    Raises
    ------
    ValueError
        If one is negative or not finite, or none is positive.
    """
    weights = np.asarray(weights, np.float64)
    wrong = [
        (~np.isfinite(weights).all(), "not finite"),
        (weights.min() < 0, "negative"),
        (not weights.any(), "zero everywhere; at least one must be positive"),
    ]
    for found, what in wrong:
        if found:
            raise ValueError(f"sample_weight times class_weight is {what}")
    largest = weights.max()
    if not SAFE_WEIGHTS[0] <= largest <= SAFE_WEIGHTS[1]:
        weights = weights / largest  # their sum is a float64 then
        weights /= weights[weights > 0].mean()
    return np.ascontiguousarray(weights, np.float32)
