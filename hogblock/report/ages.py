"""Histograms of ages, and expected probabilities of ages: [age], from 0 on."""

from collections.abc import Mapping

import numpy as np

AGES = 64
"""Ages that an estimator counts; the last stands for 63 and more."""
SUMS_TO_ONE = 1e-6


def checked_counts(counts) -> np.ndarray:
    """As an array of shape (n_series, n_ages)."""
    checked = np.atleast_2d(np.asarray(counts))
    if checked.ndim != 2 or not checked.size:
        raise ValueError(
            f"counts has shape {np.shape(counts)}, and must have (n_series, n_ages) or "
            "(n_ages,), none of them 0"
        )
    wrong = np.argwhere(~(checked >= 0))
    if wrong.size:
        series, age = wrong[0]
        raise ValueError(
            f"counts holds {checked[series, age]} at age {age} of series {series}: "
            "counts are not negative"
        )
    return checked


def checked_models(model) -> dict[str, np.ndarray]:
    """Probabilities of each model by its name."""
    if model is None:
        return {}
    named = model if isinstance(model, Mapping) else {"model": model}
    return {str(name): _probabilities(name, p) for name, p in named.items()}


def _probabilities(name, given) -> np.ndarray:
    probabilities = np.asarray(given, np.float64)
    if probabilities.ndim != 1 or not probabilities.size:
        raise ValueError(
            f"model {name!r} has shape {probabilities.shape}, and must have one "
            "probability for each age"
        )
    wrong = np.flatnonzero(~((probabilities >= 0) & (probabilities <= 1)))
    if wrong.size:
        raise ValueError(
            f"model {name!r} gives age {wrong[0]} the probability "
            f"{probabilities[wrong[0]]}, which is not from 0 to 1"
        )
    if abs(probabilities.sum() - 1) > SUMS_TO_ONE:
        raise ValueError(
            f"model {name!r} sums to {probabilities.sum():.6g}: probabilities of all "
            "ages sum to 1"
        )
    return probabilities


def histogram(ages: np.ndarray) -> np.ndarray:
    """Counts of ages of shape (n_events,), the last one for 63 and more."""
    return np.bincount(np.clip(ages, 0, AGES - 1).astype(np.int64), minlength=AGES)


def folded(values: np.ndarray, n_ages: int) -> np.ndarray:
    """The first values, the last of them with the sum of those behind it."""
    return np.append(values[: n_ages - 1], values[n_ages - 1 :].sum())


def length(kept) -> int:
    """How many ages there are up to the last True of an array [age]."""
    return int(np.flatnonzero(kept).max(initial=-1)) + 1
