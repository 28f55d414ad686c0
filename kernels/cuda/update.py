"""The momentum step on the shared parameters."""

from numba import float32

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.integers import int32
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.memory import add4, load4, read4, store4, write
from hogblock.kernels.cuda.team import first_tile


@part
def update4(run, team, step, at, a, b, c, d, decays):
    """Four parameters from their gradient; the velocity is the team's own."""
    decay = step.values[job.DECAYING] if decays else float32(0)
    w = read4(run.params, at)
    u = load4(team.velocity, at)
    a += decay * w[0]
    b += decay * w[1]
    c += decay * w[2]
    d += decay * w[3]
    m = step.values[job.M]
    ua = float32(m * u[0] + a)
    ub = float32(m * u[1] + b)
    uc = float32(m * u[2] + c)
    ud = float32(m * u[3] + d)
    store4(team.velocity, at, ua, ub, uc, ud)
    a = float32(step.values[job.ALONG_G] * a + step.values[job.ALONG_U] * ua)
    b = float32(step.values[job.ALONG_G] * b + step.values[job.ALONG_U] * ub)
    c = float32(step.values[job.ALONG_G] * c + step.values[job.ALONG_U] * uc)
    d = float32(step.values[job.ALONG_G] * d + step.values[job.ALONG_U] * ud)
    if run.table[job.STORES] == 1:
        write(run.params, at, float32(w[0] - a))
        write(run.params, int32(at + 1), float32(w[1] - b))
        write(run.params, int32(at + 2), float32(w[2] - c))
        write(run.params, int32(at + 3), float32(w[3] - d))
    else:
        add4(run.params, at, float32(-a), float32(-b), float32(-c), float32(-d))


@part
def update_from_parts(run, team, step, p):
    """Parameters whose gradient lies in partial sums."""
    table = run.table
    length, span = table[p + ph.LENGTH], table[p + ph.SPAN]
    parts, size = table[p + ph.PARTS], table[p + ph.PART_SIZE]
    target, decays = table[p + ph.TARGET], table[p + op.DECAYS] == 1
    t = first_tile(team, table, p)
    while t < table[p + ph.TILES]:
        e = int32(t * span + 4 * team.thread)
        end = int32((t + 1) * span)
        end = end if end < length else length
        while e < end:
            at = int32(table[p + ph.PARTS_AT] + e)
            a, b, c, d = load4(team.work, at)
            for k in range(1, parts):
                more = load4(team.work, int32(at + k * size))
                a += more[0]
                b += more[1]
                c += more[2]
                d += more[3]
            update4(run, team, step, int32(target + e), a, b, c, d, decays)
            e += 4 * team.threads
        t += team.thread_blocks
