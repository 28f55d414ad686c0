"""Sums by channel: what biases and normalisation need."""

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.integers import int32, quotient
from hogblock.kernels.cuda.jit import LARGEST_BLOCK, part
from hogblock.kernels.cuda.memory import load4, store4
from hogblock.kernels.cuda.team import first_tile
from hogblock.kernels.cuda.threads import cuda
from hogblock.kernels.cuda.update import update4

SUMS_AT = LARGEST_BLOCK
"""Where sums lie in shared memory, behind a word of each thread."""

MOST_CHANNELS = 2048
"""Of a bias, summed up at a time."""


def make_channel_sums(term):
    """A device function that sums over lines of channels, each channel by itself.

    term : ``f(run, team, p, base, line, channel)`` is what is summed up.

    The result is called as ``sums(run, team, p, base, lines, channels, out)`` by all
    threads of a block and leaves the sums in shared memory from `SUMS_AT` + `out` on.
    Threads stand side by side over the channels, in strips over the lines.
    """

    @part
    def channel_sums(run, team, p, base, lines, channels, out):
        shared, threads = team.shared, team.threads
        width = channels if channels < threads else threads
        strips = quotient(threads, width)
        strip = quotient(team.thread, width)
        within = int32(team.thread - strip * width)
        first = int32(0)
        while first < channels:
            channel = int32(first + within)
            works = strip < strips and channel < channels
            total = float32(0)
            if works:
                line = strip
                while line < lines:
                    total = float32(total + term(run, team, p, base, line, channel))
                    line += strips
            cuda.syncthreads()
            shared[team.thread] = total
            cuda.syncthreads()
            if works and strip == 0:
                k = int32(1)
                while k < strips:
                    total = float32(total + shared[k * width + within])
                    k += 1
                shared[SUMS_AT + out + channel] = total
            first += width
        cuda.syncthreads()

    return channel_sums


@part
def _value(run, team, p, base, line, channel):
    return team.work[base + line * run.table[p + op.W_ROW] + channel]


_columns = make_channel_sums(_value)


@part
def column_sums(run, team, step, p, rows):
    """Sums of DY over shares of its lines; a single one updates the bias."""
    table, shared = run.table, team.shared
    parts, channels = table[p + ph.PARTS], table[p + op.W_ROW]
    lines = int32(rows * quotient(table[p + op.Y_ROW], channels))
    decays = table[p + op.DECAYS] == 1
    share = quotient(lines + parts - 1, parts)
    t = first_tile(team, table, p)
    while t < table[p + ph.TILES]:
        start = int32(t * share)
        count = int32(lines - start)
        count = count if count < share else share
        first = int32(0)
        while first < channels:
            width = int32(channels - first)
            width = width if width < MOST_CHANNELS else int32(MOST_CHANNELS)
            base = int32(table[p + op.DY] + start * channels + first)
            _columns(run, team, p, base, count, width, 0)
            c = int32(4 * team.thread)
            while c < width:
                quad = load4(shared, int32(SUMS_AT + c))
                at = int32(first + c)
                if parts > 1:
                    at = int32(
                        at + table[p + ph.PARTS_AT] + t * table[p + ph.PART_SIZE]
                    )
                    store4(team.work, at, quad[0], quad[1], quad[2], quad[3])
                elif step.numbers[job.LEARNS] == 1:
                    at = int32(at + table[p + ph.TARGET])
                    update4(
                        run, team, step, at, quad[0], quad[1], quad[2], quad[3], decays
                    )
                c += 4 * team.threads
            cuda.syncthreads()
            first += width
        t += team.thread_blocks
