"""The register tile: the one place where multiply-adds happen.

    acc[i, :] = init[i, :] + sum over (ko, ki) of a[i, ko, ki] * b[ko, ki, :]

for up to ``rows`` rows i, kept in registers. a is read a scalar at a time and spread;
b, init and the output are read and written a vector at a time. All strides count
float32. The strides choose the operand's transpose, and the two levels of the K loop
let the same tile serve dense layers (outer count 1) and convolutions. What happens to
the accumulators is the tile's epilogue:

- `activate`: out = act(acc), see ``activation``;
- `momentum`: the gradient g updates velocity u and weights w at once and is never
  written to memory (docs/method.md, section 2):
  g = acc + decay * w ; u = m * u + g ; w -= along_g * g + along_u * u.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hogblock.kernels.cpu.activation import FUSED, for_formula
from hogblock.kernels.cpu.host import PREFETCH_AHEAD, TILE
from hogblock.kernels.cpu.ir import F32, I64, VectorBuilder, i64
from hogblock.kernels.ops import LINE


def accumulate(
    vb, a_rows, a_strides, b, b_strides, start, trips, *, read=None, prefetch=True
):
    """Emit the K loop; returns accumulators[row][vector] of the last block.

    Parameters
    ----------
    vb : VectorBuilder
    a_rows : list of pointers
        Where each row of a begins.
    a_strides, b_strides, trips : pair of IR values
        Of the outer and the inner level.
    start : list of list of vectors
        First values of the accumulators.
    read : callable, default=None
        Gives a vector of a row's a from its address; None spreads a scalar.
    prefetch : bool, default=True
        Ask for the lines of b some steps ahead.
    """
    builder = vb.builder
    a_outer, a_inner = a_strides
    b_outer, b_inner = b_strides
    outer, inner = trips
    row, vectors = range(len(a_rows)), len(start[0])
    entry = builder.block
    outer_head, inner_loop, outer_tail, done = (
        builder.append_basic_block(name)
        for name in ("outer", "inner", "outer_tail", "done")
    )
    builder.branch(outer_head)

    builder.position_at_end(outer_head)
    ko = builder.phi(I64)
    ko.add_incoming(i64(0), entry)
    at_outer = [[builder.phi(vb.type) for _ in range(vectors)] for _ in row]
    a_start = builder.mul(ko, a_outer)
    b_start = builder.mul(ko, b_outer)
    builder.branch(inner_loop)

    builder.position_at_end(inner_loop)
    ki = builder.phi(I64)
    ki.add_incoming(i64(0), outer_head)
    acc = [[builder.phi(vb.type) for _ in range(vectors)] for _ in row]
    b_line = vb.offset(b, builder.add(b_start, builder.mul(ki, b_inner)))
    b_vectors = [vb.load(vb.offset(b_line, j * vb.lanes)) for j in range(vectors)]
    if prefetch:
        # Lines that another worker has just written come from its cache, not from ours.
        ahead = vb.offset(b_line, builder.mul(b_inner, i64(PREFETCH_AHEAD)))
        for j in range(0, vectors * vb.lanes, LINE):
            vb.prefetch(vb.offset(ahead, j))
    a_column = builder.add(a_start, builder.mul(ki, a_inner))
    new = []
    for i in row:
        at = vb.offset(a_rows[i], a_column)
        if read is None:
            values = [vb.spread(builder.load(at))] * vectors
        else:
            values = [read(vb.offset(at, j * vb.lanes)) for j in range(vectors)]
        new.append([vb.fma(values[j], b_vectors[j], acc[i][j]) for j in range(vectors)])
    ki_next = builder.add(ki, i64(1))
    ki.add_incoming(ki_next, inner_loop)
    more = builder.icmp_signed("<", ki_next, inner)
    builder.cbranch(more, inner_loop, outer_tail)

    builder.position_at_end(outer_tail)
    ko_next = builder.add(ko, i64(1))
    ko.add_incoming(ko_next, outer_tail)
    builder.cbranch(builder.icmp_signed("<", ko_next, outer), outer_head, done)
    for i in row:
        for j in range(vectors):
            at_outer[i][j].add_incoming(start[i][j], entry)
            at_outer[i][j].add_incoming(new[i][j], outer_tail)
            acc[i][j].add_incoming(at_outer[i][j], outer_head)
            acc[i][j].add_incoming(new[i][j], inner_loop)
    builder.position_at_end(done)
    return new


def _accumulate_rows(
    vb, count, a, a_strides, b, b_strides, init, init_row, trips, rows
):
    """The K loop of rows at equal distances: rows past the end repeat the last one."""
    builder = vb.builder
    tile_rows, vectors = count
    a_row, *a_steps = a_strides
    last = builder.sub(rows, i64(1))

    def row_of(i):
        inside = builder.icmp_signed("<", i64(i), last)
        return builder.select(inside, i64(i), last) if i else i64(0)

    row = [row_of(i) for i in range(tile_rows)]
    a_rows = [vb.offset(a, builder.mul(r, a_row)) for r in row]
    inits = [vb.offset(init, builder.mul(r, init_row)) for r in row]
    start = [
        [vb.load(vb.offset(line, j * vb.lanes)) for j in range(vectors)]
        for line in inits
    ]
    return accumulate(vb, a_rows, a_steps, b, b_strides, start, trips)


def _for_valid_rows(vb, tile_rows, rows, write_row):
    """Emit ``write_row(i)`` for each i < rows."""
    builder = vb.builder
    end = builder.append_basic_block("stored")
    for i in range(tile_rows):
        write_row(i)
        if i + 1 < tile_rows:
            following = builder.append_basic_block(f"row{i + 1}")
            more = builder.icmp_signed("<", i64(i + 1), rows)
            builder.cbranch(more, following, end)
            builder.position_at_end(following)
    builder.branch(end)
    builder.position_at_end(end)


_OPERANDS = (
    (types.int64, types.int64, types.int64, types.int64)  # a, row, outer, inner
    + (types.int64, types.int64, types.int64)  # b, outer, inner
    + (types.int64, types.int64)  # init, row
    + (types.int64, types.int64, types.int64)  # outer trips, inner trips, rows
)


def _split(vb, arguments):
    """IR values of the operands that every tile has."""
    a, a_row, a_outer, a_inner, b, b_outer, b_inner, init, init_row = arguments[:9]
    outer, inner, rows = arguments[9:12]
    return (
        (vb.pointer(a), (a_row, a_outer, a_inner), vb.pointer(b), (b_outer, b_inner))
        + (vb.pointer(init), init_row, (outer, inner), rows),
        arguments[12:],
    )


def make_activate_tile(shape, vectors):
    """Tile whose epilogue is the activation.

    Called as ``tile(a, a_row, a_outer, a_inner, b, b_outer, b_inner, init, init_row,
    outer, inner, rows, out, out_row, act, slope)``.
    """
    signature = types.void(
        *_OPERANDS, types.int64, types.int64, types.int64, types.float32
    )

    def codegen(context, builder, sig, arguments):
        vb = VectorBuilder(builder, shape.lanes)
        operands, (out, out_row, act, slope) = _split(vb, arguments)
        acc = _accumulate_rows(vb, (shape.rows, vectors), *operands)
        out = vb.pointer(out)

        slope = vb.spread(slope)

        def write_all(formula):
            def write_row(i):
                line = vb.offset(out, builder.mul(i64(i), out_row))
                for j in range(vectors):
                    value = formula.forward(vb, acc[i][j], slope)
                    vb.store(value, vb.offset(line, j * vb.lanes))

            _for_valid_rows(vb, shape.rows, operands[-1], write_row)

        for_formula(vb, act, FUSED, write_all)
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing_context, a, a_row, a_outer, a_inner, b, b_outer, b_inner,
        init, init_row, outer, inner, rows, out, out_row, act, slope,
    ):  # fmt: skip
        return signature, codegen

    return tile


def make_momentum_tile(shape, vectors):
    """Tile whose epilogue is the momentum step on weights w and velocity u.

    Called as ``tile(a, ..., rows, w, u, row, m, decay, along_g, along_u)`` where w and
    u share the row stride `row`. With m == 0 and along_u == 0, u is neither read nor
    written.
    """
    signature = types.void(
        *_OPERANDS, types.int64, types.int64, types.int64, *[types.float32] * 4
    )

    def codegen(context, builder, sig, arguments):
        vb = VectorBuilder(builder, shape.lanes)
        operands, rest = _split(vb, arguments)
        w, u, row, m, decay, along_g, along_u = rest
        w, u = vb.pointer(w), vb.pointer(u)
        # The K loop hides the way of these lines from the last-level cache.
        for i in range(shape.rows):
            for base in (w, u):
                line = vb.offset(base, builder.mul(i64(i), row))
                for j in range(0, vectors * vb.lanes, LINE):
                    vb.prefetch(vb.offset(line, j), write=True)
        acc = _accumulate_rows(vb, (shape.rows, vectors), *operands)
        has_momentum = builder.or_(
            *(
                builder.fcmp_unordered("!=", v, ir.Constant(F32, 0.0))
                for v in (m, along_u)
            )
        )
        m, decay, along_g, along_u = (
            vb.spread(v) for v in (m, decay, along_g, along_u)
        )

        def write_row(i, with_momentum):
            start = builder.mul(i64(i), row)
            for j in range(vectors):
                here = builder.add(start, i64(j * vb.lanes))
                w_at, u_at = vb.offset(w, here), vb.offset(u, here)
                weight = vb.load(w_at)
                gradient = vb.fma(decay, weight, acc[i][j])
                step = builder.fmul(along_g, gradient)
                if with_momentum:
                    velocity = vb.fma(m, vb.load(u_at), gradient)
                    vb.store(velocity, u_at)
                    step = vb.fma(along_u, velocity, step)
                vb.store(builder.fsub(weight, step), w_at)

        with builder.if_else(has_momentum) as (momentum, plain):
            for branch, flag in ((momentum, True), (plain, False)):
                with branch:
                    _for_valid_rows(
                        vb, shape.rows, operands[-1], lambda i, f=flag: write_row(i, f)
                    )
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing_context, a, a_row, a_outer, a_inner, b, b_outer, b_inner,
        init, init_row, outer, inner, rows, w, u, row, m, decay, along_g, along_u,
    ):  # fmt: skip
        return signature, codegen

    return tile


def make_transpose_tile(lanes):
    """Transpose a lanes x lanes square: ``tile(source, source_row, out, out_row)``."""
    signature = types.void(types.int64, types.int64, types.int64, types.int64)

    def codegen(context, builder, sig, arguments):
        vb = VectorBuilder(builder, lanes)
        source, source_row, out, out_row = arguments
        source, out = vb.pointer(source), vb.pointer(out)
        lines = [
            vb.load(vb.offset(source, builder.mul(i64(i), source_row)))
            for i in range(lanes)
        ]

        def mask(picks):
            return ir.Constant(ir.VectorType(ir.IntType(32), lanes), picks)

        span = 1
        while span < lanes:  # swap the off-diagonal squares of width `span`
            low = [j if not j & span else lanes + j - span for j in range(lanes)]
            high = [j + span if not j & span else lanes + j for j in range(lanes)]
            for i in range(lanes):
                if not i & span:
                    pair = lines[i], lines[i + span]
                    lines[i] = builder.shuffle_vector(*pair, mask(low))
                    lines[i + span] = builder.shuffle_vector(*pair, mask(high))
            span *= 2
        for i in range(lanes):
            vb.store(lines[i], vb.offset(out, builder.mul(i64(i), out_row)))
        return context.get_dummy_value()

    @intrinsic
    def tile(typing_context, source, source_row, out, out_row):
        return signature, codegen

    return tile


ROWS = TILE.rows
WIDE = TILE.lanes * TILE.vectors
activate_wide = make_activate_tile(TILE, TILE.vectors)
activate_line = make_activate_tile(TILE, LINE // TILE.lanes)
momentum_wide = make_momentum_tile(TILE, TILE.vectors)
momentum_line = make_momentum_tile(TILE, LINE // TILE.lanes)
transpose_square = make_transpose_tile(LINE)
