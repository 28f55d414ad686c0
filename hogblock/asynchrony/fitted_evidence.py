"""What a fitted estimator shows of the assumptions of convergence."""

from itertools import groupby, pairwise

import numpy as np

from hogblock import methods, schedules
from hogblock.asynchrony.evidence import (
    MOST_SAMPLES,
    Draws,
    Evidence,
    Rates,
    tail_power,
    variance_of,
)
from hogblock.asynchrony.gradients import objective_of
from hogblock.asynchrony.worker_law import age_bound_of, worker_law_of
from hogblock.estimators.base import NetworkEstimator
from hogblock.methods import Method, Stretch
from hogblock.methods.scopes import FULL, OWN, SUFFIX
from hogblock.models import Dropout
from hogblock.scheduling.base import Scheduler
from hogblock.scheduling.log import EventLog
from hogblock.scheduling.replay import Replay

BATCHES = 1000
"""Of an epoch, for turns that begin at a fraction of it."""


def evidence_of_fit(model: NetworkEstimator, X=None, y=None) -> Evidence:
    """What a fitted estimator shows; X and y are samples to take minibatches of."""
    named = model.method_ if model.method == "auto" else model.method
    method = methods.resolve(named)
    stretches = _stretches(model, method)
    whole = _writes_all(model, method, stretches)
    alone = model.n_workers_ == 1 or method.together
    owned = _owned(model, method, stretches)
    log = getattr(model, "events_", None)
    largest, means, unit = _ages(model, log)
    bound, source = _bound(model, method, alone)
    chances, within = _promised(model, method, stretches, whole)
    steps = int(model.staleness_.sum(axis=1).max(initial=0))
    return Evidence(
        subject=f"{type(model).__name__}, method={method.name!r}, "
        f"{model.n_workers_} workers, {steps} steps",
        memory=_memory(model, method, alone),
        events=steps,
        workers=int(model.n_workers_),
        unit=unit,
        largest_ages=largest,
        mean_ages=means,
        open_ended=log is None and bool(model.staleness_[:, -1].any()),
        age_bound=bound,
        age_source=source,
        updates=[int(count) for count in model.updates_per_block_],
        chances=chances,
        within=within,
        gaps=None if log is None else gaps_of(log),
        fresh=alone or owned,
        sharing=_sharing(method, alone, owned),
        own_age=max(_largest(row) for row in model.overlap_),
        lost=None,
        draws=_draws(model, method, steps, X, y),
        rates=_rates(model, method, steps),
        norm=float(np.linalg.norm(model._params.astype(np.float64))),
        norm_of="the fitted parameters",
        diverged=False,  # such a fit is an error
    )


def _stretches(model, method: Method) -> list[Stretch]:
    """Those that a run of all its epochs comes to."""
    epochs = max(1, int(model.max_iter))
    found = method.stretches(BATCHES, epochs)
    return [stretch for stretch in found if stretch.start < BATCHES * epochs]


def _scopes(stretches: list[Stretch]) -> set:
    return {scope for stretch in stretches for scope in stretch.turns}


def _writes_all(model, method: Method, stretches: list[Stretch]) -> bool:
    """Whether every step updates everything."""
    scopes = _scopes(stretches)
    has_all = model.n_workers_ == 1 and method.blocks_per_worker == 1
    return scopes <= ({FULL, OWN, SUFFIX} if has_all else {FULL})


def _owned(model, method: Method, stretches: list[Stretch]) -> bool:
    """Whether each block has one writer."""
    several = isinstance(model.device_, list)
    shared = several and model.n_workers_ > len(model.device_)
    return method.owns_blocks and _scopes(stretches) == {OWN} and not shared


def _memory(model, method: Method, alone: bool) -> str:
    if alone:
        return "Nobody writes during a step: it reads one version of the parameters."
    if isinstance(model.schedule, Scheduler):
        return "Scheduled reads: each block has the age that the schedule gives it."
    if method.reads == "copy":
        return (
            'Inconsistent reads (reads="copy"): a step copies the parameters first, '
            "each word with an age of its own, and uses this one vector."
        )
    return (
        'Direct reads (reads="direct"): words are read in place and twice a step, so '
        'that there is no one vector that was read; reads="copy" has one.'
    )


# Ages -------------------------------------------------------------------------------


def _largest(histogram: np.ndarray) -> int:
    return int(np.flatnonzero(histogram).max(initial=0))


def _ages(model, log: EventLog | None) -> tuple[list[int], list[float], str]:
    """Largest and mean of each block, and their unit."""
    if log is not None and len(log):
        delays = log.delays()
        largest, means = delays.max(axis=0), delays.mean(axis=0)
        return [int(a) for a in largest], [float(a) for a in means], "events"
    counts = model.staleness_
    sums = np.maximum(counts.sum(axis=1), 1)
    means = counts @ np.arange(counts.shape[1]) / sums
    return (
        [_largest(row) for row in counts],
        [float(mean) for mean in means],
        "writes of the block by others",
    )


def _bound(model, method: Method, alone: bool) -> tuple[int | None, str]:
    schedule = model.schedule
    if isinstance(schedule, Replay):
        return None, "The replayed log"
    if isinstance(schedule, Scheduler):
        return age_bound_of(schedule), f"The scheduler {type(schedule).__name__}"
    if model.n_workers_ == 1:
        return 0, "One worker"
    if alone:
        return 0, f"The barrier of {method.name!r}"
    return None, "The machine"


