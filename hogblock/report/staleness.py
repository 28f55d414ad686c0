"""How old the parameters were that steps read and wrote, as a picture."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hogblock.report.ages import (
    AGES,
    checked_counts,
    checked_models,
    folded,
    histogram,
    length,
)
from hogblock.report.figure import axes_or_new
from hogblock.report.source import needed

LEAST_AGES = 5
"""Ages that the histogram shows at least: a lone bar tells little."""
AGES_A_TICK = 7
MOST_TICKS = 10
SERIES_A_LEGEND_COLUMN = 6
MOST_NAMED = 12
"""With more series the legend names only some: their colours are in order."""
LEGEND_ROOM = 4
"""Factor above the highest bar, at least, so that the legend covers none."""
LEGEND_HEAD, LEGEND_ROW = 0.05, 0.055
"""Shares of the picture's height that a legend takes, and each of its rows."""
LEAST_BAR = 0.7
"""Count at the foot of the picture, so that a count of 1 is seen."""
MODEL_COLORS = ("#c2571a", "#8b1e5b", "#222222", "#5a7d1a")
OF_BLOCKS = "age of a block (writes by others during the step)"
IN_EVENTS = "age of what was read (events)"
TITLES = {
    "read": "Staleness of what steps read",
    "written": "Overlap of what steps wrote",
}


