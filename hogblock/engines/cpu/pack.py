"""Packs a run plan for workers on the host: tasks, and the arrays that they share."""

from dataclasses import dataclass

import numpy as np

from hogblock.engines.cpu.memory import Specification, private_arrays, private_floats
from hogblock.kernels import counters as c
from hogblock.kernels import ops as op
from hogblock.kernels.cpu import job, space, sparse_step
from hogblock.kernels.cpu.image_ops import image_op_of
from hogblock.kernels.cpu.lowering import Lowered, lower_plans
from hogblock.kernels.cpu.sparse import MOVES
from hogblock.methods import Method
from hogblock.models.plan import Plan
from hogblock.training.run_plan import RunPlan


@dataclass(frozen=True)
class Task:
    """Everything that a worker needs besides the shared arrays; picklable.

    Attributes
    ----------
    rank, workers : int
    plans : kernels.cpu.job.Plans
    samples, rule : dict
        Fields of ``job.Samples`` and ``job.UpdateRule`` that are not shared arrays.
    work_size, zeros_size, blocks, batch_values : int
    key : int
        Of this worker's random numbers.
    """

    rank: int
    workers: int
    plans: job.Plans
    samples: dict
    rule: dict
    work_size: int
    zeros_size: int
    blocks: int
    batch_values: int
    key: int


def write_code(method: Method) -> int:
    """How an update reaches the shared parameters: a WRITE_ code of the kernels."""
    if method.together:
        return job.WRITE_MEAN
    if method.locks:
        return job.WRITE_LOCKED
    return job.WRITE_ATOMIC if method.atomic else job.WRITE_PLAIN


def tasks_of(run_plan: RunPlan) -> list[Task]:
    """The tasks of all workers."""
    settings = run_plan.settings
    lowered = lower_plans(run_plan.plans)
    rule = {
        "write": write_code(settings.method),
        "read": job.READ_COPY if run_plan.copy_read else job.READ_DIRECT,
        "own_epochs": int(run_plan.own_epochs),
        "rate": run_plan.rate,
        "rate_points": settings.rate_points,
        "m": np.float32(run_plan.momentum),
        "nesterov": int(settings.nesterov),
        "decay": np.float32(settings.alpha),
        "largest": np.float32(settings.max_grad_norm or 0),
    }
    samples = {
        **run_plan.scaling,
        "storage": run_plan.storage,
        "n_features": run_plan.n_features,
        "n_samples": run_plan.n_samples,
        "batch": settings.batch,
        "first": run_plan.first,
        "batches": run_plan.batches,
        "shuffle": int(settings.shuffle),
        "order_key": run_plan.order_key,
        "augment": run_plan.augment,
    }
    return [
        Task(
            rank=rank,
            workers=run_plan.workers,
            plans=_plans_of(run_plan, lowered, rank),
            samples=samples,
            rule=rule,
            work_size=lowered.work_size,
            zeros_size=lowered.zeros_size,
            blocks=len(run_plan.blocks),
            batch_values=run_plan.batch_values,
            key=int(run_plan.worker_keys[rank]),
        )
        for rank in range(run_plan.workers)
    ]


def _plans_of(run_plan: RunPlan, lowered: Lowered, rank: int) -> job.Plans:
    """A worker's plans of different lengths behind one another."""
    numbers = run_plan.numbers[rank]
    chosen = [lowered.plans[number] for number in numbers]
    moved = [lowered.kept[number] for number in numbers]
    longest = max(len(p.ops) for p in chosen)
    updated = [_stored_gradients(plan) for plan in chosen]
    tensors = max(map(len, updated))
    ops = np.zeros((len(chosen), longest, space.ROW_WIDTH), np.int64)
    reals = np.zeros((len(chosen), longest, op.REAL_WIDTH), np.float32)
    ranges = np.zeros((len(chosen), tensors, 3), np.int64)
    kept = np.zeros((len(chosen), max(map(len, moved)), 2), np.int64)
    for k, plan in enumerate(chosen):
        kept[k, : len(moved[k])] = moved[k]
        ops[k, : len(plan.ops)] = plan.ops
        reals[k, : len(plan.ops)] = plan.reals
        ranges[k, : len(updated[k])] = updated[k]
    bags = np.zeros(
        (len(run_plan.bags), max(len(b.plans) for b in run_plan.bags)), np.int64
    )
    for row, bag in zip(bags, run_plan.bags, strict=True):
        row[: len(bag.plans)] = bag.plans
    return job.Plans(
        ops=ops,
        reals=reals,
        n_forward=np.array([p.n_forward for p in chosen], np.int64),
        n_ops=np.array([len(p.ops) for p in chosen], np.int64),
        tensors=ranges,
        kept=kept,
        writes=run_plan.writes[numbers],
        stretch_start=np.array([b.start for b in run_plan.bags], np.int64),
        stretch_plans=bags,
        stretch_length=np.array([len(b.plans) for b in run_plan.bags], np.int64),
        stretch_random=np.array([b.drawn for b in run_plan.bags], np.uint8),
    )


