"""Gradients of a convolution that max-pooling follows: only the maxima count.

Of a window of pooling one pixel has a gradient, a fourth of the work of a dense
gradient for 2x2 windows, and with ReLU often none has. One output channel of one sample
is a list of values and places, see ``sparse_tile``; weights and their gradient are
[out_channels, kernel_height, run] here, run = kernel_width * in_channels up to a line.

Shapes and work space as in ``conv``; index : positions of the maxima (uint16).
"""

import numpy as np
from numba import carray

from hogblock.kernels.cpu import sparse_tile as tile
from hogblock.kernels.cpu.host import LIST_COST
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import floats, ints, u16_pointer
from hogblock.kernels.cpu.window import (
    copy,
    lines,
    pack_input,
    packed_size,
    zero,
)
from hogblock.kernels.ops import LINE


@kernel
def maxima_pay(win):
    """Whether gradients by lists of maxima cost less than dense ones."""
    window = win.pool_height * win.pool_width
    if window == 1:
        return False
    taps = win.kernel_height * win.kernel_width * win.in_channels
    run = lines(win.kernel_width * win.in_channels) // LINE
    entry = win.out_channels * (win.kernel_height * run + LIST_COST)
    return entry < window * taps * (lines(win.out_channels) // LINE)


@kernel
def _prepare(win, width, table):
    """Tables of where patches begin in a packed sample `width` pixels wide.

    `table` begins with the windows' int32 offsets. Returns the number of windows and
    three addresses: offsets of a window's pixels, offsets and values of a list.
    """
    down = win.stride_height * width * win.in_channels
    right = win.stride_width * win.in_channels
    rows = win.out_height // win.pool_height
    columns = win.out_width // win.pool_width
    taps = table + 4 * rows * columns
    starts = ints(table, rows * columns)
    for r in range(rows):
        for q in range(columns):
            at = r * win.pool_height * down + q * win.pool_width * right
            starts[r * columns + q] = np.int32(at)
    inside = ints(taps, win.pool_height * win.pool_width)
    for r in range(win.pool_height):
        for q in range(win.pool_width):
            inside[r * win.pool_width + q] = np.int32(r * down + q * right)
    offsets = taps + 4 * win.pool_height * win.pool_width
    return rows * columns, taps, offsets, offsets + 4 * rows * columns


@kernel
def _list_maxima(dy, index, pixel, windows, channel, table, taps, offsets, values):
    """Fill a channel's list with what is not zero; returns its length."""
    d = floats(dy, windows * pixel)
    positions = carray(u16_pointer(index), windows * pixel)
    starts, inside = ints(table, windows), ints(taps, 65536)
    where, value = ints(offsets, windows), floats(values, windows)
    count = 0
    for p in range(windows):
        here = d[p * pixel + channel]
        where[count] = starts[p] + inside[positions[p * pixel + channel]]
        value[count] = here
        count += here != np.float32(0)  # no branch: half of them would be mispredicted
    return count


@kernel
def _for_patch(gathers, x, row_step, offsets, values, count, sums, height, run):
    """Gather or scatter patches of `height` rows of `run` float32."""
    r = 0
    while r < height:
        rows = 1
        if height == 3 or height == 5:
            rows = height
        v = 0
        while v < run:
            a, s = x + 4 * (r * row_step + v), sums + 4 * (r * run + v)
            left = (run - v) // LINE
            if rows == 3 and left >= tile.MANY:
                step = tile.MANY
                if gathers:
                    tile.gather_3n(a, row_step, offsets, values, count, s, run)
                else:
                    tile.scatter_3n(a, row_step, offsets, values, count, s, run)
            elif rows == 3:
                step = 1
                if gathers:
                    tile.gather_3(a, row_step, offsets, values, count, s, run)
                else:
                    tile.scatter_3(a, row_step, offsets, values, count, s, run)
            elif rows == 5 and left >= 2:
                step = 2
                if gathers:
                    tile.gather_5n(a, row_step, offsets, values, count, s, run)
                else:
                    tile.scatter_5n(a, row_step, offsets, values, count, s, run)
            elif rows == 5:
                step = 1
                if gathers:
                    tile.gather_5(a, row_step, offsets, values, count, s, run)
                else:
                    tile.scatter_5(a, row_step, offsets, values, count, s, run)
            elif left >= 4:
                step = 4
                if gathers:
                    tile.gather_n(a, row_step, offsets, values, count, s, run)
                else:
                    tile.scatter_n(a, row_step, offsets, values, count, s, run)
            else:
                step = 1
                if gathers:
                    tile.gather_1(a, row_step, offsets, values, count, s, run)
                else:
                    tile.scatter_1(a, row_step, offsets, values, count, s, run)
            v += step * LINE
        r += rows


@kernel
def pooled_weight_gradient(win, room, x, x_row, dy, dy_row, rows, g, first, count):
    """As ``conv.conv_weight_gradient``; ``room.turned`` takes the turned gradient."""
    packed, table, turned = room.packed, room.table, room.turned
    channels = win.in_channels
    _, width = packed_size(win, room)
    windows, taps, offsets, values = _prepare(win, width, table)
    taps_run = win.kernel_width * channels
    run = lines(taps_run)
    size = win.kernel_height * run
    zero(turned, win.out_channels * size)
    for i in range(rows):
        pack_input(win, room, x + 4 * i * x_row, False)
        for o in range(win.out_channels):
            entries = _list_maxima(
                dy + 4 * i * dy_row, room.index + 4 * i * room.index_row,
                win.out_pixel, windows, o, table, taps, offsets, values,
            )  # fmt: skip
            _for_patch(
                True, packed, width * channels, offsets, values, entries,
                turned + 4 * o * size, win.kernel_height, run,
            )  # fmt: skip
    sums = floats(turned, win.out_channels * size)
    out = floats(g, count * win.out_pixel)
    zero(g, count * win.out_pixel)
    for k in range(count):
        at = (first + k) // taps_run * run + (first + k) % taps_run
        for o in range(win.out_channels):
            out[k * win.out_pixel + o] = sums[o * size + at]


@kernel
def pooled_input_gradient(win, room, dy, dy_row, w, dx, dx_row, rows):
    """As ``conv.conv_input_gradient``; ``room.packed`` takes one sample of dx."""
    packed, table, turned = room.packed, room.table, room.turned
    channels = win.in_channels
    height, width = packed_size(win, room)
    windows, taps, offsets, values = _prepare(win, width, table)
    taps_run = win.kernel_width * channels
    run = lines(taps_run)
    size = win.kernel_height * run
    weights = floats(w, win.kernel_height * taps_run * win.out_pixel)
    turn = floats(turned, win.out_channels * size)
    for k in range(win.kernel_height * taps_run):
        at = k // taps_run * run + k % taps_run
        for o in range(win.out_channels):
            turn[o * size + at] = weights[k * win.out_pixel + o]
    for i in range(rows):
        zero(packed, height * width * channels)
        for o in range(win.out_channels):
            entries = _list_maxima(
                dy + 4 * i * dy_row, room.index + 4 * i * room.index_row,
                win.out_pixel, windows, o, table, taps, offsets, values,
            )  # fmt: skip
            _for_patch(
                False, packed, width * channels, offsets, values, entries,
                turned + 4 * o * size, win.kernel_height, run,
            )  # fmt: skip
        _unpack(win, packed, height, width, dx + 4 * i * dx_row)


@kernel
def _unpack(win, packed, height, width, dx):
    """Take the border off one sample; pixels that no window saw get zero."""
    seen_all = height - win.pad_top >= win.in_height
    seen_all &= width - win.pad_left >= win.in_width
    if not seen_all:
        zero(dx, win.in_height * win.in_width * win.in_pixel)
    channels = win.in_channels
    columns = min(win.in_width, width - win.pad_left)
    for r in range(min(win.in_height, height - win.pad_top)):
        source = packed + 4 * ((r + win.pad_top) * width + win.pad_left) * channels
        target = dx + 4 * r * win.in_width * win.in_pixel
        if channels == win.in_pixel:
            copy(source, target, columns * channels)
        else:
            for q in range(columns):
                copy(source + 4 * q * channels, target + 4 * q * win.in_pixel, channels)
