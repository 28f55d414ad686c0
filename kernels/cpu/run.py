"""The hot loop: one compiled call runs many steps of one worker (METHOD.md section 2).

No Python, queue or allocation per step; a lock only where the method is defined by one.
"""

from typing import NamedTuple

import numpy as np

from hogblock.kernels import counters as c
from hogblock.kernels import optable as op
from hogblock.kernels.cpu.gather import gather_rows
from hogblock.kernels.cpu.interpreter import (
    backward_op,
    compute_loss,
    forward_op,
    gradient_op,
    update_op,
)
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import (
    atomic_add,
    atomic_load,
    atomic_store,
    pause,
    yield_core,
)
from hogblock.kernels.cpu.random import hash_bits, mix_keys, permuted
from hogblock.kernels.cpu.update import (
    acquire,
    momentum_step,
    release,
    subtract,
    subtract_atomic,
)

# How an update reaches the shared parameters.
WRITE_PLAIN = 0  # fused into the gradient, plain stores
WRITE_ATOMIC = 1  # one fetch-and-add a word
WRITE_LOCKED = 2  # whole update under one lock
WRITE_MEAN = 3  # synchronous: mean gradient of all workers between two barriers

# Words of a worker's own state (int64), kept between calls.
PENDING = 0  # ticket drawn and not yet used, or -1
DRAWN = 1  # minibatches this worker has begun
DROPOUT_COUNTER = 2
OVER = 3  # 1 once the worker has to leave the run for good
STATE_WIDTH = 8


class Plans(NamedTuple):
    """What a worker may run at a step; plan 0 is the full gradient.

    Attributes
    ----------
    ops, reals : int64 [plans, ops, OP_WIDTH], float32 [plans, ops, REAL_WIDTH]
    n_forward, n_ops : int64 [plans]
        Rows of the forward pass (the loss not included), and of all.
    tensors : int64 [plans, tensors, 3]
        Offset, length and decay (0 or 1) of what a plan updates; length 0 fills up.
    writes : uint8 [plans, blocks]
    phase_start : int64 [phases]
        Shared step at which a phase begins; the first is 0.
    phase_plans : int64 [phases, longest]
    phase_length : int64 [phases]
        A phase's plans are run in turn, or, with `phase_random`, drawn at random.
    phase_random : uint8 [phases]
    """

    ops: np.ndarray
    reals: np.ndarray
    n_forward: np.ndarray
    n_ops: np.ndarray
    tensors: np.ndarray
    writes: np.ndarray
    phase_start: np.ndarray
    phase_plans: np.ndarray
    phase_length: np.ndarray
    phase_random: np.ndarray


class Data(NamedTuple):
    """Training data and the order of its minibatches.

    Attributes
    ----------
    x, storage, n_features : int
        Address of the rows, how they are stored, their length.
    shift, scale : float32 [n_features] or [0]
    targets : int
        Address; the loss knows their type.
    weights : float32 [n_samples] or [0]
    n_samples, batch, batches, steps : int
        Samples, samples a minibatch, minibatches an epoch (the last may be short),
        and in the whole run.
    shuffle, order_key : int
    """

    x: int
    storage: int
    n_features: int
    shift: np.ndarray
    scale: np.ndarray
    targets: int
    weights: np.ndarray
    n_samples: int
    batch: int
    batches: int
    steps: int
    shuffle: int
    order_key: int


class Rules(NamedTuple):
    """Method and step sizes.

    Attributes
    ----------
    write, copy_read, own_epochs : int
        A WRITE_ code; 1 to read through a private copy; 1 if every worker passes over
        all the data instead of sharing the epochs.
    rate : float32 [points]
        Learning rate over the run, `rate_points` values an epoch.
    rate_factor : float32 [1]
        Shared factor on the rate that the parent may change.
    m, nesterov, decay : float32, int, float32
    """

    write: int
    copy_read: int
    own_epochs: int
    rate: np.ndarray
    rate_points: int
    rate_factor: np.ndarray
    m: float
    nesterov: int
    decay: float


