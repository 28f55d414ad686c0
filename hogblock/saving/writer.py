"""A thread that writes states beside training: the newest, one at a time."""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from hogblock.engines.cpu.system import uninterrupted
from hogblock.kernels.warn import warn

State = TypeVar("State")


class Writer(Generic[State]):
    """Writes the states of a fit that it is given, or only later ones if it is slow.

    What goes wrong ends no training: it is told once, by a warning of the thread that
    gives the next state, or closes. Later states are written all the same, if they can.

    Parameters
    ----------
    write : callable
        Takes a state; raises OSError or ValueError if it cannot be written.

    Attributes
    ----------
    failure : Exception or None
        What went wrong first.
    """

    def __init__(self, write: Callable[[State], None]):
        self.failure: Exception | None = None
        self._write = write
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: list[State] = []  # one at most
        self._closed = self._told = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def put(self, state: State) -> None:
        """Have a state written; one that still waits is given up for it."""
        if os.getpid() != self._process:  # the thread is not in a fork
            return
        with uninterrupted(), self._changed:
            self._waiting = [state]
            self._start()
            self._changed.notify()
        self._tell()

    def close(self) -> None:
        """Wait until the last state is written."""
        if os.getpid() != self._process:
            return
        with uninterrupted(), self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._tell()

    def _start(self) -> None:
        """Have a thread, from the first state on: what may be lost before has none."""
        if self._thread is None:
            # A daemon: a process may end while a write hangs; files are renamed last.
            self._thread = threading.Thread(
                target=self._run, name="hogblock checkpoints", daemon=True
            )
            self._thread.start()

    def _tell(self) -> None:
        if self.failure is None or self._told:
            return
        self._told = True
        warn(f"a checkpoint could not be written, and training goes on: {self.failure}")

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                state = self._waiting.pop()
            try:
                self._write(state)
            except Exception as error:
                self.failure = self.failure or error
            del state  # it may be large, and the next one far away
