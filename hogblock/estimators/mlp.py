"""Multi-layer perceptrons."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from hogblock.estimators.base import NetworkEstimator
from hogblock.estimators.classifier import NetworkClassifierMixin
from hogblock.estimators.docs import (
    ATTRIBUTES,
    CLASS_WEIGHT,
    COEFS,
    DROPOUT,
    LOSS,
    PARAMETERS,
    STANDARDIZE,
)
from hogblock.estimators.regressor import NetworkRegressorMixin
from hogblock.models import Dense, Dropout, Layer, Network
from hogblock.models.activations import ACTIVATIONS, NAMES
from hogblock.training.scaling import Scaling, unscaled_weights

_HIDDEN = f"""hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer.
    activation : {NAMES}, default="relu"
        Of the hidden layers."""


class _MLP(NetworkEstimator):
    _parameter_constraints: dict = {
        **NetworkEstimator._parameter_constraints,
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    _shaping = ("hidden_layer_sizes", "activation")

    def _make_network(self, shape, n_outputs):
        return Network(dense_layers(self, n_outputs), shape)

    def _make_coefs(self, network, params, inputs, targets):
        """For raw X: the scaling is folded into the first and last layer."""
        return unscaled_weights(
            [t.view(params) for t in network.tensors if t.role == "weight"],
            [t.view(params)[0] for t in network.tensors if t.role == "bias"],
            inputs,
            getattr(targets, "scaling", Scaling.none()),
            getattr(targets, "link", "identity"),
        )


def dense_layers(estimator, n_outputs: int) -> list[Layer]:
    """Hidden and output layers by an estimator's parameters."""
    layers: list[Layer] = []
    for units in np.atleast_1d(estimator.hidden_layer_sizes).tolist():
        if not isinstance(units, int) or units < 1:
            raise ValueError(
                f"hidden_layer_sizes={estimator.hidden_layer_sizes!r} must be integers "
                "of at least 1"
            )
        layers.append(Dense(units, estimator.activation))
        if estimator.dropout:
            layers.append(Dropout(estimator.dropout))
    # scikit-learn draws the last weights by the rule of the hidden layers too.
    gain = ACTIVATIONS[estimator.activation].gain
    return [*layers, Dense(n_outputs, ACTIVATIONS["identity"]._replace(gain=gain))]


class MLPClassifier(NetworkClassifierMixin, _MLP):
    __module__ = "hogblock"
    __doc__ = f"""Multi-layer perceptron classifier.

    Minimises the cross-entropy: softmax for several classes, logistic for two classes
    and for multi-label targets.

    Parameters
    ----------
    {_HIDDEN}
    {PARAMETERS}
    {DROPOUT}
    {CLASS_WEIGHT}
    {STANDARDIZE.format(targets="")}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    {COEFS}
    {ATTRIBUTES}

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from hogblock import MLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPClassifier(random_state=0).fit(X[:1000], y[:1000])
    >>> model.score(X[1000:], y[1000:]) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **_MLP._parameter_constraints,
        **NetworkClassifierMixin._classifier_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        method="auto",
        n_jobs=None,
        device="cpu",
        schedule=None,
        alpha=1e-4,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.01,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        max_grad_norm=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        checkpoint=None,
        checkpoint_every=1,
        checkpoint_keep=3,
        resume=False,
        on_divergence="raise",
        max_worker_restarts=10,
        memmap_dir=None,
        callbacks=None,
        dropout=0.0,
        class_weight=None,
        label_smoothing=0.0,
        standardize=True,
    ):
        self._store(locals())


class MLPRegressor(NetworkRegressorMixin, _MLP):
    __module__ = "hogblock"
    __doc__ = f"""Multi-layer perceptron regressor.

    Several outputs are allowed.

    Parameters
    ----------
    {_HIDDEN}
    {LOSS}
    {PARAMETERS}
    {DROPOUT}
    {STANDARDIZE.format(targets=", and of targets likewise")}

    Attributes
    ----------
    {COEFS}
    {ATTRIBUTES}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from hogblock import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor(max_iter=20, learning_rate="cosine", random_state=0)
    >>> model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.4
    True
    """

    _parameter_constraints: dict = {
        **_MLP._parameter_constraints,
        **NetworkRegressorMixin._regressor_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        quantile=0.5,
        method="auto",
        n_jobs=None,
        device="cpu",
        schedule=None,
        alpha=1e-4,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.01,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        max_grad_norm=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        checkpoint=None,
        checkpoint_every=1,
        checkpoint_keep=3,
        resume=False,
        on_divergence="raise",
        max_worker_restarts=10,
        memmap_dir=None,
        callbacks=None,
        dropout=0.0,
        standardize=True,
    ):
        self._store(locals())