class Worker(NamedTuple):
    """A worker's memory: what is shared (first four) and what is its own.

    Attributes
    ----------
    params : float32 [P]
    counters : int64 [(BLOCKS + blocks) * STRIDE]
    gradients : float32 [workers, P] with WRITE_MEAN, else [0, 0]
    record : float64 [epochs, RECORD_WIDTH]
    staleness : int64 [blocks, STALENESS_BINS]
    momentum, gradient, copy : float32 [P]
        `copy` is empty unless reads are copied.
    work, zeros : float32
        Activation buffers, and a line of zeros as wide as the widest buffer.
    indices, seen : int64 [batch], [blocks]
    step : float32 [4]
    state : int64 [STATE_WIDTH]
    rank, workers, key : int
    """

    params: np.ndarray
    counters: np.ndarray
    gradients: np.ndarray
    record: np.ndarray
    staleness: np.ndarray
    momentum: np.ndarray
    gradient: np.ndarray
    copy: np.ndarray
    work: np.ndarray
    zeros: np.ndarray
    indices: np.ndarray
    seen: np.ndarray
    step: np.ndarray
    state: np.ndarray
    rank: int
    workers: int
    key: int


@kernel
def _address(array):
    return np.int64(array.ctypes.data)


@kernel
def _counter(worker, index):
    return np.int64(worker.counters.ctypes.data) + 8 * c.STRIDE * index


@kernel
def _barrier(worker):
    """Wait for all workers; False if the run is aborted meanwhile."""
    arrived, generation = _counter(worker, c.ARRIVED), _counter(worker, c.GENERATION)
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
            if atomic_load(_counter(worker, c.ABORT)) != 0:
                return False
            yield_core()
    return True


@kernel
def _draw_together(worker, data):
    """Next minibatch of a synchronous run, or -1: rank 0 decides for everybody."""
    state = worker.state
    if worker.rank == 0:
        go = c.GO_ON
        if atomic_load(_counter(worker, c.STOP)) != 0 or state[DRAWN] >= data.steps:
            go = c.GO_HOME
        elif state[DRAWN] >= atomic_load(_counter(worker, c.LIMIT)):
            go = c.GO_WAIT
        atomic_store(_counter(worker, c.GO), go)
    if not _barrier(worker):
        return -1
    going = atomic_load(_counter(worker, c.GO))
    if not _barrier(worker):
        return -1
    if going == c.GO_HOME:
        state[OVER] = 1
    return state[DRAWN] if going == c.GO_ON else -1


@kernel
def _draw_alone(worker, data, rules):
    """Next minibatch of an asynchronous worker, or -1."""
    state = worker.state
    if state[PENDING] < 0:
        if rules.own_epochs:
            state[PENDING] = state[DRAWN]
        else:
            state[PENDING] = atomic_add(_counter(worker, c.TICKET), 1)
    ticket = state[PENDING]
    if ticket >= data.steps or atomic_load(_counter(worker, c.STOP)) != 0:
        state[OVER] = 1
        return -1
    if ticket >= atomic_load(_counter(worker, c.LIMIT)):
        return -1
    state[PENDING] = -1
    return ticket


@kernel
def _draw_ticket(worker, data, rules):
    """Next minibatch of this worker, or -1 when it has to wait or leave."""
    if rules.write == WRITE_MEAN:
        ticket = _draw_together(worker, data)
    else:
        ticket = _draw_alone(worker, data, rules)
    if ticket >= 0:
        worker.state[DRAWN] += 1
    return ticket


@kernel
def _choose_plan(worker, plans, ticket):
    """Plan of this worker at a shared step."""
    phase = plans.phase_start.size - 1
    while plans.phase_start[phase] > ticket:
        phase -= 1
    length = plans.phase_length[phase]
    turn = worker.state[DRAWN]
    if plans.phase_random[phase]:
        pick = hash_bits(np.uint32(turn), np.uint32(worker.key)) % np.uint32(length)
    else:
        pick = turn % length
    return plans.phase_plans[phase, np.int64(pick)]


@kernel
def _draw_minibatch(worker, data, rules, ticket):
    """Fill ``worker.indices``; returns this worker's first row, and its end."""
    epoch = ticket // data.batches
    start = (ticket - epoch * data.batches) * data.batch
    rows = min(data.batch, data.n_samples - start)
    first, end = 0, rows
    if rules.write == WRITE_MEAN:
        first = rows * worker.rank // worker.workers
        end = rows * (worker.rank + 1) // worker.workers
    key = mix_keys(data.order_key, epoch)
    if rules.own_epochs:
        key = mix_keys(key, worker.rank + 1)
    for i in range(rows):
        index = start + i
        worker.indices[i] = (
            permuted(index, data.n_samples, key) if data.shuffle else index
        )
    return first, end, rows


