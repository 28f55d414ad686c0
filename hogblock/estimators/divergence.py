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


def reduced(
    monitor: Monitor, settings: Settings, state: RunState | None
) -> tuple[Settings, RunState | None]:
    """How to go on from the last epoch that was finite, without its momentum. Warns."""
    warn(
        f"training diverged in epoch {_epoch(monitor)}: it goes on from the end of "
        f"epoch {len(monitor.losses)} with learning rates times {REDUCTION}",
        ConvergenceWarning,
    )
    monitor.diverged = False
    settings = replace(settings, rate=settings.rate * np.float32(REDUCTION))
    if state is None:
        return settings, None
    still = {"velocity": np.zeros_like(state.arrays["velocity"])}
    return settings, replace(state, arrays=state.arrays | still)


def _epoch(monitor: Monitor) -> int:
    return len(monitor.losses) + 1


def _advice(estimator) -> str:
    scaling = "" if estimator.standardize else ", or standardize=True"
    momentum = f" or momentum={estimator.momentum}" if estimator.momentum else ""
    return (
        f"Try a smaller learning_rate_init={estimator.learning_rate_init}{momentum}"
        f"{scaling}"
    )
