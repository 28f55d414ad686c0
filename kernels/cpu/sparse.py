"""The first layer on sparse rows: forward pass, update, and the steps that rows missed.

A minibatch of sparse X is one description a sample in the place of its values, see
`describe_rows`: work is done for what is not zero alone. Momentum and the L2 penalty
move every row of the weights at every step all the same. A row is therefore brought up
to date when it is needed, with the product of the steps that it missed (Langford et
al., "Sparse online learning via truncated gradient", 2009, for steps without momentum):
what comes out is what dense rows of zeros would have led to.

Shapes: weights w and velocity u [n_in, row], at addresses; stamps int32 [n_in], the
step of the worker at which each row is up to date; moves float64 [MOVES, 4], for each
of these steps (a, b, c, d): from there to now w moves by a w + b u, and u becomes
c w + d u.
"""

from typing import NamedTuple

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.call import buffer, parameters
from hogblock.kernels.cpu.elementwise import activate_inside
from hogblock.kernels.cpu.jit import kernel, part
from hogblock.kernels.cpu.memory import atomic_add_f32, floats, ints, prefetch, words


class Links(NamedTuple):
    """Work space for the values of a minibatch by column, see `link_rows`.

    Attributes
    ----------
    heads : int32 [n_features]
    touched, before, samples : int32 [values]
    values : float32 [values]
    line : float32
        A row of the weights' gradient.
    """

    heads: np.ndarray
    touched: np.ndarray
    before: np.ndarray
    samples: np.ndarray
    values: np.ndarray
    line: np.ndarray


ZERO = np.float32(0)
MOVES = 256
"""Steps after which all rows are brought up to date, and counting begins anew."""

AHEAD = 6
"""Values of a sample whose rows of weights are asked for before they are needed."""


@kernel
def describe_rows(values, columns, starts, indices, rows, out, out_row):
    """Describe chosen rows of a CSR matrix: words [address, address, count] each.

    values, columns : addresses of float32 and int32 [nonzeros]; starts : that of int64
    [samples + 1]; indices int64 [rows]; out : address of [rows, out_row] float32.
    """
    for i in range(rows):
        first, end = words(starts + 8 * indices[i], 2)
        row = words(out + 4 * i * out_row, 3)
        row[0] = values + 4 * first
        row[1] = columns + 4 * first
        row[2] = end - first


@kernel
def _ask_for(at, size):
    for offset in range(0, size, 64):
        prefetch(at + offset)


@kernel
def sparse_forward(x, x_row, w, b, y, y_row, rows, act, slope):
    """y[rows, y_row] = act(x w + b)."""
    for i in range(rows):
        sample = words(x + 4 * i * x_row, 3)
        count = sample[2]
        values, columns = floats(sample[0], count), ints(sample[1], count)
        out, bias = floats(y + 4 * i * y_row, y_row), floats(b, y_row)
        for k in range(y_row):
            out[k] = bias[k]
        for e in range(count):
            if e + AHEAD < count:
                _ask_for(w + 4 * columns[e + AHEAD] * y_row, 4 * y_row)
            value, line = values[e], floats(w + 4 * columns[e] * y_row, y_row)
            for k in range(y_row):
                out[k] += value * line[k]
        activate_inside(y + 4 * i * y_row, y_row, act, slope)


@kernel
def _move(w, u, row, move, atomic):
    """Take the steps that a row has missed."""
    weights, velocity = floats(w, row), floats(u, row)
    a, b, c, d = (
        np.float32(move[0]),
        np.float32(move[1]),
        np.float32(move[2]),
        np.float32(move[3]),
    )
    if atomic:
        for k in range(row):
            before, speed = weights[k], velocity[k]
            atomic_add_f32(w + 4 * k, a * before + b * speed)
            velocity[k] = c * before + d * speed
        return
    for k in range(row):
        before, speed = weights[k], velocity[k]
        weights[k] = before + (a * before + b * speed)
        velocity[k] = c * before + d * speed


@kernel
def bring_up(x, x_row, rows, w, u, row, stamps, moves, now, atomic):
    """Bring the rows of weights that a minibatch reads up to date."""
    for i in range(rows):
        sample = words(x + 4 * i * x_row, 3)
        count = sample[2]
        columns = ints(sample[1], count)
        for e in range(count):
            if e + AHEAD < count and stamps[columns[e + AHEAD]] != now:
                offset = 4 * columns[e + AHEAD] * row
                _ask_for(w + offset, 4 * row)
                _ask_for(u + offset, 4 * row)
            j = np.int64(columns[e])
            if stamps[j] != now:
                _move(w + 4 * j * row, u + 4 * j * row, row, moves[stamps[j]], atomic)
                stamps[j] = now


