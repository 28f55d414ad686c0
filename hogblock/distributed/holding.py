"""What a node holds of `Parts`: checked, summed up, and ready to train on."""

from typing import NamedTuple

import numpy as np

from hogblock.distributed.parts import read
from hogblock.distributed.task import Reading
from hogblock.estimators.class_weight import ClassWeights
from hogblock.estimators.problem import Given, checked_samples
from hogblock.estimators.validation import training_weights
from hogblock.estimators.validation_set import NO_VALIDATION
from hogblock.saving.fingerprint import fingerprint_of
from hogblock.training.settings import TrainingData
from hogblock.training.statistics import Statistics


class Summary(NamedTuple):
    """What the driver has to know of the samples of a node.

    Attributes
    ----------
    rows, features : int
    dtype : dtype
    names : list of str or None
        Of the columns.
    shape : tuple of int
        Of a sample.
    low, high : float
        Least and largest value of X.
    some : ndarray of shape (n, features)
        The first rows.
    classes : ndarray or None
        That are in y, of a classifier; of a multi-label one, the labels.
    label_kind : str
        Of y of a classifier, as scikit-learn names it.
    outputs : Statistics or None
        Of y, of a regressor.
    flat : bool
        y has one dimension.
    digest : str
        Of all that is in them, if it is asked for.
    """

    rows: int
    features: int
    dtype: np.dtype
    names: list[str] | None
    shape: tuple[int, ...]
    low: float
    high: float
    some: np.ndarray
    classes: np.ndarray | None
    label_kind: str
    outputs: Statistics | None
    flat: bool
    digest: str


class Holding:
    """The samples of a node, valid.

    Parameters
    ----------
    reading : Reading

    Raises
    ------
    OSError, ValueError
        If they cannot be read, or are no samples for the estimator.
    """

    def __init__(self, reading: Reading):
        self._estimator = reading.estimator
        x, y = read(reading.sources, reading.target)
        given = Given(x, y, None, NO_VALIDATION)
        self._x, self._y, _, self._shape = checked_samples(
            self._estimator, given, reading.standing
        )

    def summary(self, n_some: int) -> Summary:
        """What the driver has to know; `n_some` rows go with it."""
        x, y = self._x, self._y
        classes, kind, outputs = None, "", None
        if hasattr(self._estimator, "predict_proba"):
            classes, kind = _classes_of(y)
        else:
            outputs = Statistics.of(_columns(y), np.zeros(0, np.float32))
        names = getattr(self._estimator, "feature_names_in_", None)
        return Summary(
            rows=len(x),
            features=x.shape[1],
            dtype=x.dtype,
            names=None if names is None else list(names),
            shape=tuple(self._shape),
            low=float(x.min()),
            high=float(x.max()),
            some=np.array(x[:n_some]),
            classes=classes,
            label_kind=kind,
            outputs=outputs,
            flat=y.ndim == 1,
            digest=self._digest() if self._estimator.checkpoint is not None else "",
        )

    def _digest(self) -> str:
        return fingerprint_of(self._x).content + fingerprint_of(self._y).content

    def statistics(self, channels: int | None) -> Statistics:
        """Of the columns of X."""
        return Statistics.of(self._x, np.zeros(0, np.float32), channels)

    def data(self, targets, shift: np.ndarray, scale: np.ndarray) -> TrainingData:
        """What to train on.

        Parameters
        ----------
        targets : ClassTargets or RealTargets
            Of all nodes.
        shift, scale : ndarray
            As in `TrainingData`.
        """
        wanted = getattr(self._estimator, "class_weight", None)
        by_class = wanted and ClassWeights.of(wanted, targets, self._y, None)
        weights = training_weights(None, by_class or None, self._y)
        return TrainingData(self._x, targets.encode(self._y), weights, shift, scale)


def _classes_of(y: np.ndarray) -> tuple[np.ndarray, str]:
    from sklearn.utils.multiclass import type_of_target

    kind = type_of_target(y)
    return (np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)), kind


def _columns(y: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(y.reshape(len(y), -1))
