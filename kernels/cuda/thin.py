"""Thinning, as in ``kernels.cpu.thin``: which samples' gradients go further down.

The same samples go on as on a CPU, but none moves: the rows of the others become zero,
so that what comes behind adds up the same terms among zeros. It has as much to do as
without thinning.
"""

import math

import numpy as np
from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import thin as how
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.integers import int32, quotient, uint32
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.random import hash_bits
from hogblock.kernels.cuda.team import first_tile, sum_over_threads
from hogblock.kernels.cuda.threads import cuda

INFINITE = np.float32(np.inf)


@part
def uniform_of(drawn, key):
    """A number in [0, 1) for a team's minibatch number `drawn`, counted from 1."""
    bits = hash_bits(uint32(drawn), uint32(uint32(key) ^ uint32(how.THINNING_KEY)))
    return float32(float32(int32(bits >> uint32(8))) * float32(2.0**-24))


@part
def thin_norms(run, team, p, rows):
    """The norm of each sample's row of DY."""
    table, work = run.table, team.work
    length = table[p + ph.LENGTH]
    sample = first_tile(team, table, p)
    while sample < rows:
        at = int32(table[p + op.DY] + sample * length)
        squares = float32(0)
        e = team.thread
        while e < length:
            value = work[at + e]
            squares = float32(squares + value * value)
            e += team.threads
        squares = sum_over_threads(team, squares)
        if team.thread == 0:
            work[table[p + ph.NORMS] + sample] = float32(math.sqrt(squares))
        sample += team.thread_blocks


@part
def _factor_of(work, norms, rows, sample, thinning, uniform):
    """What a sample's row is multiplied by; 0 if it goes no further.

    A thread goes through the samples before its own as a CPU does, so that all agree
    to the bit on who is drawn.
    """
    one = float32(1)
    total = float32(0)
    for i in range(rows):
        total = float32(total + work[norms + i])
    least = float32(float32(thinning * total) / float32(rows))
    if not (least > float32(0) and least < INFINITE):  # a NaN too
        return one
    expected = float32(0)
    for i in range(rows):
        ratio = float32(work[norms + i] / least)
        expected = float32(expected + (ratio if ratio < one else one))
    if not expected <= float32(float32(how.WORTH) * float32(rows)):
        return one
    owed, drawn = uniform, False
    for i in range(sample + 1):
        norm, drawn = work[norms + i], False
        if norm < least:
            owed = float32(owed + float32(norm / least))
            drawn = owed >= one
            owed = float32(owed - one) if drawn else owed
    norm = work[norms + sample]
    if norm >= least:
        return one
    return float32(least / norm) if drawn else float32(0)


@part
def thin_rows(run, team, step, p, rows):
    """Multiply the samples' rows of DY; a thread finds the factor of one."""
    table, work, factors = run.table, team.work, team.shared
    length, norms = table[p + ph.LENGTH], table[p + ph.NORMS]
    span = quotient(table[p + ph.SPAN], length)
    thinning = run.reals[table[p + ph.REALS] + op.THINNING]
    t = first_tile(team, table, p)
    while t < table[p + ph.TILES]:
        first = int32(t * span)
        count = int32(rows - first)
        count = count if count < span else span
        if team.thread < count:
            factors[team.thread] = _factor_of(
                work, norms, rows, int32(first + team.thread), thinning,
                step.values[job.UNIFORM],
            )  # fmt: skip
        cuda.syncthreads()
        at = int32(table[p + op.DY] + first * length)
        e = team.thread
        while e < count * length:
            work[at + e] = float32(work[at + e] * factors[quotient(e, length)])
            e += team.threads
        cuda.syncthreads()
        t += team.thread_blocks
