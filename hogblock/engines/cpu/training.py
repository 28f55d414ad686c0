"""A run on the host: puts it into memory, lets workers train, watches them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hogblock.engines.cpu import pool
from hogblock.engines.cpu.logged import event_log, model_of
from hogblock.engines.cpu.memory import Segment, private_arrays
from hogblock.engines.cpu.pack import (
    Task,
    arguments_of,
    shared_specification,
    tasks_of,
)
from hogblock.engines.cpu.scheduled import train_scheduled
from hogblock.engines.cpu.worker import Slices
from hogblock.kernels import counters as c
from hogblock.kernels.cpu.warmup import warm_up
from hogblock.kernels.cpu.watch import read_counter, sum_epoch, write_counter
from hogblock.models.network import Network
from hogblock.scheduling.base import Scheduler
from hogblock.scheduling.replay import Replay
from hogblock.training.run_plan import RunPlan, make_run_plan
from hogblock.training.scheduled import check_log
from hogblock.training.settings import Epoch, OnEpoch, Result, Settings, TrainingData

POLL_SECONDS = 0.01


@dataclass
class _Training:
    """Shared arrays of a run, and the parent's bookkeeping on them."""

    run_plan: RunPlan
    arrays: dict[str, np.ndarray]
    on_epoch: OnEpoch
    losses: list[float] = field(default_factory=list)
    started: float = 0.0
    waited: float = 0.0
    """Seconds that all workers waited for `on_epoch`: not training time."""

    def __post_init__(self):
        self.settings, self.batches = self.run_plan.settings, self.run_plan.batches
        self.scheduled = isinstance(self.settings.schedule, Scheduler)
        self.gate = _gate_of(self.run_plan)
        self._write(c.LIMIT, self._limit_after(0))
        self._write(c.END, self.run_plan.steps)

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
    def tickets(self) -> tuple[int, int]:
        """Those that may be taken when the epochs that are over are judged."""
        return len(self.losses) * self.batches, self._read(c.LIMIT)

    @property
    def steps_to_judge(self) -> int:
        """Steps of all before which the epoch under way cannot be over."""
        return (len(self.losses) + 1) * self._steps_of_an_epoch

    @property
    def _steps_of_an_epoch(self) -> int:
        """Which all workers record, added up."""
        by_all = self.run_plan.own_epochs or (
            self.settings.method.together and not self.scheduled
        )
        return self.batches * (self.run_plan.workers if by_all else 1)

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
            factor = self.settings.velocity_factor(index + 1, before, epoch.rate_factor)
            if factor != 1:  # of the only worker, which waits
                self.arrays["velocity"] *= np.float32(factor)
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
            self.waited += time.perf_counter() - before
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
        return time.perf_counter() - self.started - self.waited

    @property
    def finished(self) -> bool:
        over = len(self.losses) * self.batches >= self._read(c.END)
        return over or bool(self._read(c.STOP))

    def result(self, seconds: float, interrupted: bool) -> Result:
        """What came of it, once no worker writes any more."""
        arrays, record = self.arrays, self.arrays["record"]
        steps = record.view(np.int64)[:, :, c.STEPS].sum(axis=1)
        together = self.settings.method.together
        ages = arrays["staleness"].sum(axis=0)
        return Result(
            params=arrays["params"].copy(),
            velocity=arrays["velocity"].copy(),
            losses=self.losses,
            loss_so_far=self._loss_so_far(),
            workers=self.run_plan.workers,
            steps=int(steps[0] if together else steps.sum()),
            samples=int(record[:, :, c.SAMPLES].sum()),
            kept=int(record[:, :, c.KEPT].sum()),
            steps_per_worker=steps,
            updates_per_block=arrays["counters"][:: c.STRIDE][c.BLOCKS :].copy(),
            staleness=ages[c.READ],
            overlap=ages[c.WRITTEN],
            seconds=seconds,
            interrupted=interrupted,
            events=event_log(self.run_plan, arrays),
        )

    def _loss_so_far(self) -> float | None:
        if len(self.losses) == self.settings.epochs:
            return None
        _, loss, weight = sum_epoch(self.arrays["record"], len(self.losses))
        return loss / weight if weight else None


def _gate_of(run_plan: RunPlan) -> str:
    """How far workers may be ahead of a judgement: what is said for several, or less.

    Simulated workers begin the next epoch at once, or all of them when it is judged.
    """
    settings = run_plan.settings
    if not isinstance(settings.schedule, Scheduler):
        return "held" if run_plan.workers == 1 else settings.gate
    return "open" if settings.gate == "open" else "held"


def train(
    network: Network,
    data: TrainingData,
    settings: Settings,
    params: np.ndarray,
    on_epoch: OnEpoch = lambda epoch: False,
    velocity: np.ndarray | None = None,
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
    velocity : ndarray of shape (workers, network.size), default zeros
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
    scheduled = isinstance(settings.schedule, Scheduler)
    if settings.workers == 1 or scheduled:
        run_plan = make_run_plan(network, data, settings)
        if isinstance(settings.schedule, Replay):
            check_log(settings.schedule.log, run_plan, model_of(run_plan))
        own = private_arrays(shared_specification(run_plan)) | samples_of(data)
        here = prepared(run_plan, own, on_epoch, params, velocity)
        if scheduled:
            return train_scheduled(here, progress)
        return train_here(here, tasks_of(run_plan)[0], progress)
    run_plan = make_run_plan(network, data, settings, copied=True)
    specification = shared_specification(run_plan) | {
        "x": (data.x.shape, data.copy_type.str[1:]),
        "targets": (data.targets.shape, data.targets.dtype.str[1:]),
        "weights": (data.weights.shape, "f4"),
    }
    with pool.acquire(settings.workers) as workers:
        segment = Segment(specification)
        arrays: dict[str, np.ndarray] | None = None
        run: _Training | None = None
        try:
            arrays = segment.arrays
            for name in ("targets", "weights"):
                arrays[name][...] = getattr(data, name)
            data.copied(arrays["x"])
            run = prepared(run_plan, arrays, on_epoch, params, velocity)
            return _train_in_processes(
                run, tasks_of(run_plan), segment, workers, progress
            )
        finally:
            arrays = run = None
            segment.release()


def samples_of(data: TrainingData) -> dict[str, np.ndarray]:
    """Arrays of the samples, as a worker takes them."""
    return {"x": data.x, "targets": data.targets, "weights": data.weights}


def prepared(run_plan: RunPlan, arrays, on_epoch, params, velocity) -> _Training:
    """A run whose arrays hold what it starts from."""
    arrays["params"][:] = params
    arrays["rate_factor"][0] = 1
    if velocity is not None and velocity.shape == arrays["velocity"].shape:
        arrays["velocity"][:] = velocity
    return _Training(run_plan, arrays, on_epoch)


def train_here(run: _Training, task: Task, progress) -> Result:
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


def _train_in_processes(run: _Training, tasks, segment, workers, progress) -> Result:
    interrupted = False
    for worker, task in zip(workers, tasks, strict=True):
        worker.send((segment.name, segment.specification, task))
    deadline = pool.answer_deadline()
    for worker in workers:
        worker.expect(deadline)
    segment.unlink()
    run.start()  # workers that have both cores may be done before this goes on
    for worker in workers:
        worker.send("go")
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


def _still_running(workers, run: _Training) -> list:
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
