"""The parent's bookkeeping on the shared arrays of a run."""

import time
from dataclasses import dataclass, field

import numpy as np

from hogblock.engines.cpu.logged import event_log
from hogblock.engines.cpu.system import uninterrupted
from hogblock.engines.live import Live
from hogblock.kernels import counters as c
from hogblock.kernels.cpu import job
from hogblock.kernels.cpu.watch import (
    add_atomic,
    read_counter,
    settle_rows,
    sum_epoch,
    write_counter,
)
from hogblock.scheduling.base import Scheduler
from hogblock.training.run_plan import RunPlan
from hogblock.training.run_state import RunState
from hogblock.training.settings import Epoch, OnEpoch, Result

CHUNK = 2**16
"""Parameters that are looked at at once: 15 us, where a look comes every 10 ms."""


@dataclass
class Run:
    """Shared arrays of a run, and the parent's bookkeeping on them."""

    run_plan: RunPlan
    arrays: dict[str, np.ndarray]
    on_epoch: OnEpoch
    losses: list[float] = field(default_factory=list)
    before: float = 0.0
    """Seconds that were trained in the run that this one goes on from."""
    started: float = 0.0
    waited: float = 0.0
    """Seconds that all workers waited for `on_epoch`: not training time."""
    diverged: bool = False
    deaths: int = 0

    def __post_init__(self):
        self.settings, self.batches = self.run_plan.settings, self.run_plan.batches
        self.scheduled = isinstance(self.settings.schedule, Scheduler)
        self.gate = _gate_of(self.run_plan)
        self.together = self.settings.method.together
        self._chunk = 0
        # Nothing is judged any more, though epochs may be over: not so after Ctrl-C.
        self._ended = False
        self._write(c.LIMIT, self._limit_after(len(self.losses)))
        self._write(c.END, self.run_plan.steps)

    def _write(self, counter: int, value: int) -> None:
        write_counter(self.arrays["counters"], counter, value)

    def _read(self, counter: int) -> int:
        return read_counter(self.arrays["counters"], counter)

    def _limit_after(self, judged: int) -> int:
        """Shared steps (or steps of each worker, if each has its own epochs) that may
        be done when `judged` epochs are judged."""
        epochs, every = self.settings.epochs, self.settings.hold_every
        ahead = {"held": 1, "ahead": 2, "open": epochs}[self.gate]
        held = every * (judged // every + 1) if every else epochs
        return self.batches * min(epochs, judged + ahead, held)

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
        by_all = self.run_plan.each_takes_all
        if self.scheduled:  # a simulated worker's step is that of all together
            by_all = self.run_plan.own_epochs
        return self.batches * (self.run_plan.workers if by_all else 1)

    def start(self) -> None:
        """Let the time begin."""
        self.started = time.perf_counter() - self.before

    def poll(self) -> None:
        """Judge the epochs that are over by now."""
        wanted = self._steps_of_an_epoch
        while not (self._ended or self._all_judged):
            steps, loss, weight = sum_epoch(self.arrays["record"], len(self.losses))
            if steps < wanted and not self._lacks_what_nobody_has:
                return
            with uninterrupted(times=1):  # what was judged is saved, too
                self._judge(loss / weight if weight else 0.0)

    def _judge(self, loss: float) -> None:
        """Judge an epoch, act on the answer, and move the limit."""
        index = len(self.losses)
        self.losses.append(loss)
        if self._exact:
            self._settle()
        epoch = Epoch(
            index,
            loss,
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
            self._ended = True
            self.stop()
        elif stop:
            self._write(c.END, self._read(c.LIMIT))
        if epoch.then is not None and self._exact:
            epoch.then(self.state, self.finished)
        if not stop and self._read(c.LIMIT) < self._read(c.END):
            self._write(c.LIMIT, self._limit_after(index + 1))

    def _settle(self) -> None:
        """Bring a layer on sparse rows up to date, while no worker takes steps."""
        layer, arrays = self.run_plan.sparse_layer, self.arrays
        if layer is None:
            return
        for rank in range(self.run_plan.workers):
            own = (arrays[n][rank] for n in ("velocity", "stamps", "moves", "state"))
            velocity, stamps, moves, state = own
            settle_rows(arrays["params"], velocity, *layer, stamps, moves, state)

    def _ask(self, epoch: Epoch) -> bool:
        before = time.perf_counter()
        stop = self.on_epoch(epoch)
        if self.gate == "held":
            self.waited += time.perf_counter() - before
        return stop

    def look(self) -> None:
        """Stop if a loss or a parameter is not finite.

        Losses of all epochs that are not judged, and some of the parameters, others at
        each look: one that is not finite makes the next loss so.
        """
        params, record = self.arrays["params"], self.arrays["record"]
        ticket = max(
            self._read(c.TICKET), int(self.arrays["state"][:, job.DRAWN].max())
        )
        unjudged = slice(len(self.losses), ticket // self.batches + 1)
        chunk = params[self._chunk : self._chunk + CHUNK]
        self._chunk = self._chunk + CHUNK if self._chunk + CHUNK < params.size else 0
        if not (
            np.isfinite(record[:, unjudged, c.LOSS_SUM]).all()
            and np.isfinite(chunk).all()
        ):
            self.diverged = self._ended = True
            self.stop()

    @property
    def _exact(self) -> bool:
        """No worker has begun a step behind the epochs that are judged."""
        over = len(self.losses) * self.batches
        return self._read(c.LIMIT) == over or self._read(c.END) == over

    def state(self) -> RunState:
        """What another run can go on from, where it is exact."""
        epochs, arrays = len(self.losses), self.arrays
        kept = ("velocity", "staleness", "rate_factor", "state")
        return RunState(
            epochs,
            arrays["params"].copy(),
            list(self.losses),
            self.seconds,
            {name: arrays[name].copy() for name in kept}
            | {
                "record": arrays["record"][:, :epochs].copy(),
                "updates": self._updates.copy(),
            },
        )

    @property
    def _updates(self) -> np.ndarray:
        return self.arrays["counters"][:: c.STRIDE][c.BLOCKS :]

    def recover(self, rank: int) -> None:
        """Make the words of a worker that died such that another can go on.

        A step that was under way is taken again: what it wrote stays.
        """
        self.deaths += 1
        words = self.arrays["state"][rank]
        begun, done = int(words[job.BEGUN]), self._steps_of(rank)
        if begun >= 0 and words[job.DRAWN] > done:
            words[job.PENDING], words[job.DRAWN] = begun, done
        words[job.BEGUN], words[job.OVER] = -1, 0
        if self._read(c.LOCK) == rank + 1:
            self._write(c.LOCK, 0)

    def regroup(self) -> None:
        """Let synchronous workers, none of whom runs, meet at the same step again.

        One that has recorded the last step shows that all have done it.
        """
        words, record = self.arrays["state"], self.arrays["record"]
        done = [self._steps_of(rank) for rank in range(len(words))]
        for rank, steps in enumerate(done):
            row = record[rank, steps // self.batches : steps // self.batches + 1]
            row.view(np.int64)[:, c.STEPS] += max(done) - steps
        words[:, job.DRAWN] = max(done)
        words[:, job.BEGUN], words[:, job.PENDING], words[:, job.OVER] = -1, -1, 0
        self._write(c.ARRIVED, 0)
        self._write(c.ABORT, 0)

    def _steps_of(self, rank: int) -> int:
        return int(self.arrays["record"].view(np.int64)[rank, :, c.STEPS].sum())

    @property
    def _lacks_what_nobody_has(self) -> bool:
        """All wait for the limit or are at the end: what is missing, no worker has.

        One that died between two instructions may have taken a minibatch with it.
        """
        if not self.deaths or self._read(c.STOP):
            return False
        words, limit = self.arrays["state"], self._read(c.LIMIT)
        waits = (words[:, job.OVER] != 0) | (words[:, job.PENDING] >= limit)
        return bool(np.all(waits & (words[:, job.BEGUN] < 0)))

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
    def samples(self) -> int:
        """Those that all workers have done."""
        return int(self.arrays["record"][:, :, c.SAMPLES].sum())

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return time.perf_counter() - self.started - self.waited

    @property
    def _all_judged(self) -> bool:
        return len(self.losses) * self.batches >= self._read(c.END)

    @property
    def finished(self) -> bool:
        """Nobody has to take another step."""
        return self._all_judged or bool(self._read(c.STOP))

    def result(
        self, seconds: float, interrupted: bool, error: Exception | None = None
    ) -> Result:
        """What came of it, once no worker writes any more."""
        arrays, record = self.arrays, self.arrays["record"]
        self._settle()
        finite = np.isfinite(arrays["params"]).all()
        steps = record.view(np.int64)[:, :, c.STEPS].sum(axis=1)
        ages = arrays["staleness"].sum(axis=0)
        return Result(
            params=arrays["params"].copy(),
            velocity=arrays["velocity"].copy(),
            losses=self.losses,
            loss_so_far=self._loss_so_far(),
            workers=self.run_plan.workers,
            steps=int(steps[0] if self.together else steps.sum()),
            samples=self.samples,
            kept=int(record[:, :, c.KEPT].sum()),
            diverged=self.diverged or not finite,
            restarts=self.deaths,
            steps_per_worker=steps,
            updates_per_block=self._updates.copy(),
            staleness=ages[c.READ],
            overlap=ages[c.WRITTEN],
            seconds=seconds,
            interrupted=interrupted,
            error=error,
            events=event_log(self.run_plan, arrays),
        )

    def _loss_so_far(self) -> float | None:
        if len(self.losses) == self.settings.epochs:
            return None
        _, loss, weight = sum_epoch(self.arrays["record"], len(self.losses))
        return loss / weight if weight else None


class LiveRun(Live):
    """The arrays of a run, which other processes write."""

    def __init__(self, run: Run):
        self._run = run

    def snapshot(self):
        return self._run.arrays["params"].copy()

    def add(self, delta):
        add_atomic(self._run.arrays["params"], delta)

    @property
    def steps(self):
        return self._run.steps

    @property
    def record(self):
        columns = [c.SAMPLES, c.LOSS_SUM, c.WEIGHT_SUM]
        return self._run.arrays["record"][:, :, columns].sum(axis=0)

    def stop(self):
        self._run.stop()


def _gate_of(run_plan: RunPlan) -> str:
    """How far workers may be ahead of a judgement: what is said for several, or less.

    Simulated workers begin the next epoch at once, or all of them when it is judged.
    """
    settings = run_plan.settings
    if not isinstance(settings.schedule, Scheduler):
        return "held" if run_plan.workers == 1 else settings.gate
    return "open" if settings.gate == "open" else "held"
