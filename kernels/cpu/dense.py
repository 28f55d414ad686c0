"""Dense layer: y = act(x w + b), its weight gradient and its input gradient.

Shapes (float32, row-major, rows padded to a multiple of ``LINE``):
x [batch, x_row], w [n_in, w_row], b [w_row], y and its gradient [batch, w_row].
Padding columns of w, b and of every gradient are zero and stay zero.
"""

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import space
from hogblock.kernels.cpu.call import buffer, parameters
from hogblock.kernels.cpu.jit import kernel, part
from hogblock.kernels.cpu.tile import (
    ROWS,
    WIDE,
    activate_line,
    activate_wide,
    momentum_line,
    momentum_wide,
    transpose_square,
)
from hogblock.kernels.ops import LINE, LINEAR

ONE = np.float32(1)


@kernel
def matmul_activate(
    a, a_row, a_inner, b, b_inner, init, out, out_row, m, n, k, act, slope
):  # fmt: skip
    """out[m, n] = act(init[n] + a[m, k] b[k, n]); n is a multiple of LINE.

    a, b, init and out are addresses; the strides of a choose its transpose.
    """
    j = 0
    while j < n:
        wide = j + WIDE <= n
        for i in range(0, m, ROWS):
            a_at = a + 4 * i * a_row
            out_at = out + 4 * (i * out_row + j)
            if wide:
                activate_wide(
                    a_at, a_row, 0, a_inner, b + 4 * j, 0, b_inner, init + 4 * j, 0,
                    1, k, m - i, out_at, out_row, act, slope,
                )  # fmt: skip
            else:
                activate_line(
                    a_at, a_row, 0, a_inner, b + 4 * j, 0, b_inner, init + 4 * j, 0,
                    1, k, m - i, out_at, out_row, act, slope,
                )  # fmt: skip
        j += WIDE if wide else LINE


@kernel
def dense_forward(x, x_row, w, b, y, w_row, batch, n_in, act, slope):
    """y[batch, w_row] = act(x w + b)."""
    matmul_activate(
        x, x_row, 1, w, w_row, b, y, w_row, batch, w_row, n_in, act, slope
    )  # fmt: skip


@kernel
def dense_weight_update(
    x, x_row, dy, dy_row, zeros, w, u, w_row, batch, n_in, n_out, coefficients, decays
):  # fmt: skip
    """Momentum step on w[n_in, n_out] with the gradient x^T dy, which is never stored.

    coefficients : float32 [4]: m, decay, along_g, along_u (see the tile's epilogue);
    decays : whether the decay applies.
    """
    m, along_g, along_u = coefficients[0], coefficients[2], coefficients[3]
    decay = coefficients[1] if decays else np.float32(0)
    for i in range(0, n_in, ROWS):
        j = 0
        while j < n_out:
            at = 4 * (i * w_row + j)
            if j + WIDE <= n_out:
                momentum_wide(
                    x + 4 * i, 1, 0, x_row, dy + 4 * j, 0, dy_row, zeros, 0,
                    1, batch, n_in - i, w + at, u + at, w_row,
                    m, decay, along_g, along_u,
                )  # fmt: skip
                j += WIDE
            else:
                momentum_line(
                    x + 4 * i, 1, 0, x_row, dy + 4 * j, 0, dy_row, zeros, 0,
                    1, batch, n_in - i, w + at, u + at, w_row,
                    m, decay, along_g, along_u,
                )  # fmt: skip
                j += LINE


@kernel
def dense_weight_gradient(x, x_row, dy, dy_row, zeros, g, w_row, batch, n_in, n_out):
    """g[n_in, n_out] = x^T dy."""
    matmul_activate(
        x, 1, x_row, dy, dy_row, zeros, g, w_row, n_in, n_out, batch, LINEAR, ONE
    )  # fmt: skip


@kernel
def dense_input_gradient(
    dy, dy_row, w, w_row, dx, dx_row, zeros, dy_t, dx_t, t_row, batch, n_in, n_out
):  # fmt: skip
    """dx[batch, n_in] = dy w^T, by way of dx^T = w dy^T: the batch fills the vectors.

    dy_t [n_out up to LINE, t_row] and dx_t [n_in up to LINE, t_row] are work space,
    t_row at least batch up to LINE; rows of dx_t past n_in must be zero.
    """
    columns = (batch + LINE - 1) // LINE * LINE
    for i in range(0, batch, LINE):
        for j in range(0, n_out, LINE):
            transpose_square(
                dy + 4 * (i * dy_row + j), dy_row, dy_t + 4 * (j * t_row + i), t_row
            )
    matmul_activate(
        w, w_row, 1, dy_t, t_row, zeros, dx_t, t_row, n_in, columns, n_out,
        LINEAR, ONE,
    )  # fmt: skip
    for i in range(0, n_in, LINE):
        for j in range(0, batch, LINE):
            transpose_square(
                dx_t + 4 * (i * t_row + j), t_row, dx + 4 * (j * dx_row + i), dx_row
            )


@part
def _dense_forward(call):
    row = call.row
    dense_forward(
        buffer(call, op.X), row[op.X_ROW], parameters(call, op.W),
        parameters(call, op.B), buffer(call, op.Y), row[op.Y_ROW], call.rows,
        row[op.X_WIDTH], row[op.KIND], call.reals[op.SLOPE],
    )  # fmt: skip


@part
def _dense_input_gradient(call):
    row = call.row
    dense_input_gradient(
        buffer(call, op.DY), row[op.Y_ROW], parameters(call, op.W), row[op.Y_ROW],
        buffer(call, op.DX), row[op.X_ROW], call.zeros, buffer(call, space.DY_T),
        buffer(call, space.DX_T), row[space.T_ROW], call.rows, row[op.X_WIDTH],
        row[op.Y_WIDTH],
    )  # fmt: skip


OPERATIONS = {
    op.DENSE_FORWARD: _dense_forward,
    op.DENSE_INPUT_GRADIENT: _dense_input_gradient,
}
