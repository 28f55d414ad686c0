"""From plans to what a CPU runs: work space by role, behind that of the plans.

A function an operation says which space its kernel needs and how much; the same role of
the same layer is the same space in every pass and in every plan of a worker. Plans take
turns in it, and some of it has borders of zeros that nobody writes.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import space
from hogblock.kernels.cpu.host import (
    SLACK,
    TILE,
    WINOGRAD_LEAST_PIXELS,
    WINOGRAD_SIZE,
)
from hogblock.kernels.cpu.interpreter import CODES
from hogblock.kernels.ops import LINE, padded

ROWS = TILE.rows


class Lowered(NamedTuple):
    """Plans that one worker runs in turn.

    Attributes
    ----------
    plans : list of models.plan.Plan
        With ops int64 [n, ROW_WIDTH], see ``space``.
    kept : list of int array of shape (n, 2)
        Of each plan, see ``job.Plans``.
    work_size : int
        float32 of a worker's work space.
    zeros_size : int
        float32 of the line of zeros that kernels start sums from.
    """

    plans: list
    kept: list
    work_size: int
    zeros_size: int


class Layout:
    """Work space behind that of the plans."""

    def __init__(self, size: int):
        self.size = size
        self._reserved: dict = {}

    def reserve(self, key, size: int) -> int:
        """Offset of `size` float32; the same key gives the same ones."""
        if key not in self._reserved:
            self._reserved[key] = self.size
            self.size += padded(int(size))
        return self._reserved[key]


def lower_plans(plans: list) -> Lowered:
    """Lower the plans of one worker.

    Parameters
    ----------
    plans : list of models.plan.Plan
        Of one network and minibatch size.

    Raises
    ------
    ValueError
        If an operation has no kernel; the message names its layer.
    """
    layout = Layout(max(plan.work_size for plan in plans))
    lowered = [replace(plan, ops=_lowered_ops(plan, layout)) for plan in plans]
    widest = max(plan.ops[:, [op.X_ROW, op.Y_ROW]].max() for plan in plans)
    kept = [_kept_buffers(plan.ops) for plan in lowered]
    return Lowered(lowered, kept, layout.size, max(int(widest), padded(plans[0].batch)))


def _lowered_ops(plan, layout: Layout) -> np.ndarray:
    ops = np.zeros((len(plan.ops), space.ROW_WIDTH), np.int64)
    ops[:, : op.OP_WIDTH] = plan.ops
    for row, origin in zip(ops, plan.origins, strict=True):
        code = int(row[op.CODE])
        if code not in CODES:
            name = op.OPERATIONS[code].name
            raise ValueError(f"operation {name} of {origin} has no CPU kernel")
        if code in SPACE:
            for column, value in SPACE[code](row, layout, padded(plan.batch)).items():
                row[column] = value
    return ops


def _kept_buffers(ops: np.ndarray) -> np.ndarray:
    """What operations behind a THIN read of samples that earlier ones wrote."""
    at = np.flatnonzero(ops[:, op.CODE] == op.THIN)
    if at.size == 0:
        return np.zeros((0, 2), np.int64)
    before, after = ops[: at[0] + 1], ops[at[0] + 1 :]
    written = {int(ops[0, op.X])}.union(
        *(_buffers(row, op.OPERATIONS[row[op.CODE]].writes) for row in before)
    )
    read: dict[int, int] = {}
    for row in (before[-1], *after):
        read |= _buffers(row, op.OPERATIONS[row[op.CODE]].reads)
    kept = [(start, size) for start, size in read.items() if start in written]
    return np.array(kept, np.int64).reshape(-1, 2)


def _buffers(row, names) -> dict[int, int]:
    """Offsets of buffers of a row, and of the positions of maxima; float32 a sample."""
    found = {
        int(row[op.COLUMNS[name]]): b.times * int(row[op.COLUMNS[b.row]])
        for name in names
        if (b := op.BUFFERS.get(name))
    }
    if row[space.INDEX_ROW]:
        found[int(row[space.INDEX])] = int(row[space.INDEX_ROW])
    return found


def _dense_input_gradient(row, layout, batch_rows):
    weights = int(row[op.W])
    return {
        space.DY_T: layout.reserve(("dy_t", weights), row[op.Y_ROW] * batch_rows),
        space.DX_T: layout.reserve(("dx_t", weights), row[op.X_ROW] * batch_rows),
        space.T_ROW: batch_rows,
    }


def _norm(row, layout, batch_rows):
    key = ("coefficients", int(row[op.W]))
    return {space.COEFFICIENTS: layout.reserve(key, 4 * row[op.OUT_PIXEL])}


def _max_pool(row, layout, batch_rows):
    """Positions of the maxima: uint16, two a float32."""
    index_row = padded(-(-int(row[op.Y_ROW]) // 2))
    index = layout.reserve(("index", int(row[op.Y])), index_row * batch_rows)
    return {space.INDEX: index, space.INDEX_ROW: index_row}


def _conv_forward(row, layout, batch_rows):
    columns = _conv(row, layout, batch_rows) | _conv_input(row, layout)
    if row[op.IN_CHANNELS] == 1:  # see ``conv.takes_pairs``
        pairs = (_taps(row) + 1) * LINE
        columns[space.TURNED] = layout.reserve(("pairs", int(row[op.Y])), pairs)
    return columns


def _conv_input_gradient(row, layout, batch_rows):
    y = int(row[op.Y])
    return _conv(row, layout, batch_rows) | {
        space.PACKED: layout.reserve(("packed_dy", y), _packed_gradient_size(row)),
        space.TABLE: layout.reserve(("phases", y), 2 * _phase_entries(row)),
        space.TURNED: layout.reserve(("turned", y), _turned_weights_size(row)),
    }


def _conv_update(row, layout, batch_rows):
    sums = layout.reserve(("sums", int(row[op.Y])), _turned_size(row))
    columns = _conv(row, layout, batch_rows) | _conv_input(row, layout)
    return columns | {space.TURNED: sums}


SPACE = {
    op.DENSE_INPUT_GRADIENT: _dense_input_gradient,
    op.CONV_FORWARD: _conv_forward,
    op.CONV_INPUT_GRADIENT: _conv_input_gradient,
    op.CONV_UPDATE: _conv_update,
    op.MAX_POOL_FORWARD: _max_pool,
    op.MAX_POOL_BACKWARD: _max_pool,
    op.NORM_FORWARD: _norm,
    op.NORM_INPUT_GRADIENT: _norm,
}
"""Space of the operations that need some, from a row, the layout, the batch's rows."""


