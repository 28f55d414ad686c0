"""From a plan's op table to the phase table that a team of thread blocks walks.

Every operation becomes one or two phases on the same buffers. Three things differ from
a CPU. A convolution that pools, or a gradient that goes through a pooling, has the
image before pooling in memory. Updates come last: they depend on nothing but their
gradients, so that a team runs all of them without a barrier in between. Long sums (of
the weights of a convolution, of biases) are cut into parts, one a block, and added up
by the update.
"""

import numpy as np

from hogblock.kernels import optable as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.layout import LATE, LINE, Layout, Phase, parameters_of
from hogblock.kernels.cuda.sums import MOST_CHANNELS, SUMS_AT
from hogblock.kernels.cuda.tiles import Tile, choose_split, choose_tile, tile_count
from hogblock.kernels.cuda.windows import (
    covers,
    forward_window,
    input_window,
    signed,
    tap_range,
)

ELEMENTS = 2048  # of a tile of an elementwise phase
PARAMETERS = 1024  # of a tile of an update from parts, or of a copy


class _Lowering:
    def __init__(self, layout: Layout):
        self.layout = layout
        self.rows: list[Phase] = []
        self.draws = 0  # random numbers a sample

    def emit(self, phase, row, reals, reads, writes, *, tiles, **columns):
        """Append a phase.

        reads, writes : work-space ranges (start, size), by which barriers are placed.
        """
        out = np.zeros(ph.PHASE_WIDTH, np.int64)
        out[: op.OP_WIDTH] = row
        out[ph.PHASE], out[ph.TILES], out[ph.PARTS] = phase, tiles, 1
        for name, value in columns.items():
            out[getattr(ph, name.upper(), None) or getattr(op, name.upper())] = value
        more = np.zeros(ph.PHASE_REALS, np.float32)
        more[: op.REAL_WIDTH] = reals
        uses, changes = parameters_of(out)
        self.rows.append(Phase(out, more, (*reads, *uses), (*writes, *changes)))

    def elements(self, phase, row, reals, reads, writes, length, **columns):
        """A phase over `length` elements a sample."""
        self.emit(
            phase, row, reals, reads, writes,
            tiles=-(-self.layout.batch * length // ELEMENTS), step=ELEMENTS,
            length=length, **columns,
        )  # fmt: skip

    def span(self, row, offset, stride):
        """Range of a buffer whose samples are `stride` apart."""
        return (int(row[offset]), self.layout.rows * int(stride))

    # Operations ------------------------------------------------------------------

    def lower(self, row, reals):
        """Emit the phases of one operation."""
        code = int(row[op.CODE])
        _LOWER[code](self, row, reals)

    def pointwise(self, row, reals):
        code = int(row[op.CODE])
        phase, sources, target = _POINTWISE[code]
        length = int(row[op.Y_ROW])
        reads = [self.span(row, s, length) for s in sources]
        columns = {}
        if code == op.ADD_BACKWARD and row[op.COUNT] == 1:
            reads.append(self.span(row, op.DX, length))
        writes = [self.span(row, target, length)]
        if code in (op.DROPOUT_FORWARD, op.SPATIAL_DROPOUT_FORWARD):
            spatial = code == op.SPATIAL_DROPOUT_FORWARD
            draws = int(row[op.OUT_PIXEL if spatial else op.Y_ROW])
            threshold = int(np.float64(reals[op.RATE]) * 4294967295.0)
            columns = {"draws": self.draws, "draws_below": signed(threshold)}
            self.draws += draws
            writes.append((int(row[op.SCRATCH]), self.layout.rows * draws))
        elif code in (op.DROPOUT_BACKWARD, op.SPATIAL_DROPOUT_BACKWARD):
            reads.append((int(row[op.SCRATCH]), self.layout.rows * length))
        if code == op.ACTIVATION_BACKWARD:
            if self._fuse_derivative(row, reals):
                return
            reads.append(self.span(row, op.Y, length))
        self.elements(phase, row, reals, reads, writes, length, **columns)

    def _fuse_derivative(self, row, reals) -> bool:
        """Let the product that has just written DY multiply by the derivative."""
        waiting = (*LATE, ph.UPDATE)
        done = [p for p in self.rows if p.row[ph.PHASE] not in waiting]
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
            last.reads += (self.span(row, op.Y, row[op.Y_ROW]),)
        return bool(fits)

    def copy_channels(self, row, reals):
        length = int(row[op.IN_HEIGHT] * row[op.IN_WIDTH] * row[op.IN_CHANNELS])
        self.elements(
            ph.COPY_CHANNELS, row, reals, [self.span(row, op.X, row[op.X_ROW])],
            [self.span(row, op.Y, row[op.Y_ROW])], length,
        )  # fmt: skip

    def norm(self, row, reals):
        phase, reads, writes = {
            op.NORM_FORWARD: (ph.NORM_FORWARD, [op.X], [op.Y]),
            op.NORM_SUMS: (ph.NORM_SUMS, [op.X, op.Y, op.DY], []),
            op.NORM_INPUT_GRADIENT: (ph.NORM_INPUT, [op.X, op.Y, op.DY], [op.DX]),
        }[int(row[op.CODE])]
        pixel, rows = int(row[op.OUT_PIXEL]), self.layout.rows
        moments = (int(row[op.SCRATCH]), 2 * pixel * rows)
        sums = [(int(row[s]), pixel * rows) for s in (op.SCRATCH3, op.SCRATCH4)]
        reads = [self.span(row, b, row[op.Y_ROW]) for b in reads]
        writes = [self.span(row, b, row[op.Y_ROW]) for b in writes]
        if phase == ph.NORM_FORWARD:
            writes.append(moments)
        elif phase == ph.NORM_SUMS:
            reads.append(moments)
            writes += sums
        else:
            reads += [moments, *sums]
        self.layout.shared = max(self.layout.shared, SUMS_AT + 4 * pixel)
        length = pixel * int(row[op.IN_HEIGHT] * row[op.IN_WIDTH])
        self.emit(
            phase, row, reals, reads, writes, tiles=self.layout.batch, length=length
        )

    def loss(self, row, reals):
        threads = self.layout.threads
        losses = (self.losses_at, self.layout.rows + LINE)
        self.emit(
            ph.LOSS, row, reals, [self.span(row, op.X, row[op.X_ROW]), losses],
            [self.span(row, op.DY, row[op.X_ROW]), losses],
            tiles=-(-self.layout.batch // threads), step=threads,
        )  # fmt: skip
        self.emit(ph.LOSS_SUM, row, reals, [losses], [], tiles=1)

    @property
    def losses_at(self) -> int:
        return self.layout.place("losses", self.layout.rows + LINE)

    # Dense layers and convolutions -----------------------------------------------

    def dense(self, row, reals):
        """A dense layer is a convolution of images of one pixel."""
        row = row.copy()
        row[op.IN_HEIGHT] = row[op.IN_WIDTH] = 1
        row[op.OUT_HEIGHT] = row[op.OUT_WIDTH] = 1
        row[op.KERNEL_HEIGHT] = row[op.KERNEL_WIDTH] = 1
        row[op.STRIDE_HEIGHT] = row[op.STRIDE_WIDTH] = 1
        row[op.POOL_HEIGHT] = row[op.POOL_WIDTH] = 1
        row[op.IN_CHANNELS], row[op.IN_PIXEL] = row[op.X_WIDTH], row[op.X_ROW]
        row[op.OUT_CHANNELS], row[op.OUT_PIXEL] = row[op.Y_WIDTH], row[op.Y_ROW]
        self.convolution(row, reals)

    def convolution(self, row, reals):
        """Forward, input gradient or weight gradient."""
        code = int(row[op.CODE])
        pools = row[op.POOL_HEIGHT] * row[op.POOL_WIDTH] > 1
        if code in (op.DENSE_FORWARD, op.CONV_FORWARD):
            self._forward(row, reals, pools)
            return
        out, out_row = int(row[op.DY]), int(row[op.Y_ROW])
        if pools:
            out, out_row = self._full(row)
            self._unpool(row, reals, out, out_row)
        if code in (op.DENSE_INPUT_GRADIENT, op.CONV_INPUT_GRADIENT):
            self._input(row, reals, out, out_row)
        else:
            self._weight(row, reals, out, out_row)

    def _full(self, row) -> tuple[int, int]:
        """The image before pooling: offset, words a sample."""
        words = int(row[op.OUT_HEIGHT] * row[op.OUT_WIDTH] * row[op.OUT_PIXEL])
        at = self.layout.place(("full", int(row[op.Y])), words * self.layout.rows)
        return at, words

    def _pooling_row(self, row):
        """The pooling that a convolution has absorbed, as an operation of its own."""
        at, words = self._full(row)
        pool = row.copy()
        pool[op.X] = pool[op.DX] = at
        pool[op.X_ROW] = words
        pool[op.IN_HEIGHT], pool[op.IN_WIDTH] = row[op.OUT_HEIGHT], row[op.OUT_WIDTH]
        pool[op.IN_PIXEL] = row[op.OUT_PIXEL]
        for size, kernel, stride, pooled in (
            (op.OUT_HEIGHT, op.KERNEL_HEIGHT, op.STRIDE_HEIGHT, op.POOL_HEIGHT),
            (op.OUT_WIDTH, op.KERNEL_WIDTH, op.STRIDE_WIDTH, op.POOL_WIDTH),
        ):
            pool[size] = row[size] // row[pooled]
            pool[kernel] = pool[stride] = row[pooled]
        pool[op.PAD_TOP] = pool[op.PAD_LEFT] = 0
        return pool

    def _unpool(self, row, reals, out, out_row):
        """The gradient before pooling, unless this step has it already."""
        for before in self.rows:
            row_before = before.row
            if row_before[ph.PHASE] == ph.MAX_POOL_SPREAD and (
                row_before[op.DX] == out
            ):
                return
        pool = self._pooling_row(row)
        pool[op.CODE] = op.MAX_POOL_BACKWARD
        self.pooling(pool, reals)

    def _forward(self, row, reals, pools):
        target = int(row[op.Y]), int(row[op.Y_ROW])
        if pools:
            target = self._full(row)
            row, plain = row.copy(), reals.copy()
            pool = self._pooling_row(row)
            row[op.KIND], plain[op.SLOPE] = op.LINEAR, 1.0
        else:
            plain = reals
        window = forward_window(row)
        reads = [self.span(row, op.X, row[op.X_ROW])]
        writes = [(target[0], target[1] * self.layout.rows)]
        if row[op.KIND2] == 1:
            length = target[1]
            self.elements(
                ph.DEPTHWISE_FORWARD, row, plain, reads, writes, length,
                out=target[0], right_row=row[op.OUT_PIXEL], **window,
            )  # fmt: skip
        else:
            self.product(
                ph.PRODUCT_FORWARD, row, plain, reads, writes, window,
                m=self.layout.batch * window["pixels"], n=int(row[op.OUT_PIXEL]),
                k=window["tap_end"], out=target[0], out_row=row[op.OUT_PIXEL],
                right=row[op.W], right_row=row[op.OUT_PIXEL],
            )  # fmt: skip
        if pools:
            pool[op.CODE] = op.MAX_POOL_FORWARD
            self.pooling(pool, reals)

    def _input(self, row, reals, out, out_row):
        window = input_window(row, out, out_row)
        reads = [(out, out_row * self.layout.rows)]
        writes = [self.span(row, op.DX, row[op.X_ROW])]
        if row[op.KIND2] == 1:
            self.elements(
                ph.DEPTHWISE_INPUT, row, reals, reads, writes, int(row[op.X_ROW]),
                out=row[op.DX], right_row=row[op.OUT_PIXEL], **window,
            )  # fmt: skip
            return
        self.product(
            ph.PRODUCT_INPUT, row, reals, reads, writes, window,
            m=self.layout.batch * window["pixels"], n=int(row[op.IN_PIXEL]),
            k=window["tap_end"], out=row[op.DX], out_row=row[op.IN_PIXEL],
            right=row[op.W], right_row=row[op.OUT_PIXEL], act_y=-1,
        )  # fmt: skip

    def _weight(self, row, reals, out, out_row):
        window = forward_window(row)
        first, count = int(row[op.FIRST]), int(row[op.COUNT])
        width = int(row[op.OUT_PIXEL])
        reads = [
            self.span(row, op.X, row[op.X_ROW]), (out, out_row * self.layout.rows)
        ]  # fmt: skip
        sums = {
            "target": int(row[op.W]) + first * width,
            "length": count * width,
            "decays": 1,
        }
        if row[op.KIND2] == 1:
            parts, at = self.parts(("weight", int(row[op.W])), row, count * width)
            self.emit(
                ph.DEPTHWISE_WEIGHT, row, reals, reads,
                [(at, parts * count * width)], tiles=parts, parts=parts, parts_at=at,
                part_size=count * width, length=count * width, right=out,
                right_row=width, **window,
            )  # fmt: skip
            self.update(row, reals, parts, at, count * width, **sums)
            return
        start, end = tap_range(window, first, count)
        window["tap_end"] = end
        pixels = self.layout.batch * window["pixels"]
        tile, parts = self.tile(end - start, width, pixels), 1
        if window["pixels"] > 1:  # the sum is long
            tile, parts = choose_split(
                end - start, width, pixels, self.layout.blocks, self.layout.threads
            )
        columns, writes, at = {}, [], 0
        if parts > 1:
            key = ("weight", int(row[op.W]))
            at = self.layout.place(key, parts * count * width)
            writes = [(at, parts * count * width)]
            columns = {"parts_at": at, "part_size": count * width}
        self.product(
            ph.PRODUCT_WEIGHT, row, reals, reads, writes, window,
            m=end - start, n=width, k=pixels, tile=tile, parts=parts,
            tap_first=start, out_row=width, right=out, right_row=width, **columns,
        )  # fmt: skip
        if parts > 1:
            self.update(row, reals, parts, at, count * width, **sums)

    def product(
        self, phase, row, reals, reads, writes, window, *, m, n, k, tile=None, parts=1,
        **columns,
    ):  # fmt: skip
        """A product of matrices whose result has m rows and n columns."""
        tile = tile or self.tile(m, n, k)
        passes = tile.m // 8 * (tile.n // 4) * tile.slices > self.layout.threads
        self.emit(
            phase, row, reals, reads, writes,
            tiles=tile_count(m, n, tile) * parts, parts=parts,
            tile_m=tile.m, tile_n=tile.n, tile_k=tile.k, slices=tile.slices,
            m_tiles=-(-m // tile.m), n_tiles=-(-n // tile.n),
            piece=tile.piece, c_at=2 * tile.piece if passes else 0, **window | columns,
        )  # fmt: skip
        outputs = tile.m * tile.n * tile.slices
        needed = 2 * tile.piece + outputs if passes else tile.shared
        self.layout.shared = max(self.layout.shared, needed)

    def tile(self, m, n, k) -> Tile:
        return choose_tile(m, n, k, self.layout.blocks, self.layout.threads)

    # Sums and updates ------------------------------------------------------------

    def parts(self, key, row, size) -> tuple[int, int]:
        """How many parts a long sum has, and where they lie."""
        parts = self.layout.blocks
        return parts, self.layout.place(key, parts * size)

    def bias(self, row, reals):
        """Column sums; where one block makes them, it updates the bias at once."""
        width = int(row[op.Y_ROW])
        lines = self.layout.batch * int(row[op.COUNT])
        parts = max(1, min(self.layout.blocks, lines // 128))
        needed = SUMS_AT + min(width, MOST_CHANNELS)
        self.layout.shared = max(self.layout.shared, needed)
        at = self.layout.place(("bias", int(row[op.B])), self.layout.blocks * width)
        reads = [(int(row[op.DY]), self.layout.rows * int(row[op.COUNT]) * width)]
        target = {"target": int(row[op.B]), "length": width, "decays": 0}
        self.emit(
            ph.COLUMN_SUMS, row, reals, reads, [(at, parts * width)], tiles=parts,
            parts=parts, parts_at=at, part_size=width, **target,
        )  # fmt: skip
        if parts > 1:
            self.update(row, reals, parts, at, width, **target)

    def update(self, row, reals, parts, at, size, **columns):
        self.emit(
            ph.UPDATE, row, reals, [(at, parts * size)], [],
            tiles=-(-columns["length"] // PARAMETERS), step=PARAMETERS, parts=parts,
            parts_at=at, part_size=size, **columns,
        )  # fmt: skip

    # Pooling ---------------------------------------------------------------------

    def pooling(self, row, reals):
        code = int(row[op.CODE])
        x = [self.span(row, op.X, row[op.X_ROW])]
        y = [self.span(row, op.Y, row[op.Y_ROW])]
        dx = [self.span(row, op.DX, row[op.X_ROW])]
        dy = [self.span(row, op.DY, row[op.Y_ROW])]
        inside = int(row[op.IN_HEIGHT] * row[op.IN_WIDTH] * row[op.IN_PIXEL])
        outside = int(row[op.OUT_HEIGHT] * row[op.OUT_WIDTH] * row[op.OUT_PIXEL])
        columns, index = {}, []
        if code in (op.MAX_POOL_FORWARD, op.MAX_POOL_BACKWARD):
            size = outside * self.layout.rows
            at = self.layout.place(("positions", int(row[op.Y])), size)
            columns, index = {"positions": at}, [(at, size)]
        spreads = code == op.MAX_POOL_BACKWARD and covers(row)
        phase, reads, writes, length = {
            op.MAX_POOL_FORWARD: (ph.MAX_POOL_FORWARD, x, y + index, outside),
            op.AVG_POOL_FORWARD: (ph.AVG_POOL_FORWARD, x, y, outside),
            op.MAX_POOL_BACKWARD: (ph.MAX_POOL_BACKWARD, dy + index, dx, inside),
            op.AVG_POOL_BACKWARD: (ph.AVG_POOL_BACKWARD, dy, dx, inside),
        }[code]
        if spreads:
            phase, length = ph.MAX_POOL_SPREAD, outside
        self.elements(phase, row, reals, reads, writes, length, **columns)


_POINTWISE = {  # phase, what it reads, what it writes
    op.ACTIVATION_FORWARD: (ph.ACTIVATION_FORWARD, [op.X], op.Y),
    op.ACTIVATION_BACKWARD: (ph.ACTIVATION_BACKWARD, [op.DY], op.DX),
    op.DROPOUT_FORWARD: (ph.DROPOUT_FORWARD, [op.X], op.Y),
    op.DROPOUT_BACKWARD: (ph.DROPOUT_BACKWARD, [op.DY], op.DX),
    op.SPATIAL_DROPOUT_FORWARD: (ph.SPATIAL_DROPOUT_FORWARD, [op.X], op.Y),
    op.SPATIAL_DROPOUT_BACKWARD: (ph.SPATIAL_DROPOUT_BACKWARD, [op.DY], op.DX),
    op.ADD_FORWARD: (ph.ADD_FORWARD, [op.X, op.X2], op.Y),
    op.ADD_BACKWARD: (ph.ADD_BACKWARD, [op.DY], op.DX),
}


def lower_plan(ops, reals, n_forward: int, layout: Layout) -> list[Phase]:
    """Phases of a plan, in an order in which they may run, without barriers yet.

    Parameters
    ----------
    ops, reals, n_forward
        As of ``models.plan.Plan``.
    layout : Layout
        Grows by what the phases need.
    """
    lowering = _Lowering(layout)
    for row, more in zip(ops, reals, strict=True):
        lowering.lower(row, more)
    return lowering.rows


_LOWER = {code: _Lowering.pointwise for code in _POINTWISE} | {
    op.DENSE_FORWARD: _Lowering.dense,
    op.DENSE_INPUT_GRADIENT: _Lowering.dense,
    op.DENSE_UPDATE: _Lowering.dense,
    op.CONV_FORWARD: _Lowering.convolution,
    op.CONV_INPUT_GRADIENT: _Lowering.convolution,
    op.CONV_UPDATE: _Lowering.convolution,
    op.MAX_POOL_FORWARD: _Lowering.pooling,
    op.MAX_POOL_BACKWARD: _Lowering.pooling,
    op.AVG_POOL_FORWARD: _Lowering.pooling,
    op.AVG_POOL_BACKWARD: _Lowering.pooling,
    op.NORM_FORWARD: _Lowering.norm,
    op.NORM_SUMS: _Lowering.norm,
    op.NORM_INPUT_GRADIENT: _Lowering.norm,
    op.COPY_CHANNELS: _Lowering.copy_channels,
    op.LOSS: _Lowering.loss,
    op.BIAS_UPDATE: _Lowering.bias,
}
