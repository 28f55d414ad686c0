"""Geometry of the operations on images, and one image packed with its border of zeros.

An image is [height, width, channels] with `pixel` float32 from one pixel to the next; a
minibatch holds one image a row. Convolutions read an image through `pack`: it costs one
store a pixel, and afterwards no kernel has an edge to look after.
"""

from typing import NamedTuple

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import floats
from hogblock.kernels.ops import LINE


class Window(NamedTuple):
    """A kernel that slides over images.

    Output pixel (r, q) sees the input pixels from (r * stride_height - pad_top,
    q * stride_width - pad_left) on. ``out`` is the size before pooling: a multiple of
    ``pool``.
    """

    in_height: int
    in_width: int
    in_channels: int
    in_pixel: int
    out_height: int
    out_width: int
    out_channels: int
    out_pixel: int
    kernel_height: int
    kernel_width: int
    stride_height: int
    stride_width: int
    pad_top: int
    pad_left: int
    pool_height: int
    pool_width: int


@kernel
def window_of(row):
    """Geometry columns of a row of the op table."""
    return Window(
        row[op.IN_HEIGHT],
        row[op.IN_WIDTH],
        row[op.IN_CHANNELS],
        row[op.IN_PIXEL],
        row[op.OUT_HEIGHT],
        row[op.OUT_WIDTH],
        row[op.OUT_CHANNELS],
        row[op.OUT_PIXEL],
        row[op.KERNEL_HEIGHT],
        row[op.KERNEL_WIDTH],
        row[op.STRIDE_HEIGHT],
        row[op.STRIDE_WIDTH],
        row[op.PAD_TOP],
        row[op.PAD_LEFT],
        row[op.POOL_HEIGHT],
        row[op.POOL_WIDTH],
    )


@kernel
def packed_width(win):
    """Pixels in a row of the packed input: what the kernel sees, and no more."""
    return (win.out_width - 1) * win.stride_width + win.kernel_width


@kernel
def packed_height(win):
    """Rows of the packed input."""
    return (win.out_height - 1) * win.stride_height + win.kernel_height


@kernel
def even(n):
    """n rounded up to a whole number of pairs."""
    return (n + 1) // 2 * 2


@kernel
def packed_size(win, room):
    """Rows and columns of the packed input; Winograd's patches take whole pairs.

    One sample's space serves all passes, so all of them have to agree: the border of
    zeros is written by nobody.
    """
    height, width = packed_height(win), packed_width(win)
    if room.tiles > 0:
        return even(height), even(width)
    return height, width


@kernel
def pack_input(win, room, x, depthwise):
    """Pack one sample of x."""
    height, width = packed_size(win, room)
    channels = win.in_pixel if depthwise else win.in_channels
    pack(
        x, win.in_pixel, win.in_height, win.in_width, channels, win.pad_top,
        win.pad_left, room.packed, height, width,
    )  # fmt: skip


@kernel
def pack(image, pixel, height, width, channels, top, left, out, rows, columns):
    """Copy an image into the middle of `out` [rows, columns, channels].

    What falls outside is left out; the border is not written (it is zero for good).
    image, out : addresses.
    """
    first, end = max(0, -left), min(width, columns - left)
    if first >= end:
        return
    for r in range(max(0, -top), min(height, rows - top)):
        source = image + 4 * (r * width + first) * pixel
        target = out + 4 * ((r + top) * columns + first + left) * channels
        if pixel == channels:
            copy(source, target, (end - first) * channels)
        else:
            for q in range(end - first):
                copy(source + 4 * q * pixel, target + 4 * q * channels, channels)


@kernel
def copy(source, target, count):
    """Copy `count` float32 from address to address."""
    a, b = floats(source, count), floats(target, count)
    for i in range(count):
        b[i] = a[i]


@kernel
def zero(target, count):
    """Write `count` zeros at an address."""
    a = floats(target, count)
    for i in range(count):
        a[i] = np.float32(0)


@kernel
def copy_channels(x, x_row, x_pixel, y, y_row, y_pixel, rows, pixels, channels):
    """Move images between two distances of pixels; what lies between stays as it is."""
    for i in range(rows):
        for p in range(pixels):
            source = x + 4 * (i * x_row + p * x_pixel)
            copy(source, y + 4 * (i * y_row + p * y_pixel), channels)


@kernel
def lines(channels):
    """`channels` rounded up to whole cache lines."""
    return (channels + LINE - 1) // LINE * LINE
