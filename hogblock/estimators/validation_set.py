"""The validation set of a fit: given by the user, or set aside from the samples."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from hogblock.estimators.targets import ClassTargets, RealTargets


class ValidationSet(NamedTuple):
    """Samples that are scored and not trained on.

    Attributes
    ----------
    X, y : array
    weights : ndarray of shape (n_samples,), or None
        Sample weights, class weights included.
    """

    X: Any
    y: Any
    weights: np.ndarray | None

    def check_complete(self) -> None:
        """Raise unless there are X and y, or nothing at all."""
        if self.X is not None and self.y is None:
            raise ValueError("y_val is missing: pass X_val and y_val together")
        if self.X is None and self.y is not None:
            raise ValueError("X_val is missing: pass X_val and y_val together")
        if self.X is None and self.weights is not None:
            raise ValueError(
                "X_val is missing: sample_weight_val weighs the samples of X_val"
            )

    def weighted(self, by_class) -> "ValidationSet":
        """With class weights, if there are any, multiplied into the sample weights."""
        weights = self.weights
        if weights is not None:
            weights = weights / weights.max()  # their sum might overflow
        if by_class is not None:
            weights = by_class.factors(self.y) * (1 if weights is None else weights)
        return self._replace(weights=weights)

    def check_scorable(self, targets, name: str) -> None:
        """Raise unless the score is defined.

        Parameters
        ----------
        targets : ClassTargets or RealTargets
        name : str
            Of the set, in the message.
        """
        counted = len(self.y) if self.weights is None else int((self.weights > 0).sum())
        if counted == 0:
            raise ValueError(
                f"{name} has no sample of positive weight (sample and class weights "
                "multiplied): there is nothing to score"
            )
        if isinstance(targets, RealTargets) and counted == 1:
            raise ValueError(
                f"{name} has one sample of positive weight, and R^2 is defined for two "
                "or more"
            )


NO_VALIDATION = ValidationSet(None, None, None)


def set_aside(X, y, weights, targets, fraction: float, random_state):
    """Split off a validation set, stratified by class where there are classes.

    Samples of weight zero are none for the split: they stay in the training part, and
    the others are split as they would be without them.

    Parameters
    ----------
    X, y : array
    weights : ndarray of shape (n_samples,) or (0,), float32
    targets : ClassTargets or RealTargets
    fraction : float
        Of the samples of positive weight.
    random_state : int, RandomState or None

    Returns
    -------
    X, y, weights
        The training part.
    ValidationSet
    """
    there = np.flatnonzero(weights > 0) if weights.size else np.arange(len(X))
    if len(there) < 2:
        raise ValueError(
            f"early_stopping sets a part of the samples aside, and {len(there)} of "
            f"{len(X)} has a positive weight: pass X_val and y_val"
        )
    stratify = None
    if isinstance(targets, ClassTargets) and y.ndim == 1:
        stratify = y[there]
    kept, held = train_test_split(
        there,
        random_state=check_random_state(random_state),
        test_size=fraction,
        stratify=stratify,
    )
    if weights.size:
        kept = np.concatenate([kept, np.flatnonzero(weights == 0)])
    aside = ValidationSet(X[held], y[held], weights[held] if weights.size else None)
    aside.check_scorable(
        targets,
        f"the part of validation_fraction={fraction} that early_stopping sets aside",
    )
    return X[kept], y[kept], weights[kept] if weights.size else weights, aside
