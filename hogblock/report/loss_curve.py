"""The loss of each epoch, and the validation score, as a picture."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from hogblock.report.figure import axes_or_new
from hogblock.report.source import needed

LOSS_COLOR, SCORE_COLOR = "#1f5fa8", "#c2571a"


class LossCurveDisplay:
    """Training loss by epoch, and validation scores on an axis of their own.

    It is made by `from_estimator`, which draws it at once. All parameters are kept as
    attributes.

    Parameters
    ----------
    losses : array-like of shape (n_epochs,)
        Training loss of each epoch.
    scores : array-like of shape (n_scores,), default=None
        Validation scores of the last `n_scores` epochs: a model that trained on may
        have none of the first ones.
    score_name : str, default=None
        What the legend calls them; None is "validation score".

    Attributes
    ----------
    ax_ : matplotlib Axes
        Of the losses.
    figure_ : matplotlib Figure
    line_ : matplotlib.lines.Line2D
        Of the losses.
    score_ax_ : matplotlib Axes or None
        Of the scores, on the right side of `ax_`; None if there are none.
    score_line_ : matplotlib.lines.Line2D or None

    Raises
    ------
    ValueError
        If losses or scores have another shape, or there are more scores than losses.

    See Also
    --------
    ConvergenceDisplay : Losses of several estimators.
    plot_training : The loss curve and the staleness of a fit, side by side.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hogblock.report import LossCurveDisplay
    >>> display = LossCurveDisplay([0.9, 0.5, 0.4], scores=[0.6, 0.8, 0.8])
    >>> display.plot(ax=Figure().subplots()).line_.get_ydata().tolist()
    [0.9, 0.5, 0.4]
    """

    __module__ = "hogblock.report"

    def __init__(self, losses, *, scores=None, score_name: str | None = None):
        self.losses = np.asarray(losses, np.float64)
        self.scores = None if scores is None else np.asarray(scores, np.float64)
        for name, values in (("losses", self.losses), ("scores", self.scores)):
            if values is not None and values.ndim != 1:
                raise ValueError(f"{name} has shape {values.shape}, and must be (n,)")
        if self.scores is not None and len(self.scores) > len(self.losses):
            raise ValueError(
                f"there are {len(self.scores)} scores, and {len(self.losses)} losses"
            )
        self.score_name = "validation score" if score_name is None else score_name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, line_kw=None, score_kw=None):
        """Draw the loss curve of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor or another estimator of hogblock
            Fitted, or seen by a callback of a fit that is under way.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, score_kw : mapping, default=None
            Passed to ``ax.plot``, for the losses and for the scores.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If `estimator` is not fitted.
        ValueError
            If it has no loss curve.
        """
        check_is_fitted(estimator)
        losses = needed(cls.__name__, estimator, "loss_curve_", "an estimator")
        scores = getattr(estimator, "validation_scores_", None)
        name = "accuracy" if is_classifier(estimator) else "$R^2$"
        display = cls(losses, scores=scores, score_name=f"validation {name}")
        return display.plot(ax, line_kw=line_kw, score_kw=score_kw)

    def plot(
        self,
        ax=None,
        *,
        line_kw: Mapping[str, Any] | None = None,
        score_kw: Mapping[str, Any] | None = None,
    ):
        """Draw the losses, and the scores if there are any.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw, score_kw : mapping, default=None
            Passed to ``ax.plot``, for the losses and for the scores.

        Returns
        -------
        LossCurveDisplay
            This one.

        Raises
        ------
        ImportError
            If there is no `ax`, and matplotlib is not installed.
        """
        ax = axes_or_new(f"{type(self).__name__}.plot", ax)
        self.ax_, self.figure_ = ax, ax.figure
        self.score_ax_: Any = None
        self.score_line_: Any = None
        look: dict[str, Any] = {"marker": "o", "markersize": 3.5, "color": LOSS_COLOR}
        look |= {"label": "training loss", **(line_kw or {})}
        epochs = np.arange(1, len(self.losses) + 1)
        (self.line_,) = ax.plot(epochs, self.losses, **look)
        ax.set_xlabel("epoch")
        ax.set_ylabel("training loss", color=self.line_.get_color())
        if self.losses.min(initial=0) >= 0:
            ax.set_ylim(bottom=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
        scored = self.scores is not None and len(self.scores) > 0
        if scored:
            self._draw_scores(epochs, score_kw or {})
        lines = [line for line in (self.line_, self.score_line_) if line is not None]
        place = "center right" if scored else "upper right"  # between curves, or above
        ax.legend(handles=lines, loc=place, frameon=False)
        return self

    def _draw_scores(self, epochs: np.ndarray, options: Mapping[str, Any]) -> None:
        assert self.scores is not None
        right = self.score_ax_ = self.ax_.twinx()
        look: dict[str, Any] = {"marker": "s", "linestyle": "--", "markersize": 3.5}
        look |= {"color": SCORE_COLOR, "label": self.score_name, **options}
        at = epochs[len(epochs) - len(self.scores) :]
        (self.score_line_,) = right.plot(at, self.scores, **look)
        right.set_ylabel(self.score_name, color=self.score_line_.get_color())
        right.spines["top"].set_visible(False)
