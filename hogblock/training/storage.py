"""How rows of X are stored, by their type: codes that kernels read."""

import numpy as np

from hogblock.kernels import ops as op

STORAGE = {
    np.dtype(np.float32): op.FLOAT32_ROWS,
    np.dtype(np.float64): op.FLOAT64_ROWS,
    np.dtype(np.uint8): op.UINT8_ROWS,
}
