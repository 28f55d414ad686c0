"""Activations: what a plan, the layers and the initial weights need to know of each.

What they compute, and their derivatives, are formulas in ``kernels.cpu.activation`` and
``kernels.cuda.activation``. To add one, write both, give it a code in
``kernels.ops``, and a row in `ACTIVATIONS`.
"""

from typing import NamedTuple

from hogblock.kernels import ops as op


class Activation(NamedTuple):
    """An activation as a plan names it.

    Attributes
    ----------
    code : int
        In the op table.
    slope : float
        The real parameter of those that have one: a ``LINEAR``'s slope left of zero, a
        factor there of an ``ELU``.
    gain : float
        Of the initial weights. It is scikit-learn's: 2 for logistic, 6 for all others.
    rises : bool, default=True
        Whether it never falls, so that the largest of several values is the same before
        and behind it.
    """

    code: int
    slope: float = 0.0
    gain: float = 6.0
    rises: bool = True

    @property
    def from_input(self) -> bool:
        """Whether the derivative is a function of the input, not of the output.

        The input is then kept, and the activation runs as a stage of its own.
        """
        return self.code >= op.FROM_INPUT

    @property
    def columns(self) -> dict[str, float]:
        """Columns of the op table that say which it is."""
        return {"kind": self.code, "slope": self.slope}


def leaky(slope: float) -> Activation:
    """v > 0 ? v : slope * v."""
    return Activation(op.LINEAR, slope)


def exponential(alpha: float) -> Activation:
    """v > 0 ? v : alpha * (e**v - 1)."""
    return Activation(op.ELU, alpha)


IDENTITY = leaky(1.0)

ACTIVATIONS = {
    "identity": IDENTITY,
    "logistic": Activation(op.LOGISTIC, gain=2.0),
    "tanh": Activation(op.TANH),
    "relu": leaky(0.0),
    "leaky_relu": leaky(0.01),
    "gelu": Activation(op.GELU, rises=False),
    "silu": Activation(op.SILU, rises=False),
    "elu": exponential(1.0),
    "softplus": Activation(op.SOFTPLUS),
}

NAMES = "{" + ", ".join(f'"{name}"' for name in ACTIVATIONS) + "}"
"""Names of the activations, for docstrings."""


def codes() -> set[int]:
    """Codes of the activations that there are."""
    return {act.code for act in ACTIVATIONS.values()}


def check_runs(code: int, inside: bool) -> None:
    """Check that there are kernels for an activation.

    Parameters
    ----------
    code : int
    inside : bool
        Inside another operation, which has its derivative to go by the output.

    Raises
    ------
    ValueError
        If there are none.
    """
    if code not in codes():
        raise ValueError(
            f"the activation of code {code} is unknown; known are {sorted(codes())}"
        )
    if inside and code >= op.FROM_INPUT:
        raise ValueError(
            f"the activation of code {code} cannot run inside another operation: its "
            "derivative needs its input"
        )


def activation_of(activation: str | Activation) -> Activation:
    """An activation by name, or as it is.

    Raises
    ------
    ValueError
        For an unknown name or code, or if a slope falls: derivatives are taken from
        outputs, and max-pooling runs before the activation.
    """
    if isinstance(activation, Activation):
        if activation.code not in codes():
            raise ValueError(
                f"{activation} has an unknown code; allowed are {sorted(codes())}"
            )
        if not activation.slope >= 0:
            raise ValueError(f"the slope of {activation} must be >= 0")
        return activation
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(
            f"activation={activation!r} is unknown; allowed are {sorted(ACTIVATIONS)}"
        )
    return ACTIVATIONS[activation]
