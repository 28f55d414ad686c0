"""Max and average pooling, as in ``kernels.cpu.pooling``.

Forward, a thread makes an output; backward, it gathers the gradient of an input from
the windows that cover it, so that windows may overlap without a race.
"""

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.activation import fused_forward
from hogblock.kernels.cuda.elementwise import for_elements
from hogblock.kernels.cuda.integers import int32, quotient
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.plain import Plain


@part
def _place(e, height, width, pixel):
    """Sample, row, column and channel of element e of images."""
    column = quotient(e, pixel)
    channel = int32(e - column * pixel)
    row = quotient(column, width)
    column = int32(column - row * width)
    sample = quotient(row, height)
    return sample, int32(row - sample * height), column, channel


@part
def _range(start, size, end):
    """First and end of what lies in [start, start + size) and in [0, end)."""
    first = start if start > 0 else int32(0)
    last = int32(start + size)
    return first, last if last < end else end


@part
def _max_forward(run, team, p, e):
    table, work = run.table, team.work
    pixel, width = table[p + op.OUT_PIXEL], table[p + op.OUT_WIDTH]
    sample, r, q, c = _place(e, table[p + op.OUT_HEIGHT], width, pixel)
    in_width, in_pixel = table[p + op.IN_WIDTH], table[p + op.IN_PIXEL]
    kernel_width = table[p + op.KERNEL_WIDTH]
    row = int32(r * table[p + op.STRIDE_HEIGHT] - table[p + op.PAD_TOP])
    column = int32(q * table[p + op.STRIDE_WIDTH] - table[p + op.PAD_LEFT])
    u, bottom = _range(row, table[p + op.KERNEL_HEIGHT], table[p + op.IN_HEIGHT])
    left, end = _range(column, kernel_width, in_width)
    source = int32(table[p + op.X] + sample * table[p + op.X_ROW] + c)
    best = work[source + (u * in_width + left) * in_pixel]
    position = int32((u - row) * kernel_width + left - column)
    while u < bottom:
        v = left
        while v < end:
            value = work[source + (u * in_width + v) * in_pixel]
            if best == best and not value <= best:  # a NaN goes through
                best = value
                position = int32((u - row) * kernel_width + v - column)
            v += 1
        u += 1
    slope = run.reals[table[p + ph.REALS] + op.SLOPE]
    work[table[p + op.Y] + e] = fused_forward(table[p + op.KIND], best, slope)
    work[table[p + ph.POSITIONS] + e] = float32(position)


@part
def _first_window(position, kernel, stride):
    """First of the windows side by side that reach a position from before it."""
    behind = int32(position - kernel + stride)
    return quotient(behind, stride) if behind > 0 else int32(0)


@part
def _max_backward(run, team, p, e):
    table, work = run.table, team.work
    in_pixel, in_width = table[p + op.IN_PIXEL], table[p + op.IN_WIDTH]
    sample, u, v, c = _place(e, table[p + op.IN_HEIGHT], in_width, in_pixel)
    row, column = int32(u + table[p + op.PAD_TOP]), int32(v + table[p + op.PAD_LEFT])
    kernel_height = table[p + op.KERNEL_HEIGHT]
    kernel_width = table[p + op.KERNEL_WIDTH]
    down, across = table[p + op.STRIDE_HEIGHT], table[p + op.STRIDE_WIDTH]
    height, width = table[p + op.OUT_HEIGHT], table[p + op.OUT_WIDTH]
    pixel = table[p + op.OUT_PIXEL]
    total = float32(0)
    r = _first_window(row, kernel_height, down)
    left = _first_window(column, kernel_width, across)
    while r < height and r * down <= row:
        q = left
        while q < width and q * across <= column:
            at = int32(((sample * height + r) * width + q) * pixel + c)
            wanted = int32((row - r * down) * kernel_width + column - q * across)
            if work[table[p + ph.POSITIONS] + at] == float32(wanted):
                total = float32(total + work[table[p + op.DY] + at])
            q += 1
        r += 1
    work[table[p + op.DX] + e] = total


