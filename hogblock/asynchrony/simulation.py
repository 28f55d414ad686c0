"""Simulations of the event model on a problem."""

from copy import deepcopy

import numpy as np

from hogblock.asynchrony.arguments import (
    check_blocks,
    check_rates,
    check_start,
    owners,
)
from hogblock.asynchrony.problems.base import Problem
from hogblock.asynchrony.result import Simulation
from hogblock.kernels.events import simulation as kernels
from hogblock.kernels.events.schedule import GIVEN, Schedule, make_schedule
from hogblock.scheduling.arguments import check_choice, check_real, check_whole
from hogblock.scheduling.base import Scheduler
from hogblock.scheduling.compiled import SLICE, CompiledScheduler, farthest, slices
from hogblock.scheduling.given import check_events


def simulate(
    problem, scheduler, n_events, *, x0=None, blocks=None, cells="coordinates",
    ownership="shared", update="whole", momentum=0.0, nesterov=False,
    velocity="private", rate=0.1, counter="shared", writes="atomic", noise=0.0,
    history=None, n_records=1000, random_state=None,
) -> Simulation:  # fmt: skip
    """Run asynchronous momentum subgradient steps on a problem, event by event.

    Event k is the end of one worker's step, and makes x^(k+1) of x^k::

        xhat_j = x_j^(k - ages[k, j])
        g = subgradient(xhat) + noise,  u <- momentum u + g
        x_i^(k+1) = x_i^(k - overlap) - rate u_i       for what the step writes

    with g + momentum u in place of u for `nesterov`. The loop is compiled, in float64
    and plain IEEE arithmetic; the same arguments give the same run, bit for bit.

    Parameters
    ----------
    problem : Problem
        To be minimised; where it is a mean of several samples, each step draws one.
    scheduler : Scheduler
        Who takes the next step, and how old is what it reads.
    n_events : int
        Steps of all workers.
    x0 : array-like of shape (n,), default=None
        Version 0; None: standard normal numbers.
    blocks : list of (int, int) or int, default=None
        Start and stop of contiguous blocks that cover all coordinates, in order; or how
        many, evenly cut. None: one a coordinate with ``update="random"``; else one a
        worker with ``ownership="owned"``; else one.
    cells : {"coordinates", "blocks"}, default="coordinates"
        What is read at one moment, and has an age of its own where reads are
        inconsistent.
    ownership : {"shared", "owned"}, default="shared"
        Every worker writes all blocks (as `hogwild` does); or each block has one
        worker, its neighbours the same (as `passm`), who reads it at age 0 whatever
        the scheduler says: nobody else writes it.
    update : {"whole", "random"}, default="whole"
        A step writes all blocks of its worker, or one of them, drawn at random.
    momentum : float, default=0.0
        In [0, 1).
    nesterov : bool, default=False
        Whether steps look ahead.
    velocity : {"private", "shared"}, default="private"
        Whether each worker has a velocity u of its own.
    rate : float or callable, default=0.1
        Step size; or a function of the count 0, 1, ..., a float64 array, that returns
        an array like it. Not negative.
    counter : {"shared", "own"}, default="shared"
        What a rate's count counts: events, or the worker's own.
    writes : {"atomic", "racy"}, default="atomic"
        A racy write loses what was written during it.
    noise : float, default=0.0
        Standard deviation of Gaussian noise on each coordinate of a subgradient.
    history : int, default=None
        Versions kept behind the newest; None: as many as the ages need.
    n_records : int, default=1000
        Versions to record, at most, evenly spread from the first to the last: 2 or
        more. It does not change the run.
    random_state : int, Generator or None, default=None
        Seed. Schedule, samples, noise, blocks and x0 have streams of their own.

    Returns
    -------
    Simulation
        The last x, versions on the way, and facts of the run.

    Raises
    ------
    ValueError
        If an argument is impossible, or an age goes beyond `history`; names the first
        entry or event that is wrong, before anything runs.

    Examples
    --------
    >>> from hogblock.asynchrony import Law, Quadratic, Uniform, simulate
    >>> scheduler = Law(workers=4, ages=Uniform(0, 8))
    >>> run = simulate(Quadratic([1.0, 2.0]), scheduler, 1000, random_state=0)
    >>> run.largest_age, bool(run.values[-1] < 1e-9)
    (8, True)
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"problem={problem!r} must be a Problem")
    if not isinstance(scheduler, Scheduler):
        raise TypeError(f"scheduler={scheduler!r} must be a Scheduler")
    n_events = check_whole("n_events", n_events, 1)
    owned = check_choice("ownership", ownership, ("shared", "owned")) == "owned"
    random = check_choice("update", update, ("whole", "random")) == "random"
    private = check_choice("velocity", velocity, ("private", "shared")) == "private"
    own_count = check_choice("counter", counter, ("shared", "own")) == "own"
    racy = check_choice("writes", writes, ("atomic", "racy")) == "racy"
    if check_real("momentum", momentum) >= 1:
        raise ValueError(f"momentum={momentum!r} must be below 1")
    noise = check_real("noise", noise)
    rates = check_rates(rate, n_events)
    cut = check_blocks(blocks, problem.n, scheduler.workers, owned, random)
    writers = owners(len(cut), scheduler.workers, owned)
    deciding, *others, starting = np.random.default_rng(random_state).spawn(5)
    x = check_start(x0, problem.n, starting)
    by_block = check_choice("cells", cells, ("coordinates", "blocks")) == "blocks"
    schedule, n_cells, history = _scheduled(
        scheduler, n_events, len(cut) if by_block else problem.n, history, deciding
    )

    run = kernels.Run(
        problem.address, problem.data,
        problem.n_samples if problem.n_samples > 1 else 0,
        np.array([0, *(stop for _, stop in cut)]),
        np.array([each.start for each in writers]),
        np.array([each.stop for each in writers]),
        owned, random, float(momentum), bool(nesterov), rates, own_count, racy, noise,
        _evenly(n_events, check_whole("n_records", n_records, 2)),
    )  # fmt: skip
    state = _beginning(run, x, history, scheduler.workers if private else 1, n_cells)
    done = 0
    while done < n_events:  # in slices, between which Ctrl-C is heard
        stop = min(done + SLICE, n_events)
        done = kernels.simulate(run, state, schedule, deciding, *others, done, stop)
        if _diverged(state, done):
            break
    return Simulation(
        problem=problem, scheduler=scheduler, blocks=cut, cells=cells,
        owned=[list(each) for each in writers], ownership=ownership, update=update,
        momentum=momentum, nesterov=nesterov, velocity=velocity, rate=rate,
        counter=counter, writes=writes, noise=noise, history=history,
        **_facts(problem, run, state, done, x),
    )  # fmt: skip


def _evenly(n_events: int, n_records: int) -> np.ndarray:
    """Versions from 0 to the last."""
    at = np.linspace(0, n_events, min(n_records, n_events + 1))
    return at.round().astype(np.int64)


def _scheduled(
    scheduler: Scheduler, n_events: int, cells: int, history: int | None, random
) -> tuple[Schedule, int, int]:
    """The schedule, the cells that it gives ages of, and the versions it needs.

    random : Generator
        Of the schedule; where the run itself draws from it, it is left as it was.
    """
    if history is not None:
        history = check_whole("history", history, 0)
    if not isinstance(scheduler, CompiledScheduler):
        events = scheduler.events(n_events, cells, random)
        events = check_events(events, n_events, cells, scheduler.workers)
        given = make_schedule(GIVEN, scheduler.workers, cells, events=events)
        needed = farthest([events], history)
        return given, cells, needed if history is None else history
    cells = 1 if scheduler.one_age else cells
    bound = scheduler.largest_age
    if bound is None or (history is not None and history < bound):
        # The same events, once for their ages alone.
        parts = slices(scheduler.schedule(cells), n_events, cells, deepcopy(random))
        bound = farthest(parts, history)
    return scheduler.schedule(cells), cells, bound if history is None else history


def _beginning(
    run: kernels.Run, x: np.ndarray, history: int, velocities: int, cells: int
) -> kernels.State:
    """A run's state before its first event."""
    n, rows, blocks = len(x), 1 << history.bit_length(), len(run.bounds) - 1

    def whole(*shape):
        return np.zeros(shape, np.int64)

    ring = np.zeros((rows, n))
    trajectory = np.zeros((len(run.recorded_at), n))
    ring[0] = trajectory[0] = x
    state = kernels.State(
        ring, whole(rows, blocks), whole(rows), whole(rows), np.zeros((velocities, n)),
        np.zeros(n), np.zeros(n), whole(cells), trajectory, x.copy(), whole(rows),
        whole(blocks), whole(blocks), whole(blocks), whole(len(run.first)), whole(2),
        np.zeros(len(kernels.REALS)),
    )  # fmt: skip
    state.whole[kernels.NEXT_RECORD] = 1
    state.reals[kernels.LARGEST_SQUARE] = float(np.cumsum(x * x)[-1])
    return state


