"""A training run as a dictionary, as text, and as a picture."""

import math
import os
import textwrap
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from hogblock.report.figure import new_figure
from hogblock.report.loss_curve import LossCurveDisplay
from hogblock.report.staleness import StalenessDisplay

WIDTH = 56


def training_report(estimator, X_test=None, y_test=None) -> dict[str, Any]:
    """Sum up the training of a fitted estimator.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or another estimator of hogblock
        Fitted.
    X_test : array-like of shape (n_samples, n_features), default=None
    y_test : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        With both the report has a test score.

    Returns
    -------
    dict
        Ready for ``json.dump``; what is not known or not finite is None.

        - estimator, method, score_name : str
        - workers, epochs, samples : int; `samples` counts those seen in all epochs
        - training_seconds, samples_per_second : float
        - loss : float, of the last epoch
        - updates_per_block : list of int
        - mean_staleness, fresh_share : list of float, one per block; mean age of the
          block in the steps that read it (ages over 63 count as 63), and share of
          age 0: `staleness_`, the delay of the paper
        - mean_overlap : list of float, one per block; mean age of the block in the
          steps that wrote it: `overlap_`
        - backpropagated_share : float or None; of the samples seen, those whose
          gradient went below the output layer
        - warnings : list of str; what is amiss: blocks that had few updates
        - validation_score, best_validation_score, test_score : float; mean accuracy of
          a classifier, R^2 of a regressor

    Raises
    ------
    NotFittedError
        If `estimator` is not fitted.
    ValueError
        If only one of `X_test` and `y_test` is given.
    """
    check_is_fitted(estimator)
    if (X_test is None) != (y_test is None):
        missing = "y_test" if y_test is None else "X_test"
        raise ValueError(f"{missing} is missing: pass X_test and y_test together")
    seconds = estimator.training_seconds_
    scores = estimator.validation_scores_ or [None]
    mean, fresh = _ages_of_blocks(estimator.staleness_)
    updates = np.asarray(estimator.updates_per_block_).tolist()
    return {
        "estimator": type(estimator).__name__,
        "method": estimator.method_,
        "workers": int(estimator.n_workers_),
        "epochs": int(estimator.n_iter_),
        "samples": int(estimator.t_),
        "training_seconds": _number(seconds),
        "samples_per_second": _number(estimator.t_ / seconds if seconds else None),
        "loss": _number(estimator.loss_),
        "updates_per_block": updates,
        "mean_staleness": mean,
        "fresh_share": fresh,
        "mean_overlap": _ages_of_blocks(estimator.overlap_)[0],
        "backpropagated_share": _share(estimator.n_backpropagated_, estimator.t_),
        "warnings": _warnings_of(updates),
        "score_name": "accuracy" if is_classifier(estimator) else "R^2",
        "validation_score": _number(scores[-1]),
        "best_validation_score": _number(estimator.best_validation_score_),
        "test_score": _number(
            None if X_test is None else estimator.score(X_test, y_test)
        ),
    }


def _share(count: int | None, of: int) -> float | None:
    return None if count is None or not of else count / of


def _number(value) -> float | None:
    """A float that JSON knows, or None."""
    return float(value) if value is not None and math.isfinite(value) else None


def _warnings_of(updates: list[int]) -> list[str]:
    """Blocks of a slow worker learn less than the others."""
    mean = np.mean(updates)
    least = int(np.argmin(updates))
    if updates[least] >= mean / 2:
        return []
    return [
        f"block {least} had {updates[least]:,} updates, less than half of the mean of "
        f"{mean:,.0f}: its worker was slower than the others (more workers than cores, "
        "or other load), and what it owns has learnt less"
    ]


def _ages_of_blocks(histogram) -> tuple[list, list]:
    """Mean age and share of age 0 of each block, None where no step counts."""
    ages = np.arange(histogram.shape[1])
    mean, fresh = [], []
    for counts in histogram:
        total = counts.sum()
        mean.append(float(counts @ ages / total) if total else None)
        fresh.append(float(counts[0] / total) if total else None)
    return mean, fresh


def format_report(report: dict[str, Any]) -> str:
    """Lay a report out as a table of fixed width.

    Parameters
    ----------
    report : dict
        From `training_report`, perhaps by way of JSON.

    Returns
    -------
    str
        Lines of 56 characters, without a newline at the end. Lines about scores that
        the report does not have are left out. Warnings come last.
    """
    name = report["score_name"]
    workers = report["workers"]
    rows = [
        ("method", report["method"]),
        ("workers", f"{workers:,}"),
        ("epochs", f"{report['epochs']:,}"),
        ("training time", _text(report["training_seconds"], "{:,.3f} s")),
        ("speed", _text(report["samples_per_second"], "{:,.0f} samples/s")),
        ("backpropagated", _text(report["backpropagated_share"], "{:.0%}")),
        ("training loss", _text(report["loss"], "{:.5f}")),
        (f"validation {name}, last", _text(report["validation_score"], "{:.4f}")),
        (f"validation {name}, best", _text(report["best_validation_score"], "{:.4f}")),
        (f"test {name}", _text(report["test_score"], "{:.4f}")),
    ]
    rule = "-" * WIDTH
    lines = [f"{report['estimator']}: end of training", rule]
    lines += [f"{label:<28}{text:>28}" for label, text in rows if text]
    lines += [
        rule,
        f"{'mean age (writes by others since the start of a step)':>56}",
        f"{'block':<6}{'updates':>14}{'when read':>13}{'fresh':>9}{'written':>14}",
    ]
    blocks = zip(
        report["updates_per_block"],
        report["mean_staleness"],
        report["fresh_share"],
        report["mean_overlap"],
        strict=True,
    )
    lines += [
        f"{block:<6}{updates:>14,}{_text(mean, '{:.2f}', '-'):>13}"
        f"{_text(fresh, '{:.1%}', '-'):>9}{_text(overlap, '{:.2f}', '-'):>14}"
        for block, (updates, mean, fresh, overlap) in enumerate(blocks)
    ]
    lines += [rule]
    for warning in report["warnings"]:
        lines += textwrap.wrap(f"warning: {warning}", WIDTH)
    return "\n".join(lines)


def _text(value, pattern: str, missing: str = "") -> str:
    return missing if value is None else pattern.format(value)


def plot_training(estimator, path: str | os.PathLike | None = None):
    """Draw the loss curve and the staleness of a fitted estimator.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or another estimator of hogblock
        Fitted.
    path : str or path-like, default=None
        File to save to; its suffix is the format, such as ``.png``.

    Returns
    -------
    matplotlib.figure.Figure
        Left: training loss per epoch, and validation scores where there are. Right:
        steps by the age of each block that they read (`staleness_`), where the last
        age stands for 63 and more.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    NotFittedError
        If `estimator` is not fitted.
    """
    check_is_fitted(estimator)
    figure = new_figure("plot_training", (11, 4.4))
    scores = estimator.validation_scores_
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.1)
    curve, histogram = figure.subplots(1, 2)
    LossCurveDisplay.from_estimator(estimator, ax=curve)
    curve.set_title("Loss" + (" and validation score" * bool(scores)))
    StalenessDisplay(estimator.staleness_, open_ended=True).plot(histogram)
    workers = estimator.n_workers_
    figure.suptitle(
        f"{type(estimator).__name__}, method {estimator.method_}, "
        f"{workers} worker{'s' if workers > 1 else ''}, "
        f"{estimator.training_seconds_:,.3f} s",
        fontweight="bold",
    )
    if path is not None:
        figure.savefig(path)
    return figure
