"""Validation of samples, targets and weights, in scikit-learn's words."""

from contextlib import contextmanager

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import _check_sample_weight, validate_data

from hogblock.engines.cuda.validation import check_device_array
from hogblock.engines.locations import is_device_array, on_host
from hogblock.estimators.frames import (
    check_types,
    fault_of,
    frame_of,
    is_frame,
    stored_types,
    with_names,
)
from hogblock.estimators.plain import plain
from hogblock.kernels.warn import warn
from hogblock.training.sparse_rows import SparseRows

SPARSE_TYPES = (np.float32, np.float64)
"""Values of sparse X of these types stay; all others become the first."""

SAFE_WEIGHTS = 1e-20, 1e20
"""Sums of weights of this size, and of their products with losses, are float32."""


FEATURES = ("n_features_in_", "feature_names_in_")
"""What scikit-learn's validation of X notes in an estimator, before anything else."""


@contextmanager
def features_restored_on_failure(estimator):
    """`FEATURES` are those of the fit before, or none, if there is an exception."""
    before = {name: vars(estimator).get(name) for name in FEATURES}
    try:
        yield
    except BaseException:
        for name, value in before.items():
            vars(estimator).pop(name, None)
            if value is not None:
                setattr(estimator, name, value)
        raise


def check_X(estimator, X):
    """X as a fitted estimator takes it, where it lies; sparse X as ``SparseRows``."""
    return _check(estimator, X, reset=False)


def check_X_y(estimator, X, y, *, reset: bool, names: tuple[str, str] = ("X", "y")):
    """X where it lies, sparse X as ``SparseRows``; y on the host, where its classes are
    found, and not sparse.

    Parameters
    ----------
    estimator : NetworkEstimator
    X, y : array-like
    reset : bool
        Whether X says what columns there are.
    names : tuple of str, default=("X", "y")
        In errors.
    """
    y = plain(on_host(y), names[1])
    X, y = _check(estimator, X, y, reset=reset, name=names[0], multi_output=True)
    return X, y.toarray() if issparse(y) else y


def _check(estimator, X, *y, name="X", **options):
    if is_device_array(X):
        return check_device_array(estimator, X, *y, **options)
    if issparse(X):
        return _check_sparse(estimator, X, *y, name=name, **options)
    X = with_names(X)
    check_types(X, name)
    types = stored_types(X)
    try:
        return validate_data(estimator, X, *y, dtype=types, order="C", **options)
    except ValueError as error:
        fault = fault_of(X, name) if _has_its_columns(X, estimator) else None
        if fault is None and name != "X":
            fault = f"{name}: {error}"
        if fault is None:
            raise
        raise ValueError(fault) from error


def _check_sparse(estimator, X, *y, name, **options):
    try:
        checked = validate_data(
            estimator, X, *y, dtype=SPARSE_TYPES, accept_sparse="csr", **options
        )
    except ValueError as error:
        if name == "X":
            raise
        raise ValueError(f"{name}: {error}") from error
    if not y:
        return SparseRows.of(checked)
    return SparseRows.of(checked[0]), checked[1]


def _has_its_columns(X, estimator) -> bool:
    """Whether X has the columns of the estimator, as far as they have names."""
    names = getattr(estimator, "feature_names_in_", None)
    return not is_frame(X) or names is None or frame_of(X, "X").columns == list(names)


def flattened(y: np.ndarray) -> np.ndarray:
    """y, as one dimension if it has a single column, in scikit-learn's words."""
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    warn(
        "A column-vector y was passed when a 1d array was expected. Please change the "
        "shape of y to (n_samples,), for example using ravel().",
        DataConversionWarning,
    )
    return y.ravel()


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

    Weights out of the range of `SAFE_WEIGHTS` are divided by the mean of the positive
    ones, so that `alpha` counts as without weights. All others stay as they are:
    their size says how much `alpha` counts.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,) or None
    by_class : ClassWeights, default=None
        Factors on them, for the targets y.

    Raises
    ------
    ValueError
        If one is not finite, or none is positive.
    """
    if by_class is not None:
        with np.errstate(over="ignore"):  # refused next
            weights = by_class.factors(y) * (1 if weights is None else weights)
    if weights is None:
        return np.zeros(0, np.float32)
    for right, what in (
        (np.isfinite(weights).all(), "not finite"),
        (weights.any(), "zero everywhere; at least one must be positive"),
    ):
        if not right:
            raise ValueError(f"sample_weight times class_weight is {what}")
    largest = weights.max()
    if not SAFE_WEIGHTS[0] <= largest <= SAFE_WEIGHTS[1]:
        weights = weights / largest  # their sum is a float64 then
        weights /= weights[weights > 0].mean()
    return np.ascontiguousarray(weights, np.float32)
