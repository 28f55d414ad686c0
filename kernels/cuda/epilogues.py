"""What becomes of the outputs of a product, four of a row at a time."""

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.activation import fused_derivative, fused_forward
from hogblock.kernels.cuda.integers import int32
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.memory import load4, read4, store4
from hogblock.kernels.cuda.patches import weight_row, window_at
from hogblock.kernels.cuda.update import update4


@part
def store_outputs(run, team, step, p, m, n, a, b, c, d, k_part):
    """Y = act(C + B)."""
    table = run.table
    bias, kind = table[p + op.B], table[p + op.KIND]
    slope = run.reals[table[p + ph.REALS] + op.SLOPE]
    if bias >= 0:
        more = read4(team.reads, int32(bias + n))
        a += more[0]
        b += more[1]
        c += more[2]
        d += more[3]
    store4(
        team.work,
        int32(table[p + ph.OUT] + m * table[p + ph.OUT_ROW] + n),
        fused_forward(kind, a, slope),
        fused_forward(kind, b, slope),
        fused_forward(kind, c, slope),
        fused_forward(kind, d, slope),
    )


@part
def store_input_gradient(run, team, step, p, m, n, a, b, c, d, k_part):
    """DX = C, times the derivative of the activation that DX is the gradient behind."""
    table = run.table
    at = int32(m * table[p + ph.OUT_ROW] + n)
    if table[p + ph.ACT_Y] >= 0:
        kind = table[p + ph.ACT_KIND]
        slope = run.reals[table[p + ph.REALS] + ph.ACT_SLOPE]
        y = load4(team.work, int32(table[p + ph.ACT_Y] + at))
        a = float32(a * fused_derivative(kind, y[0], slope))
        b = float32(b * fused_derivative(kind, y[1], slope))
        c = float32(c * fused_derivative(kind, y[2], slope))
        d = float32(d * fused_derivative(kind, y[3], slope))
    store4(team.work, int32(table[p + ph.OUT] + at), a, b, c, d)


@part
def update_weights(run, team, step, p, m, n, a, b, c, d, k_part):
    """The update of the weights, or a part of their gradient."""
    table = run.table
    row = weight_row(window_at(table, p), m, table[p + ph.CHANNELS])
    first = table[p + op.FIRST]
    if row < first or row >= first + table[p + op.COUNT]:
        return
    width = table[p + ph.OUT_ROW]
    if table[p + ph.PARTS] == 1:
        if step.numbers[job.LEARNS] == 1:
            at = int32(table[p + op.W] + row * width + n)
            decays = table[p + op.DECAYS] == 1
            update4(run, team, step, at, a, b, c, d, decays)
    else:
        at = int32(table[p + ph.PARTS_AT] + k_part * table[p + ph.PART_SIZE])
        at = int32(at + (row - first) * width + n)
        store4(team.work, at, a, b, c, d)
