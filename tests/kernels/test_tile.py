"""The register tile in every shape, and the two levels of its K loop.

Hosts with narrower or wider vectors use other shapes; LLVM splits vectors that are too
wide, so all of them run here.
"""

import numpy as np
import pytest
from numba import njit

from hogblock.kernels import optable as op
from hogblock.kernels.cpu.host import TILE, TileShape, tile_shape
from hogblock.kernels.cpu.jit import FASTMATH
from hogblock.kernels.cpu.tile import (
    ROWS,
    WIDE,
    make_activate_tile,
    make_momentum_tile,
    make_transpose_tile,
)
from hogblock.kernels.optable import LINE
from support import naive

SHAPES = [
    TileShape(8, 6, 2),
    TileShape(4, 6, 4),
    TileShape(4, 2, 4),
    TileShape(16, 8, 2),
]
OUTER, INNER = 3, 5
CLOSE = {"rtol": 1e-5, "atol": 4e-6}
F32 = np.float32
compiled = njit(nogil=True, error_model="numpy", fastmath=FASTMATH)


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def shape(request):
    return request.param


@pytest.fixture(scope="module")
def activate(shape):
    tile = make_activate_tile(shape, shape.vectors)

    @compiled
    def call(a, a_strides, b, b_strides, init, init_row, trips, rows, out, out_row,
             act, slope):  # fmt: skip
        tile(
            a, a_strides[0], a_strides[1], a_strides[2], b, b_strides[0], b_strides[1],
            init, init_row, trips[0], trips[1], rows, out, out_row, act, slope,
        )  # fmt: skip

    return call


@pytest.fixture(scope="module")
def momentum(shape):
    tile = make_momentum_tile(shape, shape.vectors)

    @compiled
    def call(a, a_strides, b, b_strides, init, trips, rows, w, u, row, step):
        tile(
            a, a_strides[0], a_strides[1], a_strides[2], b, b_strides[0], b_strides[1],
            init, 0, trips[0], trips[1], rows, w, u, row,
            step[0], step[1], step[2], step[3],
        )  # fmt: skip

    return call


class Operands:
    """a [rows, outer, inner] and b [outer, inner, width], both with gaps of NaN."""

    def __init__(self, aligned, normal, rows, width):
        self.a, self.b = normal(rows, OUTER, INNER), normal(OUTER, INNER, width)
        wide_a = np.full((rows, 2 * OUTER, 3 * INNER), np.nan, F32)
        wide_a[:, ::2, ::3] = self.a
        self._a = aligned(wide_a.reshape(-1))
        wide_b = np.full((3 * OUTER, 2 * INNER, width), np.nan, F32)
        wide_b[::3, ::2] = self.b
        self._b = aligned(wide_b)
        self.a_strides = (2 * OUTER * 3 * INNER, 2 * 3 * INNER, 3)
        self.b_strides = (3 * 2 * INNER * width, 2 * width)
        self.at_a, self.at_b = self._a.ctypes.data, self._b.ctypes.data

    def product(self):
        return np.einsum("ioj,ojw->iw", naive.f64(self.a), naive.f64(self.b))


def test_activate_over_two_levels_of_k(aligned, normal, shape, activate):
    width = shape.lanes * shape.vectors
    for rows in range(1, shape.rows + 1):
        k = Operands(aligned, normal, rows, width)
        init = aligned(normal(rows, width))
        out = aligned.zeros(shape.rows, width)
        out[rows:] = 7
        activate(
            k.at_a, k.a_strides, k.at_b, k.b_strides, init.ctypes.data, width,
            (OUTER, INNER), rows, out.ctypes.data, width, op.LINEAR, F32(0.1),
        )  # fmt: skip
        expected = naive.activation(init + k.product(), op.LINEAR, F32(0.1))
        np.testing.assert_allclose(out[:rows], expected, **CLOSE)
        assert (out[rows:] == 7).all(), "rows past the end were written"


