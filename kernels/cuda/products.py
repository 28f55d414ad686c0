"""Dense layers and convolutions, lowered to products of matrices and their pooling.

Functions take the ``lowering.Lowering`` of a plan, to which they append phases, and a
row of the op table with its reals.
"""

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.layout import PARAMETERS_AT
from hogblock.kernels.cuda.tiles import Tile, choose_split, choose_tile, tile_count
from hogblock.kernels.cuda.windows import forward_window, input_window, tap_range


def dense(lowering, row, reals) -> None:
    """A dense layer is a convolution of images of one pixel."""
    row = row.copy()
    row[op.IN_HEIGHT] = row[op.IN_WIDTH] = 1
    row[op.OUT_HEIGHT] = row[op.OUT_WIDTH] = 1
    row[op.KERNEL_HEIGHT] = row[op.KERNEL_WIDTH] = 1
    row[op.STRIDE_HEIGHT] = row[op.STRIDE_WIDTH] = 1
    row[op.POOL_HEIGHT] = row[op.POOL_WIDTH] = 1
    row[op.IN_CHANNELS], row[op.IN_PIXEL] = row[op.X_WIDTH], row[op.X_ROW]
    row[op.OUT_CHANNELS], row[op.OUT_PIXEL] = row[op.Y_WIDTH], row[op.Y_ROW]
    convolution(lowering, row, reals)


def convolution(lowering, row, reals) -> None:
    """Forward, input gradient or weight gradient."""
    code = int(row[op.CODE])
    pools = row[op.POOL_HEIGHT] * row[op.POOL_WIDTH] > 1
    if code in (op.DENSE_FORWARD, op.CONV_FORWARD):
        _forward(lowering, row, reals, pools)
        return
    out, out_row = int(row[op.DY]), int(row[op.Y_ROW])
    if pools:
        out, out_row = _full(lowering, row)
        _unpool(lowering, row, reals, out)
    if code in (op.DENSE_INPUT_GRADIENT, op.CONV_INPUT_GRADIENT):
        _input(lowering, row, reals, out, out_row)
    else:
        _weight(lowering, row, reals, out, out_row)


# Pooling that a convolution has absorbed ---------------------------------------------


def _full(lowering, row) -> tuple[int, int]:
    """The image before pooling: offset, words a sample."""
    words = int(row[op.OUT_HEIGHT] * row[op.OUT_WIDTH] * row[op.OUT_PIXEL])
    layout = lowering.layout
    return layout.reserve(("full", int(row[op.Y])), words * layout.rows), words


def _pool(lowering, row, reals, code) -> None:
    """Lower the pooling as an operation of its own."""
    at, words = _full(lowering, row)
    pool = row.copy()
    pool[op.CODE] = code
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
    lowering.lower(pool, reals)


def _unpool(lowering, row, reals, out) -> None:
    """The gradient before pooling, unless this step has it already."""
    for before in lowering.phases:
        if before.row[ph.PHASE] == ph.MAX_POOL_SPREAD and before.row[op.DX] == out:
            return
    _pool(lowering, row, reals, op.MAX_POOL_BACKWARD)


# Products ----------------------------------------------------------------------------


def _forward(lowering, row, reals, pools) -> None:
    target, target_row = int(row[op.Y]), int(row[op.Y_ROW])
    plain, linear = row, reals
    if pools:
        target, target_row = _full(lowering, row)
        plain, linear = row.copy(), reals.copy()
        plain[op.KIND], linear[op.SLOPE] = op.LINEAR, 1.0
    window = forward_window(plain)
    reads = [lowering.buffer(plain, "x")]
    writes = [(target, target_row * lowering.layout.rows)]
    if plain[op.DEPTHWISE] == 1:
        lowering.elements(
            ph.DEPTHWISE_FORWARD, plain, linear, reads, writes, target_row, out=target,
            right_row=plain[op.OUT_PIXEL], **window,
        )  # fmt: skip
    else:
        _product(
            lowering, ph.PRODUCT_FORWARD, plain, linear, reads, writes, window,
            m=lowering.layout.batch * window["pixels"], n=int(plain[op.OUT_PIXEL]),
            k=window["tap_end"], out=target, out_row=plain[op.OUT_PIXEL],
            right=plain[op.W], right_row=plain[op.OUT_PIXEL],
        )  # fmt: skip
    if pools:
        _pool(lowering, row, reals, op.MAX_POOL_FORWARD)


