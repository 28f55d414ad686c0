"""Limits of this process, and what it has open."""

import os
import resource
from contextlib import contextmanager
from pathlib import Path


def descriptors() -> set[str]:
    """Numbers of the open files of this process."""
    return set(os.listdir("/proc/self/fd"))


def memory(name: str, pid: int | str = "self") -> int:
    """Bytes by a line of a process's status: "VmData", say."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


@contextmanager
def limit(which: int, value: int, pid: int = 0):
    """A limit of a process; 0: of this one."""
    soft, hard = resource.prlimit(pid, which)
    resource.prlimit(pid, which, (value, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, which, (soft, hard))