@pytest.mark.parametrize("kind", [op.TANH, op.LOGISTIC])
def test_activate_epilogues_and_one_row_of_init(aligned, normal, shape, activate, kind):
    width, rows = shape.lanes * shape.vectors, shape.rows - 1
    k = Operands(aligned, normal, rows, width)
    init = aligned(normal(width))
    out = aligned.zeros(rows, width)
    activate(
        k.at_a, k.a_strides, k.at_b, k.b_strides, init.ctypes.data, 0,
        (OUTER, INNER), rows, out.ctypes.data, width, kind, F32(0),
    )  # fmt: skip
    expected = naive.activation(init + k.product(), kind, 0)
    np.testing.assert_allclose(out, expected, **CLOSE)


@pytest.mark.parametrize("trips", [(1, INNER), (OUTER, 1), (1, 1)], ids=str)
def test_single_trips(aligned, normal, shape, activate, trips):
    outer, inner = trips
    width = shape.lanes * shape.vectors
    k = Operands(aligned, normal, 2, width)
    zeros, out = aligned.zeros(width), aligned.zeros(2, width)
    activate(
        k.at_a, k.a_strides, k.at_b, k.b_strides, zeros.ctypes.data, 0,
        trips, 2, out.ctypes.data, width, op.LINEAR, F32(1),
    )  # fmt: skip
    expected = np.einsum("ioj,ojw->iw", k.a[:, :outer, :inner], k.b[:outer, :inner])
    np.testing.assert_allclose(out, expected, **CLOSE)


@pytest.mark.parametrize("step", [(0, 0.1, 0.5, 0), (0.9, 0.1, 0.2, 0.5)], ids=str)
def test_momentum_over_two_levels_of_k(aligned, normal, shape, momentum, step):
    width = shape.lanes * shape.vectors
    step = np.array(step, F32)
    for rows in (1, shape.rows):
        k = Operands(aligned, normal, rows, width)
        zeros = aligned.zeros(width)
        w, u = normal(shape.rows, width), normal(shape.rows, width)
        w_in, u_in = aligned(w), aligned(u)
        momentum(
            k.at_a, k.a_strides, k.at_b, k.b_strides, zeros.ctypes.data,
            (OUTER, INNER), rows, w_in.ctypes.data, u_in.ctypes.data, width, step,
        )  # fmt: skip
        moved, new_u = naive.momentum_step(
            k.product(), w[:rows], u[:rows], *naive.f64(step)
        )
        np.testing.assert_allclose(w_in[:rows], w[:rows] - moved, **CLOSE)
        expected = new_u if step[3] else u[:rows]
        np.testing.assert_allclose(u_in[:rows], expected, **CLOSE)
        np.testing.assert_array_equal(w_in[rows:], w[rows:])
        np.testing.assert_array_equal(u_in[rows:], u[rows:])


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_transpose(aligned, normal, lanes):
    tile = make_transpose_tile(lanes)

    @compiled
    def call(source, source_row, out, out_row):
        tile(source, source_row, out, out_row)

    square = aligned(normal(lanes, 32))
    out = aligned.zeros(lanes, 48)
    call(square.ctypes.data, 32, out.ctypes.data, 48)
    np.testing.assert_array_equal(out[:, :lanes], square[:, :lanes].T)
    assert not out[:, lanes:].any()


@pytest.mark.parametrize(
    "features, architecture, expected",
    [
        ({"avx512f": True, "avx2": True, "fma": True}, "x86_64", (16, 8, 2)),
        ({"avx512f": False, "avx2": True, "fma": True}, "x86_64", (8, 6, 2)),
        ({"avx2": True, "fma": False}, "x86_64", (4, 2, 4)),
        ({"avx2": True}, "x86_64", (4, 2, 4)),
        ({}, "x86_64", (4, 2, 4)),
        ({"neon": True}, "aarch64", (4, 6, 4)),
        ({}, "arm64", (4, 6, 4)),
        ({}, "riscv64", (4, 2, 4)),
    ],
)
def test_choice_of_the_shape(features, architecture, expected):
    assert tile_shape(features, architecture) == expected


@pytest.mark.parametrize("shape_of", [*SHAPES, TILE], ids=str)
def test_a_shape_fits_whole_cache_lines(shape_of):
    """Rows of tensors are padded to lines: a tile must not reach past them."""
    lanes, _, vectors = shape_of
    assert LINE % lanes == 0
    assert (lanes * vectors) % LINE == 0


def test_the_tile_of_this_host():
    assert (ROWS, WIDE) == (TILE.rows, TILE.lanes * TILE.vectors)
