"""How runs come closer to what they look for, as a picture."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from hogblock.report.figure import axes_or_new
from hogblock.report.source import by_name, needed

MEASURES = ("value", "distance", "norm")
SCALES = ("linear", "log")
HIGHEST = 1e6
"""A run that diverges is drawn up to so many times the highest start."""
COLORS = ("#1f5fa8", "#c2571a", "#2d8a57", "#8b1e5b", "#b8860b", "#555555")
STYLES = ("-", "--", ":", "-.")


class ConvergenceDisplay:
    """Lines of what runs have reached, against events or epochs.

    It is made by `from_simulation` or `from_estimator`, which draw it at once. All
    parameters are kept as attributes.

    Parameters
    ----------
    curves : mapping of str to tuple of two array-like of shape (n_points,)
        x and y by the name that the legend shows.
    xlabel, ylabel : str, default=None
        Texts of the picture; None tells of events and values.
    yscale : {"log", "linear"}, default="log"
        Points that are not positive are not seen in a logarithmic scale.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib.lines.Line2D
        One a curve.

    Raises
    ------
    ValueError
        If there are no curves, x and y differ in shape, or the scale is unknown.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hogblock.report import ConvergenceDisplay
    >>> display = ConvergenceDisplay({"one": ([0, 10, 20], [1.0, 0.1, 0.01])})
    >>> display.plot(ax=Figure().subplots()).ax_.get_xlabel()
    'events'
    """

    __module__ = "hogblock.report"

    def __init__(
        self,
        curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
        *,
        xlabel: str | None = None,
        ylabel: str | None = None,
        yscale: str = "log",
    ):
        if not curves:
            raise ValueError("curves is empty: there is nothing to draw")
        if yscale not in SCALES:
            raise ValueError(f"yscale={yscale!r} must be one of {list(SCALES)}")
        self.curves = {str(name): _checked(name, *c) for name, c in curves.items()}
        self.xlabel = "events" if xlabel is None else xlabel
        self.ylabel = "value" if ylabel is None else ylabel
        self.yscale = yscale

    @classmethod
    def from_simulation(cls, simulation, *, y: str = "value", ax=None, line_kw=None):
        """Draw what simulations have reached, against events.

        Parameters
        ----------
        simulation : Simulation or mapping of str to Simulation
            What ``hogblock.asynchrony.simulate`` returns; several by the names that
            the legend shows.
        y : {"value", "distance", "norm"}, default="value"
            The value, less the least one if all problems know theirs; the distance to
            the nearest minimiser; or the Euclidean norm of x.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw : mapping, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `y` is unknown, something is no simulation, or `y` is "distance" and a
            problem does not know its minimisers.
        """
        if y not in MEASURES:
            raise ValueError(f"y={y!r} must be one of {list(MEASURES)}")
        runs = by_name(simulation, _name_of_simulation)
        for run in runs.values():
            for name in ("problem", "recorded_at", "values", "trajectory"):
                needed(cls.__name__, run, name, "a Simulation")
        measure, ylabel, yscale = _measure(y, runs)
        curves = {name: (run.recorded_at, measure(run)) for name, run in runs.items()}
        display = cls(curves, ylabel=ylabel, yscale=yscale)
        return display.plot(ax, line_kw=line_kw)

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, yscale="linear", line_kw=None):
        """Draw the training loss of fitted estimators, against epochs.

        Parameters
        ----------
        estimator : estimator of hogblock or mapping of str to such
            Fitted; several by the names that the legend shows.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        yscale : {"linear", "log"}, default="linear"
        line_kw : mapping, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            If an estimator is not fitted.
        ValueError
            If one has no loss curve, or the scale is unknown.
        """
        models = by_name(estimator, _name_of_estimator)
        curves = {}
        for name, model in models.items():
            check_is_fitted(model)
            losses = needed(cls.__name__, model, "loss_curve_", "an estimator")
            curves[name] = (np.arange(1, len(losses) + 1), losses)
        display = cls(curves, xlabel="epoch", ylabel="training loss", yscale=yscale)
        return display.plot(ax, line_kw=line_kw)

    def plot(
        self,
        ax=None,
        *,
        xscale: str = "linear",
        line_kw: Mapping[str, Any] | None = None,
    ):
        """Draw a line for each curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        xscale : {"linear", "log"}, default="linear"
        line_kw : mapping, default=None
            Passed to ``ax.plot``.

        Returns
        -------
        ConvergenceDisplay
            This one.

        Raises
        ------
        ImportError
            If there is no `ax`, and matplotlib is not installed.
        ValueError
            If the scale is unknown.
        """
        if xscale not in SCALES:
            raise ValueError(f"xscale={xscale!r} must be one of {list(SCALES)}")
        ax = axes_or_new(f"{type(self).__name__}.plot", ax)
        self.ax_, self.figure_ = ax, ax.figure
        self.lines_ = []
        for k, (name, (x, y)) in enumerate(self.curves.items()):
            style = STYLES[k // len(COLORS) % len(STYLES)]
            look = {"color": COLORS[k % len(COLORS)], "linestyle": style}
            kept = np.isfinite(y)
            self.lines_ += ax.plot(
                x[kept], y[kept], **{"label": name, **look, **(line_kw or {})}
            )
        ax.set_xscale(xscale)
        positive = any((y > 0).any() for _, y in self.curves.values())
        log = self.yscale == "log" and positive
        ax.set_yscale("log" if log else "linear")
        self._keep_in_sight()
        if self.xlabel == "epoch":
            ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel(self.xlabel)
        ax.set_ylabel(self.ylabel + (" (log scale)" if log else ""))
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(framealpha=0.9)
        return self

    def _keep_in_sight(self) -> None:
        """Let a run that diverges leave the picture, and not flatten the others."""
        starts = [y[0] for _, y in self.curves.values() if y.size and y[0] > 0]
        highest = HIGHEST * max(starts, default=np.inf)
        if self.ax_.get_ylim()[1] > highest:
            self.ax_.set_ylim(top=highest)


def _checked(name: str, x, y) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"curve {name!r} has x of shape {x.shape} and y of shape {y.shape}: both "
            "must be (n_points,)"
        )
    return x, y


def _name_of_simulation(simulation) -> str:
    return getattr(getattr(simulation, "problem", None), "name", "") or "simulation"


def _name_of_estimator(estimator) -> str:
    workers = getattr(estimator, "n_workers_", 1)
    method = getattr(estimator, "method_", "")
    return f"{method}, {workers} worker{'s' if workers > 1 else ''}".lstrip(", ")


def _measure(y: str, runs: Mapping[str, Any]):
    """Function of a run that gives its y [n_records], the axis' text and its scale."""
    if y == "norm":
        return _norms, "|x|", "log"
    if y == "distance":
        return _distances, "distance to the nearest minimiser", "log"
    if all(run.problem.minimum is not None for run in runs.values()):
        return _excess, "f(x) - min f", "log"
    # A value may be of either sign, where nobody knows the least one.
    positive = all(np.min(run.values) > 0 for run in runs.values())
    return _values, "f(x)", "log" if positive else "linear"


def _values(run) -> np.ndarray:
    return np.asarray(run.values)


def _excess(run) -> np.ndarray:
    return np.asarray(run.values) - run.problem.minimum


def _norms(run) -> np.ndarray:
    return np.linalg.norm(run.trajectory, axis=1)


def _distances(run) -> np.ndarray:
    distances = np.array([run.problem.distance(x) for x in run.trajectory])
    if np.isnan(distances).all():
        raise ValueError(
            f"y='distance' needs minimisers, and {type(run.problem).__name__} does not "
            "know its own: take 'value' or 'norm'"
        )
    return distances
