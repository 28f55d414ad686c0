"""The face of a classifier over any network."""

from dataclasses import replace
from numbers import Real

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import Interval, StrOptions

from hogblock.engines.locations import on_host, put_like
from hogblock.estimators.class_weight import ClassWeights, refuse_balanced_chunks
from hogblock.estimators.face import NetworkMixin
from hogblock.estimators.plain import plain
from hogblock.estimators.problem import Given
from hogblock.estimators.targets import ClassTargets
from hogblock.estimators.validation import flattened
from hogblock.estimators.validation_set import NO_VALIDATION


class NetworkClassifierMixin(NetworkMixin, ClassifierMixin):
    """Targets are classes."""

    _classifier_constraints: dict = {
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @property
    def classes_(self) -> np.ndarray:
        """Class labels, or label positions of multi-label targets."""
        return self._targets.classes

    def _check_y(self, y):
        if y.dtype == object and not all(isinstance(each, str) for each in y.flat):
            kinds = sorted({type(each).__name__ for each in y.flat})
            raise ValueError(
                f"y has values of type {', '.join(kinds)}; classes must be numbers, or "
                "all be text: y.astype(str), for instance"
            )
        return flattened(y)

    def _class_weights(self, y, weights, targets):
        if self.class_weight is None:
            return None
        return ClassWeights.of(self.class_weight, targets, y, weights)

    def _make_targets(self, y, weights, classes):
        return ClassTargets.of(y, classes)

    def _loss_of(self, targets):
        return replace(targets.loss, smoothing=self.label_smoothing)

    def _score_outputs(self, outputs, y, sample_weight, targets):
        predicted = targets.predictions(outputs)
        if targets.kind == "multilabel":
            y = targets.encode(y)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch over X and y, from where the model is.

        Momentum is carried over from call to call; if the number of workers changes,
        as the mean of the workers that have any.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come; needed at the first call unless y is a
            multi-label indicator.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad input, a network or scaling other than before, `early_stopping`,
            ``class_weight="balanced"``, and if training diverges.
        """
        refuse_balanced_chunks(self.class_weight)
        classes = plain(on_host(classes), "classes")
        multilabel = np.ndim(y) == 2 and np.shape(y)[1] > 1
        if not self.__sklearn_is_fitted__():
            if classes is None and not multilabel:
                raise ValueError(
                    "classes must be passed on the first call to partial_fit."
                )
        elif classes is not None and not np.array_equal(
            np.unique(classes), self.classes_
        ):
            raise ValueError(
                f"classes={classes!r} is not the same as on the last call to "
                f"partial_fit, was: {self.classes_!r}"
            )
        given = Given(X, y, sample_weight, NO_VALIDATION, classes)
        return self._fit(given, incremental=True)

    def predict(self, X):
        """Class of each sample, or a zero or one for each label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_labels)
            On the device of X if that is an array on a CUDA device and the labels are
            numbers; labels that are text are NumPy's.
        """
        outputs = self._outputs(X)
        return put_like(X, self._targets.predictions(outputs))

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
            Where X lies.
        """
        outputs = self._outputs(X)
        return put_like(X, self._targets.probabilities(outputs))

    def predict_log_proba(self, X):
        """Logarithm of `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
            Where X lies.
        """
        outputs = self._outputs(X)
        return put_like(X, self._targets.log_probabilities(outputs))
