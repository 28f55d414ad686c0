"""The rules of averaging, free of any network: what is sent, and what is added.

`Hub` and `Member` are the two ends of a star, two `Edge` those of a pair on a ring.
Each message has the number of its exchange, and is taken once at most.
"""

from typing import NamedTuple

import numpy as np

from hogblock.distributed.averaging import Averaging
from hogblock.distributed.compression import Packed, pack, unpack


class Message(NamedTuple):
    """A model, or a difference of models, on its way.

    Attributes
    ----------
    number : int
        Of the sender's exchange: 1, 2, ...
    packed : Packed
    """

    number: int
    packed: Packed

    @property
    def nbytes(self) -> int:
        """That travel."""
        return self.packed.nbytes


class Member:
    """A node of a star.

    Parameters
    ----------
    averaging : Averaging
    start : ndarray of shape (size,), float32
        The model that the hub gave it.
    """

    def __init__(self, averaging: Averaging, start: np.ndarray):
        self._codec = averaging.compression
        self._base = start
        self._error: np.ndarray | np.float32 = np.float32(0)
        self._sent: np.ndarray | None = None
        self.number = 0

    def offer(self, snapshot: np.ndarray) -> Message:
        """What to send of a snapshot of its model, which is kept until the answer."""
        self.number += 1
        self._sent = snapshot
        if self._codec is None:
            return Message(self.number, pack(snapshot, None))
        wanted = snapshot - self._base + self._error
        packed = pack(wanted, self._codec)
        self._error = wanted - unpack(packed)
        return Message(self.number, packed)

    def answered(self, answer: Message) -> np.ndarray | None:
        """What to add to the model; None if the answer is not to the last offer, or
        has come before."""
        if self._sent is None or answer.number != self.number:
            return None
        snapshot, self._sent = self._sent, None
        mean = unpack(answer.packed)
        if self._codec is not None:
            self._base = mean = self._base + mean
        return mean - snapshot


class Hub:
    """The middle of a star.

    Parameters
    ----------
    averaging : Averaging
    start : ndarray of shape (size,), float32

    Attributes
    ----------
    average : ndarray of shape (size,), float32
        Of the last round; never changed in place.
    apart : float
        In the last round, root mean square of the distances of the models from their
        mean, as a share of the norm of the mean.
    """

    def __init__(self, averaging: Averaging, start: np.ndarray):
        self._averaging = averaging
        self.average = start
        self.apart = 0.0
        self._velocity: np.ndarray | np.float32 = np.float32(0)
        self._bases: dict[int, np.ndarray] = {}
        self._last: dict[int, int] = {}
        self._offers: dict[int, tuple[int, np.ndarray]] = {}

    @property
    def ready(self) -> set[int]:
        """Nodes whose snapshots will be in the next mean."""
        return set(self._offers)

    def join(self, node: int) -> np.ndarray:
        """A node begins, or begins anew; returns the model that it starts from."""
        self.leave(node)
        self._bases[node] = self.average
        self._last[node] = 0
        return self.average

    def leave(self, node: int) -> None:
        """A node is gone, and what it has offered too."""
        for known in (self._bases, self._last, self._offers):
            known.pop(node, None)

    def offered(self, node: int, offer: Message) -> bool:
        """Take a node's offer; False if it has come before, or the node has left."""
        if node not in self._last or offer.number <= self._last[node]:
            return False
        self._last[node] = offer.number
        values = unpack(offer.packed)
        if offer.packed.codec is not None:
            values = self._bases[node] + values
        self._offers[node] = offer.number, values
        return True

    def close(self) -> dict[int, Message]:
        """Form the mean of what was offered; answers by node.

        Nodes that have the same model share one packed array.
        """
        offers, self._offers = self._offers, {}
        if not offers:
            return {}
        models = [values for _, values in offers.values()]
        with np.errstate(all="ignore"):  # of what has diverged
            mean = mean_of(models)
            self.apart = apart_from(mean, models)
            self.average = self._moved(mean)
        answers, shared = {}, {}
        for node, (number, _) in offers.items():
            base = self._bases[node]
            if id(base) not in shared:
                shared[id(base)] = self._answer_to(base)
            packed, self._bases[node] = shared[id(base)]
            answers[node] = Message(number, packed)
        return answers

    def _answer_to(self, base: np.ndarray) -> tuple[Packed, np.ndarray]:
        """What to send to nodes that have `base`, and what they have then.

        What rounding takes is in the next difference, which is one to what they have.
        """
        codec = self._averaging.compression
        if codec is None:
            return pack(self.average, None), self.average
        packed = pack(self.average - base, codec)
        return packed, base + unpack(packed)

    def _moved(self, mean: np.ndarray) -> np.ndarray:
        """The average after a round whose snapshots have this mean."""
        rate = np.float32(self._averaging.outer_rate)
        m = np.float32(self._averaging.outer_momentum)
        if rate == 1 and m == 0:
            return mean
        move = mean - self.average
        self._velocity = m * self._velocity + move
        return self.average + rate * (move + m * self._velocity)


