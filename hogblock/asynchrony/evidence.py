"""What a run shows of the assumptions of convergence, and what its options promise."""

from dataclasses import dataclass

import numpy as np

from hogblock.asynchrony.result import Simulation
from hogblock.asynchrony.worker_law import age_bound_of, worker_law_of

MOST_SAMPLES = 1000
"""Of a problem, whose subgradients are compared."""


@dataclass(frozen=True)
class Rates:
    """Steps of a run.

    rule : {"constant", "plan", "adaptive", "power", "unknown"}
        A "plan" has an end; "power" is a rate of k^-power.
    name : str
        Of the rule, for people.
    power : float or None
        Of the rule; or what the last nine tenths of the rates look like.
    first, last, total, squares : float or None
        First and last rate, sum of all rates and of their squares.
    """

    rule: str
    name: str
    power: float | None
    first: float | None
    last: float | None
    total: float | None
    squares: float | None


@dataclass(frozen=True)
class Draws:
    """Where subgradients come from.

    kind : {"none", "independent", "epochs", "in order"}
    notes : tuple of str
        Sentences about what else is random.
    samples : int or None
        Of which one is drawn, or minibatches.
    variance : float or None
        Mean squared distance of a subgradient from their mean, at the last x.
    missing : str
        Why there is no variance.
    """

    kind: str
    notes: tuple[str, ...] = ()
    samples: int | None = None
    variance: float | None = None
    missing: str = ""


@dataclass(frozen=True)
class Evidence:
    """Facts of one run.

    subject, memory : str
        What ran, and how it reads.
    events, workers : int
    unit : str
        In which ages are counted.
    largest_ages, mean_ages : list
        Of each block, or one entry of all together.
    open_ended : bool
        Whether the largest age stands for "or more".
    age_bound : int or None
        On all ages, by construction.
    age_source : str
        What gives the bound, or does not.
    updates : list of int
        Of each block.
    chances : list of float or None
        Least probability of each block to be updated by the next event, whatever
        the past.
    within : list of int or None
        Events in a row of which one surely updates the block.
    gaps : list of int or None
        Most events from an update of a block to its next, as far as was seen.
    fresh : bool
        Whether what a step reads of what it writes is current by construction.
    sharing : str
        Why it is not, or is, and which option would mend it.
    own_age : int
        Largest age of what a step wrote.
    lost : int or None
        Updates that others wrote over.
    draws : Draws
    rates : Rates
    norm : float
        Largest one seen.
    norm_of : str
        Of what.
    diverged : bool
    """

    subject: str
    memory: str
    events: int
    workers: int
    unit: str
    largest_ages: list[int]
    mean_ages: list[float]
    open_ended: bool
    age_bound: int | None
    age_source: str
    updates: list[int]
    chances: list[float] | None
    within: list[int] | None
    gaps: list[int] | None
    fresh: bool
    sharing: str
    own_age: int
    lost: int | None
    draws: Draws
    rates: Rates
    norm: float
    norm_of: str
    diverged: bool


def evidence_of_simulation(run: Simulation) -> Evidence:
    """What a simulation shows."""
    scheduler = run.scheduler
    bound = age_bound_of(scheduler)
    name = type(scheduler).__name__
    chances, within = _promised(run)
    owned = run.ownership == "owned"
    return Evidence(
        subject=repr(run).strip("<>"),
        memory=_memory(run),
        events=run.n_events,
        workers=scheduler.workers,
        unit="events",
        largest_ages=[int(run.largest_age)],
        mean_ages=[float(run.mean_age)],
        open_ended=False,
        age_bound=bound,
        age_source=f"The scheduler {name}",
        updates=[int(count) for count in run.updates_per_block],
        chances=chances,
        within=within,
        gaps=[int(gap) for gap in run.longest_gap],
        fresh=owned or bound == 0,
        sharing='Each block has one writer, who reads it at age 0 (ownership="owned").'
        if owned
        else "Nothing is read late."
        if bound == 0
        else "All workers write all blocks, and may read them late: "
        'ownership="owned" mends it.',
        own_age=int(run.own_age),
        lost=int(run.lost),
        draws=_draws(run),
        rates=_rates(run),
        norm=float(run.largest_norm),
        norm_of="any version of x",
        diverged=bool(run.diverged),
    )


def _memory(run: Simulation) -> str:
    reads = getattr(run.scheduler, "reads", None)
    if getattr(run.scheduler, "one_age", False):
        return "Consistent reads: a step reads one version of x as a whole."
    said = f" (reads={reads!r})" if reads else ""
    return (
        f"Inconsistent reads{said}: each of the {run.cells} that a step reads has an "
        "age of its own, and the vector that it read may never have been there."
    )


def _promised(run: Simulation) -> tuple[list[float] | None, list[int] | None]:
    """`chances` and `within` of the blocks."""
    law, blocks = worker_law_of(run.scheduler), range(len(run.blocks))

    def share(worker: int, block: int) -> float:
        """Of the worker's steps that write the block."""
        mine = run.owned[worker]
        if block not in mine:
            return 0.0
        return 1.0 if run.update == "whole" else 1 / len(mine)

    shares = np.array([[share(c, b) for b in blocks] for c in range(len(run.owned))])
    if (shares == 1).all():
        return [1.0] * len(blocks), [1] * len(blocks)
    chances = None if law.chances is None else (law.chances @ shares).tolist()
    if law.within is None or not ((shares == 0) | (shares == 1)).all():
        return chances, None
    never = np.iinfo(np.int64).max
    turns = np.where(shares == 1, np.array(law.within)[:, None], never).min(axis=0)
    return chances, turns.tolist()


def _draws(run: Simulation) -> Draws:
    count = run.problem.n_samples
    notes = () if run.noise == 0 else (f"Gaussian noise={run.noise:g} has mean 0.",)
    kind = "independent" if count > 1 or run.noise > 0 else "none"
    variance = run.noise**2 * run.problem.n
    if count > 1 and run.diverged:
        return Draws(kind, notes, count, missing="There is no last x to measure it at.")
    if count > 1:
        chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_SAMPLES)).round())
        found = [run.problem.subgradient(run.x, int(sample)) for sample in chosen]
        variance += variance_of(np.array(found))
    return Draws(kind, notes, count, float(variance))


def variance_of(gradients: np.ndarray) -> float:
    """Mean squared distance of rows (count, n) from their mean."""
    return float(np.square(gradients - gradients.mean(axis=0)).sum(axis=1).mean())


def _rates(run: Simulation) -> Rates:
    rule, name, power = "constant", f"The constant rate={run.rate!r}", None
    if callable(run.rate):
        rule, name = "unknown", "The rule that was given"
        rates = np.asarray(run.rate(np.arange(run.n_events, dtype=np.float64)))
        if np.ptp(rates) == 0:
            rule, name = "constant", "The rule that was given is constant: it"
        else:
            power = tail_power(rates)
    return Rates(
        rule,
        name,
        power,
        float(run.first_rate),
        float(run.last_rate),
        float(run.sum_of_rates),
        float(run.sum_of_squares),
    )


def tail_power(rates: np.ndarray) -> float | None:
    """p of the k^-p that the last nine tenths of some rates look like.

    The slope of a least-squares line through log rate against log k; None where there
    are too few positive rates.
    """
    k = np.arange(len(rates))
    wanted = (k >= len(rates) // 10) & (rates > 0)
    if np.count_nonzero(wanted) < 3:
        return None
    slope, _ = np.polyfit(np.log(k[wanted] + 1), np.log(rates[wanted]), 1)
    return float(-slope)