@part
def _max_spread(run, team, p, e):
    """A window's gradient to where its largest value was, zero to its other pixels."""
    table, work = run.table, team.work
    pixel, width = table[p + op.OUT_PIXEL], table[p + op.OUT_WIDTH]
    sample, r, q, c = _place(e, table[p + op.OUT_HEIGHT], width, pixel)
    in_width, in_pixel = table[p + op.IN_WIDTH], table[p + op.IN_PIXEL]
    kernel_height = table[p + op.KERNEL_HEIGHT]
    kernel_width = table[p + op.KERNEL_WIDTH]
    d = work[table[p + op.DY] + e]
    position = int32(work[table[p + ph.POSITIONS] + e])
    target = int32(table[p + op.DX] + sample * table[p + op.X_ROW] + c)
    first = int32(r * kernel_height * in_width + q * kernel_width)
    for u in range(kernel_height):
        for v in range(kernel_width):
            at = int32(target + (first + u * in_width + v) * in_pixel)
            work[at] = d if u * kernel_width + v == position else float32(0)


@part
def _pixels_of(table, p, r, q):
    """The pixels of a window that lie inside the image, and one over their number."""
    row = int32(r * table[p + op.STRIDE_HEIGHT] - table[p + op.PAD_TOP])
    column = int32(q * table[p + op.STRIDE_WIDTH] - table[p + op.PAD_LEFT])
    top, bottom = _range(row, table[p + op.KERNEL_HEIGHT], table[p + op.IN_HEIGHT])
    left, right = _range(column, table[p + op.KERNEL_WIDTH], table[p + op.IN_WIDTH])
    share = float32(float32(1) / float32((bottom - top) * (right - left)))
    return top, bottom, left, right, share


@part
def _avg_forward(run, team, p, e):
    table, work = run.table, team.work
    pixel, width = table[p + op.OUT_PIXEL], table[p + op.OUT_WIDTH]
    sample, r, q, c = _place(e, table[p + op.OUT_HEIGHT], width, pixel)
    in_width, in_pixel = table[p + op.IN_WIDTH], table[p + op.IN_PIXEL]
    u, bottom, left, right, share = _pixels_of(table, p, r, q)
    source = int32(table[p + op.X] + sample * table[p + op.X_ROW] + c)
    total = float32(0)
    while u < bottom:
        v = left
        while v < right:
            total = float32(total + work[source + (u * in_width + v) * in_pixel])
            v += 1
        u += 1
    target = int32(table[p + op.Y] + sample * table[p + op.Y_ROW] + c)
    work[target + (r * width + q) * pixel] = total * share


@part
def _avg_backward(run, team, p, e):
    table, work = run.table, team.work
    in_pixel, in_width = table[p + op.IN_PIXEL], table[p + op.IN_WIDTH]
    sample, u, v, c = _place(e, table[p + op.IN_HEIGHT], in_width, in_pixel)
    row, column = int32(u + table[p + op.PAD_TOP]), int32(v + table[p + op.PAD_LEFT])
    down, across = table[p + op.STRIDE_HEIGHT], table[p + op.STRIDE_WIDTH]
    height, width = table[p + op.OUT_HEIGHT], table[p + op.OUT_WIDTH]
    pixel = table[p + op.OUT_PIXEL]
    source = int32(table[p + op.DY] + sample * table[p + op.Y_ROW] + c)
    total = float32(0)
    r = _first_window(row, table[p + op.KERNEL_HEIGHT], down)
    left = _first_window(column, table[p + op.KERNEL_WIDTH], across)
    while r < height and r * down <= row:
        q = left
        while q < width and q * across <= column:
            _, _, _, _, share = _pixels_of(table, p, r, q)
            value = work[source + (r * width + q) * pixel]
            total = float32(total + value * share)
            q += 1
        r += 1
    work[table[p + op.DX] + e] = total


max_pool_forward = for_elements(_max_forward)
max_pool_backward = for_elements(_max_backward)
max_pool_spread = for_elements(_max_spread)


def _inputs(row) -> int:
    """Values of an image before pooling."""
    return int(row[op.IN_HEIGHT] * row[op.IN_WIDTH] * row[op.IN_PIXEL])


PLAIN = {
    op.AVG_POOL_FORWARD: Plain(for_elements(_avg_forward)),
    op.AVG_POOL_BACKWARD: Plain(for_elements(_avg_backward), length=_inputs),
}
