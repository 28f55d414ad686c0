"""The interpreter's operations on images: rows of the op table to kernels.

They are compiled as one function that the interpreter calls by its address: linked into
it, their code would be compiled again for every caller above them.
"""

from functools import cache

import numpy as np
from numba import types

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import space
from hogblock.kernels.cpu.conv import (
    conv_forward,
    conv_input_gradient,
    conv_weight_gradient,
    winograd_input_gradient,
    winograd_weight_gradient,
)
from hogblock.kernels.cpu.conv_pooled import (
    maxima_pay,
    pooled_input_gradient,
    pooled_weight_gradient,
)
from hogblock.kernels.cpu.elementwise import (
    spatial_dropout_backward,
    spatial_dropout_forward,
)
from hogblock.kernels.cpu.jit import callback, part
from hogblock.kernels.cpu.memory import floats, words
from hogblock.kernels.cpu.norm import (
    norm_forward,
    norm_input_gradient,
    norm_sums,
)
from hogblock.kernels.cpu.pooling import (
    avg_pool_backward,
    avg_pool_forward,
    max_pool_backward,
    max_pool_forward,
)
from hogblock.kernels.cpu.space import room_of
from hogblock.kernels.cpu.window import copy_channels, window_of


@part
def forward_image_op(row, reals, params, work, zeros, rows, training, key, counter):
    """See ``interpreter.forward_op``."""
    x, y = work + 4 * row[op.X], work + 4 * row[op.Y]
    x_row, y_row = row[op.X_ROW], row[op.Y_ROW]
    act, slope = row[op.KIND], reals[op.SLOPE]
    index, index_row = work + 4 * row[space.INDEX], row[space.INDEX_ROW]
    pixels = row[op.IN_HEIGHT] * row[op.IN_WIDTH]
    pixel = row[op.OUT_PIXEL]
    code = row[op.CODE]
    if code == op.CONV_FORWARD:
        bias = zeros if row[op.B] < 0 else params + 4 * row[op.B]
        conv_forward(
            window_of(row), room_of(row, work), x, x_row, params + 4 * row[op.W], bias,
            y, y_row, rows, act, slope, row[op.DEPTHWISE] == 1,
        )  # fmt: skip
    elif code == op.MAX_POOL_FORWARD:
        max_pool_forward(
            window_of(row), x, x_row, y, y_row, rows, act, slope, index, index_row
        )
    elif code == op.AVG_POOL_FORWARD:
        avg_pool_forward(window_of(row), x, x_row, y, y_row, rows)
    elif code == op.NORM_FORWARD:
        norm_forward(
            x, x_row, params + 4 * row[op.W], params + 4 * row[op.B], y, y_row, rows,
            pixels, pixel, row[op.OUT_CHANNELS], row[op.GROUPS], reals[op.EPSILON],
            work + 4 * row[op.MOMENTS], work + 4 * row[space.COEFFICIENTS], act, slope,
        )  # fmt: skip
    elif code == op.SPATIAL_DROPOUT_FORWARD:
        rate = reals[op.RATE] if training else np.float32(0)
        spatial_dropout_forward(
            x, x_row, y, y_row, work + 4 * row[op.MASK], rows, y_row // pixel, pixel,
            rate, key, counter,
        )  # fmt: skip
    elif code == op.COPY_CHANNELS:
        copy_channels(
            x, x_row, row[op.IN_PIXEL], y, y_row, pixel, rows, pixels,
            row[op.IN_CHANNELS],
        )  # fmt: skip


