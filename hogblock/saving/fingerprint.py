"""Fingerprints of arrays: whether data are the same as those of another fit."""

import hashlib
from typing import NamedTuple

import numpy as np

from hogblock.engines.locations import on_host
from hogblock.training.sparse_rows import SparseRows

AT_ONCE = 2**22
"""Bytes of rows that are read at once, from a file or a device."""


class Fingerprint(NamedTuple):
    """What two arrays share if they are the same.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    content : str
        SHA-256 of all bytes, in C order.
    """

    shape: tuple[int, ...]
    dtype: str
    content: str


def fingerprint_of(array) -> Fingerprint:
    """Of an array on the host or on a device, however it lies there.

    Parameters
    ----------
    array : array of at least one dimension, or SparseRows
    """
    digest = hashlib.sha256()
    sparse = isinstance(array, SparseRows)
    parts = (array.starts, array.columns, array.values) if sparse else (array,)
    for part in parts:
        row = max(1, part.nbytes // max(1, len(part)))
        rows = max(1, AT_ONCE // row)
        for start in range(0, len(part), rows):
            digest.update(_octets(on_host(part[start : start + rows])))
    return Fingerprint(
        tuple(map(int, array.shape)), array.dtype.str, digest.hexdigest()
    )  # fmt: skip


def _octets(part: np.ndarray) -> memoryview | bytes:
    if part.dtype.hasobject:  # such as texts, whose bytes are only addresses
        named = ((type(each).__name__, str(each)) for each in part.ravel().tolist())
        return repr(list(named)).encode("utf-8", "surrogatepass")
    octets = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
    return memoryview(octets)  # type: ignore[arg-type]


def fingerprints_of(**arrays) -> dict[str, Fingerprint | None]:
    """Of arrays by name; None stays None."""
    return {
        name: None if array is None else fingerprint_of(array)
        for name, array in arrays.items()
    }


def check_same(
    before: dict[str, Fingerprint | None], now: dict[str, Fingerprint | None]
) -> None:
    """Raise ValueError, saying which and in what, if data differ.

    Parameters
    ----------
    before, now : dict of str to Fingerprint or None
        Of the fit that was stopped, and of the one that goes on.
    """
    for name, fingerprint in now.items():
        known = before.get(name)
        if known == fingerprint:
            continue
        if known is None or fingerprint is None:
            there = "was not there" if known is None else "was there"
            is_ = "is" if known is None else "is not"
            raise ValueError(f"{name} {there}, and {is_} now")
        for what in ("shape", "dtype"):
            old, new = getattr(known, what), getattr(fingerprint, what)
            if old != new:
                raise ValueError(f"{name} had {what} {old}, and has {new} now")
        raise ValueError(
            f"{name} has other content than it had (shape {known.shape}, {known.dtype})"
        )
