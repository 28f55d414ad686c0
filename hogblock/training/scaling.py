"""Affine scaling of features and targets, folded out of the fitted model again.

Training sees (x - shift) * scale. This conditions the problem, so that one learning
rate suits pixels, one-hot columns and raw measurements alike; the model it ends in is
one for raw x all the same.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hogblock.training.statistics import Statistics

LARGEST = 5.0
"""No scaled training value is larger: columns that are nearly always the same, such as
the corner pixels of an image, would else explode when divided by their deviation."""

EPSILON = float(np.finfo(np.float64).eps)
ROUNDING = {np.float32: 1e-7, np.float64: 10 * EPSILON, np.uint8: 10 * EPSILON}
"""Spread of a column that rounding alone may cause, relative to its values."""

ENOUGH = 100
"""Rows from which a column's scaling is final."""

SINGLES = 2.0**-120, 2.0**120
"""Scales in float32: smaller and larger ones lose digits, or their products do."""

NEGLIGIBLE = 1e-5
"""Error of a scaled value that rounding the shift to float32 may cause."""


class Scaling(NamedTuple):
    """(x - shift) * scale, float64 [n_columns] each; both empty: leave x as it is."""

    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def none(cls) -> "Scaling":
        """The scaling that does nothing."""
        return cls(np.zeros(0), np.zeros(0))

    @property
    def beyond_singles(self) -> bool:
        """Whether a float32 holds not all scales."""
        return bool(((self.scale < SINGLES[0]) | (self.scale > SINGLES[1])).any())

    def seen(self, x: np.ndarray) -> np.ndarray:
        """What ``gather`` makes of rows of float64: float32, to the same bits."""
        if self.shift.size == 0 or self.beyond_singles:
            return self.scaled(x).astype(np.float32)
        return (x - self.shift).astype(np.float32) * self.in_singles()[1]

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Scaled values, float64."""
        if self.shift.size == 0:
            return x.astype(np.float64)
        return (x - self.shift) * self.scale

    def undo(self, x: np.ndarray) -> np.ndarray:
        """Inverse of `scaled`, float64; x as it is where nothing is scaled."""
        if self.shift.size == 0:
            return x
        return x / self.scale + self.shift

    def in_singles(self) -> tuple[np.ndarray, np.ndarray]:
        """Shift and scale in float32, within its range."""
        largest = np.finfo(np.float32).max
        return (
            np.clip(self.shift, -largest, largest).astype(np.float32),
            np.clip(self.scale, *SINGLES).astype(np.float32),
        )

    def storable(self, x):
        """x, as float64 where float32 arithmetic on it would spoil what it becomes.

        Parameters
        ----------
        x : ndarray of shape (n_samples, n_columns), float32, float64 or uint8
        """
        if self.shift.size == 0 or x.dtype == np.float64:
            return x
        moved = np.abs(self.in_singles()[0] - self.shift) * self.scale > NEGLIGIBLE
        return x.astype(np.float64) if self.beyond_singles or moved.any() else x

    def for_kernels(self) -> dict[str, np.ndarray]:
        """The fields of ``kernels.cpu.job.Samples``, for rows of every type."""
        shift, scale = self.in_singles()
        return {
            "shift": shift,
            "scale": scale,
            "shift64": np.asarray(self.shift, np.float64),
            "scale64": np.asarray(
                self.scale if self.beyond_singles else np.zeros(0), np.float64
            ),
        }


@dataclass(frozen=True)
class Standardiser:
    """Zero mean and unit variance, as far as `LARGEST` allows, of rows that may come in
    parts.

    A part may be a single row, or hold columns that do not vary yet: neither says how
    wide a column is. A column is therefore scaled anew with every part until `ENOUGH`
    rows have come since it first varied.

    Attributes
    ----------
    scaling : Scaling
    statistics : Statistics
        Of the rows so far.
    rows : ndarray of shape (n_columns,)
        Rows so far, from the part on in which a column first varied.
    types : set of type
        Of the rows so far.
    channels : int or None
        See ``Statistics.of``.
    name : str
        Of the rows, in errors.
    centred : bool, default=True
        False leaves zero where it is: columns have a mean square of one, as far as
        `LARGEST` allows.
    """

    scaling: Scaling
    statistics: Statistics
    rows: np.ndarray
    types: frozenset
    channels: int | None
    name: str
    centred: bool = True

    @classmethod
    def of(
        cls, x, weights, channels=None, name: str = "X", centred: bool = True
    ) -> "Standardiser":
        """From the first rows.

        Parameters
        ----------
        x, weights, channels
            See ``Statistics.of``; rows of weight zero do not count.
        name : str, default="X"
        centred : bool, default=True

        Raises
        ------
        ValueError
            If a column's range is beyond float64.
        """
        statistics = Statistics.of(x, weights, channels)
        types = frozenset({x.dtype.type})
        return cls.of_statistics(statistics, len(x), types, channels, name, centred)

    @classmethod
    def of_statistics(
        cls,
        statistics: Statistics,
        rows: int,
        types: frozenset,
        channels: int | None = None,
        name: str = "X",
        centred: bool = True,
    ) -> "Standardiser":
        """From the statistics of the first rows.

        Parameters
        ----------
        statistics : Statistics
        rows : int
        types : frozenset of type
            Of the rows.
        channels, name, centred
            See `of`.
        """
        scaling, varies = _scaling_of(statistics, types, name, centred)
        return cls(scaling, statistics, varies * rows, types, channels, name, centred)

    def refined(self, x, weights) -> "Standardiser":
        """With further rows: see `of`."""
        return self.refined_by(
            lambda channels: Statistics.of(x, weights, channels), len(x), x.dtype.type
        )

    def refined_by(self, statistics_of, n_rows: int, kind: type) -> "Standardiser":
        """With further rows.

        Parameters
        ----------
        statistics_of : callable
            Their statistics by `channels`.
        n_rows : int
        kind : type
            Of the rows.
        """
        known = self.rows >= ENOUGH
        if known.all():
            return self
        statistics = self.statistics.joined(statistics_of(self.channels))
        types = self.types | {kind}
        scaling, varies = _scaling_of(statistics, types, self.name, self.centred)
        mixed = [
            np.where(known, a, b) for a, b in zip(self.scaling, scaling, strict=True)
        ]
        rows = self.rows + varies * n_rows
        return replace(
            self, scaling=Scaling(*mixed), statistics=statistics, rows=rows, types=types
        )

    def settled(self) -> "Standardiser":
        """For a model that has been trained to the end: what varies is final."""
        return replace(self, rows=np.where(self.rows > 0, ENOUGH, 0))


def _scaling_of(
    statistics: Statistics, types, name: str, centred: bool
) -> tuple[Scaling, np.ndarray]:
    """The scaling that rows so far ask for, and which columns vary in them."""
    _, mean, deviation, low, high = statistics
    if not centred:
        mean, deviation = np.zeros_like(mean), np.hypot(mean, deviation)
    with np.errstate(over="ignore"):
        beyond = np.flatnonzero(~np.isfinite(high - low))
    if beyond.size:
        at = beyond[0]
        raise ValueError(
            f"{name} cannot be standardised: column {at} goes from {low[at]:.3g} to "
            f"{high[at]:.3g}, a range beyond float64; scale it first"
        )
    reach = np.maximum(high - mean, mean - low)
    width = np.maximum(deviation, reach / LARGEST)
    rounding = max(ROUNDING[each] for each in types)
    varies = reach > rounding * np.maximum(np.abs(low), np.abs(high))
    varies &= width > np.finfo(np.float64).tiny  # of the rest the inverse is infinite
    width = np.where(varies, width, np.maximum(reach, 1))
    if np.float64 not in types:
        # Exact for all types of rows: what the model computes is one function of x.
        mean = mean.astype(np.float32).astype(np.float64)
    return Scaling(mean, 1 / width), varies


def unscaled_weights(
    coefs: list[np.ndarray],
    intercepts: list[np.ndarray],
    inputs: Scaling,
    outputs: Scaling,
    link: str = "identity",
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights of the same function from raw inputs to raw predictions.

    Parameters
    ----------
    coefs, intercepts : list of ndarray
        Of the network between scaled inputs and scaled outputs.
    inputs, outputs : Scaling
    link : str, default="identity"
        What follows the outputs before their scaling is undone: of "exp" a factor on
        predictions is a term of the outputs.

    Returns
    -------
    coefs, intercepts : list of ndarray
        float64: far from zero, the weights and intercepts of raw inputs cancel each
        other. Copies as they are where nothing is scaled.
    """
    if inputs.shift.size == 0 and outputs.shift.size == 0:
        return [w.copy() for w in coefs], [b.copy() for b in intercepts]
    coefs = [w.astype(np.float64) for w in coefs]
    intercepts = [b.astype(np.float64) for b in intercepts]
    if inputs.shift.size:
        coefs[0] *= inputs.scale[:, None]
        intercepts[0] -= inputs.shift @ coefs[0]
    if outputs.shift.size and link == "exp":
        intercepts[-1] = intercepts[-1] - np.log(outputs.scale)
    elif outputs.shift.size:
        coefs[-1] /= outputs.scale
        intercepts[-1] = intercepts[-1] / outputs.scale + outputs.shift
    return coefs, intercepts
