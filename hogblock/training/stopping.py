"""When to stop: scikit-learn's rules on the loss and the validation score."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hogblock.methods import Method
from hogblock.schedules import Adaptive, Schedule
from hogblock.training.settings import Epoch, Result

SUSPECT = 1e6
"""Parameters that are larger may lead to outputs that float32 does not hold."""


def gate_of(method: Method, schedule: Schedule, patience: float, seen: bool) -> str:
    """How far workers may run ahead of `Monitor`, see ``Settings.gate``.

    Parameters
    ----------
    method : Method
        Synchronous workers wait, so that the model is determined by the seed.
    schedule : Schedule
    patience : float
        ``n_iter_no_change`` of the estimator.
    seen : bool
        There is a validation score, or a callback: they look at an exact snapshot.
    """
    if seen:
        return "held"
    if schedule.planned or patience == np.inf:
        return "open"
    rate_changes = isinstance(schedule, Adaptive)
    return "held" if rate_changes or method.deterministic else "ahead"


@dataclass
class Monitor:
    """Follows a run epoch by epoch; called by the engine with each `Epoch`.

    Attributes
    ----------
    schedule : Schedule
    rate : float
        Initial learning rate.
    tol, patience : float
        ``tol`` and ``n_iter_no_change`` of the estimator.
    early_stopping : bool
        Judge by the validation score, and keep the best parameters.
    penalty : callable
        Penalty part of the loss from the parameters.
    score : callable or None
        Validation score from the parameters.
    outputs_finite : callable
        Whether the outputs of given parameters are; asked where they may not be.
    report : callable
        Takes a line about each epoch.
    losses, scores : list of float
    best_loss : float, default=inf
        At first that of the calls before.
    stalled : int, default=0
        Epochs without an improvement; at first those of the calls before.
    rate_factor : float
        What "adaptive" has made of `rate`.
    best_score : float or None
    best_params : ndarray or None
    finite_params : ndarray or None
        Of the last epoch whose loss, parameters and outputs were finite.
    diverged, converged : bool
    """

    schedule: Schedule
    rate: float
    tol: float
    patience: float
    early_stopping: bool
    penalty: Callable[[np.ndarray], float]
    score: Callable[[np.ndarray], float] | None
    outputs_finite: Callable[[np.ndarray], bool] = lambda params: True
    report: Callable[[str], None] = lambda text: None
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    best_score: float | None = None
    best_params: np.ndarray | None = None
    finite_params: np.ndarray | None = None
    stalled: int = 0
    rate_factor: float = 1.0
    diverged: bool = False
    converged: bool = False

    def __call__(self, epoch: Epoch) -> bool:
        loss = epoch.loss + self.penalty(epoch.params)
        if not (np.isfinite(loss) and self._usable(epoch.params)):
            self.diverged = True
            return True
        self.finite_params = epoch.params
        self.losses.append(loss)
        if self.score is not None:
            self.scores.append(self.score(epoch.params))
        self.report(self._line())
        self._follow(epoch.params)
        if self.stalled <= self.patience or self.schedule.planned:
            return False
        if isinstance(self.schedule, Adaptive):
            if self.rate * epoch.rate_factor > self.schedule.lowest:
                epoch.rate_factor /= self.schedule.divisor
                self.rate_factor = epoch.rate_factor
                self.stalled = 0
                return False
        self.converged = True
        return True

    def _usable(self, params: np.ndarray) -> bool:
        """Whether parameters, which no loss may have judged yet, are finite and so are
        the model's outputs."""
        largest = max(-params.min(), params.max())
        if not np.isfinite(largest):
            return False
        return largest < SUSPECT or self.outputs_finite(params)

    def loss_of(self, result: Result) -> float:
        """Training loss of a run that was interrupted in its first epoch."""
        if result.loss_so_far is None:
            return np.inf
        return result.loss_so_far + self.penalty(result.params)

    def _line(self) -> str:
        line = f"epoch {len(self.losses)}: loss {self.losses[-1]:.5f}"
        return line + (f", validation {self.scores[-1]:.4f}" if self.scores else "")

    def _follow(self, params: np.ndarray) -> None:
        """Count the epochs without an improvement by more than tol."""
        self.best_loss, before = min(self.best_loss, self.losses[-1]), self.best_loss
        improved = self.losses[-1] <= before - self.tol
        if self.score is not None:
            score = self.scores[-1]
            best = -np.inf if self.best_score is None else self.best_score
            if self.early_stopping:
                improved = score >= best + self.tol
            if score > best:
                self.best_score = score
                self.best_params = params
        self.stalled = 0 if improved else self.stalled + 1
