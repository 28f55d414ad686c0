"""Convolution: y = act(max-pool(x * w + b)), and the gradients of x and w.

Shapes (float32): images [height, width, channels] as in ``window``, one sample a row;
w [kernel_height * kernel_width * in_channels, out_pixel], b [out_pixel]; a depthwise
convolution (one kernel for each channel) has w [kernel_height * kernel_width,
out_pixel].
One sample at a time is packed and worked on, so that it stays in the first caches; the
multiply-adds are those of the register tile (see ``image_tile``).

3x3 kernels over whole lines of channels go by ``winograd``. Work space: see
``space.Room``.
"""

import numpy as np

from hogblock.kernels.cpu.conv_tile import repeat_last, set_entry, tile_rows
from hogblock.kernels.cpu.elementwise import activate_inside
from hogblock.kernels.cpu.host import BAND
from hogblock.kernels.cpu.image_tile import HALF, PAIRS, ROWS, pairs
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import floats
from hogblock.kernels.cpu.pooling import pool_positions, spread_positions
from hogblock.kernels.cpu.window import (
    copy,
    even,
    lines,
    pack,
    pack_input,
    packed_width,
    zero,
)
from hogblock.kernels.cpu.winograd import (
    PLACES,
    add_image,
    row_table,
    weights_gradient,
    weights_of_places,
    winograd_image,
)
from hogblock.kernels.ops import LINE, LINEAR

ONE = np.float32(1)


@kernel
def _steps(win, channels, depthwise):
    """Steps of a and b, and trips, over a kernel: (row, column x channel)."""
    row = packed_width(win) * channels
    if depthwise:
        b_steps = (win.kernel_width * win.out_pixel, win.out_pixel)
        return (row, channels), b_steps, (win.kernel_height, win.kernel_width)
    run = win.kernel_width * channels
    return (row, 1), (run * win.out_pixel, win.out_pixel), (win.kernel_height, run)


