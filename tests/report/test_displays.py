"""Displays of staleness and of convergence."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from hogblock import MLPClassifier
from hogblock.asynchrony import EventDriven, Geometric, Law, Quadratic, simulate
from hogblock.report import ConvergenceDisplay, StalenessDisplay, plot_training

pytest.importorskip("matplotlib")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(scope="module")
def model():
    X, y = load_digits(return_X_y=True)
    return MLPClassifier((8,), max_iter=3, random_state=0).fit(X, y)


def with_ages(model, staleness, overlap):
    """The model as if its run had had these ages."""
    copy = object.__new__(type(model))
    copy.__dict__ |= vars(model)
    copy.staleness_, copy.overlap_ = np.array(staleness), np.array(overlap)
    return copy


def simulation(values=(4.0, 2.0, 1.0), minimum=1.0, **more):
    """What the display reads of a Simulation."""
    problem = SimpleNamespace(
        name="quadratic", minimum=minimum, distance=lambda x: float(abs(x[0] - 3))
    )
    n = len(values)
    return SimpleNamespace(
        **{
            "problem": problem,
            "recorded_at": 10 * np.arange(n),
            "values": np.array(values),
            "trajectory": np.array([[7.0, 0.0], [5.0, 0.0], [3.0, 4.0]])[:n],
            "age_counts": np.array([60, 30, 10]),
        }
        | more
    )


def heights(bars):
    return [bar.get_height() for bar in bars]


def legend_of(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


@pytest.mark.parametrize(("kind", "seen"), [("read", 7), ("written", 5)])
def test_ages_of_an_estimator(model, ax, kind, seen):
    staleness, overlap = np.zeros((2, 2, 64), int)
    staleness[1, 3], overlap[1, 3] = 7, 5
    display = StalenessDisplay.from_estimator(
        with_ages(model, staleness, overlap), kind=kind, ax=ax
    )
    assert display.ax_ is ax and display.figure_ is ax.figure
    assert heights(display.bars_[1]) == [0, 0, 0, seen, 0]
    assert legend_of(display) == ["block 0", "block 1"]
    assert ("wrote" in ax.get_title()) == (kind == "written")


def test_a_display_of_staleness_draws_what_plot_training_does(model, ax):
    StalenessDisplay.from_estimator(model, ax=ax)
    panel = plot_training(model).axes[1]
    for get in ("get_title", "get_xlabel", "get_ylabel", "get_ylim", "get_xlim"):
        assert getattr(panel, get)() == getattr(ax, get)()
    assert heights(panel.containers[0]) == heights(ax.containers[0])


def test_ages_of_an_event_log(ax):
    ages = np.array([[0, 1], [0, 1], [2, 700], [0, 63]])
    log = SimpleNamespace(ages=lambda: ages, delays=lambda: ages + 1)
    display = StalenessDisplay.from_events(log, ax=ax)
    assert display.counts.shape == (2, 64)
    assert display.counts[0, :3].tolist() == [3, 0, 1]
    assert display.counts[1, [1, 63]].tolist() == [2, 2]
    assert ax.get_xticklabels()[-1].get_text() == "63+"
    later = StalenessDisplay.from_events(log, unit="events", ax=Figure().subplots())
    assert later.counts[0, :4].tolist() == [0, 3, 0, 1]
    assert "events" in later.ax_.get_xlabel()


def test_ages_of_a_simulation(ax):
    display = StalenessDisplay.from_simulation(simulation(), ax=ax)
    assert heights(display.bars_[0]) == [60, 30, 10]
    short = StalenessDisplay.from_simulation(
        simulation(), n_ages=2, ax=Figure().subplots()
    )
    assert short.counts.tolist() == [[60, 40]] and short.open_ended


def test_a_model_is_drawn_over_shares(ax):
    model = {"law": [0.5, 0.3, 0.2], "other": np.full(4, 0.25)}
    display = StalenessDisplay.from_simulation(simulation(), model=model, ax=ax)
    assert heights(display.bars_[0])[:3] == [0.6, 0.3, 0.1]
    law, other = display.lines_
    assert law.get_ydata().tolist() == [0.5, 0.3, 0.2]
    assert other.get_ydata().tolist() == [0.25] * 4
    assert legend_of(display) == ["simulated", "law", "other"]
    assert ax.get_ylabel().startswith("share")
    assert ax.get_ylim()[1] > 0.6 and ax.get_ylim()[0] < 0.1


def test_the_last_age_takes_a_models_tail(ax):
    display = StalenessDisplay([6, 4], open_ended=True, model=[0.5, 0.2, 0.2, 0.1])
    assert display.plot(ax).lines_[0].get_ydata().tolist() == [0.5, 0.5]


def test_a_histogram_grows_to_what_a_model_expects(ax):
    display = StalenessDisplay([900, 100], model=np.full(9, 1 / 9)).plot(ax)
    assert ax.get_xlim()[1] > 8 and len(display.lines_[0].get_ydata()) == 9


def test_many_series_do_not_fill_the_picture_with_names(ax):
    display = StalenessDisplay(np.ones((64, 3))).plot(ax)
    assert len(display.bars_) == 64 and len(legend_of(display)) <= 12


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: StalenessDisplay([[1, 2], [3, -4]]), "-4 at age 1 of series 1"),
        (lambda: StalenessDisplay([]), r"shape \(0,\)"),
        (lambda: StalenessDisplay([1], labels=["a", "b"]), "2 names"),
        (lambda: StalenessDisplay([1], model=[0.5, 0.4]), "sums to 0.9"),
        (lambda: StalenessDisplay([1], model={"law": [1.2, -0.2]}), "age 0 .* 1.2"),
        (lambda: StalenessDisplay([1], model=[[1.0]]), "one probability"),
        (lambda: StalenessDisplay([1], model=[1.0]).plot(share=False), "share=False"),
        (lambda: StalenessDisplay.from_events(1), "an EventLog with 'ages'"),
        (
            lambda: StalenessDisplay.from_events(1, unit="days"),
            "unit='days'.*'events', 'writes'",
        ),
        (lambda: StalenessDisplay.from_simulation(1), "needs a Simulation"),
        (
            lambda: StalenessDisplay.from_simulation(simulation(), n_ages=0),
            "n_ages=0",
        ),
        (lambda: ConvergenceDisplay({}), "empty"),
        (lambda: ConvergenceDisplay({"a": ([1], [1, 2])}), r"'a' .*\(1,\).*\(2,\)"),
        (lambda: ConvergenceDisplay({"a": ([], [])}, yscale="x"), "yscale='x'"),
        (lambda: ConvergenceDisplay({"a": ([], [])}).plot(xscale="x"), "xscale='x'"),
        (lambda: ConvergenceDisplay.from_simulation({"a": 1}), "needs a Simulation"),
        (
            lambda: ConvergenceDisplay.from_simulation(simulation(), y="loss"),
            "y='loss'.*'distance'",
        ),
    ],
)
def test_what_is_wrong_is_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()
    assert not plt.get_fignums()


def test_estimators_that_do_not_fit(model):
    with pytest.raises(NotFittedError):
        StalenessDisplay.from_estimator(MLPClassifier())
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimator({"a": model, "b": MLPClassifier()})
    with pytest.raises(ValueError, match=r"kind='lost' .*'read', 'written'"):
        StalenessDisplay.from_estimator(model, kind="lost")


@pytest.mark.parametrize(
    ("y", "reached"),
    [("value", [3, 1, 0]), ("distance", [4, 2, 0]), ("norm", [7, 5, 5])],
)
def test_convergence_of_a_simulation(ax, y, reached):
    display = ConvergenceDisplay.from_simulation(simulation(), y=y, ax=ax)
    (line,) = display.lines_
    assert line.get_xdata().tolist() == [0, 10, 20]
    assert line.get_ydata().tolist() == reached
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "events"


def test_values_without_a_known_minimum(ax):
    runs = {"a": simulation(), "b": simulation((1.0, 0.0, -1.0), minimum=None)}
    display = ConvergenceDisplay.from_simulation(runs, ax=ax)
    assert display.lines_[0].get_ydata().tolist() == [4, 2, 1]
    assert ax.get_yscale() == "linear" and ax.get_ylabel() == "f(x)"
    assert legend_of(display) == ["a", "b"]


def test_a_problem_that_does_not_know_its_minimisers():
    run = simulation()
    run.problem.distance = lambda x: np.nan
    with pytest.raises(ValueError, match="y='distance' needs minimisers"):
        ConvergenceDisplay.from_simulation(run, y="distance")


def test_a_run_that_diverges_does_not_hide_the_others(ax):
    runs = {"away": simulation((2.0, 1e200, np.inf)), "home": simulation()}
    display = ConvergenceDisplay.from_simulation(runs, ax=ax)
    assert ax.get_ylim()[1] < 1e8
    assert len(display.lines_[0].get_ydata()) == 2


def test_a_run_that_begins_at_the_minimum(ax):
    display = ConvergenceDisplay.from_simulation(simulation((1.0, 1.0)), ax=ax)
    assert display.lines_[0].get_ydata().tolist() == [0, 0]


def test_convergence_of_estimators(model, ax):
    display = ConvergenceDisplay.from_estimator({"one": model, "two": model}, ax=ax)
    assert display.lines_[1].get_ydata().tolist() == model.loss_curve_
    assert display.lines_[0].get_xdata().tolist() == [1, 2, 3]
    assert legend_of(display) == ["one", "two"] and ax.get_xlabel() == "epoch"
    alone = ConvergenceDisplay.from_estimator(model, ax=Figure().subplots())
    assert legend_of(alone) == ["thinned, 1 worker"]


def test_options_reach_the_artists(ax):
    curves = ConvergenceDisplay({"a": ([1, 2], [3, 4])})
    curves.plot(ax, xscale="log", line_kw={"color": "red"})
    assert curves.lines_[0].get_color() == "red" and ax.get_xscale() == "log"
    ages = StalenessDisplay([1, 2], model=[1.0])
    ages.plot(Figure().subplots(), bar_kw={"width": 0.5}, line_kw={"linewidth": 7})
    assert ages.bars_[0][0].get_width() == 0.5 and ages.lines_[0].get_linewidth() == 7


def test_without_axes_pyplot_keeps_the_figure():
    display = StalenessDisplay([1, 2]).plot()
    assert plt.get_fignums() == [display.figure_.number]


@pytest.mark.parametrize(
    "display", [StalenessDisplay([1]), ConvergenceDisplay({"a": ([1], [1])})]
)
def test_without_matplotlib(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    name = rf"{type(display).__name__}\.plot needs matplotlib"
    with pytest.raises(ImportError, match=rf"{name}.*hogblock\[plot\]"):
        display.plot()


def test_what_simulate_and_fit_return_is_drawn(ax):
    law = Law(workers=3, ages=Geometric(0.5, 6))
    run = simulate(Quadratic([1.0, 2.0]), law, 2000, rate=0.1, random_state=0)
    model = law.ages.probabilities()
    ages = StalenessDisplay.from_simulation(run, model=model, ax=ax)
    shares = heights(ages.bars_[0])
    np.testing.assert_allclose(shares, model, atol=0.03)
    near = ConvergenceDisplay.from_simulation(run, ax=Figure().subplots())
    assert near.lines_[0].get_ydata()[-1] < 1e-9 < near.lines_[0].get_ydata()[0]
    X, y = load_digits(return_X_y=True)
    fit = MLPClassifier((8,), max_iter=2, schedule=EventDriven(4), method="hogwild")
    log = fit.fit(X[:300], y[:300]).events_
    late = StalenessDisplay.from_events(log, unit="events", ax=Figure().subplots())
    assert late.counts.sum() == log.delays().size and late.counts[:, 3:].any()