def _input(lowering, row, reals, out, out_row) -> None:
    window = input_window(row, out, out_row)
    reads = [(out, out_row * lowering.layout.rows)]
    writes = [lowering.buffer(row, "dx")]
    if row[op.DEPTHWISE] == 1:
        lowering.elements(
            ph.DEPTHWISE_INPUT, row, reals, reads, writes, int(row[op.X_ROW]),
            out=row[op.DX], right_row=row[op.OUT_PIXEL], **window,
        )  # fmt: skip
        return
    _product(
        lowering, ph.PRODUCT_INPUT, row, reals, reads, writes, window,
        m=lowering.layout.batch * window["pixels"], n=int(row[op.IN_PIXEL]),
        k=window["tap_end"], out=row[op.DX], out_row=row[op.IN_PIXEL],
        right=row[op.W], right_row=row[op.OUT_PIXEL], act_y=-1,
    )  # fmt: skip


def _weight(lowering, row, reals, out, out_row) -> None:
    layout, width = lowering.layout, int(row[op.OUT_PIXEL])
    length = int(row[op.COUNT]) * width
    target = int(row[op.W]) + int(row[op.FIRST]) * width
    reads = [lowering.buffer(row, "x"), (out, out_row * layout.rows)]
    if row[op.DEPTHWISE] == 1:
        parts, window = layout.thread_blocks, forward_window(row)
        at, writes = _parts(layout, row, parts, length)
        lowering.emit(
            ph.DEPTHWISE_WEIGHT, row, reals, reads, writes, tiles=parts, parts=parts,
            parts_at=at, part_size=length, length=length, right=out, right_row=width,
            **window,
        )  # fmt: skip
        lowering.update(row, reals, parts, at, target, length)
        return
    parts = _weight_product(lowering, row, reals, reads, out, target, length)
    if parts > 1:
        at, _ = _parts(layout, row, parts, length)
        lowering.update(row, reals, parts, at, target, length)


def _weight_product(lowering, row, reals, reads, out, target, length) -> int:
    """A product that updates the weights, or makes as many parts as it returns."""
    layout, width, window = lowering.layout, int(row[op.OUT_PIXEL]), forward_window(row)
    start, end = tap_range(window, int(row[op.FIRST]), int(row[op.COUNT]))
    window["tap_end"] = end
    pixels = layout.batch * window["pixels"]
    tile, parts = _tile(layout, end - start, width, pixels), 1
    if window["pixels"] > 1:  # the sum is long
        tile, parts = choose_split(
            end - start, width, pixels, layout.thread_blocks, layout.threads
        )
    columns, writes = {}, [(PARAMETERS_AT + target, length)]
    if parts > 1:
        at, writes = _parts(layout, row, parts, length)
        columns = {"parts_at": at, "part_size": length}
    _product(
        lowering, ph.PRODUCT_WEIGHT, row, reals, reads, writes, window, m=end - start,
        n=width, k=pixels, tile=tile, parts=parts, tap_first=start, out_row=width,
        right=out, right_row=width, **columns,
    )  # fmt: skip
    return parts


def _parts(layout, row, parts, length):
    """Where the parts of a gradient of weights lie, and their range."""
    at = layout.reserve(("weight", int(row[op.W])), parts * length)
    return at, [(at, parts * length)]


def _product(
    lowering, phase, row, reals, reads, writes, window, *, m, n, k, tile=None, parts=1,
    **columns,
):  # fmt: skip
    """A product of matrices whose result has m rows and n columns."""
    layout = lowering.layout
    tile = tile or _tile(layout, m, n, k)
    passes = tile.m // 8 * (tile.n // 4) * tile.slices > layout.threads
    lowering.emit(
        phase, row, reals, reads, writes,
        tiles=tile_count(m, n, tile) * parts, parts=parts,
        tile_m=tile.m, tile_n=tile.n, tile_k=tile.k, slices=tile.slices,
        m_tiles=-(-m // tile.m), n_tiles=-(-n // tile.n),
        piece=tile.piece, c_at=2 * tile.piece if passes else 0, **window | columns,
    )  # fmt: skip
    outputs = tile.m * tile.n * tile.slices
    needed = 2 * tile.piece + outputs if passes else tile.shared
    layout.shared = max(layout.shared, needed)


def _tile(layout, m, n, k) -> Tile:
    return choose_tile(m, n, k, layout.thread_blocks, layout.threads)
