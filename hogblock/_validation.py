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


def check_weights(weights, y, name: str = "sample_weight") -> np.ndarray:
    """Sample weights on the host, one for each of y, float64."""
    weights = on_host(weights)
    if not np.asarray(weights).any():
        raise ValueError(f"{name} is zero everywhere; at least one must be positive")
    try:
        return _check_sample_weight(
            weights, y, dtype=np.float64, ensure_non_negative=True
        )
    except ValueError as error:
        raise ValueError(str(error).replace("sample_weight", name)) from None


def training_weights(weights, by_class=None, y=None) -> np.ndarray:
    """Weights as the kernels read them: float32 of shape (n_samples,), or (0,).

    Parameters
    ----------
    weights : ndarray of shape (n_samples,) or None
    by_class : ClassWeights, default=None
        Factors on them, for the targets y.
    """
    if by_class is not None:
        weights = by_class.factors(y) * (1 if weights is None else weights)
        if not weights.any():
            raise ValueError(
                "class_weight and sample_weight together are zero everywhere; at least "
                "one sample must have a positive weight"
            )
    return np.ascontiguousarray([] if weights is None else weights, np.float32)
