"""The loop over events: the model of asynchrony on one problem.

    xhat_j = x_j^(k - ages[j])
    u <- m u + g(xhat),  s = u or g + m u
    x_i^(k+1) = x_i^(k - overlap) - rate s_i       for what the step writes

Versions of x lie in a ring. Plain IEEE arithmetic, in the order of coordinates.
"""

from typing import NamedTuple

import numpy as np

from hogblock.kernels.cpu.jit import exact
from hogblock.kernels.events.call import call_subgradient
from hogblock.kernels.events.scheduler import next_event


class Run(NamedTuple):
    """What is run; nothing of it changes.

    Attributes
    ----------
    address, data : int
        Of the problem's subgradient, and of what it reads.
    n_samples : int
        Of which each step draws one; 0: the mean over all.
    bounds : ndarray of shape (blocks + 1,), int64
        Block b is the coordinates bounds[b] to bounds[b + 1].
    first, stop : ndarray of shape (workers,), int64
        Blocks that a worker may write.
    owned : bool
        Each block has one writer, which reads it fresh.
    one_block : bool
        A step writes one block, drawn at random.
    momentum : float
    nesterov : bool
    rates : ndarray of shape (m,), float64
        By the count; the last one stays.
    own_count : bool
        The count is the worker's own.
    racy : bool
        A write loses what others wrote during it.
    noise : float
    recorded_at : ndarray of shape (r,), int64
        Versions to be kept.
    """

    address: int
    data: int
    n_samples: int
    bounds: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    owned: bool
    one_block: bool
    momentum: float
    nesterov: bool
    rates: np.ndarray
    own_count: bool
    racy: bool
    noise: float
    recorded_at: np.ndarray


class State(NamedTuple):
    """Where a run is, and what has been found of it.

    Attributes
    ----------
    ring : ndarray of shape (rows, n), float64
        Version k in row k % rows; rows is a power of two.
    survived : ndarray of shape (rows, blocks), int64
        Writes of a block that a version contains.
    who, what : ndarray of shape (rows,), int64
        Worker of an event, and the block that it wrote (-1: all of its).
    velocity : ndarray of shape (workers or 1, n), float64
    xhat, g : ndarray of shape (n,), float64
    ages : ndarray of shape (cells,), int64
        Of the event: of each coordinate, of each block, or one for all.
    trajectory : ndarray of shape (r, n), float64
    issued : ndarray of shape (n,), float64
        Where x would be if no write had been lost.
    age_counts : ndarray of shape (rows,), int64
        Coordinates read, by their age.
    updates, last, gap : ndarray of shape (blocks,), int64
        Updates, version of the last one, longest gap between two.
    steps : ndarray of shape (workers,), int64
    whole : ndarray of int64
        See NEXT_RECORD and what follows.
    reals : ndarray of float64
        See REALS.
    """

    ring: np.ndarray
    survived: np.ndarray
    who: np.ndarray
    what: np.ndarray
    velocity: np.ndarray
    xhat: np.ndarray
    g: np.ndarray
    ages: np.ndarray
    trajectory: np.ndarray
    issued: np.ndarray
    age_counts: np.ndarray
    updates: np.ndarray
    last: np.ndarray
    gap: np.ndarray
    steps: np.ndarray
    whole: np.ndarray
    reals: np.ndarray


NEXT_RECORD, OWN_AGE = range(2)
REALS = (
    "largest_square", "sum_of_rates", "sum_of_squares", "first_rate", "last_rate",
)  # fmt: skip
LARGEST_SQUARE, SUM, SUM_OF_SQUARES, FIRST, LAST = range(len(REALS))


@exact
def _read(run, state, k, low, high):
    """xhat and the histogram of its ages; blocks `low` to `high` are read fresh."""
    ring, xhat, ages, counts = state.ring, state.xhat, state.ages, state.age_counts
    mask, bounds = ring.shape[0] - 1, run.bounds
    if ages.size == xhat.size:
        for j in range(bounds[low], bounds[high]):
            ages[j] = 0
        for j in range(xhat.size):
            xhat[j] = ring[(k - ages[j]) & mask, j]
            counts[ages[j]] += 1
        return
    for b in range(bounds.size - 1):
        age = 0 if low <= b < high else ages[b if ages.size > 1 else 0]
        version = ring[(k - age) & mask]
        for j in range(bounds[b], bounds[b + 1]):
            xhat[j] = version[j]
        counts[age] += bounds[b + 1] - bounds[b]


