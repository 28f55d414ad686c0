"""What a training step does on a sparse first layer, for a worker: see ``sparse``.

``worker.sparse`` holds addresses and sizes, by the columns below.
"""

import numpy as np
from numba import carray

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.draw import address_of
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.job import NOW, WRITE_ATOMIC
from hogblock.kernels.cpu.memory import f64_pointer, floats, ints
from hogblock.kernels.cpu.sparse import (
    MOVES,
    Links,
    advance,
    bring_up,
    link_rows,
    settle,
    sparse_squares,
    sparse_update,
)

STAMPS_AT, MOVES_AT = 0, 1
HEADS_AT, TOUCHED_AT, BEFORE_AT, SAMPLES_AT, VALUES_AT, LINE_AT = range(2, 8)
N_FEATURES, N_VALUES, N_LINE = 8, 9, 10
SPARSE_WIDTH = 11


@kernel
def _stamps_of(worker):
    return ints(worker.sparse[STAMPS_AT], worker.sparse[N_FEATURES])


@kernel
def _moves_of(worker):
    return carray(f64_pointer(worker.sparse[MOVES_AT]), (MOVES, 4))


@kernel
def _links_of(worker):
    words = worker.sparse
    values = words[N_VALUES]
    return Links(
        ints(words[HEADS_AT], words[N_FEATURES]),
        ints(words[TOUCHED_AT], values),
        ints(words[BEFORE_AT], values),
        ints(words[SAMPLES_AT], values),
        floats(words[VALUES_AT], values),
        floats(words[LINE_AT], words[N_LINE]),
    )


@kernel
def moves_by_itself(rule):
    """Whether a row of weights moves in steps that have no gradient for it."""
    return rule.m != np.float32(0) or rule.decay != np.float32(0)


@kernel
def bring_minibatch_up(worker, row, rule, work, rows):
    """Bring what a minibatch reads up to date; row : the layer's forward pass."""
    if not moves_by_itself(rule):
        return
    weights = 4 * row[op.W]
    bring_up(
        work + 4 * row[op.X], row[op.X_ROW], rows, address_of(worker.params) + weights,
        address_of(worker.velocity) + weights, row[op.Y_ROW], _stamps_of(worker),
        _moves_of(worker), worker.state[NOW], rule.write == WRITE_ATOMIC,
    )  # fmt: skip


@kernel
def link_minibatch(worker, row, work, rows):
    """Chain the values of a minibatch by columns; how many columns it has."""
    return link_rows(work + 4 * row[op.X], row[op.X_ROW], rows, _links_of(worker))


@kernel
def squares_of(worker, row, work, found):
    """Sum of squares of the layer's gradient."""
    return sparse_squares(
        _links_of(worker), found, work + 4 * row[op.DY], row[op.Y_ROW]
    )


@kernel
def update_layer(worker, row, rule, work, found, factor):
    """The layer's part of a step; row : its update."""
    weights, now = 4 * row[op.W], worker.state[NOW]
    params = address_of(worker.params) + weights
    velocity = address_of(worker.velocity) + weights
    atomic, decays = rule.write == WRITE_ATOMIC, row[op.DECAYS] == 1
    stamps, moves = _stamps_of(worker), moves_by_itself(rule)
    sparse_update(
        _links_of(worker), found, work + 4 * row[op.DY], params, velocity,
        row[op.Y_ROW], stamps, now + 1 if moves else now, factor, worker.coefficients,
        decays, atomic,
    )  # fmt: skip
    if not moves:
        return
    advance(_moves_of(worker), now, worker.coefficients, decays)
    worker.state[NOW] = now + 1
    if now + 2 == MOVES:
        settle(
            params, velocity, row[op.Y_ROW], stamps, _moves_of(worker), now + 1, atomic
        )
        worker.state[NOW] = 0
