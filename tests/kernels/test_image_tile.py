"""The register tile whose rows lie where a table says, in the shapes of every host.

LLVM splits vectors that are too wide for this one.
"""

import numpy as np
import pytest
from numba import njit

from hogblock.kernels import optable as op
from hogblock.kernels.cpu.host import TileShape
from hogblock.kernels.cpu.image_tile import make_table_tile
from hogblock.kernels.cpu.jit import FASTMATH
from hogblock.kernels.optable import LINE
from support import naive

SHAPES = [
    TileShape(8, 6, 2),
    TileShape(4, 6, 4),
    TileShape(4, 2, 4),
    TileShape(16, 8, 2),
]
F32 = np.float32
CLOSE = {"rtol": 1e-5, "atol": 4e-6}
A_STEPS, B_STEPS, TRIPS = (160, 20), (5 * LINE * 2, LINE * 2), (3, 4)


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def tiles(request):
    """The tile's rows, and calls of it for a scalar a and for one lane by lane."""
    lanes, rows, vectors = request.param
    by_lane_vectors = LINE // lanes
    scalar = make_table_tile(rows, lanes, vectors)
    by_lane = make_table_tile(rows, lanes, by_lane_vectors, spread=False)

    @njit(nogil=True, error_model="numpy", fastmath=FASTMATH)
    def call(spread, a, table, a_steps, b, b_steps, init, moves, trips, out,
             slope):  # fmt: skip
        if spread:
            scalar(
                a, table, a_steps[0], a_steps[1], b, b_steps[0], b_steps[1], init,
                moves, trips[0], trips[1], out, slope,
            )  # fmt: skip
        else:
            by_lane(
                a, table, a_steps[0], a_steps[1], b, b_steps[0], b_steps[1], init,
                moves, trips[0], trips[1], out, slope,
            )  # fmt: skip

    return rows, {True: lanes * vectors, False: lanes * by_lane_vectors}, call


@pytest.mark.parametrize("spread", [True, False], ids=["scalar", "by lane"])
@pytest.mark.parametrize("slope", [1.0, 0.2, 0.0])
def test_rows_at_any_place(aligned, normal, random, tiles, spread, slope):
    rows, widths, call = tiles
    width = widths[spread]
    a = aligned(normal(TRIPS[0] * A_STEPS[0] + 200))
    b = aligned(normal(TRIPS[0] * B_STEPS[0] + width))
    sources = random.integers(0, 150, rows)
    targets = random.permutation(rows) * 48 + 16
    table = np.stack([sources, targets], axis=1).astype(np.int32)
    before = normal(rows * 48 + 64)
    for moves in (0, 1):
        init, out = aligned(normal(before.size)), aligned(before)
        call(
            spread, a.ctypes.data, table.ctypes.data, A_STEPS, b.ctypes.data, B_STEPS,
            init.ctypes.data, moves, TRIPS, out.ctypes.data, F32(slope),
        )  # fmt: skip
        expected = naive.f64(out)
        expected[: before.size] = before
        lanes = np.arange(width)
        for source, target in table:
            total = naive.f64(init[moves * target + lanes])
            for ko, ki in np.ndindex(TRIPS):
                at = source + ko * A_STEPS[0] + ki * A_STEPS[1]
                seen = a[at] if spread else a[at + lanes]
                total += naive.f64(seen) * b[ko * B_STEPS[0] + ki * B_STEPS[1] + lanes]
            expected[target + lanes] = naive.activation(total, op.LINEAR, F32(slope))
        np.testing.assert_allclose(out, expected, **CLOSE)


@pytest.mark.parametrize("spread", [True, False], ids=["scalar", "by lane"])
def test_a_row_that_is_repeated_adds_once(aligned, normal, tiles, spread):
    """A short last group repeats a row of which the sum is added to what is there."""
    rows, widths, call = tiles
    width = widths[spread]
    a, b, start = aligned(normal(width)), aligned(normal(width)), normal(width)
    out = aligned(start)
    table = np.zeros((rows, 2), np.int32)
    call(
        spread, a.ctypes.data, table.ctypes.data, (0, 0), b.ctypes.data, (0, 0),
        out.ctypes.data, 1, (1, 1), out.ctypes.data, F32(1),
    )  # fmt: skip
    seen = a[0] if spread else a[:width]
    np.testing.assert_allclose(out[:width], start + seen * b[:width], **CLOSE)
