"""What a training step does on a sparse first layer, for a worker: see ``sparse``."""

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.draw import address_of
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.job import NOW, WRITE_ATOMIC
from hogblock.kernels.cpu.sparse import (
    MOVES,
    advance,
    bring_up,
    link_rows,
    settle,
    sparse_squares,
    sparse_update,
)


@kernel
def moves_by_itself(rule):
    """Whether a row of weights moves in steps that have no gradient for it."""
    return rule.m != np.float32(0) or rule.decay != np.float32(0)


@kernel
def bring_minibatch_up(worker, row, rule, work, rows):
    """Bring what a minibatch reads up to date; row : the update of the layer."""
    if not moves_by_itself(rule):
        return
    weights = 4 * row[op.W]
    bring_up(
        work + 4 * row[op.X], row[op.X_ROW], rows, address_of(worker.params) + weights,
        address_of(worker.velocity) + weights, row[op.Y_ROW], worker.stamps,
        worker.moves, worker.state[NOW], rule.write == WRITE_ATOMIC,
    )  # fmt: skip


@kernel
def link_minibatch(worker, row, work, rows):
    """Chain the values of a minibatch by columns; how many columns it has."""
    return link_rows(work + 4 * row[op.X], row[op.X_ROW], rows, worker.links)


@kernel
def squares_of(worker, row, work, found):
    """Sum of squares of the layer's gradient."""
    return sparse_squares(
        worker.links, found, work + 4 * row[op.DY], row[op.Y_ROW]
    )  # fmt: skip


@kernel
def update_layer(worker, row, rule, work, found, factor):
    """The layer's part of a step."""
    weights, now = 4 * row[op.W], worker.state[NOW]
    params = address_of(worker.params) + weights
    velocity = address_of(worker.velocity) + weights
    atomic, decays = rule.write == WRITE_ATOMIC, row[op.DECAYS] == 1
    moves = moves_by_itself(rule)
    sparse_update(
        worker.links, found, work + 4 * row[op.DY], params, velocity, row[op.Y_ROW],
        worker.stamps, now + 1 if moves else now, factor, worker.coefficients, decays,
        atomic,
    )  # fmt: skip
    if not moves:
        return
    advance(worker.moves, now, worker.coefficients, decays)
    worker.state[NOW] = now + 1
    if now + 2 == MOVES:
        settle(
            params, velocity, row[op.Y_ROW], worker.stamps, worker.moves, now + 1,
            atomic,
        )  # fmt: skip
        worker.state[NOW] = 0
