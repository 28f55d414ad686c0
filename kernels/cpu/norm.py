"""Group normalisation: y = w * (x - mean) / sqrt(variance + epsilon) + b.

Wu and He, "Group Normalization" (2018). Mean and variance are of one sample's group of
channels over all its pixels: nothing runs on from step to step, so nothing races.
Images are contiguous [pixels, pixel], channels in lines with zeros behind them;
w, b [pixel].
"""

import numpy as np

from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import floats

ZERO = np.float32(0)
ONE = np.float32(1)


@kernel
def _group_sums(sums, channels, groups):
    """Replace each channel's sum by its group's."""
    size = channels // groups
    for g in range(groups):
        total = ZERO
        for c in range(g * size, (g + 1) * size):
            total += sums[c]
        for c in range(g * size, (g + 1) * size):
            sums[c] = total


@kernel
def norm_forward(
    x, x_row, w, b, y, y_row, rows, pixels, pixel, channels, groups, epsilon, moments
):  # fmt: skip
    """y; moments [rows, 2, pixel] keeps each channel's mean and 1 / deviation."""
    scale, shift = floats(w, pixel), floats(b, pixel)
    share = ONE / np.float32(pixels * (channels // groups))
    for i in range(rows):
        source = floats(x + 4 * i * x_row, pixels * pixel)
        out = floats(y + 4 * i * y_row, pixels * pixel)
        mean = floats(moments + 8 * i * pixel, pixel)
        inverse = floats(moments + 8 * i * pixel + 4 * pixel, pixel)
        for j in range(pixel):
            mean[j] = ZERO
            inverse[j] = ZERO
        for p in range(pixels):
            for j in range(pixel):
                mean[j] += source[p * pixel + j]
        _group_sums(mean, channels, groups)
        for j in range(pixel):
            mean[j] *= share
        for p in range(pixels):
            for j in range(pixel):
                d = source[p * pixel + j] - mean[j]
                inverse[j] += d * d
        _group_sums(inverse, channels, groups)
        for j in range(channels):
            inverse[j] = ONE / np.sqrt(inverse[j] * share + epsilon)
        for j in range(channels, pixel):
            mean[j] = ZERO
            inverse[j] = ZERO
        for p in range(pixels):
            for j in range(pixel):
                hat = (source[p * pixel + j] - mean[j]) * inverse[j]
                out[p * pixel + j] = scale[j] * hat + shift[j]


@kernel
def norm_scale_gradient(x, x_row, dy, dy_row, rows, pixels, pixel, moments, g):
    """g[pixel] = sum of dy * (x - mean) / deviation; an array."""
    g[:] = ZERO
    for i in range(rows):
        source = floats(x + 4 * i * x_row, pixels * pixel)
        d = floats(dy + 4 * i * dy_row, pixels * pixel)
        mean = floats(moments + 8 * i * pixel, pixel)
        inverse = floats(moments + 8 * i * pixel + 4 * pixel, pixel)
        for p in range(pixels):
            for j in range(pixel):
                at = p * pixel + j
                g[j] += d[at] * (source[at] - mean[j]) * inverse[j]


@kernel
def norm_input_gradient(
    x, x_row, w, dy, dy_row, dx, dx_row, rows, pixels, pixel, channels, groups,
    moments, sums,
):  # fmt: skip
    """dx = (v - mean(v) - hat * mean(v * hat)) / deviation with v = w * dy.

    hat is the normalised x; the means are over a group. sums : work space [2, pixel].
    """
    scale = floats(w, pixel)
    plain, along = floats(sums, pixel), floats(sums + 4 * pixel, pixel)
    share = ONE / np.float32(pixels * (channels // groups))
    for i in range(rows):
        source = floats(x + 4 * i * x_row, pixels * pixel)
        d = floats(dy + 4 * i * dy_row, pixels * pixel)
        out = floats(dx + 4 * i * dx_row, pixels * pixel)
        mean = floats(moments + 8 * i * pixel, pixel)
        inverse = floats(moments + 8 * i * pixel + 4 * pixel, pixel)
        for j in range(pixel):
            plain[j] = ZERO
            along[j] = ZERO
        for p in range(pixels):
            for j in range(pixel):
                at = p * pixel + j
                v = d[at] * scale[j]
                plain[j] += v
                along[j] += v * (source[at] - mean[j]) * inverse[j]
        _group_sums(plain, channels, groups)
        _group_sums(along, channels, groups)
        for p in range(pixels):
            for j in range(pixel):
                at = p * pixel + j
                hat = (source[at] - mean[j]) * inverse[j]
                v = d[at] * scale[j] - share * (plain[j] + hat * along[j])
                out[at] = v * inverse[j]
