"""Events by probabilities: who, and how old."""

import numpy as np

from hogblock.kernels.events.schedule import LAW, make_schedule
from hogblock.kernels.events.tables import make_table
from hogblock.scheduling.arguments import (
    check_choice,
    check_probabilities,
    check_whole,
)
from hogblock.scheduling.compiled import READS, CompiledScheduler
from hogblock.scheduling.laws import age_probabilities, largest_of


class Law(CompiledScheduler):
    """Worker and ages of every event are drawn, independently of all that was.

    The model of Cannelli, Facchinei, Kungurtsev and Scutari (arXiv 1607.04818) with a
    law that does not depend on the past. At the beginning, ages are cut off at what
    there is.

    Parameters
    ----------
    workers : int, default=1
        How many there are.
    ages : int, Uniform, Geometric or array-like of shape (n,), default=0
        Always that age, a law, or probabilities of the ages 0, 1, ..., such as a
        histogram that was recorded, divided by its sum.
    probabilities : array-like of shape (workers,), default=None
        Of each worker to end the next step; None: equal.
    reads : {"inconsistent", "consistent"}, default="inconsistent"
        An age for every cell, or one for all.
    overlap : int, Uniform, Geometric or array-like of shape (n,), default=0
        Likewise: events during an event's write. It is cut off at the event's
        smallest age and at the worker's last event: a worker writes after it has
        read, and takes one step after another.

    Raises
    ------
    ValueError
        If an argument is impossible; names the first entry of it that is.

    Examples
    --------
    >>> import numpy as np
    >>> from hogblock.asynchrony import Law, Uniform
    >>> law = Law(workers=3, ages=Uniform(0, 4), probabilities=[0.5, 0.25, 0.25])
    >>> law.largest_age
    4
    >>> law.events(1000, 10, np.random.default_rng(0)).ages.shape
    (1000, 10)
    """

    __module__ = "hogblock.asynchrony"

    def __init__(
        self, workers=1, ages=0, probabilities=None, reads="inconsistent", overlap=0
    ):
        self.workers = check_whole("workers", workers, 1)
        self.ages = ages
        self.probabilities = probabilities
        self.reads = check_choice("reads", reads, READS)
        self.overlap = overlap
        self._ages = age_probabilities("ages", ages)
        self._overlap = age_probabilities("overlap", overlap)
        self._who = np.full(self.workers, 1.0 / self.workers)
        if probabilities is not None:
            self._who = check_probabilities("probabilities", probabilities)
        if len(self._who) != self.workers:
            raise ValueError(
                f"probabilities are of {len(self._who)} workers, and there are "
                f"workers={self.workers}"
            )

    def __repr__(self):
        return (
            f"Law(workers={self.workers}, ages={self.ages!r}, "
            f"probabilities={self.probabilities!r}, reads={self.reads!r}, "
            f"overlap={self.overlap!r})"
        )

    @property
    def one_age(self):
        always = np.count_nonzero(self._ages) == 1
        return self.reads == "consistent" or always

    @property
    def largest_age(self):
        return largest_of(self._ages)

    def schedule(self, n_cells):
        return make_schedule(
            LAW, self.workers, n_cells, self.one_age, make_table(self._who),
            make_table(self._ages), make_table(self._overlap),
        )  # fmt: skip
