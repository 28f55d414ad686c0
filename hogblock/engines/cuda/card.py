"""One device at work: its memory, its launches, and what the host learns of them."""

from contextlib import nullcontext
from typing import NamedTuple

import numpy as np

from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.cuda.launches import Layered, Persistent
from hogblock.engines.cuda.memory import Memory
from hogblock.engines.cuda.timing import Span
from hogblock.engines.devices import Cuda, simulated
from hogblock.errors import WorkerError
from hogblock.kernels.counters import AGES, READ, WRITTEN
from hogblock.kernels.cuda import job


class Snapshot(NamedTuple):
    """A card at the end of an epoch, on the host.

    Attributes
    ----------
    params : ndarray of shape (n_parameters,)
    record : ndarray of shape (RECORD_WIDTH,), float64
        Of the epoch, summed over the workers.
    failed : bool
    """

    params: np.ndarray
    record: np.ndarray
    failed: bool


class Outcome(NamedTuple):
    """What is left of a run: as the fields of ``settings.Result``."""

    params: np.ndarray
    velocity: np.ndarray
    steps_per_worker: np.ndarray
    updates_per_block: np.ndarray
    staleness: np.ndarray
    overlap: np.ndarray


class Card:
    """Runs the minibatches of a program on one device.

    Parameters
    ----------
    memory : Memory
    persistent : bool
        See ``launches``.
    """

    def __init__(self, memory: Memory, persistent: bool = True):
        self.memory = memory
        with memory.current():  # streams belong to the device that is current
            self._launches = Persistent(memory) if persistent else Layered(memory)

    @property
    def name(self) -> str:
        return self.memory.device.name

    def run_to(self, limit: int) -> Span:
        """Put the minibatches below a limit on the device."""
        with self.memory.current():
            span = Span()
            self._launches.run_to(limit)
            span.end()
        return span

    def snapshot(self, epoch: int):
        """Copy what an epoch ended in, behind what is on the device by now.

        Returns
        -------
        callable
            Gives the `Snapshot`, once the device is that far.
        """
        memory = self.memory
        params = memory.begin_copy(memory.params)
        record = memory.begin_copy(memory.record[:, epoch])
        words = memory.begin_copy(memory.words[: job.WRITTEN])

        def read() -> Snapshot:
            sums = record().sum(axis=0, dtype=np.float64)
            return Snapshot(params(), sums, bool(words()[job.FAILED]))

        return read

    def synchronise(self) -> None:
        """Wait for what is on the device."""
        self.memory.synchronise()

    def set_rate_factor(self, factor: float) -> None:
        """Factor on the learning rate of what is put on the device from now on."""
        with self.memory.current():
            self.memory.reals[job.RATE_FACTOR] = factor

    def scale_velocity(self, factor: float) -> None:
        """Multiply the velocity that the next launch finds."""
        with self.memory.current():
            self.memory.velocity *= np.float32(factor)

    def outcome(self) -> Outcome:
        """Wait for the device, and take everything over.

        Raises
        ------
        WorkerError
            If blocks have lost each other.
        """
        memory = self.memory
        memory.synchronise()
        table, words = memory.program.table, memory.to_host(memory.words)
        if words[job.FAILED]:
            raise lost_blocks(self.name)
        steps = memory.to_host(memory.record)[:, :, job.STEPS_DONE]
        blocks, bins = int(table[job.BLOCKS]), int(table[job.BINS])
        at = int(table[job.STALENESS_AT])
        ages = words[at : at + AGES * blocks * bins].reshape(AGES, blocks, bins)
        return Outcome(
            params=memory.to_host(memory.params),
            velocity=memory.to_host(memory.velocity),
            steps_per_worker=steps.astype(np.int64).sum(axis=1),
            updates_per_block=words[job.WRITTEN :][:blocks].astype(np.int64),
            staleness=ages[READ].astype(np.int64),
            overlap=ages[WRITTEN].astype(np.int64),
        )


def lost_blocks(name: str) -> WorkerError:
    """What to raise when a barrier has given up."""
    return WorkerError(
        f"the thread blocks of a worker on {name} waited for each other in vain; "
        "nothing of the run is kept"
    )


def stream_of_its_own(device: Cuda):
    """A stream of a device that waits for no other, as a context; none if simulated."""
    if simulated():
        return nullcontext()
    from cupy.cuda import Stream

    with Arrays(device).current():
        return Stream(non_blocking=True)