@kernel
def _weight_of(weights, indices, first, end):
    """Sum of the sample weights of a minibatch's rows [first, end)."""
    if weights.size == 0:
        return np.float32(end - first)
    total = np.float32(0)
    for i in range(first, end):
        total += weights[indices[i]]
    return total


@kernel
def _set_step(worker, rules, data, ticket, weight):
    """Coefficients of the momentum step: METHOD.md section 2."""
    point = ticket * rules.rate_points // data.batches
    rate = rules.rate[min(point, rules.rate.size - 1)] * rules.rate_factor[0]
    step = worker.step
    step[0] = rules.m
    step[1] = rules.decay / weight
    step[2] = rate if rules.nesterov or rules.m == np.float32(0) else np.float32(0)
    step[3] = rate * rules.m if rules.nesterov else rate
    if rules.m == np.float32(0):
        step[3] = np.float32(0)


@kernel
def _write_gradient(worker, plans, plan, write):
    """Momentum and the shared write of a gradient that lies in ``worker.gradient``."""
    tensors = plans.tensors[plan]
    params, gradient = worker.params, worker.gradient
    for k in range(tensors.shape[0]):
        part = slice(tensors[k, 0], tensors[k, 0] + tensors[k, 1])
        momentum_step(
            gradient[part],
            params[part],
            worker.momentum[part],
            worker.step,
            tensors[k, 2] != 0,
        )
    lock = _counter(worker, c.LOCK)
    if write == WRITE_LOCKED:
        acquire(lock)
    for k in range(tensors.shape[0]):
        part = slice(tensors[k, 0], tensors[k, 0] + tensors[k, 1])
        if write == WRITE_ATOMIC:
            subtract_atomic(params[part], gradient[part])
        else:
            subtract(params[part], gradient[part])
    if write == WRITE_LOCKED:
        release(lock)


@kernel
def _write_mean(worker, plans):
    """Every worker adds up its own slice of all gradients and updates that slice."""
    size = worker.params.size
    share = (size + worker.workers - 1) // worker.workers
    low = min(size, worker.rank * share)
    high = min(size, low + share)
    mean = worker.gradient
    for i in range(low, high):
        mean[i] = worker.gradients[0, i]
    for k in range(1, worker.workers):
        for i in range(low, high):
            mean[i] += worker.gradients[k, i]
    for k in range(plans.tensors.shape[1]):
        start = max(low, plans.tensors[0, k, 0])
        end = min(high, plans.tensors[0, k, 0] + plans.tensors[0, k, 1])
        if start < end:
            part = slice(start, end)
            momentum_step(
                mean[part],
                worker.params[part],
                worker.momentum[part],
                worker.step,
                plans.tensors[0, k, 2] != 0,
            )
            subtract(worker.params[part], mean[part])


@kernel
def _count_update(worker, plans, plan, write):
    """Write counts of the blocks just written, and how stale the reads were."""
    if write == WRITE_MEAN and worker.rank != 0:
        return
    for block in range(plans.writes.shape[1]):
        if plans.writes[plan, block]:
            before = atomic_add(_counter(worker, c.BLOCKS + block), 1)
            age = min(before - worker.seen[block], c.STALENESS_BINS - 1)
            worker.staleness[block, age] += 1


