"""What a run on several machines tells: of each node, and of the rounds of exchange."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NodeReport:
    """What a node of a fit has done.

    Parameters
    ----------
    node : int
        0, 1, ...
    host : str
        Its machine.
    workers : int
    steps, samples : int
        Minibatches of all its workers, and the samples in them, in all its lives.
    mean_age : float
        Writes by its other workers between a step's start and its end, mean over the
        steps and blocks of its last life; nan if that did not end.
    exchanges : int
        In which its model was averaged.
    bytes_sent, bytes_received : int
        Of models, in its exchanges.
    seconds : float
        From its first step to its last one, of its last life.
    seconds_exchanging : float
        Of a core of the node, for its exchanges; its workers go on.
    seconds_waited : float
        In which its workers stood: at the ends of epochs that something is decided at
        (`tol`, a validation set, a checkpoint), never for an exchange.
    restarts : int
        How often it was lost and came back.
    """

    __module__ = "hogblock.distributed"

    node: int
    host: str
    workers: int
    steps: int
    samples: int
    mean_age: float
    exchanges: int
    bytes_sent: int
    bytes_received: int
    seconds: float
    seconds_exchanging: float
    seconds_waited: float
    restarts: int


@dataclass(frozen=True, eq=False)
class Rounds:
    """The exchanges of a fit, in the order in which they ended.

    Parameters
    ----------
    seconds : ndarray of shape (n_rounds,), float64
        Training time until then: since the fit's first step, without what was waited
        for verdicts.
    nodes : ndarray of shape (n_rounds,), int64
        How many were in the mean.
    bytes : ndarray of shape (n_rounds,), int64
        That models have taken on their way, both ways, until then.
    apart : ndarray of shape (n_rounds,), float64
        Root mean square of the distances of the models from their mean, before the
        exchange, as a share of the norm of the mean.
    epoch_seconds, epoch_bytes : ndarray of shape (n_epochs,)
        The same at the ends of epochs: of the losses in ``loss_curve_``.
    """

    __module__ = "hogblock.distributed"

    seconds: np.ndarray
    nodes: np.ndarray
    bytes: np.ndarray
    apart: np.ndarray
    epoch_seconds: np.ndarray
    epoch_bytes: np.ndarray

    def __len__(self) -> int:
        return len(self.seconds)
