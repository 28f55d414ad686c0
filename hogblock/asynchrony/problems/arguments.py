"""Checks of what problems are made of."""

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
