"""How rows of X are stored: codes that kernels read, and the type of their values."""

import numpy as np

from hogblock.kernels import ops as op

STORAGE = {
    np.dtype(np.float32): op.FLOAT32_ROWS,
    np.dtype(np.float64): op.FLOAT64_ROWS,
    np.dtype(np.uint8): op.UINT8_ROWS,
}

VALUES_AT_ONCE = 1 << 18


def type_of_values(x) -> type:
    """The smallest type that holds the values of x: float32 for float64 that lose none.

    The scaling goes by it, so that values give one model whatever they are stored as.

    Parameters
    ----------
    x : array of shape (n_samples, n_features), float32, float64 or uint8
    """
    if x.dtype != np.float64 or not isinstance(x, np.ndarray):
        return x.dtype.type
    rows = max(1, VALUES_AT_ONCE // x.shape[1])
    with np.errstate(over="ignore", under="ignore"):
        for start in range(0, len(x), rows):
            part = x[start : start + rows]
            if not np.array_equal(part.astype(np.float32), part):
                return np.float64
    return np.float32
