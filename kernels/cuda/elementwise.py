"""Phases that work on each value alone: activations, dropout, sums of branches.

Buffers of a phase are laid out alike, so that an element has one number in all of them.
"""

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.activation import derivative, forward, fused_forward
from hogblock.kernels.cuda.integers import int32, quotient, uint32
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.plain import Plain
from hogblock.kernels.cuda.random import hash_bits
from hogblock.kernels.cuda.team import first_tile


def for_elements(body):
    """A phase that calls ``body(run, team, p, e)`` for the elements of a minibatch.

    ``LENGTH`` elements are a sample's.
    """

    @part
    def phase(run, team, p, rows):
        table = run.table
        total, span = int32(rows * table[p + ph.LENGTH]), table[p + ph.SPAN]
        t = first_tile(team, table, p)
        while t < table[p + ph.TILES]:
            e = int32(t * span + team.thread)
            end = int32((t + 1) * span)
            end = end if end < total else total
            while e < end:
                body(run, team, p, e)
                e += team.threads
            t += team.thread_blocks

    return phase


@part
def _activation_forward(run, team, p, e):
    table, work = run.table, team.work
    slope = run.reals[table[p + ph.REALS] + op.SLOPE]
    value = work[table[p + op.X] + e]
    work[table[p + op.Y] + e] = forward(table[p + op.KIND], value, slope)


@part
def _activation_backward(run, team, p, e):
    table, work = run.table, team.work
    slope = run.reals[table[p + ph.REALS] + op.SLOPE]
    factor = derivative(table[p + op.KIND], work[table[p + op.Y] + e], slope)
    work[table[p + op.DX] + e] = work[table[p + op.DY] + e] * factor


@part
def _add_forward(run, team, p, e):
    table, work = run.table, team.work
    slope = run.reals[table[p + ph.REALS] + op.SLOPE]
    total = float32(work[table[p + op.X] + e] + work[table[p + op.X2] + e])
    work[table[p + op.Y] + e] = fused_forward(table[p + op.KIND], total, slope)


@part
def _add_backward(run, team, p, e):
    table, work = run.table, team.work
    value = work[table[p + op.DY] + e]
    if table[p + op.ADDS] == 1:
        value = float32(value + work[table[p + op.DX] + e])
    work[table[p + op.DX] + e] = value


@part
def _factor(run, p, counter, key):
    """What dropout multiplies by, 0 or 1 / (1 - rate); `counter` numbers the draw."""
    rate = run.reals[run.table[p + ph.REALS] + op.RATE]
    keep = float32(float32(1) / (float32(1) - rate))
    # The same draws as on a CPU; DRAWS_BELOW is uint32(rate * (2**32 - 1)).
    bits = hash_bits(uint32(counter), uint32(key))
    return float32(0) if bits < uint32(run.table[p + ph.DRAWS_BELOW]) else keep


@part
def _dropout_backward(run, team, p, e):
    table, work = run.table, team.work
    factor = work[table[p + op.MASK] + e]
    work[table[p + op.DX] + e] = work[table[p + op.DY] + e] * factor


@part
def _lane(table, p, e):
    """A sample's channel in the mask of spatial dropout."""
    sample = quotient(e, table[p + ph.LENGTH])
    pixel = table[p + op.OUT_PIXEL]
    return int32(sample * pixel + e - quotient(e, pixel) * pixel)


@part
def _spatial_dropout_backward(run, team, p, e):
    table, work = run.table, team.work
    factor = work[table[p + op.MASK] + _lane(table, p, e)]
    work[table[p + op.DX] + e] = work[table[p + op.DY] + e] * factor


@part
def dropout_forward(run, team, p, rows, counter, key):
    """Y = X times a random mask, a draw an element; `counter` of the phase's first."""
    table, work = run.table, team.work
    total, span = int32(rows * table[p + ph.LENGTH]), table[p + ph.SPAN]
    spatial = table[p + ph.PHASE] == op.SPATIAL_DROPOUT_FORWARD
    t = first_tile(team, table, p)
    while t < table[p + ph.TILES]:
        e = int32(t * span + team.thread)
        end = int32((t + 1) * span)
        end = end if end < total else total
        while e < end:
            draw = _lane(table, p, e) if spatial else e
            factor = _factor(run, p, counter + draw, key)
            # Every pixel of a channel writes the same value to the same word.
            work[table[p + op.MASK] + draw] = factor
            work[table[p + op.Y] + e] = work[table[p + op.X] + e] * factor
            e += team.threads
        t += team.thread_blocks


@part
def _copy_channels(run, team, p, e):
    table, work = run.table, team.work
    channels = table[p + op.IN_CHANNELS]
    pixel = quotient(e, channels)
    channel = int32(e - pixel * channels)
    pixels = int32(table[p + op.IN_HEIGHT] * table[p + op.IN_WIDTH])
    sample = quotient(pixel, pixels)
    pixel = int32(pixel - sample * pixels)
    source = int32(table[p + op.X] + sample * table[p + op.X_ROW] + channel)
    target = int32(table[p + op.Y] + sample * table[p + op.Y_ROW] + channel)
    value = work[source + pixel * table[p + op.IN_PIXEL]]
    work[target + pixel * table[p + op.OUT_PIXEL]] = value


def _copied(row) -> int:
    """Values of an image, without what lies between its pixels."""
    return int(row[op.IN_HEIGHT] * row[op.IN_WIDTH] * row[op.IN_CHANNELS])


PLAIN = {
    op.ACTIVATION_FORWARD: Plain(for_elements(_activation_forward)),
    op.ACTIVATION_BACKWARD: Plain(for_elements(_activation_backward)),
    op.ADD_FORWARD: Plain(for_elements(_add_forward)),
    op.ADD_BACKWARD: Plain(for_elements(_add_backward)),
    op.DROPOUT_BACKWARD: Plain(for_elements(_dropout_backward)),
    op.SPATIAL_DROPOUT_BACKWARD: Plain(for_elements(_spatial_dropout_backward)),
    op.COPY_CHANNELS: Plain(for_elements(_copy_channels), length=_copied),
}
