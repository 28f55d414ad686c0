"""Networks: layers, shapes, the flat parameter vector, op tables and blocks."""

from hogblock.models.layers import (
    Add,
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GroupNorm,
    Layer,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Residual,
    Sigmoid,
    SpatialDropout2D,
    Tanh,
)
from hogblock.models.network import Network
from hogblock.models.ready import lenet5, resnet8, small_convnet

__all__ = [
    "Add",
    "AvgPool2D",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "GroupNorm",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "Network",
    "ReLU",
    "Residual",
    "Sigmoid",
    "SpatialDropout2D",
    "Tanh",
    "lenet5",
    "resnet8",
    "small_convnet",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # the public one, for pickles and documents
