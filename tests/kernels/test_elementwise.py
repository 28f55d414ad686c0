"""exp, tanh and logistic over all of float32; activations on buffers."""

import numpy as np
import pytest
from numba import njit

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.elementwise import (
    activation_backward,
    activation_forward,
    exp_line,
)
from hogblock.kernels.cpu.jit import FASTMATH
from hogblock.kernels.ops import LINE
from support import naive, naive_formulas

F32 = np.float32
ACTIVATIONS = [
    (op.LINEAR, 1.0),
    (op.LINEAR, 0.0),
    (op.LINEAR, 0.01),
    (op.TANH, 0.0),
    (op.LOGISTIC, 0.0),
    (op.GELU, 0.0),
    (op.SILU, 0.0),
    (op.ELU, 1.0),
    (op.ELU, 0.3),
    (op.SOFTPLUS, 0.0),
]
SIZES = [1, 2, 7, 13, 16, 17, 31, 33, 65, 100]


@njit(fastmath=FASTMATH)
def exp_lines(source, out, lines, shift):
    for i in range(lines):
        exp_line(source + 64 * i, out + 64 * i, shift)


def exp(aligned, x, shift=0.0):
    source = aligned(x)
    out = aligned.zeros(len(x))
    exp_lines(source.ctypes.data, out.ctypes.data, len(source) // LINE, F32(shift))
    return out[: len(x)]


def act(aligned, x, kind, slope=0.0):
    x = np.atleast_2d(x)
    source, out = aligned(x), aligned.zeros(*x.shape)
    activation_forward(
        source.ctypes.data, source.shape[1], out.ctypes.data, out.shape[1],
        len(x), out.shape[1], kind, F32(slope),
    )  # fmt: skip
    return out[:, : x.shape[1]]


@pytest.fixture(scope="module")
def everywhere():
    """Values of every sign, exponent and many mantissas, and a dense middle."""
    bits = np.arange(0, 2**32, 50021, dtype=np.uint64).astype(np.uint32)
    some = bits.view(F32)
    special = F32([0, -0.0, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38])
    dense = np.linspace(-110, 110, 50001, dtype=F32)
    return np.concatenate([some[np.isfinite(some)], special, dense])


def errors_in_ulp(found, expected):
    return np.abs(found - expected) / np.spacing(expected.astype(F32))


def test_exp_to_two_units_in_the_last_place(aligned, everywhere):
    x = everywhere[(everywhere >= -87.3) & (everywhere <= 88.3)]
    expected = np.exp(naive.f64(x))
    assert errors_in_ulp(exp(aligned, x), expected).max() <= 2


def test_exp_up_to_the_end_of_its_range(aligned):
    """e**88.37 = 2.4e38 is still a float32."""
    x = np.linspace(88.3, 88.37, 1000, dtype=F32)
    x = x[x < 88.37]
    expected = np.exp(naive.f64(x))
    np.testing.assert_allclose(exp(aligned, x), expected, rtol=1e-6)


def test_exp_outside_its_range(aligned, everywhere):
    low = np.append(everywhere[everywhere < -87.3], -np.inf).astype(F32)
    high = np.append(everywhere[everywhere > 88.37], np.inf).astype(F32)
    tiny = exp(aligned, low)
    assert (tiny >= 0).all() and (tiny <= np.exp(-87.29)).all()
    assert (exp(aligned, high) >= np.exp(88.36)).all()


def test_exp_at_zero_and_of_a_shift(aligned, normal):
    assert exp(aligned, F32([0.0, -0.0])).tolist() == [1, 1]
    x = normal(100)
    found = exp(aligned, x, shift=3.5)
    np.testing.assert_allclose(found, np.exp(naive.f64(x) - 3.5), rtol=5e-7)


def test_exp_grows(aligned):
    x = np.linspace(-87, 88, 200_000, dtype=F32)
    y = exp(aligned, x)
    assert (np.diff(y) >= -2 * np.spacing(y[1:])).all()


def test_tanh_over_float32(aligned, everywhere):
    y = act(aligned, everywhere, op.TANH)[0]
    np.testing.assert_allclose(y, np.tanh(naive.f64(everywhere)), rtol=0, atol=2.5e-7)
    assert (np.abs(y) <= 1).all()


def test_logistic_over_float32(aligned, everywhere):
    y = act(aligned, everywhere, op.LOGISTIC)[0]
    expected = naive_formulas.logistic(naive.f64(everywhere))
    np.testing.assert_allclose(y, expected, rtol=0, atol=1.5e-7)
    assert ((y >= 0) & (y <= 1)).all()
    # Small probabilities keep their relative accuracy, which a loss depends on.
    inner = everywhere > -85
    np.testing.assert_allclose(y[inner], expected[inner], rtol=1e-6)


FROM_INPUT = [act for act in ACTIVATIONS if act[0] >= op.FROM_INPUT]


@pytest.mark.parametrize("kind, slope", FROM_INPUT)
def test_activations_from_inputs_over_float32(aligned, everywhere, kind, slope):
    """Small values keep their relative accuracy; the largest overflow nowhere."""
    x = everywhere[np.abs(everywhere) < 1e30]
    with np.errstate(over="ignore"):
        expected = naive.activation(x, kind, slope)
        slopes = naive.activation_derivative(np.clip(x, -1e3, 1e3), kind, slope)
    y = act(aligned, x, kind, slope)[0]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-14)
    source, ones = aligned(x), aligned(np.ones(len(x), F32))
    activation_backward(
        source.ctypes.data, ones.ctypes.data, len(source), ones.ctypes.data,
        len(source), 1, len(source), kind, F32(slope),
    )  # fmt: skip
    np.testing.assert_allclose(ones[: len(x)], slopes, rtol=3e-6, atol=4e-7)


