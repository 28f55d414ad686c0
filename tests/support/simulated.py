"""Numba's CUDA simulator as tests need it: quick, and the same in every run.

Numba's own threads run all at once, and wait for each other by looking again and again.
Here one thread runs at a time, up to the next barrier: first in their order, then
backwards, and so on.
"""

import sys
import threading
from contextlib import contextmanager
from itertools import pairwise

import numba
import numpy as np
from numba.cuda.simulator import kernel
from numba.cuda.simulator.kernelapi import FakeCUDAShared

from hogblock.kernels.cuda import integers, launch, run

SWITCH_SECONDS = 5e-3
"""Of Python's threads: no two want to run at once, and each look costs time."""


def _closed():
    """A gate that a thread waits at until another one opens it."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class _Thread(kernel.BlockThread):
    """Runs from its gate to a barrier, and opens the next thread's gate there."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.gate, self.next = _closed(), None
        self.ended = False

    def run(self):
        self.gate.acquire()
        super().run()
        self.ended = True
        self.next.release()

    def syncthreads(self):
        self.next.release()
        self.gate.acquire()
        if self.abort:
            raise RuntimeError("another thread failed")


def _run_block(manager, place, *arguments):
    """All threads of a block, from barrier to barrier."""
    live = [
        _Thread(lambda: manager._f(*arguments), manager, place, at, manager._debug)
        for at in np.ndindex(*manager._block_dim)
    ]
    for thread in live:
        thread.start()
    failed, over = None, _closed()
    while live:
        for thread, after in pairwise([*live, None]):
            thread.abort = failed is not None
            thread.next = after.gate if after else over
        live[0].gate.release()
        over.acquire()
        failed = failed or next((t.exception for t in live if t.exception), None)
        live = [thread for thread in reversed(live) if not thread.ended]
    if failed:
        raise failed[0].with_traceback(failed[1])


QUICKER = {"float32": (numba.float32, np.float32), "int32": (integers.int32, int)}
"""What device functions call all the time, and the same in fewer steps."""


def _make_quicker():
    """Let device functions call the latter.

    Kernels themselves, in ``run``, ask for shared memory of Numba's type.
    """
    for module in list(sys.modules.values()):
        name = getattr(module, "__name__", "")
        if name.startswith("hogblock.kernels.cuda.") and module not in (run, integers):
            for called, (slow, quick) in QUICKER.items():
                if getattr(module, called, None) is slow:
                    setattr(module, called, quick)


@contextmanager
def simulation():
    """Kernels that are launched inside run like this; shared memory is NaN at first."""
    _make_quicker()
    run_block, init = kernel.BlockManager.run, FakeCUDAShared.__init__
    seconds = launch.SWITCH_SECONDS

    def poisoned(shared, size):
        init(shared, size)
        shared._dynshared.fill(-1)

    kernel.BlockManager.run, FakeCUDAShared.__init__ = _run_block, poisoned
    launch.SWITCH_SECONDS = SWITCH_SECONDS
    try:
        yield
    finally:
        kernel.BlockManager.run, FakeCUDAShared.__init__ = run_block, init
        launch.SWITCH_SECONDS = seconds
