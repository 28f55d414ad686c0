"""Gather of minibatch rows, and column moments, from every kind of storage."""

import numpy as np
import pytest

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.gather import gather_rows
from hogblock.kernels.cpu.moments import column_moments
from support import naive

STORAGE = {"f4": op.FLOAT32_ROWS, "f8": op.FLOAT64_ROWS, "u1": op.UINT8_ROWS}
SIZES = [1, 2, 7, 13, 16, 17, 33, 100]
F32 = np.float32
NONE = np.zeros(0, F32)


def make_x(random, dtype, shape):
    if dtype == "u1":
        return random.integers(256, size=shape, dtype=np.uint8)
    return (5 + 3 * random.standard_normal(shape)).astype(dtype)


def gather(aligned, x, indices, shift=NONE, scale=NONE, wide=True):
    out = aligned.zeros(len(indices), x.shape[1])
    out[:, x.shape[1] :] = 7
    with np.errstate(over="ignore"):
        singles = shift.astype(F32), scale.astype(F32)
    gather_rows(
        x.ctypes.data, STORAGE[x.dtype.str[1:]], x.shape[1],
        np.asarray(indices, np.int64), len(indices), *singles, shift.astype(float),
        scale.astype(float)[: None if wide else 0], out.ctypes.data, out.shape[1],
    )  # fmt: skip
    assert (out[:, x.shape[1] :] == 7).all(), "padding was written"
    return out[:, : x.shape[1]]


@pytest.mark.parametrize("dtype", STORAGE)
@pytest.mark.parametrize("n_features", SIZES)
@pytest.mark.parametrize("rows", [1, 3, 9, 65])
def test_gather(aligned, random, normal, dtype, n_features, rows):
    x = make_x(random, dtype, (31, n_features))
    indices = random.integers(31, size=rows)  # some of them twice
    np.testing.assert_array_equal(gather(aligned, x, indices), x[indices].astype(F32))
    shift, scale = 5 + normal(n_features), np.exp(normal(n_features))
    found = gather(aligned, x, indices, shift, scale)
    expected = naive.gather_rows(x, indices, shift, scale)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("dtype", ["f4", "u1"])
def test_gather_computes_in_float32(aligned, random, normal, dtype):
    """Bit for bit what float32 gives; a detour by way of float64 rounds otherwise."""
    x = make_x(random, dtype, (40, 33))
    shift, scale = 5 + normal(33), np.exp(normal(33))
    found = gather(aligned, x, np.arange(40), shift, scale)
    np.testing.assert_array_equal(found, (x.astype(F32) - shift) * scale)
    by_double = naive.gather_rows(x, np.arange(40), shift, scale).astype(F32)
    assert (found != by_double).any()


def test_doubles_that_are_singles_give_what_singles_give(aligned, random):
    """Bit for bit, far from the shift and near it."""
    size = 10.0 ** random.integers(-30, 30, (300, 33))
    x = (size * random.standard_normal(size.shape)).astype(F32)
    x[::2] = x[0] * (1 + random.standard_normal((150, 33)).astype(F32) / 1000)
    scaling = x[0].astype(float), np.exp(random.standard_normal(33))
    with np.errstate(over="ignore"):
        expected = gather(aligned, x, np.arange(300), *scaling)
    doubles = x.astype(float)
    found = gather(aligned, doubles, np.arange(300), *scaling, wide=False)
    np.testing.assert_array_equal(found, expected)
    assert (gather(aligned, doubles, np.arange(300), *scaling) != expected).any()


def test_gather_shifts_doubles_before_it_rounds_them(aligned):
    """1e9 + 1 is no float32: a time stamp must not lose its digits, nor its shift."""
    for shift in (1e9, 1e9 + 1, 1.7e12 + 1):
        x = np.array([[shift + 1.0], [shift + 2.0]])
        for wide in (True, False):
            found = gather(aligned, x, [0, 1], np.array([shift]), F32([0.5]), wide)
            assert found.ravel().tolist() == [0.5, 1.0]


def test_gather_of_doubles_beyond_float32(aligned):
    for spread in (1e300, 1e-300):
        x = spread * np.array([[3.0, 5.0]])
        found = gather(aligned, x, [0], spread * np.ones(2), np.ones(2) / spread)
        np.testing.assert_allclose(found, [[2.0, 4.0]], rtol=1e-6)


def test_gather_of_nan_and_infinity(aligned):
    for dtype in ("f4", "f8"):
        x = np.array([[np.nan, np.inf, -np.inf]], dtype)
        for given in ((NONE, NONE), (F32([1, 1, 1]), F32([2, 2, 2]))):
            np.testing.assert_array_equal(gather(aligned, x, [0], *given), x)


def moments(x, weights, origin):
    sums = np.full((4, x.shape[1]), np.nan)
    total = column_moments(
        x.ctypes.data, STORAGE[x.dtype.str[1:]], *x.shape, weights, origin, sums
    )
    return total, sums


@pytest.mark.parametrize("dtype", STORAGE)
@pytest.mark.parametrize("n_features", SIZES)
def test_moments(random, dtype, n_features):
    for n_samples in (1, 3, 65):
        x = make_x(random, dtype, (n_samples, n_features))
        origin = random.standard_normal(n_features)
        weights = random.uniform(0.1, 2, n_samples).astype(F32)
        for given in (NONE, weights):
            total, sums = moments(x, given, origin)
            expected = naive.column_moments(x, given if given.size else None, origin)
            assert total == pytest.approx(expected[0])
            np.testing.assert_allclose(sums, expected[1], rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("dtype", STORAGE)
def test_rows_of_weight_zero_do_not_count(random, dtype):
    x = make_x(random, dtype, (20, 7))
    weights = np.ones(20, F32)
    weights[::3] = 0
    x[::3] = 255
    found = moments(x, weights, np.zeros(7))
    kept = np.ascontiguousarray(x[weights > 0])
    expected = moments(kept, NONE, np.zeros(7))
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)


def test_moments_about_a_distant_origin_keep_their_digits():
    """The variance of 1e9 + {0, 1} is 1/4; sums of squares about 0 would lose it."""
    x = 1e9 + np.tile([0.0, 1.0], 50)[:, None]
    total, sums = moments(x, NONE, x[0].copy())
    mean = sums[0] / total
    assert (sums[1] / total - mean**2).tolist() == [0.25]
    assert (sums[2], sums[3]) == ([0.0], [1.0])
