"""Order and barriers of a team's phases."""

from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.layout import LATE, Phase


def _meet(some, others) -> bool:
    """Whether two sets of ranges (start, size) overlap."""
    return any(a < d + e and d < a + b for a, b in some for d, e in others)


def _in_order(before: Phase, after: Phase) -> bool:
    """Whether the second of two phases has to see, or to spare, what the first does."""
    return (
        _meet(before.writes, after.reads)
        or _meet(before.reads, after.writes)
        or _meet(before.writes, after.writes)
    )


def updates_last(phases: list[Phase]) -> list[Phase]:
    """Move gradients of parameters, and then updates, behind everything else.

    A phase stays where it is if a later one overwrites what it reads.
    """
    early: list[Phase] = []
    late: list[Phase] = []
    updates: list[Phase] = []
    for k, phase in enumerate(phases):
        code = phase.row[ph.PHASE]
        rest = [p for p in phases[k + 1 :] if p.row[ph.PHASE] not in (*LATE, ph.UPDATE)]
        spoilt = any(_meet(phase.reads, p.writes) for p in rest)
        if code == ph.UPDATE:
            updates.append(phase)
        elif code in LATE and not spoilt:
            late.append(phase)
        else:
            early.append(phase)
    return early + late + updates


def place_barriers(phases: list[Phase], blocks: int) -> list[Phase]:
    """Set BARRIER where a phase depends on one since the last barrier.

    Between two barriers, tiles of one phase follow those of the one before on the next
    blocks, so that all blocks get their share.
    """
    open_phases: list[Phase] = []
    tiles = 0
    for phase in phases:
        if any(_in_order(before, phase) for before in open_phases):
            phase.row[ph.BARRIER] = 1
            open_phases, tiles = [], 0
        open_phases.append(phase)
        phase.row[ph.FIRST_TILE] = tiles % blocks
        tiles += int(phase.row[ph.TILES])
    return phases
