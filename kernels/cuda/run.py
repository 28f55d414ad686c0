"""The entry points: one launch trains many steps, runs one phase, or predicts."""

from numba import cuda, float32
from numba import int32 as int32_type

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.integers import int32, int64, quotient
from hogblock.kernels.cuda.interpreter import run_forward_phase, run_phase
from hogblock.kernels.cuda.jit import kernel, part
from hogblock.kernels.cuda.job import NUMBERS_AT, SHARED_AT, VALUES_AT
from hogblock.kernels.cuda.memory import pointer, read_int
from hogblock.kernels.cuda.phases import PHASE_WIDTH
from hogblock.kernels.cuda.step import (
    advance_counters,
    choose_plan,
    count_update,
    describe_step,
    draw_ticket,
    see_blocks,
    weigh_step,
    words_of,
)
from hogblock.kernels.cuda.team import team_barrier


@part
def _run_of(
    table, reals, params, velocity, work, x, targets, weights, words, record
):  # fmt: skip
    """The arrays of a launch as pointers."""
    return job.Run(
        pointer(table, 0),
        pointer(reals, 0),
        pointer(params, 0),
        pointer(velocity, 0),
        pointer(work, 0),
        pointer(x, 0),
        pointer(targets, 0),
        pointer(weights, 0),
        pointer(words, 0),
        pointer(record, 0),
    )


@part
def _team_of(run, shared, pixels, number, rank, blocks):
    """This thread's ``job.Team``."""
    table = run.table
    parameters = int64(table[job.PARAMETERS])
    work = pointer(run.work, int64(number) * int64(table[job.WORK_SIZE]))
    reads = run.params
    if table[job.COPY_AT] >= 0:
        reads = pointer(work, table[job.COPY_AT])
    velocity = pointer(run.velocity, int64(number) * parameters)
    return job.Team(
        int32(cuda.threadIdx.x),
        int32(cuda.blockDim.x),
        int32(number),
        int32(rank),
        int32(blocks),
        shared,
        pixels,
        work,
        reads,
        velocity,
    )


@kernel
def train(
    table, reals, params, velocity, work, x, targets, weights, words, record, limit
):  # fmt: skip
    """Every team works off minibatches until the tickets reach `limit`."""
    floats = cuda.shared.array(0, float32)
    integers = cuda.shared.array(0, int32_type)
    shared, pixels = pointer(floats, SHARED_AT), pointer(integers, 0)
    numbers, values = pointer(integers, NUMBERS_AT), pointer(floats, VALUES_AT)
    step = job.Step(numbers, values)
    run = _run_of(
        table, reals, params, velocity, work, x, targets, weights, words, record
    )
    table, words = run.table, run.words
    blocks = int32(table[job.THREAD_BLOCKS])
    block = int32(cuda.blockIdx.x)
    number = quotient(block, blocks)
    rank = int32(block - number * blocks)
    team = _team_of(run, shared, pixels, number, rank, blocks)
    own = words_of(run, number)
    passed = int32(words[own + ph.PASSED])
    if rank == 0 and team.thread == 0:
        draw_ticket(run, team, limit)
    team_barrier(words, own + ph.ARRIVED, blocks, passed, team.thread)
    passed += 1
    ticket = read_int(words, own + ph.TICKET)
    while ticket >= 0:
        drawn = read_int(words, own + ph.DRAWN)
        plan = choose_plan(run, team, ticket, drawn)
        if rank == 0:
            see_blocks(run, team)
        describe_step(run, team, step, ticket)
        cuda.syncthreads()
        at = int32(table[job.PLANS_AT] + job.PLAN_WIDTH * plan)
        p = int32(table[at + job.PLAN_START])
        end = int32(p + table[at + job.PLAN_ROWS] * PHASE_WIDTH)
        while p < end:
            if table[p + ph.BARRIER] == 1:
                team_barrier(words, own + ph.ARRIVED, blocks, passed, team.thread)
                passed += 1
            if table[p + ph.PHASE] == op.LOSS:
                weigh_step(run, team, step)
                cuda.syncthreads()
            run_phase(run, team, step, p)
            cuda.syncthreads()
            p += PHASE_WIDTH
        # Nobody of the team looks at what the leader changes before the barrier:
        # all have passed the one behind the loss.
        if rank == 0:
            count_update(run, team, plan)
            if team.thread == 0:
                advance_counters(run, team, plan, step.numbers[job.ROWS])
                draw_ticket(run, team, limit)
        team_barrier(words, own + ph.ARRIVED, blocks, passed, team.thread)
        passed += 1
        ticket = read_int(words, own + ph.TICKET)
    if rank == 0 and team.thread == 0:
        words[own + ph.PASSED] = passed


