"""Plan: the op table of one network, minibatch size, loss and block."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.ops import LINE, padded
from hogblock.models.activations import check_runs
from hogblock.models.blocks import Block, gradients_needed, whole
from hogblock.models.losses import Loss, loss_of
from hogblock.models.network import Network
from hogblock.models.slot import Buffer, Slot
from hogblock.models.summary import name_of

ALONE = (op.ACTIVATION_FORWARD, op.ACTIVATION_BACKWARD)
"""Operations that run an activation and nothing else."""


class Origin(NamedTuple):
    """Whom a row of a plan is for; as a string, what messages call it.

    Attributes
    ----------
    name : str
        Of the layer: its position in the user's list, such as ``"3"`` or ``"4.1"``;
        ``"input"`` and ``"loss"`` are no layers.
    layer : str
        As one would write it.
    shape, out_shape : tuple of int
        Of a sample of its input, and of its output.
    """

    name: str
    layer: str
    shape: tuple[int, ...]
    out_shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"layer {self.name} ({self.layer})" if self.layer else f"the {self.name}"


@dataclass(frozen=True)
class Plan:
    """What an interpreter runs, once its backend has lowered it.

    Attributes
    ----------
    ops, reals : int64 [n, OP_WIDTH], float32 [n, REAL_WIDTH]
    origins : tuple of Origin
        Whom each row is for.
    n_forward : int
        Rows of the forward pass; the loss comes next.
    batch : int
        Largest minibatch.
    work_size : int
        float32 of work space for activations, their gradients and what one pass leaves
        for another. A backend adds what its kernels need.
    """

    ops: np.ndarray
    reals: np.ndarray
    origins: tuple[Origin, ...]
    n_forward: int
    batch: int
    work_size: int

    @property
    def updated(self) -> np.ndarray:
        """Ranges of parameters that it updates, int64 [k, 3]: start, length, decays."""
        rows = self.ops[self.ops[:, op.CODE] >= op.FIRST_UPDATE]
        starts = rows[:, op.W] + rows[:, op.FIRST] * rows[:, op.W_ROW]
        lengths = rows[:, op.COUNT] * rows[:, op.W_ROW]
        ranges = np.column_stack([starts, lengths, rows[:, op.DECAYS]])
        return ranges[np.argsort(starts)]

    @property
    def sparse_update(self) -> int:
        """Row of the update of a layer on sparse rows; -1: there is none."""
        found = np.flatnonzero(self.ops[:, op.CODE] == op.SPARSE_UPDATE)
        return int(found[0]) if len(found) else -1

    def describe(self) -> str:
        """The plan as a person reads it, a line an operation."""
        from hogblock.models.describe import description_of  # it imports this module

        return description_of(self)


class _Builder:
    def __init__(self, network: Network, batch: int, block: Block, sparse: bool):
        self.network = network
        self.sparse = sparse
        self.block = block
        self.batch_rows = padded(batch)
        self.rows: list[tuple[np.ndarray, np.ndarray]] = []
        self.origins: list[Origin] = []
        self.needed = gradients_needed(network, block)
        self.work_size = 0
        self._named: dict = {}
        readers = Counter(s for stage in network.stages for s in stage.sources)
        raw = self._buffer(network.input_shape, raw=True)
        if sparse:  # descriptions of rows, see ``kernels.cpu.sparse``
            raw = Buffer(self._reserve(LINE * self.batch_rows), LINE, raw.width, LINE)
        self.activations = [raw]
        self.is_view: list[bool] = []
        self.gradients = [self._reserve(raw.row * self.batch_rows)]
        for k, stage in enumerate(network.stages):
            source = stage.sources[0]
            self.is_view.append(self._is_view(k) and readers[source] == 1)
            if self.is_view[k]:
                self.activations.append(self.activations[source])
                self.gradients.append(self.gradients[source])
            else:
                y = self._buffer(stage.shape)
                self.activations.append(y)
                self.gradients.append(self._reserve(y.row * self.batch_rows))
        # What is only added to something has its sum's gradient.
        for k in reversed(range(len(network.stages))):
            body, *others = network.stages[k].sources
            if others and readers[body] == 1 and not self.is_view[body - 1]:
                self.gradients[body] = self.gradients[k + 1]
        self.inputs = list(self.activations)
        if network.takes_images and raw.pixel % LINE:
            self._spread_input(network, raw)

    def _is_view(self, position: int) -> bool:
        stage = self.network.stages[position]
        source = stage.sources[0]
        pixel = self.activations[source].pixel
        return stage.layer.is_view(self.network.shapes[source], pixel)

    def _buffer(self, shape, raw=False) -> Buffer:
        if len(shape) == 1:
            row = padded(shape[0])
            return Buffer(self._reserve(row * self.batch_rows), row, shape[0], row)
        pixel = shape[2] if raw else padded(shape[2])
        width = shape[0] * shape[1] * pixel
        row = padded(width)
        return Buffer(self._reserve(row * self.batch_rows), row, width, pixel)

    def _spread_input(self, network: Network, raw: Buffer) -> None:
        """Give the layers that want whole lines of channels a copy of the images."""
        readers = [s for s in network.stages if 0 in s.sources]
        if all(s.layer.reads_raw_images for s in readers):
            return
        height, width, channels = network.input_shape
        self.inputs[0] = spread = self._buffer(network.input_shape)
        columns = {
            "x": raw.offset,
            "x_row": raw.row,
            "y": spread.offset,
            "y_row": spread.row,
            "in_height": height,
            "in_width": width,
            "in_channels": channels,
            "in_pixel": raw.pixel,
            "out_pixel": spread.pixel,
        }
        shape = network.input_shape
        self._append(Origin("input", "", shape, shape), op.COPY_CHANNELS, columns)

    def _reserve(self, size: int) -> int:
        offset, self.work_size = self.work_size, self.work_size + padded(size)
        return offset

    def reserve_named(self, key, size: int) -> int:
        """Offset of `size` float32; the same key gives the same ones."""
        if key not in self._named:
            self._named[key] = self._reserve(size)
        return self._named[key]

    def lie_as(self, other: "_Builder") -> None:
        """Put what has a name where `other` has it."""
        self._named, self.work_size = dict(other._named), other.work_size

    def backward(self, position: int, slot: Slot, written: set[int]) -> None:
        """Emit a stage's backward pass.

        written : gradients that a later reader of the same buffer has written; this
        one's share is added to them.
        """
        stage = self.network.stages[position]
        if len(stage.sources) == 2:
            slot.adds_dx2 = slot.dx2 in written
            written.add(slot.dx2)
        dx, joins = slot.dx, slot.needs_dx and slot.dx in written - {slot.dy}
        if joins:
            slot.dx = slot.reserve("share", slot.x.row * self.batch_rows)
        stage.layer.backward(slot)
        if joins:
            row = slot.x.row
            slot.emit(op.ADD_BACKWARD, dx=dx, dy=slot.dx, y_row=row, adds=1)
        elif slot.needs_dx:
            written.add(dx)

    def emit(self, position: int, code: int, columns: dict[str, float]) -> None:
        """Append an operation of the stage at `position`."""
        stage, shapes = self.network.stages[position], self.network.shapes
        shape = shapes[stage.sources[0]]
        layer = name_of(self.network, stage)
        self._append(Origin(stage.name, layer, shape, stage.shape), code, columns)

    def emit_loss(self, loss: Loss) -> None:
        output, shape = self.activations[-1], self.network.output_shape
        columns = {
            "x": output.offset,
            "x_row": output.row,
            "x_width": output.width,
            "dy": self.gradients[-1],
            "y_row": output.row,
            "kind": loss.code,
            "loss_parameter": loss.parameter,
        }
        self._append(Origin("loss", "", shape, shape), op.LOSS, columns)

    def emit_thin(self, buffer: int, thinning: float) -> None:
        """Go on with some samples of the gradient of a buffer."""
        at = self.activations[buffer]
        stage = self.network.stages[buffer - 1]
        layer = name_of(self.network, stage)
        columns = {"dy": self.gradients[buffer], "y_row": at.row, "thinning": thinning}
        origin = Origin(stage.name, layer, stage.shape, stage.shape)
        self._append(origin, op.THIN, columns)

    def _append(self, origin: Origin, code: int, columns: Mapping[str, float]) -> None:
        try:
            if code != op.LOSS and "kind" in columns:
                check_runs(int(columns["kind"]), inside=code not in ALONE)
            self.rows.append(op.encode(code, columns))
        except ValueError as error:
            raise ValueError(f"{origin}: {error}") from None
        self.origins.append(origin)


def make_plan(
    network: Network,
    batch: int,
    loss: str | Loss,
    block: Block | None = None,
    thinning: float = 0.0,
    sparse: bool = False,
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
    thinning : float, default=0.0
        Below the output layer the backward pass goes on with the samples that THIN
        keeps; 0 keeps all.
    sparse : bool, default=False
        Samples are sparse rows.

    Raises
    ------
    ValueError
        If the outputs are images, for an unknown loss or activation, if a layer emits
        what its operation does not declare, or cannot read sparse rows; the message
        names the layer.
    """
    loss = loss_of(loss)
    if len(network.output_shape) != 1:
        raise ValueError(
            f"the network's output has shape {network.output_shape}: put Flatten() or "
            "GlobalAvgPool2D() at its end"
        )
    if sparse:
        _check_takes_sparse(network)
    builder = every = _Builder(network, batch, whole(network), sparse)
    n_forward = _emit(every, loss, thinning)
    if block is not None and block != whole(network):
        # A worker's plans take turns in one work space: what one of them leaves must
        # not lie where another one expects zeros.
        builder = _Builder(network, batch, block, sparse)
        builder.lie_as(every)
        n_forward = _emit(builder, loss, thinning)
    return Plan(
        ops=np.array([row for row, _ in builder.rows]),
        reals=np.array([reals for _, reals in builder.rows]),
        origins=tuple(builder.origins),
        n_forward=n_forward,
        batch=batch,
        work_size=builder.work_size,
    )


