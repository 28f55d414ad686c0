"""Winograd's transforms F(2x2, 3x3), for one line of channels at a time.

Lavin and Gray, "Fast algorithms for convolutional neural networks" (2015), eq. 8-12:
y = A' [(G g G') * (B' d B)] A for a 3x3 kernel g, a 4x4 patch d of the input and 2x2
outputs y: 16 products instead of 36. Every transform reads a square of lines and writes
a square of lines; each square has a distance between its rows and one between its
columns, in float32.
"""

from numba import types
from numba.extending import intrinsic

from hogblock.kernels.cpu.ir import VectorBuilder, i64, outlined
from hogblock.kernels.ops import LINE

B_T = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
A_T = ((1, 1, 1, 0), (0, 1, -1, -1))


def _transposed(matrix):
    return tuple(zip(*matrix, strict=True))


def _combine(vb, factors, vectors):
    """Sum of the vectors, each times its factor."""
    total = None
    for factor, vector in zip(factors, vectors, strict=True):
        if factor == 0:
            continue
        if abs(factor) != 1:
            vector = vb.builder.fmul(vector, vb.constant(abs(factor)))
        if total is None:
            total = vector if factor > 0 else vb.builder.fneg(vector)
        elif factor > 0:
            total = vb.builder.fadd(total, vector)
        else:
            total = vb.builder.fsub(total, vector)
    return total


def _both_sides(vb, matrix, square):
    """matrix @ square @ matrix.T, on a square of vectors."""
    columns = _transposed(square)
    half = [[_combine(vb, row, column) for column in columns] for row in matrix]
    return [[_combine(vb, row, line) for row in matrix] for line in half]


def _load(vb, start, row_step, column_step, size):
    lines = [vb.offset(start, vb.builder.mul(i64(r), row_step)) for r in range(size)]
    return [
        [
            vb.load(vb.offset(line, vb.builder.mul(i64(q), column_step)))
            for q in range(size)
        ]
        for line in lines
    ]


def _store(vb, square, start, row_step, column_step, keep=None):
    """Write a square; with `keep`, (rows, columns) of it at most."""
    builder = vb.builder
    for r, line in enumerate(square):
        for q, value in enumerate(line):
            here = builder.add(
                builder.mul(i64(r), row_step), builder.mul(i64(q), column_step)
            )
            if keep is None or (r, q) == (0, 0):
                vb.store(value, vb.offset(start, here))
                continue
            inside = builder.and_(
                builder.icmp_signed("<", i64(r), keep[0]),
                builder.icmp_signed("<", i64(q), keep[1]),
            )
            with builder.if_then(inside):
                vb.store(value, vb.offset(start, here))


def make_transform(name, matrix):
    """``f(source, row_step, column_step, out, out_row_step, out_column_step)``."""
    signature = types.void(*(types.int64,) * 6)

    def emit(builder, arguments):
        source, row_step, column_step, out, out_row, out_column = arguments
        vb = VectorBuilder(builder, LINE)
        square = _load(vb, vb.pointer(source), row_step, column_step, len(matrix[0]))
        _store(
            vb, _both_sides(vb, matrix, square), vb.pointer(out), out_row, out_column
        )

    def codegen(context, builder, sig, arguments):
        outlined(builder, f"hogblock_winograd_{name}", arguments, emit)
        return context.get_dummy_value()

    @intrinsic
    def transform(
        typing_context, source, row_step, column_step, out, out_row, out_column
    ):
        return signature, codegen

    return transform


transform_input = make_transform("input", B_T)
transform_weights = make_transform("weights", G)
transform_gradient = make_transform("gradient", _transposed(A_T))
turn_back_weights = make_transform("turn_back", _transposed(G))


@intrinsic
def transform_output(
    typing_context, source, row_step, column_step, init, out, out_row, out_column,
    rows, columns, slope,
):  # fmt: skip
    """out = leaky(init + A' source A), the first `rows` x `columns` of 2x2 pixels."""

    def emit(builder, arguments):
        source, row_step, column_step, init, out, out_row, out_column = arguments[:7]
        rows, columns, slope = arguments[7:]
        vb = VectorBuilder(builder, LINE)
        square = _load(vb, vb.pointer(source), row_step, column_step, 4)
        init, slope = vb.load(vb.pointer(init)), vb.spread(slope)
        outputs = [
            [vb.leaky(builder.fadd(value, init), slope) for value in line]
            for line in _both_sides(vb, A_T, square)
        ]
        _store(vb, outputs, vb.pointer(out), out_row, out_column, (rows, columns))

    def codegen(context, builder, sig, arguments):
        outlined(builder, "hogblock_winograd_output", arguments, emit)
        return context.get_dummy_value()

    return types.void(*(types.int64,) * 9, types.float32), codegen
