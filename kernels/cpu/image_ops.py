"""The interpreter's operations on images: rows of the op table to kernels.

They are compiled as one function that the interpreter calls by its address: linked into
it, their code would be compiled again for every caller above them.
"""

from functools import cache

import numpy as np
from numba import types

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import norm, pooling, space
from hogblock.kernels.cpu.call import Call, buffer, parameters
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
from hogblock.kernels.cpu.space import room_of
from hogblock.kernels.cpu.window import copy_channels, window_of
from hogblock.kernels.switch import make_switch


@part
def _conv_forward(call):
    row = call.row
    bias = call.zeros if row[op.B] < 0 else parameters(call, op.B)
    conv_forward(
        window_of(row), room_of(row, call.work), buffer(call, op.X), row[op.X_ROW],
        parameters(call, op.W), bias, buffer(call, op.Y), row[op.Y_ROW], call.rows,
        row[op.KIND], call.reals[op.SLOPE], row[op.DEPTHWISE] == 1,
    )  # fmt: skip


@part
def _conv_input_gradient(call):
    row, rows, zeros = call.row, call.rows, call.zeros
    win, room, w = window_of(row), room_of(row, call.work), parameters(call, op.W)
    dy, y_row = buffer(call, op.DY), row[op.Y_ROW]
    dx, x_row = buffer(call, op.DX), row[op.X_ROW]
    if row[op.DEPTHWISE] == 0 and maxima_pay(win):
        pooled_input_gradient(win, room, dy, y_row, w, dx, x_row, rows)
    elif room.tiles > 0:
        winograd_input_gradient(win, room, dy, y_row, w, dx, x_row, rows, zeros)
    else:
        conv_input_gradient(
            win, room, dy, y_row, w, dx, x_row, rows, zeros, row[op.DEPTHWISE] == 1
        )


@part
def _conv_weight_gradient(call):
    row, rows, g = call.row, call.rows, call.gradient
    x, x_row = buffer(call, op.X), row[op.X_ROW]
    dy, y_row = buffer(call, op.DY), row[op.Y_ROW]
    win, room = window_of(row), room_of(row, call.work)
    first, count = row[op.FIRST], row[op.COUNT]
    if row[op.DEPTHWISE] == 0 and maxima_pay(win):
        pooled_weight_gradient(win, room, x, x_row, dy, y_row, rows, g, first, count)
    elif room.tiles > 0:
        winograd_weight_gradient(win, room, x, x_row, dy, y_row, rows, g, first, count)
    else:
        conv_weight_gradient(
            win, room, x, x_row, dy, y_row, rows, g, first, count,
            row[op.DEPTHWISE] == 1,
        )  # fmt: skip


@part
def _spatial_dropout_forward(call):
    row = call.row
    rate = call.reals[op.RATE] if call.training else np.float32(0)
    spatial_dropout_forward(
        buffer(call, op.X), row[op.X_ROW], buffer(call, op.Y), row[op.Y_ROW],
        buffer(call, op.MASK), call.rows, row[op.Y_ROW] // row[op.OUT_PIXEL],
        row[op.OUT_PIXEL], rate, call.key, call.counter,
    )  # fmt: skip


@part
def _spatial_dropout_backward(call):
    row = call.row
    spatial_dropout_backward(
        buffer(call, op.DY), row[op.Y_ROW], buffer(call, op.DX), row[op.X_ROW],
        buffer(call, op.MASK), call.rows, row[op.Y_ROW] // row[op.OUT_PIXEL],
        row[op.OUT_PIXEL],
    )  # fmt: skip


@part
def _copy_channels(call):
    row = call.row
    copy_channels(
        buffer(call, op.X), row[op.X_ROW], row[op.IN_PIXEL], buffer(call, op.Y),
        row[op.Y_ROW], row[op.OUT_PIXEL], call.rows,
        row[op.IN_HEIGHT] * row[op.IN_WIDTH], row[op.IN_CHANNELS],
    )  # fmt: skip


IMAGE_OPERATIONS = {
    op.CONV_FORWARD: _conv_forward,
    op.CONV_INPUT_GRADIENT: _conv_input_gradient,
    op.CONV_UPDATE: _conv_weight_gradient,
    op.SPATIAL_DROPOUT_FORWARD: _spatial_dropout_forward,
    op.SPATIAL_DROPOUT_BACKWARD: _spatial_dropout_backward,
    op.COPY_CHANNELS: _copy_channels,
    **pooling.OPERATIONS,
    **norm.OPERATIONS,
}
"""Kernels by the codes of their operations; all take a ``Call``."""

_run = make_switch(IMAGE_OPERATIONS, "call", part)


def _run_image_op(
    row_at, real_at, params, work, zeros, rows, training, key, counter, gradient
):
    """The fields of a ``Call``, all of them integers; row_at, real_at : addresses."""
    row, reals = words(row_at, space.ROW_WIDTH), floats(real_at, op.REAL_WIDTH)
    call = Call(
        row, reals, params, work, zeros, rows, training != 0, np.uint32(key), counter,
        gradient,
    )  # fmt: skip
    _run(row[op.CODE], call)


run_image_op = callback(_run_image_op, types.void(*(types.int64,) * 10))


@cache
def image_op_address() -> int:
    """Where this process has the function; compiles or loads it at the first call."""
    run_image_op.compile()
    return run_image_op.address


def image_op_of(ops: np.ndarray) -> int:
    """The address, or 0 for op tables that need none of its kernels."""
    wanted = np.isin(ops[..., op.CODE], list(IMAGE_OPERATIONS)).any()
    return image_op_address() if wanted else 0
