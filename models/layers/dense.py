"""Fully connected layers."""

from dataclasses import dataclass, replace
from numbers import Integral

from hogblock.kernels import optable as op
from hogblock.models.activations import Activation, activation_of
from hogblock.models.initialisers import check_initialiser
from hogblock.models.layers.base import Cost, Layer, Parameter
from hogblock.models.layers.pointwise import apart, can_fuse, emit_derivative
from hogblock.models.layout import padded


@dataclass(frozen=True)
class Dense(Layer):
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

    def __post_init__(self):
        if not isinstance(self.units, Integral) or self.units < 1:
            raise ValueError(f"units={self.units!r} of Dense must be an integer >= 1")
        activation_of(self.activation)
        check_initialiser(self.initialiser)

    @property
    def act(self) -> Activation:
        return activation_of(self.activation)

    def output_shape(self, shape):
        if len(shape) != 1:
            raise ValueError(
                f"Dense takes rows of features, and its input has shape {shape}: put "
                "Flatten() or GlobalAvgPool2D() before it"
            )
        return (self.units,)

    def parameters(self, shape):
        fans = (shape[0], self.units)
        rule = (self.initialiser, fans, self.act.gain)
        return [
            Parameter("weight", *fans, True, *rule, fans),
            # scikit-learn draws biases by the rule of the weights.
            Parameter("bias", 1, self.units, False, *rule, (self.units,)),
        ]

    def cost(self, shape):
        work = shape[0] * padded(self.units)
        return Cost(forward=work, input_gradient=work)

    def parts(self):
        return apart(self)

    def absorb(self, following):
        if can_fuse(self.activation, following):
            return replace(self, activation=following.act)
        return None

    def forward(self, place):
        place.emit(
            op.DENSE_FORWARD,
            w=place.tensors[0].offset,
            b=place.tensors[1].offset,
            **self.act.columns,
        )

    def backward(self, place):
        weight, bias = place.tensors
        emit_derivative(place, self.act)
        if place.needs_dx:
            place.emit(
                op.DENSE_INPUT_GRADIENT,
                w=weight.offset,
                scratch=place.scratch("dy_t", place.y.row * place.batch_rows),
                scratch2=place.scratch("dx_t", place.x.row * place.batch_rows),
                scratch_row=place.batch_rows,
            )
        first, end = place.owned_rows(weight)
        if first < end:
            place.emit(op.DENSE_UPDATE, w=weight.offset, first=first, count=end - first)
        if place.owned_rows(bias) == (0, 1):
            place.emit(op.BIAS_UPDATE, b=bias.offset, count=1)
