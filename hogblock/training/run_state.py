"""Where a run is at the end of an epoch, so that another one goes on from there."""

from dataclasses import dataclass

import numpy as np


class StateError(ValueError):
    """A state that the run cannot go on from."""


@dataclass(frozen=True, eq=False)
class RunState:
    """State of a run whose first epochs are over and judged.

    An engine hands it out (`Epoch.then`) while no worker is ahead of it, and goes on
    from it: with one worker bit for bit as if the run had never ended.

    Attributes
    ----------
    epochs : int
        That are over.
    params : ndarray of shape (size,), float32
    losses : list of float
        Of these epochs, as in `Result`.
    seconds : float
        Training time until then.
    arrays : dict of str to ndarray
        What else the engine needs; its first axis is the workers or the blocks.
    """

    epochs: int
    params: np.ndarray
    losses: list[float]
    seconds: float
    arrays: dict[str, np.ndarray]


def spread_velocity(velocity: np.ndarray, workers: int) -> np.ndarray:
    """Momentum of another number of workers: for all, the mean of those who have any.

    A worker has none for what it never updated: with blocks or slices of their own,
    everybody's blocks are taken over as they were.

    Parameters
    ----------
    velocity : ndarray of shape (workers before, n_parameters), float32
    workers : int

    Returns
    -------
    ndarray of shape (workers, n_parameters), float32
    """
    if len(velocity) == workers:
        return velocity
    having = np.maximum(np.count_nonzero(velocity, axis=0), 1)
    mean = (velocity.sum(axis=0) / having).astype(np.float32)
    return np.tile(mean, (workers, 1))
