"""One training step of one worker (docs/method.md, section 2)."""

import numpy as np

from hogblock.kernels import counters as c
from hogblock.kernels import ops as op
from hogblock.kernels.cpu.augment import HEIGHT, augment_rows
from hogblock.kernels.cpu.draw import (
    address_of,
    barrier,
    choose_plan,
    counter_of,
    draw_minibatch,
)
from hogblock.kernels.cpu.gather import gather_rows
from hogblock.kernels.cpu.host import MEAN_CHUNK
from hogblock.kernels.cpu.interpreter import (
    compute_loss,
    draws_of,
    gradient_op,
    run_op,
    update_op,
)
from hogblock.kernels.cpu.jit import kernel, part
from hogblock.kernels.cpu.job import (
    AUGMENT_COUNTER,
    DRAWN,
    DROPOUT_COUNTER,
    READ_COPY,
    READ_DIRECT,
    READ_GIVEN,
    WRITE_ATOMIC,
    WRITE_LOCKED,
    WRITE_MEAN,
    WRITE_PLAIN,
)
from hogblock.kernels.cpu.memory import atomic_add, atomic_load
from hogblock.kernels.cpu.sparse import describe_rows
from hogblock.kernels.cpu.sparse_step import (
    bring_minibatch_up,
    link_minibatch,
    squares_of,
    update_layer,
)
from hogblock.kernels.cpu.thin import keep_rows, thin, uniform_of
from hogblock.kernels.cpu.update import (
    acquire,
    clipping,
    momentum_step,
    release,
    subtract,
    subtract_atomic,
    sum_of_squares,
)

ZERO = np.float32(0)
ONE = np.float32(1)


@kernel
def gather(samples, indices, rows, out, out_row):
    """Chosen rows of X at an address, or descriptions of sparse ones."""
    if samples.storage == op.CSR_ROWS:
        describe_rows(
            samples.x, samples.columns, samples.starts, indices, rows, out, out_row
        )
    else:
        gather_rows(
            samples.x, samples.storage, samples.n_features, indices, rows,
            samples.shift, samples.scale, samples.shift64, samples.scale64, out,
            out_row,
        )  # fmt: skip


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
def _set_step(worker, rule, samples, ticket, weight):
    """Coefficients of the momentum step: docs/method.md, section 2."""
    point = ticket * rule.rate_points // samples.batches
    rate = rule.rate[min(point, rule.rate.size - 1)] * rule.rate_factor[0]
    step = worker.coefficients
    step[0] = rule.m
    step[1] = rule.decay / weight
    step[2] = rate if rule.nesterov or rule.m == np.float32(0) else np.float32(0)
    step[3] = rate * rule.m if rule.nesterov else rate
    if rule.m == np.float32(0):
        step[3] = np.float32(0)


@kernel
def _span(tensors, k):
    """Where a tensor that a plan updates lies in the flat vector."""
    return slice(tensors[k, 0], tensors[k, 0] + tensors[k, 1])


@kernel
def _clip(worker, plans, plan, squares, largest):
    """Scale the gradient in ``worker.gradient`` down; returns the factor.

    squares : sum of squares of what of the gradient lies elsewhere.
    """
    tensors, gradient = plans.tensors[plan], worker.gradient
    for k in range(tensors.shape[0]):
        squares += sum_of_squares(gradient[_span(tensors, k)])
    factor = clipping(squares, largest)
    for k in range(tensors.shape[0]):
        gradient[_span(tensors, k)] *= factor
    return factor


@kernel
def _write_gradient(worker, plans, plan, write):
    """Momentum and the shared write of a gradient that lies in ``worker.gradient``.

    False if the run was aborted while this worker waited for the lock.
    """
    tensors = plans.tensors[plan]
    params, gradient = worker.params, worker.gradient
    for k in range(tensors.shape[0]):
        span = _span(tensors, k)
        momentum_step(
            gradient[span],
            params[span],
            worker.velocity[span],
            worker.coefficients,
            tensors[k, 2] != 0,
        )
    lock = counter_of(worker, c.LOCK)
    if write == WRITE_LOCKED and not acquire(
        lock, worker.rank + 1, counter_of(worker, c.ABORT)
    ):
        return False
    for k in range(tensors.shape[0]):
        span = _span(tensors, k)
        if write == WRITE_ATOMIC:
            subtract_atomic(params[span], gradient[span])
        else:
            subtract(params[span], gradient[span])
    if write == WRITE_LOCKED:
        release(lock)
    return True


