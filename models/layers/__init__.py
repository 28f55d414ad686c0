"""Layers: each knows its shapes, its parameters, its rows of the op table, its cost."""

from hogblock.models.layers.base import Cost, Layer, Parameter
from hogblock.models.layers.conv import Conv2D, DepthwiseConv2D
from hogblock.models.layers.dense import Dense
from hogblock.models.layers.joining import Add, Flatten, Residual
from hogblock.models.layers.norm import GroupNorm
from hogblock.models.layers.pointwise import (
    GELU,
    Dropout,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SpatialDropout2D,
    Tanh,
)
from hogblock.models.layers.pooling import AvgPool2D, GlobalAvgPool2D, MaxPool2D

LAYERS = (
    Dense,
    Conv2D,
    DepthwiseConv2D,
    MaxPool2D,
    AvgPool2D,
    GlobalAvgPool2D,
    GroupNorm,
    Residual,
    Add,
    Flatten,
    ReLU,
    LeakyReLU,
    Tanh,
    Sigmoid,
    GELU,
    Dropout,
    SpatialDropout2D,
)
"""The layer registry: every public layer."""

__all__ = ["LAYERS", "Cost", "Layer", "Parameter", *(c.__name__ for c in LAYERS)]
