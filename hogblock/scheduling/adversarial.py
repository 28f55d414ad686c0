"""The worst that a bound on ages allows."""

from hogblock.kernels.events.schedule import ADVERSARIAL, make_schedule
from hogblock.kernels.events.tables import make_table
from hogblock.scheduling.arguments import check_whole
from hogblock.scheduling.compiled import CompiledScheduler
from hogblock.scheduling.laws import age_probabilities


class Adversarial(CompiledScheduler):
    """Workers in turn, and all they read is as old as it may be, always.

    A write that is not atomic takes as long, too: from the worker's last event on, and
    at most `age` events.

    Parameters
    ----------
    workers : int
        How many there are.
    age : int
        Of every cell at every event; at the beginning, as far as there is something.

    Raises
    ------
    ValueError
        If an argument is no whole number, `workers` below 1 or `age` below 0.

    Examples
    --------
    >>> import numpy as np
    >>> from hogblock.asynchrony import Adversarial
    >>> events = Adversarial(workers=2, age=3).events(6, 1, np.random.default_rng())
    >>> events.worker.tolist(), events.ages[:, 0].tolist()
    ([0, 1, 0, 1, 0, 1], [0, 1, 2, 3, 3, 3])
    """

    __module__ = "hogblock.asynchrony"

    def __init__(self, workers, age):
        self.workers = check_whole("workers", workers, 1)
        self.age = check_whole("age", age, 0)

    def __repr__(self):
        return f"Adversarial(workers={self.workers}, age={self.age})"

    @property
    def one_age(self):
        return True

    @property
    def largest_age(self):
        return self.age

    def schedule(self, n_cells):
        age = make_table(age_probabilities("age", self.age))
        return make_schedule(
            ADVERSARIAL, self.workers, n_cells, self.one_age, age=age, overlap=age
        )