@kernel
def _mean_clipping(worker, largest):
    """The factor that clips the sum of all workers' gradients: each computes it alike,
    instead of meeting once more."""
    squares, size = 0.0, worker.params.size
    for at in range(0, size, MEAN_CHUNK):
        span = slice(at, min(size, at + MEAN_CHUNK))
        mean = worker.gradient[span]
        mean[:] = worker.gradients[0, span]
        for other in range(1, worker.workers):
            mean += worker.gradients[other, span]
        squares += sum_of_squares(mean)
    return clipping(squares, largest)


@kernel
def _write_mean(worker, plans, largest):
    """Every worker adds up its own slice of all gradients and updates that slice."""
    factor = _mean_clipping(worker, largest) if largest > ZERO else ONE
    size = worker.params.size
    share = (size + worker.workers - 1) // worker.workers
    low = min(size, worker.rank * share)
    high = min(size, low + share)
    for k in range(plans.tensors.shape[1]):
        start = max(low, plans.tensors[0, k, 0])
        end = min(high, plans.tensors[0, k, 0] + plans.tensors[0, k, 1])
        for at in range(start, end, MEAN_CHUNK):
            span = slice(at, min(end, at + MEAN_CHUNK))
            mean = worker.gradient[span]
            mean[:] = worker.gradients[0, span]
            for other in range(1, worker.workers):
                mean += worker.gradients[other, span]
            if factor < ONE:
                mean *= factor
            momentum_step(
                mean,
                worker.params[span],
                worker.velocity[span],
                worker.coefficients,
                plans.tensors[0, k, 2] != 0,
            )
            subtract(worker.params[span], mean)


@kernel
def _logged(worker, plan, ticket):
    """Row of the log for a step that has ended; -1 if there is none, or none is left.

    A row is taken before the writes are counted: who has seen the step's writes has a
    later row.
    """
    if worker.log.shape[0] == 0:
        return -1
    row = atomic_add(counter_of(worker, c.EVENTS), 1)
    if row >= worker.log.shape[0]:
        return -1
    worker.log[row, c.WORKER] = worker.rank
    worker.log[row, c.LOGGED_TICKET] = ticket
    worker.log[row, c.PLAN] = plan
    return row


@kernel
def _count_update(worker, plans, plan, write, ticket):
    """Count the writes of a step, and the ages of what it read and wrote.

    The age of a block is the number of writes by others between the start of the step
    and its end. The step reads the block somewhere between, so for a block that it only
    reads this is a bound from above.
    """
    if write == WRITE_MEAN and worker.rank != 0:
        return
    blocks = plans.writes.shape[1]
    row = _logged(worker, plan, ticket)
    for block in range(blocks):
        counter = counter_of(worker, c.BLOCKS + block)
        written = plans.writes[plan, block]
        writes = atomic_add(counter, 1) if written else atomic_load(counter)
        age = min(writes - worker.seen[block], c.STALENESS_BINS - 1)
        worker.staleness[c.READ, block, age] += 1
        if written:
            worker.staleness[c.WRITTEN, block, age] += 1
        if row >= 0:
            worker.log[row, c.COUNTS + block] = worker.seen[block]
            worker.log[row, c.COUNTS + blocks + block] = writes


@kernel
def _thin_minibatch(worker, buffers, row, reals, work, rows):
    """Keep some samples of what the rest of the backward pass reads; how many."""
    left = thin(
        work + 4 * row[op.DY], row[op.Y_ROW], rows, reals[op.THINNING],
        uniform_of(worker.state[DRAWN], worker.key), worker.norms, worker.kept,
    )  # fmt: skip
    if left < rows:
        for k in range(buffers.shape[0]):
            keep_rows(work + 4 * buffers[k, 0], buffers[k, 1], worker.kept, left)
    return left


