"""Validation of samples, targets and weights, in scikit-learn's words."""

import numpy as np
from sklearn.utils.validation import _check_sample_weight, validate_data

from hogblock._places import on_host
from hogblock.devices import is_device_array

STORED_TYPES = (np.float64, np.float32, np.uint8)
"""X of these types is trained on as it is; all others become the first."""


def check_X(estimator, X):
    """X as a fitted estimator takes it, where it lies."""
    return _check(estimator, X, reset=False)


def check_X_y(estimator, X, y, *, reset: bool):
    """X where it lies, and y on the host, where its classes are found."""
    return _check(estimator, X, on_host(y), reset=reset, multi_output=True)


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
