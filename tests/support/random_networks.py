"""Networks of layers drawn at random, and one that is unlike all of them."""

from dataclasses import replace

from hogblock.models import (
    ELU,
    GELU,
    Add,
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SiLU,
    Softplus,
    SpatialDropout2D,
    Tanh,
)
from hogblock.models.activations import ACTIVATIONS

SIZES = [1, 2, 7, 13, 16, 17, 31, 33, 64, 65]
STANDALONE = [
    ReLU(),
    Tanh(),
    Sigmoid(),
    LeakyReLU(0.2),
    LeakyReLU(),
    GELU(),
    SiLU(),
    ELU(0.5),
    Softplus(),
    LayerNorm(0.1),
    Dropout(0.0),
]


def _pick_with(random):
    return lambda items: items[random.integers(len(items))]


def random_network(random):
    """Up to four Dense layers of odd sizes, with anything between them."""
    pick = _pick_with(random)
    layers = [pick(STANDALONE)] if random.random() < 0.3 else []
    for _ in range(random.integers(1, 5)):
        layers.append(Dense(int(pick(SIZES)), pick(list(ACTIVATIONS))))
        layers += [pick(STANDALONE) for _ in range(random.integers(3))]
    return Network([*layers, Dense(int(pick([1, 2, 5, 17])))], (int(pick(SIZES)),))


def random_image_layer(random, channels, position):
    """Any layer for images of so many channels; most keep their shape."""
    pick = _pick_with(random)
    kernel = tuple(int(k) for k in random.integers(1, 4, 2))
    stride, padding = int(pick([1, 1, 1, 2, 3])), pick(["same", "same", "valid"])
    activation = pick(list(ACTIVATIONS))
    conv = Conv2D(channels, kernel, activation=activation, bias=pick([True, False]))
    return pick(
        [
            conv,
            Conv2D(int(pick(SIZES[:8])), kernel, stride, padding, activation),
            DepthwiseConv2D(kernel, stride, padding, activation),
            MaxPool2D(kernel, pick([None, 1, 2]), padding),
            AvgPool2D(kernel, pick([None, 1, 2]), padding),
            GroupNorm(int(pick([1, channels])), epsilon=0.1),
            LayerNorm(0.1),
            SpatialDropout2D(0.0),
            Residual([conv, DepthwiseConv2D(3)], pick([(), [GroupNorm(1, 0.1)]])),
            Residual([Conv2D(5, 2, stride)], [Conv2D(5, 1, stride, bias=False)]),
            Add(int(random.integers(-1, position))),
            *STANDALONE,
        ]
    )


def random_image_network(random):
    """Up to six layers of images of odd sizes; those that do not fit are left out."""
    height, width, channels = (int(n) for n in random.integers(1, 8, 3))
    shape, layers = (height, width, channels), []
    for _ in range(random.integers(1, 7)):
        now = Network(layers, shape).output_shape if layers else shape
        more = [*layers, random_image_layer(random, now[2], len(layers))]
        try:
            Network(more, shape)
        except ValueError:
            continue
        layers = more
    end = Flatten() if random.random() < 0.7 else GlobalAvgPool2D()
    return Network([*layers, end, Dense(int(random.integers(1, 6)))], shape)


def decaying_the_other_way(network):
    """The same network, with biases and scales that decay and weights that do not."""
    other = Network(network.layers, network.input_shape)
    other.tensors = [replace(t, decays=not t.decays) for t in other.tensors]
    return other
