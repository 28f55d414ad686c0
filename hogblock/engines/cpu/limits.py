"""Limits of the system on processes and open files: asked before any is reached."""

import contextlib
import os
from math import inf
from pathlib import Path

from hogblock.engines.cpu.groups import ROOT, folders, number
from hogblock.errors import WorkerError

FILES_A_WORKER = 1
"""Descriptors that this process keeps for each."""

FILES_BESIDE = 4
"""And those that it has open while it starts one, or hands it the memory of a run."""

TASKS_A_WORKER = 2
"""Its main thread, and the one that watches this process."""


def check_limits(count: int) -> None:
    """Whether so many more workers can be started.

    Raises
    ------
    WorkerError
        If a limit is known to forbid it: names what they need, and what there is.
    """
    limit, have = _files_left()
    need = count * FILES_A_WORKER + FILES_BESIDE
    if have < need:
        _refuse(count, need, have, f"open files (ulimit -n is {limit:.0f})")
    need = count * TASKS_A_WORKER
    for have, what in (user_s_tasks_left(), group_s_tasks_left()):
        if have < need:
            _refuse(count, need, have, f"processes and threads ({what})")


def _refuse(count: int, need: int, have: float, what: str):
    raise WorkerError(
        f"{count} more worker processes need {need} {what}, and {max(0, have):.0f} are "
        "left: use a smaller n_jobs, or raise the limit"
    )


def _files_left() -> tuple[float, float]:
    """The limit on descriptors of this process, and how many it may open still."""
    limit = _soft("RLIMIT_NOFILE")
    with contextlib.suppress(OSError):
        used = len(os.listdir("/proc/self/fd")) - 1  # but for that of the folder
        return limit, limit - used
    return limit, inf


def user_s_tasks_left() -> tuple[float, str]:
    """By the limit on the user's processes, which the superuser does not have."""
    limit = _soft("RLIMIT_NPROC")
    if limit == inf or os.geteuid() == 0:
        return inf, ""
    return limit - tasks_of_user(os.getuid()), f"ulimit -u is {limit:.0f}"


def tasks_of_user(user: int) -> int:
    """Threads of all processes of a user that can be seen."""
    tasks = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found = os.stat(process / "task")
            if found.st_uid == user:
                tasks += found.st_nlink - 2
    return tasks


def group_s_tasks_left(root: Path = ROOT) -> tuple[float, str]:
    """By the limits of control groups."""
    lefts = [(inf, "")]
    for folder in folders("pids", root):
        limit = number(folder / "pids.max")
        left = limit - number(folder / "pids.current", 0)
        lefts.append((left, f"pids.max of the control group is {limit:.0f}"))
    return min(lefts)


def _soft(which: str) -> float:
    import resource  # not on Windows, where kernels say that they fail

    limit = resource.getrlimit(getattr(resource, which))[0]
    return inf if limit == resource.RLIM_INFINITY else limit
