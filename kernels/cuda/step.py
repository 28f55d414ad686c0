"""What a team does next: its ticket, its plan, the coefficients of its step."""

from numba import float32

from hogblock.kernels.counters import READ, WRITTEN
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.integers import int32, int64, quotient, uint32
from hogblock.kernels.cuda.jit import part
from hogblock.kernels.cuda.memory import fetch_add, read_int, write_int
from hogblock.kernels.cuda.random import hash_bits
from hogblock.kernels.cuda.thin import uniform_of


@part
def words_of(run, number):
    """Where a team's own words begin."""
    return int32(run.table[job.TEAMS_AT] + number * run.table[job.TEAM_WIDTH])


@part
def draw_ticket(run, team, limit):
    """The leader's only thread: the team's next minibatch, or -1, into its words."""
    table, words = run.table, run.words
    own = words_of(run, team.number)
    drawn = words[own + ph.DRAWN]
    if table[job.TEAM_EPOCHS] == 1:
        ticket = int32(drawn)
    elif table[job.STATIC] == 1:
        ticket = int32(team.number + drawn * table[job.TEAMS])
    else:
        ticket = int32(words[own + ph.PENDING])
        if ticket < 0:
            ticket = int32(fetch_add(words, job.NEXT_TICKET, 1))
    pending = ticket
    ticket = int32(ticket * table[job.SERVERS] + table[job.SERVER])
    if ticket >= limit or read_int(words, job.FAILED) != 0:
        # A ticket that was drawn and not used waits for the next launch.
        words[own + ph.PENDING] = pending
        ticket = int32(-1)
    else:
        words[own + ph.PENDING] = -1
        words[own + ph.DRAWN] = drawn + 1
    write_int(words, own + ph.TICKET, ticket)


@part
def choose_plan(run, team, ticket, drawn):
    """Plan of this team at a shared step (docs/method.md, section 4)."""
    table = run.table
    width = table[job.STRETCH_WIDTH]
    at = int32(table[job.STRETCHES_AT] + (table[job.STRETCH_COUNT] - 1) * width)
    while table[at] > ticket:
        at = int32(at - width)
    length, turn = table[at + 1], int32(drawn - 1)
    if table[at + 2] == 1:
        key = uint32(table[table[job.TEAM_KEYS_AT] + team.number])
        bits = hash_bits(uint32(turn), key)
        pick = int32(bits - uint32(quotient(bits, length)) * uint32(length))
    else:
        pick = int32(turn - quotient(turn, length) * length)
    own = table[job.TEAM_PLANS_AT] + team.number * table[job.TEAM_PLANS]
    return int32(table[own + table[at + 3 + pick]])


@part
def describe_step(run, team, step, ticket):
    """Fill the ``job.Step`` of a ticket, but for the sum of the weights."""
    if team.thread != 0:
        return
    table, reals = run.table, run.reals
    own = words_of(run, team.number)
    epoch = quotient(ticket, table[job.BATCHES])
    number = table[job.FIRST] + ticket - epoch * table[job.BATCHES]
    start = int32(number * table[job.BATCH])
    rows = int32(table[job.SAMPLES] - start)
    rows = rows if rows < table[job.BATCH] else table[job.BATCH]
    numbers, values = step.numbers, step.values
    numbers[job.ROWS] = rows
    numbers[job.START] = start
    numbers[job.EPOCH] = epoch
    numbers[job.DROPPED] = run.words[own + ph.DROPOUT_COUNTER]
    numbers[job.AUGMENTED] = run.words[own + ph.AUGMENT_COUNTER]
    numbers[job.AUGMENTS] = 1
    numbers[job.KEY] = table[table[job.TEAM_KEYS_AT] + team.number]
    points = int64(table[job.RATE_POINTS])
    point = int32(int64(ticket) * points // int64(table[job.BATCHES]))
    last = int32(table[job.RATE_SIZE] - 1)
    point = point if point < last else last
    rate = float32(reals[table[job.RATES_AT] + point] * reals[job.RATE_FACTOR])
    m = reals[job.MOMENTUM]
    nesterov = table[job.NESTEROV] == 1
    values[job.M] = m
    values[job.ALONG_G] = rate if nesterov or m == float32(0) else float32(0)
    along = float32(rate * m) if nesterov else rate
    values[job.ALONG_U] = float32(0) if m == float32(0) else along
    drawn = read_int(run.words, own + ph.DRAWN)
    values[job.UNIFORM] = uniform_of(drawn, numbers[job.KEY])


@part
def weigh_step(run, team, step):
    """Set what depends on the sum of the sample weights, once they are gathered."""
    if team.thread != 0:
        return
    table = run.table
    weights = float32(step.numbers[job.ROWS])
    if table[job.WEIGHTED] == 1:
        weights = team.work[table[job.LOSSES_AT] + table[job.BATCH]]
    learns = weights > float32(0)
    scale = float32(float32(1) / weights) if learns else float32(0)
    step.numbers[job.LEARNS] = 1 if learns else 0
    step.values[job.WEIGHTS] = weights
    step.values[job.DECAYING] = float32(run.reals[job.DECAY] * scale)


@part
def see_blocks(run, team):
    """Remember how often each block of the parameters was written before the read."""
    own = words_of(run, team.number)
    b = team.thread
    while b < run.table[job.BLOCKS]:
        run.words[own + ph.SEEN + b] = read_int(run.words, job.WRITTEN + b)
        b += team.threads


@part
def count_update(run, team, plan):
    """Count the writes of a step, and the ages of what it read and wrote.

    As ``_count_update`` of the CPU's step.
    """
    table, words = run.table, run.words
    own = words_of(run, team.number)
    blocks, bins = table[job.BLOCKS], table[job.BINS]
    b = team.thread
    while b < blocks:
        written = table[table[job.WRITES_AT] + plan * blocks + b]
        writes = fetch_add(words, job.WRITTEN + b, written)
        age = int32(writes - words[own + ph.SEEN + b])
        last = int32(bins - 1)
        age = age if age < last else last
        at = int32(table[job.STALENESS_AT] + b * bins + age)
        fetch_add(words, at + int32(READ * blocks * bins), 1)
        fetch_add(words, at + int32(WRITTEN * blocks * bins), written)
        b += team.threads


@part
def advance_counters(run, team, plan, rows):
    """Move the team's counters of random numbers on behind a step."""
    table = run.table
    own = words_of(run, team.number)
    draws = table[table[job.PLANS_AT] + job.PLAN_WIDTH * plan + job.PLAN_DRAWS]
    run.words[own + ph.DROPOUT_COUNTER] += int32(rows * draws)
    run.words[own + ph.AUGMENT_COUNTER] += rows
