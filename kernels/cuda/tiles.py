"""Which tile a product is cut into, and what it needs of shared memory."""

from functools import cache
from typing import NamedTuple

PAD = 4  # floats behind a row of shared memory, so that rows fall on other banks
MOST_SLICES = 16
LARGEST_M = 128
OUTPUTS = 32  # of a thread

SHAPES = [(m, n) for m in (8, 16, 32, 64, 128) for n in (16, 32, 64)]
LARGEST_TILE = max(m * n for m, n in SHAPES)

# Costs in cycles of a multiprocessor, for choosing only.
MULTIPLY_ADDS = 100  # of one cycle, as they are reached
A_PIECE = 350  # that a piece of the operands costs beyond its multiply-adds
A_TILE = 900


class Tile(NamedTuple):
    """m x n outputs, `k` of the sum at once, `slices` threads an output."""

    m: int
    n: int
    k: int
    slices: int

    @property
    def piece(self) -> int:
        """float32 of shared memory that a piece of both operands takes, at most."""
        # A by pixel has padded rows, and so has B of an input gradient.
        return (self.m + self.n) * (self.k + PAD)

    @property
    def shared(self) -> int:
        """float32 of shared memory: two pieces, or the sums of the slices."""
        return max(2 * self.piece, self.m * self.n * self.slices)


def tile_count(m: int, n: int, tile: Tile) -> int:
    """Tiles that cover an m x n result."""
    return -(-m // tile.m) * -(-n // tile.n)


def _tiles(threads: int) -> list[Tile]:
    tiles = []
    for m, n in SHAPES:
        items = m // 8 * (n // 4)
        slices = max(1, threads // items)
        if items > max(threads, 8) or slices > MOST_SLICES:
            continue
        k = max(16, 4 * slices)
        tiles += [Tile(m, n, k, slices), Tile(m, n, 2 * k, slices)]
    return [t for t in tiles if 4 * t.shared <= SHARED_BYTES]


SHARED_BYTES = 45 * 1024
"""Of a block, at most: with the table of pixels it stays below the 48 KiB that need no
permission, and two blocks and more fit a multiprocessor."""


@cache
def choose_tile(m: int, n: int, k: int, blocks: int, threads: int) -> Tile:
    """The tile with which `blocks` blocks of `threads` threads are done first."""

    def cost(tile: Tile) -> float:
        rounds = -(-tile_count(m, n, tile) // blocks)
        pieces = -(-k // tile.k)
        work = tile.m * tile.n * tile.k / MULTIPLY_ADDS
        return rounds * (A_TILE + pieces * (A_PIECE + work))

    return min(_tiles(threads), key=cost)
