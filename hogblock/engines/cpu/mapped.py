"""Arrays that lie in files: workers map the same file, and nothing is copied.

Where an array lies is asked of the system, not of the array: validation leaves nothing
of an ``np.memmap`` but its memory. Systems that do not tell have no such arrays.
"""

import contextlib
import mmap
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hogblock.engines.cpu.system import fill_standard_descriptors, uninterrupted


class Place(NamedTuple):
    """Where an array is in a file; picklable.

    Attributes
    ----------
    start : int
        Byte of the file from which it is mapped.
    skipped : int
        Bytes from there to the array.
    shape, dtype : tuple of int, str
    """

    start: int
    skipped: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def length(self) -> int:
        """Bytes to map."""
        size = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize
        return self.skipped + size


class MappedFile:
    """A file that holds an array, open.

    Attributes
    ----------
    descriptor : int
        Until `release`.
    place : Place
    """

    def __init__(self, mapping: "_Mapping", place: Place):
        self.descriptor, self.place = -1, place
        with uninterrupted():
            fill_standard_descriptors()
            self.descriptor = os.open(mapping.path, os.O_RDONLY | os.O_NONBLOCK)

    def is_of(self, mapping: "_Mapping") -> bool:
        """Whether it is the file of a mapping, by a mapping of its own.

        Device numbers of ``fstat`` are others than those of mappings on some systems.
        """
        about = os.fstat(self.descriptor)
        end = self.place.start + self.place.length
        if not stat.S_ISREG(about.st_mode):
            return False
        if about.st_size < end:
            self.release()
            raise ValueError(
                f"X is mapped from {os.fsdecode(mapping.path)}, which must have {end} "
                f"bytes for it and has {about.st_size}: it was cut short"
            )
        again = mapped_array(self.descriptor, self.place)
        found = _mapping_of(again.ctypes.data, again.nbytes)
        return found is not None and found.identity == mapping.identity

    def release(self) -> None:
        """Close the file."""
        with uninterrupted():
            if self.descriptor >= 0:
                descriptor, self.descriptor = self.descriptor, -1
                os.close(descriptor)

    def __del__(self):
        self.release()


@contextlib.contextmanager
def mapped_file(array: np.ndarray) -> Iterator[MappedFile | None]:
    """The file that an array in C order is mapped from; None if there is none.

    None as well if what is written to the array would not reach the file, and if the
    file has lost its name, or another has it now.

    Raises
    ------
    ValueError
        If the file has become too short for the array.
    """
    file = _opened(array)
    try:
        yield file
    finally:
        if file is not None:
            file.release()


def _opened(array: np.ndarray) -> MappedFile | None:
    address = array.ctypes.data
    mapping = _mapping_of(address, array.nbytes)
    if mapping is None or not mapping.shared:
        return None
    offset = mapping.offset + address - mapping.first
    start = offset - offset % mmap.ALLOCATIONGRANULARITY
    place = Place(start, offset - start, array.shape, array.dtype.str[1:])
    with contextlib.suppress(OSError):
        file = MappedFile(mapping, place)
        if file.is_of(mapping):
            return file
        file.release()
    return None


def mapped_array(descriptor: int, place: Place) -> np.ndarray:
    """The array in a file, which is not to be written to."""
    memory = mmap.mmap(
        descriptor, place.length, access=mmap.ACCESS_READ, offset=place.start
    )
    raw = np.frombuffer(memory, np.uint8)[place.skipped :]
    return raw.view(place.dtype).reshape(place.shape)


class _Mapping(NamedTuple):
    """A stretch of addresses, and the file behind it."""

    first: int
    shared: bool
    offset: int
    identity: tuple[bytes, bytes]
    path: bytes


def _mapping_of(address: int, size: int) -> _Mapping | None:
    """What memory is mapped from; None if not all of it is from one file."""
    with contextlib.suppress(FileNotFoundError), open("/proc/self/maps", "rb") as file:
        for line in file:
            span, rights, offset, device, inode, *path = line[:-1].split(None, 5)
            first, end = (int(bound, 16) for bound in span.split(b"-"))
            if first <= address < end and path and address + size <= end:
                return _Mapping(
                    first, rights[3:] == b"s", int(offset, 16), (device, inode), *path
                )
    return None
