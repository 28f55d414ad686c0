"""The minibatch: which samples, their values scaled and augmented, their weights."""

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import augment as how
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.integers import int32, int64, quotient, uint32
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.memory import float_at, read
from hogblock.kernels.cuda.random import below, hash_bits, permuted
from hogblock.kernels.cuda.team import first_tile, sum_over_threads
from hogblock.kernels.cuda.threads import cuda


@part
def _draw(key, counter, end):
    bits = hash_bits(uint32(counter), uint32(uint32(key) ^ uint32(how.SALT)))
    return below(bits, end)


@part
def _origin(table, key, counter, feature):
    """Feature of the image that augmentation moves to `feature`; -1: a zero."""
    at = table[job.AUGMENT_AT]
    channels, width = table[at + how.CHANNELS], table[at + how.WIDTH]
    height, pad = table[at + how.HEIGHT], table[at + how.PAD]
    pixel = quotient(feature, channels)
    channel = int32(feature - pixel * channels)
    r = quotient(pixel, width)
    q = int32(pixel - r * width)
    base = uint32(how.DRAWS * counter)
    side = table[at + how.CUTOUT]
    if side > 0:
        top = int32(_draw(key, base + 3, height) - (side >> 1))
        left = int32(_draw(key, base + 4, width) - (side >> 1))
        if r >= top and r < top + side and q >= left and q < left + side:
            return int32(-1)
    if table[at + how.FLIP] > 0 and _draw(key, base + 2, 2) == 1:
        q = int32(width - 1 - q)
    if pad > 0:
        r = int32(r - (_draw(key, base, 2 * pad + 1) - pad))
        q = int32(q - (_draw(key, base + 1, 2 * pad + 1) - pad))
        if r < 0 or q < 0 or r >= height or q >= width:
            return int32(-1)
    return int32((r * width + q) * channels + channel)


@part
def _value(run, index, feature):
    table = run.table
    at = int64(index) * int64(table[job.FEATURES]) + int64(feature)
    if table[job.STORAGE] == op.FLOAT32_ROWS:
        value = float_at(run.x, at)
    else:
        value = float32(run.x[at])
    if table[job.SCALED] == 1:
        shift = run.reals[table[job.SHIFT_AT] + feature]
        value = float32((value - shift) * run.reals[table[job.SCALE_AT] + feature])
    return value


@part
def gather(run, team, p, rows, start, epoch, counter, augment):
    """Rows of X into the work space, and their indices into the words.

    start : position of the minibatch in the epoch; counter : samples that the team has
    augmented so far, modulo 2**32; augment : 0 to leave the samples as they are.
    """
    table, samples = run.table, team.pixels
    features, span = table[job.FEATURES], table[p + ph.SPAN]
    indices = int32(table[job.INDICES_AT] + team.number * table[job.BATCH])
    keys = int32(table[job.KEYS_AT] + 2 * epoch)
    if table[job.TEAM_EPOCHS] == 1:
        epochs = quotient(table[job.STEPS], table[job.BATCHES])
        keys = int32(keys + 2 * team.number * epochs)
    augments = table[table[job.AUGMENT_AT] + how.HEIGHT] > 0 and augment == 1
    key = table[table[job.TEAM_KEYS_AT] + team.number]
    t = first_tile(team, table, p)
    while t < table[p + ph.TILES]:
        first = int32(t * span)
        count = int32(rows - first)
        count = count if count < span else span
        i = team.thread
        while i < count:
            index = int64(start + first + i)
            if table[job.SHUFFLE] == 1:
                low, high = uint32(table[keys]), uint32(table[keys + 1])
                index = permuted(index, table[job.SAMPLES], low, high)
            samples[i] = int32(index)
            run.words[indices + first + i] = int32(index)
            i += team.threads
        cuda.syncthreads()
        e = team.thread
        while e < count * features:
            i = quotient(e, features)
            feature = int32(e - i * features)
            source = feature
            if augments:
                source = _origin(table, key, counter + first + i, feature)
            value = float32(0)
            if source >= 0:
                value = _value(run, samples[i], source)
            at = table[job.X_AT] + (first + i) * table[job.X_ROW] + feature
            team.work[at] = value
            e += team.threads
        cuda.syncthreads()
        t += team.thread_blocks


@part
def sum_weights(run, team, p, rows):
    """Sum of the minibatch's sample weights into the work space, behind the losses."""
    table = run.table
    if first_tile(team, table, p) > 0:
        return
    indices = int32(table[job.INDICES_AT] + team.number * table[job.BATCH])
    total = float32(0)
    i = team.thread
    while i < rows:
        total = float32(total + run.weights[run.words[indices + i]])
        i += team.threads
    total = sum_over_threads(team, total)
    if team.thread == 0:
        team.work[table[job.LOSSES_AT] + table[job.BATCH]] = total


@part
def copy_parameters(run, team, p):
    """The parameters as they are now into the team's private copy."""
    table = run.table
    length, span = table[p + ph.LENGTH], table[p + ph.SPAN]
    t = first_tile(team, table, p)
    while t < table[p + ph.TILES]:
        e = int32(t * span + team.thread)
        end = int32((t + 1) * span)
        end = end if end < length else length
        while e < end:
            team.work[table[job.COPY_AT] + e] = read(run.params, e)
            e += team.threads
        t += team.thread_blocks
