"""Workers that take time: ages are not given but measured."""

import numpy as np

from hogblock.kernels.events import schedule as kernels
from hogblock.scheduling.arguments import (
    as_reals,
    check_choice,
    check_real,
    check_whole,
    first_wrong,
)
from hogblock.scheduling.compiled import READS, CompiledScheduler

SERVICES = {
    "exponential": kernels.EXPONENTIAL,
    "deterministic": kernels.DETERMINISTIC,
    "lognormal": kernels.LOGNORMAL,
}


class EventDriven(CompiledScheduler):
    """Every worker reads, computes and writes, again and again, and each takes time.

    All begin at time 0. The age of a cell is the number of events between its read and
    the end of the step; what happens at the same time happens in the order of workers.
    Nothing but deterministic times without stragglers bounds the ages.

    Parameters
    ----------
    workers : int
        How many there are.
    service : {"exponential", "deterministic", "lognormal"}, default="exponential"
        Law of the time that a step computes.
    mean : float or array-like of shape (workers,), default=1.0
        Of this time, in any unit; of all workers, or of each.
    sigma : float, default=1.0
        Standard deviation of the logarithm of a log-normal time.
    straggler : tuple of (float, float), default=None
        The probability that a step computes longer, and how many times as long.
    read : float, default=0.0
        How long a step reads before it computes.
    write : float, default=0.0
        How long it writes after that. Events in this time are its overlap.
    reads : {"inconsistent", "consistent"}, default="inconsistent"
        Cells are read one after another, evenly over `read`; or all at its beginning.

    Raises
    ------
    ValueError
        If an argument is impossible; names the first entry of it that is.

    Examples
    --------
    >>> import numpy as np
    >>> from hogblock.asynchrony import EventDriven
    >>> equal = EventDriven(workers=4, service="deterministic")
    >>> equal.events(8, 1, np.random.default_rng()).ages[:, 0].tolist()
    [0, 1, 2, 3, 3, 3, 3, 3]
    """

    __module__ = "hogblock.asynchrony"

    def __init__(
        self, workers, service="exponential", mean=1.0, sigma=1.0, straggler=None,
        read=0.0, write=0.0, reads="inconsistent",
    ):  # fmt: skip
        self.workers = check_whole("workers", workers, 1)
        self.service = check_choice("service", service, tuple(SERVICES))
        self.mean = mean
        self.sigma = check_real("sigma", sigma)
        self.straggler = straggler
        self.read = check_real("read", read)
        self.write = check_real("write", write)
        self.reads = check_choice("reads", reads, READS)
        self._mean = _means(mean, self.workers)
        self._slow, self._factor = _straggler(straggler)

    def __repr__(self):
        return (
            f"EventDriven(workers={self.workers}, service={self.service!r}, "
            f"mean={self.mean!r}, sigma={self.sigma}, straggler={self.straggler!r}, "
            f"read={self.read}, write={self.write}, reads={self.reads!r})"
        )

    @property
    def one_age(self):
        return self.reads == "consistent" or self.read == 0

    @property
    def largest_age(self):
        return 0 if self.workers == 1 else None

    def schedule(self, n_cells):
        timing = kernels.Timing(
            SERVICES[self.service], self._mean, self.sigma, self._slow, self._factor,
            self.read, self.write,
        )  # fmt: skip
        return kernels.make_schedule(
            kernels.EVENT_DRIVEN, self.workers, n_cells, self.one_age, timing=timing
        )


def _means(mean, workers: int) -> np.ndarray:
    """Of each worker."""
    if np.ndim(mean) == 0:
        return np.full(workers, check_real("mean", mean, above=True))
    means = as_reals("mean", mean).copy()
    right = np.isfinite(means) & (means > 0)
    first_wrong("mean", means, right, "be finite and above 0")
    if len(means) != workers:
        raise ValueError(
            f"mean is of {len(means)} workers, and there are workers={workers}"
        )
    return means


def _straggler(straggler) -> tuple[float, float]:
    """Probability and factor."""
    if straggler is None:
        return 0.0, 1.0
    if np.shape(straggler) != (2,):
        raise ValueError(
            f"straggler={straggler!r} must be (probability, factor), or None"
        )
    slow = check_real("probability of straggler", straggler[0])
    if slow > 1:
        raise ValueError(f"probability of straggler={slow!r} must be at most 1")
    return slow, check_real("factor of straggler", straggler[1], above=True)
