"""Dense forward, weight gradient and input gradient against their twins."""

import numpy as np
import pytest

from hogblock.kernels import optable as op
from hogblock.kernels.cpu.dense import (
    dense_forward,
    dense_input_gradient,
    dense_weight_gradient,
    dense_weight_update,
)
from hogblock.models.layout import padded
from support import naive

SIZES = [1, 2, 7, 13, 16, 17, 31, 33, 64, 65, 100]
BATCHES = [1, 3, 8, 9, 64, 65]
SHAPES = [  # batch, n_in, n_out: every pair of a batch and a size, on either side
    (batch, SIZES[i], SIZES[(5 * i + 3 + k) % len(SIZES)])
    for k, batch in enumerate(BATCHES)
    for i in range(len(SIZES))
]
ACTIVATIONS = [
    (op.LINEAR, 1.0),
    (op.LINEAR, 0.0),
    (op.LINEAR, 0.01),
    (op.TANH, 0.0),
    (op.LOGISTIC, 0.0),
]
CLOSE = {"rtol": 1e-5, "atol": 4e-6}
F32 = np.float32


def at(array):
    return array.ctypes.data


def unread_padding(aligned, values):
    """Padded copy whose padding is NaN: it spoils every result that it gets into."""
    array = aligned(values)
    array[:, values.shape[1] :] = np.nan
    return array


@pytest.mark.parametrize("batch, n_in, n_out", SHAPES)
def test_forward(aligned, normal, batch, n_in, n_out):
    for kind, slope in ACTIVATIONS:
        x, w, b = normal(batch, n_in), normal(n_in, n_out), normal(n_out)
        w /= F32(np.sqrt(n_in))
        x_in, w_in, b_in = unread_padding(aligned, x), aligned(w), aligned(b)
        y = aligned.zeros(batch, n_out)
        dense_forward(
            at(x_in), x_in.shape[1], at(w_in), at(b_in), at(y), y.shape[1],
            batch, n_in, kind, F32(slope),
        )  # fmt: skip
        expected = naive.dense_forward(x, w, b, kind, slope)
        np.testing.assert_allclose(y[:, :n_out], expected, **CLOSE)
        padding = naive.activation(0, kind, slope)
        np.testing.assert_allclose(y[:, n_out:], padding, atol=1e-7)


@pytest.mark.parametrize("batch, n_in, n_out", SHAPES)
def test_weight_gradient(aligned, normal, batch, n_in, n_out):
    x, dy = normal(batch, n_in), normal(batch, n_out)
    x_in, dy_in = unread_padding(aligned, x), aligned(dy)
    zeros = aligned.zeros(padded(max(n_in, n_out)))
    g = aligned.zeros(n_in, n_out)
    row = g.shape[1]
    dense_weight_gradient(
        at(x_in), x_in.shape[1], at(dy_in), row, at(zeros), at(g), row,
        batch, n_in, row,
    )  # fmt: skip
    expected = naive.dense_weight_gradient(x, dy)
    np.testing.assert_allclose(g[:, :n_out], expected, rtol=1e-5, atol=2e-5)
    assert not g[:, n_out:].any()


@pytest.mark.parametrize("batch, n_in, n_out", SHAPES)
def test_input_gradient(aligned, normal, batch, n_in, n_out):
    dy, w = normal(batch, n_out), normal(n_in, n_out) / F32(np.sqrt(n_out))
    t_row = padded(batch)
    dy_in, w_in = aligned(dy, rows=t_row), aligned(w)
    dy_in[batch:] = 7  # left by a longer minibatch: touches no row in use
    zeros = aligned.zeros(max(t_row, padded(n_in), padded(n_out)))
    dx = aligned.zeros(t_row, n_in)
    dy_t = aligned.zeros(padded(n_out), t_row)
    dx_t = aligned.zeros(padded(n_in), t_row)
    dense_input_gradient(
        at(dy_in), dy_in.shape[1], at(w_in), w_in.shape[1], at(dx), dx.shape[1],
        at(zeros), at(dy_t), at(dx_t), t_row, batch, n_in, n_out,
    )  # fmt: skip
    expected = naive.dense_input_gradient(dy, w)
    np.testing.assert_allclose(dx[:batch, :n_in], expected, **CLOSE)
    assert not dx[:, n_in:].any()


