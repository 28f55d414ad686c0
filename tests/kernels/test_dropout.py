"""Dropout: its masks, and the twin given a mask."""

import numpy as np
import pytest

from hogblock.kernels.cpu.elementwise import dropout_backward, dropout_forward
from hogblock.models.layout import padded

SIZES = [1, 2, 7, 16, 17, 33, 100]
RATES = [0.1, 0.25, 0.5, 0.9]
F32 = np.float32


def drop(aligned, x, rate, key, counter=0):
    """Outputs and mask, both padded."""
    source = aligned(x)
    y, mask = aligned.zeros(*x.shape), aligned.zeros(*x.shape)
    row = y.shape[1]
    dropout_forward(
        source.ctypes.data, row, y.ctypes.data, row, mask.ctypes.data, len(x), row,
        F32(rate), np.uint32(key), counter,
    )  # fmt: skip
    return y, mask


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("rate", [0.0, *RATES])
def test_outputs_are_inputs_times_the_mask(aligned, normal, rate, width):
    for rows in (1, 3, 9):
        x = normal(rows, width)
        y, mask = drop(aligned, x, rate, key=3)
        np.testing.assert_array_equal(y[:, :width], x * mask[:, :width])
        assert not y[:, width:].any()
        keep = F32(1) / (F32(1) - F32(rate))
        assert set(np.unique(mask)) <= {F32(0), keep}


def test_rate_zero_changes_nothing(aligned, normal):
    x = normal(9, 100)
    y, mask = drop(aligned, x, 0.0, key=1)
    np.testing.assert_array_equal(y[:, :100], x)
    assert (mask == 1).all()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("key", [0, 1, 2**32 - 1])
def test_share_that_is_dropped_and_expectation(aligned, rate, key):
    n = 500 * 320
    y, _ = drop(aligned, np.ones((500, 320), F32), rate, key)
    deviation = np.sqrt(rate * (1 - rate) / n)
    assert abs((y == 0).mean() - rate) < 4 * deviation
    assert abs(y.mean(dtype=float) - 1) < 4 * deviation / (1 - rate)


def test_no_column_or_row_is_favoured(aligned):
    rate, size = 0.3, 320
    y, _ = drop(aligned, np.ones((size, size), F32), rate, key=11)
    deviation = np.sqrt(rate * (1 - rate) / size)
    for axis in (0, 1):
        share = (y == 0).mean(axis=axis)
        assert np.abs(share - rate).max() < 5 * deviation


def test_reproducible_by_key_and_counter(aligned, normal):
    x = normal(8, 40)
    first = drop(aligned, x, 0.5, key=7, counter=123)[1]
    again = drop(aligned, -x, 0.5, key=7, counter=123)[1]
    np.testing.assert_array_equal(first, again)
    others = [drop(aligned, x, 0.5, key=8, counter=123)[1]]
    others.append(drop(aligned, x, 0.5, key=7, counter=123 + first.size)[1])
    for other in others:
        assert 0.35 < (first == other).mean() < 0.65


@pytest.mark.parametrize("counter", [0, 2**32 - 100, 2**40])
def test_counter_moves_on_by_whole_buffers(aligned, normal, counter):
    """Two minibatches in turn draw what one of both would."""
    x = normal(8, 40)
    whole = drop(aligned, x, 0.5, 7, counter)[1]
    parts = [
        drop(aligned, x[:3], 0.5, 7, counter)[1],
        drop(aligned, x[3:], 0.5, 7, counter + 3 * padded(40))[1],
    ]
    np.testing.assert_array_equal(whole, np.vstack(parts))


@pytest.mark.parametrize("width", SIZES)
def test_backward_uses_the_same_mask(aligned, normal, width):
    dy = normal(9, width)
    mask = drop(aligned, dy, 0.4, key=5)[1]
    dy_in, dx = aligned(dy), aligned.zeros(9, width)
    row = dx.shape[1]
    dropout_backward(
        dy_in.ctypes.data, row, dx.ctypes.data, row, mask.ctypes.data, 9, row
    )
    np.testing.assert_array_equal(dx[:, :width], dy * mask[:, :width])
    assert not dx[:, width:].any()
