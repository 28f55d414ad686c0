"""The two ways to run minibatches: one persistent kernel, or layer by layer."""

from collections import deque

import numpy as np

from hogblock.engines.cuda.memory import Memory
from hogblock.engines.devices import simulated
from hogblock.kernels.cpu.random import hash_bits
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda.launch import external_stream
from hogblock.kernels.cuda.phases import PHASE_WIDTH

STEPS_A_GRAPH = 24

RUN_PHASE, BEGIN_STEP, END_STEP = range(3)
"""What ``one_phase`` does."""


class Persistent:
    """One launch runs all teams until the minibatches below a limit are done."""

    def __init__(self, memory: Memory):
        self._memory = memory
        table = memory.program.table
        self._blocks = int(table[job.TEAMS] * table[job.THREAD_BLOCKS])

    def run_to(self, limit: int) -> None:
        """Put the work on the device."""
        self._memory.launch("train", self._blocks, limit)


class Layered:
    """A launch a phase, from a stream of each worker, captured in CUDA graphs.

    Minibatches go to the workers in turn, so that the host knows which plan a worker
    runs at which step. Equal sequences of plans share a graph.
    """

    def __init__(self, memory: Memory):
        self._memory = memory
        table = memory.program.table
        self._teams, self._blocks = int(table[job.TEAMS]), int(table[job.THREAD_BLOCKS])
        self._steps = int(table[job.STEPS])
        self._each_alone = bool(table[job.TEAM_EPOCHS])
        own, width = int(table[job.TEAM_PLANS_AT]), int(table[job.TEAM_PLANS])
        self._own = table[own : own + self._teams * width].reshape(self._teams, width)
        self._plans = _plan_rows(memory.program)
        self._stretches = _stretches_of(memory.program)
        # Sequences that are drawn at random hardly ever come again.
        drawn = any(random for _, random, _ in self._stretches)
        self._at_once = 1 if drawn else STEPS_A_GRAPH
        keys = int(table[job.TEAM_KEYS_AT])
        self._keys = table[keys : keys + self._teams].view(np.uint32)
        self._drawn = [0] * self._teams
        self._graphs: dict = {}
        # Loads it now: not while a stream is captured.
        memory.launcher.resident_blocks("one_phase", 1, 0)
        self._streams = [_Stream() for _ in range(self._teams)]

    def run_to(self, limit: int) -> None:
        """Put the work on the device."""
        todo = [deque(self._sequence(team, limit)) for team in range(self._teams)]
        while any(todo):
            for team, plans in enumerate(todo):
                if plans:
                    count = self._at_once if len(plans) >= self._at_once else 1
                    now = tuple(plans.popleft() for _ in range(count))
                    self._launch(team, now)

    def _sequence(self, team: int, limit: int) -> list[int]:
        """Plans of a worker's steps below the limit; the full one is 0."""
        plans = []
        while (ticket := self._ticket(team)) < limit:
            plans.append(self._plan(team, ticket))
            self._drawn[team] += 1
        return plans

    def _ticket(self, team: int) -> int:
        drawn = self._drawn[team]
        return drawn if self._each_alone else team + drawn * self._teams

    def _plan(self, team: int, ticket: int) -> int:
        """As ``kernels.cuda.step.choose_plan``."""
        _, random, plans = [p for p in self._stretches if p[0] <= ticket][-1]
        turn = self._drawn[team]
        if random:
            turn = int(hash_bits(np.uint32(turn), self._keys[team]))
        return int(self._own[team, plans[turn % len(plans)]])

    def _launch(self, team: int, plans: tuple[int, ...]) -> None:
        stream = self._streams[team]
        if simulated():
            self._put(team, plans, 0)
            return
        key = (team, plans)
        if key not in self._graphs:
            self._graphs[key] = stream.capture(
                lambda pointer: self._put(team, plans, external_stream(pointer))
            )
        self._graphs[key].launch(stream.stream)

    def _put(self, team: int, plans: tuple[int, ...], stream) -> None:
        for plan in plans:
            self._phase(1, team, self._steps, BEGIN_STEP, stream)
            start, rows = self._plans[plan]
            for p in range(start, start + rows * PHASE_WIDTH, PHASE_WIDTH):
                self._phase(self._blocks, team, p, RUN_PHASE, stream)
            self._phase(1, team, 0, END_STEP, stream)

    def _phase(self, blocks: int, team: int, p: int, what: int, stream) -> None:
        self._memory.launch("one_phase", blocks, team, p, what, stream=stream)


def _plan_rows(program) -> list[tuple[int, int]]:
    """Where each plan's first phase lies, and how many there are."""
    at = int(program.table[job.PLANS_AT])
    starts = range(at, at + job.PLAN_WIDTH * len(program.phases), job.PLAN_WIDTH)
    return [
        (int(program.table[k + job.PLAN_START]), int(program.table[k + job.PLAN_ROWS]))
        for k in starts
    ]


def _stretches_of(program) -> list[tuple[int, bool, list[int]]]:
    """Stretches of the run: start, whether plans are drawn at random, plans."""
    table = program.table
    width, size = int(table[job.STRETCH_WIDTH]), int(table[job.STRETCH_COUNT])
    at = int(table[job.STRETCHES_AT])
    rows = table[at : at + width * size].reshape(size, width)
    return [(int(r[0]), bool(r[2]), r[3 : 3 + r[1]].tolist()) for r in rows]


class _Stream:
    """A stream of CuPy's that graphs are captured from; nothing in the simulator."""

    def __init__(self):
        if not simulated():
            import cupy

            # Blocking: it waits for, and is waited for by, the default stream.
            self.stream = cupy.cuda.Stream(non_blocking=False)

    def capture(self, put):
        """The graph of what `put` launches on the stream whose address it gets."""
        with self.stream:
            self.stream.begin_capture()
            try:
                put(self.stream.ptr)
            finally:  # a stream that is being captured blocks the whole device
                graph = self.stream.end_capture()
            return graph
