"""The run: its settings, what follows it, and the engine that trains."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from hogblock import methods, schedules
from hogblock.engines.base import Engine
from hogblock.engines.registry import outputs_of
from hogblock.estimators.callbacks import Following, Listener, has_callbacks
from hogblock.estimators.checkpoints import NoCheckpoints
from hogblock.estimators.continued import Standing
from hogblock.estimators.divergence import (
    MOST_REDUCTIONS,
    check_divergence,
    refuse,
    restored,
    warn_of_reduction,
    with_reductions,
)
from hogblock.estimators.fitted import attributes_by_params
from hogblock.estimators.keeping import Keeper
from hogblock.estimators.outcome import Outcome
from hogblock.estimators.problem import Problem
from hogblock.estimators.start import Start
from hogblock.kernels.warn import warn
from hogblock.methods import Method
from hogblock.saving.checkpoint import Checkpoint
from hogblock.scheduling.base import Scheduler
from hogblock.scheduling.replay import Replay
from hogblock.training.progress import progress_bar
from hogblock.training.run_plan import count_batches
from hogblock.training.run_state import StateError
from hogblock.training.scheduled import check_scheduler
from hogblock.training.settings import Settings, TrainingData
from hogblock.training.stopping import Monitor, gate_of


def run(
    estimator,
    engine: Engine,
    problem: Problem,
    start: Start,
    checkpoints: NoCheckpoints,
    listeners: list[Listener],
) -> Outcome:
    """Train, from the start or from a checkpoint, and tell those who listen.

    Raises
    ------
    ValueError
        If training diverges, and `on_divergence` is "raise"; or the checkpoint is of
        another fit.
    """
    check_divergence(estimator, engine)
    checkpoints.begin(estimator, problem, start)
    targets, standing = problem.encoded(), start.standing
    data = TrainingData(problem.X, targets, problem.weights, *start.inputs)
    settings = settings_of(estimator, engine, problem, start)
    if standing.planned >= estimator.max_iter and not settings.rate.any():
        _warn_of_rest(estimator)
    batches = count_batches(len(problem.X), settings.batch)
    monitor = _monitor_of(estimator, problem, start, batches)
    velocity = standing.velocity(settings, engine.workers_of(settings))
    reduces = estimator.on_divergence == "reduce_lr"
    keeper = Keeper(monitor, checkpoints, reduces)
    settings = replace(settings, hold_every=keeper.hold_every)
    if checkpoints.found is not None:
        settings = _resumed(checkpoints.found, settings, monitor, keeper)
    most = MOST_REDUCTIONS if reduces else 0
    seen = attributes_by_params(estimator, problem, start, monitor)
    following = Following(keeper, listeners, seen, settings.epochs)
    for each in listeners:
        each.begin()
    samples = problem.n_samples * _passes(settings)  # of an epoch
    rows = len(problem.X)
    with progress_bar(estimator.verbose, settings.epochs * samples) as bar:
        monitor.report = bar.describe
        while True:
            state: dict[str, Any] = {"state": keeper.state} if keeper.state else {}
            first = keeper.state.params if keeper.state else start.params
            following.begins(len(monitor.losses), first)
            try:
                result = engine.train(
                    start.network, data, with_reductions(settings, keeper.reductions),
                    start.params, following, velocity,
                    lambda done: bar.update(done * problem.n_samples // rows), **state,
                )  # fmt: skip
            except StateError as error:
                where = f"checkpoint={os.fspath(estimator.checkpoint)!r}"
                raise ValueError(f"{where}: {error}") from None
            diverged = monitor.diverged or result.diverged
            if not diverged or result.error or keeper.reductions >= most:
                break
            epoch = len(monitor.losses) + 1
            warn_of_reduction(epoch, keeper.go_back())
    if diverged:
        if estimator.on_divergence == "raise" and result.error is None:
            refuse(estimator, monitor)
        rows *= _passes(settings)
        result = restored(estimator, monitor, result, start.params, rows)
    settings = with_reductions(settings, keeper.reductions)
    return Outcome(settings, monitor, result, following.stopped)


def _resumed(
    found: Checkpoint, settings: Settings, monitor: Monitor, keeper: Keeper
) -> Settings:
    """Let a run go on from a checkpoint; returns its settings."""
    keeper.resume(found)
    epochs = max(settings.epochs, found.state.epochs)
    return replace(settings, epochs=found.state.epochs if monitor.converged else epochs)


def _passes(settings: Settings) -> int:
    """Over all the data, in an epoch."""
    return settings.workers if settings.method.epochs == "worker" else 1


def settings_of(estimator, engine: Engine, problem: Problem, start: Start) -> Settings:
    """How the engine has to train."""
    standing = start.standing
    named = estimator.method
    method = methods.resolve(engine.default_method if named == "auto" else named)
    schedule = schedules.resolve(estimator.learning_rate)
    batch = estimator._batch_size(len(problem.X))
    batches = count_batches(len(problem.X), batch)
    epochs = _epochs(estimator, standing, method, batches)
    workers = _workers(estimator, engine, start.network, method, batches)
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
    patience = _patience(estimator)
    if estimator.max_grad_norm is not None and not engine.clips:
        raise ValueError(
            f"max_grad_norm={estimator.max_grad_norm} is for the host only, and "
            f"device={estimator.device!r}: set device='cpu', or max_grad_norm=None"
        )
    seen = problem.validation is not None or has_callbacks(estimator)
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
        max_grad_norm=estimator.max_grad_norm,
        alpha=estimator.alpha,
        seed=start.seed,
        gate=gate_of(method, schedule, patience, seen),
        augmentation=getattr(estimator, "augmentation", None),
        planned=estimator.max_iter
        if schedule.planned
        else int(min(estimator.max_iter, estimator.n_iter_no_change + 2)),
        trained=standing.epochs,
        schedule=estimator.schedule,
        max_worker_restarts=estimator.max_worker_restarts,
        memmap_dir=estimator.memmap_dir,
    )
    alone = engine.workers_of(settings) == 1
    return replace(settings, keeps_velocity=schedule.keeps_velocity and alone)


def _epochs(estimator, standing: Standing, method: Method, batches: int) -> int:
    """Epochs of a run at most."""
    wanted = 1 if standing.incremental else estimator.max_iter
    schedule = estimator.schedule
    if not isinstance(schedule, Replay):
        return wanted
    if standing.incremental:
        raise ValueError("partial_fit cannot replay a log: fit does")
    return schedule.epochs(wanted, batches, method.epochs == "worker")


def _workers(estimator, engine: Engine, network, method: Method, batches: int) -> int:
    """Workers of a run: those of the machine, or of a scheduler."""
    schedule = estimator.schedule
    if schedule is not None and not engine.follows_schedules:
        raise ValueError(
            f"schedule={schedule!r} is followed on the host only, and "
            f"device={estimator.device!r}: set device='cpu'"
        )
    if isinstance(schedule, Scheduler):
        check_scheduler(schedule, network, method)
        return schedule.workers
    return engine.usable_workers(network, method, estimator.n_jobs, batches)


def _patience(estimator) -> float:
    """Epochs without an improvement after which something is done: the end, or less.

    A log says itself where it ends.
    """
    adapts = isinstance(schedules.resolve(estimator.learning_rate), schedules.Adaptive)
    if isinstance(estimator.schedule, Replay) and not adapts:
        return np.inf
    return estimator.n_iter_no_change


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
        patience=_patience(estimator),
        early_stopping=estimator.early_stopping,
        penalty=penalty,
        score=_score_of(estimator, problem, start),
        outputs_finite=_probe_of(estimator, problem, start),
        best_loss=start.standing.best_loss,
        stalled=start.standing.stalled,
    )


def _probe_of(estimator, problem: Problem, start: Start) -> Callable:
    """Whether the outputs of given parameters, for some samples, are finite."""
    some = problem.X[: estimator._batch_size(len(problem.X))]

    def finite(params):
        outputs = outputs_of(
            start.network, params, some, start.inputs, estimator.device
        )
        return bool(np.isfinite(outputs).all())

    return finite


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
    if outcome.result.diverged:  # which was said
        return
    monitor = outcome.monitor
    replays = isinstance(estimator.schedule, Replay)  # as far as the log goes
    planned = incremental or replays or monitor.schedule.planned
    if not (planned or monitor.converged or outcome.stopped):
        warn(
            f"max_iter={estimator.max_iter} epochs are over and the loss still falls: "
            "the optimization has not converged yet.",
            ConvergenceWarning,
        )
