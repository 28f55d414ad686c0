"""Fully connected layers."""

from dataclasses import dataclass, replace
from numbers import Integral

from hogblock.kernels import ops as op
from hogblock.kernels.ops import padded
from hogblock.models.activations import Activation, activation_of
from hogblock.models.initialisers import check_initialiser
from hogblock.models.layers.base import Cost, Parameter
from hogblock.models.layers.pointwise import Activated, can_fuse, emit_derivative


@dataclass(frozen=True)
class Dense(Activated):
    """Fully connected layer: act(x W + b).

    Parameters
    ----------
    units : int
        Outputs, at least 1.
    activation : str or Activation, default="identity"
        A name in ``hogblock.models.activations.ACTIVATIONS``.
    initialiser : {"glorot_uniform", "glorot_normal", "he_uniform", "he_normal"}, \
default="glorot_uniform"
        The rule of the weights; it is scikit-learn's rule by default.

    Raises
    ------
    ValueError
        For a wrong number of units, or an unknown name.
    """

    units: int
    activation: str | Activation = "identity"
    initialiser: str = "glorot_uniform"

    takes_sparse = True

    def __post_init__(self):
        if not isinstance(self.units, Integral) or self.units < 1:
            raise ValueError(f"units={self.units!r} of Dense must be an integer >= 1")
        activation_of(self.activation)
        check_initialiser(self.initialiser)

    def output_shape(self, shape):
        if len(shape) != 1:
            raise ValueError(
                f"Dense takes rows of features, and its input has shape {shape}: put "
                "Flatten() or GlobalAvgPool2D() before it"
            )
        return (self.units,)

    def parameters(self, shape):
        fans = (shape[0], self.units)
        rule, gain = self.initialiser, self.act.gain
        return [
            Parameter("weight", *fans, True, rule, fans, gain, fans),
            # scikit-learn draws biases by the rule of the weights.
            Parameter("bias", 1, self.units, False, rule, fans, gain, (self.units,)),
        ]

    def cost(self, shape):
        work = shape[0] * padded(self.units)
        return Cost(forward=work, input_gradient=work)

    def absorb(self, following):
        if can_fuse(self.activation, following):
            return replace(self, activation=following.act)
        return None

    def forward(self, slot):
        code = op.SPARSE_FORWARD if slot.sparse else op.DENSE_FORWARD
        slot.emit(code, **self.act.columns)

    def backward(self, slot):
        weight, bias = slot.tensors
        emit_derivative(slot, self.act)
        if slot.needs_dx:
            slot.emit(op.DENSE_INPUT_GRADIENT)
        slot.update(op.SPARSE_UPDATE if slot.sparse else op.DENSE_UPDATE, weight)
        slot.update(op.BIAS_UPDATE, bias)