def _stored_gradients(plan: Plan) -> np.ndarray:
    """Ranges of the parameters that it updates, but for a layer on sparse rows."""
    row = plan.sparse_update
    ranges = plan.updated
    return ranges if row < 0 else ranges[ranges[:, 0] != plan.ops[row, op.W]]


def shared_specification(run_plan: RunPlan) -> Specification:
    """Arrays that parent and workers share, samples not included.

    ``velocity``, ``staleness``, ``state``, ``stamps`` and ``moves`` belong to one
    worker each; they lie here so that the parent can take them over at the end, and
    another one after a death.
    """
    workers, blocks, size = (
        run_plan.workers,
        len(run_plan.blocks),
        run_plan.n_parameters,
    )
    together = run_plan.settings.method.together
    sparse = run_plan.storage == op.CSR_ROWS
    return {
        "params": ((size,), "f4"),
        "counters": (((c.BLOCKS + blocks) * c.STRIDE,), "i8"),
        "gradients": ((workers, size) if together else (0, 0), "f4"),
        "record": ((workers, run_plan.settings.epochs, c.RECORD_WIDTH), "f8"),
        "staleness": ((workers, c.AGES, blocks, c.STALENESS_BINS), "i8"),
        "log": ((run_plan.logged_events, c.log_width(blocks)), "i4"),
        "velocity": ((workers, size), "f4"),
        "rate_factor": ((1,), "f4"),
        "state": ((workers, job.STATE_WIDTH), "i8"),
        "stamps": ((workers, run_plan.n_features if sparse else 0), "i4"),
        "moves": ((workers, MOVES if sparse else 0, 4), "f8"),
    }


def begin(arrays: dict[str, np.ndarray]) -> None:
    """Make the words of all workers those of workers that have taken no step."""
    arrays["state"][:] = 0
    arrays["state"][:, [job.PENDING, job.BEGUN]] = -1
    arrays["moves"][:, :1] = 0, 0, 0, 1


def private_sizes(task: Task, n_parameters: int) -> dict[str, int]:
    """Float32 arrays that a worker makes for itself: fields of ``job.Worker``."""
    return {
        "gradient": n_parameters,
        "copy": n_parameters if task.rule["read"] != job.READ_DIRECT else 0,
        "work": task.work_size,
        "zeros": task.zeros_size,
        "norms": task.samples["batch"],
    }


def arguments_of(task: Task, arrays: dict[str, np.ndarray]) -> tuple:
    """Arguments of ``run_steps`` from a task and the arrays that it shares.

    They keep every array alive whose address they hold.
    """
    rule = job.UpdateRule(rate_factor=arrays["rate_factor"], **task.rule)
    samples = job.Samples(
        x=arrays["x"].ctypes.data,
        columns=arrays["columns"].ctypes.data if "columns" in arrays else 0,
        starts=arrays["starts"].ctypes.data if "starts" in arrays else 0,
        targets=arrays["targets"].ctypes.data,
        weights=arrays["weights"],
        **task.samples,
    )
    batch = task.samples["batch"]
    own = private_floats(**private_sizes(task, arrays["params"].size))
    worker = job.Worker(
        params=arrays["params"],
        counters=arrays["counters"],
        gradients=arrays["gradients"],
        record=arrays["record"][task.rank],
        staleness=arrays["staleness"][task.rank],
        log=arrays["log"],
        velocity=arrays["velocity"][task.rank],
        indices=np.zeros(batch, np.int64),
        kept=np.zeros(batch, np.int64),
        seen=np.zeros(task.blocks, np.int64),
        coefficients=np.zeros(4, np.float32),
        sparse=_sparse_words(task, arrays),
        state=arrays["state"][task.rank],
        rank=task.rank,
        workers=task.workers,
        key=task.key,
        image_op=image_op_of(task.plans.ops),
        **own,
    )
    return worker, task.plans, samples, rule


def _sparse_words(task: Task, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """What ``sparse_step`` finds the state and work space of a sparse layer by.

    Work space lies behind the words, whose array keeps it alive.
    """
    features, values = arrays["stamps"].shape[1], task.batch_values
    if not features:
        return np.zeros(0, np.int64)
    own = private_arrays(
        {
            "words": ((sparse_step.SPARSE_WIDTH,), "i8"),
            "heads": ((features,), "i4"),
            **{name: ((values,), "i4") for name in ("touched", "before", "samples")},
            "values": ((values,), "f4"),
            "line": ((task.zeros_size,), "f4"),
        }
    )
    words = own.pop("words")
    own["heads"][:] = -1
    lying = arrays["stamps"][task.rank], arrays["moves"][task.rank], *own.values()
    words[: len(lying)] = [each.ctypes.data for each in lying]
    words[len(lying) :] = features, values, task.zeros_size
    return words
