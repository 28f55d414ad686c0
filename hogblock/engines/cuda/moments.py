"""Column statistics of a device array, on its device."""

import numpy as np

from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.locations import device_of

VALUES_AT_ONCE = 1 << 22
"""So many float64 copies are made at a time: 32 MiB."""


def device_moments(
    x, weights: np.ndarray, origin: np.ndarray
) -> tuple[float, np.ndarray]:
    """Sum of weights, and the sums of ``kernels.cpu.moments.column_moments``.

    Parameters
    ----------
    x : array of CuPy of shape (n_samples, n_columns)
    weights : ndarray of shape (n_samples,) or (0,), float32
    origin : ndarray of shape (n_columns,), float64
    """
    arrays = Arrays(device_of(x))
    xp = arrays.xp
    n_samples, n_columns = x.shape
    counted = weights if weights.size else np.ones(n_samples)
    with arrays.current():
        w = arrays.to_device(counted.astype(np.float64)[:, None])
        at = arrays.to_device(origin)
        sums = arrays.zeros((4, n_columns), np.float64)
        sums[2], sums[3] = np.inf, -np.inf
        rows = max(1, VALUES_AT_ONCE // n_columns)
        for start in range(0, n_samples, rows):
            part = slice(start, start + rows)
            d = x[part].astype(np.float64) - at
            # Products and sums, not matmul: that would load cuBLAS for this alone.
            weighted = w[part] * d
            sums[0] += weighted.sum(axis=0)
            sums[1] += (weighted * d).sum(axis=0)
            counts = w[part] > 0
            sums[2] = xp.minimum(sums[2], xp.where(counts, d, np.inf).min(axis=0))
            sums[3] = xp.maximum(sums[3], xp.where(counts, d, -np.inf).max(axis=0))
        return float(w.sum()), arrays.to_host(sums)
