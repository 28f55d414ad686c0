"""What is learnt of nodes and links from measurements."""

import numpy as np


def measured(report, name: str) -> np.ndarray:
    """A field of the rows of a report, float64; rows have attributes, or keys."""
    rows = list(report)
    if not rows:
        raise ValueError("report is empty: there is nothing to calibrate by")
    return np.array(
        [
            row[name] if isinstance(row, dict | np.void) else getattr(row, name)
            for row in rows
        ],
        np.float64,
    )


def steps_away(steps: np.ndarray, exchanges: np.ndarray, every: int) -> np.ndarray:
    """Steps r that a node takes in an exchange.

    Of its s steps, the first half has s / 2 / (every + r) exchanges, the second one
    s / 2 / (2 every + r): a quadratic equation for r.
    """
    least = np.maximum(exchanges, 1)
    half = (3 * every * least - steps) / (2 * least)
    rest = (2 * least * every**2 - 1.5 * steps * every) / least
    root = np.sqrt(np.maximum(half * half - rest, 0)) - half
    return np.maximum(root, 0)


def exchange_costs(
    exchanges: np.ndarray, seconds: np.ndarray, nbytes: np.ndarray
) -> tuple[float, float]:
    """Seconds that an exchange takes, fixed and a byte; arrays of shape (rows,)."""
    had = exchanges > 0
    if not had.any():
        return 0.0, 0.0
    sizes, each = nbytes[had] / exchanges[had], seconds[had] / exchanges[had]
    if np.ptp(sizes) <= 0.01 * sizes.max():
        return float(seconds[had].sum() / exchanges[had].sum()), 0.0
    return line(sizes, each, exchanges[had])


def line(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Height at 0 and slope of the line nearest to y, neither of them below 0."""
    mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
    slope = np.sum(weights * (x - mean_x) * (y - mean_y))
    slope /= np.sum(weights * np.square(x - mean_x))
    if slope <= 0:
        return float(mean_y), 0.0
    height = mean_y - slope * mean_x
    if height < 0:
        return 0.0, float(np.sum(weights * x * y) / np.sum(weights * x * x))
    return float(height), float(slope)