def _last(state: kernels.State, done: int) -> np.ndarray:
    """Version `done`."""
    return state.ring[done % len(state.ring)]


def _diverged(state: kernels.State, done: int) -> bool:
    """Whether the square of the last version's norm is no finite number."""
    with np.errstate(all="ignore"):
        return not np.isfinite(np.square(_last(state, done)).sum())


def _facts(
    problem: Problem, run: kernels.Run, state: kernels.State, done: int, x0: np.ndarray
) -> dict:
    """What `Simulation` lists besides the options."""
    x = _last(state, done).copy()
    counts = np.trim_zeros(state.age_counts, "b")
    kept = state.whole[kernels.NEXT_RECORD]
    at, trajectory = run.recorded_at[:kept], state.trajectory[:kept]
    if at[-1] != done:  # where the run broke off
        at, trajectory = np.append(at, done), np.vstack([trajectory, x])
    survived = state.survived[done % len(state.ring)] if run.racy else state.updates
    reals = dict(zip(kernels.REALS, state.reals.tolist(), strict=True))
    with np.errstate(all="ignore"):  # of what has diverged
        return {
            "n_events": done,
            "x": x,
            "recorded_at": at,
            "trajectory": trajectory,
            "values": np.array([problem.value(version) for version in trajectory]),
            "updates_per_block": state.updates,
            "steps_per_worker": state.steps,
            "age_counts": counts,
            "largest_age": len(counts) - 1,
            "mean_age": float(counts @ np.arange(len(counts)) / counts.sum()),
            "own_age": int(state.whole[kernels.OWN_AGE]),
            "longest_gap": np.maximum(state.gap, done - state.last),
            "largest_norm": float(np.sqrt(reals.pop("largest_square"))),
            "issued": state.issued - x0,
            "applied": x - x0,
            "lost": int((state.updates - survived) @ np.diff(run.bounds)),
            "diverged": _diverged(state, done),
            **reals,
        }
