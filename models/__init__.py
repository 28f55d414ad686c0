"""Networks: layers, shapes, the flat parameter vector, op tables and blocks."""

from hogblock.models.layers import (
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Tanh,
)
from hogblock.models.network import Network

__all__ = [
    "Dense",
    "Dropout",
    "Layer",
    "LeakyReLU",
    "Network",
    "ReLU",
    "Sigmoid",
    "Tanh",
]
