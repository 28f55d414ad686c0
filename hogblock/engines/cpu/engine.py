"""The engine: puts a run into memory, lets workers train, watches them.

It knows networks, arrays and methods, and nothing of estimators.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing import current_process

import numpy as np

from hogblock.engines.cpu import pool
from hogblock.engines.cpu.shared import Segment, private_arrays
from hogblock.engines.cpu.task import (
    Task,
    arguments_of,
    make_plans,
    shared_specification,
)
from hogblock.engines.cpu.worker import Slices
from hogblock.kernels import counters as c
from hogblock.kernels.cpu.augment import AUGMENT_WIDTH
from hogblock.kernels.cpu.job import WRITE_MEAN
from hogblock.kernels.cpu.warmup import warm_up
from hogblock.kernels.cpu.watch import read_counter, sum_epoch, write_counter
from hogblock.kernels.warn import warn
from hogblock.methods import Method
from hogblock.models.network import Network
from hogblock.training.scaling import Scaling
from hogblock.training.settings import Epoch, OnEpoch, Result, Settings, TrainingData

POLL_SECONDS = 0.01
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

    def __post_init__(self):
        alone = self.settings.workers == 1
        self.gate = "held" if alone else self.settings.gate
        self._write(c.LIMIT, self._limit_after(0))
        self._write(c.END, self.batches * self.settings.epochs)

    def _write(self, counter: int, value: int) -> None:
        write_counter(self.arrays["counters"], counter, value)

    def _read(self, counter: int) -> int:
        return read_counter(self.arrays["counters"], counter)

    def _limit_after(self, judged: int) -> int:
        """Shared steps (or steps of each worker, if each has its own epochs) that may
        be done when `judged` epochs are judged."""
        epochs = self.settings.epochs
        ahead = {"held": 1, "ahead": 2, "open": epochs}[self.gate]
        return self.batches * min(epochs, judged + ahead)

    @property
    def _steps_of_an_epoch(self) -> int:
        method = self.settings.method
        alone = method.epochs == "shared" and method.write != WRITE_MEAN
        return self.batches * (1 if alone else self.settings.workers)

    def start(self) -> None:
        """Let the time begin."""
        self.started = time.perf_counter()

    def poll(self) -> None:
        """Handle the epochs that are over by now."""
        wanted = self._steps_of_an_epoch
        while not self.finished:
            index = len(self.losses)
            steps, loss, weight = sum_epoch(self.arrays["record"], index)
            if steps < wanted:
                return
            self.losses.append(loss / weight if weight else 0.0)
            epoch = Epoch(
                index,
                self.losses[-1],
                self.arrays["params"].copy(),
                self.seconds,
                float(self.arrays["rate_factor"][0]),
            )
            before = epoch.rate_factor
            stop = self._ask(epoch)
            self.arrays["rate_factor"][0] = epoch.rate_factor
            factor = self.settings.momentum_factor(index + 1, before, epoch.rate_factor)
            if factor != 1:  # of the only worker, which waits
                self.arrays["momentum"] *= np.float32(factor)
            if stop and self.gate == "open":
                self.stop()
            elif stop:
                self._write(c.END, self._read(c.LIMIT))
            elif self._read(c.LIMIT) < self._read(c.END):
                self._write(c.LIMIT, self._limit_after(index + 1))

    def _ask(self, epoch: Epoch) -> bool:
        before = time.perf_counter()
        stop = self.on_epoch(epoch)
        if self.gate == "held":
            self.held += time.perf_counter() - before
        return stop

    def stop(self) -> None:
        """Let the workers leave at their next step."""
        self._write(c.STOP, 1)

    def abort(self) -> None:
        """Let the workers leave at once, even out of a barrier."""
        self._write(c.ABORT, 1)

    @property
    def steps(self) -> int:
        """Minibatches that each worker has done, added up."""
        return int(self.arrays["record"].view(np.int64)[:, :, c.STEPS].sum())

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return time.perf_counter() - self.started - self.held

    @property
    def finished(self) -> bool:
        over = len(self.losses) * self.batches >= self._read(c.END)
        return over or bool(self._read(c.STOP))

    def result(self, seconds: float, interrupted: bool) -> Result:
        """What came of it, once no worker writes any more."""
        arrays, settings = self.arrays, self.settings
        record = arrays["record"]
        steps = record.view(np.int64)[:, :, c.STEPS].sum(axis=1)
        together = settings.method.write == WRITE_MEAN
        ages = arrays["staleness"].sum(axis=0)
        return Result(
            params=arrays["params"].copy(),
            momentum=arrays["momentum"].copy(),
            losses=self.losses,
            loss_so_far=self._loss_so_far(),
            workers=settings.workers,
            steps=int(steps[0] if together else steps.sum()),
            samples=int(record[:, :, c.SAMPLES].sum()),
            steps_per_worker=steps,
            updates_per_block=arrays["counters"][:: c.STRIDE][c.BLOCKS :].copy(),
            staleness=ages[c.READ],
            overlap=ages[c.WRITTEN],
            seconds=seconds,
            interrupted=interrupted,
        )

    def _loss_so_far(self) -> float | None:
        if len(self.losses) == self.settings.epochs:
            return None
        _, loss, weight = sum_epoch(self.arrays["record"], len(self.losses))
        return loss / weight if weight else None


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
    x_type = "u1" if data.x.dtype == np.uint8 else "f4"
    specification |= {
        "x": (data.x.shape, x_type),
        "targets": (data.targets.shape, data.targets.dtype.str[1:]),
        "weights": (data.weights.shape, "f4"),
    }
    with pool.acquire(settings.workers) as workers:
        segment = Segment(specification)
        try:
            for name in ("targets", "weights"):
                segment.arrays[name][...] = getattr(data, name)
            copy_rows(data, segment.arrays["x"], scaled_here)
            run = _prepare(
                settings, segment.arrays, batches, on_epoch, params, momentum
            )
            return _train_in_processes(run, tasks, segment, workers, progress)
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
    scaling = Scaling(data.shift, data.scale)
    for start in range(0, len(data.x), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        shared[part] = scaling.scaled(data.x[part])


def _make_tasks(network, data, settings, batches):
    method = settings.method
    plans, work_size, zeros_size, blocks = make_plans(
        network,
        method,
        batch=settings.batch,
        loss=settings.loss,
        workers=settings.workers,
        phases=settings.phases(batches),
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
        **Scaling(data.shift, data.scale).for_kernels(),
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
    try:
        while not run.finished:
            slices.run(arguments)
            run.poll()
            progress(run.steps)
    except KeyboardInterrupt:
        interrupted = True
    return run.result(run.seconds, interrupted)


def _train_in_processes(run: _Run, tasks, segment, workers, progress) -> Result:
    interrupted = False
    for worker, task in zip(workers, tasks, strict=True):
        worker.send((segment.name, segment.specification, task))
    deadline = pool.answer_deadline()
    for worker in workers:
        worker.expect(deadline)
    segment.unlink()
    for worker in workers:
        worker.send("go")
    run.start()
    seconds = None
    pending = list(workers)
    while pending:
        try:
            pending = _still_running(pending, run)
            run.poll()
            progress(run.steps)
            if seconds is None and run.finished:
                seconds = run.seconds
        except KeyboardInterrupt:
            interrupted = True
            run.stop()
    if seconds is None:
        seconds = run.seconds
    return run.result(seconds, interrupted)


def _still_running(workers, run: _Run) -> list:
    """Workers that have not reported the end of the run.

    Returns when one reports that, or that it waits for the next epoch, and after
    `POLL_SECONDS` at the latest.
    """
    try:
        ready = pool.wait(
            [w.connection for w in workers if not w.waiting], POLL_SECONDS
        )
        for worker in workers:
            if worker.connection in ready:
                worker.receive(0)
        return [w for w in workers if not w.waiting]
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):
            run.abort()
        raise
