"""A worker's task: everything that it needs besides the shared arrays; picklable."""

from dataclasses import dataclass

import numpy as np

from hogblock.engines.cpu.shared import Specification, private_arrays
from hogblock.kernels import counters as c
from hogblock.kernels import ops as op
from hogblock.kernels.cpu import job, space
from hogblock.kernels.cpu.image_ops import image_op_of
from hogblock.kernels.cpu.lowering import lower_plans
from hogblock.methods import Method, Phase
from hogblock.models.blocks import partition
from hogblock.models.losses import Loss
from hogblock.models.network import Network
from hogblock.models.plan import Plan, make_plan

STORAGE = {
    np.dtype(np.float32): op.FLOAT32_ROWS,
    np.dtype(np.float64): op.FLOAT64_ROWS,
    np.dtype(np.uint8): op.UINT8_ROWS,
}


@dataclass(frozen=True)
class Task:
    """Plain arrays and numbers of one worker.

    Attributes
    ----------
    rank, workers : int
    plans : kernels.cpu.job.Plans
    data, rules : dict
        Fields of ``job.Data`` and ``job.Rules`` that are not shared arrays.
    work_size, zeros_size, blocks : int
    key : int
        Of this worker's random numbers.
    """

    rank: int
    workers: int
    plans: job.Plans
    data: dict
    rules: dict
    work_size: int
    zeros_size: int
    blocks: int
    key: int


def shared_specification(
    n_parameters: int, workers: int, blocks: int, epochs: int, mean: bool
) -> Specification:
    """Arrays that parent and workers share, data not included.

    ``momentum`` and ``staleness`` belong to one worker each; they lie here so that the
    parent can take them over at the end.
    """
    return {
        "params": ((n_parameters,), "f4"),
        "counters": (((c.BLOCKS + blocks) * c.STRIDE,), "i8"),
        "gradients": ((workers, n_parameters) if mean else (0, 0), "f4"),
        "record": ((workers, epochs, c.RECORD_WIDTH), "f8"),
        "staleness": ((workers, c.AGES, blocks, c.STALENESS_BINS), "i8"),
        "momentum": ((workers, n_parameters), "f4"),
        "rate_factor": ((1,), "f4"),
    }


def make_plans(
    network: Network,
    method: Method,
    *,
    batch: int,
    loss: Loss | str,
    workers: int,
    phases: list[Phase],
) -> tuple[list[job.Plans], int, int, int]:
    """Plans of every worker; also work space, zeros, and the number of blocks."""
    parts = workers * method.blocks_per_worker
    blocks = partition(network, parts)
    lowered = lower_plans(
        [make_plan(network, batch, loss, block) for block in (None, *blocks)]
    )
    every, *single = lowered.plans
    plans = []
    for rank in range(workers):
        own = range(
            rank * method.blocks_per_worker, (rank + 1) * method.blocks_per_worker
        )
        chosen = [(every, range(parts))] + [(single[b], [b]) for b in own]
        plans.append(_join(chosen, phases, parts))
    return plans, lowered.work_size, lowered.zeros_size, parts


def _join(chosen: list[tuple[Plan, range | list[int]]], phases, blocks) -> job.Plans:
    """Stack plans of different lengths; plan 0 is the full one."""
    longest = max(len(p.ops) for p, _ in chosen)
    tensors = max(len(p.updated) for p, _ in chosen)
    ops = np.zeros((len(chosen), longest, space.ROW_WIDTH), np.int64)
    reals = np.zeros((len(chosen), longest, op.REAL_WIDTH), np.float32)
    ranges = np.zeros((len(chosen), tensors, 3), np.int64)
    writes = np.zeros((len(chosen), blocks), np.uint8)
    for k, (plan, written) in enumerate(chosen):
        ops[k, : len(plan.ops)] = plan.ops
        reals[k, : len(plan.ops)] = plan.reals
        ranges[k, : len(plan.updated)] = plan.updated
        writes[k, list(written)] = 1
    own = list(range(1, len(chosen)))
    # With several own blocks a turn draws one at random, so a phase's turns become a
    # bag of plans in which each own block stands as often as the full plan.
    drawn = len(own) > 1
    plans_of = {"own": own, "full": [0] * len(own)}
    turns = [[plan for turn in p.turns for plan in plans_of[turn]] for p in phases]
    phase_plans = np.zeros((len(phases), max(map(len, turns))), np.int64)
    for k, plan_ids in enumerate(turns):
        phase_plans[k, : len(plan_ids)] = plan_ids
    return job.Plans(
        ops=ops,
        reals=reals,
        n_forward=np.array([p.n_forward for p, _ in chosen], np.int64),
        n_ops=np.array([len(p.ops) for p, _ in chosen], np.int64),
        tensors=ranges,
        writes=writes,
        phase_start=np.array([p.start for p in phases], np.int64),
        phase_plans=phase_plans,
        phase_length=np.array([len(t) for t in turns], np.int64),
        phase_random=np.full(len(phases), drawn, np.uint8),
    )


def arguments_of(task: Task, arrays: dict[str, np.ndarray]) -> tuple:
    """Arguments of ``run_steps`` from a task and the arrays that it shares.

    They keep every array alive whose address they hold.
    """
    rules = job.Rules(rate_factor=arrays["rate_factor"], **task.rules)
    x, weights = arrays["x"], arrays["weights"]
    data = job.Data(
        x=x.ctypes.data,
        storage=STORAGE[x.dtype],
        n_features=x.shape[1],
        targets=arrays["targets"].ctypes.data,
        weights=weights,
        n_samples=x.shape[0],
        **task.data,
    )
    size = arrays["params"].size
    own = private_floats(
        gradient=size,
        copy=size if task.rules["copy_read"] else 0,
        work=task.work_size,
        zeros=task.zeros_size,
    )
    state = np.zeros(job.STATE_WIDTH, np.int64)
    state[job.PENDING] = -1
    worker = job.Worker(
        params=arrays["params"],
        counters=arrays["counters"],
        gradients=arrays["gradients"],
        record=arrays["record"][task.rank],
        staleness=arrays["staleness"][task.rank],
        momentum=arrays["momentum"][task.rank],
        indices=np.zeros(task.data["batch"], np.int64),
        seen=np.zeros(task.blocks, np.int64),
        step=np.zeros(4, np.float32),
        state=state,
        rank=task.rank,
        workers=task.workers,
        key=task.key,
        image_op=image_op_of(task.plans.ops),
        **own,
    )
    return worker, task.plans, data, rules


def private_floats(**sizes: int) -> dict[str, np.ndarray]:
    """Zeroed float32 arrays that start on a cache line."""
    return private_arrays({name: ((n,), "f4") for name, n in sizes.items()})
