"""What a classifier of images has learnt: its filters, its confusions, its mistakes."""

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import confusion_matrix
from sklearn.utils.validation import check_is_fitted

from hogblock.report.figure import new_figure

MOST_FILTERS = 64
MOST_NUMBERED_CLASSES = 30
"""With more classes the counts would not fit into their cells."""
DARK = 0.5
"""Share of a row from which on a count is written in white."""
MISTAKES_A_ROW = 5


def plot_filters(estimator, path: str | os.PathLike | None = None):
    """Draw the kernels of the first convolution of a fitted estimator.

    Parameters
    ----------
    estimator : CNNClassifier, NetworkClassifier or another estimator of hogblock
        Fitted, with a convolution.
    path : str or path-like, default=None
        File to save to; its suffix is the format, such as ``.png``.

    Returns
    -------
    matplotlib.figure.Figure
        A grid with one picture a kernel, for at most 64 kernels; the channels that a
        kernel reads stand side by side, a line between them. All share one colour
        scale, in which zero is white and opposite weights are equally strong.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    NotFittedError
        If `estimator` is not fitted.
    ValueError
        If it has no convolution.
    """
    check_is_fitted(estimator)
    kernels = next((w for w in estimator.coefs_ if w.ndim == 4), None)
    if kernels is None:
        raise ValueError(f"this {type(estimator).__name__} has no convolution to draw")
    height, width, channels, count = kernels.shape
    shown = min(count, MOST_FILTERS)
    across = channels * width
    columns = min(shown, math.ceil(math.sqrt(shown * height / across)))
    rows = math.ceil(shown / columns)
    cell = 1.1 * max(1.0, across / height)
    figure = new_figure(
        "plot_filters", (max(4.0, cell * columns + 1.5), 1.25 * rows + 0.8)
    )
    reach = float(np.abs(kernels).max()) or 1.0
    axes = figure.subplots(rows, columns, squeeze=False)
    for k, panel in enumerate(axes.flat):
        panel.set_axis_off()
        if k < shown:
            beside = kernels[..., k].swapaxes(1, 2).reshape(height, across)
            image = panel.imshow(beside, cmap="RdBu_r", vmin=-reach, vmax=reach)
            for edge in range(width, across, width):
                panel.axvline(edge - 0.5, color="black", linewidth=1)
            panel.set_title(str(k), fontsize=8, pad=2)
    figure.colorbar(image, ax=axes, label="weight", shrink=0.8)
    some = f", the first {shown} of {count}" if shown < count else ""
    figure.suptitle(
        f"First convolution: {count} kernels of {height} x {width}{some}",
        fontweight="bold",
    )
    return _saved(figure, path)


