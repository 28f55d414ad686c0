"""Rows of the register tile's table, and runs of the tile over them."""

import numpy as np

from hogblock.kernels.cpu.image_tile import HALF, ROWS, by_lane, half, line, wide
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import ints
from hogblock.kernels.cpu.tile import WIDE
from hogblock.kernels.ops import LINE


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
    out, channels, slope, depthwise,
):  # fmt: skip
    """Run the tile over the table's rows [first, end) and all output channels.

    a_steps, b_steps, trips : pairs, outer and inner level of the K loop; b_row : lanes
    of b and of out that exist.
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
                    init_at, init_moves, trips[0], trips[1], out_at, slope,
                )  # fmt: skip
            elif j + WIDE <= b_row and left > LINE:
                wide(
                    a, t, a_steps[0], a_steps[1], b_at, b_steps[0], b_steps[1],
                    init_at, init_moves, trips[0], trips[1], out_at, slope,
                )  # fmt: skip
            elif left > HALF:
                line(
                    a, t, a_steps[0], a_steps[1], b_at, b_steps[0], b_steps[1],
                    init_at, init_moves, trips[0], trips[1], out_at, slope,
                )  # fmt: skip
            else:
                half(
                    a, t, a_steps[0], a_steps[1], b_at, b_steps[0], b_steps[1],
                    init_at, init_moves, trips[0], trips[1], out_at, slope,
                )  # fmt: skip
        if depthwise:
            j += LINE
        else:
            j += WIDE if j + WIDE <= b_row and left > LINE else LINE
