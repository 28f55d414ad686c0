"""Objectives of fitted estimators, and their gradients."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from hogblock.asynchrony.problems.objective import Objective
from hogblock.engines.locations import is_device_array
from hogblock.estimators.base import NetworkEstimator
from hogblock.estimators.validation import check_weights, check_X_y, training_weights


def objective_of(estimator, X, y, sample_weight=None) -> Objective:
    """What a fitted estimator minimises on X and y, with its scaling and penalty.

    Parameters
    ----------
    estimator : fitted classifier or regressor of this package
    X : array-like
        On the host; samples as for ``fit``.
    y : array-like
    sample_weight : array-like of shape (n_samples,), default=None

    Raises
    ------
    NotFittedError, ValueError
        If the estimator is not fitted, the data are not as in its fit, or dropout or
        augmentation make its objective an expectation.
    """
    if not isinstance(estimator, NetworkEstimator):
        raise ValueError(
            f"{estimator!r} is a {type(estimator).__name__}; allowed are problems of "
            "hogblock.asynchrony, and fitted estimators of hogblock"
        )
    check_is_fitted(estimator)
    for name, given in {"X": X, "y": y}.items():
        if given is None:
            raise ValueError(f"{name}=None: pass the samples to look at as X and y")
    if getattr(estimator, "augmentation", None):
        raise ValueError(
            f"augmentation={estimator.augmentation!r} changes samples at random, so "
            "that steps follow no one function: fit without it"
        )
    if is_device_array(X):
        raise ValueError(f"X is a {type(X).__name__} on a device; pass it on the host")
    if issparse(X):
        raise ValueError("X is sparse; pass X.toarray()")
    rows = estimator._form.rows_again(X, estimator)
    X, y = check_X_y(estimator, rows, y, reset=False)
    estimator._form.check_scale(X, estimator._scale, "X")
    if sample_weight is not None:
        sample_weight = check_weights(sample_weight, y)
    y, targets = estimator._check_y(y), estimator._targets
    by_class = estimator._class_weights(y, sample_weight, targets)
    return Objective(
        estimator._network,
        X,
        targets.encode(y),
        estimator._loss_of(targets),
        weights=training_weights(sample_weight, by_class, y),
        scaling=estimator._inputs,
        alpha=estimator.alpha,
        batch=estimator._batch_size(len(X)),
    )


def estimator_gradient(estimator, X, y, sample_weight=None) -> np.ndarray:
    """Gradient of `objective_of` at the fitted parameters, float64."""
    objective = objective_of(estimator, X, y, sample_weight)
    return objective.gradient(estimator._params)
