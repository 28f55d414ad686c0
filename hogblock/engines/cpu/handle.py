"""A worker process as its parent sees it."""

import errno
import os
import subprocess
import time
from collections.abc import Iterable
from multiprocessing.connection import Pipe, wait
from multiprocessing.reduction import send_handle

from hogblock.engines.cpu import bootstrap
from hogblock.engines.cpu.system import (
    Identity,
    fill_standard_descriptors,
    interrupts_blocked,
    uninterrupted,
)
from hogblock.errors import WorkerError

LEAVE_SECONDS = 2.0
HURRY_SECONDS = 0.2
"""At a second Ctrl-C."""

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1"
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMBA")
}


class WorkerDeath(WorkerError):
    """A worker process is gone.

    Attributes
    ----------
    pid, code : int
        Of the process; as `subprocess` has it.
    """

    def __init__(self, pid: int, code: int):
        super().__init__(f"worker process {pid} died with exit code {code}")
        self.pid, self.code = pid, code


class WorkerHandle:
    """A worker process as the parent sees it.

    Attributes
    ----------
    connection : Connection
        At its end of file when the worker is gone: nobody else holds the other end.
    process : subprocess.Popen
    waiting : bool
        The worker has nothing to do and waits for a task.
    loads : bool
        It loads its code, and hears nothing.
    """

    def __init__(self, ancestor: Identity | None):
        self.waiting, self.loads = False, True
        fill_standard_descriptors()
        self.connection, theirs = Pipe()
        descriptor = theirs.fileno()
        try:
            with theirs, interrupts_blocked():
                self.process = subprocess.Popen(
                    bootstrap.command(descriptor, ancestor),
                    env=os.environ | _ONE_THREAD,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[descriptor],
                )
        except BaseException:
            self.connection.close()
            raise

    def send(self, message, descriptors: Iterable[int] = ()) -> None:
        """Send a task, or a word about it, and open files.

        Raises
        ------
        WorkerDeath
            If the process died.
        WorkerError
            If this process cannot open another file.
        """
        self.waiting = False
        try:
            self.connection.send(message)
            for descriptor in descriptors:
                send_handle(self.connection, descriptor, self.process.pid)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise WorkerError(
                    f"worker process {self.process.pid} could not be given the memory "
                    f"of the run ({error.strerror}): raise the limit (ulimit -n)"
                ) from error
            raise self.death() from None

    def receive(self, timeout: float | None) -> tuple | None:
        """Next message, or None after `timeout` seconds.

        Raises
        ------
        WorkerDeath
            If the process died.
        WorkerError
            If it reports an error.
        """
        if not wait([self.connection], timeout):
            return None
        with uninterrupted():  # a message is read whole, and never forgotten
            try:
                kind, text = self.connection.recv()
            except (EOFError, OSError):
                raise self.death() from None
            self.waiting, self.loads = kind in ("ready", "done"), False
        if kind == "error":
            raise WorkerError(f"worker process {self.process.pid} failed:\n{text}")
        return kind, text

    def death(self) -> WorkerDeath:
        """The error that tells how the process ended."""
        self._leave(LEAVE_SECONDS)
        return WorkerDeath(self.process.pid, self.process.returncode)

    def end(self, deadline: float) -> None:
        """Say farewell; kill the process if it has not left by the deadline.

        One that hears nothing yet is killed at once: it has begun nothing.
        """
        self._leave(0.0 if self.loads else max(0.0, deadline - time.monotonic()))

    def _leave(self, seconds: float) -> None:
        self.connection.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def forget(self) -> None:
        """Let go, in a fork: the process belongs to the parent."""
        self.connection.close()
        self.process.returncode = 0
        self.waiting = False
