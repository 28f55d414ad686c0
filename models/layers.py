"""Layers: each knows its shapes, its parameters, its rows of the op table, its cost.

To add a layer, write its class here and its kernels in ``hogblock.kernels``.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

from hogblock.kernels import optable as op
from hogblock.models.activations import ACTIVATIONS, Activation, leaky
from hogblock.models.initialisers import INITIALISERS
from hogblock.models.layout import padded


class Parameter(NamedTuple):
    """Shape and start of one parameter tensor of a layer."""

    name: str
    rows: int
    columns: int
    decays: bool
    initialiser: str
    fans: tuple[int, int]
    gain: float


class Cost(NamedTuple):
    """Multiply-adds per sample."""

    forward: int = 0
    input_gradient: int = 0


class Layer:
    """What every layer answers. Shapes are of one sample."""

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the output; raises ValueError if `shape` does not fit."""
        return shape

    def parameters(self, shape: tuple[int, ...]) -> list[Parameter]:
        """Tensors of the layer in the order of the flat vector."""
        return []

    def cost(self, shape: tuple[int, ...]) -> Cost:
        """Work outside the parameters' own gradients."""
        return Cost()

    def forward(self, place) -> None:
        """Emit the rows of the forward pass; `place` is a ``models.plan.Place``."""
        raise TypeError(f"{type(self).__name__} has no forward pass")

    def backward(self, place) -> None:
        """Emit the rows of the backward pass."""
        raise TypeError(f"{type(self).__name__} has no backward pass")


def _activation(name: str) -> Activation:
    if name not in ACTIVATIONS:
        raise ValueError(
            f"activation={name!r} is unknown; allowed are {sorted(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name]


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer: act(x W + b).

    Parameters
    ----------
    units : int
        Outputs, at least 1.
    activation : {"identity", "logistic", "tanh", "relu", "leaky_relu"} or Activation, \
default="identity"
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
        if isinstance(self.activation, str):
            _activation(self.activation)
        if self.initialiser not in INITIALISERS:
            raise ValueError(
                f"initialiser={self.initialiser!r} is unknown; allowed are "
                f"{sorted(INITIALISERS)}"
            )

    @property
    def act(self) -> Activation:
        if isinstance(self.activation, str):
            return ACTIVATIONS[self.activation]
        return self.activation

    def output_shape(self, shape):
        if len(shape) != 1:
            raise ValueError(f"Dense takes one axis of features, not shape {shape}")
        return (self.units,)

    def parameters(self, shape):
        fans = (shape[0], self.units)
        rule = (self.initialiser, fans, self.act.gain)
        return [
            Parameter("weight", shape[0], self.units, True, *rule),
            # scikit-learn draws biases by the rule of the weights.
            Parameter("bias", 1, self.units, False, *rule),
        ]

    def cost(self, shape):
        work = shape[0] * padded(self.units)
        return Cost(forward=work, input_gradient=work)

    def forward(self, place):
        place.emit(
            op.DENSE_FORWARD,
            w=place.tensors[0].offset,
            b=place.tensors[1].offset,
            kind=self.act.kind,
            slope=self.act.slope,
        )

    def backward(self, place):
        weight, bias = place.tensors
        if (self.act.kind, self.act.slope) != (op.LINEAR, 1.0):
            place.emit(
                op.ACTIVATION_BACKWARD,
                dx=place.dy,
                x_row=place.y.row,
                kind=self.act.kind,
                slope=self.act.slope,
            )
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
            place.emit(op.BIAS_UPDATE, b=bias.offset)


@dataclass(frozen=True)
class _Pointwise(Layer):
    """An activation as a layer of its own."""

    @property
    def act(self) -> Activation:
        return _activation(type(self)._name)

    def forward(self, place):
        place.emit(op.ACTIVATION_FORWARD, kind=self.act.kind, slope=self.act.slope)

    def backward(self, place):
        if place.needs_dx:
            place.emit(op.ACTIVATION_BACKWARD, kind=self.act.kind, slope=self.act.slope)


@dataclass(frozen=True)
class ReLU(_Pointwise):
    """max(0, v); its subgradient at 0 is 0."""

    _name = "relu"


@dataclass(frozen=True)
class LeakyReLU(_Pointwise):
    """v where v > 0, slope * v elsewhere.

    Parameters
    ----------
    slope : float in [0, 1], default=0.01
    """

    slope: float = 0.01

    def __post_init__(self):
        if not 0 <= self.slope <= 1:
            raise ValueError(f"slope={self.slope!r} of LeakyReLU must be in [0, 1]")

    @property
    def act(self):
        return leaky(self.slope)


@dataclass(frozen=True)
class Tanh(_Pointwise):
    """Hyperbolic tangent."""

    _name = "tanh"


@dataclass(frozen=True)
class Sigmoid(_Pointwise):
    """1 / (1 + e**-v)."""

    _name = "logistic"


@dataclass(frozen=True)
class Dropout(Layer):
    """Zero each value with probability `rate` in training, scale the rest up.

    Srivastava et al., "Dropout" (2014), in its inverted form.

    Parameters
    ----------
    rate : float in [0, 1)
    """

    rate: float

    def __post_init__(self):
        if not 0 <= self.rate < 1:
            raise ValueError(f"rate={self.rate!r} of Dropout must be in [0, 1)")

    def forward(self, place):
        mask = place.scratch("mask", place.y.row * place.batch_rows)
        place.emit(op.DROPOUT_FORWARD, scratch=mask, rate=self.rate)

    def backward(self, place):
        if place.needs_dx:
            mask = place.scratch("mask", place.y.row * place.batch_rows)
            place.emit(op.DROPOUT_BACKWARD, scratch=mask)


def fuse_activations(layers: list[Layer]) -> list[Layer]:
    """Fold an activation that follows a linear Dense layer into that layer."""
    fused: list[Layer] = []
    for layer in layers:
        last = fused[-1] if fused else None
        if (
            isinstance(layer, _Pointwise)
            and isinstance(last, Dense)
            and last.activation == "identity"
        ):
            fused[-1] = Dense(last.units, layer.act, last.initialiser)
        else:
            fused.append(layer)
    return fused
