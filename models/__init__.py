"""Networks: layers, shapes, the flat parameter vector, op tables and blocks."""

from hogblock.models.layers import (
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
    "GELU",
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