def gaps_of(log: EventLog) -> list[int]:
    """Most events from an update of each block to its next; ends count as updates."""
    gaps = []
    for column in log.writes.T:
        at = np.concatenate([[-1], np.flatnonzero(column), [len(log) - 1]])
        gaps.append(int(np.diff(at).max()))
    return gaps


def _sharing(method: Method, alone: bool, owned: bool) -> str:
    if alone:
        return "No step of another worker ends during a step."
    if owned:
        return "Each block has one writer, who sees all of its own updates."
    if method.owns_blocks:
        return (
            f"Some turns of {method.name!r} write blocks of other workers: "
            'method="passm", whose turns are all "own", mends it.'
        )
    return f'All workers of {method.name!r} write all blocks: method="passm" mends it.'


# Updates ----------------------------------------------------------------------------


def _promised(
    model, method: Method, stretches: list[Stretch], whole: bool
) -> tuple[list[float] | None, list[int] | None]:
    """`chances` and `within` of the blocks."""
    blocks, workers = len(model.updates_per_block_), int(model.n_workers_)
    if whole:
        return [1.0] * blocks, [1] * blocks
    if method.blocks_per_worker == 1 and all(FULL in s.turns for s in stretches):
        # Nobody takes more turns in a row without a full one.
        runs = [longest_without_full(stretch.turns) for stretch in stretches]
        most = max([*runs, *(a + b for a, b in pairwise(runs))])
        return None, [workers * most + 1] * blocks
    own = method.blocks_per_worker
    if (
        _scopes(stretches) != {OWN}
        or not isinstance(model.schedule, Scheduler)
        or blocks != workers * own
    ):
        return None, None
    law = worker_law_of(model.schedule)
    chances = None if law.chances is None else np.repeat(law.chances / own, own)
    within = law.within if own == 1 else None
    return None if chances is None else chances.tolist(), within


def longest_without_full(turns: tuple) -> int:
    """Of turns that come again and again."""
    runs = groupby([*turns, *turns], key=lambda scope: scope == FULL)
    return max((len(list(run)) for full, run in runs if not full), default=0)


# Subgradients -----------------------------------------------------------------------


def _drops(layer) -> bool:
    return isinstance(layer, Dropout) and layer.rate > 0


def _draws(model, method: Method, steps: int, X, y) -> Draws:
    notes, changing = [], ""
    if method.thinning > 0:
        notes.append(
            "Thinning divides by the odds of what is left: it adds variance, no bias."
        )
    if any(_drops(stage.layer) for stage in model._network.stages):
        changing = "dropout"
        notes.append(
            "Dropout is drawn anew: unbiased for the loss that is expected under it."
        )
    if getattr(model, "augmentation", None):
        changing = "augmentation"
        notes.append("Augmentation is drawn anew: unbiased for the expected loss.")
    passes = model.n_workers_ if method.epochs == "worker" else 1
    if steps == model.n_iter_ * passes:  # a minibatch an epoch
        kind = "independent" if notes else "none"
    else:
        kind = "epochs" if model.shuffle else "in order"
    if X is None:
        return Draws(
            kind, tuple(notes), missing="The variance is that of X and y, if given."
        )
    if changing:
        missing = f"No variance is measured: {changing} changes the minibatches."
        return Draws(kind, tuple(notes), missing=missing)
    objective = objective_of(model, X, y)
    count = objective.batches
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_SAMPLES)).round())
    found = [objective.gradient(model._params, int(each)) for each in chosen]
    return Draws(kind, tuple(notes), count, variance_of(np.array(found)))


# Rates ------------------------------------------------------------------------------


def _rates(model, method: Method, steps: int) -> Rates:
    schedule = schedules.resolve(model.learning_rate)
    kind = type(schedule)
    power = None
    if kind is schedules.Schedule:
        rule, name = "constant", 'learning_rate="constant"'
    elif isinstance(schedule, schedules.InvScaling):
        rule, power = "power", float(model.power_t)
        name = f'learning_rate="invscaling" with power_t={model.power_t:g}'
    elif isinstance(schedule, schedules.Adaptive):
        rule, name = "adaptive", 'learning_rate="adaptive"'
    elif schedule.planned:
        rule, name = "plan", f"learning_rate={schedule.name!r}"
    else:
        rule, name = "unknown", f"The schedule {kind.__name__}"
    rates = _table(model, method, schedule, steps)
    if rates is None:
        return Rates(rule, name, power, None, None, None, None)
    if rule == "unknown":
        power = tail_power(rates)
    if rule == "adaptive":  # by how often the loss stalled
        return Rates(
            rule, name, power, float(rates[0]), float(model._carried.rate), None, None
        )
    return Rates(
        rule,
        name,
        power,
        float(rates[0]),
        float(rates[-1]),
        float(rates.sum()),
        float(np.square(rates).sum()),
    )


def _table(model, method: Method, schedule, steps: int) -> np.ndarray | None:
    """Rate of every step of the last run, by the shared count; None without epochs."""
    epochs, all_epochs = int(model.n_iter_), len(model.loss_curve_)
    if epochs < 1 or steps < epochs:
        return None
    passes = model.n_workers_ if method.epochs == "worker" else 1
    batches = max(1, round(steps / epochs / passes))
    samples = round(model.t_ / all_epochs)
    table, points = schedules.rate_table(
        schedule,
        model.learning_rate_init,
        model.power_t,
        epochs=epochs,
        batches=batches,
        samples=samples,
        planned=int(model.max_iter),
        seen=samples * (all_epochs - epochs),
    )
    _, factor = method.coefficients(model.momentum, int(model.n_workers_))
    at = np.arange(epochs * batches) * points // batches
    return np.repeat(table.astype(np.float64)[at] * factor, passes)
