"""Convolution with 3x3 kernels and stride 1 by Winograd's F(2x2, 3x3).

Outputs are cut into 2x2 pixels, each seen through a 4x4 patch of the input; see
``winograd_tile``. For each of the 16 places of a transformed patch, `tiles` patches
times the transformed weights are one matrix product of the register tile. It saves half
of the multiply-adds and costs some rounding.

Channels are whole lines. Images are packed with their border of zeros, rows and columns
rounded up to whole patches. Work space `space`: transformed weights [16, in, out],
patches [16, tiles, in], products [16, tiles, out], `tiles` a multiple of ``ROWS``.
"""

import numpy as np

from hogblock.kernels.cpu.conv_tile import repeat_last, set_entry, tile_rows
from hogblock.kernels.cpu.image_tile import ROWS, line_product, wide_product
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.tile import WIDE
from hogblock.kernels.cpu.window import copy
from hogblock.kernels.cpu.winograd_tile import (
    transform_gradient,
    transform_input,
    transform_output,
    transform_weights,
    turn_back_weights,
)
from hogblock.kernels.ops import LINE

ONE = np.float32(1)
PLACES = 16


@kernel
def weights_of_places(w, n_in, n_out, out):
    """out[16, n_in, n_out] from w[3, 3, n_in, n_out]."""
    tap, place = n_in * n_out, n_in * n_out
    for k in range(0, n_in * n_out, LINE):
        transform_weights(
            w + 4 * k, 3 * tap, tap, out + 4 * k, 4 * place, place
        )  # fmt: skip


@kernel
def row_table(table, count, source, target):
    """Table of rows at equal distances."""
    for i in range(count):
        set_entry(table, i, i * source, i * target)
    repeat_last(table, count)


@kernel
def _patches(packed, width, channels, across, first, count, out, capacity, at):
    """Transform the patches [first, first + count) of one image, `across` in a row.

    They become the rows from `at` on of out [16, capacity, channels].
    """
    place = capacity * channels
    for t in range(count):
        r, q = (first + t) // across, (first + t) % across
        source = packed + 4 * (2 * r * width + 2 * q) * channels
        target = out + 4 * (at + t) * channels
        for j in range(0, channels, LINE):
            transform_input(
                source + 4 * j, width * channels, channels, target + 4 * j, 4 * place,
                place,
            )  # fmt: skip


@kernel
def _product(a, b, out, rows, n_in, n_out):
    """out[rows, n_out] = a[rows, n_in] b[n_in, n_out]; rows up to whole tiles exist."""
    j = 0
    while j < n_out:
        is_wide = j + WIDE <= n_out
        for i in range(0, rows, ROWS):
            a_at, out_at = a + 4 * i * n_in, out + 4 * (i * n_out + j)
            if is_wide:
                wide_product(a_at, n_in, b + 4 * j, n_out, n_in, out_at, n_out)
            else:
                line_product(a_at, n_in, b + 4 * j, n_out, n_in, out_at, n_out)
        j += WIDE if is_wide else LINE


@kernel
def winograd_image(
    packed, n_in, n_out, init, out, height, width, pixel, slope, space, tiles
):  # fmt: skip
    """out[height, width, pixel] = leaky(init + packed * w), one image.

    packed : [2 * ceil(height / 2) + 2, 2 * ceil(width / 2) + 2, n_in]; the transformed
    weights are in `space`.
    """
    across = (width + 1) // 2
    total = (height + 1) // 2 * across
    patches = space + 4 * PLACES * n_in * n_out
    products = patches + 4 * PLACES * tiles * n_in
    place = tiles * n_out
    for first in range(0, total, tiles):
        count = min(tiles, total - first)
        _patches(packed, 2 * across + 2, n_in, across, first, count, patches, tiles, 0)
        for k in range(PLACES):
            _product(
                patches + 4 * k * tiles * n_in, space + 4 * k * n_in * n_out,
                products + 4 * k * place, count, n_in, n_out,
            )  # fmt: skip
        for t in range(count):
            r, q = 2 * ((first + t) // across), 2 * ((first + t) % across)
            target = out + 4 * (r * width + q) * pixel
            for j in range(0, n_out, LINE):
                transform_output(
                    products + 4 * (t * n_out + j), 4 * place, place, init + 4 * j,
                    target + 4 * j, width * pixel, pixel, height - r, width - q, slope,
                )  # fmt: skip


@kernel
def winograd_gradient(patches, gradients, sums, n_in, n_out, count, tiles, table):
    """sums[16, n_in, n_out] += patches' gradients over `count` tiles.

    patches : [16, tiles, n_in], gradients : [16, tiles, n_out]; table : rows 1 and
    n_out apart.
    """
    for k in range(PLACES):
        tile_rows(
            patches + 4 * k * tiles * n_in, table, 0, n_in, (0, n_in),
            gradients + 4 * k * tiles * n_out, (0, n_out), n_out,
            sums + 4 * k * n_in * n_out, 1, (1, count), sums + 4 * k * n_in * n_out,
            n_out, ONE, False,
        )  # fmt: skip


@kernel
def add_image(
    packed, packed_dy, n_in, n_out, height, width, table, space, tiles, filled, last
):  # fmt: skip
    """Add one image's share to the transformed weight gradient at `space`.

    packed_dy : [2 * ceil(height / 2), 2 * ceil(width / 2), n_out], zero past the image.
    Tiles of several images are multiplied at once: `filled` wait from the images
    before, and with `last` none is left over. Returns how many wait now.
    """
    across = (width + 1) // 2
    total = (height + 1) // 2 * across
    patches = space + 4 * PLACES * n_in * n_out
    gradients = patches + 4 * PLACES * tiles * n_in
    place = tiles * n_out
    first = 0
    while first < total:
        count = min(tiles - filled, total - first)
        _patches(
            packed, 2 * across + 2, n_in, across, first, count, patches, tiles, filled
        )
        for t in range(count):
            r, q = 2 * ((first + t) // across), 2 * ((first + t) % across)
            source = packed_dy + 4 * (r * 2 * across + q) * n_out
            target = gradients + 4 * (filled + t) * n_out
            for j in range(0, n_out, LINE):
                transform_gradient(
                    source + 4 * j, 2 * across * n_out, n_out, target + 4 * j,
                    4 * place, place,
                )  # fmt: skip
        first += count
        filled += count
        if filled == tiles:
            winograd_gradient(
                patches, gradients, space, n_in, n_out, filled, tiles, table
            )
            filled = 0
    if last and filled > 0:
        winograd_gradient(patches, gradients, space, n_in, n_out, filled, tiles, table)
        filled = 0
    return filled


@kernel
def weights_gradient(space, n_in, n_out, g, first, count):
    """Rows [first, first + count) of g[9 * n_in, n_out] from the transformed sums."""
    place = n_in * n_out
    products = space + 4 * PLACES * place  # 9 lines at a time
    for c in range(n_in):
        for j in range(0, n_out, LINE):
            turn_back_weights(
                space + 4 * (c * n_out + j), 4 * place, place, products, 3 * LINE, LINE
            )
            for tap in range(9):
                row = tap * n_in + c - first
                if 0 <= row < count:
                    copy(products + 4 * tap * LINE, g + 4 * (row * n_out + j), LINE)
