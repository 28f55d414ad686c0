"""The register tile for images: its rows lie where a table says.

    v = init[t[i], :] + sum over (ko, ki) of a[s[i], ko, ki] * b[ko, ki, :]
    out[t[i], :] = v > 0 ? v : slope * v

for ``ROWS`` rows i, where the table holds s[i] and t[i], int32 offsets in float32 from
a and from out. Pixels of a small image fill the rows without gaps at its edges. A short
last group of rows repeats a row: it is then computed twice, and written twice the same.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hogblock.kernels.cpu.host import TILE
from hogblock.kernels.cpu.ir import I32, I64, VectorBuilder, i64, outlined
from hogblock.kernels.cpu.tile import accumulate
from hogblock.kernels.ops import LINE

ROWS = TILE.rows
HALF = LINE // 2


def make_table_tile(rows, lanes, vectors, *, spread=True):
    """Tile of `rows` x `vectors` vectors of `lanes` float32.

    Called as ``tile(a, table, a_outer, a_inner, b, b_outer, b_inner, init,
    init_moves, outer, inner, out, slope)``; `table` is the address of int32
    [rows, 2]. With `init_moves` 1 init is laid out as out (to add to what is there),
    with 0 all rows begin with the same one (a bias).

    Parameters
    ----------
    rows, lanes, vectors : int
    spread : bool, default=True
        a is a scalar for all lanes; if not, a vector that is multiplied lane by lane.
    """
    signature = types.void(*(types.int64,) * 12, types.float32)
    name = f"hogblock_table_tile_{rows}_{lanes}_{vectors}_{int(spread)}"

    def emit(builder, arguments):
        a, table, a_outer, a_inner, b, b_outer, b_inner = arguments[:7]
        init, init_moves, outer, inner, out, slope = arguments[7:]
        vb = VectorBuilder(builder, lanes)
        a, b, init, out = (vb.pointer(v) for v in (a, b, init, out))
        entries = builder.inttoptr(table, I32.as_pointer())

        def entry(k):
            return builder.sext(builder.load(builder.gep(entries, [i64(k)])), I64)

        a_rows = [vb.offset(a, entry(2 * i)) for i in range(rows)]
        lines = [
            vb.offset(init, builder.mul(entry(2 * i + 1), init_moves))
            for i in range(rows)
        ]
        start = [
            [vb.load(vb.offset(line, j * lanes)) for j in range(vectors)]
            for line in lines
        ]
        acc = accumulate(
            vb, a_rows, (a_outer, a_inner), b, (b_outer, b_inner), start,
            (outer, inner), read=None if spread else vb.load, prefetch=False,
        )  # fmt: skip

        slope = vb.spread(slope)
        for i in range(rows):
            line = vb.offset(out, entry(2 * i + 1))
            for j in range(vectors):
                vb.store(vb.leaky(acc[i][j], slope), vb.offset(line, j * lanes))

    def codegen(context, builder, sig, arguments):
        outlined(builder, name, arguments, emit)
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing_context, a, table, a_outer, a_inner, b, b_outer, b_inner,
        init, init_moves, outer, inner, out, slope,
    ):  # fmt: skip
        return signature, codegen

    return tile


def make_pair_tile(rows):
    """Tile for one input channel and up to `HALF` output channels: two pixels a row.

    Called as ``tile(a, table, a_outer, b, outer, inner, init, out, out_pixel, slope)``.
    A row is a pixel and its right neighbour, whose inputs are neighbours too; its lanes
    are the two pixels of each channel in turn, and so are those of b [outer, inner,
    `LINE`] and of init: no lane is idle.
    """
    signature = types.void(*(types.int64,) * 9, types.float32)

    def emit(builder, arguments):
        a, table, a_outer, b, outer, inner, init, out, out_pixel, slope = arguments
        vb, half = VectorBuilder(builder, LINE), VectorBuilder(builder, HALF)
        a, b, out = (vb.pointer(v) for v in (a, b, out))
        entries = builder.inttoptr(table, I32.as_pointer())

        def entry(k):
            return builder.sext(builder.load(builder.gep(entries, [i64(k)])), I64)

        def read(at):
            pair = builder.load(builder.bitcast(at, I64.as_pointer()))
            pair.align = 4
            kind = ir.VectorType(I64, HALF)
            undefined = ir.Constant(kind, ir.Undefined)
            first = builder.insert_element(undefined, pair, ir.Constant(I32, 0))
            zeros = ir.Constant(ir.VectorType(I32, HALF), [0] * HALF)
            return builder.bitcast(
                builder.shuffle_vector(first, undefined, zeros), vb.type
            )

        bias = vb.load(vb.pointer(init))
        acc = accumulate(
            vb, [vb.offset(a, entry(2 * i)) for i in range(rows)], (a_outer, i64(1)),
            b, (builder.mul(inner, i64(LINE)), i64(LINE)), [[bias]] * rows,
            (outer, inner), read=read, prefetch=False,
        )  # fmt: skip
        slope = vb.spread(slope)
        for i, (value,) in enumerate(acc):
            value = vb.leaky(value, slope)
            line = vb.offset(out, entry(2 * i + 1))
            for pixel in range(2):
                lanes = ir.Constant(
                    ir.VectorType(I32, HALF), list(range(pixel, LINE, 2))
                )
                channels = builder.shuffle_vector(value, value, lanes)
                step = builder.mul(out_pixel, i64(pixel))
                half.store(channels, vb.offset(line, step))

    def codegen(context, builder, sig, arguments):
        outlined(builder, f"hogblock_pair_tile_{rows}", arguments, emit)
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing_context, a, table, a_outer, b, outer, inner, init, out, out_pixel, slope
    ):  # fmt: skip
        return signature, codegen

    return tile


def make_product_tile(rows, lanes, vectors):
    """Plain product of `rows` rows at equal distances, nothing around it.

    Called as ``tile(a, a_row, b, b_inner, inner, out, out_row)``:
    out[i, :] = sum over ki of a[i, ki] * b[ki, :], a[i] and out[i] contiguous.
    """
    signature = types.void(*(types.int64,) * 7)

    def emit(builder, arguments):
        a, a_row, b, b_inner, inner, out, out_row = arguments
        vb = VectorBuilder(builder, lanes)
        a, b, out = (vb.pointer(v) for v in (a, b, out))
        a_rows = [vb.offset(a, builder.mul(i64(i), a_row)) for i in range(rows)]
        start = [[vb.constant(0.0)] * vectors for _ in range(rows)]
        acc = accumulate(
            vb, a_rows, (i64(0), i64(1)), b, (i64(0), b_inner), start,
            (i64(1), inner), prefetch=False,
        )  # fmt: skip
        for i in range(rows):
            line = vb.offset(out, builder.mul(i64(i), out_row))
            for j in range(vectors):
                vb.store(acc[i][j], vb.offset(line, j * lanes))

    def codegen(context, builder, sig, arguments):
        name = f"hogblock_product_tile_{rows}_{lanes}_{vectors}"
        outlined(builder, name, arguments, emit)
        return context.get_dummy_value()

    @intrinsic
    def tile(typing_context, a, a_row, b, b_inner, inner, out, out_row):
        return signature, codegen

    return tile


NARROW = min(TILE.lanes, HALF)
PAIRS = TILE.lanes == LINE  # narrower vectors have no idle lanes to fill
pairs = make_pair_tile(ROWS)
wide = make_table_tile(ROWS, TILE.lanes, TILE.vectors)
line = make_table_tile(ROWS, TILE.lanes, LINE // TILE.lanes)
half = make_table_tile(ROWS, NARROW, HALF // NARROW)
wide_product = make_product_tile(ROWS, TILE.lanes, TILE.vectors)
line_product = make_product_tile(ROWS, TILE.lanes, LINE // TILE.lanes)
by_lane = make_table_tile(ROWS, TILE.lanes, LINE // TILE.lanes, spread=False)
