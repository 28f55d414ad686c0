"""Convolution: y = act(max-pool(x * w + b)), its weight gradient and its input gradient.

Shapes (float32): images [height, width, channels] as in ``window``, one sample a row;
w [kernel_height * kernel_width * in_channels, out_pixel], b [out_pixel]; a depthwise
convolution (one kernel for each channel) has w [kernel_height * kernel_width, out_pixel].
One sample at a time is packed and worked on, so that it stays in the first caches; the
multiply-adds are those of the register tile (see ``image_tile``).

Work space: `packed` one image with its border, `table` int32 pairs for the tile, `full`
one sample before pooling.
"""

import numpy as np

from hogblock.kernels.cpu.image_tile import HALF, ROWS, by_lane, half, line, wide
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import floats, ints
from hogblock.kernels.cpu.pooling import pool_positions, spread_positions
from hogblock.kernels.cpu.tile import WIDE
from hogblock.kernels.cpu.window import (
    copy,
    lines,
    pack,
    packed_height,
    packed_width,
    zero,
)
from hogblock.kernels.optable import LINE, LINEAR

ONE = np.float32(1)
BAND = 4096  # float32 of a sample before pooling that stay in the first cache


@kernel
def set_entry(table, i, source, target):
    """Write entry `i` of a tile's table, at address `table`."""
    pair = ints(table + 8 * i, 2)
    pair[0], pair[1] = np.int32(source), np.int32(target)


@kernel
def repeat_last(table, count):
    """Fill the table's last group of rows up with its last entry.

    Groups need not begin at a multiple of ``ROWS``: a band of rows may begin anywhere.
    """
    pair = ints(table + 8 * (count - 1), 2)
    for i in range(count, count + ROWS - 1):
        set_entry(table, i, pair[0], pair[1])


@kernel
def tile_rows(
    a, table, first, end, a_steps, b, b_steps, b_row, init, init_moves, trips,
    out, channels, act, slope, depthwise,
):  # fmt: skip
    """Run the tile over the table's rows [first, end) and all output channels.

    a_steps, b_steps, trips : pairs, outer and inner level of the K loop; b_row : lanes of
    b and of out that exist.
    """
    j = 0
    while j < channels:
        b_at, init_at, out_at = b + 4 * j, init + 4 * j, out + 4 * j
        left = channels - j
        for i in range(first, end, ROWS):
            t = table + 8 * i
            if depthwise:
                by_lane(
                    a + 4 * j, t, a_steps[0], a_steps[1], b_at, b_steps[0], b_steps[1],
                    init_at, init_moves, trips[0], trips[1], out_at, act, slope,
                )  # fmt: skip
            elif j + WIDE <= b_row and left > LINE:
                wide(
                    a, t, a_steps[0], a_steps[1], b_at, b_steps[0], b_steps[1],
                    init_at, init_moves, trips[0], trips[1], out_at, act, slope,
                )  # fmt: skip
            elif left > HALF:
                line(
                    a, t, a_steps[0], a_steps[1], b_at, b_steps[0], b_steps[1],
                    init_at, init_moves, trips[0], trips[1], out_at, act, slope,
                )  # fmt: skip
            else:
                half(
                    a, t, a_steps[0], a_steps[1], b_at, b_steps[0], b_steps[1],
                    init_at, init_moves, trips[0], trips[1], out_at, act, slope,
                )  # fmt: skip
        if depthwise:
            j += LINE
        else:
            j += WIDE if j + WIDE <= b_row and left > LINE else LINE


@kernel
def pack_input(win, x, packed, depthwise):
    """Pack one sample of x; returns the channels of a packed pixel."""
    channels = win.in_pixel if depthwise else win.in_channels
    pack(
        x, win.in_pixel, win.in_height, win.in_width, channels, win.pad_top,
        win.pad_left, packed, packed_height(win), packed_width(win),
    )  # fmt: skip
    return channels


@kernel
def _steps(win, channels, depthwise):
    """Steps of a and b, and trips, over one kernel position: (row, column x channel)."""
    row = packed_width(win) * channels
    if depthwise:
        b_steps = (win.kernel_width * win.out_pixel, win.out_pixel)
        return (row, channels), b_steps, (win.kernel_height, win.kernel_width)
    run = win.kernel_width * channels
    return (row, 1), (run * win.out_pixel, win.out_pixel), (win.kernel_height, run)


