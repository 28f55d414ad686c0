"""Arrays as kernels want them, and a watch over what lies around them."""

import numpy as np

from hogblock.kernels.ops import LINE, padded

GUARD = 4 * LINE


class Aligned:
    """Makes float32 arrays as kernels want them, between guards of NaN.

    They start on a cache line, rows are padded with zeros to whole lines. Reading a
    guard spoils a result, writing one fails in `check`.
    """

    def __init__(self):
        self._made = []

    def zeros(self, *shape):
        """Array of `shape`, its last axis padded."""
        shape = (*shape[:-1], padded(shape[-1]))
        size = int(np.prod(shape))
        raw = np.full(size + 2 * GUARD + LINE, np.nan, np.float32)
        start = GUARD + (-raw[GUARD:].ctypes.data % 64) // 4
        raw[start : start + size] = 0
        self._made.append((raw, start, start + size))
        return raw[start : start + size].reshape(shape)

    def __call__(self, values, rows=None):
        """Padded copy of `values`, with zero rows up to `rows` if those are more."""
        values = np.asarray(values)
        shape = values.shape
        if rows is not None:
            shape = (max(rows, shape[0]), *shape[1:])
        made = self.zeros(*shape)
        made[tuple(slice(n) for n in values.shape)] = values
        return made

    def check(self):
        """Fail if anything was written outside an array."""
        for raw, start, stop in self._made:
            outside = np.concatenate([raw[:start], raw[stop:]])
            assert np.isnan(outside).all(), "a kernel wrote outside its array"
