"""The engine: puts a run into memory, lets workers train, watches them.

It knows networks, arrays and methods, and nothing of estimators.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing import current_process

import numpy as np

from hogblock import pool
from hogblock._warn import warn
from hogblock.kernels import counters as c
from hogblock.kernels.cpu.augment import AUGMENT_WIDTH
from hogblock.kernels.cpu.job import WRITE_MEAN
from hogblock.kernels.cpu.warmup import warm_up
from hogblock.methods import Method
from hogblock.models.network import Network
from hogblock.settings import Epoch, OnEpoch, Result, Settings, TrainingData
from hogblock.shared import Segment, private_arrays
from hogblock.task import Task, arguments_of, make_plans, shared_specification
from hogblock.worker import Slices

POLL_SECONDS = 0.01
GATED_POLL_SECONDS = 0.0005
ROWS_AT_ONCE = 4096
NONE = np.zeros(0, np.float32)


def usable_workers(network: Network, method: Method, wanted: int) -> int:
    """Workers that a run can use: at most one per row of parameters, one in a daemon.

    Warns
    -----
    RuntimeWarning
        In a daemonic process, which may not start others.
    """
    if method.one_worker or wanted == 1:
        return 1
    if current_process().daemon:
        warn(
            f"n_jobs={wanted} is taken as 1: this is a daemonic process, which may not "
            "start processes",
            RuntimeWarning,
        )
        return 1
    rows = sum(t.rows for t in network.tensors)
    return max(1, min(wanted, rows // method.blocks_per_worker))


@dataclass
class _Run:
    """Shared arrays of a run, and the parent's bookkeeping on them."""

    settings: Settings
    arrays: dict[str, np.ndarray]
    batches: int
    on_epoch: OnEpoch
    losses: list[float] = field(default_factory=list)
    started: float = 0.0
    held: float = 0.0
    """Seconds that all workers waited for `on_epoch`: not training time."""

    @property
    def counters(self) -> np.ndarray:
        return self.arrays["counters"][:: c.STRIDE]

    @property
    def total(self) -> int:
        """Shared steps (or steps of each worker, if each has its own epochs)."""
        return self.batches * self.settings.epochs

    def _steps_of_an_epoch(self) -> int:
        method = self.settings.method
        alone = method.epochs == "shared" and method.write != WRITE_MEAN
        return self.batches * (1 if alone else self.settings.workers)

    def start(self) -> None:
        """Let the workers begin."""
        self.counters[c.LIMIT] = self.batches if self.settings.gated else self.total
        self.started = time.perf_counter()

    def poll(self) -> None:
        """Handle the epochs that are over by now."""
        record = self.arrays["record"]
        wanted = self._steps_of_an_epoch()
        while len(self.losses) < self.settings.epochs and not self.counters[c.STOP]:
            index = len(self.losses)
            sums = record[:, index].sum(axis=0)
            if sums[c.STEPS] < wanted:
                return
            loss = sums[c.LOSS_SUM] / sums[c.WEIGHT_SUM] if sums[c.WEIGHT_SUM] else 0.0
            self.losses.append(float(loss))
            epoch = Epoch(
                index,
                self.losses[-1],
                self.arrays["params"].copy(),
                self.seconds,
                float(self.arrays["rate_factor"][0]),
            )
            stop = self._ask(epoch)
            self.arrays["rate_factor"][0] = epoch.rate_factor
            if stop:
                self.counters[c.STOP] = 1
            elif self.settings.gated:
                self.counters[c.LIMIT] = min(self.total, (index + 2) * self.batches)

    def _ask(self, epoch: Epoch) -> bool:
        before = time.perf_counter()
        stop = self.on_epoch(epoch)
        if self.settings.gated or self.settings.workers == 1:
            self.held += time.perf_counter() - before
        return stop

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return time.perf_counter() - self.started - self.held

    @property
    def finished(self) -> bool:
        return bool(self.counters[c.STOP]) or len(self.losses) == self.settings.epochs

    def result(self, seconds: float, interrupted: bool) -> Result:
        arrays, settings = self.arrays, self.settings
        steps = arrays["record"][:, :, c.STEPS].sum(axis=1).astype(np.int64)
        together = settings.method.write == WRITE_MEAN
        return Result(
            params=arrays["params"].copy(),
            momentum=arrays["momentum"].copy(),
            losses=self.losses,
            workers=settings.workers,
            steps=int(steps[0] if together else steps.sum()),
            steps_per_worker=steps,
            updates_per_block=self.counters[c.BLOCKS :].copy(),
            staleness=arrays["staleness"].sum(axis=0),
            seconds=seconds,
            interrupted=interrupted,
        )


