"""Max and average pooling of images [height, width, lines of channels].

Largest value of a window: the first of equal ones, whose position in the window (row by
row) is kept as uint16 for the backward pass (docs/method.md, section 7). Windows at the
edge are cut off there: an average counts the pixels that exist.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import space
from hogblock.kernels.cpu.call import buffer
from hogblock.kernels.cpu.elementwise import activate_inside
from hogblock.kernels.cpu.ir import VectorBuilder, i64
from hogblock.kernels.cpu.jit import kernel, part
from hogblock.kernels.cpu.memory import floats
from hogblock.kernels.cpu.window import window_of, zero
from hogblock.kernels.ops import LINE, LINEAR

_WORD = ir.IntType(16)
_WORDS = ir.VectorType(_WORD, LINE)
_INT = types.int64


def _for_window(builder, fixed, sizes, steps, first, index_step, body):
    """Emit ``body(offset, index)`` for every pixel of a window.

    fixed : (rows, columns) known now, then unrolled; else None and `sizes` are values.
    """
    row_step, column_step = steps

    def at(r, q):
        offset = builder.add(builder.mul(r, row_step), builder.mul(q, column_step))
        index = builder.add(first, builder.add(builder.mul(r, index_step), q))
        body(offset, builder.trunc(index, _WORD))

    if fixed is not None:
        for r in range(fixed[0]):
            for q in range(fixed[1]):
                at(i64(r), i64(q))
        return
    with (
        cgutils.for_range(builder, sizes[0]) as row,
        cgutils.for_range(builder, sizes[1]) as column,
    ):
        at(row.index, column.index)


def _words_at(builder, address):
    return builder.inttoptr(address, _WORDS.as_pointer())


def _spread_word(builder, value):
    undefined = ir.Constant(_WORDS, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LINE), [0] * LINE)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, zeros)


def make_window_max(fixed=None):
    """Largest of a window, for `LINE` channels.

    Called as ``f(source, row_step, column_step, rows, columns, first, index_step, out,
    index, slope)``: out = largest > 0 ? largest : slope * largest, index = position,
    counted from `first`.
    """
    signature = types.void(*(_INT,) * 9, types.float32)

    def codegen(context, builder, sig, arguments):
        source, *steps = arguments[:3]
        sizes, (first, index_step) = arguments[3:5], arguments[5:7]
        out, index, slope = arguments[7:]
        vb = VectorBuilder(builder, LINE)
        source = vb.pointer(source)
        best = cgutils.alloca_once_value(builder, vb.load(source))
        where = cgutils.alloca_once_value(
            builder, _spread_word(builder, builder.trunc(first, _WORD))
        )

        def compare(offset, position):
            value, old = vb.load(vb.offset(source, offset)), builder.load(best)
            larger = builder.and_(
                builder.fcmp_unordered(">", value, old),  # a NaN goes through
                builder.fcmp_ordered("ord", old, old),
            )
            position = _spread_word(builder, position)
            builder.store(builder.select(larger, value, old), best)
            kept = builder.select(larger, position, builder.load(where))
            builder.store(kept, where)

        _for_window(builder, fixed, sizes, steps, first, index_step, compare)
        builder.store(builder.load(where), _words_at(builder, index)).align = 2
        largest = vb.leaky(builder.load(best), vb.spread(slope))
        vb.store(largest, vb.pointer(out))
        return context.get_dummy_value()

    @intrinsic
    def window_max(
        typing_context, source, row_step, column_step, rows, columns, first,
        index_step, out, index, slope,
    ):  # fmt: skip
        return signature, codegen

    return window_max


def make_window_spread(fixed=None, *, adds=False):
    """Write d to where the largest of a window was, and zero elsewhere.

    Called as ``f(d, index, out, row_step, column_step, rows, columns, first,
    index_step)``; with `adds` it adds to `out`, for windows that overlap.
    """
    signature = types.void(*(_INT,) * 9)

    def codegen(context, builder, sig, arguments):
        d, index, out, *steps = arguments[:5]
        sizes, (first, index_step) = arguments[5:7], arguments[7:9]
        vb = VectorBuilder(builder, LINE)
        out, value = vb.pointer(out), vb.load(vb.pointer(d))
        where = builder.load(_words_at(builder, index))
        where.align = 2

        def write(offset, position):
            here = builder.icmp_signed("==", where, _spread_word(builder, position))
            target = vb.offset(out, offset)
            share = builder.select(here, value, vb.constant(0.0))
            if adds:
                share = builder.fadd(vb.load(target), share)
            vb.store(share, target)

        _for_window(builder, fixed, sizes, steps, first, index_step, write)
        return context.get_dummy_value()

    @intrinsic
    def window_spread(
        typing_context, d, index, out, row_step, column_step, rows, columns, first,
        index_step,
    ):  # fmt: skip
        return signature, codegen

    return window_spread


_max_2x2, _max_any = make_window_max((2, 2)), make_window_max()
_spread_2x2, _spread_any = make_window_spread((2, 2)), make_window_spread()
_spread_more = make_window_spread(adds=True)


@kernel
def pool_positions(
    full, width, pixel, pool_height, pool_width, first, end, y, index, slope
):  # fmt: skip
    """Rows [first, end) of y = leaky(max-pool), windows side by side.

    full : address of the first of the rows to be pooled, [rows, width, pixel].
    """
    across = width // pool_width
    small = pool_height == 2 and pool_width == 2
    for r in range(first, end):
        for q in range(across):
            source = full + 4 * (
                ((r - first) * pool_height * width + q * pool_width) * pixel
            )
            at = (r * across + q) * pixel
            for j in range(0, pixel, LINE):
                value, where = source + 4 * j, index + 2 * (at + j)
                target = y + 4 * (at + j)
                if small:
                    _max_2x2(
                        value, width * pixel, pixel, 2, 2, 0, 2, target, where, slope,
                    )  # fmt: skip
                else:
                    _max_any(
                        value, width * pixel, pixel, pool_height, pool_width, 0,
                        pool_width, target, where, slope,
                    )  # fmt: skip


@kernel
def spread_positions(dy, index, height, width, pixel, pool_height, pool_width, full):
    """Gradient before pooling, [height, width, pixel], from that after it."""
    across = width // pool_width
    small = pool_height == 2 and pool_width == 2
    for r in range(height // pool_height):
        for q in range(across):
            target = full + 4 * ((r * pool_height * width + q * pool_width) * pixel)
            at = (r * across + q) * pixel
            for j in range(0, pixel, LINE):
                d, where, out = dy + 4 * (at + j), index + 2 * (at + j), target + 4 * j
                if small:
                    _spread_2x2(d, where, out, width * pixel, pixel, 2, 2, 0, 2)
                else:
                    _spread_any(
                        d, where, out, width * pixel, pixel, pool_height, pool_width,
                        0, pool_width,
                    )  # fmt: skip


@kernel
def _cut(win, r, q):
    """First row and column of a window inside the image, and their ends."""
    top = r * win.stride_height - win.pad_top
    left = q * win.stride_width - win.pad_left
    bottom = min(win.in_height, top + win.kernel_height)
    right = min(win.in_width, left + win.kernel_width)
    return max(0, top), max(0, left), bottom, right


@kernel
def max_pool_forward(win, x, x_row, y, y_row, rows, act, slope, index, index_row):
    """y = act(largest of each window); index likewise, see the module."""
    leak = slope if act == LINEAR else np.float32(1)
    line = win.in_width * win.in_pixel
    for i in range(rows):
        for r in range(win.out_height):
            for q in range(win.out_width):
                top, left, bottom, right = _cut(win, r, q)
                first = top - (r * win.stride_height - win.pad_top)
                first = first * win.kernel_width + left
                first -= q * win.stride_width - win.pad_left
                source = x + 4 * (i * x_row + top * line + left * win.in_pixel)
                at = (r * win.out_width + q) * win.out_pixel
                for j in range(0, win.out_pixel, LINE):
                    _max_any(
                        source + 4 * j, line, win.in_pixel, bottom - top, right - left,
                        first, win.kernel_width, y + 4 * (i * y_row + at + j),
                        index + 4 * i * index_row + 2 * (at + j), leak,
                    )  # fmt: skip
    if act != LINEAR:
        activate_inside(y, rows * y_row, act, slope)


@kernel
def max_pool_backward(win, dy, dy_row, dx, dx_row, rows, index, index_row):
    """dx: each window's gradient goes to the pixel that its largest value was at."""
    line = win.in_width * win.in_pixel
    for i in range(rows):
        zero(dx + 4 * i * dx_row, win.in_height * line)
        for r in range(win.out_height):
            for q in range(win.out_width):
                top, left, bottom, right = _cut(win, r, q)
                first = top - (r * win.stride_height - win.pad_top)
                first = first * win.kernel_width + left
                first -= q * win.stride_width - win.pad_left
                target = dx + 4 * (i * dx_row + top * line + left * win.in_pixel)
                at = (r * win.out_width + q) * win.out_pixel
                for j in range(0, win.out_pixel, LINE):
                    _spread_more(
                        dy + 4 * (i * dy_row + at + j),
                        index + 4 * i * index_row + 2 * (at + j), target + 4 * j,
                        line, win.in_pixel, bottom - top, right - left, first,
                        win.kernel_width,
                    )  # fmt: skip


