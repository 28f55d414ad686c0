"""Pictures of what a classifier of images has learnt."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor, NetworkClassifier
from hogblock.datasets import load_digits_images
from hogblock.models import Conv2D, Dense, Flatten, GroupNorm, Network
from hogblock.report import plot_confusion, plot_filters, plot_mistakes

pytest.importorskip("matplotlib")

PLANNED = dict(learning_rate="cosine", random_state=0)  # never a ConvergenceWarning
PICTURES = (plot_confusion, plot_mistakes)
NAMES = ["nil", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture(scope="module")
def digits():
    """A model that has not learnt much, so that it makes mistakes."""
    data = load_digits_images()
    model = CNNClassifier(((16, 3),), max_iter=2, **PLANNED)
    return model.fit(data.data, data.target), data.data_test, data.target_test


def network_of(kernels, size, channels):
    """A classifier of made-up images whose first convolution has so many kernels."""
    random = np.random.default_rng(0)
    layers = [Conv2D(kernels, size), GroupNorm(1), Flatten(), Dense(1)]
    model = NetworkClassifier(Network(layers, (6, 5, channels)), max_iter=1, **PLANNED)
    X = random.random((12, 6, 5, channels), np.float32)
    return model.fit(X, np.array(["no", "yes"] * 6)), X


def shown(axes):
    """The axes that hold an image."""
    return [panel for panel in axes if panel.images]


def test_filters(digits, tmp_path):
    path = tmp_path / "filters.png"
    figure = plot_filters(digits[0], path)
    assert path.read_bytes().startswith(b"\x89PNG")
    panels = shown(figure.axes)
    kernels = digits[0].coefs_[0]
    assert len(panels) == 16
    for k, panel in enumerate(panels):
        image = panel.images[0]
        np.testing.assert_array_equal(image.get_array(), kernels[:, :, 0, k])
        reach = np.abs(kernels).max()
        assert image.get_clim() == pytest.approx((-reach, reach))
    assert "16 kernels of 3 x 3" in figure.get_suptitle()


@pytest.mark.parametrize(
    ("kernels", "size", "channels", "panels"),
    [(1, 1, 1, 1), (5, (2, 3), 3, 5), (70, 3, 2, 64)],
)
def test_filters_of_any_form(kernels, size, channels, panels):
    model, _ = network_of(kernels, size, channels)
    figure = plot_filters(model)
    figure.draw_without_rendering()
    images = [panel.images[0].get_array() for panel in shown(figure.axes)]
    assert len(images) == panels
    height, width = np.broadcast_to(size, 2)
    assert images[-1].shape == (height, channels * width)
    last = model.coefs_[0][..., panels - 1]
    for c in range(channels):
        part = images[-1][:, c * width : (c + 1) * width]
        np.testing.assert_array_equal(part, last[:, :, c])
    assert ("the first 64 of 70" in figure.get_suptitle()) == (kernels == 70)


def test_confusion_counts(digits, tmp_path):
    model, X, y = digits
    path = tmp_path / "confusion.png"
    figure = plot_confusion(model, X, y, path, class_names=NAMES)
    assert path.read_bytes().startswith(b"\x89PNG")
    axes = figure.axes[0]
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (y, model.predict(X)), 1)
    assert [int(t.get_text()) for t in axes.texts] == counts.ravel().tolist()
    assert [t.get_text() for t in axes.get_yticklabels()] == NAMES
    right = round(model.score(X, y) * len(y))
    assert axes.get_title().startswith(f"{right} of {len(y)} right")
    assert axes.get_ylabel() == "true class"  # which is what rows are


def test_confusion_of_any_classifier_and_of_many_classes():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(200, 3)), np.arange(200) % 40
    model = MLPClassifier((5,), max_iter=1, **PLANNED).fit(X, y)
    figure = plot_confusion(model, X[:7], y[:7])  # most classes are not among them
    figure.draw_without_rendering()
    assert not figure.axes[0].texts


def test_mistakes_are_the_most_confident_ones(digits, tmp_path):
    model, X, y = digits
    path = tmp_path / "mistakes.png"
    figure = plot_mistakes(model, X, y, path, class_names=NAMES, count=7)
    assert path.read_bytes().startswith(b"\x89PNG")
    predicted, sure = model.predict(X), model.predict_proba(X).max(axis=1)
    wrong = np.flatnonzero(predicted != y)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:7]
    panels = shown(figure.axes)
    assert len(panels) == 7
    for k, panel in zip(worst, panels, strict=True):
        assert panel.get_title() == (
            f"true: {NAMES[y[k]]}\npredicted: {NAMES[predicted[k]]}\n"
            f"probability {sure[k]:.4f}"
        )
        picture = panel.images[0].get_array()
        np.testing.assert_allclose(picture, X[k, ..., 0] / 16.0, atol=1e-6)
    assert figure.get_suptitle() == f"Worst 7 of {len(wrong)} mistakes in 360 images"


def test_mistakes_in_rows_and_in_none(digits):
    model, X, y = digits
    rows = X.reshape(len(X), -1)
    titles = [p.get_title() for p in shown(plot_mistakes(model, X, y).axes)]
    again = [p.get_title() for p in shown(plot_mistakes(model, rows, y).axes)]
    assert titles == again and titles
    figure = plot_mistakes(model, X, model.predict(X))
    assert not shown(figure.axes) and "0 of 0 mistakes" in figure.get_suptitle()


@pytest.mark.parametrize(("channels", "drawn"), [(1, 2), (2, 2), (3, 3)])
def test_mistakes_of_two_classes_in_colour(channels, drawn):
    model, X = network_of(4, 3, channels)
    wrong = np.where(model.predict(X) == "yes", "no", "yes")
    figure = plot_mistakes(model, X, wrong, count=4)
    figure.draw_without_rendering()
    panels = shown(figure.axes)
    assert len(panels) == 4 and panels[0].images[0].get_array().ndim == drawn
    chances = [float(p.get_title().rpartition(" ")[2]) for p in panels]
    assert chances == sorted(chances, reverse=True) and chances[-1] >= 0.5


@pytest.mark.parametrize("plot", PICTURES)
def test_wrong_input(digits, plot):
    model, X, y = digits
    with pytest.raises(NotFittedError):
        plot(CNNClassifier(), X, y)
    with pytest.raises(ValueError, match=r"y has shape \(3,\), and plot_"):
        plot(model, X, y[:3])
    with pytest.raises(ValueError, match="class 77"):
        plot(model, X, np.full(len(X), 77))
    with pytest.raises(ValueError, match="2 names, and the estimator knows 10 classes"):
        plot(model, X, y, class_names=["a", "b"])
    rows = X.reshape(len(X), -1)
    regressor = MLPRegressor((5,), max_iter=1, **PLANNED).fit(rows, y)
    with pytest.raises(ValueError, match="needs a classifier, and not MLPRegressor"):
        plot(regressor, rows, y)


def test_estimators_without_images_or_convolution(digits):
    _, X, y = digits
    rows = X.reshape(len(X), -1)
    model = MLPClassifier((5,), max_iter=1, **PLANNED).fit(rows, y)
    with pytest.raises(ValueError, match="MLPClassifier has no convolution"):
        plot_filters(model)
    with pytest.raises(ValueError, match="MLPClassifier takes rows of features"):
        plot_mistakes(model, rows, y)
    with pytest.raises(NotFittedError):
        plot_filters(CNNClassifier())
    with pytest.raises(ValueError, match="count=0"):
        plot_mistakes(*digits, count=0)


def test_pictures_need_matplotlib(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for plot, arguments in (
        (plot_filters, digits[:1]),
        *((p, digits) for p in PICTURES),
    ):
        with pytest.raises(
            ImportError, match=rf"{plot.__name__} needs .*hogblock\[plot"
        ):
            plot(*arguments)
