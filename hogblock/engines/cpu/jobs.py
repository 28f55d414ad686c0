"""What `n_jobs` means, here and now."""

import os
from multiprocessing import current_process, parent_process

import joblib
from joblib.parallel import get_active_backend


def count_jobs(n_jobs: int | None) -> int:
    """Processes or threads that `n_jobs` asks for, as joblib counts them.

    A process that joblib started for one of several tasks has a share of the cores,
    told by OMP_NUM_THREADS: -1 is all of these, and not of the machine's.
    """
    if is_daemon():  # joblib says so too, but with a warning about other things
        return 1
    wanted = joblib.effective_n_jobs(n_jobs)
    if n_jobs is not None and n_jobs < 0 and _has_share():
        share = os.environ.get("OMP_NUM_THREADS", "")
        return min(wanted, max(1, int(share))) if share.isdecimal() else wanted
    return wanted


def is_daemon() -> bool:
    """Whether this process may not start others."""
    return current_process().daemon


def _has_share() -> bool:
    """Whether joblib started this process, for one of several tasks."""
    return parent_process() is not None and get_active_backend()[0].nesting_level > 0
