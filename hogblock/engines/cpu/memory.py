"""Memory of a run: one shared segment, many named arrays, nothing left behind.

The segment is a file without a name, in memory or in a folder: workers get it as an
open descriptor. Nobody else can open it, and it is gone with the last process that
holds it, however that ends.
"""

import mmap
import os
from typing import NamedTuple

import numpy as np

from hogblock.engines.cpu.mapped import MappedFile, Place, mapped_array
from hogblock.engines.cpu.reserve import refusal, reserve
from hogblock.engines.cpu.system import uninterrupted

ALIGNMENT = 64

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


class Description(NamedTuple):
    """What workers are told of a segment; picklable.

    Attributes
    ----------
    specification : dict of str to (shape, dtype)
    places : dict of str to Place
    """

    specification: Specification
    places: dict[str, Place]


class Segment:
    """Shared memory that the parent creates and workers attach to.

    Parameters
    ----------
    specification : dict of str to (shape, dtype)
        Of the arrays that are made.
    files : dict of str to MappedFile, default=None
        Of arrays that lie in files already, which stay open until `release`.
    beside : int, default=0
        Bytes of memory that the run takes besides.
    folder : path-like or None, default=None
        Where the segment lies if memory does not hold it.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Those that were made, zero.
    description : Description
    descriptors : list of int
        Of the segment and the files, in the order of the description; until `release`.

    Raises
    ------
    SharedMemoryError
        If the memory cannot be reserved in full now.
    """

    def __init__(
        self,
        specification: Specification,
        files: dict[str, MappedFile] | None = None,
        beside: int = 0,
        folder=None,
    ):
        files = files or {}
        self.arrays: dict[str, np.ndarray] = {}
        self.descriptors: list[int] = []
        places = {name: file.place for name, file in files.items()}
        self.description = Description(specification, places)
        size = size_of(specification)
        with uninterrupted():
            own = reserve(size, beside, folder)
            others = [file.descriptor for file in files.values()]
            self.descriptors = [own, *others]
            try:
                memory = mmap.mmap(own, size)
            except OSError as error:
                self.release()
                raise refusal(size, error) from error
        self.arrays = views(memory, specification)

    def release(self) -> None:
        """Give the memory back, as soon as no view of it is left."""
        with uninterrupted():
            self.arrays.clear()  # whoever holds the dict, a traceback say
            descriptors, self.descriptors = self.descriptors, []
            if descriptors:
                os.close(descriptors[0])

    def __del__(self):
        if self.descriptors:  # an interruption kept it from its release
            self.release()


def attached(descriptors: list[int], description: Description) -> dict[str, np.ndarray]:
    """A worker's view of a segment, as long as its arrays are there.

    Parameters
    ----------
    descriptors : list of int
        Of the segment and the files; taken over.
    description : Description
    """
    specification, places = description
    own, *others = descriptors
    try:
        arrays = views(mmap.mmap(own, size_of(specification)), specification)
        for (name, place), other in zip(places.items(), others, strict=True):
            arrays[name] = mapped_array(other, place)
        return arrays
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
