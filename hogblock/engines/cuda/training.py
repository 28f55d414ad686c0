"""A run on one CUDA device: the same runs as those of ``engines.cpu``, on a card.

Workers are teams of thread blocks. A launch runs until an epoch is over, or until some
hundredths of a second are, so that Ctrl-C is served; the host is told of an epoch while
the next one runs.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.cuda.card import Card, lost_blocks
from hogblock.engines.cuda.live import LiveCard
from hogblock.engines.cuda.memory import Memory, threads_of
from hogblock.engines.cuda.pack import program_of
from hogblock.engines.cuda.timing import Pace, Span
from hogblock.engines.devices import Cuda, simulated
from hogblock.engines.live import Beside, shown
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda.estimate import best_blocks
from hogblock.kernels.cuda.launch import launcher_of
from hogblock.kernels.cuda.program import Shape
from hogblock.kernels.cuda.tiles import SHARED_BYTES
from hogblock.models.network import Network
from hogblock.training.run_plan import RunPlan, make_run_plan
from hogblock.training.settings import Epoch, OnEpoch, Result, Settings, TrainingData

SIMULATED_BLOCKS = 2


def shape_of(
    run_plan: RunPlan, device: Cuda, persistent: bool, sharing: int = 1
) -> Shape:
    """Teams, their thread blocks and threads, as they fit the device.

    Parameters
    ----------
    run_plan : RunPlan
    device : Cuda
    persistent : bool
        All blocks have to be on the device at once.
    sharing : int, default=1
        Runs that share the device.

    Raises
    ------
    ValueError
        If they do not, with the numbers.
    """
    workers, batch = run_plan.settings.workers, run_plan.settings.batch
    threads, blocks = threads_of(device), device.blocks_per_worker
    if simulated():
        if persistent and blocks not in (None, 1):
            raise ValueError(
                f"blocks_per_worker={blocks} of {device}: the simulator runs one block "
                "after another, so that a team has one; use launch='graph'"
            )
        return Shape(workers, 1 if persistent else blocks or SIMULATED_BLOCKS, threads)
    with Arrays(device).current():
        launcher = launcher_of(device.index)
        name = "train" if persistent else "one_phase"  # compiles no more than runs
        resident = launcher.resident_blocks(name, threads, SHARED_BYTES) // sharing
    if blocks is None:
        blocks = best_blocks(
            run_plan.plans[0], batch, workers, max(resident, workers), threads
        )
    if persistent and blocks * workers > resident:
        raise ValueError(
            f"{workers} workers (n_jobs) of blocks_per_worker={blocks} are "
            f"{workers * blocks} thread blocks of {threads} threads, which meet at "
            f"barriers; {device.name} holds {resident} at once. Use fewer of either, "
            "or launch='graph'"
        )
    return Shape(workers, blocks, threads)


def train(
    network: Network,
    data: TrainingData,
    settings: Settings,
    params: np.ndarray,
    on_epoch: OnEpoch = lambda epoch: False,
    velocity: np.ndarray | None = None,
    progress: Callable[[int], None] = lambda steps: None,
    beside: Beside | None = None,
    *,
    device: Cuda,
) -> Result:
    """Train `network` from `params`; as ``engines.base.Engine.train``.

    Parameters
    ----------
    network, data, settings, params, on_epoch, velocity, progress, beside
        See there. ``data.x`` is float32 or uint8, and may lie on the device.
    device : Cuda

    Raises
    ------
    ValueError
        If the run does not fit the device's limits.
    DeviceMemoryError
        If it does not fit its memory.
    WorkerError
        If a team's blocks have lost each other.
    """
    persistent = device.launch != "graph"
    run_plan = make_run_plan(network, data, settings)
    shape = shape_of(run_plan, device, persistent)
    static = simulated() or not persistent
    program = program_of(run_plan, shape, device, static=static)
    check_shared(program, device)
    card = Card(Memory(device, program, data, params, velocity), persistent)
    if beside is None:
        return Training(card, run_plan, on_epoch, progress).run()
    live = LiveCard(card, settings.epochs)
    with shown(live, beside):
        return Training(card, run_plan, on_epoch, progress, live).run()


def check_shared(program, device: Cuda) -> None:
    """Raise if a block of the run would need more shared memory than there is."""
    if program.shared_bytes > SHARED_BYTES:
        needed, most = program.shared_bytes / 1024, SHARED_BYTES / 1024
        raise ValueError(
            f"the network's widest normalisation needs {needed:.0f} KiB of a thread "
            f"block's shared memory on {device.name}; {most:.0f} KiB are allowed: "
            "normalise images of fewer channels"
        )


class _Launched(NamedTuple):
    """Work that is on the device.

    Attributes
    ----------
    span : Span
    steps : int
    ends : (int, callable), or None
        The epoch that it ends, and what gives the card's ``Snapshot`` then.
    """

    span: Span
    steps: int
    ends: tuple[int, Callable] | None


class Training:
    """The host's side of a run: hands out minibatches, tells of epochs.

    Parameters
    ----------
    card : Card
        Or several that act as one, see ``servers``.
    run_plan : RunPlan
    on_epoch, progress
        See `train`.
    live : LiveCard, default=None
        What others know of the run.
    """

    def __init__(
        self, card, run_plan: RunPlan, on_epoch, progress, live: LiveCard | None = None
    ):
        self._card, self._run_plan, self._live = card, run_plan, live
        self._settings, self._batches = run_plan.settings, run_plan.batches
        self._on_epoch, self._progress = on_epoch, progress
        # An epoch that decides about the next one has to be over before it begins.
        alone = run_plan.workers == 1 or run_plan.settings.gate == "held"
        self._depth = 1 if alone else 2
        self._end = run_plan.steps
        self._pace = Pace()
        self._limit = 0
        self._losses: list[float] = []
        self._rate_factor = 1.0
        self._started = self._waited = self._device_seconds = 0.0

    def run(self) -> Result:
        """Train; returns what came of it."""
        interrupted = False
        pending: deque[_Launched] = deque()
        self._started = time.perf_counter()
        try:
            try:
                self._fill(pending)
                while pending:
                    self._finish(pending)
                    self._show()
                    self._fill(pending)
            except KeyboardInterrupt:
                interrupted = True
                while pending:
                    self._finish(pending)
            self._show()
        except BaseException:
            self._card.synchronise()  # kernels work on memory that is freed next
            raise
        seconds = self._seconds
        loss_so_far = self._loss_so_far()
        outcome = self._card.outcome()
        return Result(
            losses=self._losses,
            loss_so_far=loss_so_far,
            workers=self._run_plan.workers,
            steps=int(outcome.steps_per_worker.sum()),
            samples=self._samples,
            seconds=seconds,
            interrupted=interrupted,
            device_seconds=self._device_seconds,
            **outcome._asdict(),
        )

    def _show(self) -> None:
        """Let others look at the run, and add to it."""
        if self._live is None:
            return
        self._live.serve(self._limit)
        if self._live.stops:
            self._end = self._limit

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._started - self._waited

    @property
    def _goes_on(self) -> bool:
        return self._limit < self._end

    @property
    def _samples(self) -> int:
        """Samples in the minibatches that were put on the device."""
        epochs, rest = divmod(self._limit, self._batches)
        each = epochs * self._run_plan.epoch_samples + rest * self._settings.batch
        return each * (self._run_plan.workers if self._run_plan.own_epochs else 1)

    def _loss_so_far(self) -> float | None:
        """Mean loss over what was trained of the epoch after the last one."""
        if len(self._losses) == self._settings.epochs:
            return None
        record = self._card.snapshot(len(self._losses))().record
        weight = record[job.WEIGHT_SUM]
        return float(record[job.LOSS_SUM] / weight) if weight else None

    def _fill(self, pending: deque[_Launched]) -> None:
        """Put on the device what may be there by now."""
        while self._goes_on and len(pending) < self._depth:
            pending.append(self._launch())

    def _launch(self) -> _Launched:
        """Put the rest of the epoch, or some part of it, on the device."""
        end = (self._limit // self._batches + 1) * self._batches
        target = min(end, self._limit + self._pace.steps)
        span = self._card.run_to(target)
        steps, self._limit = target - self._limit, target
        if target < end:
            return _Launched(span, steps, None)
        epoch = target // self._batches - 1
        return _Launched(span, steps, (epoch, self._card.snapshot(epoch)))

    def _finish(self, pending: deque[_Launched]) -> None:
        """Wait for the first launch of these; tell of the epoch that it ends."""
        launched = pending[0]
        seconds = launched.span.wait()
        pending.popleft()
        self._device_seconds += seconds
        self._pace.learn(launched.steps, seconds)
        if launched.ends is None:
            return
        number, read = launched.ends
        params, record, failed = read()
        if failed:
            raise lost_blocks(self._card.name)
        samples = self._run_plan.epoch_samples
        samples *= self._run_plan.workers if self._run_plan.own_epochs else 1
        weight = record[job.WEIGHT_SUM]
        loss = record[job.LOSS_SUM] / weight if weight else 0.0
        if self._live is not None:
            self._live.tell(number, samples, float(record[job.LOSS_SUM]), float(weight))
        self._losses.append(float(loss))
        epoch = Epoch(number, float(loss), params, self._seconds, self._rate_factor)
        before = time.perf_counter()
        if self._on_epoch(epoch):
            # What is on the device is trained to the end of its epoch, and counts.
            self._end = -(-self._limit // self._batches) * self._batches
        if self._depth == 1:
            self._waited += time.perf_counter() - before
        factor = self._settings.velocity_factor(
            epoch.index + 1, self._rate_factor, epoch.rate_factor
        )
        if factor != 1:
            self._card.scale_velocity(factor)
        if epoch.rate_factor != self._rate_factor:
            self._rate_factor = epoch.rate_factor
            self._card.set_rate_factor(epoch.rate_factor)
        self._progress((number + 1) * samples)
