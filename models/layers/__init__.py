"""Layers: each knows its shapes, its parameters, its rows of the op table, its cost."""

from hogblock.models.layers.base import Cost as Cost
from hogblock.models.layers.base import Layer as Layer
from hogblock.models.layers.base import Parameter as Parameter
from hogblock.models.layers.conv import Conv2D, DepthwiseConv2D
from hogblock.models.layers.dense import Dense
from hogblock.models.layers.joining import Add, Flatten, Residual
from hogblock.models.layers.norm import GroupNorm, LayerNorm
from hogblock.models.layers.pointwise import (
    ELU,
    GELU,
    Dropout,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    SpatialDropout2D,
    Tanh,
)
from hogblock.models.layers.pooling import AvgPool2D, GlobalAvgPool2D, MaxPool2D

__all__ = [
    "ELU",
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
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2D",
    "ReLU",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "SpatialDropout2D",
    "Tanh",
]
"""Every layer that users may take; ``hogblock.models`` offers them, too."""
