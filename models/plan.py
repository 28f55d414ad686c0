"""Plan: the op table of one network, minibatch size, loss and block."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hogblock.kernels import optable as op
from hogblock.models.activations import CODES
from hogblock.models.blocks import Block, gradients_needed, whole
from hogblock.models.layout import LINE, Tensor, padded
from hogblock.models.losses import Loss, loss_of
from hogblock.models.network import Network

ALONE = (op.ACTIVATION_FORWARD, op.ACTIVATION_BACKWARD)
"""Operations that run an activation and nothing else."""


class Buffer(NamedTuple):
    """A minibatch of activations in the work space.

    Attributes
    ----------
    offset : int
    row : int
        float32 from one sample to the next.
    width : int
        Values of a sample: features of a row, all float32 of an image.
    pixel : int
        float32 from one pixel of an image to the next; of a row, `row`.
    """

    offset: int
    row: int
    width: int
    pixel: int


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
        stage = builder.network.stages[position]
        self._named = f"layer {stage.name} ({stage.layer})"
        first, *others = stage.sources
        self.shape: tuple[int, ...] = builder.network.shapes[first]
        self.x: Buffer = builder.inputs[first]
        self.y: Buffer = builder.activations[position + 1]
        self.dx: int = builder.gradients[first]
        self.dy: int = builder.gradients[position + 1]
        self.tensors: list[Tensor] = builder.network.tensors_of(position)
        self.batch_rows: int = builder.batch_rows
        self.needs_dx: bool = builder.needed[first]
        if others:  # a second input, of a layer that joins branches
            self.x2: Buffer = builder.inputs[others[0]]
            self.dx2: int = builder.gradients[others[0]]
            self.needs_dx2: bool = builder.needed[others[0]]

    def emit(self, code: int, **columns) -> None:
        """Append an operation on this layer's buffers; `columns` adds or overrides.

        Raises
        ------
        ValueError
            For an activation that the operation has no kernel for.
        """
        kind = columns.get("kind", op.LINEAR)
        if kind not in CODES:
            raise ValueError(
                f"{self._named} has an activation of the unknown code {kind}; known "
                f"are {sorted(CODES)}"
            )
        if kind >= op.FROM_INPUT and code not in ALONE:
            raise ValueError(
                f"{self._named} runs an activation of code {kind} inside operation "
                f"{code}; it can only run as one of its own"
            )
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

    def index_columns(self) -> dict[str, int]:
        """Columns of the positions (uint16) of maxima, one for each value of Y."""
        row = padded(-(-self.y.row // 2))
        return {"index": self.scratch("index", row * self.batch_rows), "index_row": row}

    def owned_rows(self, tensor: Tensor) -> tuple[int, int]:
        """First row and end of the tensor's rows inside the plan's block."""
        return tensor.rows_in(*self._builder.block)


class _Builder:
    def __init__(self, network: Network, batch: int, block: Block):
        self.network = network
        self.block = block
        self.batch_rows = padded(batch)
        self.rows: list[tuple[np.ndarray, np.ndarray]] = []
        self.needed = gradients_needed(network, block)
        self._size = 0
        self._scratch: dict = {}
        readers = Counter(s for stage in network.stages for s in stage.sources)
        raw = self._buffer(network.input_shape, raw=True)
        self.activations = [raw]
        self.is_view: list[bool] = []
        self.gradients = [self.reserve(raw.row * self.batch_rows)]
        for k, stage in enumerate(network.stages):
            source = stage.sources[0]
            self.is_view.append(self._is_view(k) and readers[source] == 1)
            if self.is_view[k]:
                self.activations.append(self.activations[source])
                self.gradients.append(self.gradients[source])
            else:
                y = self._buffer(stage.shape)
                self.activations.append(y)
                self.gradients.append(self.reserve(y.row * self.batch_rows))
        # What is only added to something has its sum's gradient.
        for k in reversed(range(len(network.stages))):
            body, *others = network.stages[k].sources
            if others and readers[body] == 1 and not self.is_view[body - 1]:
                self.gradients[body] = self.gradients[k + 1]
        self.inputs = list(self.activations)
        if len(network.input_shape) == 3 and raw.pixel % LINE:
            self._spread_input(network, raw)
        self.zeros_size = max(padded(b.width) for b in self.activations)
        self.zeros_size = max(self.zeros_size, padded(batch))

    def _is_view(self, position: int) -> bool:
        stage = self.network.stages[position]
        source = stage.sources[0]
        pixel = self.activations[source].pixel
        return stage.layer.is_view(self.network.shapes[source], pixel)

    def _buffer(self, shape, raw=False) -> Buffer:
        if len(shape) == 1:
            row = padded(shape[0])
            return Buffer(self.reserve(row * self.batch_rows), row, shape[0], row)
        pixel = shape[2] if raw else padded(shape[2])
        width = shape[0] * shape[1] * pixel
        row = padded(width)
        return Buffer(self.reserve(row * self.batch_rows), row, width, pixel)

    def _spread_input(self, network: Network, raw: Buffer) -> None:
        """Give the layers that want whole lines of channels a copy of the images."""
        readers = [s for s in network.stages if 0 in s.sources]
        if all(s.layer.reads_raw_images for s in readers):
            return
        height, width, channels = network.input_shape
        self.inputs[0] = spread = self._buffer(network.input_shape)
        self.emit(
            op.COPY_CHANNELS,
            x=raw.offset,
            x_row=raw.row,
            y=spread.offset,
            y_row=spread.row,
            in_height=height,
            in_width=width,
            in_channels=channels,
            in_pixel=raw.pixel,
            out_pixel=spread.pixel,
        )

    def reserve(self, size: int) -> int:
        offset, self._size = self._size, self._size + padded(size)
        return offset

    @property
    def work_size(self) -> int:
        return self._size

    def lie_as(self, other: "_Builder") -> None:
        """Put scratch space where `other` has it."""
        self._scratch, self._size = dict(other._scratch), other._size

    def scratch(self, key, size: int) -> int:
        if key not in self._scratch:
            self._scratch[key] = self.reserve(size)
        return self._scratch[key]

    def backward(self, position: int, place: Place, written: set[int]) -> None:
        """Emit a stage's backward pass.

        written : gradients that a later reader of the same buffer has written; this
        one's share is added to them.
        """
        stage = self.network.stages[position]
        if len(stage.sources) == 2:
            place.joins_dx2 = int(place.dx2 in written)
            written.add(place.dx2)
        dx, joins = place.dx, place.needs_dx and place.dx in written - {place.dy}
        if joins:
            place.dx = place.scratch("share", place.x.row * self.batch_rows)
        stage.layer.backward(place)
        if joins:
            self.emit(op.ADD_BACKWARD, dx=dx, dy=place.dx, y_row=place.x.row, count=1)
        elif place.needs_dx:
            written.add(dx)

    def emit(
        self,
        code: int,
        *,
        slope: float = 0.0,
        rate: float = 0.0,
        epsilon: float = 0.0,
        loss_parameter: float = 0.0,
        **columns,
    ):
        row = np.zeros(op.OP_WIDTH, np.int64)
        row[op.CODE] = code
        for name, value in columns.items():
            row[getattr(op, name.upper())] = value
        reals = np.zeros(op.REAL_WIDTH, np.float32)
        reals[op.SLOPE], reals[op.RATE], reals[op.EPSILON] = slope, rate, epsilon
        reals[op.LOSS_PARAMETER] = loss_parameter
        self.rows.append((row, reals))


def make_plan(
    network: Network, batch: int, loss: str | Loss, block: Block | None = None
) -> Plan:
    """Plan of a training step, and of a forward pass.

    Parameters
    ----------
    network : Network
    batch : int
        Largest minibatch.
    loss : str or Loss
        See ``models.losses``.
    block : Block, default=None
        What the step updates; None is everything.

    Raises
    ------
    ValueError
        If the outputs are images, or a loss or an activation is unknown.
    """
    loss = loss_of(loss)
    if len(network.output_shape) != 1:
        raise ValueError(
            f"the network's output has shape {network.output_shape}: put Flatten() or "
            "GlobalAvgPool2D() at its end"
        )
    every = _Builder(network, batch, whole(network))
    n_forward = _emit(every, loss)
    builder = every
    if block is not None:
        # A worker's plans take turns in one work space, and some of it has borders of
        # zeros: it must lie in the same place in all of them.
        builder = _Builder(network, batch, block)
        builder.lie_as(every)
        n_forward = _emit(builder, loss)
    ranges = []
    for tensor in network.tensors:
        first, end = tensor.rows_in(*builder.block)
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


def _emit(builder: _Builder, loss: Loss) -> int:
    """Emit all operations; returns the number of those of the forward pass."""
    network = builder.network
    stages = range(len(network.stages))
    places = [Place(builder, k) for k in stages]
    for k in stages:
        if not builder.is_view[k]:
            network.stages[k].layer.forward(places[k])
    n_forward = len(builder.rows)
    output = builder.activations[-1]
    builder.emit(
        op.LOSS,
        x=output.offset,
        x_row=output.row,
        x_width=output.width,
        dy=builder.gradients[-1],
        kind=loss.code,
        loss_parameter=loss.parameter,
    )
    written: set[int] = set()
    for k in reversed(stages):
        place = places[k]
        if builder.needed[k + 1] and not builder.is_view[k]:
            builder.backward(k, place, written)
    return n_forward
