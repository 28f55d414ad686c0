"""Column statistics of X in one pass over its rows, whatever they are stored as."""

import numpy as np
from numba import carray

from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import f64_pointer, floats, u8_pointer
from hogblock.kernels.ops import FLOAT32_ROWS, FLOAT64_ROWS


@kernel
def column_moments(x, storage, n_samples, n_features, weights, origin, sums):
    """Weighted moments about `origin`, and extremes, of rows with positive weight.

    x : address; weights float32 [n_samples] or [0]; origin float64 [n_features].
    sums : float64 [4, n_features], filled with sum w d, sum w d^2, min d, max d, where
    d = x - origin. Returns the sum of weights.
    """
    total = 0.0
    sums[0], sums[1] = 0.0, 0.0
    sums[2], sums[3] = np.inf, -np.inf
    line = np.empty(n_features, np.float64)
    for i in range(n_samples):
        weight = 1.0 if weights.size == 0 else np.float64(weights[i])
        if weight <= 0.0:
            continue
        total += weight
        if storage == FLOAT32_ROWS:
            singles = floats(x + 4 * i * n_features, n_features)
            for j in range(n_features):
                line[j] = singles[j]
        elif storage == FLOAT64_ROWS:
            doubles = carray(f64_pointer(x + 8 * i * n_features), n_features)
            for j in range(n_features):
                line[j] = doubles[j]
        else:
            bytes_ = carray(u8_pointer(x + i * n_features), n_features)
            for j in range(n_features):
                line[j] = bytes_[j]
        for j in range(n_features):
            d = line[j] - origin[j]
            sums[0, j] += weight * d
            sums[1, j] += weight * d * d
            sums[2, j] = min(sums[2, j], d)
            sums[3, j] = max(sums[3, j], d)
    return total