def plot_confusion(
    estimator,
    X,
    y,
    path: str | os.PathLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
):
    """Draw how often each class was taken for each other.

    Parameters
    ----------
    estimator : classifier
        Fitted.
    X : array-like of shape (n_samples, ...)
    y : array-like of shape (n_samples,)
        Classes of `X`.
    path : str or path-like, default=None
        File to save to; its suffix is the format, such as ``.png``.
    class_names : sequence of str, default=None
        Names for ``estimator.classes_``, in that order; None takes those themselves.

    Returns
    -------
    matplotlib.figure.Figure
        Counts, with a row for each true and a column for each predicted class. Colours
        show the share of the row.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    NotFittedError
        If `estimator` is not fitted.
    ValueError
        If it is no classifier, `y` does not fit, or names are missing.
    """
    outcome = _outcome("plot_confusion", estimator, X, y, class_names)
    n_classes = len(outcome.names)
    every = range(n_classes)
    counts = confusion_matrix(outcome.true, outcome.predicted, labels=every)
    side = 2.5 + 0.55 * min(n_classes, MOST_NUMBERED_CLASSES)
    figure = new_figure("plot_confusion", (side + 1, side))
    from matplotlib.colors import PowerNorm

    axes = figure.subplots()
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    # A root, since a few per cent of confusion would be as white as none at all.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    if n_classes <= MOST_NUMBERED_CLASSES:
        for (row, column), share in np.ndenumerate(shares):
            color = "white" if share > DARK else "black"
            text = f"{counts[row, column]:,}"
            axes.text(column, row, text, ha="center", va="center", color=color, size=8)
    axes.set_xticks(every, outcome.names, rotation=45, ha="right")
    axes.set_yticks(every, outcome.names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    right = counts.trace()
    axes.set_title(
        f"{right:,} of {counts.sum():,} right ({right / counts.sum():.2%})",
        fontweight="bold",
    )
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return _saved(figure, path)


def plot_mistakes(
    estimator,
    X,
    y,
    path: str | os.PathLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    count: int = 20,
):
    """Draw the images of which a classifier was most sure, and wrong.

    Parameters
    ----------
    estimator : CNNClassifier, NetworkClassifier
        Fitted to images.
    X : array-like of shape (n_samples, height, width[, channels]) or flat rows
    y : array-like of shape (n_samples,)
        Classes of `X`.
    path : str or path-like, default=None
        File to save to; its suffix is the format, such as ``.png``.
    class_names : sequence of str, default=None
        Names for ``estimator.classes_``, in that order; None takes those themselves.
    count : int, default=20
        Images to draw at most.

    Returns
    -------
    matplotlib.figure.Figure
        Images, with their true class, the predicted one and its probability; the
        highest comes first.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    NotFittedError
        If `estimator` is not fitted.
    ValueError
        If it is no classifier of images, `y` does not fit, names are missing or `count`
        is not positive.
    """
    outcome = _outcome("plot_mistakes", estimator, X, y, class_names)
    shape = getattr(estimator, "image_shape_", ())
    if len(shape) != 3:
        raise ValueError(
            f"plot_mistakes needs a classifier of images, and this "
            f"{type(estimator).__name__} takes rows of features"
        )
    if count < 1:
        raise ValueError(f"count={count!r} must be at least 1")
    wrong = np.flatnonzero(outcome.true != outcome.predicted)
    order = np.argsort(-outcome.confidence[wrong], kind="stable")
    worst = wrong[order[:count]]
    rows = max(1, math.ceil(len(worst) / MISTAKES_A_ROW))
    figure = new_figure("plot_mistakes", (1.9 * MISTAKES_A_ROW, 2.35 * rows + 0.6))
    axes = figure.subplots(rows, MISTAKES_A_ROW, squeeze=False)
    for panel in axes.flat:
        panel.set_axis_off()
    pictures = _pictures(np.asarray(X)[worst].reshape(-1, *shape))
    for panel, picture, k in zip(axes.flat, pictures, worst, strict=False):
        panel.imshow(picture, cmap="gray", vmin=0, vmax=1)
        panel.set_title(
            f"true: {outcome.names[outcome.true[k]]}\n"
            f"predicted: {outcome.names[outcome.predicted[k]]}\n"
            f"probability {outcome.confidence[k]:.4f}",
            fontsize=8,
        )
    figure.suptitle(
        f"Worst {len(worst)} of {len(wrong):,} mistakes in {len(y):,} images",
        fontweight="bold",
    )
    return _saved(figure, path)


def _pictures(images: np.ndarray) -> np.ndarray:
    """Images (n, height, width, channels) as matplotlib draws them, from 0 to 1."""
    images = images.astype(np.float64)
    if images.shape[3] != 3:
        images = images.mean(axis=3)
    if not images.size:
        return images
    images -= images.min()
    return images / (images.max() or 1.0)


class _Outcome(NamedTuple):
    """Positions in `names` of the true and the predicted classes; its probability."""

    true: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    names: list[str]


def _outcome(wanted_by: str, estimator, X, y, class_names) -> _Outcome:
    check_is_fitted(estimator)
    if not is_classifier(estimator):
        raise ValueError(
            f"{wanted_by} needs a classifier, and not {type(estimator).__name__}"
        )
    classes, y = estimator.classes_, np.asarray(y)
    if y.shape != (len(X),):
        raise ValueError(
            f"y has shape {y.shape}, and {wanted_by} needs one class for each of the "
            f"{len(X)} samples of X"
        )
    unknown = y[~np.isin(y, classes)]
    if unknown.size:
        raise ValueError(
            f"y holds the class {unknown[0]}, which the estimator does not know"
        )
    names = classes if class_names is None else class_names
    if len(names) != len(classes):
        raise ValueError(
            f"class_names has {len(names)} names, and the estimator knows "
            f"{len(classes)} classes"
        )
    predicted = np.searchsorted(classes, estimator.predict(X))
    probabilities = estimator.predict_proba(X)
    return _Outcome(
        np.searchsorted(classes, y),
        predicted,
        probabilities[np.arange(len(y)), predicted],
        [str(name) for name in names],
    )


def _saved(figure, path):
    if path is not None:
        figure.savefig(path)
    return figure
