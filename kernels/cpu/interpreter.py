"""The interpreter: walks the op table of one plan over one minibatch.

`image_op` is the address of the function that runs the operations on images, see
``image_ops``.
"""

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import space
from hogblock.kernels.cpu.dense import (
    dense_forward,
    dense_input_gradient,
    dense_weight_gradient,
    dense_weight_update,
)
from hogblock.kernels.cpu.elementwise import (
    activation_backward,
    activation_forward,
    add,
    dropout_backward,
    dropout_forward,
)
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.loss import loss_of
from hogblock.kernels.cpu.memory import call_operation
from hogblock.kernels.cpu.update import column_sums, momentum_step, subtract
from hogblock.kernels.cpu.window import copy

CODES = frozenset(op.OPERATIONS)
"""Operations that it knows."""


@kernel
def _address(array):
    return np.int64(array.ctypes.data)


@kernel
def compute_loss(row, reals, work, targets, indices, rows, weights, scale):
    """Value of the loss, summed over the minibatch; writes its gradient DY."""
    return loss_of(
        row[op.KIND], work + 4 * row[op.X], work + 4 * row[op.DY], row[op.X_ROW],
        row[op.X_WIDTH], targets, indices, rows, weights, scale,
        reals[op.LOSS_PARAMETER],
    )  # fmt: skip


@kernel
def forward_op(
    row, reals, params, work, zeros, rows, training, key, counter, image_op
):  # fmt: skip
    """One forward operation on `rows` samples; `params`, `work` are addresses."""
    x, y = work + 4 * row[op.X], work + 4 * row[op.Y]
    x_row, y_row = row[op.X_ROW], row[op.Y_ROW]
    code = row[op.CODE]
    if code == op.DENSE_FORWARD:
        dense_forward(
            x, x_row, params + 4 * row[op.W], params + 4 * row[op.B], y, y_row,
            rows, row[op.X_WIDTH], row[op.KIND], reals[op.SLOPE],
        )  # fmt: skip
    elif code == op.ACTIVATION_FORWARD:
        activation_forward(
            x, x_row, y, y_row, rows, y_row, row[op.KIND], reals[op.SLOPE]
        )
    elif code == op.DROPOUT_FORWARD:
        rate = reals[op.RATE] if training else np.float32(0)
        mask = work + 4 * row[op.MASK]
        dropout_forward(x, x_row, y, y_row, mask, rows, y_row, rate, key, counter)
    elif code == op.ADD_FORWARD:
        add(x, work + 4 * row[op.X2], y, rows * y_row, row[op.KIND], reals[op.SLOPE])
    else:
        call_operation(
            image_op, _address(row), _address(reals), params, work, zeros, rows,
            np.int64(training), np.int64(key), counter, 0,
        )  # fmt: skip


@kernel
def draws_of(row, rows):
    """Random numbers that a forward operation takes."""
    return rows * row[op.MASK_ROW]


@kernel
def backward_op(row, reals, params, work, zeros, rows, image_op):
    """One operation of the backward pass that changes no parameter."""
    dx, dy = work + 4 * row[op.DX], work + 4 * row[op.DY]
    x_row, y_row = row[op.X_ROW], row[op.Y_ROW]
    code = row[op.CODE]
    if code == op.DENSE_INPUT_GRADIENT:
        dense_input_gradient(
            dy, y_row, params + 4 * row[op.W], y_row, dx, x_row, zeros,
            work + 4 * row[space.DY_T], work + 4 * row[space.DX_T],
            row[space.T_ROW], rows, row[op.X_WIDTH], row[op.Y_WIDTH],
        )  # fmt: skip
    elif code == op.ACTIVATION_BACKWARD:
        y = work + 4 * row[op.Y]
        activation_backward(
            y, dy, y_row, dx, x_row, rows, y_row, row[op.KIND], reals[op.SLOPE]
        )
    elif code == op.DROPOUT_BACKWARD:
        mask = work + 4 * row[op.MASK]
        dropout_backward(dy, y_row, dx, x_row, mask, rows, y_row)
    elif code == op.ADD_BACKWARD:
        if row[op.ADDS] == 1:
            add(dx, dy, dx, rows * y_row, op.LINEAR, np.float32(1))
        else:
            copy(dy, dx, rows * y_row)
    else:
        call_operation(
            image_op, _address(row), _address(reals), params, work, zeros, rows, 0, 0,
            0, 0,
        )  # fmt: skip


@kernel
def gradient_op(row, work, gradient, zeros, rows, image_op):
    """Write a parameter gradient into the vector `gradient`, laid out as parameters."""
    dy, y_row = work + 4 * row[op.DY], row[op.Y_ROW]
    at = gradient.ctypes.data
    if row[op.CODE] == op.DENSE_UPDATE:
        x = work + 4 * (row[op.X] + row[op.FIRST])
        g = np.int64(at) + 4 * (row[op.W] + row[op.FIRST] * y_row)
        dense_weight_gradient(
            x, row[op.X_ROW], dy, y_row, zeros, g, y_row, rows, row[op.COUNT], y_row
        )
    else:
        start, size = small_tensor(row)
        small_gradient(row, work, zeros, rows, gradient[start : start + size], image_op)


@kernel
def small_tensor(row):
    """Start and length of a tensor whose gradient is summed up before its update."""
    return row[op.W] + row[op.FIRST] * row[op.W_ROW], row[op.COUNT] * row[op.W_ROW]


@kernel
def small_gradient(row, work, zeros, rows, g, image_op):
    """Gradient of a bias or a scale, or of a convolution's weights, into an array."""
    if row[op.CODE] == op.BIAS_UPDATE:
        dy = work + 4 * row[op.DY]
        lines = row[op.Y_ROW] // row[op.W_ROW]
        column_sums(dy, row[op.W_ROW], rows * lines, g)
    else:
        call_operation(
            image_op, _address(row), 0, 0, work, zeros, rows, 0, 0, 0, _address(g)
        )


@kernel
def update_op(row, work, params, momentum, gradient, zeros, rows, step, image_op):
    """Update a parameter tensor in place, its gradient never leaving the registers.

    Biases, scales and convolutions are small: their gradient goes through `gradient`.
    """
    dy, y_row = work + 4 * row[op.DY], row[op.Y_ROW]
    if row[op.CODE] == op.DENSE_UPDATE:
        x = work + 4 * (row[op.X] + row[op.FIRST])
        start = row[op.W] + row[op.FIRST] * y_row
        dense_weight_update(
            x, row[op.X_ROW], dy, y_row, zeros,
            np.int64(params.ctypes.data) + 4 * start,
            np.int64(momentum.ctypes.data) + 4 * start,
            y_row, rows, row[op.COUNT], y_row, step, row[op.DECAYS] == 1,
        )  # fmt: skip
    else:
        start, size = small_tensor(row)
        part = slice(start, start + size)
        small_gradient(row, work, zeros, rows, gradient[part], image_op)
        decays = row[op.DECAYS] == 1
        momentum_step(gradient[part], params[part], momentum[part], step, decays)
        subtract(params[part], gradient[part])
