"""What a training run was like: as a dictionary, as text, and in pictures."""

from hogblock.report.averaging import AveragingDisplay
from hogblock.report.convergence import ConvergenceDisplay
from hogblock.report.images import plot_confusion, plot_filters, plot_mistakes
from hogblock.report.loss_curve import LossCurveDisplay
from hogblock.report.staleness import StalenessDisplay
from hogblock.report.training import (
    WIDTH,
    format_report,
    plot_training,
    training_report,
)

__all__ = [
    "WIDTH",
    "AveragingDisplay",
    "ConvergenceDisplay",
    "LossCurveDisplay",
    "StalenessDisplay",
    "format_report",
    "plot_confusion",
    "plot_filters",
    "plot_mistakes",
    "plot_training",
    "training_report",
]
