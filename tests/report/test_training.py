"""Reports and pictures of a training run."""

import json
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from hogblock import MLPClassifier, MLPRegressor
from hogblock.report import WIDTH, format_report, plot_training, training_report

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fit(estimator, load, **options):
    X, y = load(return_X_y=True)
    return estimator(max_iter=4, random_state=0, **options).fit(X, y), X, y


@pytest.fixture(scope="module")
def classifier():
    with pytest.warns(ConvergenceWarning):
        return fit(MLPClassifier, load_digits, early_stopping=True)


@pytest.fixture(scope="module")
def regressor():
    with pytest.warns(ConvergenceWarning):
        return fit(MLPRegressor, load_diabetes, method="sgd")


def test_report_of_a_classifier(classifier):
    model, X, y = classifier
    report = training_report(model, X, y)
    assert report["estimator"] == "MLPClassifier" and report["method"] == "thinned"
    assert report["workers"] == 1 and report["epochs"] == 4
    assert report["samples"] == model.t_
    assert report["training_seconds"] == model.training_seconds_
    assert report["samples_per_second"] == model.t_ / model.training_seconds_
    assert report["score_name"] == "accuracy"
    assert report["test_score"] == model.score(X, y)
    assert report["validation_score"] == model.validation_scores_[-1]
    assert report["best_validation_score"] == max(model.validation_scores_)
    assert report["updates_per_block"] == model.updates_per_block_.tolist()
    assert report["mean_staleness"] == [0.0] and report["fresh_share"] == [1.0]
    assert report["mean_overlap"] == [0.0] and report["warnings"] == []


def test_report_without_scores(regressor):
    report = training_report(regressor[0])
    assert report["score_name"] == "R^2"
    for name in ("test_score", "validation_score", "best_validation_score"):
        assert report[name] is None
    text = format_report(report)
    assert "validation" not in text and "test" not in text


def test_report_goes_through_json(classifier):
    report = training_report(*classifier)
    again = json.loads(json.dumps(report, allow_nan=False))
    assert again == report
    assert format_report(again) == format_report(report)


def test_staleness_per_block(classifier):
    """Of what was read; a worker's own block is never written by another one."""
    model = with_staleness(classifier[0], [[6, 2, 0], [0, 0, 0], [1, 0, 3]])
    model.overlap_ = np.array([[8, 0, 0], [6, 0, 0], [0, 0, 0]])
    report = training_report(model)
    assert report["mean_staleness"] == [0.25, None, 1.5]
    assert report["fresh_share"] == [0.75, None, 0.25]
    assert report["mean_overlap"] == [0.0, 0.0, None]
    text = format_report(report)
    assert ["0", "8", "0.25", "75.0%", "0.00"] in map(str.split, text.splitlines())
    assert ["1", "0", "-", "-", "0.00"] in map(str.split, text.splitlines())


@pytest.mark.parametrize(("updates", "warned"), [((10, 9, 5), 0), ((10, 9, 3), 1)])
def test_a_block_with_few_updates_is_named(classifier, updates, warned):
    model = with_staleness(classifier[0], [[u, 0] for u in updates])
    report = training_report(model)
    assert len(report["warnings"]) == warned
    text = " ".join(format_report(report).split())
    assert ("warning: block 2 had 3 updates" in text) == bool(warned)


def with_staleness(model, staleness):
    """The model as if its run had had these ages of updates."""
    copy = object.__new__(type(model))
    copy.__dict__ |= vars(model)
    copy.staleness_ = copy.overlap_ = np.array(staleness)
    copy.updates_per_block_ = copy.staleness_.sum(axis=1)
    return copy


def test_table_is_neat(classifier):
    head, *lines = format_report(training_report(*classifier)).splitlines()
    assert head == "MLPClassifier: end of training"
    assert {len(line) for line in lines} == {WIDTH}


def test_values_that_are_not_finite_become_none(classifier):
    model = with_staleness(classifier[0], [[1]])
    model.loss_, model.training_seconds_ = np.inf, 0.0
    report = training_report(model)
    assert report["loss"] is None and report["samples_per_second"] is None
    json.dumps(report, allow_nan=False)
    assert "training loss" not in format_report(report)


def test_report_errors(classifier):
    model, X, y = classifier
    with pytest.raises(NotFittedError):
        training_report(MLPClassifier())
    with pytest.raises(ValueError, match="y_test is missing"):
        training_report(model, X_test=X)
    with pytest.raises(ValueError, match="X_test is missing"):
        training_report(model, y_test=y)


def test_plot_of_a_classifier(classifier, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "run.png"
    figure = plot_training(classifier[0], path)
    assert path.read_bytes().startswith(b"\x89PNG")
    curve, histogram, scores = figure.axes
    assert len(curve.lines[0].get_xdata()) == 4
    np.testing.assert_array_equal(
        scores.lines[0].get_ydata(), classifier[0].validation_scores_
    )
    assert histogram.get_yscale() == "log"
    assert scores.get_ylabel() == "validation accuracy"


def test_plot_without_validation_has_two_axes_and_no_global_state(regressor):
    pytest.importorskip("matplotlib")
    figure = plot_training(regressor[0])
    assert len(figure.axes) == 2
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


@pytest.mark.parametrize(
    ("ages", "shown", "last_label"),
    [({0: 9}, 5, "4"), ({0: 9, 12: 1}, 13, "12"), ({0: 9, 63: 1}, 64, "63+")],
)
def test_histogram_trims_the_empty_tail(classifier, ages, shown, last_label):
    pytest.importorskip("matplotlib")
    staleness = np.zeros((2, 64), int)
    for age, count in ages.items():
        staleness[1, age] = count
    figure = plot_training(with_staleness(classifier[0], staleness))
    histogram = figure.axes[1]
    assert [len(bars) for bars in histogram.containers] == [shown, shown]
    assert histogram.get_xticklabels()[-1].get_text() == last_label
    texts = [text.get_text() for text in histogram.get_legend().get_texts()]
    assert texts == ["block 0", "block 1"]


def test_plot_errors(classifier, monkeypatch):
    with pytest.raises(NotFittedError):
        plot_training(MLPClassifier())
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"hogblock\[plot\]"):
        plot_training(classifier[0])
