"""Worker processes: owned by a run from its start to its end, then kept for the next.

They are children of this process but not of `multiprocessing`, whose exit would wait
for them, and they are started, handed over and ended where Ctrl-C cannot cut in.
"""

import atexit
import contextlib
import itertools
import os
import threading
import time
import weakref
from multiprocessing import parent_process, util

from joblib import cpu_count

from hogblock.engines.cpu.handle import HURRY_SECONDS, LEAVE_SECONDS, WorkerHandle
from hogblock.engines.cpu.limits import check_limits
from hogblock.engines.cpu.system import Identity, uninterrupted
from hogblock.errors import WorkerError
from hogblock.kernels.cpu.warmup import cache_state, warm_up

START_SECONDS = 120.0
TURN_SECONDS = 0.01


class _Pool:
    """Workers of this process. All of it is read and changed under its lock."""

    def __init__(self):
        self.lock = threading.RLock()
        self.idle: list[WorkerHandle] = []
        self.leases: weakref.WeakSet[Lease] = weakref.WeakSet()
        self.ancestor: Identity | None = None
        self.keeps = True
        self._registered = False

    @property
    def workers(self) -> list[WorkerHandle]:
        """All of them, idle or owned by a run."""
        return [*self.idle, *(w for lease in self.leases for w in lease.workers)]

    def admit(self, lease: "Lease") -> bool:
        """Whether it is the lease's turn: first come, first served, a core a worker.

        A run that needs more than there are has its turn when nobody else holds any. A
        run within a run of the same thread cannot wait for it.
        """
        with self.lock:
            self.leases.add(lease)
            held = [other for other in self.leases if other.admitted]
            within = any(other.thread is lease.thread for other in held)
            ahead = any(
                other.number < lease.number
                for other in self.leases
                if not other.admitted
            )
            total = lease.count + sum(other.count for other in held)
            fits = not held or total <= cpu_count()
            lease.admitted = within or (fits and not ahead)
            return lease.admitted

    def missing(self, count: int) -> int:
        """Workers that would have to be started for `count`."""
        with self.lock:
            return max(0, count - len(self.idle))

    def take(self, lease: "Lease") -> None:
        """Give idle workers to the lease, and start those that are missing.

        Raises
        ------
        WorkerError
            If they cannot be started.
        """
        with self.lock:
            ancestor = self._living_ancestor()
            while len(lease.workers) < lease.count and self.idle:
                worker = self.idle.pop(0)
                if worker.process.poll() is None:
                    lease.workers.append(worker)
                else:
                    worker.connection.close()
            missing = lease.count - len(lease.workers)
            check_limits(missing)
            try:
                for _ in range(missing):
                    self._end_at_exit()
                    lease.workers.append(WorkerHandle(ancestor))
            except OSError as error:
                raise WorkerError(
                    f"{len(lease.workers)} of {lease.count} worker processes could be "
                    f"started ({error.strerror}): use a smaller n_jobs, or raise the "
                    "limits on processes, open files and memory (ulimit -u, -n, -v)"
                ) from error

    def give_back(self, lease: "Lease") -> list[WorkerHandle]:
        """Keep those of a lease's workers that wait for work; returns the others.

        What is returned has been told to leave.
        """
        with self.lock:
            self.leases.discard(lease)
            workers, lease.workers = lease.workers, []
            keeps = self.keeps and (parent_process() is None or _ancestor())
            kept = [w for w in workers if w.waiting and keeps]
            self.idle.extend(kept)
            return _dismiss([w for w in workers if w not in kept])

    def empty(self) -> list[WorkerHandle]:
        """Tell all idle workers to leave, and return them."""
        with self.lock:
            workers, self.idle = self.idle, []
            return _dismiss(workers)

    def _living_ancestor(self) -> Identity | None:
        """Who started this process through `multiprocessing`, for workers to watch.

        A program that had detached itself from him before its first run goes on alone.

        Raises
        ------
        WorkerError
            If he was there in an earlier run: nobody waits for results any more.
        """
        now = _ancestor()
        if self.ancestor is None:
            self.ancestor = now
        elif now != self.ancestor:
            raise WorkerError(
                f"process {self.ancestor.pid}, which started this one, is gone: no "
                "worker processes are started any more"
            )
        return now

    def _end_at_exit(self) -> None:
        # In a child, multiprocessing's own exit is the only one that runs.
        if not self._registered:
            self._registered = True
            util.Finalize(None, _leave, exitpriority=10)


