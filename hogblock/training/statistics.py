"""Mean, deviation and extremes of columns, of all the rows that have come so far."""

from typing import NamedTuple

import numpy as np

from hogblock.engines.cuda.moments import device_moments
from hogblock.engines.locations import is_device_array, on_host
from hogblock.kernels.cpu.moments import column_moments
from hogblock.training.sparse_rows import SparseRows
from hogblock.training.storage import STORAGE

SQUARES = 1e140
"""Sums of squares of larger values, or of smaller ones than the inverse, may leave
float64."""


class Statistics(NamedTuple):
    """Statistics of columns.

    Attributes
    ----------
    total : float
        Sum of weights.
    mean, deviation, low, high : ndarray of shape (n_columns,), float64
    """

    total: float
    mean: np.ndarray
    deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, x, weights: np.ndarray, channels: int | None = None) -> "Statistics":
        """Statistics of the rows of positive weight.

        Parameters
        ----------
        x : array of shape (n_samples, n_columns), float32, float64 or uint8, C order
            On the host, or CuPy's on a device; or ``SparseRows``.
        weights : ndarray of shape (n_samples,) or (0,), float32
        channels : int, default=None
            Columns are pixels of so many channels, channels last, and get the
            statistics of all pixels of their channel.
        """
        if isinstance(x, SparseRows):
            return cls._of_sparse(x, weights)
        found = cls._about_first_row(x, weights, channels)
        largest = np.maximum(np.abs(found.low), np.abs(found.high))
        unsafe = (largest > SQUARES) | ((largest > 0) & (largest < 1 / SQUARES))
        if not unsafe.any():
            return found
        power = np.where(np.isfinite(largest), np.frexp(largest)[1], 1024) * unsafe
        found = cls._about_first_row(np.ldexp(x, -power), weights, channels)
        return cls(found.total, *(np.ldexp(each, power) for each in found[1:]))

    @classmethod
    def _about_first_row(cls, x, weights, channels) -> "Statistics":
        """Sums about a value that is there lose no digits far from zero."""
        first = 0 if weights.size == 0 else int(np.argmax(weights > 0))
        origin = on_host(x[first]).astype(np.float64)
        if channels is not None:
            # Halved first: the sum of large ones need not be a float64.
            pixels = origin.reshape(-1, channels)
            origin = np.tile((pixels / len(pixels)).sum(0), len(pixels))
        total, sums = _sums(x, weights, origin)
        if channels is not None:
            sums = _joined(sums, channels)
            total *= len(pixels)
        with np.errstate(over="ignore", invalid="ignore"):  # made good by `of`
            mean = sums[0] / total
            variance = np.maximum(sums[1] / total - mean**2, 0)
            return cls(
                total, origin + mean, np.sqrt(variance), origin + sums[2],
                origin + sums[3],
            )  # fmt: skip

    @classmethod
    def _of_sparse(cls, x: SparseRows, weights: np.ndarray) -> "Statistics":
        """About zero, from which sparse columns are not moved."""
        columns = x.shape[1]
        extremes = np.zeros((2, columns))  # zeros are among the values, nearly always
        for numbers, values, counted in x.pieces(weights):
            there = counted > 0
            np.minimum.at(extremes[0], numbers[there], values[there])
            np.maximum.at(extremes[1], numbers[there], values[there])
        unit = np.maximum(np.abs(extremes).max(axis=0), np.finfo(np.float64).tiny)
        sums = np.zeros((2, columns))  # of units, whose squares are in range
        for numbers, values, counted in x.pieces(weights):
            values = values / unit[numbers]
            sums[0] += np.bincount(numbers, counted * values, columns)
            sums[1] += np.bincount(numbers, counted * values**2, columns)
        total = float(weights.sum(dtype=np.float64)) if weights.size else float(len(x))
        mean, square = sums / total
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        return cls(total, unit * mean, unit * deviation, *extremes)

    def joined(self, more: "Statistics") -> "Statistics":
        """Statistics of the rows of both."""
        total = self.total + more.total
        share = more.total / total
        apart = more.mean - self.mean
        unit = np.maximum.reduce([self.deviation, more.deviation, np.abs(apart)])
        unit[unit == 0] = 1  # squares of the rest stay in range
        variance = (
            (1 - share) * (self.deviation / unit) ** 2
            + share * (more.deviation / unit) ** 2
            + share * (1 - share) * (apart / unit) ** 2
        )
        return Statistics(
            total,
            self.mean + share * apart,
            unit * np.sqrt(variance),
            np.minimum(self.low, more.low),
            np.maximum(self.high, more.high),
        )


def _sums(x, weights, origin) -> tuple[float, np.ndarray]:
    """Sum of weights, and the sums of `column_moments`."""
    if is_device_array(x):
        return device_moments(x, weights, origin)
    sums = np.empty((4, x.shape[1]))
    total = column_moments(
        x.ctypes.data, STORAGE[x.dtype], *x.shape, weights, origin, sums
    )
    return total, sums


def _joined(sums: np.ndarray, channels: int) -> np.ndarray:
    """Sums of all pixels of a channel, at each of its columns."""
    pixels = sums.reshape(4, -1, channels)
    joined = np.stack(
        [*pixels[:2].sum(axis=1), pixels[2].min(axis=0), pixels[3].max(axis=0)]
    )
    return np.tile(joined, pixels.shape[1])
