"""Shapes of kernels and windows that slide over images."""

from typing import NamedTuple

from hogblock.kernels.ops import padded
from hogblock.models.layers.base import image_shape

PADDINGS = ("same", "valid")


class Slide(NamedTuple):
    """One axis: input size, kernel, stride, padding before, output size."""

    size: int
    kernel: int
    stride: int
    before: int
    out: int


def slide(size: int, kernel: int, stride: int, padding: str, axis: str) -> Slide:
    """Where a kernel stops along one axis; raises ValueError if it does not fit.

    "same" pads with zeros, at the end first, so that the output has ceil(size / stride)
    pixels; "valid" does not pad.
    """
    if padding == "same":
        out = -(-size // stride)
        missing = max(0, (out - 1) * stride + kernel - size)
        return Slide(size, kernel, stride, missing // 2, out)
    if kernel > size:
        raise ValueError(
            f"a window of {kernel} pixels does not fit into the {axis} of its input, "
            f"which is {size}"
        )
    return Slide(size, kernel, stride, 0, (size - kernel) // stride + 1)


def slides(layer, shape, kernel, stride, padding) -> tuple[Slide, Slide]:
    """`slide` along height and width of an image of `shape`."""
    height, width, _ = image_shape(layer, shape)
    try:
        return (
            slide(height, kernel[0], stride[0], padding, "height"),
            slide(width, kernel[1], stride[1], padding, "width"),
        )
    except ValueError as error:
        raise ValueError(f"{error} (kernel {kernel}, input shape {shape})") from None


def check_padding(padding: str) -> None:
    """Raise ValueError for an unknown padding."""
    if padding not in PADDINGS:
        raise ValueError(f"padding={padding!r} is unknown; allowed are {PADDINGS}")


def window_columns(slot, down: Slide, across: Slide, channels, pool=(1, 1)):
    """Geometry columns of the op table for a layer at `slot`."""
    return {
        "in_height": slot.shape[0],
        "in_width": slot.shape[1],
        "in_channels": slot.shape[2],
        "in_pixel": slot.x.pixel,
        "out_height": down.out // pool[0] * pool[0],
        "out_width": across.out // pool[1] * pool[1],
        "out_channels": channels,
        "out_pixel": padded(channels),
        "kernel_height": down.kernel,
        "kernel_width": across.kernel,
        "stride_height": down.stride,
        "stride_width": across.stride,
        "pad_top": down.before,
        "pad_left": across.before,
        "pool_height": pool[0],
        "pool_width": pool[1],
    }
