"""Estimators over any network."""

from hogblock.augmentation import Augmentation
from hogblock.estimators.base import NetworkEstimator
from hogblock.estimators.classifier import NetworkClassifierMixin
from hogblock.estimators.docs import (
    ATTRIBUTES,
    AUGMENTATION,
    CLASS_WEIGHT,
    LOSS,
    NETWORK,
    PARAMETERS,
    SCALED,
    STANDARDIZE_IMAGES,
)
from hogblock.estimators.inputs import ImageInput, Images, NetworkImages
from hogblock.estimators.regressor import NetworkRegressorMixin
from hogblock.models import Network


class _AnyNetwork(ImageInput, NetworkEstimator):
    _parameter_constraints: dict = {
        **NetworkEstimator._parameter_constraints,
        "network": [Network, callable],
        "augmentation": [Augmentation, None],
    }

    _shaping = ("network",)

    @property
    def _form(self):
        network = self.network
        return NetworkImages(network) if isinstance(network, Network) else Images()

    def _make_network(self, shape, n_outputs):
        network = self.network
        if not isinstance(network, Network):
            network = network(shape, n_outputs)
        if not isinstance(network, Network):
            raise ValueError(
                f"network={self.network!r} returned {network!r}, which is no Network"
            )
        rows_fit = len(shape) == 1 and network.n_inputs == shape[0]
        if network.input_shape != shape and not rows_fit:
            raise ValueError(
                f"network={self.network!r} returned a network of input shape "
                f"{network.input_shape}, and samples of X have shape {shape}"
            )
        if network.output_shape != (n_outputs,):
            raise ValueError(
                f"the network's output has shape {network.output_shape}, and y needs "
                f"({n_outputs},)"
            )
        return network


class NetworkClassifier(NetworkClassifierMixin, _AnyNetwork):
    __module__ = "hogblock"
    __doc__ = f"""Classifier over any network.

    Minimises the cross-entropy: softmax for several classes, logistic (one output) for
    two classes and (an output a label) for multi-label targets.

    Parameters
    ----------
    {NETWORK}
    {PARAMETERS}
    {CLASS_WEIGHT}
    {AUGMENTATION}
    {STANDARDIZE_IMAGES.format(targets="")}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    {SCALED}
    {ATTRIBUTES}

    Examples
    --------
    >>> from hogblock import NetworkClassifier
    >>> from hogblock.models import lenet5
    >>> model = NetworkClassifier(lenet5, max_iter=10, n_jobs=2)
    """

    _parameter_constraints: dict = {
        **_AnyNetwork._parameter_constraints,
        **NetworkClassifierMixin._classifier_constraints,
    }

    def __init__(
        self,
        network,
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
        class_weight=None,
        label_smoothing=0.0,
        augmentation=None,
        standardize=True,
    ):
        self._store(locals())


class NetworkRegressor(NetworkRegressorMixin, _AnyNetwork):
    __module__ = "hogblock"
    __doc__ = f"""Regressor over any network.

    Several outputs are allowed.

    Parameters
    ----------
    {NETWORK}
    {LOSS}
    {PARAMETERS}
    {AUGMENTATION}
    {STANDARDIZE_IMAGES.format(targets=", and of targets likewise")}

    Attributes
    ----------
    {SCALED}
    {ATTRIBUTES}

    Examples
    --------
    >>> from hogblock import NetworkRegressor
    >>> from hogblock.models import Dense, Network
    >>> model = NetworkRegressor(Network([Dense(20, "tanh"), Dense(1)], (8,)))
    """

    _parameter_constraints: dict = {
        **_AnyNetwork._parameter_constraints,
        **NetworkRegressorMixin._regressor_constraints,
    }

    def __init__(
        self,
        network,
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
        augmentation=None,
        standardize=True,
    ):
        self._store(locals())
