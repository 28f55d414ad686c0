"""The interpreter: runs one phase of a plan, whichever it is, for one thread block.

Which phases there are, and what each does, is in ``phases``. An operation that is one
phase needs a row of a PLAIN table behind its device function, and nothing here.
"""

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import elementwise, job, norm, pooling
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.depthwise import (
    depthwise_forward,
    depthwise_input,
    depthwise_weight,
)
from hogblock.kernels.cuda.elementwise import dropout_forward
from hogblock.kernels.cuda.epilogues import (
    store_input_gradient,
    store_outputs,
    update_weights,
)
from hogblock.kernels.cuda.gather import copy_parameters, gather, sum_weights
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.loss import add_losses, loss_gradient
from hogblock.kernels.cuda.pooling import (
    max_pool_backward,
    max_pool_forward,
    max_pool_spread,
)
from hogblock.kernels.cuda.product import FORWARD, INPUT, WEIGHT, make_product
from hogblock.kernels.cuda.sums import column_sums
from hogblock.kernels.cuda.thin import thin_norms, thin_rows
from hogblock.kernels.cuda.update import update_from_parts
from hogblock.kernels.switch import make_switch

PLAIN = elementwise.PLAIN | norm.PLAIN | pooling.PLAIN
"""Operations that are one phase, see ``plain``."""


def _plain_switch(part_of: int):
    """Device function ``run(code, run, team, p, rows)`` of a pass's plain phases."""
    kernels = {
        code: plain.run
        for code, plain in PLAIN.items()
        if op.OPERATIONS[code].part_of == part_of
    }
    return make_switch(kernels, "run, team, p, rows", part)


run_plain_forward = _plain_switch(op.FORWARD)
run_plain_backward = _plain_switch(op.BACKWARD)
product_forward = make_product(FORWARD, store_outputs)
product_input = make_product(INPUT, store_input_gradient)
product_weight = make_product(WEIGHT, update_weights)


@part
def run_forward_phase(run, team, step, p):
    """A phase of the forward pass; False if it is none."""
    code, rows = run.table[p + ph.PHASE], step.numbers[job.ROWS]
    if code == ph.PRODUCT_FORWARD:
        product_forward(run, team, step, p, rows)
    elif code == ph.GATHER:
        gather(
            run,
            team,
            p,
            rows,
            step.numbers[job.START],
            step.numbers[job.EPOCH],
            step.numbers[job.AUGMENTED],
            step.numbers[job.AUGMENTS],
        )
    elif code == ph.WEIGHT_SUM:
        sum_weights(run, team, p, rows)
    elif code == ph.COPY_PARAMETERS:
        copy_parameters(run, team, p)
    elif code == op.MAX_POOL_FORWARD:
        max_pool_forward(run, team, p, rows)
    elif code == ph.DEPTHWISE_FORWARD:
        depthwise_forward(run, team, p, rows)
    elif code == op.DROPOUT_FORWARD or code == op.SPATIAL_DROPOUT_FORWARD:
        counter = step.numbers[job.DROPPED] + rows * run.table[p + ph.DRAWS]
        dropout_forward(run, team, p, rows, counter, step.numbers[job.KEY])
    else:
        return run_plain_forward(code, run, team, p, rows)
    return True


@part
def run_phase(run, team, step, p):
    """The phase at row `p` of the phase table."""
    if run_forward_phase(run, team, step, p):
        return
    code, rows = run.table[p + ph.PHASE], step.numbers[job.ROWS]
    if code == ph.PRODUCT_WEIGHT:
        product_weight(run, team, step, p, rows)
    elif code == ph.PRODUCT_INPUT:
        product_input(run, team, step, p, rows)
    elif code == ph.UPDATE:
        if step.numbers[job.LEARNS] == 1:
            update_from_parts(run, team, step, p)
    elif code == ph.COLUMN_SUMS:
        column_sums(run, team, step, p, rows)
    elif code == op.LOSS:
        loss_gradient(run, team, step, p, rows)
    elif code == ph.LOSS_SUM:
        add_losses(run, team, step, p, rows, step.numbers[job.EPOCH])
    elif code == ph.THIN_NORMS:
        thin_norms(run, team, p, rows)
    elif code == ph.THIN_ROWS:
        thin_rows(run, team, step, p, rows)
    elif code == ph.MAX_POOL_SPREAD:
        max_pool_spread(run, team, p, rows)
    elif code == op.MAX_POOL_BACKWARD:
        max_pool_backward(run, team, p, rows)
    elif code == ph.DEPTHWISE_INPUT:
        depthwise_input(run, team, p, rows)
    elif code == ph.DEPTHWISE_WEIGHT:
        depthwise_weight(run, team, p, rows)
    else:
        run_plain_backward(code, run, team, p, rows)
