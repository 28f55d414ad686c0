"""Minibatch gather: chosen rows of X as float32, whatever X is stored as."""

import numpy as np
from numba import carray

from hogblock.kernels.cpu.host import SAMPLES_AHEAD
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import f64_pointer, floats, prefetch, u8_pointer
from hogblock.kernels.ops import FLOAT32_ROWS, FLOAT64_ROWS


@kernel
def gather_rows(
    x, storage, n_features, indices, rows, shift, scale, shift64, scale64, out, out_row
):  # fmt: skip
    """out[i, :n_features] = (x[indices[i]] - shift) * scale.

    x : address of C-contiguous rows in `storage`; indices int64 [rows];
    shift, scale : float32 [n_features], or empty: rows are taken as they are.
    shift64 : float64, the same for rows stored as float64, which lose what is small
    beside their mean if they are rounded before. The difference becomes float32 and is
    scaled as the others: if row and shift are float32 numbers it has the bits of their
    difference in float32, as float64 on the way rounds a difference right.
    scale64 : float64; empty, but where scale is beyond float32: all is float64 then.
    """
    word = 4 if storage == FLOAT32_ROWS else (8 if storage == FLOAT64_ROWS else 1)
    size = n_features * word
    plain = shift.size == 0
    for i in range(rows):
        if i + SAMPLES_AHEAD < rows:
            ahead = x + indices[i + SAMPLES_AHEAD] * size
            for offset in range(0, size, 64):
                prefetch(ahead + offset)
        at = x + indices[i] * size
        line = floats(out + 4 * i * out_row, n_features)
        if storage == FLOAT32_ROWS:
            source = floats(at, n_features)
            if plain:
                for j in range(n_features):
                    line[j] = source[j]
            else:
                for j in range(n_features):
                    line[j] = (source[j] - shift[j]) * scale[j]
        elif storage == FLOAT64_ROWS:
            doubles = carray(f64_pointer(at), n_features)
            if plain:
                for j in range(n_features):
                    line[j] = np.float32(doubles[j])
            elif scale64.size == 0:
                for j in range(n_features):
                    line[j] = np.float32(doubles[j] - shift64[j]) * scale[j]
            else:
                for j in range(n_features):
                    line[j] = np.float32((doubles[j] - shift64[j]) * scale64[j])
        else:
            bytes_ = carray(u8_pointer(at), n_features)
            if plain:
                for j in range(n_features):
                    line[j] = np.float32(bytes_[j])
            else:
                for j in range(n_features):
                    line[j] = (np.float32(bytes_[j]) - shift[j]) * scale[j]
