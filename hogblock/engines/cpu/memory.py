"""Memory of a run: one shared segment, many named arrays, nothing left behind.

The segment's name lives only while the workers attach: the parent unlinks it as soon as
all have, so a process killed later leaves no file.
"""

import errno
import os
import secrets
from multiprocessing import resource_tracker, shared_memory

import numpy as np

from hogblock.engines.cpu.system import fill_standard_descriptors, uninterrupted
from hogblock.errors import SharedMemoryError

ALIGNMENT = 64

_NO_ROOM = (
    "/dev/shm has no room for it ({}). Enlarge it (in Docker: --shm-size), use "
    "n_jobs=1, or pass less data"
)
_OPEN_FILES = "too many files are open ({}). Raise the limit (ulimit -n), or close some"
_ADVICE = {
    errno.ENOSPC: _NO_ROOM,
    errno.ENOMEM: "there is no memory for it ({}). Raise the limit on it (ulimit -v), "
    "use n_jobs=1, or pass less data",
    errno.EFBIG: "the limit on the size of files forbids it ({}). Raise it (ulimit "
    "-f), use n_jobs=1, or pass less data",
    errno.EMFILE: _OPEN_FILES,
    errno.ENFILE: _OPEN_FILES,
    errno.EACCES: "/dev/shm may not be written ({}). Allow it, or use n_jobs=1",
    errno.EPERM: "/dev/shm may not be written ({}). Allow it, or use n_jobs=1",
    errno.ENOENT: "/dev/shm is missing ({}). Mount a tmpfs there, or use n_jobs=1",
}
"""What stands in the way, and what helps, by the number of an error."""

Specification = dict[str, tuple[tuple[int, ...], str]]
"""Name of each array -> shape and dtype."""


def size_of(specification: Specification) -> int:
    """Bytes that the arrays take."""
    return max(ALIGNMENT, sum(_bytes(*entry) for entry in specification.values()))


def _bytes(shape, dtype) -> int:
    raw = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return -(-raw // ALIGNMENT) * ALIGNMENT


def views(buffer, specification: Specification) -> dict[str, np.ndarray]:
    """The arrays over a buffer that starts at a multiple of ``ALIGNMENT``.

    Each keeps the buffer alive: one that outlives its run (in a traceback that somebody
    prints, say) must not lead to memory that is gone.
    """
    arrays, offset = {}, 0
    whole = np.frombuffer(buffer, np.uint8)
    for name, (shape, dtype) in specification.items():
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        arrays[name] = whole[offset : offset + size].view(dtype).reshape(shape)
        offset += _bytes(shape, dtype)
    return arrays


def private_arrays(specification: Specification) -> dict[str, np.ndarray]:
    """The same arrays in memory of this process alone, zero."""
    size = size_of(specification)
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return views(raw[start : start + size].data, specification)


def private_floats(**sizes: int) -> dict[str, np.ndarray]:
    """Zeroed float32 arrays that start on a cache line."""
    return private_arrays({name: ((n,), "f4") for name, n in sizes.items()})


class Segment:
    """Shared memory that the parent creates and workers attach to.

    Parameters
    ----------
    specification : dict of str to (shape, dtype)

    Raises
    ------
    SharedMemoryError
        If the memory cannot be reserved in full now.
    """

    _memory: shared_memory.SharedMemory | None = None
    _linked = False

    def __init__(self, specification: Specification):
        self.specification = specification
        self.arrays: dict[str, np.ndarray] = {}
        size = size_of(specification)
        with uninterrupted():
            try:
                memory = self._reserve(size)
            except OSError as error:
                self.release()
                why = _ADVICE.get(
                    error.errno or 0, "it cannot be had ({}). Use n_jobs=1"
                )
                raise SharedMemoryError(
                    f"training with several workers needs {size / 2**20:.1f} MiB of "
                    f"shared memory, and {why.format(error.strerror)}."
                ) from error
        self.name = memory.name
        """What a worker attaches to; valid until `unlink`."""
        self.arrays = views(memory.buf, specification)

    def _reserve(self, size: int) -> shared_memory.SharedMemory:
        fill_standard_descriptors()
        name = f"hogblock_{os.getpid()}_{secrets.token_hex(6)}"
        tracked = f"/{name}", "shared_memory"
        # `SharedMemory` registers its name last, but after an error it takes the name
        # off the register all the same, and the tracker complains.
        resource_tracker.register(*tracked)
        try:
            memory = shared_memory.SharedMemory(name, create=True, size=size)
        except OSError:
            resource_tracker.register(*tracked)
            resource_tracker.unregister(*tracked)
            raise
        self._memory, self._linked = memory, True
        if hasattr(os, "posix_fallocate"):
            # The standard library's hints leave out what is private.
            os.posix_fallocate(memory._fd, 0, size)  # type: ignore[attr-defined]
        return memory

    def unlink(self) -> None:
        """Remove the name: the memory lives on until the last process lets go."""
        with uninterrupted():
            if self._linked and self._memory is not None:
                self._linked = False
                self._memory.unlink()

    def release(self) -> None:
        """Unlink, and give the memory back; views must not be used afterwards."""
        with uninterrupted():
            self.arrays = {}
            if self._memory is not None:
                self.unlink()
                _close(self._memory)
                self._memory = None

    def __del__(self):
        if self._memory is not None:  # an interruption kept it from its release
            self.release()


class Attached:
    """A worker's view of a segment.

    Parameters
    ----------
    name : str
    specification : dict of str to (shape, dtype)
    """

    def __init__(self, name: str, specification: Specification):
        # Until Python 3.13 (track=False) attaching registers the segment with this
        # process's tracker, which would unlink it once more and complain.
        register = resource_tracker.register
        resource_tracker.register = lambda *_: None
        try:
            self._memory = shared_memory.SharedMemory(name)
        finally:
            resource_tracker.register = register
        self.arrays = views(self._memory.buf, specification)

    def release(self) -> None:
        """Let go of the memory."""
        self.arrays = {}
        _close(self._memory)


def _close(memory: shared_memory.SharedMemory) -> None:
    try:
        memory.close()
    except BufferError:
        # A view is still alive somewhere (a traceback's frame, say): the mapping goes
        # with it, and the finaliser must not complain about it again.
        memory._buf = memory._mmap = None  # type: ignore[attr-defined]
        memory.close()
