"""A worker process: attaches to a run's memory and trains until the run is over."""

import contextlib
import os
import time
import traceback
from multiprocessing.reduction import recv_handle

from hogblock.engines.cpu.memory import attached
from hogblock.engines.cpu.pack import arguments_of
from hogblock.kernels import counters as c
from hogblock.kernels.cpu.job import OVER
from hogblock.kernels.cpu.run import run_steps
from hogblock.kernels.cpu.warmup import warm_up
from hogblock.kernels.cpu.watch import read_counter, write_counter

SLICE_SECONDS = 0.02
WAIT_SECONDS = 0.0002
FIRST_SLICE = 8
WAITS = ("waits", None)
"""What a worker tells that has come to the limit of a run."""


class Slices:
    """Steps to run in one compiled call so that it takes about `SLICE_SECONDS`."""

    def __init__(self):
        self.steps = FIRST_SLICE

    def run(self, arguments) -> int:
        """One call; returns how many steps it ran."""
        start = time.perf_counter()
        done = run_steps(*arguments, self.steps)
        if done == self.steps:
            share = SLICE_SECONDS / max(time.perf_counter() - start, 1e-6)
            self.steps = max(1, int(done * min(4.0, share)))
        return done


def train(arguments: tuple, arrays: dict, interrupted, waits) -> None:
    """Run slices until the run is over.

    ``interrupted()`` is asked between them, and ``waits()`` called when this worker
    has come to a limit that the parent has to move.
    """
    _spread(arguments[0].rank)
    counters = arrays["counters"]
    state = arguments[0].state
    slices = Slices()
    told = None
    while not read_counter(counters, c.ABORT):
        if interrupted():
            # Nobody may wait at a barrier for this worker.
            write_counter(counters, c.ABORT, 1)
            return
        wanted, limit = slices.steps, read_counter(counters, c.LIMIT)
        if slices.run(arguments) < wanted:
            if state[OVER]:
                return
            if told == limit:
                time.sleep(WAIT_SECONDS)
            else:
                told = limit
                waits()


def _spread(rank: int) -> None:
    """Move this process to a core of its own, then let the scheduler have it again.

    Freshly woken workers can land on one core and stay there for most of a second.
    """
    with contextlib.suppress(AttributeError, OSError):  # not everywhere, not allowed
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
        os.sched_setaffinity(0, cores)


def _run(connection, description, task) -> None:
    files = [recv_handle(connection) for _ in range(1 + len(description.places))]
    arrays = attached(files, description)
    arguments: tuple | None = None
    try:
        arguments = arguments_of(task, arrays)
        connection.send(("attached", None))
        if connection.recv() != "go":
            return
        train(
            arguments,
            arrays,
            interrupted=connection.poll,
            waits=lambda: connection.send(WAITS),
        )
    finally:
        arguments = None
        arrays.clear()
    connection.send(("done", None))


def _start(connection) -> None:
    warm_up()
    connection.send(("ready", None))


def _reporting(connection, work, *arguments) -> None:
    """Do some work; tell the parent what went wrong, unless it is the parent."""
    try:
        work(connection, *arguments)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception:
        connection.send(("error", traceback.format_exc()))


def main(connection) -> None:
    """Serve runs until the parent closes the connection or dies.

    Any message during a run, and the end of file that a dead parent leaves, ends it.
    """
    with contextlib.suppress(EOFError, OSError):
        _reporting(connection, _start)
        while True:
            _reporting(connection, _run, *connection.recv())
