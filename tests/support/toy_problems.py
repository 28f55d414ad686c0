"""Problems for tests of the simulator, from outside the package."""

import numpy as np
from numba import carray

from hogblock.asynchrony import Problem
from hogblock.kernels.cpu.memory import doubles
from hogblock.kernels.events.call import subgradient_of


def _distances(x, n, sample, data, out):
    """x - c of one centre c, or of the mean; data: their count, c [count, n]."""
    count = int(doubles(data, 1)[0])
    centres = doubles(data + 8, count * n).reshape((count, n))
    at, g = carray(x, n), carray(out, n)
    for j in range(n):
        if sample >= 0:
            g[j] = at[j] - centres[sample, j]
        else:
            g[j] = 0.0
            for i in range(count):
                g[j] += at[j] - centres[i, j]
            g[j] /= count


class Centres(Problem):
    """Mean of |x - c_i|^2 / 2 over centres of shape (n_samples, n)."""

    name = "centres"
    kernel = subgradient_of(_distances)

    def __init__(self, centres):
        self.centres = np.array(centres, np.float64)
        self.n_samples, self.n = self.centres.shape
        self._data = np.concatenate([[self.n_samples], self.centres.ravel()])

    @property
    def address(self):
        if self.kernel.address is None:
            self.kernel.compile()
        return self.kernel.address

    @property
    def data(self):
        return self._data.ctypes.data

    def value(self, x):
        return float(0.5 * np.square(x - self.centres).sum(axis=1).mean())

    def subgradient(self, x, sample=None):
        if sample is None:
            return (x - self.centres).sum(axis=0) / self.n_samples
        return x - self.centres[sample]

    def distance(self, x):
        return float(np.linalg.norm(x - self.centres.mean(axis=0)))
