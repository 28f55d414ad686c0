"""Losses, as in ``kernels.cpu.loss``: a thread works on one sample's outputs."""

import math

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.choice import make_choice
from hogblock.kernels.cuda.integers import int32, quotient
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.memory import float_of
from hogblock.kernels.cuda.team import first_tile, sum_over_threads

# Each gives the loss of one sample, whose targets are those of sample `index`, and
# writes DZ, its gradient times `factor`.


@part
def _softmax(run, team, z, dz, n_out, index, factor, smoothing):
    work, spread = team.work, float32(smoothing / float32(n_out))
    label = run.targets[index]
    top = work[z]
    for j in range(1, n_out):
        value = work[z + j]
        top = value if value > top else top
    norm = float32(0)
    for j in range(n_out):
        value = float32(math.exp(work[z + j] - top))
        norm = float32(norm + value)
        work[dz + j] = value
    over = float32(factor / norm)
    for j in range(n_out):
        work[dz + j] = work[dz + j] * over
    work[dz + label] = work[dz + label] - factor
    wanted = work[z + label]
    if smoothing > float32(0):
        mean = float32(0)
        for j in range(n_out):
            mean = float32(mean + work[z + j])
            work[dz + j] = float32(work[dz + j] - spread * factor)
        work[dz + label] = float32(work[dz + label] + smoothing * factor)
        wanted = float32(wanted + spread * mean - smoothing * wanted)
    return float32(float32(math.log(norm)) + top - wanted)


@part
def _logistic(run, team, z, dz, n_out, index, factor, smoothing):
    work, target = team.work, index * n_out
    loss, half = float32(0), float32(float32(0.5) * smoothing)
    for j in range(n_out):
        v = work[z + j]
        wanted = float_of(run.targets[target + j])
        wanted = float32((float32(1) - smoothing) * wanted + half)
        e = float32(math.exp(-abs(v)))
        positive = float32(float32(1) / (float32(1) + e))
        chance = positive if v > float32(0) else float32(e * positive)
        larger = v if v > float32(0) else float32(0)
        loss = float32(loss + larger - v * wanted + math.log(float32(1) + e))
        work[dz + j] = float32((chance - wanted) * factor)
    return loss


@part
def _squared(run, team, z, dz, n_out, index, factor, parameter):
    work, target = team.work, index * n_out
    loss = float32(0)
    for j in range(n_out):
        difference = float32(work[z + j] - float_of(run.targets[target + j]))
        loss = float32(loss + difference * difference)
        work[dz + j] = float32(difference * factor)
    return float32(loss * float32(0.5) / float32(n_out))


@part
def _huber(run, team, z, dz, n_out, index, factor, delta):
    work, target = team.work, index * n_out
    loss, half = float32(0), float32(0.5)
    for j in range(n_out):
        difference = float32(work[z + j] - float_of(run.targets[target + j]))
        size = float32(abs(difference))
        if size > delta:
            loss = float32(loss + delta * (size - half * delta))
            difference = delta if difference > float32(0) else float32(-delta)
        else:  # a NaN too
            loss = float32(loss + half * difference * difference)
        work[dz + j] = float32(difference * factor)
    return float32(loss / float32(n_out))


@part
def _absolute(run, team, z, dz, n_out, index, factor, parameter):
    work, target = team.work, index * n_out
    loss, one = float32(0), float32(1)
    for j in range(n_out):
        difference = float32(work[z + j] - float_of(run.targets[target + j]))
        loss = float32(loss + abs(difference))
        if difference > float32(0):
            difference = one
        elif difference < float32(0):
            difference = -one
        work[dz + j] = float32(difference * factor)  # 0 and NaN as they are
    return float32(loss / float32(n_out))


@part
def _quantile(run, team, z, dz, n_out, index, factor, share):
    work, target = team.work, index * n_out
    loss, rest = float32(0), float32(float32(1) - share)
    for j in range(n_out):
        difference = float32(work[z + j] - float_of(run.targets[target + j]))
        if difference > float32(0):
            loss = float32(loss + rest * difference)
            difference = rest
        elif difference < float32(0):
            loss = float32(loss - share * difference)
            difference = float32(-share)
        else:  # a NaN too
            loss = float32(loss + difference)
        work[dz + j] = float32(difference * factor)
    return float32(loss / float32(n_out))


@part
def _poisson(run, team, z, dz, n_out, index, factor, parameter):
    work, target = team.work, index * n_out
    loss = float32(0)
    for j in range(n_out):
        v, wanted = work[z + j], float_of(run.targets[target + j])
        mean = float32(math.exp(v))
        loss = float32(loss + mean - wanted * v)
        work[dz + j] = float32((mean - wanted) * factor)
    return float32(loss / float32(n_out))


KERNELS = {
    op.SOFTMAX_CROSS_ENTROPY: _softmax,
    op.LOGISTIC_CROSS_ENTROPY: _logistic,
    op.SQUARED_ERROR: _squared,
    op.HUBER: _huber,
    op.ABSOLUTE_ERROR: _absolute,
    op.QUANTILE: _quantile,
    op.POISSON: _poisson,
}
_loss_of = make_choice(KERNELS)


@part
def loss_gradient(run, team, step, p, rows):
    """DY, and each sample's weighted loss."""
    table, work = run.table, team.work
    row, n_out = table[p + op.X_ROW], table[p + op.X_WIDTH]
    parameter = run.reals[table[p + ph.REALS] + op.LOSS_PARAMETER]
    indices = int32(table[job.INDICES_AT] + team.number * table[job.BATCH])
    scale = float32(0)
    if step.values[job.WEIGHTS] > float32(0):
        scale = float32(float32(1) / step.values[job.WEIGHTS])
    t = first_tile(team, table, p)
    while t < table[p + ph.TILES]:
        i = int32(t * table[p + ph.SPAN] + team.thread)
        end = int32((t + 1) * table[p + ph.SPAN])
        end = end if end < rows else rows
        while i < end:
            z = int32(table[p + op.X] + i * row)
            dz = int32(table[p + op.DY] + i * row)
            index = run.words[indices + i]
            weight = float32(1)
            if table[job.WEIGHTED] == 1:
                weight = run.weights[index]
            factor = float32(weight * scale)
            loss = _loss_of(
                table[p + op.KIND], run, team, z, dz, n_out, index, factor, parameter
            )
            for j in range(n_out, row):
                work[dz + j] = float32(0)
            work[table[job.LOSSES_AT] + i] = float32(weight * loss)
            i += team.threads
        t += team.thread_blocks


@part
def add_losses(run, team, step, p, rows, epoch):
    """The minibatch's loss and weight into the team's record of the epoch."""
    table = run.table
    if first_tile(team, table, p) > 0:
        return
    total = float32(0)
    i = team.thread
    while i < rows:
        total = float32(total + team.work[table[job.LOSSES_AT] + i])
        i += team.threads
    total = sum_over_threads(team, total)
    if team.thread == 0:
        epochs = quotient(table[job.STEPS], table[job.BATCHES])
        at = int32((team.number * epochs + epoch) * job.RECORD_WIDTH)
        run.record[at + job.LOSS_SUM] += total
        run.record[at + job.WEIGHT_SUM] += step.values[job.WEIGHTS]
        run.record[at + job.STEPS_DONE] += float32(1)
