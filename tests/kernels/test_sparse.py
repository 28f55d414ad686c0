"""The first layer on sparse rows: descriptions, forward pass, missed steps."""

import numpy as np
import pytest
import scipy.sparse as sp

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import sparse
from hogblock.training.sparse_rows import SparseRows
from support import naive

F32 = np.float32


def rows_of(random, samples, features, density=0.3):
    matrix = sp.random(samples, features, density, format="csr", random_state=random)
    return SparseRows.of(matrix.astype(F32))


def described(aligned, x, indices):
    """Descriptions of chosen rows, [rows, 16]."""
    out = aligned.zeros(len(indices), 16)
    addresses = (a.ctypes.data for a in (x.values, x.columns, x.starts))
    sparse.describe_rows(*addresses, indices, len(indices), out.ctypes.data, 16)
    return out


def links_of(x, indices, row):
    values = x.most_values(len(indices))
    ints = [np.zeros(values, np.int32) for _ in range(3)]
    heads = np.full(x.shape[1], -1, np.int32)
    return sparse.Links(heads, *ints, np.zeros(values, F32), np.zeros(row, F32))


@pytest.mark.parametrize("width", [1, 5, 16, 17, 100])
@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
def test_forward_and_gradient_are_those_of_the_twin(aligned, random, width, density):
    x = rows_of(np.random.RandomState(width), 13, 29, density)
    indices = random.permutation(13)[:9]
    some = naive.f64(x.toarray())[indices]
    w, b = aligned(random.standard_normal((29, width), F32)), aligned(
        random.standard_normal((1, width), F32)
    )  # fmt: skip
    row = w.shape[1]
    X, y = described(aligned, x, indices), aligned.zeros(9, width)
    sparse.sparse_forward(
        X.ctypes.data, 16, w.ctypes.data, b.ctypes.data, y.ctypes.data, row, 9,
        op.LINEAR, F32(0.1),
    )  # fmt: skip
    expected = naive.dense_forward(some, w[:, :width], b[0, :width], op.LINEAR, 0.1)
    np.testing.assert_allclose(y[:, :width], expected, rtol=1e-5, atol=1e-5)
    assert not y[:, width:].any()

    dy = aligned(random.standard_normal((9, width), F32))
    dy[:, width:] = 0
    gradient = np.zeros((29, row))
    gradient[:, :width] = some.T @ dy[:, :width]
    links = links_of(x, indices, row)
    found = sparse.link_rows(X.ctypes.data, 16, 9, links)
    assert found == (some != 0).any(axis=0).sum()
    squares = sparse.sparse_squares(links, found, dy.ctypes.data, row)
    assert squares == pytest.approx((gradient**2).sum(), rel=1e-5)

    u, before = aligned(random.standard_normal((29, width), F32)), w.copy()
    u[:, width:] = 0
    speed, stamps = u.copy(), np.full(29, 4, np.int32)
    coefficients = F32([0.9, 0.01, 0.3, 0.2])
    for atomic in (False, True):
        w[:], u[:] = before, speed
        links = links_of(x, indices, row)
        sparse.link_rows(X.ctypes.data, 16, 9, links)
        sparse.sparse_update(
            links, found, dy.ctypes.data, w.ctypes.data, u.ctypes.data, row, stamps, 5,
            F32(0.5), coefficients, True, atomic,
        )  # fmt: skip
        there = np.flatnonzero((some != 0).any(axis=0))
        g = 0.5 * gradient + 0.01 * naive.f64(before)
        moved = 0.9 * naive.f64(speed) + g
        wanted = before - (0.3 * g + 0.2 * moved)
        np.testing.assert_allclose(u[there], moved[there], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(w[there], wanted[there], rtol=1e-5, atol=1e-5)
        others = np.setdiff1d(np.arange(29), there)
        np.testing.assert_array_equal(w[others], before[others])
        assert (stamps[there] == 5).all() and (stamps[others] == 4).all()
        assert (links.heads == -1).all()


@pytest.mark.parametrize("momentum, decay", [(0.9, 0.0), (0.0, 0.02), (0.95, 0.01)])
def test_missed_steps_at_changing_rates(aligned, random, momentum, decay):
    """Some rows are brought up to date on the way, all of them at the end."""
    features, row, steps = 7, 16, 40
    w, u = (aligned(random.standard_normal((features, row), F32)) for _ in range(2))
    weights, speed = naive.f64(w), naive.f64(u)
    stamps, moves = np.zeros(features, np.int32), np.zeros((sparse.MOVES, 4))
    moves[0, 3] = 1
    x = SparseRows.of(sp.csr_matrix(np.eye(features, dtype=F32)))
    for now in range(steps):
        rate = 0.1 / (1 + now)
        coefficients = F32([momentum, decay, rate, rate * momentum])
        if now % 7 == 3:
            one = described(aligned, x, np.array([now % features]))
            sparse.bring_up(
                one.ctypes.data, 16, 1, w.ctypes.data, u.ctypes.data, row, stamps,
                moves, now, False,
            )  # fmt: skip
            assert stamps[now % features] == now
            np.testing.assert_allclose(
                w[now % features], weights[now % features], rtol=2e-5, atol=1e-6
            )
        sparse.advance(moves, now, coefficients, True)
        m, d, along_g, along_u = naive.f64(coefficients)
        g = d * weights
        speed = m * speed + g
        weights = weights - along_g * g - along_u * speed
    sparse.settle(w.ctypes.data, u.ctypes.data, row, stamps, moves, steps, False)
    np.testing.assert_allclose(w, weights, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(u, speed, rtol=2e-5, atol=1e-6)
    assert not stamps.any() and moves[0].tolist() == [0, 0, 0, 1]
