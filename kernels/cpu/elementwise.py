"""Activations and dropout on whole buffers; exp of a line of values.

Buffers are addresses of float32 rows, `row` apart; widths are multiples of ``LINE``, so
padding columns are worked on too, and stay zero where it matters (every gradient).
"""

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.activation import FORMULAS, FUSED, for_formula
from hogblock.kernels.cpu.call import buffer
from hogblock.kernels.cpu.ir import VectorBuilder, i64
from hogblock.kernels.cpu.jit import kernel, part
from hogblock.kernels.cpu.memory import floats
from hogblock.kernels.cpu.random import hash_bits
from hogblock.kernels.cpu.window import copy
from hogblock.kernels.ops import LINE, LINEAR

ONE = np.float32(1)


@intrinsic
def exp_line(typing_context, source, out, shift):
    """e**(x - shift) of the ``LINE`` float32 at an address."""

    def codegen(context, builder, sig, arguments):
        vb = VectorBuilder(builder, LINE)
        source, out, shift = arguments
        x = vb.load(vb.pointer(source))
        value = vb.exp(builder.fsub(x, vb.spread(shift)))
        vb.store(value, vb.pointer(out))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float32), codegen


def _for_lines(vb, width, body):
    """Emit ``body(at)`` for each line of a row; at : its offset in float32."""
    lines = vb.builder.sdiv(width, i64(LINE))
    with cgutils.for_range(vb.builder, lines) as line:
        body(vb.builder.mul(line.index, i64(LINE)))


def _make_activate_row(formulas):
    """Intrinsic: y = act(x) on `width` float32, a multiple of ``LINE``."""

    def codegen(context, builder, sig, arguments):
        vb = VectorBuilder(builder, LINE)
        x, y, width, act, slope = arguments
        x, y, slope = vb.pointer(x), vb.pointer(y), vb.spread(slope)

        def run(formula):
            def write(at):
                value = vb.load(vb.offset(x, at))
                vb.store(formula.forward(vb, value, slope), vb.offset(y, at))

            _for_lines(vb, width, write)

        for_formula(vb, act, formulas, run)
        return context.get_dummy_value()

    @intrinsic
    def activate_row(typing_context, x, y, width, act, slope):
        return types.void(*(types.int64,) * 4, types.float32), codegen

    return activate_row


_activate_row = _make_activate_row(FORMULAS)
_activate_row_inside = _make_activate_row(FUSED)


@intrinsic
def _differentiate_row(typing_context, v, dy, dx, width, act, slope):
    """dx = dy * act' on `width` float32, a multiple of ``LINE``."""

    def codegen(context, builder, sig, arguments):
        vb = VectorBuilder(builder, LINE)
        v, dy, dx, width, act, slope = arguments
        v, dy, dx, slope = *map(vb.pointer, (v, dy, dx)), vb.spread(slope)

        def run(formula):
            def write(at):
                # LLVM associates products by the order of loads: rounding hangs on it.
                d, value = vb.load(vb.offset(dy, at)), vb.load(vb.offset(v, at))
                product = formula.backward(vb, value, d, slope)
                vb.store(product, vb.offset(dx, at))

            _for_lines(vb, width, write)

        for_formula(vb, act, FORMULAS, run)
        return context.get_dummy_value()

    return types.void(*(types.int64,) * 5, types.float32), codegen


@kernel
def activation_forward(x, x_row, y, y_row, rows, width, act, slope):
    """y = act(x)."""
    for i in range(rows):
        _activate_row(x + 4 * i * x_row, y + 4 * i * y_row, width, act, slope)


@kernel
def activate_inside(y, width, act, slope):
    """y = act(y) on a row, inside another operation: one of ``FUSED``."""
    _activate_row_inside(y, y, width, act, slope)


@kernel
def activation_backward(v, dy, y_row, dx, dx_row, rows, width, act, slope):
    """dx = dy * act'(x); act'(0) = slope for LINEAR.

    v : act(x), or x for codes from ``ops.FROM_INPUT`` on; as far apart as dy.
    """
    if act == LINEAR and slope == ONE and dx == dy:
        return
    for i in range(rows):
        at = 4 * i * y_row
        _differentiate_row(v + at, dy + at, dx + 4 * i * dx_row, width, act, slope)


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
def add(a, b, y, count, act, slope):
    """y = act(a + b), `count` a multiple of ``LINE``; y may be one of them."""
    left, right, out = floats(a, count), floats(b, count), floats(y, count)
    if act == LINEAR:
        for i in range(count):
            total = left[i] + right[i]
            out[i] = total if total > np.float32(0) else total * slope
        return
    for i in range(count):
        out[i] = left[i] + right[i]
    activate_inside(y, count, act, slope)


@part
def _activation_forward(call):
    row = call.row
    activation_forward(
        buffer(call, op.X), row[op.X_ROW], buffer(call, op.Y), row[op.Y_ROW],
        call.rows, row[op.Y_ROW], row[op.KIND], call.reals[op.SLOPE],
    )  # fmt: skip


@part
def _activation_backward(call):
    row = call.row
    activation_backward(
        buffer(call, op.Y), buffer(call, op.DY), row[op.Y_ROW], buffer(call, op.DX),
        row[op.X_ROW], call.rows, row[op.Y_ROW], row[op.KIND], call.reals[op.SLOPE],
    )  # fmt: skip


@part
def _dropout_forward(call):
    row = call.row
    rate = call.reals[op.RATE] if call.training else np.float32(0)
    dropout_forward(
        buffer(call, op.X), row[op.X_ROW], buffer(call, op.Y), row[op.Y_ROW],
        buffer(call, op.MASK), call.rows, row[op.Y_ROW], rate, call.key, call.counter,
    )  # fmt: skip


@part
def _dropout_backward(call):
    row = call.row
    dropout_backward(
        buffer(call, op.DY), row[op.Y_ROW], buffer(call, op.DX), row[op.X_ROW],
        buffer(call, op.MASK), call.rows, row[op.Y_ROW],
    )  # fmt: skip


@part
def _add_forward(call):
    add(
        buffer(call, op.X), buffer(call, op.X2), buffer(call, op.Y),
        call.rows * call.row[op.Y_ROW], call.row[op.KIND], call.reals[op.SLOPE],
    )  # fmt: skip


@part
def _add_backward(call):
    dx, dy = buffer(call, op.DX), buffer(call, op.DY)
    count = call.rows * call.row[op.Y_ROW]
    if call.row[op.ADDS] == 1:
        add(dx, dy, dx, count, op.LINEAR, np.float32(1))
    else:
        copy(dy, dx, count)


OPERATIONS = {
    op.ACTIVATION_FORWARD: _activation_forward,
    op.ACTIVATION_BACKWARD: _activation_backward,
    op.DROPOUT_FORWARD: _dropout_forward,
    op.DROPOUT_BACKWARD: _dropout_backward,
    op.ADD_FORWARD: _add_forward,
    op.ADD_BACKWARD: _add_backward,
}