@kernel
def avg_pool_forward(win, x, x_row, y, y_row, rows):
    """y = mean of each window."""
    line = win.in_width * win.in_pixel
    for i in range(rows):
        for r in range(win.out_height):
            for q in range(win.out_width):
                top, left, bottom, right = _cut(win, r, q)
                at = i * y_row + (r * win.out_width + q) * win.out_pixel
                out = floats(y + 4 * at, win.out_pixel)
                zero(y + 4 * at, win.out_pixel)
                for u in range(top, bottom):
                    for v in range(left, right):
                        at = i * x_row + u * line + v * win.in_pixel
                        value = floats(x + 4 * at, win.out_pixel)
                        for j in range(win.out_pixel):
                            out[j] += value[j]
                share = np.float32(1) / np.float32((bottom - top) * (right - left))
                for j in range(win.out_pixel):
                    out[j] *= share


@kernel
def avg_pool_backward(win, dy, dy_row, dx, dx_row, rows):
    """dx: each window's gradient in equal shares."""
    line = win.in_width * win.in_pixel
    for i in range(rows):
        zero(dx + 4 * i * dx_row, win.in_height * line)
        for r in range(win.out_height):
            for q in range(win.out_width):
                top, left, bottom, right = _cut(win, r, q)
                at = i * dy_row + (r * win.out_width + q) * win.out_pixel
                d = floats(dy + 4 * at, win.out_pixel)
                share = np.float32(1) / np.float32((bottom - top) * (right - left))
                for u in range(top, bottom):
                    for v in range(left, right):
                        at = i * dx_row + u * line + v * win.in_pixel
                        out = floats(dx + 4 * at, win.out_pixel)
                        for j in range(win.out_pixel):
                            out[j] += d[j] * share