@kernel
def one_phase(
    table, reals, params, velocity, work, x, targets, weights, words, record,
    number, p, what,
):  # fmt: skip
    """One phase of team `number` by all blocks of the launch.

    what : 0 runs the phase at row `p`; 1 begins a step, which draws a ticket below
    `p`; 2 ends one. A step without a ticket does nothing.
    """
    floats = cuda.shared.array(0, float32)
    integers = cuda.shared.array(0, int32_type)
    shared, pixels = pointer(floats, SHARED_AT), pointer(integers, 0)
    numbers, values = pointer(integers, NUMBERS_AT), pointer(floats, VALUES_AT)
    step = job.Step(numbers, values)
    run = _run_of(
        table, reals, params, velocity, work, x, targets, weights, words, record
    )
    block, blocks = int32(cuda.blockIdx.x), int32(cuda.gridDim.x)
    team = _team_of(run, shared, pixels, number, block, blocks)
    own = words_of(run, number)
    if what == 1:
        if team.thread == 0:
            draw_ticket(run, team, p)
        see_blocks(run, team)
        return
    ticket = int32(run.words[own + ph.TICKET])
    if ticket < 0:
        return
    plan = choose_plan(run, team, ticket, run.words[own + ph.DRAWN])
    describe_step(run, team, step, ticket)
    weigh_step(run, team, step)
    cuda.syncthreads()
    if what == 0:
        run_phase(run, team, step, p)
    else:
        count_update(run, team, plan)
        cuda.syncthreads()
        if team.thread == 0:
            advance_counters(run, team, plan, step.numbers[job.ROWS])


@kernel
def predict(table, reals, params, work, x, words, out, first, end):
    """Raw outputs of the samples [first, end), which teams of one block share.

    out : float32 [samples, outputs].
    """
    floats = cuda.shared.array(0, float32)
    integers = cuda.shared.array(0, int32_type)
    shared, pixels = pointer(floats, SHARED_AT), pointer(integers, 0)
    numbers, values = pointer(integers, NUMBERS_AT), pointer(floats, VALUES_AT)
    step = job.Step(numbers, values)
    run = _run_of(table, reals, params, params, work, x, words, reals, words, reals)
    table, outputs = run.table, run.table[job.OUTPUTS]
    target = pointer(out, 0)
    number = int32(cuda.blockIdx.x)
    team = _team_of(run, shared, pixels, number, 0, 1)
    start = int64(first) + int64(number) * int64(table[job.BATCH])
    while start < end:
        left = int64(end - start)
        rows = int32(left if left < table[job.BATCH] else table[job.BATCH])
        if team.thread == 0:
            numbers[job.ROWS] = rows
            numbers[job.START] = int32(start)
            numbers[job.AUGMENTED] = 0
            numbers[job.AUGMENTS] = 0
        cuda.syncthreads()
        p = int32(table[table[job.PLANS_AT] + job.PLAN_START])
        stop = int32(p + table[table[job.PLANS_AT] + job.PLAN_FORWARD] * PHASE_WIDTH)
        while p < stop:
            run_forward_phase(run, team, step, p)
            cuda.syncthreads()
            p += PHASE_WIDTH
        e = team.thread
        while e < rows * outputs:
            i = quotient(e, outputs)
            j = int32(e - i * outputs)
            value = team.work[table[job.OUTPUT_AT] + i * table[job.OUTPUT_ROW] + j]
            target[(start + i) * outputs + j] = value
            e += team.threads
        cuda.syncthreads()
        start += int64(cuda.gridDim.x) * int64(table[job.BATCH])