# Convolutions ------------------------------------------------------------------------


def _conv(row, layout, batch_rows):
    """What all passes of a convolution have."""
    columns, y = {}, int(row[op.Y])
    if row[op.POOL_HEIGHT] * row[op.POOL_WIDTH] > 1:
        size = (row[op.OUT_HEIGHT] * row[op.OUT_WIDTH] + ROWS) * row[op.OUT_PIXEL]
        columns[space.FULL] = layout.reserve(("full", y), size)
        columns |= _max_pool(row, layout, batch_rows)
    tiles = _winograd_tiles(row)
    if tiles:
        n_in, n_out = row[op.IN_CHANNELS], row[op.OUT_CHANNELS]
        size = 16 * (n_in * n_out + tiles * (n_in + n_out))
        columns[space.WINOGRAD] = layout.reserve(("winograd", y), size)
        columns[space.WINOGRAD_TILES] = tiles
    return columns


def _conv_input(row, layout):
    """One packed sample of X, and the table of its pixels or of its weights' rows."""
    height, width = row[op.OUT_HEIGHT], row[op.OUT_WIDTH]
    rows = (height - 1) * row[op.STRIDE_HEIGHT] + row[op.KERNEL_HEIGHT]
    line = (width - 1) * row[op.STRIDE_WIDTH] + row[op.KERNEL_WIDTH]
    tiles, y = _winograd_tiles(row), int(row[op.Y])
    if tiles:
        rows, line = rows + rows % 2, line + line % 2
    lanes = row[op.IN_PIXEL if row[op.DEPTHWISE] else op.IN_CHANNELS]
    weight_rows = _taps(row) * (1 if row[op.DEPTHWISE] else row[op.IN_CHANNELS])
    entries = max(height * width, weight_rows, tiles) + ROWS
    return {
        space.PACKED: layout.reserve(("packed", y), rows * line * lanes + SLACK),
        space.TABLE: layout.reserve(("table", y), 2 * entries),
    }


