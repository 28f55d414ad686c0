"""The interpreter: walks the op table of one plan over one minibatch.

`image_op` is the address of the function that runs the operations on images, see
``image_ops``.
"""

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import dense, elementwise, sparse
from hogblock.kernels.cpu.call import Call
from hogblock.kernels.cpu.dense import dense_weight_gradient, dense_weight_update
from hogblock.kernels.cpu.image_ops import IMAGE_OPERATIONS
from hogblock.kernels.cpu.jit import kernel, part
from hogblock.kernels.cpu.loss import loss_of
from hogblock.kernels.cpu.memory import call_operation
from hogblock.kernels.cpu.update import column_sums, momentum_step, subtract
from hogblock.kernels.switch import make_switch


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


ROW_OPERATIONS = dense.OPERATIONS | elementwise.OPERATIONS | sparse.OPERATIONS
"""Kernels by the codes of their operations; all take a ``Call``."""

CODES = {
    op.LOSS, op.THIN, op.DENSE_UPDATE, op.BIAS_UPDATE, op.SPARSE_UPDATE,
    *ROW_OPERATIONS, *IMAGE_OPERATIONS,
}  # fmt: skip
"""Operations that it can run."""

_run_row_op = make_switch(ROW_OPERATIONS, "call", part)


@kernel
def run_op(row, reals, params, work, zeros, rows, training, key, counter, image_op):
    """One operation that updates nothing, on `rows` samples.

    params, work, zeros : addresses; training : int64, 1 where dropouts drop. Constants
    among the arguments would each have it compiled again.
    """
    call = Call(row, reals, params, work, zeros, rows, training != 0, key, counter, 0)
    if not _run_row_op(row[op.CODE], call):
        call_operation(
            image_op, _address(row), _address(reals), params, work, zeros, rows,
            training, np.int64(key), counter, 0,
        )  # fmt: skip


@kernel
def draws_of(row, rows):
    """Random numbers that a forward operation takes."""
    return rows * row[op.MASK_ROW]


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
def update_op(
    row, work, params, velocity, gradient, zeros, rows, coefficients, image_op
):
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
            np.int64(velocity.ctypes.data) + 4 * start,
            y_row, rows, row[op.COUNT], y_row, coefficients, row[op.DECAYS] == 1,
        )  # fmt: skip
    else:
        start, size = small_tensor(row)
        part = slice(start, start + size)
        small_gradient(row, work, zeros, rows, gradient[part], image_op)
        decays = row[op.DECAYS] == 1
        momentum_step(
            gradient[part], params[part], velocity[part], coefficients, decays
        )
        subtract(params[part], gradient[part])
