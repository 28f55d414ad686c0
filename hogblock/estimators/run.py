"""The run: its settings, what follows it, and the engine that trains."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from hogblock import methods, schedules
from hogblock.engines.base import Engine
from hogblock.engines.registry import outputs_of
from hogblock.estimators.problem import Problem
from hogblock.estimators.start import Start
from hogblock.kernels.warn import warn
from hogblock.training.progress import progress_bar
from hogblock.training.run_plan import count_batches
from hogblock.training.settings import Result, Settings, TrainingData
from hogblock.training.stopping import Monitor, gate_of


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    settings : Settings
    monitor : Monitor
        Losses, scores, and what they said.
    result : Result
    """

    settings: Settings
    monitor: Monitor
    result: Result


def run(estimator, engine: Engine, problem: Problem, start: Start) -> Outcome:
    """Train.

    Raises
    ------
    ValueError
        If training diverges.
    """
    targets, standing = problem.targets.encode(problem.y), start.standing
    data = TrainingData(problem.X, targets, problem.weights, *start.inputs)
    settings = settings_of(estimator, engine, problem, start)
    if standing.planned >= estimator.max_iter and not settings.rate.any():
        _warn_of_rest(estimator)
    batches = count_batches(len(problem.X), settings.batch)
    monitor = _monitor_of(estimator, problem, start, batches)
    velocity = standing.velocity(settings, engine.workers_of(settings))
    with progress_bar(estimator.verbose, settings.epochs, batches) as bar:
        monitor.report = bar.describe
        result = engine.train(
            start.network, data, settings, start.params, monitor, velocity, bar.update
        )
    if monitor.diverged:
        raise ValueError(_divergence(estimator, len(monitor.losses) + 1))
    return Outcome(settings, monitor, result)


def settings_of(estimator, engine: Engine, problem: Problem, start: Start) -> Settings:
    """How the engine has to train."""
    standing = start.standing
    named = estimator.method
    method = methods.resolve(engine.default_method if named == "auto" else named)
    schedule = schedules.resolve(estimator.learning_rate)
    epochs = 1 if standing.incremental else estimator.max_iter
    batch = estimator._batch_size(len(problem.X))
    batches = count_batches(len(problem.X), batch)
    workers = engine.usable_workers(start.network, method, estimator.n_jobs, batches)
    passes = workers if method.epochs == "worker" else 1
    rate, points = schedules.rate_table(
        schedule,
        _first_rate(estimator, start),
        estimator.power_t,
        epochs=epochs,
        batches=batches,
        samples=passes * problem.n_samples,
        planned=estimator.max_iter,
        first_epoch=standing.planned,
        seen=standing.samples,
    )
    patience = estimator.n_iter_no_change
    settings = Settings(
        method=method,
        workers=workers,
        batch=batch,
        epochs=epochs,
        loss=estimator._loss_of(problem.targets),
        rate=rate,
        rate_points=points,
        momentum=estimator.momentum,
        nesterov=estimator.nesterovs_momentum and estimator.momentum > 0,
        shuffle=estimator.shuffle,
        alpha=estimator.alpha,
        seed=start.seed,
        gate=gate_of(method, schedule, patience, problem.validation is not None),
        augmentation=getattr(estimator, "augmentation", None),
        planned=estimator.max_iter
        if schedule.planned
        else int(min(estimator.max_iter, patience + 2)),
        trained=standing.epochs,
    )
    alone = engine.workers_of(settings) == 1
    return replace(settings, keeps_velocity=schedule.keeps_velocity and alone)


def _first_rate(estimator, start: Start) -> float:
    """Initial learning rate, times what "adaptive" made of it in the calls before."""
    schedule = schedules.resolve(estimator.learning_rate)
    adapts = isinstance(schedule, schedules.Adaptive)
    factor = start.standing.rate_factor if adapts else 1.0
    return estimator.learning_rate_init * factor


def _monitor_of(estimator, problem: Problem, start: Start, batches: int) -> Monitor:
    """What follows a run of `batches` minibatches an epoch, and ends it."""
    weights = problem.weights
    total = weights.sum() if weights.size else len(problem.X)

    def penalty(params):
        squares = sum(
            float(np.square(t.view(params), dtype=np.float64).sum())
            for t in start.network.tensors
            if t.decays
        )
        return 0.5 * estimator.alpha * squares * batches / float(total)

    return Monitor(
        schedule=schedules.resolve(estimator.learning_rate),
        rate=_first_rate(estimator, start),
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        early_stopping=estimator.early_stopping,
        penalty=penalty,
        score=_score_of(estimator, problem, start),
        best_loss=start.standing.best_loss,
        stalled=start.standing.stalled,
    )


def _score_of(estimator, problem: Problem, start: Start) -> Callable | None:
    """The validation score of given parameters; None without a validation set."""
    validation = problem.validation
    if validation is None:
        return None

    def score(params):
        outputs = outputs_of(
            start.network, params, validation.X, start.inputs, estimator.device
        )
        return estimator._score_outputs(
            outputs, validation.y, validation.weights, problem.targets
        )

    return score


def _divergence(estimator, epoch: int) -> str:
    """What to say, and to advise, when the loss of an epoch is not finite."""
    scaling = "" if estimator.standardize else ", or standardize=True"
    momentum = f" or momentum={estimator.momentum}" if estimator.momentum else ""
    return (
        f"training diverged: the loss is not finite in epoch {epoch}. Try a smaller "
        f"learning_rate_init={estimator.learning_rate_init}{momentum}{scaling}"
    )


def _warn_of_rest(estimator) -> None:
    warn(
        f"learning_rate={estimator.learning_rate!r} was planned over max_iter="
        f"{estimator.max_iter} epochs, which are over: the rate is 0 and nothing is "
        "learnt. Set a larger max_iter, or fit anew"
    )


def warn_if_unfinished(estimator, outcome: Outcome, incremental: bool) -> None:
    """Say that a run was interrupted, or that its loss would still fall."""
    if outcome.result.interrupted:
        warn("Training interrupted by user.")
        return
    monitor = outcome.monitor
    if not (incremental or monitor.converged or monitor.schedule.planned):
        warn(
            f"max_iter={estimator.max_iter} epochs are over and the loss still falls: "
            "the optimization has not converged yet.",
            ConvergenceWarning,
        )
