"""Sums over the few pixels that a max-pooling let through.

After max-pooling only one pixel of each window has a gradient, another one in each
channel. For one output channel these are a list of values d[e] and offsets s[e] of the
patches of x that they come from, and a patch is `rows` runs of `vectors` whole vectors:

- `gather`:  acc[r, :] += sum_e d[e] * x[s[e] + r * row_step, :]
- `scatter`: x[s[e] + r * row_step, :] += d[e] * w[r, :]
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hogblock.kernels.cpu.host import TILE
from hogblock.kernels.cpu.ir import I32, I64, VectorBuilder, i64, outlined
from hogblock.kernels.ops import LINE

_SIGNATURE = types.void(*(types.int64,) * 7)


def _lines(vb, base, row_step, rows, vectors):
    """Addresses of the vectors of a patch."""
    starts = [vb.offset(base, vb.builder.mul(i64(r), row_step)) for r in range(rows)]
    return [[vb.offset(s, v * vb.lanes) for v in range(vectors)] for s in starts]


def _for_entries(vb, offsets, values, count, x, row_step, shape, body):
    """Emit ``body(d spread, addresses of the patch)`` for each entry of the list."""
    builder = vb.builder
    offsets = builder.inttoptr(offsets, I32.as_pointer())
    values = vb.pointer(values)
    with cgutils.for_range(builder, count) as entry:
        start = builder.load(builder.gep(offsets, [entry.index]))
        patch = vb.offset(x, builder.sext(start, I64))
        value = vb.spread(builder.load(vb.offset(values, entry.index)))
        body(value, _lines(vb, patch, row_step, *shape))


def make_gather(rows, vectors):
    """``gather(x, row_step, offsets, values, count, acc, acc_row)``, see the module."""

    def emit(builder, arguments):
        x, row_step, offsets, values, count, acc, acc_row = arguments
        vb = VectorBuilder(builder, TILE.lanes)
        x, acc = vb.pointer(x), vb.pointer(acc)
        shape = rows, vectors * (LINE // TILE.lanes)
        places = _lines(vb, acc, acc_row, *shape)
        sums = [
            [cgutils.alloca_once_value(builder, vb.load(p)) for p in line]
            for line in places
        ]

        def add(value, patch):
            for line, here in zip(sums, patch, strict=True):
                for total, at in zip(line, here, strict=True):
                    new = vb.fma(value, vb.load(at), builder.load(total))
                    builder.store(new, total)

        _for_entries(vb, offsets, values, count, x, row_step, shape, add)
        for line, totals in zip(places, sums, strict=True):
            for at, total in zip(line, totals, strict=True):
                vb.store(builder.load(total), at)

    return _make("gather", rows, vectors, emit)


def make_scatter(rows, vectors):
    """``scatter(x, row_step, offsets, values, count, w, w_row)``, see the module."""

    def emit(builder, arguments):
        x, row_step, offsets, values, count, w, w_row = arguments
        vb = VectorBuilder(builder, TILE.lanes)
        x, w = vb.pointer(x), vb.pointer(w)
        shape = rows, vectors * (LINE // TILE.lanes)
        weights = [[vb.load(p) for p in line] for line in _lines(vb, w, w_row, *shape)]

        def add(value, patch):
            for line, here in zip(weights, patch, strict=True):
                for weight, at in zip(line, here, strict=True):
                    vb.store(vb.fma(value, weight, vb.load(at)), at)

        _for_entries(vb, offsets, values, count, x, row_step, shape, add)

    return _make("scatter", rows, vectors, emit)


def _make(name, rows, vectors, emit):
    def codegen(context, builder, sig, arguments):
        outlined(builder, f"hogblock_{name}_{rows}_{vectors}", arguments, emit)
        return context.get_dummy_value()

    @intrinsic
    def tile(typing_context, x, row_step, offsets, values, count, sums, sums_row):
        return _SIGNATURE, codegen

    return tile


MANY = 3 if TILE.lanes == LINE else 1
"""Vectors of a run that fit into the registers of three rows, in lines."""

gather_1, gather_n = make_gather(1, 1), make_gather(1, 4)
gather_3, gather_3n = make_gather(3, 1), make_gather(3, MANY)
gather_5, gather_5n = make_gather(5, 1), make_gather(5, 2)
scatter_1, scatter_n = make_scatter(1, 1), make_scatter(1, 4)
scatter_3, scatter_3n = make_scatter(3, 1), make_scatter(3, MANY)
scatter_5, scatter_5n = make_scatter(5, 1), make_scatter(5, 2)
