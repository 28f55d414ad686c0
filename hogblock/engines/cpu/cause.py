"""Why a worker process may have died."""

import contextlib
import signal


class OutOfMemoryKills:
    """Processes that the kernel has killed for want of memory, since this was made."""

    def __init__(self):
        self._before = _count()

    def seen(self) -> bool:
        """Whether there were any, anywhere on the machine."""
        return _count() > self._before


def _count() -> int:
    with contextlib.suppress(OSError, ValueError), open("/proc/vmstat") as file:
        for line in file:
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def cause_of(code: int, kills: OutOfMemoryKills) -> str:
    """What an exit code says, in words.

    Parameters
    ----------
    code : int
        As `subprocess` has it: negative, if a signal ended the process.
    kills : OutOfMemoryKills
        Counted from before the process died.
    """
    if code >= 0:
        return "it left of itself: perhaps its interpreter or a library gave up"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    if -code == signal.SIGKILL and kills.seen():
        return f"{name}: the kernel has run out of memory and killed processes"
    causes: dict[int, str] = {
        signal.SIGKILL: "somebody killed it, or a limit on memory did",
        signal.SIGSEGV: "it read memory that is not its own: a fault of a kernel",
        signal.SIGBUS: "memory could not be had: a disk or a memory that is full",
        signal.SIGILL: "kernels were compiled for another processor",
        signal.SIGTERM: "somebody ended it",
        signal.SIGXCPU: "its limit on processor time (ulimit -t) was reached",
    }
    cause = causes.get(-code)
    return f"{name}: {cause}" if cause else name
