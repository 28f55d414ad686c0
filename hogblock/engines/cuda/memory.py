"""A run's arrays on one device, and the launches on them."""

from contextlib import contextmanager

import numpy as np

from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.devices import Cuda, simulated
from hogblock.engines.locations import index_of, is_device_array
from hogblock.errors import DeviceMemoryError
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda.launch import (
    as_argument,
    external_stream,
    launcher_of,
)
from hogblock.kernels.cuda.program import Program
from hogblock.training.settings import TrainingData

SIMULATED_THREADS = 8
"""Threads of a block in the simulator, at most: each is a Python thread."""


def threads_of(device: Cuda) -> int:
    """Threads of a block on a device."""
    return min(device.threads, SIMULATED_THREADS) if simulated() else device.threads


class Memory:
    """Arrays that the training kernels work on.

    Parameters
    ----------
    device : Cuda
    program : Program
    data : TrainingData
        `x` may be an array on a CUDA device, which is copied to other devices only.
    params : ndarray of shape (n_parameters,), float32
    velocity : ndarray of shape (teams, n_parameters) or None
    stream : cupy.cuda.Stream, default=None
        Where launches and copies go; None is the default stream.

    Raises
    ------
    DeviceMemoryError
        With what is needed and what is free.
    """

    def __init__(
        self, device: Cuda, program: Program, data, params, velocity=None, stream=None
    ):
        self.device, self.program, self.stream = device, program, stream
        self.arrays = Arrays(device)
        self.teams = int(program.table[job.TEAMS])
        self.epochs = int(program.table[job.STEPS] // program.table[job.BATCHES])
        _check_room(self.arrays, program, data, params.size)
        self.synchronise()  # X may be the work of another stream
        with self.current():
            self.launcher = launcher_of(device.index)
            self._stream = 0
            if stream is not None and not simulated():
                self._stream = external_stream(stream.ptr)
            self._allocate(data, params, velocity)

    def _allocate(self, data, params, velocity) -> None:
        """Make and fill the arrays, on the run's stream."""
        program = self.program
        zeros, put = self.arrays.zeros, self.arrays.to_device
        self.table, self.reals = put(program.table), put(program.reals)
        self.params = put(params)
        self.velocity = zeros((self.teams, params.size), np.float32)
        if velocity is not None and velocity.shape == self.velocity.shape:
            self.velocity[...] = put(velocity)
        self.work = zeros(self.teams * program.work_size, np.float32)
        self.words = put(program.initial_words())
        shape = (self.teams, self.epochs, job.RECORD_WIDTH)
        self.record = zeros(shape, np.float32)
        self._x = self._on_device(data.x)
        targets = np.ascontiguousarray(data.targets).view(np.int32)
        self._targets = put(targets)
        weights = data.weights if data.weights.size else np.zeros(1, np.float32)
        self._weights = self._on_device(weights)
        self._arguments = tuple(
            as_argument(self.arrays.xp.asarray(array))
            for array in (
                self.table, self.reals, self.params, self.velocity, self.work,
                self._x.reshape(-1).view(np.uint8), self._targets, self._weights,
                self.words, self.record,
            )
        )  # fmt: skip

    def _on_device(self, array):
        """The array where it is, or a copy on this device."""
        if _lies_on(array, self.device):
            return self.arrays.wrap(array)
        if is_device_array(array):
            Arrays(Cuda(index_of(array))).synchronise()
        return self.arrays.to_device(array)

    @contextmanager
    def current(self):
        """Context in which CuPy works on this device, and on this run's stream."""
        with self.arrays.current():
            with self.stream or self.arrays.on_default_stream():
                yield

    def launch(self, name: str, blocks: int, *numbers, stream=None) -> None:
        """Put a kernel with this run's arrays on a stream; None is the run's own."""
        threads = threads_of(self.device)
        shared = self.program.shared_bytes
        own = tuple(np.int32(n) for n in numbers)
        if stream is None:
            stream = self._stream
        self.launcher.launch(
            name, blocks, threads, shared, self._arguments + own, stream
        )

    def synchronise(self) -> None:
        """Wait for everything on the device."""
        self.arrays.synchronise()

    def to_host(self, array) -> np.ndarray:
        """Copy of one of the arrays, as it is once the run's stream is that far."""
        with self.current():
            return self.arrays.to_host(array)

    def begin_copy(self, array):
        """Begin to copy an array to the host, behind what is on the stream by now.

        Returns
        -------
        callable
            Gives the copy, and does not wait for what came onto the stream later.
        """
        with self.current():
            return self.arrays.begin_copy(array)


def _lies_on(array, device: Cuda) -> bool:
    return is_device_array(array) and index_of(array) == device.index


def _check_room(arrays: Arrays, program: Program, data: TrainingData, size: int):
    """Raise if the run does not fit the memory that is free."""
    if simulated():
        return
    teams = int(program.table[job.TEAMS])
    needed = 4 * (teams * (program.work_size + size) + size)
    needed += 0 if _lies_on(data.x, arrays.device) else data.x.nbytes
    with arrays.current():
        arrays.xp.get_default_memory_pool().free_all_blocks()
        free, _ = arrays.xp.cuda.runtime.memGetInfo()
    if needed > free:
        raise DeviceMemoryError(
            f"the run needs {needed / 2**20:.0f} MiB on {arrays.device.name}: "
            f"{teams} workers of {4 * program.work_size / 2**20:.1f} MiB of work space "
            f"and {4 * size / 2**20:.1f} MiB of velocity, and X if it is not there "
            f"yet; {free / 2**20:.0f} MiB are free. Use a smaller batch_size, or fewer "
            "workers (n_jobs)"
        )
