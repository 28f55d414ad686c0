"""What a simulation leaves."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hogblock.asynchrony.problems.base import Problem
from hogblock.scheduling.base import Scheduler


@dataclass(frozen=True, eq=False)
class Simulation:
    """A run of the event model, and what was found of it.

    Version k is x after k events; an age is counted in events.

    Parameters
    ----------
    problem : Problem
        What was minimised.
    scheduler : Scheduler
        By which.
    blocks : list of (int, int)
        Start and stop of each block of coordinates.
    owned : list of list of int
        For each worker, the blocks that it may write.
    cells, ownership, update : str
        As in `simulate`, like those that follow.
    momentum : float
    nesterov : bool
    velocity : str
    rate : float or callable
    counter, writes : str
    noise : float
    history : int
        Versions behind the newest that were kept.
    n_events : int
        Events done: fewer than asked for if the run diverged.
    x : ndarray of shape (n,), float64
        The last version.
    recorded_at : ndarray of shape (r,), int64
        Versions that were kept, from 0 to the last.
    trajectory : ndarray of shape (r, n), float64
        These versions.
    values : ndarray of shape (r,), float64
        The problem's function at them.
    updates_per_block : ndarray of shape (blocks,), int64
        Updates of each block.
    steps_per_worker : ndarray of shape (workers,), int64
        Events of each worker.
    age_counts : ndarray of shape (largest_age + 1,), int64
        Coordinates read at each age, over all events: they sum to n * n_events.
    largest_age : int
        Of all coordinates read.
    mean_age : float
        Mean over all coordinates read.
    own_age : int
        Largest number of updates by other workers of a block that a step writes,
        between its read and its write. 0 where blocks are owned.
    longest_gap : ndarray of shape (blocks,), int64
        Most events from one update of a block to its next; a run's beginning and end
        count as updates, so that a block without any has a gap too.
    largest_norm : float
        Largest Euclidean norm of any version.
    sum_of_rates, sum_of_squares : float
        Over all events, of the rate and of its square.
    first_rate, last_rate : float
        Of the first and the last event.
    issued : ndarray of shape (n,), float64
        Sum of all steps: where x would be without lost writes, less x0.
    applied : ndarray of shape (n,), float64
        Sum of all changes: x less x0. Equals `issued` to the last bit where no write
        was lost.
    lost : int
        Updates of a coordinate that the last version does not contain, as others wrote
        over them.
    diverged : bool
        Whether the square of x's norm left the range of float64.
    """

    __module__ = "hogblock.asynchrony"

    problem: Problem
    scheduler: Scheduler
    blocks: list[tuple[int, int]]
    owned: list[list[int]]
    cells: str
    ownership: str
    update: str
    momentum: float
    nesterov: bool
    velocity: str
    rate: float | Callable
    counter: str
    writes: str
    noise: float
    history: int
    n_events: int
    x: np.ndarray
    recorded_at: np.ndarray
    trajectory: np.ndarray
    values: np.ndarray
    updates_per_block: np.ndarray
    steps_per_worker: np.ndarray
    age_counts: np.ndarray
    largest_age: int
    mean_age: float
    own_age: int
    longest_gap: np.ndarray
    largest_norm: float
    sum_of_rates: float
    sum_of_squares: float
    first_rate: float
    last_rate: float
    issued: np.ndarray
    applied: np.ndarray
    lost: int
    diverged: bool

    def __repr__(self):
        end = "diverged" if self.diverged else f"value {self.values[-1]:.6g}"
        return (
            f"<Simulation of {self.problem.name!r}: {self.n_events} events by "
            f"{self.scheduler!r}, {end}>"
        )