@kernel
def conv_forward(
    win, room, x, x_row, w, b, y, y_row, rows, act, slope, depthwise
):  # fmt: skip
    """y = act(x * w + b), or act(max-pool(x * w + b)) if ``win`` pools."""
    channels = win.in_pixel if depthwise else win.in_channels
    pixels = win.out_height * win.out_width
    pools = win.pool_height * win.pool_width > 1
    leak = slope if act == LINEAR else ONE
    by_pairs = False
    band = pixels
    if room.tiles > 0:
        weights_of_places(w, win.in_channels, win.out_channels, room.winograd)
    else:
        by_pairs = takes_pairs(win) and not depthwise
        _pixel_table(win, room.table, channels, 2 if by_pairs else 1)
        if by_pairs:
            _pair_weights(win, w, b, room.turned)
        if pools:  # whole rows of pooled pixels
            strip = win.pool_height * win.out_width
            band = max(1, BAND // (strip * win.out_pixel)) * strip
    a_steps, b_steps, trips = _steps(win, channels, depthwise)
    for i in range(rows):
        pack_input(win, room, x + 4 * i * x_row, depthwise)
        out = y + 4 * i * y_row
        for first in range(0, pixels, band):
            end = min(pixels, first + band)
            target = room.full - 4 * first * win.out_pixel if pools else out
            if room.tiles > 0:
                winograd_image(
                    room.packed, channels, win.out_channels, b, target,
                    win.out_height, win.out_width, win.out_pixel,
                    ONE if pools else leak, room.winograd, room.tiles,
                )  # fmt: skip
            elif by_pairs:
                _pair_rows(
                    win, room, first // 2, end // 2, target, ONE if pools else leak
                )
            else:
                tile_rows(
                    room.packed, room.table, first, end, a_steps, w, b_steps,
                    win.out_pixel, b, 0, trips, target, win.out_channels,
                    ONE if pools else leak, depthwise,
                )  # fmt: skip
            if pools:
                pool_positions(
                    room.full, win.out_width, win.out_pixel, win.pool_height,
                    win.pool_width, first // win.out_width // win.pool_height,
                    end // win.out_width // win.pool_height, out,
                    room.index + 4 * i * room.index_row, leak,
                )  # fmt: skip
        if act != LINEAR:
            activate_inside(out, y_row, act, slope)


@kernel
def _pixel_table(win, table, channels, step):
    """Where the kernel begins in the packed input, for every `step`-th output pixel."""
    width = packed_width(win)
    for r in range(win.out_height):
        for q in range(0, win.out_width, step):
            at = (r * win.stride_height * width + q * win.stride_width) * channels
            p = r * win.out_width + q
            set_entry(table, p // step, at, p * win.out_pixel)
    repeat_last(table, win.out_height * win.out_width // step)


@kernel
def takes_pairs(win):
    """Whether two neighbouring pixels share the lanes of a vector, see `pairs`."""
    return (
        PAIRS
        and win.in_channels == 1
        and win.stride_width == 1
        and win.out_channels <= HALF
        and win.out_width % 2 == 0
    )


@kernel
def _pair_weights(win, w, b, out):
    """Weights, and behind them the bias, each value twice: [taps + 1, LINE]."""
    taps = win.kernel_height * win.kernel_width
    for k in range(taps + 1):
        row = floats(b if k == taps else w + 4 * k * win.out_pixel, HALF)
        twice = floats(out + 4 * k * LINE, LINE)
        for o in range(HALF):
            twice[2 * o] = row[o]
            twice[2 * o + 1] = row[o]


@kernel
def _pair_rows(win, room, first, end, out, slope):
    """Pairs [first, end) of output pixels."""
    bias = room.turned + 4 * win.kernel_height * win.kernel_width * LINE
    for i in range(first, end, ROWS):
        pairs(
            room.packed, room.table + 8 * i, packed_width(win), room.turned,
            win.kernel_height, win.kernel_width, bias, out, win.out_pixel, slope,
        )  # fmt: skip


@kernel
def _gradient_before_pooling(win, room, dy, i):
    """Address of sample i's gradient before pooling; dy : its address after it."""
    if win.pool_height * win.pool_width == 1:
        return dy
    spread_positions(
        dy, room.index + 4 * i * room.index_row, win.out_height, win.out_width,
        win.out_pixel, win.pool_height, win.pool_width, room.full,
    )  # fmt: skip
    return room.full


@kernel
def conv_weight_gradient(
    win, room, x, x_row, dy, dy_row, rows, g, first, count, depthwise
):  # fmt: skip
    """g[count, out_pixel] = gradient of the rows [first, first + count) of w."""
    zero(g, count * win.out_pixel)
    channels = win.in_pixel if depthwise else win.in_channels
    width = packed_width(win)
    run = win.kernel_width * (1 if depthwise else channels)
    for k in range(count):
        r, q = (first + k) // run, (first + k) % run
        at = r * width * channels + q * (channels if depthwise else 1)
        set_entry(room.table, k, at, k * win.out_pixel)
    repeat_last(room.table, count)
    a_steps = (win.stride_height * width * channels, win.stride_width * channels)
    b_steps = (win.out_width * win.out_pixel, win.out_pixel)
    trips = (win.out_height, win.out_width)
    for i in range(rows):
        pack_input(win, room, x + 4 * i * x_row, depthwise)
        d = _gradient_before_pooling(win, room, dy + 4 * i * dy_row, i)
        tile_rows(
            room.packed, room.table, 0, count, a_steps, d, b_steps, win.out_pixel, g, 1,
            trips, g, win.out_channels, ONE, depthwise,
        )  # fmt: skip


@kernel
def winograd_weight_gradient(
    win, room, x, x_row, dy, dy_row, rows, g, first, count
):  # fmt: skip
    """As `conv_weight_gradient`; ``room.turned`` holds one packed sample of dy."""
    height, width = even(win.out_height), even(win.out_width)
    zero(room.winograd, PLACES * win.in_channels * win.out_channels)
    row_table(room.table, win.in_channels, 1, win.out_channels)
    filled = 0
    for i in range(rows):
        pack_input(win, room, x + 4 * i * x_row, False)
        d = _gradient_before_pooling(win, room, dy + 4 * i * dy_row, i)
        pack(
            d, win.out_pixel, win.out_height, win.out_width, win.out_channels, 0, 0,
            room.turned, height, width,
        )  # fmt: skip
        filled = add_image(
            room.packed, room.turned, win.in_channels, win.out_channels,
            win.out_height, win.out_width, room.table, room.winograd, room.tiles,
            filled, i == rows - 1,
        )  # fmt: skip
    weights_gradient(room.winograd, win.in_channels, win.out_channels, g, first, count)


@kernel
def _taps(kernel_size, phase, stride):
    """Taps of a kernel's axis that the input pixels of a phase see."""
    return (kernel_size - phase + stride - 1) // stride


@kernel
def turn_weights(win, w, turned, depthwise):
    """Weights as the input gradient reads them.

    Input pixels fall into stride_height x stride_width phases that see different taps
    of the kernel: for each phase its taps, last to first, [taps, out_channels, lines of
    in_channels]; depthwise [taps, out_pixel].
    """
    across = win.out_pixel if depthwise else lines(win.in_channels)
    at = turned
    for phase in range(win.stride_height * win.stride_width):
        top, left = phase // win.stride_width, phase % win.stride_width
        n_rows = _taps(win.kernel_height, top, win.stride_height)
        n_cols = _taps(win.kernel_width, left, win.stride_width)
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
    win, room, dy, dy_row, w, dx, dx_row, rows, zeros, depthwise
):  # fmt: skip
    """dx: every phase of input pixels is a convolution of dy with its own taps.

    ``room.packed`` takes one sample of dy with its border.
    """
    packed, table, turned = room.packed, room.table, room.turned
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
        d = _gradient_before_pooling(win, room, dy + 4 * i * dy_row, i)
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
            n_rows = _taps(win.kernel_height, p_top, win.stride_height)
            n_cols = _taps(win.kernel_width, p_left, win.stride_width)
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
                    out, win.in_channels, ONE, depthwise,
                )  # fmt: skip
            b += 4 * n_rows * n_cols * across * (1 if depthwise else channels)
            t += 8 * ((count + ROWS - 1) // ROWS * ROWS)


@kernel
def winograd_input_gradient(win, room, dy, dy_row, w, dx, dx_row, rows, zeros):
    """As `conv_input_gradient`: dx is dy, with a border, times the turned weights."""
    n_in, n_out = win.out_channels, win.in_channels
    turn_weights(win, w, room.turned, False)
    weights_of_places(room.turned, n_in, n_out, room.winograd)
    height, width = even(win.in_height) + 2, even(win.in_width) + 2
    for i in range(rows):
        d = _gradient_before_pooling(win, room, dy + 4 * i * dy_row, i)
        pack(
            d, win.out_pixel, win.out_height, win.out_width, n_in, 2 - win.pad_top,
            2 - win.pad_left, room.packed, height, width,
        )  # fmt: skip
        winograd_image(
            room.packed, n_in, n_out, zeros, dx + 4 * i * dx_row, win.in_height,
            win.in_width, win.in_pixel, ONE, room.winograd, room.tiles,
        )  # fmt: skip


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
