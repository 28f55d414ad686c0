"""Which tile a product is cut into, and what it needs of shared memory."""

from functools import cache
from typing import NamedTuple

from hogblock.kernels.cuda.job import SHARED_AT

PAD = 4  # floats behind a row of shared memory, so that rows fall on other banks
MOST_SLICES = 16

SHARED_BYTES = 48 * 1024
"""Of a block, at most: more needs a permission, and less room is left for others."""

SHAPES = [(m, n) for m in (8, 16, 32, 64, 128) for n in (16, 32, 64)]

# Costs in cycles of a multiprocessor, for choosing only.
MULTIPLY_ADDS = 100  # of one cycle, as they are reached
A_PIECE = 350  # that a piece of the operands costs beyond its multiply-adds
A_TILE = 900
ADDED_UP = 4.0  # floats that a block adds up in a cycle
MOST_PARTS = 64


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
    return [t for t in tiles if 4 * (t.shared + SHARED_AT) <= SHARED_BYTES]


def tile_cycles(tile: Tile, k: int, crowd: float = 1.0) -> float:
    """Cycles that a block needs for a tile whose sums have k terms.

    crowd : blocks that share the multiprocessor's arithmetic.
    """
    pieces = -(-k // tile.k)
    work = crowd * tile.m * tile.n * tile.k / MULTIPLY_ADDS
    return A_TILE + pieces * (A_PIECE + work)


@cache
def choose_tile(m: int, n: int, k: int, blocks: int, threads: int) -> Tile:
    """The tile with which `blocks` blocks of `threads` threads are done first."""

    def cost(tile: Tile) -> float:
        rounds = -(-tile_count(m, n, tile) // blocks)
        return rounds * tile_cycles(tile, k)

    return min(_tiles(threads), key=cost)


@cache
def choose_split(m: int, n: int, k: int, blocks: int, threads: int) -> tuple[Tile, int]:
    """A tile, and in how many parts a long sum is cut, so that all blocks have work.

    The parts of every output are added up afterwards.
    """

    def cost(choice: tuple[Tile, int]) -> float:
        tile, parts = choice
        rounds = -(-tile_count(m, n, tile) * parts // blocks)
        adding = parts * m * n / (blocks * ADDED_UP)
        return rounds * tile_cycles(tile, -(-k // parts)) + adding

    return min(
        (
            (tile, parts)
            for tile in _tiles(threads)
            for parts in _parts(tile_count(m, n, tile), blocks, k // (4 * tile.k))
        ),
        key=cost,
    )


def _parts(tiles: int, blocks: int, most: int) -> set[int]:
    """Numbers of parts that leave few blocks idle in the last round."""
    whole = {rounds * blocks // tiles for rounds in range(1, 5)}
    return {max(1, min(parts, most, MOST_PARTS)) for parts in whole}
