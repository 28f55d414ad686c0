"""What a run leaves in its estimator."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from hogblock.engines.base import Engine
from hogblock.estimators.callbacks import Attributes
from hogblock.estimators.continued import Carried, Standing, values_of
from hogblock.estimators.outcome import Outcome
from hogblock.estimators.problem import Problem
from hogblock.estimators.start import Start
from hogblock.training.settings import Result
from hogblock.training.stopping import Monitor


def fitted_attributes(
    estimator, engine: Engine, problem: Problem, start: Start, outcome: Outcome
) -> dict[str, object]:
    """All attributes that a fit sets, by name; the estimator stays as it was."""
    targets, standard = problem.targets, start.standard
    if not start.standing.incremental:
        targets, standard = targets.settled(), standard and standard.settled()
    params = _params_of(outcome)
    network, inputs = start.network, start.inputs
    return {
        **derived_attributes(estimator, network, params, inputs, targets),
        **_predicting(problem, start, params),
        "n_workers_": outcome.result.workers,
        "method_": outcome.settings.method.name,
        "device_": engine.name,
        "n_worker_restarts_": outcome.result.restarts,
        "events_": outcome.result.events,
        "nodes_": outcome.result.nodes,
        "rounds_": outcome.result.rounds,
        **_losses(estimator, start.standing, outcome),
        **_scores(estimator, start.standing, outcome.monitor),
        **_lengths(estimator, problem, start.standing, outcome),
        **_counts(estimator, start.standing, outcome.result),
        "_targets": targets,
        "_scale": estimator._form.scale(problem.X),
        # For training on.
        "_standard": standard,
        "_values": values_of(estimator),
        "_random_state": start.random,
        "_seed": estimator.random_state,
        "_carried": _carried(start.standing, outcome),
    }


def attributes_by_params(
    estimator, problem: Problem, start: Start, monitor: Monitor
) -> Callable[[np.ndarray], Attributes]:
    """What an estimator would predict by, had its run ended with some parameters.

    Parameters
    ----------
    estimator : NetworkEstimator
    problem : Problem
    start : Start
    monitor : Monitor
        That follows the run.
    """

    @cache
    def scale():  # a pass over X
        return estimator._form.scale(problem.X)

    def made(params: np.ndarray) -> dict[str, Any]:
        network, inputs, standing = start.network, start.inputs, start.standing
        curve = _curve(estimator, standing, monitor)
        return {
            **derived_attributes(estimator, network, params, inputs, problem.targets),
            **_predicting(problem, start, params),
            "_targets": problem.targets,
            "_scale": scale(),
            "loss_curve_": curve,
            "loss_": curve[-1] if curve else np.inf,
            "best_loss_": min(curve, default=np.inf),
            **_scores(estimator, standing, monitor),
            "n_iter_": _epochs(estimator, standing, monitor),
        }

    return lambda params: partial(made, params)


def _predicting(problem: Problem, start: Start, params: np.ndarray) -> dict[str, Any]:
    """What predictions go by, beside the targets and the scale of X."""
    return {
        "_network": start.network,
        "_inputs": start.inputs,
        "_params": params,
        "_shape": problem.shape,
    }


def derived_attributes(estimator, network, params, inputs, targets) -> dict[str, Any]:
    """Those that follow from what predictions need: copies of parameters, counts."""
    coefs, intercepts = estimator._make_coefs(network, params, inputs, targets)
    return {
        "coefs_": coefs,
        "intercepts_": intercepts,
        "n_layers_": sum(t.role == "weight" for t in network.tensors) + 1,
        "n_outputs_": targets.n_outputs,
        "out_activation_": targets.link,
    }


def _best_params(outcome: Outcome) -> np.ndarray | None:
    """Those of the best validation score, if the estimator takes them."""
    monitor = outcome.monitor
    return monitor.best_params if monitor.early_stopping else None


def _params_of(outcome: Outcome) -> np.ndarray:
    best = _best_params(outcome)
    return outcome.result.params if best is None else best


def _curve(estimator, standing: Standing, monitor: Monitor) -> list[float]:
    return (estimator.loss_curve_ if standing.warm else []) + monitor.losses


def _losses(estimator, standing: Standing, outcome: Outcome) -> dict:
    monitor = outcome.monitor
    curve = _curve(estimator, standing, monitor)
    last = curve[-1] if curve else monitor.loss_of(outcome.result)
    by_loss = _best_params(outcome) is None
    best = min(curve, default=np.inf) if by_loss else None
    return {"loss_curve_": curve, "loss_": last, "best_loss_": best}


def _scores(estimator, standing: Standing, monitor: Monitor) -> dict:
    before = getattr(estimator, "validation_scores_", None) if standing.warm else None
    scores = (before or []) + monitor.scores
    return {
        "validation_scores_": scores if monitor.score else None,
        "best_validation_score_": monitor.best_score,
    }


def _lengths(estimator, problem: Problem, standing: Standing, outcome: Outcome) -> dict:
    """Epochs, and samples, of which merged ones count as often as they were given."""
    seen = outcome.result.samples * problem.n_samples // len(problem.X)
    return {
        "n_iter_": _epochs(estimator, standing, outcome.monitor),
        "t_": (estimator.t_ if standing.warm else 0) + seen,
    }


def _epochs(estimator, standing: Standing, monitor: Monitor) -> int:
    before = estimator.n_iter_ if standing.goes_on else 0
    return before + len(monitor.losses)


def _counts(estimator, standing: Standing, result: Result) -> dict:
    """What was counted: of all calls of ``partial_fit``, if workers are as many."""
    counts: dict[str, Any] = {
        "staleness_": result.staleness,
        "overlap_": result.overlap,
        "updates_per_block_": result.updates_per_block,
        "steps_per_worker_": result.steps_per_worker,
        "training_seconds_": result.seconds,
        "n_backpropagated_": result.kept,
    }
    if not standing.goes_on:
        return counts
    before = {name: getattr(estimator, name) for name in counts}
    return {
        name: before[name] + count
        if before[name] is not None
        and count is not None
        and np.shape(before[name]) == np.shape(count)
        else count
        for name, count in counts.items()
    }


def _carried(standing: Standing, outcome: Outcome) -> Carried:
    settings, monitor = outcome.settings, outcome.monitor
    rate = settings.rate_after(len(monitor.losses))
    return Carried(
        outcome.result.velocity,
        rate=rate * monitor.rate_factor,
        rate_factor=standing.rate_factor * monitor.rate_factor,
        stalled=monitor.stalled,
    )
