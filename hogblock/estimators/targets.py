"""Targets: from y to what the loss kernels read, and from outputs to predictions."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from hogblock.models.losses import LOSSES, Loss
from hogblock.training.scaling import Scaling, Standardiser

LARGEST_EXPONENT = 700.0
"""Of what is still a float64."""


@dataclass
class ClassTargets:
    """Targets of a classifier.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    kind : {"binary", "multiclass", "multilabel"}
    """

    classes: np.ndarray
    kind: str

    @classmethod
    def of(cls, y, classes=None) -> "ClassTargets":
        """Learn the classes from y, or take those that are given.

        Raises
        ------
        ValueError
            If y is no classification target or has fewer than two classes.
        """
        check_classification_targets(y)
        if type_of_target(y).startswith("multilabel"):
            return cls(np.arange(np.shape(y)[1]), "multilabel")
        if type_of_target(y) == "multiclass-multioutput":
            raise ValueError(
                "y has several columns of several classes each; allowed are one "
                "column, or a multi-label indicator of zeros and ones"
            )
        found = np.unique(column_or_1d(y) if classes is None else classes)
        if len(found) < 2:
            raise ValueError(
                f"y has {len(found)} class, {found.tolist()}; a classifier needs at "
                "least 2 classes"
            )
        return cls(found, "binary" if len(found) == 2 else "multiclass")

    @property
    def n_outputs(self) -> int:
        return 1 if self.kind == "binary" else len(self.classes)

    @property
    def loss(self) -> Loss:
        return LOSSES["softmax" if self.kind == "multiclass" else "logistic"]

    @property
    def link(self) -> str:
        return self.loss.link

    def encode(self, y, name: str = "y") -> np.ndarray:
        """int32 class indices, or float32 zeros and ones of shape (n, n_outputs).

        Parameters
        ----------
        y : array-like
        name : str, default="y"
            Of y, in errors.

        Raises
        ------
        ValueError
            If y holds a class that was not there before.
        """
        if self.kind == "multilabel":
            return self._labels(y, name)
        y = column_or_1d(y)
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                f"{name} has classes {unknown.tolist()[:5]} that are not in "
                f"{self.classes.tolist()[:20]}"
            )
        indices = np.searchsorted(self.classes, y)
        if self.loss.targets == "classes":
            return indices.astype(np.int32)
        return indices.astype(np.float32)[:, None]

    def _labels(self, y, name: str) -> np.ndarray:
        """float32 zeros and ones of a multi-label indicator, which may be sparse."""
        y = y.toarray() if issparse(y) else np.asarray(y)
        if y.ndim != 2 or y.shape[1] != len(self.classes):
            raise ValueError(
                f"{name} has shape {y.shape}; the model has {len(self.classes)} labels"
            )
        values = np.unique(y)
        if not np.isin(values, (0, 1)).all():
            raise ValueError(
                f"{name} is a multi-label indicator of the values "
                f"{values.tolist()[:5]}; allowed are 0 and 1, or False and True"
            )
        return np.ascontiguousarray(y, np.float32)

    def refined(self, y, weights) -> "ClassTargets":
        """As they are; see ``RealTargets.refined``."""
        return self

    def settled(self) -> "ClassTargets":
        """As they are."""
        return self

    def same_as(self, other: "ClassTargets") -> bool:
        """Whether both have the same classes."""
        return self.kind == other.kind and np.array_equal(self.classes, other.classes)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Probabilities of shape (n_samples, n_classes)."""
        if self.link == "softmax":
            return softmax(outputs, axis=1)
        positive = expit(outputs)
        if self.kind == "multilabel":
            return positive
        return np.hstack([1 - positive, positive])

    def log_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Logarithm of `probabilities`, exact where those round to 0."""
        if self.link == "softmax":
            top = outputs - outputs.max(axis=1, keepdims=True)
            return top - np.log(np.exp(top).sum(axis=1, keepdims=True))
        positive = -np.logaddexp(np.float32(0), -outputs)
        if self.kind == "multilabel":
            return positive
        return np.hstack([-np.logaddexp(np.float32(0), outputs), positive])

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """Class labels, or zeros and ones for multi-label targets."""
        if self.link == "softmax":
            return self.classes[outputs.argmax(axis=1)]
        positive = (outputs > 0).astype(int)
        return positive if self.kind == "multilabel" else self.classes[positive[:, 0]]


@dataclass
class RealTargets:
    """Targets of a regressor.

    Attributes
    ----------
    n_outputs : int
    flat : bool
        y had one dimension, and predictions have.
    standard : Standardiser or None
        The network is trained on targets that it scales.
    link : {"identity", "exp"}, default="identity"
        What makes predictions of outputs. Those of "exp" are positive, and are scaled
        but not moved.
    """

    n_outputs: int
    flat: bool
    standard: Standardiser | None
    link: str = "identity"

    @classmethod
    def of(cls, y, weights, standardize: bool, link: str = "identity") -> "RealTargets":
        """Learn the scaling from y.

        Raises
        ------
        ValueError
            If it is negative somewhere, and predictions are not.
        """
        columns = np.ascontiguousarray(y.reshape(len(y), -1))
        standard = None
        if standardize:
            centred = link == "identity"
            standard = Standardiser.of(columns, weights, name="y", centred=centred)
        targets = cls(columns.shape[1], y.ndim == 1, standard, link)
        targets._check_sign(columns, "y")
        return targets

    def refined(self, y, weights) -> "RealTargets":
        """With the scaling that further targets ask for."""
        columns = self._columns(y)
        if self.standard is None:
            return self
        return replace(self, standard=self.standard.refined(columns, weights))

    def settled(self) -> "RealTargets":
        """Of a model that has been trained to the end."""
        return replace(self, standard=self.standard and self.standard.settled())

    @property
    def scaling(self) -> Scaling:
        return self.standard.scaling if self.standard else Scaling.none()

    def scaled(self, y, name: str = "y") -> np.ndarray:
        """float64 of shape (n, n_outputs), in the units of the network's outputs.

        Parameters
        ----------
        y : ndarray
        name : str, default="y"
            Of y, in errors.

        Raises
        ------
        ValueError
            If the number of columns is not that of the model.
        """
        return self.scaling.scaled(self._columns(y, name))

    def encode(self, y, name: str = "y") -> np.ndarray:
        """`scaled`, as float32.

        Raises
        ------
        ValueError
            As `scaled`; if y is negative somewhere, and predictions are not.
        """
        self._check_sign(y, name)
        return np.ascontiguousarray(self.scaled(y, name), np.float32)

    def _check_sign(self, y, name: str) -> None:
        if self.link == "exp" and y.min() < 0:
            raise ValueError(
                f"{name} has the negative value {y.min():.5g}; loss='poisson' takes "
                "counts and rates, which are >= 0"
            )

    def _columns(self, y, name: str = "y") -> np.ndarray:
        columns = np.ascontiguousarray(y.reshape(len(y), -1))
        if columns.shape[1] != self.n_outputs:
            raise ValueError(
                f"{name} has {columns.shape[1]} outputs; the model has {self.n_outputs}"
            )
        return columns

    def same_as(self, other: "RealTargets") -> bool:
        """Whether both have as many outputs."""
        return self.n_outputs == other.n_outputs

    def linked(self, outputs: np.ndarray) -> np.ndarray:
        """Scaled predictions of shape (n, n_outputs)."""
        if self.link == "identity":
            return outputs
        return np.exp(np.minimum(outputs.astype(np.float64), LARGEST_EXPONENT))

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """Values of shape (n_samples,) or (n_samples, n_outputs).

        float64 where they were scaled, or are exponentials: they may have more digits
        than a float32, or be beyond it.
        """
        values = self.scaling.undo(self.linked(outputs))
        return values[:, 0] if self.flat else values
