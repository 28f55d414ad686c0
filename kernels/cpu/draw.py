"""What a worker does next: its ticket, its plan and its minibatch."""

import numpy as np

from hogblock.kernels import counters as c
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.job import BEGUN, DRAWN, OVER, PENDING, WRITE_MEAN
from hogblock.kernels.cpu.memory import (
    atomic_add,
    atomic_load,
    atomic_store,
    pause,
    yield_core,
)
from hogblock.kernels.cpu.random import hash_bits, mix_keys, permuted


@kernel
def address_of(array):
    return np.int64(array.ctypes.data)


@kernel
def counter_of(worker, index):
    return np.int64(worker.counters.ctypes.data) + 8 * c.STRIDE * index


@kernel
def barrier(worker):
    """Wait for all workers; False if the run is aborted meanwhile."""
    arrived, generation = (
        counter_of(worker, c.ARRIVED),
        counter_of(worker, c.GENERATION),
    )
    turn = atomic_load(generation)
    if atomic_add(arrived, 1) == worker.workers - 1:
        atomic_store(arrived, 0)
        atomic_add(generation, 1)
        return True
    spins = 0
    while atomic_load(generation) == turn:
        pause()
        spins += 1
        if spins % 1024 == 0:
            if atomic_load(counter_of(worker, c.ABORT)) != 0:
                return False
            yield_core()
    return True


@kernel
def _draw_together(worker):
    """Next minibatch of a synchronous run, or -1: rank 0 decides for everybody."""
    state = worker.state
    if worker.rank == 0:
        go = c.GO_ON
        end = atomic_load(counter_of(worker, c.END))
        if atomic_load(counter_of(worker, c.STOP)) != 0 or state[DRAWN] >= end:
            go = c.GO_HOME
        elif state[DRAWN] >= atomic_load(counter_of(worker, c.LIMIT)):
            go = c.GO_WAIT
        atomic_store(counter_of(worker, c.GO), go)
    if not barrier(worker):
        return -1
    going = atomic_load(counter_of(worker, c.GO))
    if not barrier(worker):
        return -1
    if going == c.GO_HOME:
        state[OVER] = 1
    return state[DRAWN] if going == c.GO_ON else -1


@kernel
def _draw_alone(worker, rule):
    """Next minibatch of an asynchronous worker, or -1."""
    state = worker.state
    if state[PENDING] < 0:
        if rule.own_epochs:
            state[PENDING] = state[DRAWN]
        else:
            state[PENDING] = atomic_add(counter_of(worker, c.TICKET), 1)
    ticket = state[PENDING]
    end = atomic_load(counter_of(worker, c.END))
    if ticket >= end or atomic_load(counter_of(worker, c.STOP)) != 0:
        state[OVER] = 1
        return -1
    if ticket >= atomic_load(counter_of(worker, c.LIMIT)):
        return -1
    return ticket


@kernel
def _begin(worker, ticket):
    """Note that a step is under way.

    In this order, so that after a death at any point the words tell whether the step
    had begun, and `end_step` whether it was recorded.
    """
    words = address_of(worker.state)
    atomic_store(words + 8 * BEGUN, ticket)
    atomic_add(words + 8 * DRAWN, 1)
    atomic_store(words + 8 * PENDING, -1)


@kernel
def end_step(worker):
    """Note that the step under way is recorded."""
    atomic_store(address_of(worker.state) + 8 * BEGUN, -1)


@kernel
def draw_ticket(worker, rule):
    """Next minibatch of this worker, or -1 when it has to wait or leave."""
    if rule.write == WRITE_MEAN:
        ticket = _draw_together(worker)
    else:
        ticket = _draw_alone(worker, rule)
    if ticket >= 0:
        _begin(worker, ticket)
    return ticket


@kernel
def choose_plan(worker, plans, ticket):
    """Plan of this worker at a shared step."""
    stretch = plans.stretch_start.size - 1
    while plans.stretch_start[stretch] > ticket:
        stretch -= 1
    length = plans.stretch_length[stretch]
    turn = worker.state[DRAWN] - 1
    if plans.stretch_random[stretch]:
        pick = hash_bits(np.uint32(turn), np.uint32(worker.key)) % np.uint32(length)
    else:
        pick = turn % length
    return plans.stretch_plans[stretch, np.int64(pick)]


@kernel
def draw_minibatch(worker, samples, rule, ticket):
    """Fill ``worker.indices``; returns this worker's first row, and its end."""
    epoch = ticket // samples.batches
    start = (samples.first + ticket - epoch * samples.batches) * samples.batch
    rows = min(samples.batch, samples.n_samples - start)
    first, end = 0, rows
    if rule.write == WRITE_MEAN:
        first = rows * worker.rank // worker.workers
        end = rows * (worker.rank + 1) // worker.workers
    key = mix_keys(samples.order_key, epoch)
    if rule.own_epochs:
        key = mix_keys(key, worker.rank + 1)
    for i in range(rows):
        index = start + i
        worker.indices[i] = (
            permuted(index, samples.n_samples, key) if samples.shuffle else index
        )
    return first, end, rows