def train(
    network: Network,
    data: TrainingData,
    settings: Settings,
    params: np.ndarray,
    on_epoch: OnEpoch = lambda epoch: False,
    momentum: np.ndarray | None = None,
    progress: Callable[[int], None] = lambda steps: None,
) -> Result:
    """Train `network` from `params`.

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
    momentum : ndarray of shape (workers, network.size), default zeros
    progress : callable, default does nothing
        Told now and then how many minibatches are done.

    Returns
    -------
    Result

    Raises
    ------
    SharedMemoryError, WorkerError
        With nothing left behind.
    """
    warm_up(images=len(network.input_shape) == 3)
    n_samples = len(data.x)
    batches = -(-n_samples // settings.batch)
    if settings.workers == 1:
        tasks, specification = _make_tasks(network, data, settings, batches)
        arrays = private_arrays(specification)
        arrays |= {"x": data.x, "targets": data.targets, "weights": data.weights}
        run = _prepare(settings, arrays, batches, on_epoch, params, momentum)
        return _train_here(run, tasks[0], progress)
    scaled_here = data.x.dtype == np.float64 and data.shift.size > 0
    seen = replace(data, shift=NONE, scale=NONE) if scaled_here else data
    tasks, specification = _make_tasks(network, seen, settings, batches)
    workers = pool.acquire(settings.workers)
    x_type = "u1" if data.x.dtype == np.uint8 else "f4"
    specification |= {
        "x": (data.x.shape, x_type),
        "targets": (data.targets.shape, data.targets.dtype.str[1:]),
        "weights": (data.weights.shape, "f4"),
    }
    segment = Segment(specification)
    try:
        for name in ("targets", "weights"):
            segment.arrays[name][...] = getattr(data, name)
        copy_rows(data, segment.arrays["x"], scaled_here)
        run = _prepare(settings, segment.arrays, batches, on_epoch, params, momentum)
        return _train_in_processes(run, tasks, segment, workers, progress)
    except BaseException:
        pool.close()
        raise
    finally:
        run = None
        segment.release()


def copy_rows(data: TrainingData, shared: np.ndarray, scaled: bool) -> None:
    """Copy X for the workers: uint8 as it is, else float32.

    float64 is scaled on the way: a float32 would lose what is small beside its mean.
    """
    if not scaled:
        shared[...] = data.x
        return
    for start in range(0, len(data.x), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        shared[part] = (data.x[part] - data.shift.astype(np.float64)) * data.scale


def _make_tasks(network, data, settings, batches):
    method = settings.method
    plans, work_size, zeros_size, blocks = make_plans(
        network,
        method,
        batch=settings.batch,
        loss=settings.loss,
        workers=settings.workers,
        batches=batches,
        epochs=settings.epochs,
    )
    order, *streams = np.random.SeedSequence(settings.seed).spawn(settings.workers + 1)
    rules = {
        "write": method.write,
        "copy_read": int(method.reads == "copy"),
        "own_epochs": int(method.epochs == "worker"),
        "rate": settings.rate,
        "rate_points": settings.rate_points,
        "m": np.float32(settings.momentum),
        "nesterov": int(settings.nesterov),
        "decay": np.float32(settings.alpha),
    }
    shared = {
        "shift": data.shift,
        "scale": data.scale,
        "batch": settings.batch,
        "batches": batches,
        "shuffle": int(settings.shuffle),
        "order_key": int(order.generate_state(1, np.uint64)[0] >> 1),
        "augment": settings.augmentation.words(network.input_shape)
        if settings.augmentation
        else np.zeros(AUGMENT_WIDTH, np.int64),
    }
    tasks = [
        Task(
            rank=rank,
            workers=settings.workers,
            plans=plans[rank],
            data=shared,
            rules=rules,
            work_size=work_size,
            zeros_size=zeros_size,
            blocks=blocks,
            steps=batches * settings.epochs,
            key=int(streams[rank].generate_state(1)[0]),
        )
        for rank in range(settings.workers)
    ]
    specification = shared_specification(
        network.size,
        settings.workers,
        blocks,
        settings.epochs,
        method.write == WRITE_MEAN,
    )
    return tasks, specification


def _prepare(settings, arrays, batches, on_epoch, params, momentum) -> _Run:
    arrays["params"][:] = params
    arrays["rate_factor"][0] = 1
    if momentum is not None and momentum.shape == arrays["momentum"].shape:
        arrays["momentum"][:] = momentum
    return _Run(settings, arrays, batches, on_epoch)


def _train_here(run: _Run, task: Task, progress) -> Result:
    """One worker, in this process: epoch by epoch, bit-reproducible."""
    arguments = arguments_of(task, run.arrays)
    slices = Slices()
    interrupted = False
    run.start()
    run.counters[c.LIMIT] = run.batches
    try:
        while not run.finished:
            wanted = slices.steps
            if slices.run(arguments) < wanted:
                run.counters[c.LIMIT] += run.batches
            run.poll()
            progress(run.arrays["record"][0, :, c.STEPS].sum())
    except KeyboardInterrupt:
        interrupted = True
    return run.result(run.seconds, interrupted)


def _train_in_processes(run: _Run, tasks, segment, workers, progress) -> Result:
    interrupted = False
    for worker, task in zip(workers, tasks, strict=True):
        worker.connection.send((segment.name, segment.specification, task))
    for worker in workers:
        worker.receive(pool.START_SECONDS)
    segment.unlink()
    for worker in workers:
        worker.connection.send("go")
    run.start()
    seconds = None
    pending = list(workers)
    pause = GATED_POLL_SECONDS if run.settings.gated else POLL_SECONDS
    while pending:
        try:
            pending = _still_running(pending, pause, run.counters)
            run.poll()
            progress(run.arrays["record"][:, :, c.STEPS].sum())
            if seconds is None and run.finished:
                seconds = run.seconds
        except KeyboardInterrupt:
            interrupted = True
            run.counters[c.STOP] = 1
    if seconds is None:
        seconds = run.seconds
    return run.result(seconds, interrupted)


def _still_running(workers, pause, counters) -> list:
    """Workers that have not reported the end of the run after `pause` seconds."""
    try:
        handles = [w.connection for w in workers] + [
            w.process.sentinel for w in workers
        ]
        ready = pool.wait(handles, pause)
        return [
            w
            for w in workers
            if not {w.connection, w.process.sentinel} & set(ready) or not w.receive(0)
        ]
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):
            counters[c.ABORT] = 1
        raise
