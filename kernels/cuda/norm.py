"""Group normalisation, as in ``kernels.cpu.norm``: a block works on one sample."""

import math

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.activation import fused_derivative, fused_forward
from hogblock.kernels.cuda.integers import int32, quotient
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.memory import read
from hogblock.kernels.cuda.plain import Plain
from hogblock.kernels.cuda.sums import SUMS_AT, make_channel_sums
from hogblock.kernels.cuda.team import first_tile
from hogblock.kernels.cuda.threads import cuda


@part
def _x(run, team, p, sample, line, channel):
    table = run.table
    at = table[p + op.X] + sample * table[p + op.X_ROW]
    return team.work[at + line * table[p + op.OUT_PIXEL] + channel]


@part
def _mean_at(table, p, sample, channel):
    """Word of a channel's mean; 1 / deviation lies OUT_PIXEL behind."""
    pixel = table[p + op.OUT_PIXEL]
    return int32(table[p + op.MOMENTS] + 2 * sample * pixel + channel)


@part
def _squared(run, team, p, sample, line, channel):
    x = _x(run, team, p, sample, line, channel)
    difference = float32(x - team.work[_mean_at(run.table, p, sample, channel)])
    return float32(difference * difference)


@part
def _d(run, team, p, sample, line, channel):
    """Gradient before the activation."""
    table = run.table
    at = int32(sample * table[p + op.Y_ROW] + line * table[p + op.OUT_PIXEL] + channel)
    slope = run.reals[table[p + ph.REALS] + op.SLOPE]
    factor = fused_derivative(
        table[p + op.KIND], team.work[table[p + op.Y] + at], slope
    )
    return float32(team.work[table[p + op.DY] + at] * factor)


@part
def _d_times_x(run, team, p, sample, line, channel):
    x = _x(run, team, p, sample, line, channel)
    difference = float32(x - team.work[_mean_at(run.table, p, sample, channel)])
    return float32(_d(run, team, p, sample, line, channel) * difference)


_sum_x = make_channel_sums(_x)
_sum_squares = make_channel_sums(_squared)
_sum_d = make_channel_sums(_d)
_sum_products = make_channel_sums(_d_times_x)


@part
def _group_sum(run, team, p, at, channel):
    """Sum over a channel's group of what lies in shared memory; 0 for padding."""
    table = run.table
    channels = table[p + op.OUT_CHANNELS]
    if channel >= channels:
        return float32(0)
    size = quotient(channels, table[p + op.GROUPS])
    first = int32(quotient(channel, size) * size)
    total = float32(0)
    for k in range(size):
        total = float32(total + team.shared[at + first + k])
    return total


@part
def _share(table, p):
    """One over the values of a group."""
    size = quotient(table[p + op.OUT_CHANNELS], table[p + op.GROUPS])
    pixels = table[p + op.IN_HEIGHT] * table[p + op.IN_WIDTH]
    return float32(float32(1) / float32(pixels * size))


@part
def norm_forward(run, team, p, rows):
    """Y, and the moments of X."""
    table, work = run.table, team.work
    pixel, pixels = table[p + op.OUT_PIXEL], table[p + op.IN_HEIGHT]
    pixels = int32(pixels * table[p + op.IN_WIDTH])
    slope = run.reals[table[p + ph.REALS] + op.SLOPE]
    epsilon = run.reals[table[p + ph.REALS] + op.EPSILON]
    share = _share(table, p)
    sample = first_tile(team, table, p)
    while sample < rows:
        _sum_x(run, team, p, sample, pixels, pixel, 0)
        c = team.thread
        while c < pixel:
            total = _group_sum(run, team, p, SUMS_AT, c)
            work[_mean_at(table, p, sample, c)] = total * share
            c += team.threads
        cuda.syncthreads()
        _sum_squares(run, team, p, sample, pixels, pixel, 0)
        c = team.thread
        while c < pixel:
            variance = float32(_group_sum(run, team, p, SUMS_AT, c) * share)
            inverse = float32(float32(1) / float32(math.sqrt(variance + epsilon)))
            inverse = inverse if c < table[p + op.OUT_CHANNELS] else float32(0)
            work[_mean_at(table, p, sample, c) + pixel] = inverse
            c += team.threads
        cuda.syncthreads()
        e = team.thread
        while e < pixels * pixel:
            line = quotient(e, pixel)
            c = int32(e - line * pixel)
            at = _mean_at(table, p, sample, c)
            scale = float32(work[at + pixel] * read(team.reads, table[p + op.W] + c))
            x = _x(run, team, p, sample, line, c)
            y = float32((x - work[at]) * scale + read(team.reads, table[p + op.B] + c))
            target = table[p + op.Y] + sample * table[p + op.Y_ROW] + e
            work[target] = fused_forward(table[p + op.KIND], y, slope)
            e += team.threads
        cuda.syncthreads()
        sample += team.thread_blocks


