"""What a simulation of nodes leaves."""

from dataclasses import dataclass

import numpy as np

from hogblock.asynchrony.machines import Compute, Link
from hogblock.asynchrony.problems.base import Problem
from hogblock.distributed.averaging import Averaging
from hogblock.scheduling.arguments import check_choice


@dataclass(frozen=True, eq=False)
class NodeSimulation:
    """A run of nodes that average their models, and what was found of it.

    Times are simulated ones, in seconds from the beginning.

    Parameters
    ----------
    problem : Problem
        What was minimised.
    averaging : Averaging
        When models were exchanged.
    compute : Compute
        Times of steps.
    link : Link
        Times of messages.
    every : ndarray of shape (nodes,), int64
        Steps of each node from the end of one exchange to the next, in the first half
        of its steps; twice as many later.
    seconds : ndarray of shape (r,), float64
        The moments that were recorded.
    values : ndarray of shape (r,), float64
        The problem's function at the mean of the models of all nodes that are up.
    hub_values : ndarray of shape (r,), float64
        The function at the hub's average, as its last round has left it: what a real
        run would end with. Of a ring, and of one node, `values`.
    steps : ndarray of shape (r,), int64
        Steps of all nodes so far.
    exchanges : ndarray of shape (r,), int64
        Exchanges of all nodes so far: how often one has added what it was answered.
    bytes_sent : ndarray of shape (r,), int64
        On all links so far, both ways; those of lost messages too.
    apart : ndarray of shape (r,), float64
        Root of the mean square of the nodes' Euclidean distances to their mean, as a
        share of the norm of the mean.
    x : ndarray of shape (n,), float64
        The mean at the end.
    models : ndarray of shape (nodes, n), float64
        Of each node at the end.
    round_seconds : ndarray of shape (rounds,), float64
        When each round was closed; on a ring, each meeting is one.
    participants : ndarray of shape (rounds,), int64
        Nodes of each round.
    per_node : ndarray of shape (nodes,)
        With the fields `node`, `steps`, `exchanges`, `bytes_sent`, `bytes_received`,
        `lost` (messages of its exchanges that never came), `seconds` (at the end of its
        steps), `seconds_exchanging` (by which exchanges have delayed it) and
        `seconds_away` (from its offers to their answers; its steps go on).
    diverged : bool
        Whether a value was not finite: the run ends there.
    """

    __module__ = "hogblock.asynchrony"

    problem: Problem
    averaging: Averaging
    compute: Compute
    link: Link
    every: np.ndarray
    seconds: np.ndarray
    values: np.ndarray
    hub_values: np.ndarray
    steps: np.ndarray
    exchanges: np.ndarray
    bytes_sent: np.ndarray
    apart: np.ndarray
    x: np.ndarray
    models: np.ndarray
    round_seconds: np.ndarray
    participants: np.ndarray
    per_node: np.ndarray
    diverged: bool

    @property
    def nodes(self) -> int:
        """How many there are."""
        return len(self.per_node)

    @property
    def mean_participants(self) -> float:
        """Nodes of a round, on average; nan without a round."""
        return float(self.participants.mean()) if len(self.participants) else np.nan

    def time_to(self, target: float, *, of: str = "hub") -> float:
        """When a value has first been at the target, or below it.

        Parameters
        ----------
        target : float
        of : {"hub", "mean"}, default="hub"
            Of `hub_values` or `values`.

        Returns
        -------
        float
            In seconds, on the line between two records; inf if it never was.

        Raises
        ------
        ValueError
            If `of` is something else.
        """
        hub = check_choice("of", of, ("hub", "mean")) == "hub"
        values = self.hub_values if hub else self.values
        reached = np.flatnonzero(values <= target)
        if not len(reached):
            return np.inf
        last = int(reached[0])
        if last == 0:
            return float(self.seconds[0])
        high, low = values[last - 1 : last + 1]
        part = (high - target) / (high - low)
        begin, end = self.seconds[last - 1 : last + 1]
        return float(begin + part * (end - begin))

    def __repr__(self):
        end = "diverged" if self.diverged else f"value {self.values[-1]:.6g}"
        return (
            f"<NodeSimulation of {self.problem.name!r}: {self.nodes} nodes, "
            f"{self.seconds[-1]:.4g} s, {len(self.participants)} rounds, {end}>"
        )