def _check_takes_sparse(network: Network) -> None:
    """Raise ValueError if something but a layer that can do so reads sparse rows."""
    for stage in network.stages:
        if 0 in stage.sources and not stage.layer.takes_sparse:
            layer = name_of(network, stage)
            raise ValueError(
                f"X is sparse, and layer {stage.name} ({layer}) reads all values of a "
                "sample: begin the network with Dense, or pass X.toarray()"
            )


def _emit(builder: _Builder, loss: Loss, thinning: float) -> int:
    """Emit all operations; returns the number of those of the forward pass."""
    network = builder.network
    stages = range(len(network.stages))
    slots = [Slot(builder, k) for k in stages]
    for k in stages:
        if not builder.is_view[k]:
            network.stages[k].layer.forward(slots[k])
    n_forward = len(builder.rows)
    builder.emit_loss(loss)
    thinned = _thinned_buffer(network) if thinning else None
    written: set[int] = set()
    for k in reversed(stages):
        if thinned == k + 1 and builder.needed[thinned]:
            builder.emit_thin(thinned, thinning)
        if builder.needed[k + 1] and not builder.is_view[k]:
            builder.backward(k, slots[k], written)
    return n_forward


def _thinned_buffer(network: Network) -> int | None:
    """Buffer whose gradient is thinned: the input of the last layer with parameters.

    Every gradient further down has to come through it; where a branch goes round that
    layer it is the output. None if there is no other layer.
    """
    last = max(t.layer for t in network.tensors)
    if last == min(t.layer for t in network.tensors):
        return None
    (source, *others), later = network.stages[last].sources, network.stages[last + 1 :]
    round_it = any(s <= last for stage in later for s in stage.sources)
    return len(network.stages) if others or round_it else source
