"""Small convolutional networks."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from hogblock.augmentation import Augmentation
from hogblock.estimators.base import NetworkEstimator
from hogblock.estimators.classifier import NetworkClassifierMixin
from hogblock.estimators.docs import (
    ATTRIBUTES,
    AUGMENTATION,
    CLASS_WEIGHT,
    DROPOUT,
    LOSS,
    PARAMETERS,
    SCALED,
    STANDARDIZE_IMAGES,
)
from hogblock.estimators.inputs import ImageInput, ShapedImages
from hogblock.estimators.mlp import dense_layers
from hogblock.estimators.regressor import NetworkRegressorMixin
from hogblock.models import Conv2D, Flatten, Layer, MaxPool2D, Network
from hogblock.models.activations import ACTIVATIONS, NAMES
from hogblock.models.layers.base import pair_of

_LAYERS = f"""conv_layers : sequence of pairs, default=((16, 3), (32, 3))
        (channels, kernel_size) of the convolutions, which have "same" padding; a kernel
        size is an integer or a pair.
    pool_size : int or pair of int, default=2
        Window of the max-pooling after each convolution, cut to the size of the image;
        1 is none.
    hidden_layer_sizes : int or sequence of int, default=(128,)
        Units of each dense layer between the images and the output.
    activation : {NAMES}, default="relu"
        Of the convolutions and the hidden layers."""
_IMAGE_SHAPE = """\
image_shape : (height, width) or (height, width, channels), default=None
        Of X that comes as flat rows (channels last); one number may be -1. With None a
        row is a square image of one channel if its length is a square, and else an
        image of one row of pixels."""


class _CNN(ImageInput, NetworkEstimator):
    _parameter_constraints: dict = {
        **NetworkEstimator._parameter_constraints,
        "conv_layers": ["array-like"],
        "pool_size": ["array-like", Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "image_shape": ["array-like", None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "augmentation": [Augmentation, None],
    }

    _shaping = (
        "conv_layers",
        "pool_size",
        "hidden_layer_sizes",
        "activation",
        "image_shape",
    )

    @property
    def _form(self):
        return ShapedImages(self.image_shape)

    def _make_network(self, shape, n_outputs):
        layers: list[Layer] = []
        size = shape[:2]
        window = pair_of(self.pool_size, "pool_size", self)
        for entry in self.conv_layers:
            try:
                channels, kernel_size = entry
            except (TypeError, ValueError):
                raise ValueError(
                    f"conv_layers={self.conv_layers!r} must be pairs (channels, "
                    f"kernel_size), and one is {entry!r}"
                ) from None
            try:
                conv = Conv2D(channels, kernel_size, activation=self.activation)
            except ValueError as error:
                raise ValueError(f"conv_layers={self.conv_layers!r}: {error}") from None
            layers.append(conv)
            pool = tuple(min(w, n) for w, n in zip(window, size, strict=True))
            if pool != (1, 1):
                layers.append(MaxPool2D(pool))
                size = [n // p for n, p in zip(size, pool, strict=True)]
        return Network([*layers, Flatten(), *dense_layers(self, n_outputs)], shape)


class CNNClassifier(NetworkClassifierMixin, _CNN):
    __module__ = "hogblock"
    __doc__ = f"""Classifier of images: convolutions, max-pooling, dense layers.

    Minimises the cross-entropy: softmax for several classes, logistic for two classes
    and for multi-label targets.

    Parameters
    ----------
    {_LAYERS}
    {_IMAGE_SHAPE}
    {PARAMETERS}
    {DROPOUT}
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
    >>> from hogblock import CNNClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = CNNClassifier(max_iter=20, learning_rate="cosine", random_state=0)
    >>> model.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **_CNN._parameter_constraints,
        **NetworkClassifierMixin._classifier_constraints,
    }

    def __init__(
        self,
        conv_layers=((16, 3), (32, 3)),
        pool_size=2,
        hidden_layer_sizes=(128,),
        activation="relu",
        *,
        image_shape=None,
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
        augmentation=None,
        standardize=True,
    ):
        self._store(locals())


class CNNRegressor(NetworkRegressorMixin, _CNN):
    __module__ = "hogblock"
    __doc__ = f"""Regressor on images: convolutions, max-pooling, dense layers.

    Several outputs are allowed.

    Parameters
    ----------
    {_LAYERS}
    {LOSS}
    {_IMAGE_SHAPE}
    {PARAMETERS}
    {DROPOUT}
    {AUGMENTATION}
    {STANDARDIZE_IMAGES.format(targets=", and of targets likewise")}

    Attributes
    ----------
    {SCALED}
    {ATTRIBUTES}

    Examples
    --------
    >>> from hogblock import CNNRegressor
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = CNNRegressor(max_iter=20, learning_rate="cosine", random_state=0)
    >>> model.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.5
    True
    """

    _parameter_constraints: dict = {
        **_CNN._parameter_constraints,
        **NetworkRegressorMixin._regressor_constraints,
    }

    def __init__(
        self,
        conv_layers=((16, 3), (32, 3)),
        pool_size=2,
        hidden_layer_sizes=(128,),
        activation="relu",
        *,
        loss="squared_error",
        quantile=0.5,
        image_shape=None,
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
        augmentation=None,
        standardize=True,
    ):
        self._store(locals())