STEPS = {  # m, decay, along_g, along_u
    "plain": (0.0, 0.0, 0.5, 0.0),
    "decay": (0.0, 0.1, 0.5, 0.0),
    "momentum": (0.9, 0.1, 0.0, 0.5),
    "nesterov": (0.9, 0.1, 0.5, 0.45),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("batch, n_in, n_out", SHAPES[::3])
def test_weight_update_is_the_momentum_step_of_the_gradient(
    aligned, normal, batch, n_in, n_out, name
):
    step = np.array(STEPS[name], F32)
    x, dy = normal(batch, n_in) / F32(np.sqrt(batch)), normal(batch, n_out)
    w, u = normal(n_in, n_out), normal(n_in, n_out)
    x_in, dy_in, w_in, u_in = unread_padding(aligned, x), *map(aligned, (dy, w, u))
    zeros = aligned.zeros(padded(max(n_in, n_out)))
    row = w_in.shape[1]
    dense_weight_update(
        at(x_in), x_in.shape[1], at(dy_in), row, at(zeros), at(w_in), at(u_in), row,
        batch, n_in, row, step,
    )  # fmt: skip
    g = naive.dense_weight_gradient(x, dy)
    moved, momentum = naive.momentum_step(g, w, u, *naive.f64(step))
    np.testing.assert_allclose(w_in[:, :n_out], w - moved, **CLOSE)
    has_momentum = step[3] != 0
    np.testing.assert_allclose(
        u_in[:, :n_out], momentum if has_momentum else u, **CLOSE
    )
    assert not w_in[:, n_out:].any() and not u_in[:, n_out:].any()


def test_weight_update_at_rate_zero_still_feeds_the_momentum(aligned, normal):
    """u <- m u + g at every step, whatever the learning rate is by then."""
    x, dy, w, u = normal(4, 5), normal(4, 6), normal(5, 6), normal(5, 6)
    x_in, dy_in, w_in, u_in = map(aligned, (x, dy, w, u))
    zeros = aligned.zeros(16)
    dense_weight_update(
        at(x_in), 16, at(dy_in), 16, at(zeros), at(w_in), at(u_in), 16, 4, 5, 16,
        np.array([0.9, 0, 0, 0], F32),
    )  # fmt: skip
    np.testing.assert_array_equal(w_in[:, :6], w)
    _, momentum = naive.momentum_step(x.T @ dy, w, u, 0.9, 0, 0, 0)
    np.testing.assert_allclose(u_in[:, :6], momentum, **CLOSE)


def test_rows_of_a_weight_can_be_updated_alone(aligned, normal):
    """A block that starts inside a tensor: rows [3, 12) of 20."""
    x, dy, w = normal(9, 20), normal(9, 18), normal(20, 18)
    x_in, dy_in, w_in, u_in = map(aligned, (x, dy, w, np.zeros_like(w)))
    zeros = aligned.zeros(32)
    row = w_in.shape[1]
    dense_weight_update(
        at(x_in[:, 3:]), x_in.shape[1], at(dy_in), row, at(zeros), at(w_in[3:]),
        at(u_in[3:]), row, 9, 9, row, np.array([0, 0, 1, 0], F32),
    )  # fmt: skip
    expected = naive.f64(w)
    expected[3:12] -= naive.dense_weight_gradient(x, dy)[3:12]
    np.testing.assert_allclose(w_in[:, :18], expected, **CLOSE)
    untouched = np.r_[0:3, 12:20]
    np.testing.assert_array_equal(w_in[untouched, :18], w[untouched])