@kernel
def _train_step(worker, plans, data, rules, ticket):
    """One minibatch; returns its summed loss, its weight, and whether all went on."""
    plan = _choose_plan(worker, plans, ticket)
    first, end, whole = _draw_minibatch(worker, data, rules, ticket)
    rows = end - first
    weight = _weight_of(data.weights, worker.indices, 0, whole)
    for block in range(worker.seen.size):
        worker.seen[block] = atomic_load(_counter(worker, c.BLOCKS + block))
    params = _address(worker.params)
    if rules.copy_read:
        for i in range(worker.params.size):
            worker.copy[i] = worker.params[i]
        params = _address(worker.copy)
    work, zeros = _address(worker.work), _address(worker.zeros)
    indices = worker.indices[first:end]
    ops, reals = plans.ops[plan], plans.reals[plan]
    gather_rows(
        data.x, data.storage, data.n_features, indices, rows, data.shift, data.scale,
        work + 4 * ops[0, op.X], ops[0, op.X_ROW],
    )  # fmt: skip
    # With weight zero there is nothing to learn, and nothing to divide by.
    scale = np.float32(1) / weight if weight > np.float32(0) else np.float32(0)
    learns = weight > np.float32(0)
    if learns:
        _set_step(worker, rules, data, ticket, weight)

    n_forward = plans.n_forward[plan]
    key = np.uint32(worker.key)
    counter = worker.state[DROPOUT_COUNTER]
    for k in range(n_forward):
        forward_op(ops[k], reals[k], params, work, rows, True, key, counter)
        if ops[k, op.CODE] == op.DROPOUT_FORWARD:
            counter += rows * ops[k, op.Y_ROW]
    worker.state[DROPOUT_COUNTER] = counter
    loss = compute_loss(
        ops[n_forward], work, data.targets, indices, rows, data.weights, scale
    )
    fused = rules.write == WRITE_PLAIN
    gradient = worker.gradient
    if rules.write == WRITE_MEAN:
        gradient = worker.gradients[worker.rank]
    n_ops = plans.n_ops[plan]
    if rows == 0:  # fewer rows in a minibatch than synchronous workers
        gradient[:] = np.float32(0)
        n_ops = 0
    for k in range(n_forward + 1, n_ops):
        row = ops[k]
        if row[op.CODE] != op.DENSE_UPDATE and row[op.CODE] != op.BIAS_UPDATE:
            backward_op(row, reals[k], params, work, zeros, rows)
        elif not fused:
            gradient_op(row, work, gradient, zeros, rows)
        elif learns:
            update_op(
                row, work, worker.params, worker.momentum, gradient, zeros, rows,
                worker.step,
            )  # fmt: skip
    going = True
    if rules.write == WRITE_MEAN:
        going = _barrier(worker)
        if going and learns:
            _write_mean(worker, plans)
        going = going and _barrier(worker)
    elif not fused and learns:
        _write_gradient(worker, plans, plan, rules.write)
    _count_update(worker, plans, plan, rules.write)
    return loss, _weight_of(data.weights, indices, 0, rows), going


@kernel
def run_steps(worker, plans, data, rules, most):
    """Run up to `most` steps; returns how many were run.

    Fewer than `most` means that it has to wait for the limit, or, if ``state[OVER]`` is
    set, to leave.
    """
    done = 0
    while done < most:
        ticket = _draw_ticket(worker, data, rules)
        if ticket < 0:
            break
        loss, weight, going = _train_step(worker, plans, data, rules, ticket)
        if not going:
            break
        record = worker.record[ticket // data.batches]
        record[c.LOSS_SUM] += loss
        record[c.WEIGHT_SUM] += np.float64(weight)
        record[c.STEPS] += 1.0
        done += 1
    return done


@kernel
def run_forward(ops, reals, n_forward, params, work, data, first, end, out):
    """Outputs of the samples [first, end) of `data`, in order: out [n_samples, n_out].

    Work space and chunk are those of one minibatch of ``data.batch`` rows.
    """
    work_at = _address(work)
    indices = np.empty(data.batch, np.int64)
    last = ops[n_forward - 1]
    n_out, out_row = last[op.Y_WIDTH], last[op.Y_ROW]
    for start in range(first, end, data.batch):
        rows = min(data.batch, end - start)
        for i in range(rows):
            indices[i] = start + i
        gather_rows(
            data.x, data.storage, data.n_features, indices, rows, data.shift,
            data.scale, work_at + 4 * ops[0, op.X], ops[0, op.X_ROW],
        )  # fmt: skip
        for k in range(n_forward):
            forward_op(
                ops[k], reals[k], _address(params), work_at, rows, False,
                np.uint32(0), 0,
            )  # fmt: skip
        for i in range(rows):
            for j in range(n_out):
                out[start + i, j] = work[last[op.Y] + i * out_row + j]
