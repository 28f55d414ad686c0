"""The entry points: one compiled call runs many steps of one worker.

No Python, queue or allocation per step; a lock only where the method is defined by one.
"""

import numpy as np

from hogblock.kernels import counters as c
from hogblock.kernels import ops as op
from hogblock.kernels.cpu.draw import address_of, draw_ticket, end_step
from hogblock.kernels.cpu.interpreter import run_op
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import atomic_add
from hogblock.kernels.cpu.step import gather, train_step


@kernel
def run_steps(worker, plans, samples, rule, most):
    """Run up to `most` steps; returns how many were run.

    Fewer than `most` means that it has to wait for the limit, or, if ``state[OVER]`` is
    set, to leave.
    """
    done = 0
    while done < most:
        ticket = draw_ticket(worker, rule)
        if ticket < 0:
            break
        loss, weight, rows, left, going = train_step(
            worker, plans, samples, rule, ticket
        )
        if not going:
            break
        record = worker.record[ticket // samples.batches]
        record[c.LOSS_SUM] += loss
        record[c.WEIGHT_SUM] += np.float64(weight)
        record[c.SAMPLES] += np.float64(rows)
        record[c.KEPT] += np.float64(left)
        atomic_add(address_of(record) + 8 * c.STEPS, 1)
        end_step(worker)
        done += 1
    return done


@kernel
def run_forward(
    ops, reals, n_forward, params, work, zeros, samples, first, end, out, image_op
):  # fmt: skip
    """Outputs of the rows [first, end) of `samples`, in order: out [n_samples, n_out].

    Work space and chunk are those of one minibatch of ``samples.batch`` rows.
    """
    work_at = address_of(work)
    indices = np.empty(samples.batch, np.int64)
    loss = ops[n_forward]  # it would read the outputs
    n_out, out_row = loss[op.X_WIDTH], loss[op.X_ROW]
    for start in range(first, end, samples.batch):
        rows = min(samples.batch, end - start)
        for i in range(rows):
            indices[i] = start + i
        gather(samples, indices, rows, work_at + 4 * ops[0, op.X], ops[0, op.X_ROW])
        for k in range(n_forward):
            run_op(
                ops[k], reals[k], address_of(params), work_at, address_of(zeros), rows,
                np.int64(0), np.uint32(0), np.int64(0), image_op,
            )  # fmt: skip
        for i in range(rows):
            for j in range(n_out):
                out[start + i, j] = work[loss[op.X] + i * out_row + j]
