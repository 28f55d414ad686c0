"""Who reads and writes which word between which barriers: races, without a card.

The simulator runs blocks one after another and seldom two threads at a time; what is
missing a barrier works there. A `Watch` notes every access of every thread, and lets
asynchronous copies land as late as they may. On a card nothing of this works.
"""

import threading
from collections import defaultdict

import numpy as np

from hogblock.kernels.cuda import job, product, run, threads
from support import simulated

F32 = np.float32
UNCHANGED = ("table", "reals", "x", "targets", "weights")


class Words:
    """An array whose accesses are noted, or a part of one."""

    __slots__ = ("array", "start", "watch", "where")

    def __init__(self, array, watch, where, start=0):
        self.array, self.watch, self.where, self.start = array, watch, where, start

    def __getitem__(self, i):
        if isinstance(i, slice):
            first = i.start or 0
            if i.stop is not None:
                return self.array[i]
            more = self.array[first:]
            return Words(more, self.watch, self.where, self.start + first)
        self._check(i)
        self.watch.note(self.where, self.start + i)
        return self.array[i]

    def __setitem__(self, i, value):
        self._check(i)
        self.watch.note(self.where, self.start + i, F32(value).tobytes())
        self.array[i] = value

    def _check(self, i):
        if not 0 <= i < len(self.array):
            raise IndexError(f"word {i} of {self.where}, which has {len(self.array)}")


class Watch:
    """Accesses of the kernels that run while it is installed.

    Attributes
    ----------
    launches : list of dict
        {(array, word): {(block, thread, barriers passed, bytes written or None)}}
    """

    def __init__(self, monkeypatch):
        self.launches = []
        self._names = {}
        self._pending = defaultdict(list)
        self._lock = threading.Lock()
        set_ = monkeypatch.setattr
        set_(run, "pointer", self._pointer)
        set_(run, "_run_of", self._run_of)
        for name in ("copy16", "copy4", "commit_copies", "wait_for_copies"):
            set_(product, name, getattr(self, "_" + name))
        set_(product, "wait_for_older_copies", lambda: self._land(1))
        # Local memory holds NaN at first; shared memory does anyway.
        set_(threads.cuda.local, "array", lambda n, kind: np.full(n, np.nan, F32))
        self._count_barriers(set_)

    @staticmethod
    def _count_barriers(set_):
        wait = simulated._Thread.syncthreads

        def syncthreads(thread):
            wait(thread)
            thread.passed = _passed(thread) + 1

        set_(simulated._Thread, "syncthreads", syncthreads)

    # Arrays -----------------------------------------------------------------------

    def _pointer(self, array, start):
        if isinstance(array, Words):
            return array[start:]
        for name in ("_item", "_ary"):
            array = getattr(array, name, array)
        at = array.__array_interface__["data"][0]
        where = self._names.get(at, ("shared", at))
        return Words(array, self, where)[start:]

    def _run_of(self, *arrays):
        with self._lock:
            if not self._names:
                for name, array in zip(job.Run._fields, arrays, strict=True):
                    data = array._item._ary.__array_interface__["data"][0]
                    if len(array._item._ary):
                        self._names[data] = name
        return job.Run(*(self._pointer(array, 0) for array in arrays))

    def note(self, where, word, value=None, since=None):
        """An access of the running thread, which began `since` barriers."""
        if where in UNCHANGED:
            return
        thread = threading.current_thread()
        block, now = thread.blockIdx.x, _passed(thread)
        if isinstance(where, tuple):  # shared memory: a block's own
            where = (*where, block)
        with self._lock:
            noted = self.launches[-1][where, word]
            for passed in range(now if since is None else since, now + 1):
                noted.add((block, thread.thread_id, passed, value))

    # Asynchronous copies ----------------------------------------------------------

    def _copy16(self, target, i, source, j, size):
        for k in range(4):
            self._copy(target, i + k, source, j + k, k < size)

    def _copy4(self, target, i, source, j, size):
        self._copy(target, i, source, j, size > 0)

    def _copy(self, target, i, source, j, real):
        """Until it lands nobody knows what the target holds."""
        target[i] = F32(np.nan)
        mine = self._pending[threading.current_thread()]
        if not mine or mine[-1] == "end":
            mine.append([])
        mine[-1].append(
            (target, i, source, j, real, _passed(threading.current_thread()))
        )

    def _commit_copies(self):
        mine = self._pending[threading.current_thread()]
        if not mine or mine[-1] == "end":
            mine.append([])
        mine.append("end")

    def _wait_for_copies(self):
        self._land(0)

    def _land(self, newest):
        """Finish all groups of copies that this thread has ended, but the newest."""
        mine = self._pending[threading.current_thread()]
        while sum(group == "end" for group in mine) > newest:
            for target, i, source, j, real, since in mine.pop(0):
                value = source[j] if real else F32(0)
                if real:
                    self.note(source.where, source.start + j, None, since)
                self.note(target.where, target.start + i, value.tobytes(), since)
                target[i] = value
            mine.pop(0)

    # What came of it --------------------------------------------------------------

    def launch(self, function, *arguments):
        """Note the accesses of one launch, and look for races inside its blocks."""
        self.launches.append(defaultdict(set))
        self._names.clear()
        function(*arguments)
        left = [groups for groups in self._pending.values() if groups]
        assert not left, "a phase ends before its copies have landed"
        self._pending.clear()
        for place, accesses in self.launches[-1].items():
            by_time = defaultdict(set)
            for block, thread, passed, value in accesses:
                by_time[block, passed].add((thread, value))
            for (block, passed), some in by_time.items():
                assert not conflict(some), (place, block, passed, some)
        return self.launches[-1]


def conflict(accesses):
    """Whether two threads, or blocks, that access one word at once get in their way.

    accesses : {(who, bytes written or None)}. All may write the same.
    """
    if len({who for who, _ in accesses}) < 2:
        return False
    writers = {who for who, value in accesses if value is not None}
    values = {value for _, value in accesses if value is not None}
    readers = {who for who, value in accesses if value is None}
    return (len(values) > 1 and len(writers) > 1) or any(writers - {r} for r in readers)


def _passed(thread):
    """Barriers of its block that a thread has passed."""
    return getattr(thread, "passed", 0)
