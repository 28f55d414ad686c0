"""A run on a CUDA device that others may look at and add to: between its launches."""

import threading
from collections.abc import Callable

import numpy as np

from hogblock.engines.cuda.card import Card
from hogblock.engines.live import Live


class LiveCard(Live):
    """Parameters of a card, as they were a launch ago, with all that was added since.

    Nobody waits for a launch: the thread that trains takes additions up, and a copy,
    between two launches.

    Parameters
    ----------
    card : Card
    epochs : int
    """

    def __init__(self, card: Card, epochs: int):
        self._memory = card.memory
        self._lock = threading.Lock()
        self._model = self._memory.to_host(self._memory.params)
        self._queue: list[np.ndarray] = []
        # What was begun to be copied, and what has been added since.
        self._copying: Callable[[], np.ndarray] | None = None
        self._since: list[np.ndarray] = []
        self._record = np.zeros((epochs, 3))
        self._steps = 0
        self.stops = False

    # Of the thread that trains -------------------------------------------------------

    def serve(self, steps: int) -> None:
        """Take up what was added, and copy the parameters, behind what is launched."""
        with self._lock:
            self._steps = steps
            if self._copying is not None:
                self._model = self._copying()
                for delta in self._since:
                    self._model += delta
            queue, self._queue = self._queue, []
            memory = self._memory
            with memory.current():
                for delta in queue:
                    memory.params[...] += memory.arrays.to_device(delta)
            self._copying = memory.begin_copy(memory.params)
            self._since = []

    def tell(self, epoch: int, samples: int, loss: float, weight: float) -> None:
        """An epoch is over."""
        self._record[epoch] = samples, loss, weight

    # Of the others -------------------------------------------------------------------

    def snapshot(self):
        with self._lock:
            return self._model.copy()

    def add(self, delta):
        with self._lock:
            self._model += delta
            self._queue.append(delta)
            self._since.append(delta)

    @property
    def steps(self):
        return self._steps

    @property
    def record(self):
        return self._record.copy()

    def stop(self):
        self.stops = True
