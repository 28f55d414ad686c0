"""Products of matrices by a block: the heavy phases, dense layers and convolutions.

C [m, n] = sum over k of A [m, k] B [k, n], in tiles that go round the blocks of a team.
Both operands of a tile are copied to shared memory `TILE_K` of k at a time, the next
piece while this one is worked on; a thread adds up 8 x 4 outputs in registers. Where a
tile has fewer outputs than that, `SLICES` threads share them, each with its own k.

============  ==================  ====================  ==============
phase         A                   B                     C
============  ==================  ====================  ==============
forward       X, pixel by tap     W, tap by channel     Y
input         DY, pixel by tap    W, its taps turned    DX
weight        X, tap by pixel     DY, pixel by channel  gradient of W
============  ==================  ====================  ==============

In shared memory the axis that is contiguous in memory stays so: nothing is transposed.
"""

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.integers import int32, quotient
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.memory import (
    commit_copies,
    copy4,
    copy16,
    load4,
    store4,
    wait_for_copies,
    wait_for_older_copies,
)
from hogblock.kernels.cuda.patches import (
    pixel_of,
    tap_of,
    weight_row,
    window_at,
    word_of,
)
from hogblock.kernels.cuda.team import first_tile
from hogblock.kernels.cuda.threads import cuda
from hogblock.kernels.cuda.tiles import PAD

FORWARD, INPUT, WEIGHT = range(3)


@part
def _minimum(a, b):
    return a if a < b else b


@part
def _copy_lanes(team, target, word, lane, channels, width):
    """Copy `width` (4 or 1) channels of a pixel from `lane` on; zeros where it ends.

    word : of channel 0; -1 for a pixel outside.
    """
    size = _minimum(width, int32(channels - lane)) if word >= 0 else int32(0)
    size = size if size > 0 else int32(0)
    source = int32(word + lane) if size > 0 else int32(0)
    if width == 4:
        copy16(team.shared, target, team.work, source, size)
    else:
        copy4(team.shared, target, team.work, source, size)