@part
def _max_pool_forward(call):
    max_pool_forward(
        window_of(call.row), buffer(call, op.X), call.row[op.X_ROW],
        buffer(call, op.Y), call.row[op.Y_ROW], call.rows, call.row[op.KIND],
        call.reals[op.SLOPE], buffer(call, space.INDEX), call.row[space.INDEX_ROW],
    )  # fmt: skip


@part
def _max_pool_backward(call):
    max_pool_backward(
        window_of(call.row), buffer(call, op.DY), call.row[op.Y_ROW],
        buffer(call, op.DX), call.row[op.X_ROW], call.rows, buffer(call, space.INDEX),
        call.row[space.INDEX_ROW],
    )  # fmt: skip


@part
def _avg_pool_forward(call):
    avg_pool_forward(
        window_of(call.row), buffer(call, op.X), call.row[op.X_ROW],
        buffer(call, op.Y), call.row[op.Y_ROW], call.rows,
    )  # fmt: skip


@part
def _avg_pool_backward(call):
    avg_pool_backward(
        window_of(call.row), buffer(call, op.DY), call.row[op.Y_ROW],
        buffer(call, op.DX), call.row[op.X_ROW], call.rows,
    )  # fmt: skip


OPERATIONS = {
    op.MAX_POOL_FORWARD: _max_pool_forward,
    op.MAX_POOL_BACKWARD: _max_pool_backward,
    op.AVG_POOL_FORWARD: _avg_pool_forward,
    op.AVG_POOL_BACKWARD: _avg_pool_backward,
}
