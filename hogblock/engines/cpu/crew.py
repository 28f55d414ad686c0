"""The workers of a run: told what to do, watched, and replaced when they die."""

import time
from enum import Enum, auto
from multiprocessing.connection import wait

from hogblock.engines.cpu import pool
from hogblock.engines.cpu.cause import OutOfMemoryKills, cause_of
from hogblock.engines.cpu.handle import LEAVE_SECONDS, WorkerDeath, WorkerHandle
from hogblock.engines.cpu.memory import Segment
from hogblock.engines.cpu.pack import Task
from hogblock.engines.cpu.pool import Lease
from hogblock.engines.cpu.run import Run
from hogblock.engines.cpu.system import uninterrupted
from hogblock.errors import WorkerError
from hogblock.kernels.warn import warn

POLL_SECONDS = 0.01


class _Stage(Enum):
    STARTS = auto()  # the process loads its code
    READY = auto()  # it waits for a task
    ATTACHES = auto()  # it has a task, and prepares
    SET = auto()  # it waits for the word to go
    TRAINS = auto()
    OVER = auto()  # its part of the run


class Crew:
    """Workers by rank, from the start of a run to its end.

    Parameters
    ----------
    lease : Lease
    tasks : list of Task
    segment : Segment
    run : Run
    images : bool
        Whether workers need the kernels for images.
    """

    def __init__(
        self,
        lease: Lease,
        tasks: list[Task],
        segment: Segment,
        run: Run,
        images: bool,
    ):
        self._lease, self._tasks, self._segment = lease, tasks, segment
        self._images = images
        self._run, self._settings = run, run.settings
        self._kills = OutOfMemoryKills()
        self._deadline = pool.answer_deadline(self._images)
        self._stages = [_Stage.STARTS for _ in tasks]
        # Whether all go together, once all are set.
        self._gathers = True
        # Synchronous workers leave their step, to begin it anew when all are ready.
        self._regroups = False
        for rank, worker in enumerate(lease.workers):
            if worker.waiting:
                self._ready(rank)

    @property
    def over(self) -> bool:
        """Nobody trains any more, or will."""
        return all(stage is _Stage.OVER for stage in self._stages)

    def wait(self) -> None:
        """Hear what workers have to tell, for `POLL_SECONDS` at most.

        Raises
        ------
        WorkerError
            If one fails, does not come up in time, or more die than may.
        """
        speaking = {
            rank: worker.connection
            for rank, worker in enumerate(self._lease.workers)
            if self._stages[rank] not in (_Stage.OVER, _Stage.READY)
        }
        heard = wait(list(speaking.values()), POLL_SECONDS)
        for rank, connection in speaking.items():
            if connection in heard:
                with uninterrupted():  # what was heard is acted on
                    self._hear(rank)
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._refuse_late()

    def end(self) -> None:
        """Have the workers leave the run, and wait until they have, or are gone."""
        self._run.abort()
        deadline = time.monotonic() + LEAVE_SECONDS
        for rank, worker in enumerate(self._lease.workers):
            while self._stages[rank] is _Stage.TRAINS:
                left = max(0.0, deadline - time.monotonic())
                try:
                    message = worker.receive(left)
                except WorkerError:
                    break
                if message is None:
                    worker.end(deadline)
                    break
                if message[0] == "done":
                    self._stages[rank] = _Stage.OVER

    def _hear(self, rank: int) -> None:
        try:
            message = self._lease.workers[rank].receive(0)
        except WorkerDeath as death:
            self._replace(rank, death)
            return
        if message is None:
            return
        kind, _ = message
        if kind == "ready":
            self._ready(rank)
        elif kind == "attached":
            self._set(rank)
        elif kind == "done":
            self._stages[rank] = _Stage.OVER
            if self._regroups:
                self._ready(rank)

    def _ready(self, rank: int) -> None:
        """Give a worker its task, or keep it until all have left their step."""
        self._stages[rank] = _Stage.READY
        if not self._regroups:
            self._hand(rank)
        elif all(stage is _Stage.READY for stage in self._stages):
            self._run.regroup()
            self._regroups, self._gathers = False, True
            for each in range(len(self._tasks)):
                if self._stages[each] is _Stage.READY:
                    self._hand(each)

    def _hand(self, rank: int) -> None:
        self._stages[rank] = _Stage.ATTACHES
        segment = self._segment
        message = segment.description, self._tasks[rank]
        self._send(rank, message, segment.descriptors)

    def _set(self, rank: int) -> None:
        self._stages[rank] = _Stage.SET
        if not self._gathers:
            self._go([rank])
        elif all(stage is _Stage.SET for stage in self._stages):
            self._gathers, self._deadline = False, None
            if not self._run.started:
                self._run.start()
            self._go(range(len(self._tasks)))

    def _go(self, ranks) -> None:
        for rank in ranks:
            self._stages[rank] = _Stage.TRAINS
        for rank in ranks:
            self._send(rank, "go")

    def _send(self, rank: int, *message) -> None:
        try:
            self._lease.workers[rank].send(*message)
        except WorkerDeath as death:
            self._replace(rank, death)

    def _replace(self, rank: int, death: WorkerDeath) -> None:
        """Let another worker go on where one has died.

        Raises
        ------
        WorkerError
            If too many have, or none can be started.
        """
        run, most = self._run, self._settings.max_worker_restarts
        cause = cause_of(death.code, self._kills)
        if run.finished:  # nothing of it is wanted any more
            self._stages[rank] = _Stage.OVER
            if run.together:  # nobody may wait at a barrier for it
                run.abort()
            return
        if run.deaths >= most:
            self._stages[rank] = _Stage.OVER
            raise WorkerError(
                f"{death} ({cause}), after {run.deaths} others of this fit were "
                f"replaced: max_worker_restarts={most}"
            )
        run.recover(rank)
        warn(f"{death} ({cause}). Another one goes on in its place", RuntimeWarning)
        worker = self._lease.replace(self._lease.workers[rank])
        self._stages[rank] = _Stage.STARTS
        self._deadline = pool.answer_deadline(self._images)
        if run.together and not self._gathers and not self._regroups:
            self._regroups = True
            run.abort()
        if worker.waiting:
            self._ready(rank)

    def _refuse_late(self) -> None:
        """Raise if a process does not come up."""
        late = (_Stage.STARTS, _Stage.ATTACHES)
        workers: list[WorkerHandle] = self._lease.workers
        for worker, stage in zip(workers, self._stages, strict=True):
            if stage in late:
                raise WorkerError(
                    f"worker process {worker.process.pid} did not answer within "
                    f"{pool.START_SECONDS:.0f} s"
                )
        self._deadline = None
