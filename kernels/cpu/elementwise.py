"""Activations and dropout on whole buffers; exp of a line of values.

Buffers are addresses of float32 rows, `row` apart; widths are multiples of ``LINE``, so
padding columns are worked on too, and stay zero where it matters (every gradient).
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from hogblock.kernels.cpu.ir import VectorBuilder
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import floats
from hogblock.kernels.cpu.random import hash_bits
from hogblock.kernels.ops import LINE, LINEAR, LOGISTIC, TANH

ONE = np.float32(1)


def _make_line_function(apply):
    """Intrinsic ``(source, out, argument)`` on the ``LINE`` float32 at an address."""
    signature = types.void(types.int64, types.int64, types.float32)

    def codegen(context, builder, sig, arguments):
        vb = VectorBuilder(builder, LINE)
        source, out, argument = arguments
        value = apply(vb, vb.load(vb.pointer(source)), vb.spread(argument))
        vb.store(value, vb.pointer(out))
        return context.get_dummy_value()

    @intrinsic
    def line(typing_context, source, out, argument):
        return signature, codegen

    return line


exp_line = _make_line_function(
    lambda vb, x, shift: vb.exp(vb.builder.fsub(x, shift))
)  # e**(x - shift)
tanh_line = _make_line_function(lambda vb, x, _: vb.tanh(x))
logistic_line = _make_line_function(lambda vb, x, _: vb.logistic(x))
leaky_line = _make_line_function(lambda vb, x, slope: vb.leaky(x, slope))


@kernel
def activation_forward(x, x_row, y, y_row, rows, width, kind, slope):
    """y = act(x)."""
    for i in range(rows):
        for j in range(0, width, LINE):
            source, out = x + 4 * (i * x_row + j), y + 4 * (i * y_row + j)
            if kind == TANH:
                tanh_line(source, out, slope)
            elif kind == LOGISTIC:
                logistic_line(source, out, slope)
            else:
                leaky_line(source, out, slope)


@kernel
def activation_backward(y, dy, y_row, dx, dx_row, rows, width, kind, slope):
    """dx = dy * act'(x), written in terms of y = act(x); act'(0) = slope for LINEAR."""
    if kind == LINEAR and slope == ONE and dx == dy:
        return
    for i in range(rows):
        a = floats(y + 4 * i * y_row, width)
        d = floats(dy + 4 * i * y_row, width)
        out = floats(dx + 4 * i * dx_row, width)
        if kind == TANH:
            for j in range(width):
                out[j] = d[j] * (ONE - a[j] * a[j])
        elif kind == LOGISTIC:
            for j in range(width):
                out[j] = d[j] * (a[j] * (ONE - a[j]))
        else:
            for j in range(width):
                out[j] = d[j] if a[j] > np.float32(0) else d[j] * slope


@kernel
def dropout_forward(x, x_row, y, y_row, mask, rows, width, rate, key, counter):
    """y = x * mask, mask [rows, y_row] = 0 with probability rate, else 1 / (1 - rate).

    The draw of element e is a hash of (key, counter + e): the caller moves `counter` on
    by rows * y_row.
    """
    keep = ONE / (ONE - rate)
    threshold = np.uint32(np.float64(rate) * 4294967295.0)
    for i in range(rows):
        a = floats(x + 4 * i * x_row, width)
        out = floats(y + 4 * i * y_row, width)
        m = floats(mask + 4 * i * y_row, width)
        base = np.uint32(counter + i * y_row)
        for j in range(width):
            drop = hash_bits(np.uint32(base + np.uint32(j)), key) < threshold
            m[j] = np.float32(0) if drop else keep
            out[j] = a[j] * m[j]


@kernel
def dropout_backward(dy, y_row, dx, dx_row, mask, rows, width):
    """dx = dy * mask."""
    for i in range(rows):
        d = floats(dy + 4 * i * y_row, width)
        out = floats(dx + 4 * i * dx_row, width)
        m = floats(mask + 4 * i * y_row, width)
        for j in range(width):
            out[j] = d[j] * m[j]


@kernel
def spatial_dropout_forward(
    x, x_row, y, y_row, mask, rows, pixels, pixel, rate, key, counter
):  # fmt: skip
    """y = x * mask, mask [rows, pixel]: one draw for a channel of a sample.

    `counter` as in `dropout_forward`, a draw for each entry of the mask.
    """
    keep = ONE / (ONE - rate)
    threshold = np.uint32(np.float64(rate) * 4294967295.0)
    for i in range(rows):
        m = floats(mask + 4 * i * pixel, pixel)
        base = np.uint32(counter + i * pixel)
        for j in range(pixel):
            drop = hash_bits(np.uint32(base + np.uint32(j)), key) < threshold
            m[j] = np.float32(0) if drop else keep
    spatial_dropout_backward(x, x_row, y, y_row, mask, rows, pixels, pixel)


@kernel
def spatial_dropout_backward(dy, y_row, dx, dx_row, mask, rows, pixels, pixel):
    """dx = dy * mask."""
    for i in range(rows):
        d = floats(dy + 4 * i * y_row, pixels * pixel)
        out = floats(dx + 4 * i * dx_row, pixels * pixel)
        m = floats(mask + 4 * i * pixel, pixel)
        for p in range(pixels):
            for j in range(pixel):
                out[p * pixel + j] = d[p * pixel + j] * m[j]


@kernel
def add(a, b, y, count, kind, slope):
    """y = act(a + b), `count` a multiple of ``LINE``; y may be one of them."""
    left, right, out = floats(a, count), floats(b, count), floats(y, count)
    if kind == LINEAR:
        for i in range(count):
            total = left[i] + right[i]
            out[i] = total if total > np.float32(0) else total * slope
        return
    for i in range(count):
        out[i] = left[i] + right[i]
    activation_forward(y, count, y, count, 1, count, kind, slope)
