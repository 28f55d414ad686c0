"""Rounds of exchange: when one closes, and what it leaves."""

from collections.abc import Sequence

import numpy as np

from hogblock.distributed.averaging import Averaging
from hogblock.distributed.exchange import Hub
from hogblock.distributed.member import NodeState
from hogblock.training.nodes import Rounds


class RoundClock:
    """Says when a round of a star is over.

    It opens with the first offer of a node whose workers go on, and waits for the
    others as long as `Averaging.patience` says; offers of nodes whose workers stand
    are in it, and open none.
    """

    def __init__(self, averaging: Averaging):
        self._patience = averaging.patience

    def closes_at(self, living: Sequence[NodeState], hub: Hub) -> float:
        """When the round that is open closes; inf if none is."""
        ready = hub.ready
        if living and all(node.rank in ready for node in living):
            return 0.0
        opened = [n for n in living if n.busy and n.rank in ready]
        if len(ready) < 2 or not opened:
            return np.inf
        first = min(opened, key=lambda node: node.offered_at)
        return first.offered_at + self._patience * (first.offered_at - first.called_at)


class RoundLog:
    """What `Rounds` tells."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, int, int, float]] = []
        self._epochs: list[tuple[float, int]] = []

    def round(self, seconds: float, nodes: int, nbytes: int, apart: float) -> None:
        """A round is over; `nbytes` have travelled since the start of the fit."""
        self._rows.append((seconds, nodes, nbytes, apart))

    def epoch(self, seconds: float, nbytes: int) -> None:
        """An epoch is about to be judged."""
        self._epochs.append((seconds, nbytes))

    def rounds(self) -> Rounds:
        """All of them."""
        seconds, nodes, nbytes, apart = _columns(self._rows, 4)
        at, sent = _columns(self._epochs, 2)
        return Rounds(
            np.array(seconds, np.float64),
            np.array(nodes, np.int64),
            np.array(nbytes, np.int64),
            np.array(apart, np.float64),
            np.array(at, np.float64),
            np.array(sent, np.int64),
        )


def _columns(rows: list, width: int) -> list[tuple]:
    return list(zip(*rows, strict=True)) or [()] * width