@part
def norm_sums(run, team, p, rows):
    """Sums of d, and of d times the normalised X."""
    table, work = run.table, team.work
    pixel = table[p + op.OUT_PIXEL]
    pixels = int32(table[p + op.IN_HEIGHT] * table[p + op.IN_WIDTH])
    sample = first_tile(team, table, p)
    while sample < rows:
        _sum_d(run, team, p, sample, pixels, pixel, 0)
        _sum_products(run, team, p, sample, pixels, pixel, pixel)
        c = team.thread
        while c < pixel:
            inverse = work[_mean_at(table, p, sample, c) + pixel]
            plain = team.shared[SUMS_AT + c]
            along = float32(team.shared[SUMS_AT + pixel + c] * inverse)
            work[table[p + op.SUMS] + sample * pixel + c] = plain
            work[table[p + op.NORMED_SUMS] + sample * pixel + c] = along
            c += team.threads
        cuda.syncthreads()
        sample += team.thread_blocks


@part
def norm_input(run, team, p, rows):
    """DX, see ``kernels.cpu.norm.norm_input_gradient``."""
    table, work, shared = run.table, team.work, team.shared
    pixel = table[p + op.OUT_PIXEL]
    pixels = int32(table[p + op.IN_HEIGHT] * table[p + op.IN_WIDTH])
    share = _share(table, p)
    sample = first_tile(team, table, p)
    while sample < rows:
        c = team.thread
        while c < pixel:
            scale = read(team.reads, table[p + op.W] + c)
            at = int32(sample * pixel + c)
            shared[c] = scale * work[table[p + op.SUMS] + at]
            shared[pixel + c] = scale * work[table[p + op.NORMED_SUMS] + at]
            c += team.threads
        cuda.syncthreads()
        c = team.thread
        while c < pixel:
            shared[2 * pixel + c] = _group_sum(run, team, p, 0, c)
            shared[3 * pixel + c] = _group_sum(run, team, p, pixel, c)
            c += team.threads
        cuda.syncthreads()
        e = team.thread
        while e < pixels * pixel:
            line = quotient(e, pixel)
            c = int32(e - line * pixel)
            at = _mean_at(table, p, sample, c)
            inverse = work[at + pixel]
            scale = read(team.reads, table[p + op.W] + c)
            hat = float32((_x(run, team, p, sample, line, c) - work[at]) * inverse)
            means = float32(shared[2 * pixel + c] + hat * shared[3 * pixel + c])
            d = float32(scale * _d(run, team, p, sample, line, c))
            target = table[p + op.DX] + sample * table[p + op.X_ROW] + e
            work[target] = float32((d - share * means) * inverse)
            e += team.threads
        cuda.syncthreads()
        sample += team.thread_blocks


def _length(row) -> int:
    return int(row[op.OUT_PIXEL] * row[op.IN_HEIGHT] * row[op.IN_WIDTH])


def _shared(row) -> int:
    """Four sums of each channel, behind those of the threads."""
    return SUMS_AT + 4 * int(row[op.OUT_PIXEL])


PLAIN = {
    op.NORM_FORWARD: Plain(norm_forward, _length, True, _shared),
    op.NORM_SUMS: Plain(norm_sums, _length, True, _shared),
    op.NORM_INPUT_GRADIENT: Plain(norm_input, _length, True, _shared),
}