_pool = _Pool()
_numbers = itertools.count()


class Lease:
    """Workers of one run, a context manager: entering it waits for its turn.

    `start` gets them. Those that are not waiting for work at the end are ended, the
    others kept.
    """

    def __init__(self, count: int):
        self.count = count
        self.workers: list[WorkerHandle] = []
        self.number = next(_numbers)
        self.thread = threading.current_thread()
        self.admitted = False
        self._pool = _pool

    def __enter__(self) -> "Lease":
        try:
            while not self._admitted():
                time.sleep(TURN_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def missing(self) -> int:
        """Processes that `start` would have to start now."""
        return self._pool.missing(self.count)

    def start(self) -> None:
        """Get the workers.

        Raises
        ------
        WorkerError
            If a process cannot be started.
        """
        with uninterrupted():
            self._pool.take(self)

    def replace(self, worker: WorkerHandle) -> WorkerHandle:
        """Another worker in the place of one that is gone.

        Raises
        ------
        WorkerError
            If no process can be started.
        """
        with uninterrupted():
            place = self.workers.index(worker)
            del self.workers[place]
            self._pool.take(self)
            self.workers.insert(place, self.workers.pop())
        return self.workers[place]

    def _admitted(self) -> bool:
        with uninterrupted():
            return self._pool.admit(self)

    def __exit__(self, kind: type | None = None, *_) -> None:
        seconds = HURRY_SECONDS if kind is KeyboardInterrupt else LEAVE_SECONDS
        if self._pool is _pool:  # else in a fork, which has none of them
            with uninterrupted():
                _end(self._pool.give_back(self), seconds)


def acquire(count: int) -> Lease:
    """`count` workers for one run: ``with acquire(2) as lease``, and then its `start`.

    Waits while other threads' runs hold the cores that it needs. A worker is `waiting`
    if it was kept from an earlier run; else it says so when it is ready.
    """
    warm_up()
    return Lease(count)


def answer_deadline(images: bool) -> float | None:
    """Until when workers have to be ready for what comes next; None: for ever.

    Those that have to compile kernels, for want of a cache, take as long as it takes.
    """
    return time.monotonic() + START_SECONDS if cache_state(images).complete else None


def running() -> list[WorkerHandle]:
    """Workers of this process, idle or in a run."""
    with _pool.lock:
        return _pool.workers


def close() -> None:
    """End all workers that no run owns; the next fit starts new ones."""
    with uninterrupted():
        _end(_pool.empty())


def _ancestor() -> Identity | None:
    """The living process that started this one through `multiprocessing`."""
    starter = parent_process()
    if starter is None or starter.pid is None:
        return None
    return Identity.of(starter.pid)


def _dismiss(workers: list[WorkerHandle]) -> list[WorkerHandle]:
    for worker in workers:
        worker.connection.close()
    return workers


def _end(workers: list[WorkerHandle], seconds: float = LEAVE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.end(deadline)


def _leave() -> None:
    """End the idle workers, and from now on each with its run."""
    _pool.keeps = False
    with contextlib.suppress(KeyboardInterrupt):  # what else is left than to leave
        close()


def _forget() -> None:
    """In a fork: the workers belong to the parent."""
    global _pool
    for worker in _pool.workers:
        worker.forget()
    _pool = _Pool()


# A fork waits until nothing is half started, so that it inherits no unknown ends.
if hasattr(os, "register_at_fork"):  # not on Windows, where kernels say that they fail
    os.register_at_fork(
        before=lambda: _pool.lock.acquire(),
        after_in_parent=lambda: _pool.lock.release(),
        after_in_child=_forget,
    )
atexit.register(_leave)
