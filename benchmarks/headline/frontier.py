"""Frontiers of time against quality, and the time to the quality of a baseline.

A side has a point a budget: seconds, and the mean quality of its seeds. Between points
quality is linear in the logarithm of the time, and it never falls: what a shorter run
reached is reached. Beyond the last point, and before the first, it goes on as it rose
from the first to the last, but for no more than a factor of `BEYOND`: who needs longer
is taken to need that much.
"""

import numpy as np

BEYOND = 2.0
RESAMPLES = 1000


def seconds_to(quality, seconds, qualities):
    """Seconds to a quality on a frontier.

    Parameters
    ----------
    quality : float
    seconds, qualities : array of shape (budgets,)
        By budget.

    Returns
    -------
    float
    """
    order = np.argsort(seconds)
    logs = np.log(np.asarray(seconds)[order])
    best = np.maximum.accumulate(np.asarray(qualities)[order])
    slope = (best[-1] - best[0]) / (logs[-1] - logs[0])
    most = np.log(BEYOND)
    if quality > best[-1]:
        wanted = (quality - best[-1]) / slope if slope > 0 else most
        return float(np.exp(logs[-1] + min(wanted, most)))
    if quality <= best[0]:
        spared = (best[0] - quality) / slope if slope > 0 else 0.0
        return float(np.exp(logs[0] - min(spared, most)))
    k = int(np.searchsorted(best, quality))  # best[k - 1] < quality <= best[k]
    share = (quality - best[k - 1]) / (best[k] - best[k - 1])
    return float(np.exp(logs[k - 1] + share * (logs[k] - logs[k - 1])))


def speed_ups(baseline, side):
    """How many times sooner a side has the quality that a baseline had, by budget.

    Parameters
    ----------
    baseline, side : (seconds, qualities)
        Arrays of shape (budgets,) and (budgets, seeds).

    Returns
    -------
    list of float
        Above 1 where the side is sooner.
    """
    (seconds, qualities), (own_seconds, own) = baseline, side
    own = np.mean(own, axis=1)
    return [
        float(s / seconds_to(q, own_seconds, own))
        for s, q in zip(seconds, np.mean(qualities, axis=1), strict=True)
    ]


def geometric_mean(values):
    """Of positive numbers."""
    return float(np.exp(np.mean(np.log(values))))


def interval(pairs, rng, resamples=RESAMPLES, level=0.9):
    """Bootstrap interval of the geometric mean over tasks and budgets.

    Seeds are drawn with replacement within each task, budget and side; times stay.

    Parameters
    ----------
    pairs : list of (baseline, side)
        A pair a task, as `speed_ups` takes them.
    rng : numpy.random.Generator
    resamples : int
    level : float

    Returns
    -------
    low, high : float
    """

    def drawn(side):
        seconds, qualities = side
        qualities = np.asarray(qualities)
        picks = rng.integers(0, qualities.shape[1], qualities.shape)
        return seconds, np.take_along_axis(qualities, picks, axis=1)

    means = [
        geometric_mean([u for a, b in pairs for u in speed_ups(drawn(a), drawn(b))])
        for _ in range(resamples)
    ]
    edge = (1 - level) / 2
    low, high = np.quantile(means, [edge, 1 - edge])
    return float(low), float(high)
