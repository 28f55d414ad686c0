"""How many minibatches a node takes from one exchange to the next."""

from hogblock.distributed.averaging import Averaging

MESSAGE_SECONDS = 2e-3
BYTE_SECONDS = 1e-9
"""Of a processor, that an exchange costs a node outside of what it measures: the
messages of the cluster, and each byte of them."""


class Pace:
    """Says when the next exchange is due.

    Parameters
    ----------
    averaging : Averaging
    total : int
        Minibatches of the node's run, of all its workers.
    """

    def __init__(self, averaging: Averaging, total: int):
        self._averaging = averaging
        self._total = total
        self._cost: float | None = None

    def learn(self, seconds: float, nbytes: int) -> None:
        """An exchange has kept a core busy for so long, and moved so many bytes."""
        cost = seconds + MESSAGE_SECONDS + BYTE_SECONDS * nbytes
        # One that was slow by chance does not keep the nodes apart for long.
        self._cost = cost if self._cost is None else 0.5 * (self._cost + cost)

    def interval(self, steps: int, seconds: float) -> int:
        """Minibatches from here to the next exchange.

        Parameters
        ----------
        steps : int
            That the node has done.
        seconds : float
            In which it has done them.
        """
        factor = 1 if 2 * steps < self._total else 2
        if self._averaging.every != "auto":
            return factor * int(self._averaging.every)
        if self._cost is None or not steps:
            return 1  # so that there is something measured
        apart = self._cost / self._averaging.share
        return max(1, round(factor * apart * steps / seconds))
