"""Depthwise convolution: each channel has a kernel of its own, W [tap, channel]."""

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.activation import fused_forward
from hogblock.kernels.cuda.elementwise import for_elements
from hogblock.kernels.cuda.integers import int32, quotient
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.memory import read
from hogblock.kernels.cuda.patches import pixel_of, window_at, word_of
from hogblock.kernels.cuda.team import first_tile
from hogblock.kernels.cuda.threads import cuda


@part
def _taps(run, team, p, e, weights):
    """Sum over the taps of a kernel at element e: words of the image times weights."""
    table = run.table
    win = window_at(table, p)
    pixel = quotient(e, win.pixel)
    channel = int32(e - pixel * win.pixel)
    sample, down, right = pixel_of(win, pixel)
    base = int32(table[p + ph.IMAGE] + sample * table[p + ph.IMAGE_ROW] + channel)
    row = table[p + ph.RIGHT_ROW]
    total = float32(0)
    for r in range(table[p + op.KERNEL_HEIGHT]):
        for q in range(win.kernel_width):
            word = word_of(win, base, down + r * win.sign, right + q * win.sign)
            if word >= 0:
                at = int32(weights + (r * win.kernel_width + q) * row + channel)
                total = float32(total + team.work[word] * read(team.reads, at))
    return total, channel


@part
def _forward(run, team, p, e):
    table = run.table
    total, channel = _taps(run, team, p, e, table[p + op.W])
    if table[p + op.B] >= 0:
        total = float32(total + read(team.reads, table[p + op.B] + channel))
    slope = run.reals[table[p + ph.REALS] + op.SLOPE]
    team.work[table[p + ph.OUT] + e] = fused_forward(table[p + op.KIND], total, slope)


@part
def _input(run, team, p, e):
    table = run.table
    total, _ = _taps(run, team, p, e, table[p + op.W])
    team.work[table[p + ph.OUT] + e] = total


depthwise_forward = for_elements(_forward)
depthwise_input = for_elements(_input)


@part
def depthwise_weight(run, team, p, rows):
    """Parts of the gradient of W: sums over shares of the pixels."""
    table, work = run.table, team.work
    win = window_at(table, p)
    parts, row = table[p + ph.PARTS], table[p + ph.RIGHT_ROW]
    pixels = int32(rows * win.pixels)
    share = quotient(pixels + parts - 1, parts)
    t = first_tile(team, table, p)
    while t < table[p + ph.TILES]:
        end = int32((t + 1) * share)
        end = end if end < pixels else pixels
        e = team.thread
        while e < table[p + ph.LENGTH]:
            tap = quotient(e, row)
            channel = int32(e - tap * row)
            tap = int32(tap + table[p + op.FIRST])
            r = quotient(tap, win.kernel_width)
            q = int32(tap - r * win.kernel_width)
            total = float32(0)
            k = int32(t * share)
            while k < end:
                sample, down, right = pixel_of(win, k)
                base = int32(table[p + ph.IMAGE] + sample * table[p + ph.IMAGE_ROW])
                word = word_of(win, base + channel, down + r, right + q)
                if word >= 0:
                    d = work[table[p + ph.RIGHT] + k * row + channel]
                    total = float32(total + work[word] * d)
                k += 1
            work[table[p + ph.PARTS_AT] + t * table[p + ph.PART_SIZE] + e] = total
            e += team.threads
        cuda.syncthreads()
        t += team.thread_blocks