@kernel
def settle(w, u, row, stamps, moves, now, atomic):
    """Bring all rows up to date, and begin to count anew."""
    for j in range(stamps.size):
        if stamps[j] != now:
            _move(w + 4 * j * row, u + 4 * j * row, row, moves[stamps[j]], atomic)
        stamps[j] = 0
    moves[0] = 0.0
    moves[0, 3] = 1.0


@kernel
def advance(moves, now, coefficients, decays):
    """A step more: every row that it did not update has missed it.

    coefficients : float32 [4], see ``update``; with g = decay w the step is
    u' = m u + g, w' = w - along_g g - along_u u'.
    """
    m, along_g, along_u = (
        np.float64(coefficients[0]),
        np.float64(coefficients[2]),
        np.float64(coefficients[3]),
    )
    decay = np.float64(coefficients[1]) if decays else 0.0
    less, speed = (along_g + along_u) * decay, along_u * m
    for s in range(now + 1):
        a, b, c, d = moves[s, 0], moves[s, 1], moves[s, 2], moves[s, 3]
        moves[s, 0] = a - less * (1.0 + a) - speed * c
        moves[s, 1] = b - less * b - speed * d
        moves[s, 2] = decay * (1.0 + a) + m * c
        moves[s, 3] = decay * b + m * d
    moves[now + 1] = 0.0
    moves[now + 1, 3] = 1.0


@kernel
def link_rows(x, x_row, rows, links):
    """Chain the values of a minibatch by their columns; returns how many these are.

    links.heads int32 [n_in], all -1: becomes the last value of each column.
    links.touched int32 [values]: these columns. Of each value: links.before, the one
    before it in its column or -1; links.samples, its row; links.values.
    """
    found, entry = 0, 0
    for i in range(rows):
        sample = words(x + 4 * i * x_row, 3)
        count = sample[2]
        values, columns = floats(sample[0], count), ints(sample[1], count)
        for e in range(count):
            j = columns[e]
            if links.heads[j] < 0:
                links.touched[found] = j
                found += 1
            links.before[entry] = links.heads[j]
            links.samples[entry] = i
            links.values[entry] = values[e]
            links.heads[j] = entry
            entry += 1
    return found


@kernel
def _gradient_of(j, links, dy, row):
    """Gradient of a row of weights into ``links.line``."""
    line = links.line
    for k in range(row):
        line[k] = ZERO
    entry = np.int64(links.heads[j])
    while entry >= 0:
        value = links.values[entry]
        gradient = floats(dy + 4 * np.int64(links.samples[entry]) * row, row)
        for k in range(row):
            line[k] += value * gradient[k]
        entry = np.int64(links.before[entry])


@kernel
def sparse_squares(links, found, dy, row):
    """Sum of squares of the gradient."""
    total = 0.0
    for t in range(found):
        _gradient_of(links.touched[t], links, dy, row)
        for k in range(row):
            total += np.float64(links.line[k]) * np.float64(links.line[k])
    return total


@kernel
def sparse_update(
    links, found, dy, w, u, row, stamps, then, factor, coefficients, decays, atomic
):
    """Momentum step on the rows of weights that have a gradient, times `factor`.

    They are up to date before it, and behind it at step `then`. ``links.heads`` are -1
    again.
    """
    m, along_g, along_u = coefficients[0], coefficients[2], coefficients[3]
    decay = coefficients[1] if decays else ZERO
    for t in range(found):
        if t + AHEAD < found:
            offset = 4 * np.int64(links.touched[t + AHEAD]) * row
            _ask_for(w + offset, 4 * row)
            _ask_for(u + offset, 4 * row)
        j = np.int64(links.touched[t])
        _gradient_of(j, links, dy, row)
        links.heads[j] = -1
        at = w + 4 * j * row
        weights, velocity = floats(at, row), floats(u + 4 * j * row, row)
        for k in range(row):
            gradient = factor * links.line[k] + decay * weights[k]
            speed = m * velocity[k] + gradient
            velocity[k] = speed
            links.line[k] = along_g * gradient + along_u * speed
        if atomic:
            for k in range(row):
                atomic_add_f32(at + 4 * k, -links.line[k])
        else:
            for k in range(row):
                weights[k] -= links.line[k]
        stamps[j] = then


@part
def _sparse_forward(call):
    row = call.row
    sparse_forward(
        buffer(call, op.X), row[op.X_ROW], parameters(call, op.W),
        parameters(call, op.B), buffer(call, op.Y), row[op.Y_ROW], call.rows,
        row[op.KIND], call.reals[op.SLOPE],
    )  # fmt: skip


OPERATIONS = {op.SPARSE_FORWARD: _sparse_forward}
