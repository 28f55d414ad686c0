"""A run on the host: puts it into memory, and lets workers train."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np

from hogblock.engines.cpu import pool
from hogblock.engines.cpu.crew import Crew
from hogblock.engines.cpu.logged import model_of
from hogblock.engines.cpu.mapped import mapped_file
from hogblock.engines.cpu.memory import Segment, private_arrays
from hogblock.engines.cpu.pack import (
    Task,
    arguments_of,
    begin,
    private_sizes,
    shared_specification,
    tasks_of,
)
from hogblock.engines.cpu.reserve import check_folder
from hogblock.engines.cpu.resumed import resume
from hogblock.engines.cpu.run import LiveRun, Run
from hogblock.engines.cpu.scheduled import train_scheduled
from hogblock.engines.cpu.worker import Slices
from hogblock.engines.live import Beside, shown
from hogblock.errors import WorkerError
from hogblock.kernels.cpu.warmup import warm_up
from hogblock.models.network import Network
from hogblock.scheduling.base import Scheduler
from hogblock.scheduling.replay import Replay
from hogblock.training.run_plan import RunPlan, make_run_plan
from hogblock.training.run_state import RunState
from hogblock.training.scheduled import check_log
from hogblock.training.settings import OnEpoch, Result, Settings, TrainingData

WORKER_BYTES = 80 * 2**20
"""Of memory, that the interpreter of a worker and its libraries take."""


def train(
    network: Network,
    data: TrainingData,
    settings: Settings,
    params: np.ndarray,
    on_epoch: OnEpoch = lambda epoch: False,
    velocity: np.ndarray | None = None,
    progress: Callable[[int], None] = lambda steps: None,
    state: RunState | None = None,
    beside: Beside | None = None,
) -> Result:
    """Train `network` from `params`, or go on from a state.

    Parameters
    ----------
    network : Network
    data : TrainingData
    settings : Settings
        ``settings.workers`` comes from `usable_workers`.
    params : ndarray of shape (network.size,), float32
        Not changed.
    on_epoch : callable, default does nothing
        Called in this process after every epoch with an `Epoch`; True ends the run.
    velocity : ndarray of shape (workers, network.size), default zeros
    progress : callable, default does nothing
        Told now and then how many samples are done.
    state : RunState, default=None
        What to go on from, in place of `params` and `velocity`.
    beside : callable, default=None
        See ``live.Beside``; not told of the runs of a scheduler.

    Returns
    -------
    Result
        Its ``error`` is a WorkerError if workers failed while they trained.

    Raises
    ------
    SharedMemoryError, WorkerError
        With nothing left behind.
    ValueError
        If `state` is not of such a run, or there can be no file in `memmap_dir`.
    KeyboardInterrupt
        At the second Ctrl-C.
    """
    check_folder(settings.memmap_dir)
    warm_up(network.needs_image_kernels)
    start = on_epoch, params, velocity, state  # of `prepared`
    alone = settings.workers == 1 or isinstance(settings.schedule, Scheduler)
    train_it = _train_in_this_process if alone else _train_with_others
    return train_it(network, data, settings, start, progress, beside)


def _train_in_this_process(
    network: Network,
    data: TrainingData,
    settings: Settings,
    start: tuple,
    progress: Callable[[int], None],
    beside: Beside | None,
) -> Result:
    """One worker, or a schedule of simulated ones."""
    run_plan = make_run_plan(network, data, settings)
    if isinstance(settings.schedule, Replay):
        check_log(settings.schedule.log, run_plan, model_of(run_plan))
    arrays = private_arrays(shared_specification(run_plan)) | samples_of(data)
    run = prepared(run_plan, arrays, *start)
    if isinstance(settings.schedule, Scheduler):
        return train_scheduled(run, progress)
    with shown(LiveRun(run), beside):
        return train_here(run, tasks_of(run_plan)[0], progress)


def _train_with_others(
    network: Network,
    data: TrainingData,
    settings: Settings,
    start: tuple,
    progress: Callable[[int], None],
    beside: Beside | None,
) -> Result:
    """Several workers, each in a process of its own, on memory that they share."""
    lies_in_file = nullcontext(None) if data.sparse else mapped_file(data.x)
    with lies_in_file as file:
        run_plan = make_run_plan(network, data, settings, copied=file is None)
        tasks = tasks_of(run_plan)
        specification = shared_specification(run_plan) | {
            "targets": (data.targets.shape, data.targets.dtype.str[1:]),
            "weights": (data.weights.shape, "f4"),
        }
        if file is None:
            specification |= data.copy_specification
        with pool.acquire(settings.workers) as lease:
            segment = Segment(
                specification,
                {} if file is None else {"x": file},
                beside=memory_of_workers(tasks, network.size, lease.missing),
                folder=settings.memmap_dir,
            )
            arrays: dict[str, np.ndarray] | None = None
            run: Run | None = None
            try:
                lease.start()
                arrays = segment.arrays
                for name in ("targets", "weights"):
                    arrays[name][...] = getattr(data, name)
                if file is None:
                    data.copy_into(arrays)
                run = prepared(run_plan, arrays, *start)
                crew = Crew(lease, tasks, segment, run, network.needs_image_kernels)
                with shown(LiveRun(run), beside):
                    return _watch(run, crew, progress)
            finally:
                arrays = run = None
                segment.release()


def memory_of_workers(tasks: list[Task], n_parameters: int, started: int) -> int:
    """Bytes that workers take beside what they share, if so many have to be started."""
    floats = sum(sum(private_sizes(task, n_parameters).values()) for task in tasks)
    return 4 * floats + started * WORKER_BYTES


def samples_of(data: TrainingData) -> dict[str, np.ndarray]:
    """Arrays of the samples, as a worker takes them."""
    return {**data.arrays(), "targets": data.targets, "weights": data.weights}


def prepared(
    run_plan: RunPlan,
    arrays: dict[str, np.ndarray],
    on_epoch: OnEpoch,
    params: np.ndarray,
    velocity: np.ndarray | None,
    state: RunState | None = None,
) -> Run:
    """A run whose arrays hold what it starts from."""
    arrays["params"][:] = params
    arrays["rate_factor"][0] = 1
    begin(arrays)
    if velocity is not None and velocity.shape == arrays["velocity"].shape:
        arrays["velocity"][:] = velocity
    if state is None:
        return Run(run_plan, arrays, on_epoch)
    resume(run_plan, arrays, state)
    return Run(run_plan, arrays, on_epoch, list(state.losses), before=state.seconds)


def train_here(run: Run, task: Task, progress) -> Result:
    """One worker, in this process: epoch by epoch, bit-reproducible."""
    arguments = arguments_of(task, run.arrays)
    slices = Slices()
    interrupted = False
    run.start()
    try:
        while not run.finished:
            slices.run(arguments)
            run.look()
            run.poll()
            progress(run.samples)
    except KeyboardInterrupt:
        interrupted = True
    return run.result(run.seconds, interrupted)


def _watch(run: Run, crew: Crew, progress) -> Result:
    """Workers train; this process judges, reports and replaces."""
    interrupted, error = False, None
    seconds = None
    while not crew.over:
        try:
            crew.wait()
            run.look()
            run.poll()
            progress(run.samples)
            if seconds is None and run.finished:
                seconds = run.seconds
        except KeyboardInterrupt:
            if interrupted or not run.started:
                run.abort()
                raise
            interrupted = True
            run.stop()
        except WorkerError as failure:
            crew.end()
            if not run.steps:
                raise
            # Without its traceback, which would hold the memory of the run.
            error = WorkerError(*failure.args)
            break
    if seconds is None:
        seconds = run.seconds
    return run.result(seconds, interrupted, error)
