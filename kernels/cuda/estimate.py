"""A guess at how long a step takes, by which teams are given their size.

Counted from the phase table: cycles of a multiprocessor for the tiles of each phase,
and barriers. It is right to some tens of percent at best; it ranks sizes.
"""

from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.jit import BLOCKS_A_PROCESSOR
from hogblock.kernels.cuda.layout import Layout, Phase
from hogblock.kernels.cuda.lowering import lower_plan
from hogblock.kernels.cuda.order import place_barriers, updates_last
from hogblock.kernels.cuda.tiles import Tile, tile_cycles

A_BARRIER = 2000  # about a microsecond
A_PHASE = 600  # to find out what to do, and to fill the pipes
AN_ELEMENT = 0.6  # of an elementwise phase, with all threads of a block

PRODUCTS = (ph.PRODUCT_FORWARD, ph.PRODUCT_INPUT, ph.PRODUCT_WEIGHT)
TILE = (ph.TILE_M, ph.TILE_N, ph.TILE_K, ph.SLICES)


def step_cycles(phases: list[Phase], batch: int, blocks: int, crowd: float) -> float:
    """Cycles of a step of one team.

    Parameters
    ----------
    phases : list of Phase
        With barriers, as ``order`` leaves them.
    batch : int
    blocks : int
        Of the team.
    crowd : float
        Blocks on a multiprocessor at the same time, at least 1: they share it.
    """
    total = 0.0
    for phase in phases:
        row = phase.row
        rounds = -(-int(row[ph.TILES]) // blocks)
        total += A_PHASE + A_BARRIER * int(row[ph.BARRIER]) * (blocks > 1)
        total += rounds * _tile_cycles(row, batch, crowd)
    return total + A_BARRIER


def _tile_cycles(row, batch: int, crowd: float) -> float:
    code = int(row[ph.PHASE])
    if code in PRODUCTS:
        tile = Tile(*(int(row[c]) for c in TILE))
        long = int(row[ph.TAP_END])
        if code == ph.PRODUCT_WEIGHT:
            long = batch * int(row[ph.PIXELS]) // int(row[ph.PARTS])
        return tile_cycles(tile, long, crowd)
    return crowd * AN_ELEMENT * (int(row[ph.SPAN]) or 1)


def crowd_of(teams: int, blocks: int, resident: int) -> float:
    """Blocks on a multiprocessor, of `resident` that the device holds."""
    return max(1.0, teams * blocks * BLOCKS_A_PROCESSOR / resident)


def best_blocks(plan, batch: int, teams: int, resident: int, threads: int) -> int:
    """Thread blocks of a team with which a step is soon done.

    Parameters
    ----------
    plan : models.plan.Plan
        Of a full step.
    batch, teams, threads : int
    resident : int
        Thread blocks that the device holds at once.
    """

    def cycles(blocks: int) -> float:
        layout = Layout(plan.work_size, batch, blocks, threads)
        phases = lower_plan(plan, layout)
        phases = place_barriers(updates_last(phases), blocks)
        crowd = crowd_of(teams, blocks, resident)
        return step_cycles(phases, batch, blocks, crowd)

    most = max(1, resident // teams)
    sizes = {
        most // part for part in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) if part <= most
    }
    return min(sorted(sizes), key=cycles)
