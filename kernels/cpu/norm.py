"""Group normalisation: y = act(w * hat + b), hat = (x - mean) / deviation.

Wu and He, "Group Normalization" (2018). Mean and variance are of one sample's group of
channels over all its pixels: nothing runs on from step to step, so nothing races.
Images are contiguous [pixels, pixel], channels in lines with zeros behind them;
w, b [pixel]. moments [rows, 2, pixel] holds each channel's mean and 1 / deviation.
"""

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import space
from hogblock.kernels.cpu.call import buffer, parameters
from hogblock.kernels.cpu.elementwise import activate_inside
from hogblock.kernels.cpu.jit import kernel, part
from hogblock.kernels.cpu.memory import floats
from hogblock.kernels.cpu.norm_tile import make_lines
from hogblock.kernels.ops import LINE, LINEAR

ZERO = np.float32(0)
ONE = np.float32(1)
_sum_1, _squares_1, _affine_1, _sums_1, _gradient_1 = make_lines(1)
_sum_2, _squares_2, _affine_2, _sums_2, _gradient_2 = make_lines(2)
_sum_4, _squares_4, _affine_4, _sums_4, _gradient_4 = make_lines(4)


@kernel
def _lines_from(j, pixel):
    """Lines of channels to take at once from channel j on: 4, 2 or 1."""
    left = (pixel - j) // LINE
    return 4 if left >= 4 else (2 if left >= 2 else 1)


@kernel
def _sum(x, count, step, out):
    """out[step] = sum over the pixels of x."""
    j = 0
    while j < step:
        n = _lines_from(j, step)
        at = 4 * j
        if n == 4:
            _sum_4(x + at, count, step, out + at)
        elif n == 2:
            _sum_2(x + at, count, step, out + at)
        else:
            _sum_1(x + at, count, step, out + at)
        j += n * LINE


@kernel
def _squares(x, count, step, mean, out):
    """out[step] = sum over the pixels of (x - mean)^2."""
    j = 0
    while j < step:
        n = _lines_from(j, step)
        at = 4 * j
        if n == 4:
            _squares_4(x + at, count, step, mean + at, out + at)
        elif n == 2:
            _squares_2(x + at, count, step, mean + at, out + at)
        else:
            _squares_1(x + at, count, step, mean + at, out + at)
        j += n * LINE


@kernel
def _affine(x, count, step, mean, scale, shift, y, slope):
    """y = v > 0 ? v : slope * v, where v = (x - mean) * scale + shift."""
    j = 0
    while j < step:
        n = _lines_from(j, step)
        at = 4 * j
        m, s, c = mean + at, scale + at, shift + at
        if n == 4:
            _affine_4(x + at, count, step, m, s, c, y + at, slope)
        elif n == 2:
            _affine_2(x + at, count, step, m, s, c, y + at, slope)
        else:
            _affine_1(x + at, count, step, m, s, c, y + at, slope)
        j += n * LINE


@kernel
def _sums(x, y, dy, count, step, mean, plain, along, act, slope):
    """plain = sum of d, along = sum of d * (x - mean), where d = dy * act'."""
    j = 0
    while j < step:
        n = _lines_from(j, step)
        a = 4 * j
        m, p, q = mean + a, plain + a, along + a
        if n == 4:
            _sums_4(x + a, y + a, dy + a, count, step, m, p, q, act, slope)
        elif n == 2:
            _sums_2(x + a, y + a, dy + a, count, step, m, p, q, act, slope)
        else:
            _sums_1(x + a, y + a, dy + a, count, step, m, p, q, act, slope)
        j += n * LINE


@kernel
def _gradient(
    x, y, dy, count, step, mean, by_d, by_x, constant, dx, act, slope
):  # fmt: skip
    """dx = by_d * d + by_x * (x - mean) + constant."""
    j = 0
    while j < step:
        n = _lines_from(j, step)
        a = 4 * j
        m, d, s, c = mean + a, by_d + a, by_x + a, constant + a
        if n == 4:
            _gradient_4(
                x + a, y + a, dy + a, count, step, m, d, s, c, dx + a, act, slope
            )
        elif n == 2:
            _gradient_2(
                x + a, y + a, dy + a, count, step, m, d, s, c, dx + a, act, slope
            )
        else:
            _gradient_1(
                x + a, y + a, dy + a, count, step, m, d, s, c, dx + a, act, slope
            )
        j += n * LINE


@kernel
def _group_sums(sums, channels, groups):
    """Replace each channel's sum by its group's; lanes of padding become zero."""
    size = channels // groups
    for g in range(groups):
        total = ZERO
        for c in range(g * size, (g + 1) * size):
            total += sums[c]
        for c in range(g * size, (g + 1) * size):
            sums[c] = total
    sums[channels:] = ZERO