def _taps(row) -> int:
    return row[op.KERNEL_HEIGHT] * row[op.KERNEL_WIDTH]


def _axes(row):
    """Size, kernel, stride, padding before and output of each axis."""
    down = op.IN_HEIGHT, op.KERNEL_HEIGHT, op.STRIDE_HEIGHT, op.PAD_TOP, op.OUT_HEIGHT
    across = op.IN_WIDTH, op.KERNEL_WIDTH, op.STRIDE_WIDTH, op.PAD_LEFT, op.OUT_WIDTH
    return row[list(down)], row[list(across)]


def _packed_gradient_size(row) -> int:
    """One sample of dy with its border, or of dx; whichever way the gradient goes."""
    dense = sparse = winograd = 1
    for size, kernel, stride, before, out in _axes(row):
        reach = (size - 1 + before) // stride + 1
        dense *= (kernel - 1) // stride + max(out, reach)
        sparse *= (out - 1) * stride + kernel + 1  # up to a pair
        winograd *= size + 3
    lanes = row[op.OUT_PIXEL if row[op.DEPTHWISE] else op.OUT_CHANNELS]
    return max(dense * lanes, sparse * row[op.IN_CHANNELS], winograd * lanes) + SLACK


def _phase_entries(row) -> int:
    """Pixels of dx, in as many groups as the strides make, each up to a whole tile."""
    groups = row[op.STRIDE_HEIGHT] * row[op.STRIDE_WIDTH]
    entries = row[op.IN_HEIGHT] * row[op.IN_WIDTH] + (groups + 1) * ROWS
    return max(entries, _winograd_tiles(row) + ROWS)


def _turned_weights_size(row) -> int:
    """Of the weights as an input gradient reads them."""
    if row[op.DEPTHWISE]:
        return _taps(row) * row[op.OUT_PIXEL]
    turned = _taps(row) * row[op.OUT_CHANNELS] * padded(row[op.IN_CHANNELS])
    return max(turned, _turned_size(row))


def _turned_size(row) -> int:
    """Of the weights with output channels first, or of one sample of dy."""
    run = padded(row[op.KERNEL_WIDTH] * row[op.IN_CHANNELS])
    pixels = 0
    if _winograd_tiles(row):
        pixels = (row[op.OUT_HEIGHT] + 1) * (row[op.OUT_WIDTH] + 1)
    return row[op.OUT_CHANNELS] * max(row[op.KERNEL_HEIGHT] * run, pixels)


def _winograd_tiles(row) -> int:
    """Patches that Winograd's convolution takes at once; 0 if it does not pay."""
    channels = int(row[op.IN_CHANNELS]), int(row[op.OUT_CHANNELS])
    if (
        row[op.DEPTHWISE]
        or (row[op.KERNEL_HEIGHT], row[op.KERNEL_WIDTH]) != (3, 3)
        or (row[op.STRIDE_HEIGHT], row[op.STRIDE_WIDTH]) != (1, 1)
        or any(c % LINE for c in channels)
        or row[op.OUT_HEIGHT] * row[op.OUT_WIDTH] < WINOGRAD_LEAST_PIXELS
    ):
        return 0
    return max(1, WINOGRAD_SIZE // sum(channels) // ROWS) * ROWS
