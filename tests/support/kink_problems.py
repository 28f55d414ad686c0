"""The package's problems with kinks; stand-ins of the same names where it has none."""

import numpy as np
from numba import carray

from hogblock.asynchrony import Problem
from hogblock.kernels.cpu.memory import doubles
from hogblock.kernels.events.call import subgradient_of

try:
    from hogblock.asynchrony import AbsoluteValue, Kink, L1Norm
except ImportError:

    def _signs(x, n, sample, data, out):
        at, g = carray(x, n), carray(out, n)
        for j in range(n):
            g[j] = np.sign(at[j])

    def _kink(x, n, sample, data, out):
        at, ridge, g = carray(x, 2), doubles(data, 1)[0], carray(out, 2)
        side = np.sign(at[0] - at[1])
        g[0], g[1] = side + 2 * ridge * at[0], 2 * ridge * at[1] - side

    class _Standing(Problem):
        @property
        def address(self):
            if self.kernel.address is None:
                self.kernel.compile()
            return self.kernel.address

        @property
        def data(self):
            return self._data.ctypes.data

        def distance(self, x):
            return float(np.linalg.norm(x))

    class L1Norm(_Standing):
        name = "l1_norm"
        kernel = subgradient_of(_signs)
        _data = np.zeros(1)

        def __init__(self, n):
            self.n = n

        def value(self, x):
            return float(np.abs(x).sum())

        def subgradient(self, x, sample=None):
            return np.sign(x)

    class AbsoluteValue(L1Norm):
        def __init__(self):
            super().__init__(1)

    class Kink(_Standing):
        name = "kink"
        kernel = subgradient_of(_kink)
        n = 2

        def __init__(self, ridge=0.1):
            self._data = np.array([ridge])

        def value(self, x):
            return float(abs(x[0] - x[1]) + self._data[0] * np.square(x).sum())

        def subgradient(self, x, sample=None):
            side = np.sign(x[0] - x[1])
            return np.array([side, -side]) + 2 * self._data[0] * np.asarray(x)


__all__ = ["AbsoluteValue", "Kink", "L1Norm"]
