"""What a node is told to do, and what it tells."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hogblock.distributed.averaging import Averaging
from hogblock.distributed.exchange import Message
from hogblock.models.network import Network
from hogblock.training.settings import Result, Settings


@dataclass(frozen=True)
class Task:
    """A run of a node; picklable.

    Attributes
    ----------
    run : int
        Number of the run: calls of another one are not for this.
    network : Network
    settings : Settings
    params, origin : ndarray of shape (size,), float32
        What it starts from, and what all nodes of the fit started from.
    device : str, object or sequence of these
        Of the node.
    averaging : Averaging
    first_epoch : int
        Epochs of the fit that were over when this run began: its first one is the next.
    holds : frozenset of int
        Epochs of the fit, at whose end the node waits for a verdict.
    """

    run: int
    network: Network
    settings: Settings
    params: np.ndarray
    origin: np.ndarray
    device: Any
    averaging: Averaging
    first_epoch: int = 0
    holds: frozenset[int] = frozenset()


class Verdict(NamedTuple):
    """What the driver says of an epoch whose end a node waits at."""

    epoch: int
    stop: bool
    rate_factor: float


class Call(NamedTuple):
    """What the driver tells a node each time, and what it wants of it.

    Attributes
    ----------
    run : int
    number : int
        1, 2, ...: what comes late, or twice, is not answered again.
    answers : int
        Number of the offer that the answer, if there is one, is to.
    verdicts : tuple of Verdict
    judged : int
        Epochs whose records the driver needs no more.
    peer : tuple or None
        Of a ring: (edge, handle of the neighbour) to be met.
    """

    run: int
    number: int
    answers: int = 0
    verdicts: tuple[Verdict, ...] = ()
    judged: int = 0
    peer: tuple | None = None


class Counts(NamedTuple):
    """What a node has exchanged so far in a run."""

    exchanges: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds: float = 0.0
    """Of a core."""

    def plus(self, more: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            self.exchanges + more.exchanges,
            self.bytes_sent + more.bytes_sent,
            self.bytes_received + more.bytes_received,
            self.seconds + more.seconds,
        )


class Report(NamedTuple):
    """What a node answers to a call.

    Attributes
    ----------
    offer : Message or None
        Of a star.
    model : ndarray or None
        Of a ring, where an epoch has ended since the last report, or the run.
    first, record : int, ndarray of shape (epochs, 3)
        Samples, sum of losses, sum of weights of each epoch of the fit from `first` on.
    epochs : int
        Of the fit, that the node has ended.
    waits_at : int or None
        Epoch whose verdict it waits for.
    steps : int
    finished : bool
        Its workers have left.
    counts : Counts
    seconds_waited : float
    apart : float
        Of a ring: how far the two models were, as in `Rounds.apart`.
    """

    offer: Message | None
    model: np.ndarray | None
    first: int
    record: np.ndarray
    epochs: int
    waits_at: int | None
    steps: int
    finished: bool
    counts: Counts
    seconds_waited: float
    apart: float = 0.0


class Outcome(NamedTuple):
    """What a node's run came to.

    Attributes
    ----------
    result : Result
    record : ndarray of shape (epochs of the run, 3)
        As in `Report`.
    """

    result: Result
    record: np.ndarray


class About(NamedTuple):
    """Where a node is.

    Attributes
    ----------
    host : str
        Name of the machine.
    version : str
        Of the package there.
    """

    host: str
    version: str


class Reading(NamedTuple):
    """What a node reads, and how.

    Attributes
    ----------
    estimator : NetworkEstimator
        With its parameters, and fitted if training goes on.
    sources : list
        See ``parts.read``.
    target : str or None
    standing : Standing
    name : str
        Of this reading alone.
    """

    estimator: Any
    sources: list[Any]
    target: str | None
    standing: Any
    name: str
