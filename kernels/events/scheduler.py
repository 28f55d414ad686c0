"""The next event of a schedule: who ends a step, and how old is what it read."""

import math

from hogblock.kernels.cpu.jit import exact
from hogblock.kernels.events.queue import order, sink
from hogblock.kernels.events.schedule import (
    DETERMINISTIC,
    EVENT_DRIVEN,
    EXPONENTIAL,
    GIVEN,
    LAW,
)
from hogblock.kernels.events.tables import draw


@exact
def _by_law(schedule, random, k, ages):
    worker = (
        draw(schedule.who, random) if schedule.kind == LAW else k % (schedule.last.size)
    )
    youngest = k
    if schedule.one_age:
        youngest = min(draw(schedule.age, random), k)
        ages[:] = youngest
    else:
        for j in range(ages.size):
            ages[j] = min(draw(schedule.age, random), k)
            youngest = min(youngest, ages[j])
    # A write begins after its step's reads, and after the worker's last step.
    overlap = min(draw(schedule.overlap, random), youngest, k - schedule.last[worker])
    schedule.last[worker] = k + 1
    return worker, k, overlap


@exact
def _service(timing, worker, random):
    """How long `worker` computes."""
    mean = timing.mean[worker]
    if timing.service == EXPONENTIAL:
        time = mean * random.standard_exponential()
    elif timing.service == DETERMINISTIC:
        time = mean
    else:
        sigma = timing.sigma
        time = mean * math.exp(sigma * random.standard_normal() - sigma * sigma / 2)
    if timing.slow > 0 and random.random() < timing.slow:
        time *= timing.factor
    return time


@exact
def _go_on(schedule, worker, stage):
    """Set when `worker`'s doing number `stage` is, or the next one that takes time."""
    timing, clock = schedule.timing, schedule.clock
    cells = clock.seen.shape[1]
    if stage < cells:
        after = timing.read * stage / cells
    else:
        after = timing.read + clock.computes[worker]
        if stage > cells or timing.write == 0:
            stage = cells + 1
            after += timing.write
    clock.stage[worker] = stage
    clock.time[worker] = clock.began[worker] + after


@exact
def _begin(schedule, worker, time, version, random):
    """`worker` begins a step and reads: one cell, or all where no time passes."""
    timing, clock = schedule.timing, schedule.clock
    cells = clock.seen.shape[1]
    clock.began[worker] = time
    clock.computes[worker] = _service(timing, worker, random)
    clock.ticket[worker] = clock.tickets[0]
    clock.tickets[0] += 1
    at_once = cells if schedule.one_age or timing.read == 0 else 1
    clock.seen[worker, :at_once] = version
    _go_on(schedule, worker, at_once)


@exact
def _by_time(schedule, random, k, ages):
    clock = schedule.clock
    cells = ages.size
    if k == 0:
        for worker in range(clock.heap.size):
            _begin(schedule, worker, 0.0, 0, random)
        order(clock.heap, clock.time)
    while True:
        worker = clock.heap[0]
        stage = clock.stage[worker]
        if stage == cells + 1:
            break
        if stage == cells:
            clock.found[worker] = k
        else:
            clock.seen[worker, stage] = k
        _go_on(schedule, worker, stage + 1)
        sink(clock.heap, clock.time, 0)
    for j in range(cells):
        ages[j] = k - clock.seen[worker, j]
    overlap = k - clock.found[worker] if schedule.timing.write > 0 else 0
    ticket = clock.ticket[worker]
    _begin(schedule, worker, clock.time[worker], k + 1, random)
    sink(clock.heap, clock.time, 0)
    return worker, ticket, overlap


@exact
def next_event(schedule, random, k, ages):
    """Event number k; they have to be asked for one after another.

    Parameters
    ----------
    schedule : Schedule
    random : Generator
    k : int64
    ages : ndarray of shape (cells,), int64
        Is filled.

    Returns
    -------
    tuple of int64
        Worker, ticket, overlap.
    """
    if schedule.kind == GIVEN:
        for j in range(ages.size):
            ages[j] = schedule.ages[k, j]
        return schedule.worker[k], schedule.ticket[k], schedule.overlaps[k]
    if schedule.kind == EVENT_DRIVEN:
        return _by_time(schedule, random, k, ages)
    return _by_law(schedule, random, k, ages)


@exact
def fill_events(schedule, random, first, worker, ticket, ages, overlap):
    """Events `first`, first + 1, ... into arrays of one row an event."""
    for i in range(worker.size):
        found = next_event(schedule, random, first + i, ages[i])
        worker[i], ticket[i], overlap[i] = found
