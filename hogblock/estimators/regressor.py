"""The face of a regressor over any network."""

from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array

from hogblock.engines.locations import put_like
from hogblock.estimators.face import NetworkMixin
from hogblock.estimators.problem import Given
from hogblock.estimators.targets import RealTargets
from hogblock.estimators.validation import flattened
from hogblock.estimators.validation_set import NO_VALIDATION
from hogblock.models.losses import REGRESSION_LOSSES, Quantile, RegressionLoss, loss_of


class NetworkRegressorMixin(NetworkMixin, RegressorMixin):
    """Targets are real numbers."""

    _regressor_constraints: dict = {
        "loss": [StrOptions(set(REGRESSION_LOSSES)), RegressionLoss],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _check_y(self, y):
        if y.dtype.kind in "mM":
            raise ValueError(
                f"y has values of type {y.dtype}; allowed are real numbers"
            )
        try:
            return flattened(y).astype(np.float64)
        except ValueError as error:
            raise ValueError(f"y must be real numbers: {error}") from None

    def _make_targets(self, y, weights, classes):
        link = self._loss_of(None).link
        return RealTargets.of(y, weights, self.standardize, link)

    def _loss_of(self, targets):
        loss = loss_of(self.loss)
        by_name = isinstance(loss, Quantile) and isinstance(self.loss, str)
        return Quantile(self.quantile) if by_name else loss

    def _score_outputs(self, outputs, y, sample_weight, targets):
        # R^2 is the same in the network's units, where no digit is lost or overflows.
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        found = targets.linked(outputs)
        return float(r2_score(targets.scaled(y), found, sample_weight=sample_weight))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch over X and y, from where the model is.

        Momentum is carried over from call to call; if the number of workers changes,
        as the mean of the workers that have any.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad input, a network or scaling other than before, `early_stopping`, and
            if training diverges.
        """
        return self._fit(Given(X, y, sample_weight, NO_VALIDATION), incremental=True)

    def predict(self, X):
        """Predicted values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            float64 with `standardize`, else as X is: see Notes. On the device of X if
            that is an array on a CUDA device.
        """
        outputs = self._outputs(X)
        return put_like(X, self._targets.predictions(outputs))
