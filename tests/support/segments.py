"""Names in shared memory, by the process that made them.

Other programs have theirs there, and so have tests that run behind the others.
"""

import os


def segments(pid: int | None = None) -> set[str]:
    """Names of the segments that a process has made and not removed; None: this one."""
    start = f"hogblock_{pid or os.getpid()}_"
    return {name for name in os.listdir("/dev/shm") if name.startswith(start)}
