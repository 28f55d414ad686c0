"""What the driver knows of a node, through all its lives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hogblock.distributed.task import Counts, Outcome, Report
from hogblock.errors import WorkerError
from hogblock.training.nodes import NodeReport

RETURN_SECONDS = 60.0
"""After which a lost node is no longer counted on."""


class NodeState:
    """A node, as the driver sees it.

    Parameters
    ----------
    rank : int
    handle : actor handle
    host : str
        Name of its machine.
    epochs : int
        Of the fit.
    run : int
        Number before that of its first task.

    Attributes
    ----------
    phase : {"trains", "lost", "dead"}
        "lost": Ray may bring it back. A node that has ended its run "trains".
    run, number : int
        Of its task, and of the last call in it.
    training, calling, reviving : object reference or None
        Of what it is asked for.
    answers, answer : int, object reference or None
        Of the next call.
    called_at, offered_at : float
        When it was last called, and when its last offer came.
    report : Report or None
        The last one of this life.
    outcome : Outcome or None
    base_factor : float
        Which the rates of its task contain.
    first_epoch : int
        Of its task.
    """

    def __init__(self, rank: int, handle, host: str, epochs: int, run: int):
        self.rank, self.handle, self.host = rank, handle, host
        self.phase = "trains"
        self.run, self.number, self.restarts = run, 0, 0
        self.training: Any = None
        self.calling: Any = None
        self.reviving: Any = None
        self.answers, self.answer = 0, None
        self.called_at = self.offered_at = self.lost_at = 0.0
        self.report: Report | None = None
        self.outcome: Outcome | None = None
        self.base_factor = 1.0
        self.first_epoch = 0
        self.cause = ""
        self.model: np.ndarray | None = None
        self._past = np.zeros((epochs, 3))
        self._present = np.zeros((epochs, 3))
        self._past_steps = 0
        self._past_counts = Counts()
        self._past_waited = 0.0

    # What it is at --------------------------------------------------------------------

    @property
    def lives(self) -> bool:
        """Whether it trains, or has trained to the end."""
        return self.phase == "trains"

    @property
    def finished(self) -> bool:
        """Whether its workers have left for good."""
        return self.report is not None and self.report.finished

    @property
    def waits_at(self) -> int | None:
        """Epoch for whose verdict it stands."""
        return None if self.report is None else self.report.waits_at

    @property
    def busy(self) -> bool:
        """Whether its workers go on, as far as is known."""
        return self.lives and not self.finished and self.waits_at is None

    def has_ended(self, epoch: int) -> bool:
        """Whether its part of an epoch is over."""
        report = self.report
        return report is not None and (report.finished or report.epochs > epoch)

    # What it did ----------------------------------------------------------------------

    def told(self, report: Report) -> None:
        """It has reported."""
        self.report = report
        rows = slice(report.first, report.first + len(report.record))
        self._present[rows] = report.record
        if report.model is not None:
            self.model = report.model

    def ended(self, outcome: Outcome) -> None:
        """Its run is over."""
        self.outcome = outcome
        self._present[self.first_epoch :][: len(outcome.record)] = outcome.record

    def lost(self, now: float, cause: str) -> None:
        """Its process is gone: what it has told of stays."""
        self._past_steps, self._past_counts = self.steps, self.counts
        self._past_waited, self._past = self.seconds_waited, self.record
        self._present = np.zeros_like(self._past)
        self.report = self.outcome = self.model = None
        self.training = self.calling = self.answer = None
        self.phase, self.lost_at, self.cause = "lost", now, cause

    @property
    def record(self) -> np.ndarray:
        """Samples, sum of losses, sum of weights of each epoch of the fit."""
        return self._past + self._present

    def sums_of(self, epoch: int) -> np.ndarray:
        """The row of an epoch in `record`."""
        return self._past[epoch] + self._present[epoch]

    @property
    def steps(self) -> int:
        """Minibatches of all lives."""
        return self._past_steps + (self.report.steps if self.report else 0)

    @property
    def counts(self) -> Counts:
        """Exchanges of all lives."""
        now = self.report.counts if self.report else Counts()
        return self._past_counts.plus(now)

    @property
    def seconds_waited(self) -> float:
        """Of all lives."""
        return self._past_waited + (self.report.seconds_waited if self.report else 0.0)

    def summary(self, workers: int) -> NodeReport:
        """What a fit tells of it."""
        counts, outcome = self.counts, self.outcome
        return NodeReport(
            node=self.rank,
            host=self.host,
            workers=workers,
            steps=self.steps,
            samples=int(self.record[:, 0].sum()),
            mean_age=float("nan") if outcome is None else mean_age(outcome),
            exchanges=counts.exchanges,
            bytes_sent=counts.bytes_sent,
            bytes_received=counts.bytes_received,
            seconds=0.0 if outcome is None else outcome.result.seconds,
            seconds_exchanging=counts.seconds,
            seconds_waited=self.seconds_waited,
            restarts=self.restarts,
        )


def check_enough(nodes: Sequence[NodeState], least: int, now: float) -> None:
    """Make sure that `least` nodes are left, or may come back.

    Raises
    ------
    WorkerError
        Names those who are gone, and why.
    """
    left = [
        node
        for node in nodes
        if node.lives or (node.phase == "lost" and now - node.lost_at < RETURN_SECONDS)
    ]
    living = [node for node in left if node.lives]
    over = bool(living) and all(node.finished for node in living)
    if len(left) >= least or over:
        return
    gone = "; ".join(
        f"node {n.rank} ({n.host}): {n.cause}" for n in nodes if n not in left
    )
    raise WorkerError(
        f"{len(left)} of {len(nodes)} nodes are left, and min_nodes={least}: {gone}"
    )


def mean_age(outcome: Outcome) -> float:
    """Of the blocks that steps read; nan if there were none."""
    ages = outcome.result.staleness
    total = ages.sum()
    weighted = (ages * np.arange(ages.shape[1])).sum()
    return float(weighted / total) if total else float("nan")
