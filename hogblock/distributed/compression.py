"""Differences of models in fewer bytes than float32, and back again."""

from typing import NamedTuple

import numpy as np

GROUP = 1024
"""Values that share a scale of int8: a float32 for 1,024 bytes."""

LARGEST = 127


class Packed(NamedTuple):
    """Values on their way.

    Attributes
    ----------
    codec : str or None
        Of `CODECS`; None: float32 values as they are.
    values : ndarray
    scales : ndarray of shape (groups,) or (0,), float32
        Of int8.
    """

    codec: str | None
    values: np.ndarray
    scales: np.ndarray

    @property
    def nbytes(self) -> int:
        """That travel."""
        return self.values.nbytes + self.scales.nbytes


NO_SCALES = np.zeros(0, np.float32)


def pack(values: np.ndarray, codec: str | None) -> Packed:
    """Values of shape (n,), float32, as `codec` holds them: finite ones.

    With "int8" a value is off by half of 1/127 of the largest one of its group of
    1,024 at most, with "bfloat16" by 1/256 of itself.
    """
    return (
        Packed(None, values, NO_SCALES) if codec is None else CODECS[codec][0](values)
    )


def unpack(packed: Packed) -> np.ndarray:
    """The float32 values that arrive; those of no codec may be read-only."""
    if packed.codec is None:
        return packed.values
    return CODECS[packed.codec][1](packed)


def _to_bfloat16(values: np.ndarray) -> Packed:
    """To nearest, ties to even, by adding half a unit to the bits."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + (np.uint32(0x7FFF) + odd)) >> np.uint32(16)
    # What would round to infinity is cut off.
    rounded = np.where(rounded & np.uint32(0x7FFF) == 0x7F80, rounded - 1, rounded)
    return Packed("bfloat16", rounded.astype(np.uint16), NO_SCALES)


def _from_bfloat16(packed: Packed) -> np.ndarray:
    return (packed.values.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _to_int8(values: np.ndarray) -> Packed:
    groups = _grouped(values)
    scales = np.abs(groups).max(axis=1) / np.float32(LARGEST)
    with np.errstate(all="ignore"):
        inverse = np.where(scales > 0, 1 / scales, 0).astype(np.float32)
    # The inverse of the smallest scales is infinite: such values are sent as 0.
    inverse[~np.isfinite(inverse)] = 0
    steps = np.rint(groups * inverse[:, None])
    codes = np.clip(steps, -LARGEST, LARGEST).astype(np.int8).ravel()[: values.size]
    return Packed("int8", codes, scales)


def _from_int8(packed: Packed) -> np.ndarray:
    groups = _grouped(packed.values).astype(np.float32) * packed.scales[:, None]
    return groups.ravel()[: packed.values.size]


def _grouped(values: np.ndarray) -> np.ndarray:
    """In rows of `GROUP`, the last one filled up with zeros."""
    rows = -(-values.size // GROUP)
    if values.size == rows * GROUP:
        return values.reshape(rows, GROUP)
    filled = np.zeros(rows * GROUP, values.dtype)
    filled[: values.size] = values
    return filled.reshape(rows, GROUP)


CODECS = {
    "bfloat16": (_to_bfloat16, _from_bfloat16),
    "int8": (_to_int8, _from_int8),
}
"""Name -> function that packs, and function that unpacks."""
