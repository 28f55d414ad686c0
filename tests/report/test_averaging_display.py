"""The display of fits on several nodes; here nobody asks for a cluster."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from hogblock import MLPClassifier
from hogblock.distributed import NodeReport, Rounds
from hogblock.report import AveragingDisplay

pytest.importorskip("matplotlib")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

LOSSES = [0.9, 0.5, 0.4]
ALL = ("seconds", "bytes", "apart")


def rounds(**changes):
    """Three epochs, and four rounds of which one could not tell how far apart."""
    fields = dict(
        seconds=np.array([0.1, 0.4, 0.7, 1.0]),
        nodes=np.array([2, 2, 1, 2]),
        bytes=np.array([1, 2, 3, 4]) * 10**6,
        apart=np.array([0.2, 0.1, 0.0, 0.05]),
        epoch_seconds=np.array([0.5, 0.8, 1.1]),
        epoch_bytes=np.array([2, 3, 4]) * 10**6,
    )
    return Rounds(**fields | changes)


def model(nodes=2, **changes):
    """A model as if it had been trained on nodes."""
    report = NodeReport(0, "here", 1, 9, 99, 0.0, 4, 8, 8, 1.0, 0.1, 0.0, 0)
    fitted = MLPClassifier((4,), max_iter=1, learning_rate="cosine", random_state=0)
    fitted.fit(np.eye(6), np.arange(6) % 2)
    fitted.loss_curve_, fitted.rounds_ = LOSSES, rounds()
    fitted.nodes_ = (report,) * nodes
    for name, value in changes.items():
        setattr(fitted, name, value)
    return fitted


def points(line):
    return line.get_xdata().tolist(), line.get_ydata().tolist()


def test_a_fit_against_time_and_traffic():
    axes = Figure().subplots(1, 2)
    display = AveragingDisplay.from_estimator(model(), ax=axes)
    assert display.ax_ == list(axes) and display.figure_ is axes[0].figure
    (time,), (traffic,) = display.lines_
    assert points(time) == ([0.5, 0.8, 1.1], LOSSES)
    assert points(traffic) == ([2, 3, 4], LOSSES)
    assert [ax.get_xlabel() for ax in axes] == ["seconds", "MB of models sent"]
    (named,) = axes[0].get_legend().get_texts()
    assert named.get_text() == "2 nodes"


def test_how_far_the_models_were_apart():
    display = AveragingDisplay.from_estimator(model(), panels=ALL)
    assert points(display.lines_[2][0]) == ([0.1, 0.4, 1.0], [0.2, 0.1, 0.05])
    assert "mean" in display.ax_[2].get_ylabel()
    assert plt.get_fignums() == [display.figure_.number]
    plt.close("all")


def test_several_fits_by_their_names():
    fits = {"star": model(), "ring": model(loss_curve_=[0.8, 0.6, 0.3])}
    ax = Figure().subplots()
    display = AveragingDisplay.from_estimator(
        fits, ax=ax, panels=["bytes"], line_kw={"linewidth": 7}
    )
    star, ring = display.lines_[0]
    assert (star.get_label(), ring.get_label()) == ("star", "ring")
    assert star.get_color() != ring.get_color() and ring.get_linewidth() == 7
    assert ring.get_ydata().tolist() == [0.8, 0.6, 0.3]


def test_of_a_warm_start_the_last_losses_count():
    fitted = model(loss_curve_=[2.0, 1.0, *LOSSES])
    display = AveragingDisplay.from_estimator(fitted, ax=Figure().subplots(1, 2))
    assert points(display.lines_[0][0]) == ([0.5, 0.8, 1.1], LOSSES)


def test_a_fit_without_a_whole_epoch():
    none = rounds(epoch_seconds=np.zeros(0), epoch_bytes=np.zeros(0))
    display = AveragingDisplay({"short": ([], none)}).plot(Figure().subplots(1, 2))
    assert points(display.lines_[0][0]) == ([], [])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: AveragingDisplay({}), "empty"),
        (lambda: AveragingDisplay({"a": ([1.0], rounds())}), "'a' has 1 losses, and 3"),
        (
            lambda: AveragingDisplay.from_estimator(model(rounds_=None)),
            r"device=Ray\(...\) with 'rounds_', and MLPClassifier has none",
        ),
        (
            lambda: AveragingDisplay.from_estimator(model(), panels=["epochs"]),
            r"panels=\['epochs'\] must be some of .*'apart'",
        ),
        (lambda: AveragingDisplay.from_estimator(model(), panels=[]), "must be some"),
        (
            lambda: AveragingDisplay.from_estimator(model(), ax=Figure().subplots()),
            "ax has 1 axes, and there are 2 panels",
        ),
    ],
)
def test_what_is_wrong_is_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()
    assert not plt.get_fignums()


def test_an_estimator_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        AveragingDisplay.from_estimator(MLPClassifier())


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"AveragingDisplay\.plot needs matplotlib"):
        AveragingDisplay.from_estimator(model())
