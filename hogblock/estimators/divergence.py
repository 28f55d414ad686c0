"""What is done when a loss or a parameter is not finite: ``on_divergence``."""

from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from hogblock.engines.base import Engine
from hogblock.kernels.warn import warn
from hogblock.training.run_state import RunState
from hogblock.training.settings import Result, Settings
from hogblock.training.stopping import Monitor

REDUCTION = 0.2
"""Of the learning rates: what "adaptive" takes."""

MOST_REDUCTIONS = 5


def check_divergence(estimator, engine: Engine) -> None:
    """Refuse to go on with smaller rates where no state is kept to go on from.

    Raises
    ------
    ValueError
    """
    if estimator.on_divergence != "reduce_lr":
        return
    if not engine.keeps_states:
        raise ValueError(
            f"on_divergence='reduce_lr' is for the host only, and device="
            f"{estimator.device!r}: set device='cpu', or on_divergence='restore'"
        )
    if estimator.schedule is not None:
        raise ValueError(
            f"on_divergence='reduce_lr' does not go with schedule="
            f"{estimator.schedule!r}: set on_divergence='restore', or schedule=None"
        )


def refuse(estimator, monitor: Monitor) -> None:
    """Raise what "raise" asks for."""
    raise ValueError(
        f"training diverged: the loss is not finite in epoch {_epoch(monitor)}. "
        f"{_advice(estimator)}"
    )


def restored(
    estimator, monitor: Monitor, result: Result, params: np.ndarray, samples: int
) -> Result:
    """What a run that diverged leaves: the last epoch that was finite. Warns.

    Parameters
    ----------
    estimator : NetworkEstimator
    monitor : Monitor
        That has followed the run.
    result : Result
    params : ndarray of shape (size,)
        That the run began with.
    samples : int
        Seen in an epoch.
    """
    epochs = len(monitor.losses)
    model = f"the parameters of epoch {epochs}" if epochs else "the initial parameters"
    warn(
        f"training diverged in epoch {_epoch(monitor)}: {model} are restored. "
        f"{_advice(estimator)}",
        ConvergenceWarning,
    )
    finite = monitor.finite_params
    return replace(
        result,
        params=params if finite is None else finite,
        velocity=np.zeros_like(result.velocity),
        losses=result.losses[:epochs],
        loss_so_far=None,
        diverged=True,
        samples=epochs * samples,
    )


def still(state: RunState) -> RunState:
    """The same without momentum, which has led out of what is finite."""
    nothing = {"velocity": np.zeros_like(state.arrays["velocity"])}
    return replace(state, arrays=state.arrays | nothing)


def warn_of_reduction(diverged: int, epochs: int) -> None:
    """Say that a run goes on at smaller rates.

    Parameters
    ----------
    diverged : int
        The epoch that was not finite, counted from 1.
    epochs : int
        After how many it goes on.
    """
    place = f"from the end of epoch {epochs}" if epochs else "from the beginning"
    warn(
        f"training diverged in epoch {diverged}: it goes on {place} with learning "
        f"rates times {REDUCTION}",
        ConvergenceWarning,
    )


def with_reductions(settings: Settings, reductions: int) -> Settings:
    """The same with rates that were reduced so often."""
    rate = settings.rate * np.float32(REDUCTION**reductions)
    return replace(settings, rate=rate)


def _epoch(monitor: Monitor) -> int:
    return len(monitor.losses) + 1


def _advice(estimator) -> str:
    scaling = "" if estimator.standardize else ", or standardize=True"
    momentum = f" or momentum={estimator.momentum}" if estimator.momentum else ""
    return (
        f"Try a smaller learning_rate_init={estimator.learning_rate_init}{momentum}"
        f"{scaling}"
    )