@kernel
def conv_forward(
    win, x, x_row, w, b, y, y_row, rows, act, slope, depthwise,
    packed, table, full, index, index_row,
):  # fmt: skip
    """y = act(x * w + b), or act(max-pool(x * w + b)) if ``win`` pools.

    index : address of uint16 positions of the maxima in their windows, laid out as y,
    samples `index_row` float32 apart.
    """
    channels = win.in_pixel if depthwise else win.in_channels
    width = packed_width(win)
    pixels = win.out_height * win.out_width
    for r in range(win.out_height):
        for q in range(win.out_width):
            at = (r * win.stride_height * width + q * win.stride_width) * channels
            p = r * win.out_width + q
            set_entry(table, p, at, p * win.out_pixel)
    repeat_last(table, pixels)
    a_steps, b_steps, trips = _steps(win, channels, depthwise)
    pools = win.pool_height * win.pool_width > 1
    band = pixels
    if pools:  # whole rows of pooled pixels
        strip = win.pool_height * win.out_width
        band = max(1, BAND // (strip * win.out_pixel)) * strip
    for i in range(rows):
        pack_input(win, x + 4 * i * x_row, packed, depthwise)
        out = y + 4 * i * y_row
        for first in range(0, pixels, band):
            end = min(pixels, first + band)
            target = full - 4 * first * win.out_pixel if pools else out
            tile_rows(
                packed, table, first, end, a_steps, w, b_steps, win.out_pixel, b, 0,
                trips, target, win.out_channels, LINEAR if pools else act,
                ONE if pools else slope, depthwise,
            )  # fmt: skip
            if pools:
                pool_positions(
                    full, win.out_width, win.out_pixel, win.pool_height, win.pool_width,
                    first // win.out_width // win.pool_height,
                    end // win.out_width // win.pool_height,
                    out, index + 4 * i * index_row, act, slope,
                )  # fmt: skip


@kernel
def _gradient_before_pooling(win, dy, index, full):
    """Address of one sample's gradient before pooling."""
    if win.pool_height * win.pool_width == 1:
        return dy
    spread_positions(
        dy, index, win.out_height, win.out_width, win.out_pixel, win.pool_height,
        win.pool_width, full,
    )  # fmt: skip
    return full


@kernel
def conv_weight_gradient(
    win, x, x_row, dy, dy_row, rows, g, first, count, depthwise,
    packed, table, full, index, index_row,
):  # fmt: skip
    """g[count, out_pixel] = gradient of the rows [first, first + count) of w."""
    zero(g, count * win.out_pixel)
    channels = win.in_pixel if depthwise else win.in_channels
    width = packed_width(win)
    run = win.kernel_width * (1 if depthwise else channels)
    for k in range(count):
        r, q = (first + k) // run, (first + k) % run
        at = r * width * channels + q * (channels if depthwise else 1)
        set_entry(table, k, at, k * win.out_pixel)
    repeat_last(table, count)
    a_steps = (win.stride_height * width * channels, win.stride_width * channels)
    b_steps = (win.out_width * win.out_pixel, win.out_pixel)
    trips = (win.out_height, win.out_width)
    for i in range(rows):
        pack_input(win, x + 4 * i * x_row, packed, depthwise)
        d = _gradient_before_pooling(
            win, dy + 4 * i * dy_row, index + 4 * i * index_row, full
        )
        tile_rows(
            packed, table, 0, count, a_steps, d, b_steps, win.out_pixel, g, 1,
            trips, g, win.out_channels, LINEAR, ONE, depthwise,
        )  # fmt: skip


@kernel
def turn_weights(win, w, turned, depthwise):
    """Weights as the input gradient reads them.

    Input pixels fall into stride_height x stride_width phases that see different taps of
    the kernel: for each phase its taps, last to first, [taps, out_channels, in lines];
    depthwise [taps, out_pixel].
    """
    across = win.out_pixel if depthwise else lines(win.in_channels)
    at = turned
    for phase in range(win.stride_height * win.stride_width):
        top, left = phase // win.stride_width, phase % win.stride_width
        n_rows = (win.kernel_height - top + win.stride_height - 1) // win.stride_height
        n_cols = (win.kernel_width - left + win.stride_width - 1) // win.stride_width
        for r in range(n_rows - 1, -1, -1):
            for q in range(n_cols - 1, -1, -1):
                tap = (top + r * win.stride_height) * win.kernel_width
                tap += left + q * win.stride_width
                if depthwise:
                    copy(w + 4 * tap * win.out_pixel, at, win.out_pixel)
                    at += 4 * win.out_pixel
                else:
                    for c in range(win.in_channels):
                        start = w + 4 * (tap * win.in_channels + c) * win.out_pixel
                        weights = floats(start, win.out_channels)
                        column = floats(at, win.out_channels * across)
                        for o in range(win.out_channels):
                            column[o * across + c] = weights[o]
                    at += 4 * win.out_channels * across


@kernel
def conv_input_gradient(
    win, dy, dy_row, w, dx, dx_row, rows, zeros, depthwise,
    packed, table, turned, full, index, index_row,
):  # fmt: skip
    """dx: every phase of input pixels is a convolution of dy with its own taps.

    packed : one sample of dy with its border, its own work space.
    """
    turn_weights(win, w, turned, depthwise)
    channels = win.out_pixel if depthwise else win.out_channels
    across = win.out_pixel if depthwise else lines(win.in_channels)
    top = (win.kernel_height - 1) // win.stride_height
    left = (win.kernel_width - 1) // win.stride_width
    # Rows of dy that the last input row sees, were there as many.
    reach = (win.in_height - 1 + win.pad_top) // win.stride_height + 1
    height = top + max(win.out_height, reach)
    reach = (win.in_width - 1 + win.pad_left) // win.stride_width + 1
    width = left + max(win.out_width, reach)
    sparse = win.kernel_height < win.stride_height
    sparse |= win.kernel_width < win.stride_width
    for i in range(rows):
        d = _gradient_before_pooling(
            win, dy + 4 * i * dy_row, index + 4 * i * index_row, full
        )
        pack(
            d, win.out_pixel, win.out_height, win.out_width, channels, top, left,
            packed, height, width,
        )  # fmt: skip
        out = dx + 4 * i * dx_row
        if sparse:  # some phases see no tap at all
            zero(out, win.in_height * win.in_width * win.in_pixel)
        b, t = turned, table
        for phase in range(win.stride_height * win.stride_width):
            p_top, p_left = phase // win.stride_width, phase % win.stride_width
            n_rows = win.kernel_height - p_top + win.stride_height - 1
            n_rows //= win.stride_height
            n_cols = win.kernel_width - p_left + win.stride_width - 1
            n_cols //= win.stride_width
            if n_rows <= 0 or n_cols <= 0:
                continue
            if i == 0:
                count = _phase_table(
                    win, t, p_top, p_left, top - n_rows + 1, left - n_cols + 1, width,
                    channels,
                )  # fmt: skip
            else:
                count = _phase_count(win, p_top, p_left)
            if depthwise:
                a_steps, trips = (width * channels, channels), (n_rows, n_cols)
                b_steps = (n_cols * across, across)
            else:
                run = n_cols * channels
                a_steps, trips = (width * channels, 1), (n_rows, run)
                b_steps = (run * across, across)
            if count:
                tile_rows(
                    packed, t, 0, count, a_steps, b, b_steps, across, zeros, 0, trips,
                    out, win.in_channels, LINEAR, ONE, depthwise,
                )  # fmt: skip
            b += 4 * n_rows * n_cols * across * (1 if depthwise else channels)
            t += 8 * ((count + ROWS - 1) // ROWS * ROWS)


@kernel
def _phase_first(pad, phase, stride):
    """First input row (or column) of a phase."""
    return (phase - pad) % stride


@kernel
def _phase_count(win, p_top, p_left):
    """Input pixels of a phase."""
    first_row = _phase_first(win.pad_top, p_top, win.stride_height)
    first_column = _phase_first(win.pad_left, p_left, win.stride_width)
    n_rows = (win.in_height - first_row + win.stride_height - 1) // win.stride_height
    n_cols = (win.in_width - first_column + win.stride_width - 1) // win.stride_width
    return max(0, n_rows) * max(0, n_cols)


@kernel
def _phase_table(win, table, p_top, p_left, top, left, width, channels):
    """Table of a phase: where its taps begin in dy, and its pixels in dx."""
    count = 0
    r = _phase_first(win.pad_top, p_top, win.stride_height)
    while r < win.in_height:
        from_row = top + (r + win.pad_top - p_top) // win.stride_height
        q = _phase_first(win.pad_left, p_left, win.stride_width)
        while q < win.in_width:
            from_column = left + (q + win.pad_left - p_left) // win.stride_width
            set_entry(
                table, count, (from_row * width + from_column) * channels,
                (r * win.in_width + q) * win.in_pixel,
            )  # fmt: skip
            count += 1
            q += win.stride_width
        r += win.stride_height
    if count:
        repeat_last(table, count)
    return count
