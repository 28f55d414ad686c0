"""The event log of a run on the host."""

import hashlib

import numpy as np

from hogblock.kernels import counters as c
from hogblock.scheduling.log import EventLog
from hogblock.training.run_plan import RunPlan


def event_log(run_plan: RunPlan, arrays: dict[str, np.ndarray]) -> EventLog | None:
    """What the workers have logged; None if they were not asked to."""
    if not len(arrays["log"]):
        return None
    n_total = int(arrays["counters"][c.STRIDE * c.EVENTS])
    log = arrays["log"][: min(n_total, len(arrays["log"]))]
    blocks = len(run_plan.blocks)
    counts = log[:, c.COUNTS :].astype(np.int64)
    worker = log[:, c.WORKER].copy()
    # Steps by the plan that a worker ran, in the numbers of the run.
    longest = max(map(len, run_plan.numbers))
    plans = np.array([n + [0] * (longest - len(n)) for n in run_plan.numbers])
    return EventLog(
        worker=worker,
        ticket=log[:, c.LOGGED_TICKET].astype(np.int64),
        read=counts[:, :blocks],
        written=counts[:, blocks:],
        writes=run_plan.writes[plans[worker, log[:, c.PLAN]]] != 0,
        workers=run_plan.workers,
        blocks=tuple((block.start, block.stop) for block in run_plan.blocks),
        n_total=n_total,
        model=model_of(run_plan),
    )


def model_of(run_plan: RunPlan) -> dict[str, str]:
    """What a replay has to agree with, by names that a user knows."""
    settings, full = run_plan.settings, run_plan.plans[0]
    return {
        "parameters": str(run_plan.n_parameters),
        "method": repr(settings.method),
        "batch_size": str(settings.batch),
        "minibatches of an epoch": str(run_plan.batches),
        "network": hashlib.sha256(full.ops.tobytes()).hexdigest()[:16],
    }
