"""Patches of images: which word of an image a tap of a kernel meets at a pixel.

A dense layer is a convolution of images of one pixel by a kernel of one tap.
"""

from typing import NamedTuple

from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.integers import int32, quotient, uint32, uint64
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.ops import KERNEL_WIDTH


class Window(NamedTuple):
    """A product's columns of the phase table, in registers."""

    height: int
    width: int
    pixel: int
    divide: int
    divide_right: int
    lanes: int
    lanes_magic: int
    kernel_width: int
    kernel_magic: int
    sign: int
    pixels: int
    line_pixels: int
    line_magic: int
    multiply: int
    multiply_right: int
    shift_down: int
    shift_right: int


@part
def window_at(table, p):
    """The window of the phase at row `p`."""
    return Window(
        table[p + ph.IMAGE_HEIGHT],
        table[p + ph.IMAGE_WIDTH],
        table[p + ph.IMAGE_PIXEL],
        table[p + ph.DIVIDE],
        table[p + ph.DIVIDE_RIGHT],
        table[p + ph.LANES],
        table[p + ph.LANES_MAGIC],
        table[p + KERNEL_WIDTH],
        table[p + ph.KERNEL_MAGIC],
        table[p + ph.SIGN],
        table[p + ph.PIXELS],
        table[p + ph.LINE_PIXELS],
        table[p + ph.LINE_MAGIC],
        table[p + ph.MULTIPLY],
        table[p + ph.MULTIPLY_RIGHT],
        table[p + ph.SHIFT_DOWN],
        table[p + ph.SHIFT_RIGHT],
    )


def magic(divisor: int) -> int:
    """What `divided` takes for a divisor; as an int32."""
    if divisor == 1:
        return 0
    power_of_two = divisor & (divisor - 1) == 0
    number = 2**32 // divisor + (0 if power_of_two else 1)
    return number - 2**32 if number >= 2**31 else number


@part
def divided(value, factor):
    """value // divisor; factor: its `magic`.

    Exact where value * divisor < 2**32, and for powers of two.
    """
    if factor == 0:
        return int32(value)
    return int32((uint64(uint32(value)) * uint64(uint32(factor))) >> uint64(32))


@part
def pixel_of(win, index):
    """Sample, and the position in the image at which a pixel's patch begins."""
    sample = quotient(index, win.pixels) if win.pixels > 1 else int32(index)
    rest = int32(index - sample * win.pixels)
    row = divided(rest, win.line_magic)
    column = int32(rest - row * win.line_pixels)
    down = int32(row * win.multiply + win.shift_down)
    right = int32(column * win.multiply_right + win.shift_right)
    return sample, down, right


@part
def tap_of(win, index):
    """Row and column of a tap, with their sign, and the channel."""
    tap = divided(index, win.lanes_magic)
    lane = int32(index - tap * win.lanes)
    row = divided(tap, win.kernel_magic)
    column = int32(tap - row * win.kernel_width)
    return int32(row * win.sign), int32(column * win.sign), lane


@part
def weight_row(win, index, channels):
    """Row of the weights [tap, channel] that a tap's lane stands for, or -1."""
    tap = divided(index, win.lanes_magic)
    lane = int32(index - tap * win.lanes)
    return int32(tap * channels + lane) if lane < channels else int32(-1)


@part
def word_of(win, base, down, right):
    """Offset of channel 0 at a position of an image; -1 outside."""
    r, q = int32(down), int32(right)
    if win.divide > 1 or win.divide_right > 1:
        if r < 0 or q < 0:
            return int32(-1)
        r = quotient(down, win.divide)
        q = quotient(right, win.divide_right)
        if r * win.divide != down or q * win.divide_right != right:
            return int32(-1)
    if r < 0 or q < 0 or r >= win.height or q >= win.width:
        return int32(-1)
    return int32(base + (r * win.width + q) * win.pixel)
