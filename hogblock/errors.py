"""Errors of a run."""


class SharedMemoryError(OSError):
    """The shared memory of a run could not be reserved."""


class WorkerError(RuntimeError):
    """A worker process died or failed."""
