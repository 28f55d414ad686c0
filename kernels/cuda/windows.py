"""Geometry of an operation: the columns of the phase table that describe patches."""

from hogblock.kernels import ops as op
from hogblock.kernels.cuda.patches import magic
from hogblock.kernels.ops import padded


def covers(row) -> bool:
    """Whether the windows of a pooling lie side by side and fill the image."""
    return all(
        row[stride] == row[kernel] and row[inside] == row[outside] * row[kernel]
        for stride, kernel, inside, outside in (
            (op.STRIDE_HEIGHT, op.KERNEL_HEIGHT, op.IN_HEIGHT, op.OUT_HEIGHT),
            (op.STRIDE_WIDTH, op.KERNEL_WIDTH, op.IN_WIDTH, op.OUT_WIDTH),
        )
    )


def signed(word: int) -> int:
    """The int32 that has the bits of a uint32."""
    return word - 2**32 if word >= 2**31 else word


def forward_window(row) -> dict[str, int]:
    """Columns of the patches of X: forward, and the gradient of the weights."""
    channels, pixel = int(row[op.IN_CHANNELS]), int(row[op.IN_PIXEL])
    quads = pixel % 4 == 0
    width = padded(channels, 4) if quads else channels
    if row[op.DEPTHWISE] == 1:
        channels = width = 1
    lanes, end = _lanes(row, width)
    return _window(row, row[op.OUT_HEIGHT], row[op.OUT_WIDTH], lanes) | {
        "image": row[op.X],
        "image_row": row[op.X_ROW],
        "image_height": row[op.IN_HEIGHT],
        "image_width": row[op.IN_WIDTH],
        "image_pixel": pixel,
        "channels": channels,
        "quads": int(quads),
        "tap_end": end,
        "multiply": row[op.STRIDE_HEIGHT],
        "multiply_right": row[op.STRIDE_WIDTH],
        "shift_down": -row[op.PAD_TOP],
        "shift_right": -row[op.PAD_LEFT],
        "sign": 1,
        "divide": 1,
        "divide_right": 1,
    }


def input_window(row, out: int, out_row: int) -> dict[str, int]:
    """Columns of the patches of DY that an input gradient adds up."""
    width = padded(int(row[op.OUT_CHANNELS]), 4)
    lanes, end = _lanes(row, width)
    return _window(row, row[op.IN_HEIGHT], row[op.IN_WIDTH], lanes) | {
        "image": out,
        "image_row": out_row,
        "image_height": row[op.OUT_HEIGHT],
        "image_width": row[op.OUT_WIDTH],
        "image_pixel": row[op.OUT_PIXEL],
        "channels": width,
        "quads": 1,
        "tap_end": end,
        "multiply": 1,
        "multiply_right": 1,
        "shift_down": row[op.PAD_TOP],
        "shift_right": row[op.PAD_LEFT],
        "sign": -1,
        "divide": row[op.STRIDE_HEIGHT],
        "divide_right": row[op.STRIDE_WIDTH],
    }


def tap_range(window, first: int, count: int) -> tuple[int, int]:
    """First and end of the lanes that stand for `count` rows of weights."""
    channels, lanes = window["channels"], window["lanes"]
    if window["tap_end"] <= lanes:  # a single tap
        start, end = first, min(window["tap_end"], padded(first + count, 4))
    else:
        start = first // channels * lanes
        end = (first + count - 1) // channels * lanes + lanes
    return start // 4 * 4 if window["quads"] else start, end


def _lanes(row, width: int) -> tuple[int, int]:
    """From one tap to the next in a product's long axis, and the end of that axis.

    A single tap has no next one, and powers of two are divided by without error.
    """
    taps = int(row[op.KERNEL_HEIGHT] * row[op.KERNEL_WIDTH])
    if taps == 1:
        return 1 << (width - 1).bit_length(), width
    return width, taps * width


def _window(row, height, width, lanes) -> dict[str, int]:
    """What both have in common; height, width : of the pixels that go by."""
    return {
        "lanes": lanes,
        "lanes_magic": magic(lanes),
        "kernel_magic": magic(int(row[op.KERNEL_WIDTH])),
        "pixels": int(height * width),
        "line_pixels": width,
        "line_magic": magic(int(width)),
    }
