"""What a fit on several nodes has learnt, and by how much time and traffic."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hogblock.report.figure import panels_or_new
from hogblock.report.source import by_name, needed

PANELS = ("seconds", "bytes", "apart")
LOSS = "training loss"
TEXTS = {
    "seconds": ("Loss by time", "seconds", LOSS),
    "bytes": ("Loss by traffic", "MB of models sent", LOSS),
    "apart": (
        "Models before each exchange",
        "seconds",
        "distance from mean, relative",
    ),
}
"""Title, x and y of each panel."""
MEGABYTE = 1e6
COLORS = ("#1f5fa8", "#c2571a", "#2d8a57", "#8b1e5b", "#b8860b", "#555555")


class AveragingDisplay:
    """Training loss of fits on several nodes, against seconds and against bytes.

    It is made by `from_estimator`, which draws it at once. All parameters are kept as
    attributes.

    Parameters
    ----------
    fits : mapping of str to tuple of (array-like of shape (n_epochs,), Rounds)
        Training loss of each epoch, and the rounds of exchange, as an estimator has
        them in `loss_curve_` and `rounds_`, by the name that the legend shows. Where
        there are more losses than ends of epochs in the rounds, as after a warm start,
        the last ones count.

    Attributes
    ----------
    ax_ : list of matplotlib Axes
        One a panel.
    figure_ : matplotlib Figure
    lines_ : list of list of matplotlib.lines.Line2D
        Of each panel one a fit.

    Raises
    ------
    ValueError
        If there are no fits, or one has fewer losses than ends of epochs.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from hogblock.distributed import Rounds
    >>> from hogblock.report import AveragingDisplay
    >>> ends = np.array([0.5, 1.0])
    >>> rounds = Rounds(ends, np.array([2, 2]), ends * 4e6, ends / 9, ends, ends * 4e6)
    >>> display = AveragingDisplay({"star": ([0.7, 0.4], rounds)})
    >>> display.plot(Figure().subplots(1, 2)).ax_[1].get_xlabel()
    'MB of models sent'
    """

    __module__ = "hogblock.report"

    def __init__(self, fits: Mapping[str, tuple[Any, Any]]):
        if not fits:
            raise ValueError("fits is empty: there is nothing to draw")
        self.fits = {str(name): _checked(name, *fit) for name, fit in fits.items()}

    @classmethod
    def from_estimator(
        cls, estimator, *, ax=None, panels=("seconds", "bytes"), line_kw=None
    ):
        """Draw what fitted estimators have learnt.

        Parameters
        ----------
        estimator : estimator of hogblock or mapping of str to such
            Fitted on several nodes (``device=hogblock.distributed.Ray(...)``); several
            by the names that the legend shows.
        ax : sequence of matplotlib Axes, default=None
            Where to draw, one a panel; None makes a figure.
        panels : sequence of {"seconds", "bytes", "apart"}, default=("seconds", "bytes")
            What to draw, see `plot`.
        line_kw : mapping, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        AveragingDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If an estimator is not fitted.
        ValueError
            If one was not fitted on several nodes, or a panel is unknown.
        """
        fits = {}
        for name, model in by_name(estimator, _name_of).items():
            check_is_fitted(model)
            what = "an estimator fitted with device=Ray(...)"
            rounds = needed(cls.__name__, model, "rounds_", what)
            fits[name] = needed(cls.__name__, model, "loss_curve_", what), rounds
        return cls(fits).plot(ax, panels=panels, line_kw=line_kw)

    def plot(
        self,
        ax=None,
        *,
        panels: Sequence[str] = ("seconds", "bytes"),
        line_kw: Mapping[str, Any] | None = None,
    ):
        """Draw a line for each fit in each panel.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, default=None
            Where to draw, one a panel; None makes a figure.
        panels : sequence of {"seconds", "bytes", "apart"}, default=("seconds", "bytes")
            Loss against seconds, against the bytes that models have taken, and how far
            the models of a round were from their mean, against seconds. Rounds in which
            nobody was apart, or nobody could tell, are left out.
        line_kw : mapping, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        AveragingDisplay
            This one.

        Raises
        ------
        ImportError
            If there is no `ax`, and matplotlib is not installed.
        ValueError
            If a panel is unknown, or there is not one of `ax` for each.
        """
        unknown = [panel for panel in panels if panel not in PANELS]
        if unknown or not len(panels):
            raise ValueError(f"panels={panels!r} must be some of {list(PANELS)}")
        self.ax_ = panels_or_new(f"{type(self).__name__}.plot", len(panels), ax)
        self.figure_ = self.ax_[0].figure
        self.lines_ = [
            self._draw(axes, panel, line_kw or {})
            for axes, panel in zip(self.ax_, panels, strict=True)
        ]
        self.ax_[0].legend(framealpha=0.9)
        return self

    def _draw(self, axes, panel: str, options: Mapping[str, Any]) -> list:
        lines = []
        for k, (name, fit) in enumerate(self.fits.items()):
            look: dict[str, Any] = {"color": COLORS[k % len(COLORS)]}
            look |= {"linewidth": 1} if panel == "apart" else {"marker": "."}
            points = _points(panel, *fit)
            lines += axes.plot(*points, **{"label": name, **look, **options})
        title, xlabel, ylabel = TEXTS[panel]
        axes.set_title(title)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        return lines


def _points(panel: str, losses: np.ndarray, rounds) -> tuple[np.ndarray, np.ndarray]:
    """x and y of a fit's line."""
    if panel == "apart":
        apart = np.asarray(rounds.apart)
        return np.asarray(rounds.seconds)[apart > 0], apart[apart > 0]
    if panel == "bytes":
        return np.asarray(rounds.epoch_bytes) / MEGABYTE, losses
    return np.asarray(rounds.epoch_seconds), losses


def _checked(name: str, losses, rounds) -> tuple[np.ndarray, Any]:
    """The losses of the epochs whose ends the rounds have, and the rounds."""
    losses = np.asarray(losses, np.float64)
    ends = len(rounds.epoch_seconds)
    if len(losses) < ends:
        raise ValueError(
            f"fit {name!r} has {len(losses)} losses, and {ends} ends of epochs"
        )
    return losses[len(losses) - ends :], rounds


def _name_of(estimator) -> str:
    count = len(getattr(estimator, "nodes_", None) or ())
    return f"{count} node{'s' if count > 1 else ''}" if count else "nodes"
