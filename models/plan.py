"""Plan: the op table of one network, minibatch size, loss and block."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hogblock.kernels import optable as op
from hogblock.models.blocks import Block, whole
from hogblock.models.layout import Tensor, padded
from hogblock.models.network import Network

LOSSES = {
    "softmax": op.SOFTMAX_CROSS_ENTROPY,
    "logistic": op.LOGISTIC_CROSS_ENTROPY,
    "squared_error": op.SQUARED_ERROR,
}


class Buffer(NamedTuple):
    """A minibatch of activations in the work space: offset, row stride, features."""

    offset: int
    row: int
    width: int


@dataclass(frozen=True)
class Plan:
    """What the interpreter runs.

    Attributes
    ----------
    ops, reals : int64 [n, OP_WIDTH], float32 [n, REAL_WIDTH]
    n_forward : int
        Rows of the forward pass; the loss comes next.
    tensors : int64 [k, 3]
        Offset, length and decay of the parameter ranges that it updates.
    work_size : int
        float32 of private work space.
    zeros_size : int
        Length of the line of zeros that the kernels start sums from.
    """

    ops: np.ndarray
    reals: np.ndarray
    n_forward: int
    tensors: np.ndarray
    work_size: int
    zeros_size: int


class Place:
    """Where a layer emits its rows: its buffers, its tensors, its block."""

    def __init__(self, builder, position: int):
        self._builder = builder
        self._position = position
        network = builder.network
        self.x: Buffer = builder.activations[position]
        self.y: Buffer = builder.activations[position + 1]
        self.dx: int = builder.gradients[position]
        self.dy: int = builder.gradients[position + 1]
        self.tensors: list[Tensor] = network.tensors_of(position)
        self.batch_rows: int = builder.batch_rows
        self.needs_dx: bool = position > builder.lowest

    def emit(self, code: int, **columns) -> None:
        """Append an operation on this layer's buffers; `columns` adds or overrides."""
        own = {
            "x": self.x.offset,
            "x_row": self.x.row,
            "x_width": self.x.width,
            "y": self.y.offset,
            "y_row": self.y.row,
            "y_width": self.y.width,
            "dx": self.dx,
            "dy": self.dy,
        }
        self._builder.emit(code, **(own | columns))

    def scratch(self, name: str, size: int) -> int:
        """Offset of work space of this layer; the same name gives the same space."""
        return self._builder.scratch((self._position, name), size)

    def owned_rows(self, tensor: Tensor) -> tuple[int, int]:
        """First row and end of the tensor's rows inside the plan's block."""
        return tensor.rows_in(*self._builder.block)


class _Builder:
    def __init__(self, network: Network, batch: int, block: Block):
        self.network = network
        self.block = block
        self.batch_rows = padded(batch)
        self.rows: list[tuple[np.ndarray, np.ndarray]] = []
        self._size = 0
        self._scratch: dict = {}
        widths = [int(np.prod(shape)) for shape in network.shapes]
        self.activations = [
            Buffer(self.reserve(padded(w) * self.batch_rows), padded(w), w)
            for w in widths
        ]
        self.gradients = [self.reserve(padded(w) * self.batch_rows) for w in widths]
        owned = [
            t.layer
            for t in network.tensors
            if t.rows_in(*block)[0] < t.rows_in(*block)[1]
        ]
        self.lowest = min(owned, default=len(network.stages))
        self.zeros_size = max(padded(w) for w in [*widths, batch])

    def reserve(self, size: int) -> int:
        offset, self._size = self._size, self._size + padded(size)
        return offset

    @property
    def work_size(self) -> int:
        return self._size

    def scratch(self, key, size: int) -> int:
        if key not in self._scratch:
            self._scratch[key] = self.reserve(size)
        return self._scratch[key]

    def emit(self, code: int, *, slope: float = 0.0, rate: float = 0.0, **columns):
        row = np.zeros(op.OP_WIDTH, np.int64)
        row[op.CODE] = code
        for name, value in columns.items():
            row[getattr(op, name.upper())] = value
        reals = np.zeros(op.REAL_WIDTH, np.float32)
        reals[op.SLOPE], reals[op.RATE] = slope, rate
        self.rows.append((row, reals))


def make_plan(
    network: Network, batch: int, loss: str, block: Block | None = None
) -> Plan:
    """Plan of a training step, and of a forward pass.

    Parameters
    ----------
    network : Network
    batch : int
        Largest minibatch.
    loss : {"softmax", "logistic", "squared_error"}
    block : Block, default=None
        What the step updates; None is everything.
    """
    block = whole(network) if block is None else block
    builder = _Builder(network, batch, block)
    places = [Place(builder, k) for k in range(len(network.stages))]
    for layer, place in zip(network.stages, places, strict=True):
        layer.forward(place)
    n_forward = len(builder.rows)
    output = builder.activations[-1]
    builder.emit(
        op.LOSS,
        x=output.offset,
        x_row=output.row,
        x_width=output.width,
        dy=builder.gradients[-1],
        kind=LOSSES[loss],
    )
    for layer, place in reversed(list(zip(network.stages, places, strict=True))):
        if place.needs_dx or any(
            place.owned_rows(t)[0] < place.owned_rows(t)[1] for t in place.tensors
        ):
            layer.backward(place)
    ranges = []
    for tensor in network.tensors:
        first, end = tensor.rows_in(*block)
        if first < end:
            start = tensor.offset + first * tensor.stride
            ranges.append((start, (end - first) * tensor.stride, tensor.decays))
    return Plan(
        ops=np.array([row for row, _ in builder.rows]),
        reals=np.array([reals for _, reals in builder.rows]),
        n_forward=n_forward,
        tensors=np.array(ranges, np.int64).reshape(-1, 3),
        work_size=builder.work_size,
        zeros_size=builder.zeros_size,
    )