@part
def backward_image_op(row, reals, params, work, zeros, rows):
    """See ``interpreter.backward_op``."""
    y, act, slope = work + 4 * row[op.Y], row[op.KIND], reals[op.SLOPE]
    dx, dy = work + 4 * row[op.DX], work + 4 * row[op.DY]
    x, x_row, y_row = work + 4 * row[op.X], row[op.X_ROW], row[op.Y_ROW]
    index, index_row = work + 4 * row[space.INDEX], row[space.INDEX_ROW]
    pixels = row[op.IN_HEIGHT] * row[op.IN_WIDTH]
    pixel = row[op.OUT_PIXEL]
    code = row[op.CODE]
    if code == op.CONV_INPUT_GRADIENT:
        win, room, w = window_of(row), room_of(row, work), params + 4 * row[op.W]
        if row[op.DEPTHWISE] == 0 and maxima_pay(win):
            pooled_input_gradient(win, room, dy, y_row, w, dx, x_row, rows)
        elif room.tiles > 0:
            winograd_input_gradient(win, room, dy, y_row, w, dx, x_row, rows, zeros)
        else:
            conv_input_gradient(
                win, room, dy, y_row, w, dx, x_row, rows, zeros, row[op.DEPTHWISE] == 1
            )
    elif code == op.MAX_POOL_BACKWARD:
        max_pool_backward(window_of(row), dy, y_row, dx, x_row, rows, index, index_row)
    elif code == op.AVG_POOL_BACKWARD:
        avg_pool_backward(window_of(row), dy, y_row, dx, x_row, rows)
    elif code == op.NORM_SUMS:
        norm_sums(
            x, x_row, y, dy, y_row, rows, pixels, pixel, work + 4 * row[op.MOMENTS],
            work + 4 * row[op.SUMS], work + 4 * row[op.NORMED_SUMS], act, slope,
        )  # fmt: skip
    elif code == op.NORM_INPUT_GRADIENT:
        norm_input_gradient(
            x, x_row, params + 4 * row[op.W], y, dy, y_row, dx, x_row, rows, pixels,
            pixel, row[op.OUT_CHANNELS], row[op.GROUPS], work + 4 * row[op.MOMENTS],
            work + 4 * row[op.SUMS], work + 4 * row[op.NORMED_SUMS],
            work + 4 * row[space.COEFFICIENTS], act, slope,
        )  # fmt: skip
    elif code == op.SPATIAL_DROPOUT_BACKWARD:
        spatial_dropout_backward(
            dy, y_row, dx, x_row, work + 4 * row[op.MASK], rows, y_row // pixel,
            pixel,
        )  # fmt: skip
    elif code == op.COPY_CHANNELS:
        copy_channels(
            x, x_row, row[op.IN_PIXEL], work + 4 * row[op.Y], y_row, pixel, rows,
            pixels, row[op.IN_CHANNELS],
        )  # fmt: skip


@part
def conv_gradient(row, work, rows, g):
    """Gradient of the weights of a convolution, into an array."""
    x, dy = work + 4 * row[op.X], work + 4 * row[op.DY]
    x_row, y_row = row[op.X_ROW], row[op.Y_ROW]
    win, room, at = window_of(row), room_of(row, work), np.int64(g.ctypes.data)
    first, count = row[op.FIRST], row[op.COUNT]
    if row[op.DEPTHWISE] == 0 and maxima_pay(win):
        pooled_weight_gradient(win, room, x, x_row, dy, y_row, rows, at, first, count)
    elif room.tiles > 0:
        winograd_weight_gradient(win, room, x, x_row, dy, y_row, rows, at, first, count)
    else:
        conv_weight_gradient(
            win, room, x, x_row, dy, y_row, rows, at, first, count,
            row[op.DEPTHWISE] == 1,
        )  # fmt: skip


def _run_image_op(
    row_at, real_at, params, work, zeros, rows, training, key, counter, g
):
    """One operation of any kind; see ``interpreter`` for the arguments.

    row_at, real_at : addresses of the rows of the op table; g : of a gradient.
    """
    row, reals = words(row_at, space.ROW_WIDTH), floats(real_at, op.REAL_WIDTH)
    if row[op.CODE] == op.CONV_UPDATE:
        size = row[op.COUNT] * row[op.W_ROW]
        conv_gradient(row, work, rows, floats(g, size))
    elif row[op.CODE] < op.LOSS:
        forward_image_op(
            row, reals, params, work, zeros, rows, training != 0, np.uint32(key),
            counter,
        )  # fmt: skip
    else:
        backward_image_op(row, reals, params, work, zeros, rows)


run_image_op = callback(_run_image_op, types.void(*(types.int64,) * 10))


@cache
def image_op_address() -> int:
    """Where this process has the function; compiles or loads it at the first call."""
    run_image_op.compile()
    return run_image_op.address


def image_op_of(ops: np.ndarray) -> int:
    """The address, or 0 for op tables without operations on images."""
    return image_op_address() if (ops[..., op.OUT_PIXEL] > 0).any() else 0
