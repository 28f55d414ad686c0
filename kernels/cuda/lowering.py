"""From plans to the phase tables that a team of thread blocks walks.

Every operation becomes one or two phases on the same buffers. Three things differ from
a CPU. A convolution that pools, or a gradient that goes through a pooling, has the
image before pooling in memory (see ``products``). Updates come last: they depend on
nothing but their gradients, so that a team runs all of them without a barrier in
between. Long sums (of the weights of a convolution, of biases) are cut into parts, one
a thread block, and added up by the update.
"""

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda import products
from hogblock.kernels.cuda.interpreter import PLAIN
from hogblock.kernels.cuda.layout import LATE, PARAMETERS_AT, Layout, Phase
from hogblock.kernels.cuda.sums import MOST_CHANNELS, SUMS_AT
from hogblock.kernels.cuda.windows import covers, signed
from hogblock.kernels.ops import LINE

ELEMENTS = 2048  # of a tile of an elementwise phase
PARAMETERS = 1024  # of a tile of an update from parts


class Lowering:
    """The phases of one plan so far."""

    def __init__(self, layout: Layout):
        self.layout = layout
        self.phases: list[Phase] = []
        self.draws = 0  # random numbers a sample

    # Ranges (start, size) by which barriers are placed -----------------------------

    def buffer(self, row, name: str) -> tuple[int, int]:
        """Range of a buffer of a row, by its name in the op table."""
        declared = op.BUFFERS[name]
        sample = declared.times * int(row[op.COLUMNS[declared.row]])
        return int(row[op.COLUMNS[name]]), self.layout.rows * sample

    def reads(self, row) -> list[tuple[int, int]]:
        """Buffers that the row's operation reads."""
        names = op.OPERATIONS[int(row[op.CODE])].reads
        return [self.buffer(row, name) for name in names if name in op.BUFFERS]

    def writes(self, row) -> list[tuple[int, int]]:
        """Buffers that it writes."""
        names = op.OPERATIONS[int(row[op.CODE])].writes
        return [self.buffer(row, name) for name in names if name in op.BUFFERS]

    # Phases ------------------------------------------------------------------------

    def lower(self, row, reals):
        """Append the phases of an operation."""
        LOWER[int(row[op.CODE])](self, row, reals)

    def emit(self, phase, row, reals, reads, writes, *, tiles, **columns):
        """Append a phase; parameters that its operation reads need not be listed."""
        out = np.zeros(ph.PHASE_WIDTH, np.int64)
        out[: op.OP_WIDTH] = row
        out[ph.PHASE], out[ph.TILES], out[ph.PARTS] = phase, tiles, 1
        for name, value in columns.items():
            out[getattr(ph, name.upper(), None) or op.COLUMNS[name]] = value
        more = np.zeros(ph.PHASE_REALS, np.float32)
        more[: op.REAL_WIDTH] = reals
        reads = (*reads, *_parameters_read(row))
        self.phases.append(Phase(out, more, reads, tuple(writes)))

    def elements(self, phase, row, reals, reads, writes, length, **columns):
        """A phase over `length` elements a sample."""
        self.emit(
            phase, row, reals, reads, writes,
            tiles=-(-self.layout.batch * length // ELEMENTS), span=ELEMENTS,
            length=length, **columns,
        )  # fmt: skip

    def update(self, row, reals, parts, at, first, length):
        """`length` parameters from `first` on, from the parts of their gradient."""
        self.emit(
            ph.UPDATE, row, reals, [(at, parts * length)],
            [(PARAMETERS_AT + first, length)], tiles=-(-length // PARAMETERS),
            span=PARAMETERS, parts=parts, parts_at=at, part_size=length, target=first,
            length=length,
        )  # fmt: skip


def lower_plan(plan, layout: Layout) -> list[Phase]:
    """Phases of a plan, in an order in which they may run, without barriers yet.

    Parameters
    ----------
    plan : models.plan.Plan
    layout : Layout
        Grows by what the phases need.

    Raises
    ------
    ValueError
        If an operation has no kernel; the message names its layer.
    """
    lowering = Lowering(layout)
    for row, reals, origin in zip(plan.ops, plan.reals, plan.origins, strict=True):
        code = int(row[op.CODE])
        if code not in LOWER:
            name = op.OPERATIONS[code].name
            raise ValueError(f"operation {name} of {origin} has no CUDA kernel")
        lowering.lower(row, reals)
    return lowering.phases


def _parameters_read(row) -> list[tuple[int, int]]:
    """Ranges of the parameters: the shared ones, or the team's copy."""
    names = op.OPERATIONS[int(row[op.CODE])].reads
    ranges = []
    for name in names:
        if name in op.PARAMETERS and row[op.COLUMNS[name]] >= 0:
            size = row[op.COLUMNS[op.PARAMETERS[name]]]
            ranges.append((PARAMETERS_AT + int(row[op.COLUMNS[name]]), int(size)))
    return ranges


# Operations --------------------------------------------------------------------------


def _plain(lowering: Lowering, row, reals):
    code = int(row[op.CODE])
    plain, layout = PLAIN[code], lowering.layout
    reads, writes, length = lowering.reads(row), lowering.writes(row), plain.length(row)
    layout.shared = max(layout.shared, plain.shared(row))
    if plain.by_sample:
        lowering.emit(
            code, row, reals, reads, writes, tiles=layout.batch, span=length,
            length=length,
        )  # fmt: skip
    else:
        lowering.elements(code, row, reals, reads, writes, length)


def _dropout_forward(lowering: Lowering, row, reals):
    threshold = int(np.float64(reals[op.RATE]) * 4294967295.0)
    lowering.elements(
        int(row[op.CODE]), row, reals, lowering.reads(row), lowering.writes(row),
        int(row[op.Y_ROW]), draws=lowering.draws, draws_below=signed(threshold),
    )  # fmt: skip
    lowering.draws += int(row[op.MASK_ROW])


def _activation_backward(lowering: Lowering, row, reals):
    if not _fuse_derivative(lowering, row, reals):
        _plain(lowering, row, reals)


def _fuse_derivative(lowering: Lowering, row, reals) -> bool:
    """Let the product that has just written DY multiply by the derivative."""
    waiting = (*LATE, ph.UPDATE)
    done = [p for p in lowering.phases if p.row[ph.PHASE] not in waiting]
    if not done or row[op.DX] != row[op.DY]:
        return False
    last, before = done[-1], done[-1].row
    fits = (
        before[ph.PHASE] == ph.PRODUCT_INPUT
        and row[op.KIND] < op.FROM_INPUT
        and before[ph.OUT] == row[op.DY]
        and before[ph.ACT_Y] < 0
        and before[op.X_ROW] == row[op.Y_ROW]
    )
    if fits:
        before[ph.ACT_Y], before[ph.ACT_KIND] = row[op.Y], row[op.KIND]
        last.reals[ph.ACT_SLOPE] = reals[op.SLOPE]
        last.reads += (lowering.buffer(row, "y"),)
    return bool(fits)


def _loss(lowering: Lowering, row, reals):
    layout = lowering.layout
    size = layout.rows + LINE
    losses = layout.reserve("losses", size), size
    lowering.emit(
        op.LOSS, row, reals, [*lowering.reads(row), losses],
        [*lowering.writes(row), losses], tiles=-(-layout.batch // layout.threads),
        span=layout.threads,
    )  # fmt: skip
    lowering.emit(ph.LOSS_SUM, row, reals, [losses], [], tiles=1)


def _thin(lowering: Lowering, row, reals):
    """Norms of all samples first; then each thread block needs all of them."""
    layout, length = lowering.layout, int(row[op.Y_ROW])
    reads, writes = lowering.reads(row), lowering.writes(row)
    norms = layout.reserve("norms", layout.rows), layout.rows
    lowering.emit(
        ph.THIN_NORMS, row, reals, reads, [norms], tiles=layout.batch, span=length,
        length=length, norms=norms[0],
    )  # fmt: skip
    samples = min(layout.threads, -(-layout.batch // layout.thread_blocks))
    lowering.emit(
        ph.THIN_ROWS, row, reals, [*reads, norms], writes,
        tiles=-(-layout.batch // samples), span=samples * length, length=length,
        norms=norms[0],
    )  # fmt: skip


def _max_pool(lowering: Lowering, row, reals):
    """Forward it remembers the positions of the maxima, by which it goes back."""
    phase = int(row[op.CODE])
    inside = int(row[op.IN_HEIGHT] * row[op.IN_WIDTH] * row[op.IN_PIXEL])
    outside = int(row[op.OUT_HEIGHT] * row[op.OUT_WIDTH] * row[op.OUT_PIXEL])
    size = outside * lowering.layout.rows
    at = lowering.layout.reserve(("positions", int(row[op.Y])), size)
    reads, writes, length = lowering.reads(row), lowering.writes(row), inside
    if phase == op.MAX_POOL_FORWARD:
        writes.append((at, size))
        length = outside
    else:
        reads.append((at, size))
        if covers(row):
            phase, length = ph.MAX_POOL_SPREAD, outside
    lowering.elements(phase, row, reals, reads, writes, length, positions=at)


def _bias(lowering: Lowering, row, reals):
    """Column sums; where one thread block makes them, it updates the bias at once."""
    layout, width, first = lowering.layout, int(row[op.W_ROW]), int(row[op.W])
    lines = layout.batch * int(row[op.Y_ROW]) // width
    parts = max(1, min(layout.thread_blocks, lines // 128))
    layout.shared = max(layout.shared, SUMS_AT + min(width, MOST_CHANNELS))
    at = layout.reserve(("bias", first), layout.thread_blocks * width)
    writes = [(at, parts * width)]
    if parts == 1:
        writes.append((PARAMETERS_AT + first, width))
    lowering.emit(
        ph.COLUMN_SUMS, row, reals, lowering.reads(row), writes, tiles=parts,
        parts=parts, parts_at=at, part_size=width, target=first, length=width,
    )  # fmt: skip
    if parts > 1:
        lowering.update(row, reals, parts, at, first, width)


LOWER = {code: _plain for code in PLAIN} | {
    op.ACTIVATION_BACKWARD: _activation_backward,
    op.DROPOUT_FORWARD: _dropout_forward,
    op.SPATIAL_DROPOUT_FORWARD: _dropout_forward,
    op.MAX_POOL_FORWARD: _max_pool,
    op.MAX_POOL_BACKWARD: _max_pool,
    op.LOSS: _loss,
    op.THIN: _thin,
    op.BIAS_UPDATE: _bias,
    op.DENSE_FORWARD: products.dense,
    op.DENSE_INPUT_GRADIENT: products.dense,
    op.DENSE_UPDATE: products.dense,
    op.CONV_FORWARD: products.convolution,
    op.CONV_INPUT_GRADIENT: products.convolution,
    op.CONV_UPDATE: products.convolution,
}
"""How each operation becomes phases: ``f(lowering, row, reals)``."""