@exact
def _own_age(run, state, k, worker, block, low, high):
    """Writes by others to what the step writes since it read it: the largest count.

    The step writes blocks `low` to `high`: one, or all of them (`block` is -1).
    """
    ages = state.ages
    oldest = ages[0]
    if ages.size == state.xhat.size:
        low, high = run.bounds[low], run.bounds[high]
    if ages.size > 1:
        for cell in range(low, high):
            oldest = max(oldest, ages[cell])
    if oldest <= state.whole[OWN_AGE]:  # it cannot be more
        return
    mask, count = state.who.size - 1, 0
    for before in range(k - oldest, k):
        at = before & mask
        same = block < 0 or state.what[at] < 0 or state.what[at] == block
        if same and state.who[at] != worker:
            count += 1
    state.whole[OWN_AGE] = max(state.whole[OWN_AGE], count)


@exact
def _write(run, state, k, velocity, rate, overlap, start, stop):
    """Version k + 1; returns the square of its norm."""
    ring, g, issued = state.ring, state.g, state.issued
    mask, m = ring.shape[0] - 1, run.momentum
    now, then, new = ring[k & mask], ring[(k - overlap) & mask], ring[(k + 1) & mask]
    for j in range(start):
        new[j] = now[j]
    for j in range(stop, g.size):
        new[j] = now[j]
    for j in range(start, stop):  # `then` and `new` may be one row
        step = g[j]
        if m > 0:
            velocity[j] = m * velocity[j] + g[j]
            step = g[j] + m * velocity[j] if run.nesterov else velocity[j]
        new[j] = then[j] - rate * step
        issued[j] -= rate * step
    square = 0.0
    for j in range(new.size):
        square += new[j] * new[j]
    return square


@exact
def _count_blocks(run, state, k, overlap, first, stop):
    """Updates of blocks `first` to `stop`, their gaps, and what they have lost."""
    updates, last, gap = state.updates, state.last, state.gap
    for b in range(first, stop):
        updates[b] += 1
        gap[b] = max(gap[b], k + 1 - last[b])
        last[b] = k + 1
    if run.racy:
        mask = state.survived.shape[0] - 1
        now, new = state.survived[k & mask], state.survived[(k + 1) & mask]
        then = state.survived[(k - overlap) & mask]
        for b in range(now.size):
            new[b] = then[b] + 1 if first <= b < stop else now[b]


@exact
def _rate(run, state, k, worker):
    """Of this event; enters it into the sums."""
    count = state.steps[worker] if run.own_count else k
    rate = run.rates[min(count, run.rates.size - 1)]
    state.reals[SUM] += rate
    state.reals[SUM_OF_SQUARES] += rate * rate
    if k == 0:
        state.reals[FIRST] = rate
    state.reals[LAST] = rate
    return rate


@exact
def _record(run, state, version):
    """Keep a version that is asked for."""
    i = state.whole[NEXT_RECORD]
    if i < run.recorded_at.size and run.recorded_at[i] == version:
        row = state.ring[version & (state.ring.shape[0] - 1)]
        for j in range(row.size):
            state.trajectory[i, j] = row[j]
        state.whole[NEXT_RECORD] = i + 1


@exact
def simulate(run, state, schedule, deciding, sampling, noising, choosing, first, stop):
    """Events `first` to `stop`, of a run that is at `first`.

    Parameters
    ----------
    run : Run
    state : State
    schedule : Schedule
    deciding, sampling, noising, choosing : Generator
        Of the schedule, of samples, of noise, of random blocks.
    first, stop : int64

    Returns
    -------
    int64
        Events done: fewer than `stop` where the square of x left float64.
    """
    for k in range(first, stop):
        worker, _, overlap = next_event(schedule, deciding, k, state.ages)
        low, high = run.first[worker], run.stop[worker]
        if run.owned or not run.racy:  # of its own blocks nobody writes anything
            overlap = 0
        _read(run, state, k, low if run.owned else 0, high if run.owned else 0)

        sample = -1
        if run.n_samples > 0:
            sample = np.int64(sampling.random() * run.n_samples)
        call_subgradient(
            run.address, state.xhat.ctypes.data, state.xhat.size, sample, run.data,
            state.g.ctypes.data,
        )  # fmt: skip

        block = -1
        if run.one_block:
            block = low + np.int64(choosing.random() * (high - low))
            low, high = block, block + 1
        start, end = run.bounds[low], run.bounds[high]
        if run.noise > 0:
            for j in range(start, end):
                state.g[j] += run.noise * noising.standard_normal()

        if not run.owned and run.first.size > 1:
            _own_age(run, state, k, worker, block, low, high)
            state.who[k & (state.who.size - 1)] = worker
            state.what[k & (state.who.size - 1)] = block
        rate = _rate(run, state, k, worker)
        velocity = state.velocity[worker if state.velocity.shape[0] > 1 else 0]
        square = _write(run, state, k, velocity, rate, overlap, start, end)
        _count_blocks(run, state, k, overlap, low, high)
        state.steps[worker] += 1
        state.reals[LARGEST_SQUARE] = max(state.reals[LARGEST_SQUARE], square)
        _record(run, state, k + 1)
        if not square < np.inf:
            return k + 1
    return stop
