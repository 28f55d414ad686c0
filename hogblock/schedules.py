"""Learning-rate schedules: the rate as a function of the shared, fractional epoch.

To add a schedule, write its class here. A run evaluates it once, before it starts, on a
grid of points that the kernels look up.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

__all__ = [
    "SCHEDULES",
    "Adaptive",
    "Cosine",
    "InvScaling",
    "Schedule",
    "Step",
    "resolve",
]

POINTS_PER_RUN = 100_000


@dataclass(frozen=True)
class Schedule:
    """A constant rate; the base of the others."""

    name: ClassVar[str] = "constant"
    planned: ClassVar[bool] = False
    """Whether the rate follows a plan over `max_iter` epochs, which is not cut short.

    ``fit`` begins the plan, every call of ``partial_fit`` is an epoch of it, and after
    its end the rate stays what it was there.
    """
    keeps_velocity: ClassVar[bool] = False
    """Whether one worker's velocity contains the rate, as scikit-learn's does.

    scikit-learn steps by v = m v - rate g, this package by -rate u with u = m u + g.
    They differ where the rate changes: u is then scaled so that rate u stays the same.
    """

    def factors(
        self, epoch: np.ndarray, epochs: int, samples: np.ndarray, power: float
    ):
        """Factor on the initial rate.

        Parameters
        ----------
        epoch : ndarray of float
            Fractional epochs since the plan began.
        epochs : int
            Epochs of the whole plan, ``max_iter`` of the estimator.
        samples : ndarray of int, like `epoch`
            Samples that the model has seen when the epoch of each point begins.
        power : float
            ``power_t`` of the estimator.

        Returns
        -------
        ndarray of float, like `epoch`
        """
        return np.ones_like(epoch)


@dataclass(frozen=True)
class InvScaling(Schedule):
    """1 / (t + 1)**power_t after every epoch, t the samples seen: scikit-learn's.

    t counts on over calls of ``partial_fit`` and fits with ``warm_start=True``.
    """

    name: ClassVar[str] = "invscaling"
    keeps_velocity: ClassVar[bool] = True

    def factors(self, epoch, epochs, samples, power):
        return np.where(samples > 0, (samples + 1.0) ** -power, 1.0)


@dataclass(frozen=True)
class Adaptive(Schedule):
    """Constant, divided by `divisor` whenever the loss has stalled: scikit-learn's.

    The estimator does the dividing at the end of an epoch. ``partial_fit`` judges the
    losses of all calls.

    Parameters
    ----------
    divisor : float, default=5.0
    lowest : float, default=1e-6
        Training ends once the rate has fallen so far.
    """

    divisor: float = 5.0
    lowest: float = 1e-6

    name: ClassVar[str] = "adaptive"
    keeps_velocity: ClassVar[bool] = True


@dataclass(frozen=True)
class Step(Schedule):
    """Multiply by `factor` at each of the `milestones`.

    Parameters
    ----------
    milestones : tuple of float, default=(0.5, 0.75)
        As fractions of the plan.
    factor : float, default=0.1
    """

    milestones: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    name: ClassVar[str] = "step"
    planned: ClassVar[bool] = True

    def factors(self, epoch, epochs, samples, power):
        passed = epoch[:, None] >= np.asarray(self.milestones) * epochs
        return self.factor ** passed.sum(axis=1)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Linear warm-up, then half a cosine down to zero (Loshchilov and Hutter, 2017).

    Parameters
    ----------
    warmup : float in [0, 1), default=0.05
        Fraction of the plan in which the rate grows linearly.
    """

    warmup: float = 0.05

    name: ClassVar[str] = "cosine"
    planned: ClassVar[bool] = True

    def __post_init__(self):
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup={self.warmup} of Cosine must be in [0, 1)")

    def factors(self, epoch, epochs, samples, power):
        done = epoch / epochs
        rest = np.clip((done - self.warmup) / (1 - self.warmup), 0, 1)
        falling = 0.5 * (1 + np.cos(np.pi * rest))
        if self.warmup == 0:
            return falling
        return np.minimum(done / self.warmup, 1.0) * falling


SCHEDULES = {s.name: s for s in (Schedule, InvScaling, Adaptive, Step, Cosine)}


def resolve(schedule) -> Schedule:
    """A schedule from its name, or as it is.

    Parameters
    ----------
    schedule : str or Schedule

    Returns
    -------
    Schedule

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(schedule, Schedule):
        return schedule
    if schedule in SCHEDULES:
        return SCHEDULES[schedule]()
    raise ValueError(
        f"learning_rate={schedule!r} is unknown; allowed are {sorted(SCHEDULES)} or an "
        "instance of hogblock.schedules.Schedule"
    )


def rate_table(
    schedule: Schedule,
    rate: float,
    power: float,
    *,
    epochs: int,
    batches: int,
    samples: int,
    planned: int | None = None,
    first_epoch: int = 0,
    seen: int = 0,
) -> tuple[np.ndarray, int]:
    """Rates of a run on a grid.

    Parameters
    ----------
    schedule : Schedule
    rate, power : float
        ``learning_rate_init`` and ``power_t``.
    epochs, batches : int
        Of this run.
    samples : int
        That an epoch of this run sees.
    planned : int, default=None
        Epochs of the whole plan; None: this run is all of it.
    first_epoch : int, default=0
        Epochs of the plan that are over.
    seen : int, default=0
        Samples that the model has seen before.

    Returns
    -------
    table : ndarray of shape (epochs * points,), float32
    points : int
        Points an epoch.
    """
    points = max(1, min(batches, POINTS_PER_RUN // epochs))
    epoch = (np.arange(epochs * points) + 0.5 / points) / points
    factors = schedule.factors(
        first_epoch + epoch,
        first_epoch + epochs if planned is None else planned,
        seen + samples * epoch.astype(np.int64),
        power,
    )
    return (rate * factors).astype(np.float32), points