class StalenessDisplay:
    """Histogram of ages: of what steps read, or of what they wrote.

    It is made by `from_estimator`, `from_events` or `from_simulation`, which draw it at
    once. All parameters are kept as attributes.

    Parameters
    ----------
    counts : array-like of shape (n_series, n_ages) or (n_ages,)
        How often each age was seen, by block or by whatever the series are.
    labels : sequence of str, default=None
        Names of the series; None counts blocks: ``"block 0"``, ``"block 1"``, ...
    open_ended : bool, default=False
        Whether the last age stands for all that are greater, too.
    model : array-like of shape (m,) or mapping of str to that, default=None
        Expected probabilities of the ages 0, 1, ..., under the name that the legend
        shows: measured against modelled. Each has to sum to one. If `open_ended`, the
        last age takes the probabilities of those behind it.
    title, xlabel, ylabel : str, default=None
        Texts of the picture; None tells of blocks that steps read.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    bars_ : list of matplotlib.container.BarContainer
        One a series.
    lines_ : list of matplotlib.lines.Line2D
        One a model.

    Raises
    ------
    ValueError
        If counts or probabilities are not such.

    See Also
    --------
    plot_training : The loss curve and the staleness of a fit, side by side.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hogblock.report import StalenessDisplay
    >>> counts = [[70, 20, 10], [90, 10, 0]]
    >>> display = StalenessDisplay(counts, model=[0.8, 0.15, 0.05])
    >>> display.plot(ax=Figure().subplots()).ax_.get_ylabel()
    'share of steps (log scale)'
    """

    __module__ = "hogblock.report"

    def __init__(
        self,
        counts,
        *,
        labels: Sequence[str] | None = None,
        open_ended: bool = False,
        model=None,
        title: str | None = None,
        xlabel: str | None = None,
        ylabel: str | None = None,
    ):
        self.counts = checked_counts(counts)
        n_series = len(self.counts)
        self.labels = (
            [f"block {k}" for k in range(n_series)] if labels is None else list(labels)
        )
        if len(self.labels) != n_series:
            raise ValueError(
                f"labels has {len(self.labels)} names, and counts has {n_series} series"
            )
        self.open_ended = open_ended
        self.model = checked_models(model)
        self.title = TITLES["read"] if title is None else title
        self.xlabel = OF_BLOCKS if xlabel is None else xlabel
        self.ylabel = "steps" if ylabel is None else ylabel

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        kind: str = "read",
        model=None,
        ax=None,
        share=None,
        bar_kw=None,
        line_kw=None,
    ):
        """Draw the ages that a fit has counted.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor or another estimator of hogblock
            Fitted.
        kind : {"read", "written"}, default="read"
            Ages of the blocks that steps read (`staleness_`), or wrote (`overlap_`).
        model : array-like of shape (m,) or mapping of str to that, default=None
            Expected probabilities of the ages 0, 1, ...
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        share : bool, default=None
            Draw shares, not counts; None does so if there is a `model`.
        bar_kw, line_kw : mapping, default=None
            Passed to ``ax.bar``, and for the models to ``ax.plot``.

        Returns
        -------
        StalenessDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If `estimator` is not fitted.
        ValueError
            If `kind` is unknown, `estimator` has counted no ages, or `model` holds no
            probabilities.
        """
        if kind not in TITLES:
            raise ValueError(f"kind={kind!r} must be one of {sorted(TITLES)}")
        check_is_fitted(estimator)
        name = "staleness_" if kind == "read" else "overlap_"
        counts = needed(cls.__name__, estimator, name, "an estimator of hogblock")
        display = cls(counts, open_ended=True, model=model, title=TITLES[kind])
        return display.plot(ax, share=share, bar_kw=bar_kw, line_kw=line_kw)

    @classmethod
    def from_events(
        cls,
        log,
        *,
        unit: str = "writes",
        model=None,
        ax=None,
        share=None,
        bar_kw=None,
        line_kw=None,
    ):
        """Draw the ages of the blocks that the steps of an event log read.

        Parameters
        ----------
        log : EventLog
            Of a real or a simulated run.
        unit : {"writes", "events"}, default="writes"
            What an age counts: writes to the block by other workers during the step
            (``log.ages()``), or events since the read (``log.delays()``).
        model : array-like of shape (m,) or mapping of str to that, default=None
            Expected probabilities of the ages 0, 1, ...
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        share : bool, default=None
            Draw shares, not counts; None does so if there is a `model`.
        bar_kw, line_kw : mapping, default=None
            Passed to ``ax.bar``, and for the models to ``ax.plot``.

        Returns
        -------
        StalenessDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `log` is none, `unit` is unknown, or `model` holds no probabilities.
        """
        methods = {"writes": "ages", "events": "delays"}
        if unit not in methods:
            raise ValueError(f"unit={unit!r} must be one of {sorted(methods)}")
        ages = np.asarray(needed(cls.__name__, log, methods[unit], "an EventLog")())
        xlabel = OF_BLOCKS if unit == "writes" else IN_EVENTS
        counts = [histogram(of_block) for of_block in ages.T]
        display = cls(counts, open_ended=True, model=model, xlabel=xlabel)
        return display.plot(ax, share=share, bar_kw=bar_kw, line_kw=line_kw)

    @classmethod
    def from_simulation(
        cls,
        simulation,
        *,
        n_ages: int = AGES,
        model=None,
        ax=None,
        share=None,
        bar_kw=None,
        line_kw=None,
    ):
        """Draw the ages of all that the steps of a simulation read.

        Parameters
        ----------
        simulation : Simulation
            What ``hogblock.asynchrony.simulate`` returns.
        n_ages : int, default=64
            Ages to tell apart at most; the last one stands for all that are greater.
        model : array-like of shape (m,) or mapping of str to that, default=None
            Expected probabilities of the ages 0, 1, ...
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        share : bool, default=None
            Draw shares, not counts; None does so if there is a `model`.
        bar_kw, line_kw : mapping, default=None
            Passed to ``ax.bar``, and for the models to ``ax.plot``.

        Returns
        -------
        StalenessDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `simulation` is none, `n_ages` is not positive, or `model` holds no
            probabilities.
        """
        if n_ages < 1:
            raise ValueError(f"n_ages={n_ages!r} must be at least 1")
        counts = np.asarray(
            needed(cls.__name__, simulation, "age_counts", "a Simulation")
        )
        open_ended = len(counts) > n_ages
        display = cls(
            folded(counts, n_ages) if open_ended else counts,
            labels=["simulated"],
            open_ended=open_ended,
            model=model,
            xlabel=IN_EVENTS,
            ylabel="reads of a cell",
        )
        return display.plot(ax, share=share, bar_kw=bar_kw, line_kw=line_kw)

    def plot(
        self,
        ax=None,
        *,
        share: bool | None = None,
        bar_kw: Mapping[str, Any] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ):
        """Draw bars by age, side by side for the series, and a line for each model.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        share : bool, default=None
            Draw the share of each age in its series, not the count; None does so if
            there is a model, which has no other scale.
        bar_kw : mapping, default=None
            Passed to ``ax.bar``.
        line_kw : mapping, default=None
            Passed to ``ax.plot``, for the models.

        Returns
        -------
        StalenessDisplay
            This one.

        Raises
        ------
        ImportError
            If there is no `ax`, and matplotlib is not installed.
        ValueError
            If counts are asked for, and there is a model.
        """
        share = bool(self.model) if share is None else share
        if self.model and not share:
            raise ValueError("share=False leaves a model of probabilities no scale")
        ax = axes_or_new(f"{type(self).__name__}.plot", ax)
        self.ax_, self.figure_ = ax, ax.figure
        totals = np.maximum(1, self.counts.sum(axis=1, keepdims=True))
        heights = self.counts / totals if share else self.counts
        foot = LEAST_BAR / totals.max() if share else LEAST_BAR
        n_ages = self._shown(foot)
        self._draw_bars(heights[:, :n_ages], bar_kw or {})
        self._draw_models(n_ages, line_kw or {})
        top = max([heights.max(initial=0), *(max(p) for p in self.model.values())])
        ax.set_yscale("log")
        ax.set_ylim(foot, max(0 if share else 10, top * self._legend_room(top / foot)))
        self._draw_ticks(n_ages)
        ax.set_title(self.title)
        ax.set_xlabel(self.xlabel)
        ax.set_ylabel(f"{'share of ' if share else ''}{self.ylabel} (log scale)")
        ax.grid(axis="y", alpha=0.25)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        self._draw_legend()
        return self

    def _shown(self, foot: float) -> int:
        """Ages to draw: up to the last that was seen, or that a model expects."""
        seen = [LEAST_AGES, length(self.counts.any(axis=0))]
        expected = [length(self._on_bins(p) > foot) for p in self.model.values()]
        return max(seen + expected)

    def _on_bins(self, probabilities: np.ndarray) -> np.ndarray:
        """A model's probabilities by what the histogram tells apart."""
        n_ages = self.counts.shape[1]
        if self.open_ended and len(probabilities) > n_ages:
            return folded(probabilities, n_ages)
        return probabilities

    def _draw_bars(self, heights: np.ndarray, options) -> None:
        n_series, n_ages = heights.shape
        width = 0.8 / n_series
        self.bars_ = [
            self.ax_.bar(
                np.arange(n_ages) + (k - (n_series - 1) / 2) * width,
                each,
                **{"width": width, "label": label, "color": color, **options},
            )
            for k, (each, label, color) in enumerate(
                zip(heights, self.labels, _colors(n_series), strict=True)
            )
        ]

    def _draw_models(self, n_ages: int, options) -> None:
        self.lines_ = []
        for k, (name, probabilities) in enumerate(self.model.items()):
            on_bins = self._on_bins(probabilities)[:n_ages]
            color = MODEL_COLORS[k % len(MODEL_COLORS)]
            look = {"marker": "o", "markersize": 3.5, "linewidth": 1.4, "color": color}
            self.lines_ += self.ax_.plot(on_bins, **{"label": name, **look, **options})

    def _draw_ticks(self, n_ages: int) -> None:
        last = n_ages - 1
        between = AGES_A_TICK * math.ceil(last / (AGES_A_TICK * MOST_TICKS))
        ticks = np.arange(0, n_ages, between if last >= 3 * AGES_A_TICK else 1)
        open_at = self.counts.shape[1] - 1 if self.open_ended else None
        self.ax_.set_xticks(ticks, [f"{t}+" if t == open_at else str(t) for t in ticks])
        self.ax_.set_xlim(-0.7, last + 0.7)

    def _named(self) -> list:
        """Artists of the legend."""
        return self.bars_[:: math.ceil(len(self.bars_) / MOST_NAMED)] + self.lines_

    def _legend_room(self, height: float) -> float:
        """Factor above the highest bar, which is `height` times the foot."""
        columns = math.ceil(len(self._named()) / SERIES_A_LEGEND_COLUMN)
        rows = math.ceil(len(self._named()) / columns)
        taken = LEGEND_HEAD + LEGEND_ROW * rows
        return max(LEGEND_ROOM, max(height, 1) ** (taken / (1 - taken)))

    def _draw_legend(self) -> None:
        named = self._named()
        columns = math.ceil(len(named) / SERIES_A_LEGEND_COLUMN)
        self.ax_.legend(handles=named, loc="upper right", ncols=columns, framealpha=0.9)


def _colors(count: int) -> np.ndarray:
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.15, 0.8, count))
