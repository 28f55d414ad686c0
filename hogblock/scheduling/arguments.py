"""Checks of arguments of the event model: errors name the first wrong entry."""

from numbers import Integral, Real

import numpy as np

TOLERANCE = 1e-9  # of a sum of probabilities


def check_whole(name: str, value, lowest: int) -> int:
    """`value` as an int, if it is a whole number from `lowest` on."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < lowest:
        raise ValueError(
            f"{name}={value!r} must be a whole number of at least {lowest}"
        )
    return int(value)


def check_real(name: str, value, lowest: float = 0.0, above: bool = False) -> float:
    """`value` as a float, if it is finite and at least (or above) `lowest`."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    if (
        not real
        or not np.isfinite(value)
        or value < lowest
        or (above and value == lowest)
    ):
        bound = "above" if above else "of at least"
        raise ValueError(f"{name}={value!r} must be a finite number {bound} {lowest:g}")
    return float(value)


def check_choice(name: str, value, allowed: tuple[str, ...]) -> str:
    """`value`, if it is one of the strings `allowed`."""
    if value not in allowed:
        names = ", ".join(map(repr, allowed))
        raise ValueError(f"{name}={value!r} must be one of {names}")
    return value


def as_reals(name: str, values) -> np.ndarray:
    """`values` as float64 of one dimension, not empty."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}={values!r} must be numbers: {error}") from None
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"{name} must be a row of numbers, and came with shape {array.shape}"
        )
    return array


def first_wrong(name: str, values: np.ndarray, right: np.ndarray, must: str) -> None:
    """Raise for the first entry of `values` that is not `right`."""
    if not right.all():
        i = int(np.argmin(right))
        raise ValueError(f"{name}: entry {i} is {values[i]:g}, and must {must}")


def check_probabilities(name: str, values) -> np.ndarray:
    """`values` as float64, if they are probabilities: not below 0, of sum 1."""
    array = as_reals(name, values)
    right = np.isfinite(array) & (array >= 0)
    first_wrong(name, array, right, "be finite and not negative")
    total = float(array.sum())
    if total > 1 + TOLERANCE:
        i = int(np.argmax(np.cumsum(array) > 1 + TOLERANCE))
        raise ValueError(
            f"{name} must sum to 1, and sum to {total:g}: they pass 1 with entry {i}, "
            f"{array[i]:g}"
        )
    if total < 1 - TOLERANCE:
        raise ValueError(
            f"{name} must sum to 1, and sum to {total:g} with the last of them, entry "
            f"{array.size - 1}, {array[-1]:g}"
        )
    return array
