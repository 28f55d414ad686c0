"""Teams: the thread blocks of one worker, and their barrier."""

from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.integers import int32
from hogblock.kernels.cuda.jit import SIMULATED, part
from hogblock.kernels.cuda.memory import fetch_add, pause, read_int, write_int
from hogblock.kernels.cuda.threads import cuda

SPINS = 1 << 24
"""Looks at a barrier's counter before a block gives up: some seconds."""


@part
def _meet(words, at, target):
    """Wait until `target` blocks have come, in all; sets FAILED if that is too long."""
    cuda.threadfence()
    fetch_add(words, at, 1)
    spins = 0
    # The difference wraps around together with the counter.
    while int32(read_int(words, at) - target) < 0:
        pause()
        spins += 1
        if spins > SPINS:
            write_int(words, job.FAILED, 1)
            break
    cuda.threadfence()


@part
def team_barrier(words, at, blocks, passed, thread):
    """All blocks of a team meet; what they wrote before is seen by all of them after.

    words, at : the team's counter of arrivals; passed : barriers it has passed.
    """
    cuda.syncthreads()
    if not SIMULATED and blocks > 1 and thread == 0:
        _meet(words, at, int32((passed + 1) * blocks))
    cuda.syncthreads()


@part
def first_tile(team, table, p):
    """First tile of the phase at row `p` that this block runs."""
    blocks = team.thread_blocks
    t = int32(team.rank - table[p + ph.FIRST_TILE])
    return int32(t + blocks) if t < 0 else t


@part
def sum_over_threads(team, value):
    """Sum of a value over the threads of a block, in a fixed order; for all of them."""
    cuda.syncthreads()
    team.shared[team.thread] = value
    cuda.syncthreads()
    half = int32(team.threads >> 1)
    while half > 0:
        if team.thread < half:
            team.shared[team.thread] += team.shared[team.thread + half]
        cuda.syncthreads()
        half = int32(half >> 1)
    return team.shared[0]