@pytest.mark.parametrize("kind, slope", FROM_INPUT)
def test_the_ends_of_activations_from_inputs(aligned, kind, slope):
    huge = F32([3.4e38, -3.4e38, np.inf, -np.inf, 0])
    y = act(aligned, huge, kind, slope)[0]
    assert y[0] == huge[0] and y[2] == np.inf
    assert y[4] == pytest.approx(naive.activation(0, kind, slope), rel=1e-6)
    np.testing.assert_allclose(y[[1, 3]], -slope, atol=1e-30)


def test_zero_and_infinities(aligned):
    x = F32([0, np.inf, -np.inf])
    assert act(aligned, x, op.TANH)[0].tolist() == [0, 1, -1]
    half, one, zero = act(aligned, x, op.LOGISTIC)[0]
    assert (half, one) == (0.5, 1) and 0 <= zero < 1e-37
    assert act(aligned, x, op.LINEAR, 0.01)[0].tolist() == [0, np.inf, -np.inf]
    assert act(aligned, x, op.LINEAR, 1.0)[0].tolist() == [0, np.inf, -np.inf]
    assert act(aligned, x[:2], op.LINEAR, 0.0)[0].tolist() == [0, np.inf]


def test_nan_stays_nan_wherever_it_stands(aligned):
    for kind, slope in ACTIVATIONS:
        for place in range(2 * LINE):
            x = np.ones(2 * LINE, F32)
            x[place] = np.nan
            y = act(aligned, x, kind, slope)[0]
            assert np.flatnonzero(np.isnan(y)).tolist() == [place]
    assert np.isnan(exp(aligned, F32([1, np.nan, 0])))[1]


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("kind, slope", ACTIVATIONS)
def test_forward_and_backward(aligned, normal, kind, slope, width):
    for rows in (1, 3, 9):
        x, dy = 3 * normal(rows, width), normal(rows, width)
        x[0, 0] = 0  # the kink
        y = act(aligned, x, kind, slope)
        np.testing.assert_allclose(
            y, naive.activation(x, kind, F32(slope)), rtol=1e-6, atol=2e-7
        )
        v = x if kind >= op.FROM_INPUT else y
        y_in, dy_in, dx = aligned(v), aligned(dy), aligned.zeros(rows, width)
        row = y_in.shape[1]
        arguments = (row, rows, row, kind, F32(slope))
        at = [a.ctypes.data for a in (y_in, dy_in, dx)]
        activation_backward(at[0], at[1], row, at[2], *arguments)
        expected = dy * naive.activation_derivative(x, kind, F32(slope))
        np.testing.assert_allclose(dx[:, :width], expected, rtol=1e-5, atol=1e-6)
        assert not dx[:, width:].any()
        activation_backward(at[0], at[1], row, at[1], *arguments)  # in place
        np.testing.assert_array_equal(dy_in, dx)


def test_rows_may_be_further_apart_than_they_are_wide(aligned, normal):
    x, out = aligned(normal(5, 48)), aligned.zeros(5, 32)
    activation_forward(x.ctypes.data, 48, out.ctypes.data, 32, 5, 16, op.LINEAR, F32(0))
    np.testing.assert_array_equal(out[:, :16], np.maximum(x[:, :16], 0))
    assert not out[:, 16:].any()


@pytest.mark.parametrize("kind, slope", ACTIVATIONS)
def test_derivative_is_the_slope_of_the_twin(random, kind, slope):
    x = random.uniform(-4, 4, 200)
    x = x[np.abs(x) > 1e-3]
    step = 1e-5
    up, down = (naive.activation(x + s, kind, slope) for s in (step, -step))
    numeric = (up - down) / (2 * step)
    exact = naive.activation_derivative(x, kind, slope)
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-9)
