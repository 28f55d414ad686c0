"""The kernel that chooses samples, against its float64 twin."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as how
from hypothesis import strategies as st

from hogblock.kernels.cpu.thin import WORTH, keep_rows, thin, uniform_of
from support.aligned import Aligned
from support.naive_thinning import row_norms, thinned_rows

F32 = np.float32
LARGEST = 1 - 2.0**-24  # below 1


def run(gradient, thinning, uniform):
    """Rows as they go on, their numbers, and the norms that were found."""
    aligned = Aligned()
    rows, dy = len(gradient), aligned(gradient)
    norms, kept = aligned.zeros(rows), np.full(rows, -1, np.int64)
    count = thin(
        dy.ctypes.data, dy.shape[1], rows, F32(thinning), F32(uniform), norms, kept
    )
    aligned.check()
    return dy[:, : gradient.shape[1]].copy(), kept[:count].copy(), norms[:rows].copy()


def scaled(gradient, thinning, uniform):
    """What goes on, each row in its place: 0 for those that do not."""
    dy, kept, _ = run(gradient, thinning, uniform)
    found = np.zeros(gradient.shape)
    found[kept] = dy[kept]
    return found


@st.composite
def gradients(draw):
    """Rows of sizes that differ, some of zeros; rows and widths odd and even."""
    rows, lines = draw(st.integers(1, 67)), draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    spread = draw(st.sampled_from([0.0, 0.5, 2.0]))
    sizes = np.exp(spread * random.standard_normal(rows))
    sizes[random.random(rows) < draw(st.sampled_from([0, 0.3]))] = 0
    values = random.standard_normal((rows, 16 * lines)) * sizes[:, None]
    return values.astype(F32)


thinnings = st.sampled_from([0.1, 0.5, 0.9, 1.3, 3.0, 40.0])
uniforms = st.floats(0, LARGEST, width=32)


@how(max_examples=300)
@given(gradients(), thinnings, uniforms)
def test_rows_are_those_of_the_twin(gradient, thinning, uniform):
    expected, margin = thinned_rows(
        row_norms(gradient.astype(float)), thinning, uniform
    )
    assume(margin > 1e-4)
    dy, kept, norms = run(gradient, thinning, uniform)
    np.testing.assert_allclose(norms, row_norms(gradient.astype(float)), rtol=1e-5)
    if not expected.any():
        expected[0] = 0
        assert kept.tolist() == [0] and not dy[0].any()
        return
    assert kept.tolist() == np.flatnonzero(expected).tolist()
    np.testing.assert_allclose(dy[kept], (gradient.T * expected).T[kept], rtol=2e-5)
    # Rows that are not kept, and large ones, are left as they were.
    untouched = expected <= 1
    np.testing.assert_array_equal(dy[untouched], gradient[untouched])


@how(max_examples=300)
@given(gradients(), thinnings, uniforms)
def test_kept_rows_ascend_and_large_ones_are_among_them(gradient, thinning, uniform):
    dy, kept, norms = run(gradient, thinning, uniform)
    assert 1 <= len(kept) <= len(gradient)
    assert (np.diff(kept) > 0).all() and kept[0] >= 0 and kept[-1] < len(gradient)
    large = np.flatnonzero(norms > thinning * norms.mean() * (1 + 1e-5))
    assert set(large) <= set(kept)
    np.testing.assert_array_equal(dy[large], gradient[large])


@how(max_examples=25)
@given(gradients(), thinnings)
def test_the_mean_over_uniforms_is_the_gradient(gradient, thinning):
    """On a grid: each row is drawn in two runs of it at most, off by a point each."""
    points = 256
    total = np.zeros(gradient.shape)
    for k in range(points):
        total += scaled(gradient, thinning, (k + 0.5) / points)
    norms = row_norms(gradient.astype(float))
    probability = np.minimum(norms / max(thinning * norms.mean(), 1e-30), 1)
    probability[(probability == 1) | (norms == 0)] = np.inf  # always kept; nothing
    off = row_norms(total / points - gradient)
    assert (off <= norms * (2 / points / probability + 1e-5)).all()


@given(gradients(), thinnings, uniforms)
def test_as_many_are_drawn_as_probabilities_add_up_to(gradient, thinning, uniform):
    """Systematic sampling: up to one."""
    norms = row_norms(gradient.astype(float))
    assume(norms.any())
    _, kept, _ = run(gradient, thinning, uniform)
    expected = np.minimum(norms / (thinning * norms.mean()), 1).sum()
    assume(abs(expected / len(gradient) - WORTH) > 1e-3)
    if expected > WORTH * len(gradient):
        assert len(kept) == len(gradient)
        return
    assert abs(len(kept) - expected) < 1 + 1e-3 or len(kept) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_a_gradient_that_is_not_finite_goes_on_whole(random, bad, rows):
    gradient = random.standard_normal((rows, 32)).astype(F32)
    gradient[rows // 2, 5] = bad
    before = gradient.copy()
    dy, kept, _ = run(gradient, 2.0, 0.3)
    assert kept.tolist() == list(range(rows))
    np.testing.assert_array_equal(dy, before)


@pytest.mark.parametrize("thinning", [0.0, 0.5, 1e30])
def test_no_gradient_goes_on_whole(thinning):
    dy, kept, _ = run(np.zeros((9, 16), F32), thinning, 0.5)
    assert kept.tolist() == list(range(9)) and not dy.any()


@given(gradients(), uniforms)
def test_no_thinning_keeps_all(gradient, uniform):
    dy, kept, _ = run(gradient, 0.0, uniform)
    assert kept.tolist() == list(range(len(gradient)))
    np.testing.assert_array_equal(dy, gradient)


@given(gradients(), uniforms)
def test_next_to_no_thinning_keeps_all_that_is_not_zero(gradient, uniform):
    assume(gradient.any())
    dy, kept, _ = run(gradient, 1e-30, uniform)
    left = np.flatnonzero(gradient.any(axis=1))
    if len(left) > WORTH * len(gradient):
        left = np.arange(len(gradient))
    assert kept.tolist() == left.tolist()
    np.testing.assert_array_equal(dy, gradient)


def test_where_none_is_drawn_one_row_of_zeros_goes_on(random):
    """A step without any gradient is a step still: the velocity goes on."""
    gradient = random.standard_normal((5, 16)).astype(F32)
    dy, kept, _ = run(gradient, 1e6, 0.25)
    assert kept.tolist() == [0] and not dy[0].any()
    np.testing.assert_array_equal(dy[1:], gradient[1:])


@pytest.mark.parametrize(("uniform", "factor"), [(0.6, 0.0), (0.7, 3.0)])
def test_a_minibatch_of_one(uniform, factor):
    """Below three times its own mean it is drawn in one of three cases."""
    gradient = np.full((1, 16), 2, F32)
    np.testing.assert_allclose(scaled(gradient, 3.0, uniform), factor * gradient)
    np.testing.assert_array_equal(scaled(gradient, 1.0, uniform), gradient)


@given(st.data(), st.integers(1, 67), st.integers(1, 3))
def test_kept_rows_are_moved_to_the_front(data, rows, lines):
    aligned = Aligned()
    kept = data.draw(st.lists(st.integers(0, rows - 1), unique=True, min_size=1))
    kept = np.array(sorted(kept))
    before = np.arange(rows * 16 * lines, dtype=F32).reshape(rows, -1)
    buffer = aligned(before)
    keep_rows(buffer.ctypes.data, 16 * lines, kept, len(kept))
    np.testing.assert_array_equal(buffer[: len(kept)], before[kept])
    np.testing.assert_array_equal(buffer[len(kept) :], before[len(kept) :])
    aligned.check()


def test_draws_are_spread_and_of_the_key():
    keys = (0, 1, 12345, 2**32 - 1)
    draws = np.array([[uniform_of(turn, key) for turn in range(2000)] for key in keys])
    assert draws.min() >= 0 and draws.max() < 1
    np.testing.assert_allclose(draws.mean(axis=1), 0.5, atol=0.03)
    np.testing.assert_allclose(np.quantile(draws, 0.1, axis=1), 0.1, atol=0.03)
    assert np.abs(np.corrcoef(draws) - np.eye(len(keys))).max() < 0.1
    assert len(np.unique(draws[:, 7])) == len(keys)
