"""Memory of a run: one shared segment, many named arrays, nothing left behind.

The segment is a file without a name, in memory or in a folder: workers get it as an
open descriptor. Nobody else can open it, and it is gone with the last process that
holds it, however that ends.
"""

import errno
import mmap
import os
import tempfile

import numpy as np

from hogblock.engines.cpu.system import fill_standard_descriptors, uninterrupted
from hogblock.errors import SharedMemoryError

ALIGNMENT = 64

_OPEN_FILES = "too many files are open ({}). Raise the limit (ulimit -n), or close some"
_ADVICE = {
    errno.ENOSPC: "there is no room for it ({}). Use n_jobs=1, or pass less data",
    errno.ENOMEM: "there is no memory for it ({}). Raise the limit on it (ulimit -v), "
    "use n_jobs=1, or pass less data",
    errno.EFBIG: "the limit on the size of files forbids it ({}). Raise it (ulimit "
    "-f), use n_jobs=1, or pass less data",
    errno.EMFILE: _OPEN_FILES,
    errno.ENFILE: _OPEN_FILES,
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

    Attributes
    ----------
    descriptor : int
        Of the file, until `release`.

    Raises
    ------
    SharedMemoryError
        If the memory cannot be reserved in full now.
    """

    descriptor = -1

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
        self.arrays = views(memory, specification)

    def _reserve(self, size: int) -> mmap.mmap:
        fill_standard_descriptors()
        self.descriptor = _open_nameless()
        os.ftruncate(self.descriptor, size)
        if hasattr(os, "posix_fallocate"):  # else the first touch of a page may fail
            os.posix_fallocate(self.descriptor, 0, size)
        return mmap.mmap(self.descriptor, size)

    def release(self) -> None:
        """Give the memory back, as soon as no view of it is left."""
        with uninterrupted():
            self.arrays.clear()  # whoever holds the dict, a traceback say
            if self.descriptor >= 0:
                descriptor, self.descriptor = self.descriptor, -1
                os.close(descriptor)

    def __del__(self):
        if self.descriptor >= 0:  # an interruption kept it from its release
            self.release()


def _open_nameless() -> int:
    """Descriptor of a new file in memory; where there is none such, in a folder."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("hogblock")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def attached(descriptor: int, specification: Specification) -> dict[str, np.ndarray]:
    """A worker's view of a segment, as long as its arrays are there.

    Parameters
    ----------
    descriptor : int
        Taken over.
    specification : dict of str to (shape, dtype)
    """
    try:
        return views(mmap.mmap(descriptor, size_of(specification)), specification)
    finally:
        os.close(descriptor)
