"""Worker processes, started with loky and kept for the next fit."""

import atexit
import os
import time
from multiprocessing.connection import wait

from loky.backend import get_context
from loky.backend.process import LokyProcess

from hogblock.errors import WorkerError
from hogblock.kernels.cpu.warmup import warm_up
from hogblock.worker import main

START_SECONDS = 120.0
LEAVE_SECONDS = 2.0

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1"
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMBA")
}


class WorkerHandle:
    """A worker process as the parent sees it."""

    def __init__(self, context):
        self.connection, theirs = context.Pipe()
        self.process = LokyProcess(target=main, args=(theirs,), env=_ONE_THREAD)
        self.process.start()
        theirs.close()

    def receive(self, timeout: float | None) -> tuple | None:
        """Next message, or None after `timeout` seconds.

        Raises
        ------
        WorkerError
            If the process died or reports an error.
        """
        ready = wait([self.connection, self.process.sentinel], timeout)
        if self.connection in ready:
            try:
                kind, text = self.connection.recv()
            except (EOFError, OSError):
                raise self.death() from None
            if kind == "error":
                raise WorkerError(f"worker process {self.process.pid} failed:\n{text}")
            return kind, text
        if ready:
            raise self.death()
        return None

    def death(self) -> WorkerError:
        """The error that tells how the process ended."""
        self.process.join(LEAVE_SECONDS)
        code = self.process.exitcode
        hint = " (killed, perhaps for want of memory)" if code == -9 else ""
        return WorkerError(
            f"worker process {self.process.pid} died with exit code {code}{hint}"
        )

    def end(self) -> None:
        """Make the process leave: ask, then terminate, then kill."""
        try:
            self.connection.send("leave")
        except OSError:
            pass
        self.connection.close()
        for force in (lambda: None, self.process.terminate, self.process.kill):
            force()
            self.process.join(LEAVE_SECONDS)
            if self.process.exitcode is not None:
                return


_workers: list[WorkerHandle] = []
_owner = os.getpid()


def acquire(count: int) -> list[WorkerHandle]:
    """`count` workers that are ready for a run; starts those that are missing.

    Raises
    ------
    WorkerError
        If a process does not come up.
    """
    global _owner
    if _owner != os.getpid():  # a fork of ours: the workers belong to the parent
        _workers.clear()
        _owner = os.getpid()
    _workers[:] = [w for w in _workers if w.process.exitcode is None]
    warm_up()
    context = get_context("loky")
    fresh = [WorkerHandle(context) for _ in range(count - len(_workers))]
    deadline = time.monotonic() + START_SECONDS
    try:
        for worker in fresh:
            if worker.receive(deadline - time.monotonic()) is None:
                raise WorkerError(
                    f"worker process {worker.process.pid} did not start within "
                    f"{START_SECONDS:.0f} s"
                )
    except BaseException:
        for worker in fresh:
            worker.end()
        raise
    _workers.extend(fresh)
    return _workers[:count]


def running() -> list[WorkerHandle]:
    """Workers that are kept for the next fit."""
    return list(_workers)


def close() -> None:
    """End all worker processes; the next fit starts new ones."""
    if _owner == os.getpid():
        while _workers:
            _workers.pop().end()


atexit.register(close)
