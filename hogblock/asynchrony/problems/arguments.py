"""Checks of what problems are made of."""

from collections.abc import Iterable
from numbers import Integral

import numpy as np


def finite(value, name: str, dimensions: tuple[int, ...]) -> np.ndarray:
    """`value` as a float64 array of its own.

    Raises
    ------
    ValueError
        If it is empty, not finite, or has another number of dimensions.
    """
    array = np.array(value, np.float64)
    if array.ndim not in dimensions or array.size == 0:
        allowed = " or ".join(map(str, dimensions))
        raise ValueError(
            f"{name} has shape {array.shape}; it must have {allowed} dimensions, and "
            "hold something"
        )
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        at = ", ".join(map(str, wrong[0]))
        raise ValueError(
            f"{name}[{at}]={array[tuple(wrong[0])]} must be a finite number"
        )
    return array


def count(value, name: str, least: int = 1) -> int:
    """`value` as an int that is not below `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r} must be an integer >= {least}")
    return int(value)


def affine(A, b) -> tuple[np.ndarray, np.ndarray]:
    """A of shape (rows, n) and b of shape (rows,), float64."""
    A, b = finite(A, "A", (2,)), finite(b, "b", (1,))
    if len(A) != len(b):
        raise ValueError(f"b has {len(b)} values; A has {len(A)} rows, one for each")
    return A, b


def point(x, name: str, n: int) -> np.ndarray:
    """x of shape (n,), float64, for an A of n columns."""
    x = finite(x, name, (1,))
    if len(x) != n:
        raise ValueError(f"{name} has {len(x)} values; A has {n} columns")
    return x


def packed(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many rows, then the rows of A with b behind each: what the kernels read."""
    return np.concatenate([[len(A)], np.column_stack([A, b]).ravel()])


def sixteenths(values: np.ndarray) -> np.ndarray:
    """Rounded to multiples of 1/16, so that short sums of products have no error."""
    return np.round(16 * values) / 16


def checked_blocks(blocks, n: int) -> list[tuple[int, int]]:
    """Start and stop of each block, as ints.

    Raises
    ------
    ValueError
        If they do not cover [0, n) in order, each once; the message names the first
        that is wrong.
    """
    covered, found = 0, []
    if not isinstance(blocks, Iterable) or isinstance(blocks, str):
        raise ValueError(f"blocks={blocks!r} must be starts and stops, or how many")
    for i, block in enumerate(blocks):
        try:
            start, stop = (int(end) for end in block)
        except (TypeError, ValueError):
            raise ValueError(
                f"blocks[{i}]={block!r} must be a start and a stop"
            ) from None
        if start != covered or not start < stop <= n:
            raise ValueError(
                f"blocks[{i}]=({start}, {stop}) must begin at {covered}, where the one "
                f"before ends, and end after it and at most at {n}"
            )
        found.append((start, stop))
        covered = stop
    if covered != n:
        raise ValueError(f"blocks end at {covered}; they must cover all {n} variables")
    return found