@kernel
def norm_forward(
    x, x_row, w, b, y, y_row, rows, pixels, pixel, channels, groups, epsilon, moments,
    work, act, slope,
):  # fmt: skip
    """y and the moments; work : [pixel]."""
    leak = slope if act == LINEAR else ONE
    scale = floats(w, pixel)
    share = ONE / np.float32(pixels * (channels // groups))
    by_x = floats(work, pixel)
    for i in range(rows):
        source, out = x + 4 * i * x_row, y + 4 * i * y_row
        mean_at = moments + 8 * i * pixel
        inverse_at = mean_at + 4 * pixel
        mean, inverse = floats(mean_at, pixel), floats(inverse_at, pixel)
        _sum(source, pixels, pixel, mean_at)
        _group_sums(mean, channels, groups)
        for j in range(channels):
            mean[j] *= share
        _squares(source, pixels, pixel, mean_at, inverse_at)
        _group_sums(inverse, channels, groups)
        for j in range(channels):
            inverse[j] = ONE / np.sqrt(inverse[j] * share + epsilon)
        for j in range(pixel):
            by_x[j] = scale[j] * inverse[j]
        _affine(source, pixels, pixel, mean_at, work, b, out, leak)
        if act != LINEAR:
            activate_inside(out, y_row, act, slope)


@kernel
def norm_sums(
    x, x_row, y, dy, y_row, rows, pixels, pixel, moments, plain, along, act, slope
):  # fmt: skip
    """For each sample and channel, plain = sum of d and along = sum of d * hat.

    d = dy * act'(...). Summed up over the samples they are the gradients of b and w.
    plain, along : [rows, pixel].
    """
    for i in range(rows):
        at = 4 * i * pixel
        inverse = floats(moments + 2 * at + 4 * pixel, pixel)
        product = floats(along + at, pixel)
        _sums(
            x + 4 * i * x_row, y + 4 * i * y_row, dy + 4 * i * y_row, pixels, pixel,
            moments + 2 * at, plain + at, along + at, act, slope,
        )  # fmt: skip
        for j in range(pixel):
            product[j] *= inverse[j]


@kernel
def norm_input_gradient(
    x, x_row, w, y, dy, y_row, dx, dx_row, rows, pixels, pixel, channels, groups,
    moments, plain, along, work, act, slope,
):  # fmt: skip
    """dx = (v - mean(v) - hat * mean(v * hat)) / deviation with v = w * d.

    The means are over a group. plain, along : from `norm_sums`; work : [4, pixel].
    """
    scale = floats(w, pixel)
    by_d, by_x = floats(work, pixel), floats(work + 4 * pixel, pixel)
    constant, product = (
        floats(work + 8 * pixel, pixel),
        floats(work + 12 * pixel, pixel),
    )
    share = ONE / np.float32(pixels * (channels // groups))
    for i in range(rows):
        at = 4 * i * pixel
        inverse = floats(moments + 2 * at + 4 * pixel, pixel)
        sums, products = floats(plain + at, pixel), floats(along + at, pixel)
        for j in range(pixel):
            constant[j] = scale[j] * sums[j]
            product[j] = scale[j] * products[j]
        _group_sums(constant, channels, groups)
        _group_sums(product, channels, groups)
        for j in range(pixel):
            by_d[j] = inverse[j] * scale[j]
            by_x[j] = -inverse[j] * inverse[j] * share * product[j]
            constant[j] *= -inverse[j] * share
        _gradient(
            x + 4 * i * x_row, y + 4 * i * y_row, dy + 4 * i * y_row, pixels, pixel,
            moments + 2 * at, work, work + 4 * pixel, work + 8 * pixel,
            dx + 4 * i * dx_row, act, slope,
        )  # fmt: skip


@part
def _norm_forward(call):
    row = call.row
    norm_forward(
        buffer(call, op.X), row[op.X_ROW], parameters(call, op.W),
        parameters(call, op.B), buffer(call, op.Y), row[op.Y_ROW], call.rows,
        row[op.IN_HEIGHT] * row[op.IN_WIDTH], row[op.OUT_PIXEL], row[op.OUT_CHANNELS],
        row[op.GROUPS], call.reals[op.EPSILON], buffer(call, op.MOMENTS),
        buffer(call, space.COEFFICIENTS), row[op.KIND], call.reals[op.SLOPE],
    )  # fmt: skip


@part
def _norm_sums(call):
    row = call.row
    norm_sums(
        buffer(call, op.X), row[op.X_ROW], buffer(call, op.Y), buffer(call, op.DY),
        row[op.Y_ROW], call.rows, row[op.IN_HEIGHT] * row[op.IN_WIDTH],
        row[op.OUT_PIXEL], buffer(call, op.MOMENTS), buffer(call, op.SUMS),
        buffer(call, op.NORMED_SUMS), row[op.KIND], call.reals[op.SLOPE],
    )  # fmt: skip


@part
def _norm_input_gradient(call):
    row = call.row
    norm_input_gradient(
        buffer(call, op.X), row[op.X_ROW], parameters(call, op.W), buffer(call, op.Y),
        buffer(call, op.DY), row[op.Y_ROW], buffer(call, op.DX), row[op.X_ROW],
        call.rows, row[op.IN_HEIGHT] * row[op.IN_WIDTH], row[op.OUT_PIXEL],
        row[op.OUT_CHANNELS], row[op.GROUPS], buffer(call, op.MOMENTS),
        buffer(call, op.SUMS), buffer(call, op.NORMED_SUMS),
        buffer(call, space.COEFFICIENTS), row[op.KIND], call.reals[op.SLOPE],
    )  # fmt: skip


OPERATIONS = {
    op.NORM_FORWARD: _norm_forward,
    op.NORM_SUMS: _norm_sums,
    op.NORM_INPUT_GRADIENT: _norm_input_gradient,
}
