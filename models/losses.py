"""Losses: what a plan, the targets and the predictions need to know of each.

Values and gradients are kernels in ``kernels.cpu.loss`` and ``kernels.cuda.loss``. To
add one, write both, give it a code in ``kernels.ops``, and a class here.
"""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

from hogblock.kernels import ops as op


@dataclass(frozen=True)
class Loss:
    """What all losses share.

    A sample's loss is the sum over the outputs of a classifier, and the mean over those
    of a regressor, whose gradient is that of the sum all the same: scikit-learn's
    convention.
    """

    name: ClassVar[str]
    code: ClassVar[int]
    """In the op table."""
    link: ClassVar[str]
    """What makes predictions of outputs: "identity", "exp", "logistic" or "softmax"."""
    targets: ClassVar[str] = "columns"
    """"classes": int32, an index a sample; "columns": float32, a column an output."""

    @property
    def parameter(self) -> float:
        """Its real parameter, if it has one."""
        return 0.0


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """A loss of classes.

    Attributes
    ----------
    smoothing : float in [0, 1), default=0
        Share of a target that all classes get alike: Szegedy et al., "Rethinking the
        Inception architecture for computer vision" (2016), section 7.
    """

    smoothing: float = 0.0

    @property
    def parameter(self):
        return float(self.smoothing)


class SoftmaxCrossEntropy(CrossEntropy):
    """-log softmax(z)[t], for one of several classes."""

    name = "softmax"
    code = op.SOFTMAX_CROSS_ENTROPY
    link = "softmax"
    targets = "classes"


class LogisticCrossEntropy(CrossEntropy):
    """Cross-entropy of logistic(z), for two classes and for several labels."""

    name = "logistic"
    code = op.LOGISTIC_CROSS_ENTROPY
    link = "logistic"


class RegressionLoss(Loss):
    """A loss of real targets."""

    link = "identity"


class SquaredError(RegressionLoss):
    """(z - t)**2 / 2."""

    name = "squared_error"
    code = op.SQUARED_ERROR


class AbsoluteError(RegressionLoss):
    """abs(z - t); its subgradient at 0 is 0. Outputs tend to medians."""

    name = "absolute_error"
    code = op.ABSOLUTE_ERROR


@dataclass(frozen=True)
class Huber(RegressionLoss):
    """(z - t)**2 / 2 near the target, and delta * (abs(z - t) - delta / 2) beyond.

    Huber, "Robust estimation of a location parameter" (1964).

    Parameters
    ----------
    delta : float in [1e-30, 1e30], default=1.35
        Where it becomes linear, in units of the targets that the network sees. An
        estimator with ``standardize=True`` divides each column of y by its standard
        deviation, or by a fifth of its largest distance from its mean if that is more
        (as with extreme outliers); without, the unit is y's own.
    """

    delta: float = 1.35

    name = "huber"
    code = op.HUBER

    def __post_init__(self):
        if not isinstance(self.delta, Real) or not 1e-30 <= self.delta <= 1e30:
            raise ValueError(
                f"delta={self.delta!r} of Huber must be a number in [1e-30, 1e30]"
            )

    @property
    def parameter(self):
        return float(self.delta)


@dataclass(frozen=True)
class Quantile(RegressionLoss):
    """quantile * r for a residual r = t - z > 0, (quantile - 1) * r elsewhere.

    Outputs tend to that quantile of the targets; the subgradient at 0 is 0. Koenker and
    Bassett, "Regression quantiles" (1978); also known as pinball loss.

    Parameters
    ----------
    quantile : float in (0, 1), default=0.5
        0.5 is half of "absolute_error".
    """

    quantile: float = 0.5

    name = "quantile"
    code = op.QUANTILE

    def __post_init__(self):
        if not isinstance(self.quantile, Real) or not 0 < self.quantile < 1:
            raise ValueError(
                f"quantile={self.quantile!r} of Quantile must be a number in (0, 1)"
            )

    @property
    def parameter(self):
        return float(self.quantile)


class Poisson(RegressionLoss):
    """e**z - t * z, for counts and rates t >= 0; predictions are e**z.

    Up to a term of t alone it is half of scikit-learn's ``mean_poisson_deviance``.
    """

    name = "poisson"
    code = op.POISSON
    link = "exp"


LOSSES: dict[str, Loss] = {
    kind.name: kind()
    for kind in (
        SoftmaxCrossEntropy,
        LogisticCrossEntropy,
        SquaredError,
        AbsoluteError,
        Huber,
        Quantile,
        Poisson,
    )
}

REGRESSION_LOSSES = tuple(
    name for name, loss in LOSSES.items() if isinstance(loss, RegressionLoss)
)


def loss_of(loss: str | Loss) -> Loss:
    """A loss by name, or as it is.

    Raises
    ------
    ValueError
        For an unknown name or code.
    """
    if isinstance(loss, Loss):
        if loss.code not in {known.code for known in LOSSES.values()}:
            raise ValueError(
                f"{loss} has the unknown code {loss.code}; allowed are the losses "
                f"{sorted(LOSSES)}"
            )
        return loss
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss={loss!r} is unknown; allowed are {sorted(LOSSES)}")
    return LOSSES[loss]
