"""A program: everything that does not change during a launch, in two arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.counters import AGES, STALENESS_BINS
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.layout import EVERYTHING, Layout, Phase
from hogblock.kernels.cuda.lowering import lower_plan
from hogblock.kernels.cuda.order import place_barriers, updates_last
from hogblock.kernels.ops import LINE, padded

GATHERED_VALUES = 2048  # of a tile of the gather
COPIED = 4096  # parameters of a tile of their copy
INDICES = (2**60, 1)  # range that stands for the indices of the minibatch


@dataclass
class Program:
    """What the kernels read, and the sizes of what they write.

    Attributes
    ----------
    table, reals : int32, float32
        See ``job``.
    work_size : int
        float32 of a team's work space.
    words_size : int
        int32 of the counters.
    shared_bytes : int
        Dynamic shared memory of a block.
    phases : list of list of Phase
        Of each plan.
    """

    table: np.ndarray
    reals: np.ndarray
    work_size: int
    words_size: int
    shared_bytes: int
    phases: list[list[Phase]]

    def initial_words(self) -> np.ndarray:
        """The counters at the beginning of a run."""
        words = np.zeros(self.words_size, np.int32)
        start, width = self.table[job.TEAMS_AT], self.table[job.TEAM_WIDTH]
        for team in range(self.table[job.TEAMS]):
            words[start + team * width + ph.PENDING] = -1
        return words


@dataclass(frozen=True)
class Shape:
    """How a launch is divided: `teams` of `thread_blocks` of `threads`."""

    teams: int
    thread_blocks: int
    threads: int


@dataclass(frozen=True)
class RunInputs:
    """What a run is about, apart from its plans.

    Attributes
    ----------
    header : dict of int to int
        Words of the table by their ``job`` number, where nothing else sets them.
    stretches : list of (start, random, plans)
        Of the run; plans as `team_plans` has them.
    team_plans : int array of shape (teams, plans of a team)
        Numbers of each team's plans; the first is the full one.
    writes : int array of shape (plans, blocks of the vector)
    keys : uint32 array of shape (epochs, 2), or (teams, epochs, 2)
    team_keys : uint32 array of shape (teams,)
    augment : int array of shape (AUGMENT_WIDTH,)
    rates, shift, scale : float32
    momentum, decay : float
    """

    header: dict[int, int]
    stretches: Sequence[tuple[int, bool, list[int]]]
    team_plans: np.ndarray
    writes: np.ndarray
    keys: np.ndarray
    team_keys: np.ndarray
    augment: np.ndarray
    rates: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    momentum: float
    decay: float


class _Pile:
    """Arrays behind one another; `add` says where each begins."""

    def __init__(self, size: int, dtype):
        self._parts = [np.zeros(size, dtype)]
        self.size = size

    def add(self, values) -> int:
        values = np.asarray(values)
        if values.dtype == np.uint32:
            values = values.view(np.int32)
        at = self.size
        self._parts.append(values.ravel().astype(self._parts[0].dtype))
        self.size += values.size
        return at

    def joined(self) -> np.ndarray:
        return np.concatenate(self._parts)


def make_program(plans, shape: Shape, batch: int, inputs: RunInputs) -> Program:
    """Lower plans for teams of a shape.

    Parameters
    ----------
    plans : list of models.plan.Plan
        The first is the full gradient; all share one layout of the work space.
    shape : Shape
    batch : int
        Largest minibatch.
    inputs : RunInputs
    """
    size = padded(max(p.work_size for p in plans))
    layout = Layout(size, batch, shape.thread_blocks, shape.threads)
    losses = layout.reserve("losses", layout.rows + LINE)
    header = {job.SERVERS: 1, job.SERVER: 0} | inputs.header
    copies = header.get(job.COPY_AT, -1) >= 0
    header[job.COPY_AT] = -1
    if copies:
        header[job.COPY_AT] = layout.reserve("parameters", header[job.PARAMETERS])
    lowered = []
    for plan in plans:
        body = updates_last(lower_plan(plan, layout))
        phases = [*_before(plan, layout, header), *body]
        lowered.append(place_barriers(phases, shape.thread_blocks))
    words, reals = _Pile(job.HEADER, np.int64), _Pile(job.HEADER_REALS, np.float32)
    starts = [
        _add_phases(words, reals, phases) for phases in lowered
    ]  # fmt: skip
    forward = [_forward_count(phases) for phases in lowered]
    draws = [_draws(plan) for plan in plans]
    lengths = [len(p) for p in lowered]
    first, last = plans[0].ops[0], plans[0].ops[plans[0].n_forward]
    blocks = inputs.writes.shape[1]
    team_width = padded(ph.SEEN + blocks)
    own = job.WRITTEN + blocks
    teams_at = padded(own)
    staleness_at = teams_at + shape.teams * team_width
    indices_at = staleness_at + AGES * blocks * STALENESS_BINS
    header |= {
        job.TEAMS: shape.teams,
        job.THREAD_BLOCKS: shape.thread_blocks,
        job.BATCH: batch,
        job.WORK_SIZE: layout.size,
        job.BLOCKS: blocks,
        job.X_AT: first[op.X],
        job.X_ROW: first[op.X_ROW],
        job.OUTPUT_AT: last[op.X],
        job.OUTPUT_ROW: last[op.X_ROW],
        job.OUTPUTS: last[op.X_WIDTH],
        job.LOSSES_AT: losses,
        job.TEAMS_AT: teams_at,
        job.TEAM_WIDTH: team_width,
        job.STALENESS_AT: staleness_at,
        job.BINS: STALENESS_BINS,
        job.INDICES_AT: indices_at,
        job.PLANS_AT: words.add(np.column_stack([starts, lengths, forward, draws])),
        job.WRITES_AT: words.add(inputs.writes),
        job.TEAM_PLANS_AT: words.add(inputs.team_plans),
        job.TEAM_PLANS: np.shape(inputs.team_plans)[1],
        job.KEYS_AT: words.add(inputs.keys),
        job.TEAM_KEYS_AT: words.add(inputs.team_keys),
        job.AUGMENT_AT: words.add(inputs.augment),
        job.RATES_AT: reals.add(inputs.rates),
        job.RATE_SIZE: inputs.rates.size,
        job.SHIFT_AT: reals.add(inputs.shift),
        job.SCALE_AT: reals.add(inputs.scale),
        job.SCALED: int(inputs.shift.size > 0),
    }
    _add_stretches(words, inputs.stretches, header)
    table, floats = words.joined(), reals.joined()
    for column, value in header.items():
        table[column] = value
    floats[job.MOMENTUM], floats[job.DECAY] = inputs.momentum, inputs.decay
    floats[job.RATE_FACTOR] = 1
    return Program(
        table=table.astype(np.int32),  # the caller refuses larger work space
        reals=floats,
        work_size=layout.size,
        words_size=indices_at + shape.teams * batch,
        shared_bytes=4 * (job.SHARED_AT + max(layout.shared, shape.threads)),
        phases=lowered,
    )


def _before(plan, layout: Layout, header) -> list[Phase]:
    """The phases that fill the minibatch, before those of the plan."""
    first = plan.ops[0]
    row = np.zeros(ph.PHASE_WIDTH, np.int64)
    row[ph.PHASE] = ph.GATHER
    row[ph.SPAN] = max(1, min(128, GATHERED_VALUES // header[job.FEATURES]))
    row[ph.TILES] = -(-layout.batch // row[ph.SPAN])
    x = (int(first[op.X]), layout.rows * int(first[op.X_ROW]))
    phases = [Phase(row, _no_reals(), (), (x, INDICES))]
    if header.get(job.WEIGHTED):
        row = np.zeros(ph.PHASE_WIDTH, np.int64)
        row[ph.PHASE], row[ph.TILES] = ph.WEIGHT_SUM, 1
        losses = layout.reserve("losses", 0)
        target = (losses, layout.rows + LINE)
        phases.append(Phase(row, _no_reals(), (INDICES,), (target,)))
    if header[job.COPY_AT] >= 0:
        row = np.zeros(ph.PHASE_WIDTH, np.int64)
        row[ph.PHASE], row[ph.LENGTH] = ph.COPY_PARAMETERS, header[job.PARAMETERS]
        row[ph.SPAN] = COPIED
        row[ph.TILES] = -(-header[job.PARAMETERS] // COPIED)
        copy = (header[job.COPY_AT], header[job.PARAMETERS])
        phases.append(Phase(row, _no_reals(), (), (copy, EVERYTHING)))
    return phases


def _no_reals() -> np.ndarray:
    return np.zeros(ph.PHASE_REALS, np.float32)


def _add_phases(words: _Pile, reals: _Pile, phases: list[Phase]) -> int:
    """Append a plan's rows; returns where the first begins."""
    start = words.size
    for phase in phases:
        phase.row[ph.REALS] = reals.add(phase.reals)
        words.add(phase.row)
    return start


def _forward_count(phases: list[Phase]) -> int:
    return next(k for k, p in enumerate(phases) if p.row[ph.PHASE] == op.LOSS)


def _draws(plan) -> int:
    """Random numbers that the dropouts of a plan take for a sample."""
    return int(plan.ops[: plan.n_forward, op.MASK_ROW].sum())


def _add_stretches(words: _Pile, stretches, header) -> None:
    width = 3 + max(len(plans) for _, _, plans in stretches)
    table = np.zeros((len(stretches), width), np.int64)
    for row, (start, random, plans) in zip(table, stretches, strict=True):
        row[:3] = start, len(plans), random
        row[3 : 3 + len(plans)] = plans
    header[job.STRETCHES_AT] = words.add(table)
    header[job.STRETCH_WIDTH], header[job.STRETCH_COUNT] = width, len(stretches)
