"""Class weights: factors on the sample weights, learnt from the training targets."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from hogblock.estimators.targets import ClassTargets


@dataclass(frozen=True)
class ClassWeights:
    """A factor for each class.

    Attributes
    ----------
    targets : ClassTargets
    tables : list of ndarray of shape (n_classes,), float64
        One, or for multi-label targets one a label (n_classes is 2), whose factors are
        multiplied.
    """

    targets: ClassTargets
    tables: list[np.ndarray]

    @classmethod
    def of(cls, class_weight, targets: ClassTargets, y, weights) -> "ClassWeights":
        """Look up or count the weights.

        Parameters
        ----------
        class_weight : dict, list of dict, or "balanced"
            As for scikit-learn's ``compute_sample_weight``. "balanced" gives all
            classes the same sum of sample weights; classes without any do not count.
        targets : ClassTargets
        y : ndarray
            Training targets.
        weights : ndarray of shape (n_samples,) or None

        Raises
        ------
        ValueError
            If `class_weight` does not fit the classes, or y has unknown ones.
        """
        codes = _codes(targets, y)
        names = [0, 1] if targets.kind == "multilabel" else targets.classes.tolist()
        wanted = _by_column(class_weight, targets)
        if weights is not None:
            weights = weights / weights.max()  # their sum might overflow
        tables = [
            _balanced(column, weights, len(names))
            if of_column == "balanced"
            else _chosen(of_column, names)
            for of_column, column in zip(wanted, codes, strict=True)
        ]
        return cls(targets, tables)

    def factors(self, y) -> np.ndarray:
        """Factor of each sample, float64 of shape (n_samples,).

        Raises
        ------
        ValueError
            If y has unknown classes.
        """
        codes = _codes(self.targets, y)
        each = [t[column] for t, column in zip(self.tables, codes, strict=True)]
        return np.prod(each, axis=0)


def refuse_balanced_chunks(class_weight) -> None:
    """Raise if class weights would be counted chunk by chunk."""
    parts = class_weight if isinstance(class_weight, list) else [class_weight]
    if "balanced" in parts:
        raise ValueError(
            f"class_weight '{class_weight}' is not supported for partial_fit. In order "
            "to use 'balanced' weights, use compute_class_weight('balanced', "
            "classes=classes, y=y). In place of y you can use a large enough sample of "
            "the full training set target to properly estimate the class frequency "
            "distributions. Pass the resulting weights as the class_weight parameter, "
            "as a dict of weights by class."
        )


def _codes(targets: ClassTargets, y) -> np.ndarray:
    """Index of the class of each sample, of shape (n_columns, n_samples)."""
    encoded = targets.encode(y)
    return encoded.reshape(len(encoded), -1).T.astype(np.intp)


def _by_column(class_weight, targets: ClassTargets) -> list:
    if targets.kind != "multilabel":
        if isinstance(class_weight, list):
            raise ValueError(
                f"class_weight={class_weight!r} is a list, which is for multi-label y; "
                "allowed here are a dict, 'balanced' or None"
            )
        return [class_weight]
    if isinstance(class_weight, dict):
        raise ValueError(
            "For multi-output, class_weight should be a list of dicts, or the string "
            "'balanced'."
        )
    columns = len(targets.classes)
    if not isinstance(class_weight, list):
        return [class_weight] * columns
    if len(class_weight) != columns:
        raise ValueError(
            "For multi-output, number of elements in class_weight should match number "
            f"of outputs. Got {len(class_weight)} element(s) while having {columns} "
            "outputs."
        )
    return class_weight


def _balanced(codes, weights, n_classes: int) -> np.ndarray:
    counts = np.bincount(codes, weights, minlength=n_classes)
    there = counts > 0
    table = np.ones(n_classes)
    table[there] = counts.sum() / (there.sum() * counts[there])
    return table


def _chosen(class_weight, names: list) -> np.ndarray:
    """Weights by class; a class that is not named has 1, as in scikit-learn."""
    if class_weight is None:
        return np.ones(len(names))
    if not isinstance(class_weight, dict):
        raise ValueError(
            f"class_weight has {class_weight!r} for a label; allowed are a dict, "
            "'balanced' or None"
        )
    wrong = [
        w
        for w in class_weight.values()
        if not isinstance(w, Real) or not 0 <= float(w) < np.inf
    ]
    if wrong:
        raise ValueError(
            f"class_weight has the weight {wrong[0]!r}; weights must be finite numbers "
            "of 0 or more"
        )
    left = [name for name in names if name not in class_weight]
    unknown = [key for key in class_weight if key not in names]
    if left and unknown:
        raise ValueError(
            f"The classes, {left[:20]}, are not in class_weight, which names "
            f"{unknown[:5]}"
        )
    return np.array([class_weight.get(name, 1.0) for name in names], np.float64)