@part
def train_step(worker, plans, samples, rule, ticket):
    """One minibatch; returns its loss, weight and rows, how many of these went below a
    THIN, and whether all workers went on."""
    plan = choose_plan(worker, plans, ticket)
    first, end, whole = draw_minibatch(worker, samples, rule, ticket)
    rows = end - first
    weight = _weight_of(samples.weights, worker.indices, 0, whole)
    if rule.read != READ_GIVEN:
        for block in range(worker.seen.size):
            worker.seen[block] = atomic_load(counter_of(worker, c.BLOCKS + block))
    if rule.read == READ_COPY:
        for i in range(worker.params.size):
            worker.copy[i] = worker.params[i]
    reads_copy = rule.read != READ_DIRECT
    params = address_of(worker.copy) if reads_copy else address_of(worker.params)
    work, zeros = address_of(worker.work), address_of(worker.zeros)
    indices = worker.indices[first:end]
    ops, reals = plans.ops[plan], plans.reals[plan]
    gather(samples, indices, rows, work + 4 * ops[0, op.X], ops[0, op.X_ROW])
    if samples.augment[HEIGHT] > 0:
        seen = worker.state[AUGMENT_COUNTER]
        augment_rows(
            work + 4 * ops[0, op.X], ops[0, op.X_ROW], rows, samples.augment,
            worker.key, seen,
        )  # fmt: skip
        worker.state[AUGMENT_COUNTER] = seen + rows
    # With weight zero there is nothing to learn, and nothing to divide by.
    scale = np.float32(1) / weight if weight > np.float32(0) else np.float32(0)
    learns = weight > np.float32(0)
    if learns:
        _set_step(worker, rule, samples, ticket, weight)

    if samples.storage == op.CSR_ROWS:  # read by the first operation
        bring_minibatch_up(worker, ops[0], rule, work, rows)
    n_forward = plans.n_forward[plan]
    key = np.uint32(worker.key)
    counter = worker.state[DROPOUT_COUNTER]
    for k in range(n_forward):
        run_op(
            ops[k], reals[k], params, work, zeros, rows, np.int64(1), key, counter,
            worker.image_op,
        )  # fmt: skip
        counter += draws_of(ops[k], rows)
    worker.state[DROPOUT_COUNTER] = counter
    loss = compute_loss(
        ops[n_forward], reals[n_forward], work, samples.targets, indices, rows,
        samples.weights, scale,
    )  # fmt: skip
    fused = rule.write == WRITE_PLAIN and rule.largest == ZERO
    gradient = worker.gradient
    if rule.write == WRITE_MEAN:
        gradient = worker.gradients[worker.rank]
    n_ops, left = plans.n_ops[plan], rows
    sparse = -1  # update of a layer on sparse rows: the last thing of a step
    if rows == 0:  # fewer rows in a minibatch than synchronous workers
        gradient[:] = np.float32(0)
        n_ops = 0
    for k in range(n_forward + 1, n_ops):
        row = ops[k]
        if row[op.CODE] == op.THIN:
            left = _thin_minibatch(worker, plans.kept[plan], row, reals[k], work, rows)
        elif row[op.CODE] < op.FIRST_UPDATE:
            run_op(
                row, reals[k], params, work, zeros, left, np.int64(0), key, counter,
                worker.image_op,
            )  # fmt: skip
        elif row[op.CODE] == op.SPARSE_UPDATE:
            sparse = k
        elif not fused:
            gradient_op(row, work, gradient, zeros, left, worker.image_op)
        elif learns:
            update_op(
                row, work, worker.params, worker.velocity, gradient, zeros, left,
                worker.coefficients, worker.image_op,
            )  # fmt: skip
    going = True
    if rule.write == WRITE_MEAN:
        going = barrier(worker)
        if going and learns:
            _write_mean(worker, plans, rule.largest)
        going = going and barrier(worker)
    elif learns:
        found, squares, factor = 0, 0.0, ONE
        if sparse >= 0:
            found = link_minibatch(worker, ops[sparse], work, left)
            if rule.largest > ZERO:
                squares = squares_of(worker, ops[sparse], work, found)
        if rule.largest > ZERO:
            factor = _clip(worker, plans, plan, squares, rule.largest)
        if not fused:
            going = _write_gradient(worker, plans, plan, rule.write)
        if sparse >= 0:
            update_layer(worker, ops[sparse], rule, work, found, factor)
    _count_update(worker, plans, plan, rule.write, ticket)
    weight = _weight_of(samples.weights, indices, 0, rows)
    return loss, weight, rows, left, going
