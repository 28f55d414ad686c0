"""Guards against what the user and the operating system may do at the wrong moment."""

import os
import signal
import threading
from contextlib import contextmanager
from typing import NamedTuple


@contextmanager
def uninterrupted(times: int | None = None):
    """Hold Ctrl-C back until the end of the block, and let it come then.

    Only the main thread of a program is ever interrupted; elsewhere, and where nobody
    handles the signal in Python, nothing is done.

    Parameters
    ----------
    times : int, default=None
        How often it is held back: the next one comes at once. For blocks that run code
        of others, which may never end. None: as often as it comes.
    """
    handler = signal.getsignal(signal.SIGINT)
    here = threading.current_thread() is threading.main_thread()
    if not (here and callable(handler)):
        yield
        return
    held_back: list[tuple] = []

    def hold(*arguments):
        if times is not None and len(held_back) == times:
            held_back.clear()
            handler(*arguments)
        else:
            held_back.append(arguments)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if held_back:
            handler(*held_back[0])


@contextmanager
def interrupts_blocked():
    """Processes started in the block are born deaf to Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def fill_standard_descriptors() -> None:
    """Open /dev/null wherever file descriptors 0 to 2 are closed, as daemons should.

    A pipe or a shared segment that took such a number would receive what somebody
    prints to it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


class Identity(NamedTuple):
    """A process, told apart from a later one of the same number."""

    pid: int
    started: bytes

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Identity of a process; None if it is gone.

        Raises
        ------
        OSError
            If that cannot be told now.
        """
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                state, *fields = file.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if state in b"ZX" else cls(pid, fields[18])
