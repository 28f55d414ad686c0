"""Ready networks for images."""

from hogblock.models.layers import (
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool2D,
    GroupNorm,
    MaxPool2D,
    ReLU,
    Residual,
)
from hogblock.models.network import Network


def small_convnet(
    input_shape: tuple[int, int, int] = (28, 28, 1), n_outputs: int = 10
) -> Network:
    """Two convolutions with pooling (16 and 32 channels) and 128 dense units.

    Parameters
    ----------
    input_shape : tuple of int, default=(28, 28, 1)
        Height, width, channels.
    n_outputs : int, default=10

    Returns
    -------
    Network
    """
    layers = [
        Conv2D(16, 3, activation="relu"),
        MaxPool2D(2),
        Conv2D(32, 3, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(128, "relu"),
        Dense(n_outputs),
    ]
    return Network(layers, input_shape)


def lenet5(
    input_shape: tuple[int, int, int] = (28, 28, 1), n_outputs: int = 10
) -> Network:
    """LeNet-5 with ReLU and max-pooling, for 28x28 images.

    LeCun et al., "Gradient-based learning applied to document recognition" (1998), in
    the form in which it is used today; the first convolution pads the image.

    Parameters
    ----------
    input_shape : tuple of int, default=(28, 28, 1)
        Height, width, channels; at least 12x12.
    n_outputs : int, default=10

    Returns
    -------
    Network
    """
    layers = [
        Conv2D(6, 5, activation="relu"),
        MaxPool2D(2),
        Conv2D(16, 5, padding="valid", activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(120, "relu"),
        Dense(84, "relu"),
        Dense(n_outputs),
    ]
    return Network(layers, input_shape)


def resnet8(
    input_shape: tuple[int, int, int] = (32, 32, 3), n_outputs: int = 10
) -> Network:
    """Residual network of eight layers: three stages of 16, 32 and 64 channels.

    He et al., "Deep residual learning for image recognition" (2015), section 4.2, with
    n = 1 and group normalisation in place of batch normalisation; where the shape
    changes the shortcut is a 1x1 convolution.

    Parameters
    ----------
    input_shape : tuple of int, default=(32, 32, 3)
        Height, width, channels.
    n_outputs : int, default=10

    Returns
    -------
    Network
    """
    layers = [*_conv_norm(16, 3), ReLU()]
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        body = [
            *_conv_norm(channels, 3, stride),
            ReLU(),
            *_conv_norm(channels, 3),
        ]
        shortcut = _conv_norm(channels, 1, stride) if stride > 1 else ()
        layers += [Residual(body, shortcut), ReLU()]
    return Network([*layers, GlobalAvgPool2D(), Dense(n_outputs)], input_shape)


def _conv_norm(channels, kernel_size, stride=1):
    conv = Conv2D(channels, kernel_size, stride, bias=False, initialiser="he_normal")
    return [conv, GroupNorm(8)]
