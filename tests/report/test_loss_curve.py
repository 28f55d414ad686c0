"""The display of the loss curve, and what all displays have in common."""

import inspect
import sys

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError

from hogblock import MLPClassifier, MLPRegressor, report
from hogblock.report import LossCurveDisplay, plot_training

pytest.importorskip("matplotlib")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
PLANNED = dict(max_iter=3, learning_rate="cosine", random_state=0)


@pytest.fixture
def ax():
    return Figure().subplots()


def test_a_curve_without_scores(ax):
    model = MLPClassifier((4,), **PLANNED).fit(X, Y)
    display = LossCurveDisplay.from_estimator(model, ax=ax, line_kw={"label": "mine"})
    assert display.ax_ is ax and display.figure_ is ax.figure
    assert display.line_.get_ydata().tolist() == model.loss_curve_
    assert display.line_.get_xdata().tolist() == [1, 2, 3]
    assert display.score_ax_ is display.score_line_ is None
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["mine"]


@pytest.mark.parametrize(
    ("kind", "name"), [(MLPClassifier, "accuracy"), (MLPRegressor, "$R^2$")]
)
def test_scores_have_an_axis_of_their_own(ax, kind, name):
    model = kind((4,), warm_start=True, **PLANNED).fit(X, Y)
    model.fit(X, Y, X_val=X, y_val=Y)  # the first three epochs have no scores
    options = {"score_kw": {"color": "red"}}
    display = LossCurveDisplay.from_estimator(model, ax=ax, **options)
    assert len(display.line_.get_ydata()) == 6
    assert display.score_line_.get_xdata().tolist() == [4, 5, 6]
    assert display.score_line_.get_ydata().tolist() == model.validation_scores_
    assert display.score_line_.get_color() == "red"
    assert display.score_ax_.get_ylabel() == f"validation {name}"
    panel, _, right = plot_training(model).axes
    assert panel.lines[0].get_ydata().tolist() == model.loss_curve_
    assert right.lines[0].get_ydata().tolist() == model.validation_scores_


def test_what_a_curve_cannot_be_made_of():
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(MLPClassifier())
    with pytest.raises(ValueError, match="DummyClassifier has none"):
        LossCurveDisplay.from_estimator(DummyClassifier().fit(X, Y))
    with pytest.raises(ValueError, match=r"there are 2 scores, and 1 losses"):
        LossCurveDisplay([1.0], scores=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"scores has shape \(1, 1\), and must be"):
        LossCurveDisplay([1.0], scores=[[1.0]])


DISPLAYS = [getattr(report, n) for n in report.__all__ if n.endswith("Display")]


@pytest.mark.parametrize("display", DISPLAYS)
def test_all_displays_are_alike(display):
    """As those of scikit-learn: axes and looks by keyword, in `plot` axes first."""
    makers = [n for n in vars(display) if n.startswith("from_")]
    assert "from_estimator" in makers
    looks = {n for n in inspect.signature(display.plot).parameters if n[-3:] == "_kw"}
    assert [*inspect.signature(display.plot).parameters][:2] == ["self", "ax"]
    for name in makers:
        _, *others = inspect.signature(getattr(display, name)).parameters.values()
        assert {p.kind for p in others} == {inspect.Parameter.KEYWORD_ONLY}
        assert {"ax", *looks} <= {p.name for p in others}


def test_a_curve_needs_matplotlib_and_makes_a_figure_of_its_own(monkeypatch):
    display = LossCurveDisplay([2.0, 1.0]).plot()
    assert display.figure_ is plt.gcf()
    plt.close("all")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"LossCurveDisplay.plot needs matplotlib"):
        LossCurveDisplay([1.0]).plot()
