"""What a run has to learn: valid samples, weights, targets, and a validation set."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hogblock.engines.locations import Elsewhere, is_device_array
from hogblock.estimators.continued import Standing
from hogblock.estimators.repeats import merge_repeats
from hogblock.estimators.targets import ClassTargets, RealTargets
from hogblock.estimators.validation import check_weights, check_X_y, training_weights
from hogblock.estimators.validation_set import ValidationSet, set_aside
from hogblock.training.statistics import Statistics


@dataclass(frozen=True)
class Given:
    """Arguments of ``fit`` or ``partial_fit``, as they came.

    Attributes
    ----------
    X, y : array-like
    weights : array-like or None
    validation : ValidationSet
    classes : array-like or None
        All that will ever come.
    """

    X: Any
    y: Any
    weights: Any
    validation: ValidationSet
    classes: Any = None


@dataclass(frozen=True)
class Problem:
    """What is learnt.

    Attributes
    ----------
    X : array of shape (n_rows, n_features), float32, float64 or uint8; or SparseRows
        Equal samples are one row where all are one minibatch. Or what stands for rows
        that lie elsewhere.
    y : ndarray or None
        None if it lies there too.
    weights : ndarray of shape (n_rows,) or (0,), float32
        Of samples and classes; empty means all 1.
    targets : ClassTargets or RealTargets
    validation : ValidationSet or None
    shape : tuple of int
        Of a sample.
    n_samples : int
        Rows before equal ones were merged.
    """

    X: Any
    y: np.ndarray | None
    weights: np.ndarray
    targets: ClassTargets | RealTargets
    validation: ValidationSet | None
    shape: tuple[int, ...]
    n_samples: int

    def encoded(self) -> np.ndarray:
        """Targets as the kernels read them; empty if they lie elsewhere."""
        if self.y is None:
            return np.zeros(0, np.float32)
        return self.targets.encode(self.y)

    def statistics(self, channels: int | None) -> Statistics:
        """Of the columns of X, see ``Statistics.of``."""
        if self.y is None:
            return self.X.statistics(channels)
        return Statistics.of(self.X, self.weights, channels)


def problem_of(estimator, given: Given, standing: Standing, random_state) -> Problem:
    """Check what was given, and what it asks for.

    Parameters
    ----------
    estimator : NetworkEstimator
    given : Given
    standing : Standing
    random_state : int, RandomState or None
        What a validation set is drawn by.

    Raises
    ------
    ValueError
        For bad input, or targets that are not those of the model that trains on.
    """
    rows_elsewhere = isinstance(given.X, Elsewhere)
    if rows_elsewhere:  # as an engine has opened them
        return given.X.problem(estimator, given, standing)
    X, y, weights, shape = checked_samples(estimator, given, standing)
    validation = checked_validation(estimator, given.validation, X, shape)
    targets = (
        estimator._targets
        if standing.goes_on
        else estimator._make_targets(y, training_weights(weights), given.classes)
    )
    by_class = estimator._class_weights(y, weights, targets)
    if validation is not None:
        validation = scorable(validation, targets, by_class)
    weights = training_weights(weights, by_class, y)
    if estimator.early_stopping and validation is None:
        X, y, weights, validation = set_aside(
            X, y, weights, targets,
            estimator.validation_fraction, random_state,
        )  # fmt: skip
    n_samples = len(X)
    if n_samples <= estimator._batch_size(n_samples) and not is_device_array(X):
        X, y, weights = merge_repeats(X, y, weights)
    targets = _training_targets(estimator, targets, y, weights, standing)
    return Problem(X, y, weights, targets, validation, shape, n_samples)


def checked_samples(estimator, given: Given, standing: Standing):
    """Valid X, y and weights (float64, or None), and the shape of a sample."""
    form = estimator._form
    X = form.rows_again(given.X, estimator) if standing.warm else form.rows(given.X)
    X, y = check_X_y(estimator, X, given.y, reset=not standing.warm)
    weights = given.weights
    if weights is not None:
        weights = check_weights(weights, y)
    y = estimator._check_y(y)
    if not standing.warm:
        return X, y, weights, form.sample_shape(given.X, X.shape[1])
    form.check_scale(X, estimator._scale, "X")
    shape = form.sample_shape_again(estimator._shape, X.shape[1])
    return X, y, weights, shape


def checked_validation(
    estimator, given: ValidationSet, X, shape
) -> ValidationSet | None:
    """A valid validation set, or None; X is valid, and its samples have `shape`."""
    given.check_complete()
    if given.X is None:
        return None
    form = estimator._form
    form.check_sample_shape(given.X, shape, "X_val")
    X_val, y_val = check_X_y(
        estimator, form.rows(given.X), given.y, reset=False, names=("X_val", "y_val")
    )
    form.check_scale(X_val, form.scale(X), "X_val")
    weights = given.weights
    if weights is not None:
        weights = check_weights(weights, y_val, "sample_weight_val")
    return ValidationSet(X_val, estimator._check_y(y_val), weights)


def scorable(validation: ValidationSet, targets, by_class) -> ValidationSet:
    """The validation set with class weights, if its score is defined."""
    targets.encode(validation.y, "y_val")  # raises for classes that are unknown
    validation = validation.weighted(by_class)
    validation.check_scorable(targets, "the validation set (X_val)")
    return validation


def _training_targets(estimator, targets, y, weights, standing: Standing):
    """Targets of the rows that are left to train on."""
    if standing.warm:
        if not targets.same_as(estimator._targets):
            raise ValueError(
                "with warm_start=True y must have the classes or outputs of the fit "
                "before"
            )
        return estimator._targets.refined(y, weights)
    # Merging may have dropped a class whose samples all have weight zero.
    classes = getattr(targets, "classes", None)
    return estimator._make_targets(y, weights, classes)
