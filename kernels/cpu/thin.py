"""Thinning: the samples of a minibatch whose gradient goes further down.

A sample is drawn with a probability that rises with the norm of its gradient, up to 1,
and its gradient divided by that: what is summed up over samples keeps its expectation.
Sampling by gradient norms follows Katharopoulos and Fleuret, "Not All Samples Are
Created Equal" (ICML 2018); that the draws depend on each other, so that almost the same
number is left of every minibatch, is systematic sampling (Madow, 1949).
"""

import numpy as np

from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import floats
from hogblock.kernels.cpu.random import hash_bits

THINNING_KEY = np.uint32(0x5BD1E995)
"""Draws by a worker's key and minibatch; not those of its turns."""

WORTH = np.float32(0.6)
"""Of a minibatch: where more than that would be left, all go on, because the draws'
noise costs more than the rest of the backward pass saves."""

ZERO = np.float32(0)
ONE = np.float32(1)


@kernel
def uniform_of(turn, key):
    """A number in [0, 1) for a worker's minibatch number `turn`."""
    bits = hash_bits(np.uint32(turn), np.uint32(key) ^ THINNING_KEY)
    return np.float32(bits >> np.uint32(8)) * np.float32(2.0**-24)


@kernel
def thin(dy, row, rows, thinning, uniform, norms, kept):
    """Choose rows of a gradient, and divide them by their probabilities.

    Parameters
    ----------
    dy, row : address of float32 [rows, row]
        Chosen rows are scaled where they are.
    thinning : float32
        Of the mean norm: rows of a smaller one are drawn.
    uniform : float32
        In [0, 1).
    norms, kept : float32 [rows], int64 [rows]
        Norms of the rows, and the numbers of the chosen ones, ascending.

    Returns
    -------
    int
        How many are chosen: all if a norm is not finite, if all are zero, or if that
        is not `WORTH` it.
    """
    total = ZERO
    for i in range(rows):
        line = floats(dy + 4 * i * row, row)
        squares = ZERO
        for j in range(row):
            squares += line[j] * line[j]
        norms[i] = np.sqrt(squares)
        total += norms[i]
    least = thinning * total / np.float32(rows)
    expected = ZERO
    for i in range(rows):
        expected += min(ONE, norms[i] / least)
    bounded = least > ZERO and least < np.float32(np.inf)
    if not (bounded and expected <= WORTH * np.float32(rows)):
        for i in range(rows):
            kept[i] = i
        return rows
    count, owed = 0, uniform
    for i in range(rows):
        if norms[i] >= least:
            kept[count] = i
            count += 1
            continue
        owed += norms[i] / least
        if owed >= ONE:
            owed -= ONE
            factor = least / norms[i]
            line = floats(dy + 4 * i * row, row)
            for j in range(row):
                line[j] *= factor
            kept[count] = i
            count += 1
    if count == 0:  # the update of the momentum goes on
        line = floats(dy, row)
        for j in range(row):
            line[j] = ZERO
        kept[0] = 0
        return 1
    return count


@kernel
def keep_rows(buffer, row, kept, count):
    """Move the chosen rows of float32 [rows, row] at an address to the front."""
    for j in range(count):
        if kept[j] != j:
            source = floats(buffer + 4 * kept[j] * row, row)
            target = floats(buffer + 4 * j * row, row)
            for i in range(row):
                target[i] = source[i]