class Edge:
    """One end of a pair on a ring; both do the same, so none of them leads.

    Parameters
    ----------
    averaging : Averaging
    start : ndarray of shape (size,), float32
        Of both.
    """

    def __init__(self, averaging: Averaging, start: np.ndarray):
        self._codec = averaging.compression
        self._start = start
        self.reset()

    def reset(self) -> None:
        """Begin anew, as the other end has to as well."""
        self._base = self._start
        self._error: np.ndarray | np.float32 = np.float32(0)
        self.number = 0

    def met(
        self, snapshot: np.ndarray, other: Message
    ) -> tuple[Message, np.ndarray] | None:
        """Answer what the other end offered: the own message, and what to add.

        None if the two ends have not had equally many meetings.
        """
        offer, kept = self._offer(snapshot)
        delta = self._added(snapshot, offer, other, kept)
        return None if delta is None else (offer, delta)

    def offer(self, snapshot: np.ndarray) -> Message:
        """What to send of a snapshot of the model, to which `answered` refers."""
        offer, kept = self._offer(snapshot)
        self._pending = snapshot, offer, kept
        return offer

    def answered(self, other: Message) -> np.ndarray | None:
        """What to add to the model; None if the answer is to no offer."""
        pending, self._pending = self._pending, None
        if pending is None:
            return None
        snapshot, offer, error = pending
        return self._added(snapshot, offer, other, error)

    _pending: tuple | None = None

    def _offer(self, snapshot: np.ndarray):
        if self._codec is None:
            return Message(self.number + 1, pack(snapshot, None)), None
        wanted = snapshot - self._base + self._error
        packed = pack(wanted, self._codec)
        return Message(self.number + 1, packed), wanted - unpack(packed)

    def _added(self, snapshot, own: Message, other: Message, error):
        if other.number != own.number or own.number != self.number + 1:
            return None
        self.number += 1
        mean = mean_of([unpack(own.packed), unpack(other.packed)])
        if self._codec is not None:
            self._base = mean = self._base + mean
            self._error = error
        return mean - snapshot


def apart_from(mean: np.ndarray, models: list[np.ndarray]) -> float:
    """Root mean square distance of models from their mean, by the mean's norm."""
    squares = []
    for model in models:
        distance = model - mean
        squares.append(float(np.dot(distance, distance)))
    norm = float(np.linalg.norm(mean))
    return float(np.sqrt(np.mean(squares)) / norm) if norm > 0 else 0.0


def mean_of(models: list[np.ndarray]) -> np.ndarray:
    """Mean of models, float32; summed in float64, in the order in which they come."""
    total = models[0].astype(np.float64)
    for model in models[1:]:
        total += model
    return (total / len(models)).astype(np.float32)
