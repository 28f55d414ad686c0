"""Affine scaling of features and targets, folded out of the fitted model again.

Training sees (x - shift) * scale. This conditions the problem, so that one learning
rate suits pixels, one-hot columns and raw measurements alike; the model it ends in is
one for raw x all the same.
"""

from typing import NamedTuple

import numpy as np

from hogblock._places import on_host
from hogblock.devices import is_device_array
from hogblock.kernels.cpu.moments import column_moments
from hogblock.task import STORAGE

LARGEST = 5.0
"""No scaled training value is larger: columns that are nearly always the same, such as
the corner pixels of an image, would else explode when divided by their deviation."""


class Scaling(NamedTuple):
    """(x - shift) * scale, float32 [n_columns] each; both empty: leave x as it is."""

    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def none(cls) -> "Scaling":
        """The scaling that does nothing."""
        return cls(np.zeros(0, np.float32), np.zeros(0, np.float32))

    @classmethod
    def of(
        cls, x: np.ndarray, weights: np.ndarray, channels: int | None = None
    ) -> "Scaling":
        """Zero mean and unit variance, as far as `LARGEST` allows.

        Parameters
        ----------
        x : array of shape (n_samples, n_columns), float32, float64 or uint8, C order
            On the host, or CuPy's on a device.
        weights : ndarray of shape (n_samples,) or (0,), float32
            Rows of weight zero do not count.
        channels : int, default=None
            Columns are pixels of so many channels, channels last, and all pixels of a
            channel are scaled alike; None scales each column by itself.
        """
        n_columns = x.shape[1]
        first = 0 if weights.size == 0 else int(np.argmax(weights > 0))
        origin = on_host(x[first]).astype(np.float64)
        if channels is not None:
            origin = np.tile(
                origin.reshape(-1, channels).mean(0), n_columns // channels
            )
        total, sums = _moments(x, weights, origin)
        if channels is not None:
            sums = _joined(sums, channels)
            total *= n_columns // channels
        mean = sums[0] / total
        deviation = np.sqrt(np.maximum(sums[1] / total - mean**2, 0))
        reach = np.maximum(sums[3] - mean, mean - sums[2])
        # Rounding leaves a constant column some 1e-8 of its value.
        constant = reach <= 1e-7 * np.abs(origin)
        width = np.where(constant, 1.0, np.maximum(deviation, reach / LARGEST))
        width[width == 0] = 1.0
        shift = (origin + mean).astype(np.float32)
        return cls(shift, (1 / width).astype(np.float32))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Scaled values, float32."""
        if self.shift.size == 0:
            return x.astype(np.float32)
        return ((x - self.shift.astype(np.float64)) * self.scale).astype(np.float32)

    def undo(self, x: np.ndarray) -> np.ndarray:
        """Inverse of `apply`, in the type of x."""
        if self.shift.size == 0:
            return x
        return (x / self.scale + self.shift).astype(x.dtype, copy=False)


def _moments(x, weights, origin) -> tuple[float, np.ndarray]:
    """Sum of weights, and the sums of `column_moments`."""
    if is_device_array(x):
        from hogblock.cuda.moments import device_moments

        return device_moments(x, weights, origin)
    sums = np.empty((4, x.shape[1]))
    total = column_moments(
        x.ctypes.data, STORAGE[x.dtype], *x.shape, weights, origin, sums
    )
    return total, sums


def _joined(sums: np.ndarray, channels: int) -> np.ndarray:
    """Moments of all pixels of a channel, at each of its columns."""
    pixels = sums.reshape(4, -1, channels)
    joined = np.stack(
        [*pixels[:2].sum(axis=1), pixels[2].min(axis=0), pixels[3].max(axis=0)]
    )
    return np.tile(joined, pixels.shape[1])


def unscaled_weights(
    coefs: list[np.ndarray],
    intercepts: list[np.ndarray],
    inputs: Scaling,
    outputs: Scaling,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights of the same function from raw inputs to raw outputs, float32.

    Parameters
    ----------
    coefs, intercepts : list of ndarray
        Of the network between scaled inputs and scaled outputs.
    """
    coefs = [w.astype(np.float64) for w in coefs]
    intercepts = [b.astype(np.float64) for b in intercepts]
    if inputs.shift.size:
        coefs[0] *= inputs.scale[:, None]
        intercepts[0] -= inputs.shift @ coefs[0]
    if outputs.shift.size:
        coefs[-1] /= outputs.scale
        intercepts[-1] = intercepts[-1] / outputs.scale + outputs.shift
    return (
        [w.astype(np.float32) for w in coefs],
        [b.astype(np.float32) for b in intercepts],
    )
