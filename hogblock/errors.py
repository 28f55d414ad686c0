"""Errors of a run that a program may want to catch."""

__all__ = [
    "DeviceMemoryError",
    "DeviceUnavailableError",
    "SharedMemoryError",
    "WorkerError",
]


class SharedMemoryError(OSError):
    """The shared memory of a run could not be reserved."""


class WorkerError(RuntimeError):
    """A worker process died or failed."""


class DeviceUnavailableError(RuntimeError):
    """A CUDA device was asked for and cannot be used; says what is missing."""


class DeviceMemoryError(MemoryError):
    """A run does not fit the memory of a CUDA device."""