def make_product(kind, epilogue):
    """A device function that runs one product phase.

    kind : FORWARD, INPUT or WEIGHT.
    epilogue : ``f(run, team, step, p, m, n, a, b, c, d, k_part)`` stores four outputs
        of row m, from column n on.
    """
    by_pixel = kind != WEIGHT  # A [m, k] with k contiguous, else A [k, m] with m
    turned = kind == INPUT  # B [n, k] with k contiguous, else B [k, n] with n

    @part
    def row_of_thread(first, i, step):
        """m of a thread's i-th row of outputs, inside the tile."""
        if by_pixel:
            return int32(first + i * step)
        return int32(4 * first + i if i < 4 else 4 * (first + step) + i - 4)

    @part
    def find_pixels(run, team, p, m0, rows):
        """Where the tile's pixels lie: rows of the table of pixels in shared memory."""
        table, pixels = run.table, team.pixels
        win = window_at(table, p)
        image, image_row = table[p + ph.IMAGE], table[p + ph.IMAGE_ROW]
        end = int32(rows * win.pixels)
        i = team.thread
        while i < table[p + ph.TILE_M]:
            index = int32(m0 + i)
            if index < end:
                sample, down, right = pixel_of(win, index)
                pixels[3 * i] = int32(image + sample * image_row)
                pixels[3 * i + 1] = down
                pixels[3 * i + 2] = right
            else:
                pixels[3 * i] = -1
            i += team.threads
        cuda.syncthreads()

    @part
    def copy_patches(run, team, p, at, k0, k1):
        """A [m, k] of k0 <= k < k1, from the tile's pixels on; k contiguous."""
        table, pixels = run.table, team.pixels
        win = window_at(table, p)
        quads = table[p + ph.QUADS] == 1
        width = int32(4 if quads else 1)
        fast = int32(table[p + ph.TILE_K] >> 2 if quads else table[p + ph.TILE_K])
        stride = int32(table[p + ph.TILE_K] + PAD)
        channels, tile_m = table[p + ph.CHANNELS], table[p + ph.TILE_M]
        step = quotient(team.threads, fast) if team.threads > fast else int32(1)
        j = int32(team.thread & (fast - 1))
        while j < fast:
            k = int32(k0 + j * width)
            down, right, lane = tap_of(win, k)
            i = quotient(team.thread, fast)
            while i < tile_m:
                base = pixels[3 * i]
                word = int32(-1)
                if base >= 0 and k < k1:
                    at_row, at_column = pixels[3 * i + 1], pixels[3 * i + 2]
                    word = word_of(win, base, at_row + down, at_column + right)
                target = int32(at + i * stride + j * width)
                _copy_lanes(team, target, word, lane, channels, width)
                i += step
            j += team.threads if team.threads < fast else fast

    @part
    def copy_turned_patches(run, team, p, at, k0, k1, m0):
        """A [k, m] of pixels k0 <= k < k1 and the tile's taps; m contiguous."""
        table = run.table
        win = window_at(table, p)
        image, image_row = table[p + ph.IMAGE], table[p + ph.IMAGE_ROW]
        tile_m, tile_k = table[p + ph.TILE_M], table[p + ph.TILE_K]
        quads = table[p + ph.QUADS] == 1
        width = int32(4 if quads else 1)
        fast = int32(tile_m >> 2 if quads else tile_m)
        channels, end = table[p + ph.CHANNELS], table[p + ph.TAP_END]
        step = quotient(team.threads, fast) if team.threads > fast else int32(1)
        j = int32(team.thread & (fast - 1))
        while j < fast:
            m = int32(m0 + j * width)
            tap_down, tap_right, lane = tap_of(win, m)
            i = quotient(team.thread, fast)
            while i < tile_k:
                k = int32(k0 + i)
                word = int32(-1)
                if k < k1 and m < end:
                    sample, down, right = pixel_of(win, k)
                    base = int32(image + sample * image_row)
                    word = word_of(win, base, down + tap_down, right + tap_right)
                target = int32(at + i * tile_m + j * width)
                _copy_lanes(team, target, word, lane, channels, width)
                i += step
            j += team.threads if team.threads < fast else fast

    @part
    def copy_right(run, team, p, at, k0, k1, n0):
        """B [k, n]: rows of W, or of DY; n contiguous."""
        table, shared = run.table, team.shared
        win = window_at(table, p)
        tile_n, tile_k = table[p + ph.TILE_N], table[p + ph.TILE_K]
        fast = int32(tile_n >> 2)
        origin, row = table[p + ph.RIGHT], table[p + ph.RIGHT_ROW]
        channels = table[p + ph.CHANNELS]
        step = quotient(team.threads, fast) if team.threads > fast else int32(1)
        j = int32(team.thread & (fast - 1))
        while j < fast:
            n = int32(n0 + 4 * j)
            i = quotient(team.thread, fast)
            while i < tile_k:
                k = int32(k0 + i)
                line = int32(-1)
                if k < k1 and n < row:
                    line = weight_row(win, k, channels) if kind == FORWARD else k
                size = int32(4 if line >= 0 else 0)
                source = int32(origin + line * row + n) if line >= 0 else int32(0)
                target = int32(at + i * tile_n + 4 * j)
                if kind == FORWARD:
                    copy16(shared, target, team.reads, source, size)
                else:
                    copy16(shared, target, team.work, source, size)
                i += step
            j += team.threads if team.threads < fast else fast

    @part
    def copy_turned_weights(run, team, p, at, k0, k1, n0):
        """B [n, k]: W [tap, n, channel] of taps and channels k; k contiguous."""
        table, shared = run.table, team.shared
        win = window_at(table, p)
        fast = int32(table[p + ph.TILE_K] >> 2)
        stride, tile_n = int32(table[p + ph.TILE_K] + PAD), table[p + ph.TILE_N]
        channels = table[p + op.IN_CHANNELS]
        origin, row = table[p + ph.RIGHT], table[p + ph.RIGHT_ROW]
        step = quotient(team.threads, fast) if team.threads > fast else int32(1)
        j = int32(team.thread & (fast - 1))
        while j < fast:
            k = int32(k0 + 4 * j)
            down, right, lane = tap_of(win, k)
            tap = int32(-(down * win.kernel_width + right))
            i = quotient(team.thread, fast)
            while i < tile_n:
                n = int32(n0 + i)
                inside = k < k1 and n < channels
                size = int32(4 if inside else 0)
                line = int32(tap * channels + n)
                source = int32(origin + line * row + lane) if inside else int32(0)
                target = int32(at + i * stride + 4 * j)
                copy16(shared, target, team.reads, source, size)
                i += step
            j += team.threads if team.threads < fast else fast

    @part
    def copy_operands(run, team, p, at, k0, k1, m0, n0):
        """Begin to copy one piece of both operands to `at`."""
        table = run.table
        if by_pixel:
            copy_patches(run, team, p, at, k0, k1)
            behind = int32(table[p + ph.TILE_M] * (table[p + ph.TILE_K] + PAD))
        else:
            copy_turned_patches(run, team, p, at, k0, k1, m0)
            behind = int32(table[p + ph.TILE_M] * table[p + ph.TILE_K])
        if turned:
            copy_turned_weights(run, team, p, int32(at + behind), k0, k1, n0)
        else:
            copy_right(run, team, p, int32(at + behind), k0, k1, n0)
        commit_copies()

    @part
    def multiply(run, team, p, at, tm, tn, part_of_k, sums):
        """Add a piece's products to the 8 x 4 sums of a thread."""
        table, shared = run.table, team.shared
        tile_k, slices = table[p + ph.TILE_K], table[p + ph.SLICES]
        m_step = int32(table[p + ph.TILE_M] >> 3)
        n_step = int32(table[p + ph.TILE_N] >> 2)
        a_row = int32(tile_k + PAD)
        if by_pixel:
            b = cuda.local.array(16, float32)
            b_at = int32(at + table[p + ph.TILE_M] * a_row)
            a_at = int32(at + tm * a_row)
            a_step = int32(m_step * a_row)
            b_step = int32(n_step * a_row if turned else 4 * n_step)
            k = int32(4 * part_of_k)
            while k < tile_k:
                if turned:
                    near = int32(b_at + tn * a_row + k)
                else:
                    near = int32(b_at + k * 4 * n_step + 4 * tn)
                for j in range(4):
                    quad = load4(shared, int32(near + j * b_step))
                    b[4 * j] = quad[0]
                    b[4 * j + 1] = quad[1]
                    b[4 * j + 2] = quad[2]
                    b[4 * j + 3] = quad[3]
                for i in range(8):
                    a = load4(shared, int32(a_at + i * a_step + k))
                    for j in range(4):
                        for kk in range(4):
                            if turned:
                                sums[4 * i + j] += a[kk] * b[4 * j + kk]
                            else:
                                sums[4 * i + j] += a[kk] * b[4 * kk + j]
                k += 4 * slices
        else:
            tile_m = table[p + ph.TILE_M]
            b_at = int32(at + tile_m * tile_k)
            k = int32(part_of_k)
            while k < tile_k:
                low = load4(shared, int32(at + k * tile_m + 4 * tm))
                high = load4(shared, int32(at + k * tile_m + 4 * (tm + m_step)))
                b = load4(shared, int32(b_at + k * 4 * n_step + 4 * tn))
                for j in range(4):
                    sums[j] += low[0] * b[j]
                    sums[4 + j] += low[1] * b[j]
                    sums[8 + j] += low[2] * b[j]
                    sums[12 + j] += low[3] * b[j]
                    sums[16 + j] += high[0] * b[j]
                    sums[20 + j] += high[1] * b[j]
                    sums[24 + j] += high[2] * b[j]
                    sums[28 + j] += high[3] * b[j]
                k += slices

    @part
    def add_up(run, team, p, first, k_from, k_to, m0, n0):
        """The sums of thread `first` + its own number, into shared memory."""
        table, shared = run.table, team.shared
        m_step = int32(table[p + ph.TILE_M] >> 3)
        n_step = int32(table[p + ph.TILE_N] >> 2)
        items = int32(m_step * n_step)
        number = int32(first + team.thread)
        works = number < items * table[p + ph.SLICES]
        part_of_k = quotient(number, items)
        item = int32(number - part_of_k * items)
        tm = quotient(item, n_step)
        tn = int32(item - tm * n_step)
        sums = cuda.local.array(32, float32)
        for i in range(32):
            sums[i] = float32(0)
        tile_k, size = table[p + ph.TILE_K], table[p + ph.PIECE]
        at, k = int32(0), int32(k_from)
        if k < k_to:  # a copy of nothing would be in flight when the phase ends
            copy_operands(run, team, p, at, k, k_to, m0, n0)
        while k < k_to:
            other = int32(size - at)
            k = int32(k + tile_k)
            if k < k_to:
                copy_operands(run, team, p, other, k, k_to, m0, n0)
                wait_for_older_copies()
            else:
                wait_for_copies()
            cuda.syncthreads()
            if works:
                multiply(run, team, p, at, tm, tn, part_of_k, sums)
            cuda.syncthreads()
            at = other
        if works:
            out = int32(
                table[p + ph.C_AT]
                + part_of_k * table[p + ph.TILE_M] * table[p + ph.TILE_N]
            )
            for i in range(8):
                row = int32(out + row_of_thread(tm, i, m_step) * 4 * n_step)
                if turned:
                    for j in range(4):
                        shared[row + tn + j * n_step] = sums[4 * i + j]
                else:
                    store4(
                        shared,
                        int32(row + 4 * tn),
                        sums[4 * i],
                        sums[4 * i + 1],
                        sums[4 * i + 2],
                        sums[4 * i + 3],
                    )

    @part
    def finish(run, team, step, p, m0, n0, m_end, k_part):
        """Sum of the slices, and the epilogue, for all outputs of a tile."""
        table, shared = run.table, team.shared
        quads = int32(table[p + ph.TILE_N] >> 2)
        size = int32(table[p + ph.TILE_M] * table[p + ph.TILE_N])
        n_end = table[p + ph.OUT_ROW]
        q = team.thread
        while q < table[p + ph.TILE_M] * quads:
            row = quotient(q, quads)
            m = int32(m0 + row)
            n = int32(n0 + 4 * (q - row * quads))
            if m < m_end and n < n_end:
                at = int32(table[p + ph.C_AT] + 4 * q)
                a, b, c, d = load4(shared, at)
                for s in range(1, table[p + ph.SLICES]):
                    more = load4(shared, int32(at + s * size))
                    a += more[0]
                    b += more[1]
                    c += more[2]
                    d += more[3]
                epilogue(run, team, step, p, m, n, a, b, c, d, k_part)
            q += team.threads

    @part
    def product(run, team, step, p, rows):
        """Run this block's tiles of the phase at row `p` of the phase table."""
        table = run.table
        pixels = int32(rows * table[p + ph.PIXELS])
        m_end = pixels if by_pixel else table[p + ph.TAP_END]
        k_end = table[p + ph.TAP_END] if by_pixel else pixels
        parts, n_tiles = table[p + ph.PARTS], table[p + ph.N_TILES]
        total = int32(table[p + ph.SLICES] * table[p + ph.TILE_M] >> 3)
        total = int32(total * (table[p + ph.TILE_N] >> 2))
        share = int32(4 * quotient(k_end + 4 * parts - 1, 4 * parts))
        t = first_tile(team, table, p)
        while t < table[p + ph.TILES]:
            m_tile = quotient(t, parts)
            k_part = int32(t - m_tile * parts)
            n_tile = int32(m_tile)
            m_tile = quotient(n_tile, n_tiles)
            n_tile = int32(n_tile - m_tile * n_tiles)
            m0 = int32(m_tile * table[p + ph.TILE_M])
            if kind == WEIGHT:
                m0 = int32(m0 + table[p + ph.TAP_FIRST])
            n0 = int32(n_tile * table[p + ph.TILE_N])
            k_from = _minimum(int32(k_part * share), int32(k_end))
            k_to = _minimum(int32(k_from + share), int32(k_end))
            if m0 < m_end:
                if by_pixel:
                    find_pixels(run, team, p, m0, rows)
                first = int32(0)
                while first < total:
                    add_up(run, team, p, first, k_from, k_to, m0, n0)
                    first += team.threads
                cuda.syncthreads()
                finish(run, team, step, p, m0, n0, m_end, k_part)
                cuda.syncthreads()
            t += team.thread_blocks

    return product
