"""Layers that work on each value alone: activations and dropout."""

from dataclasses import dataclass

from hogblock.kernels import ops as op
from hogblock.models.activations import ACTIVATIONS, Activation, leaky
from hogblock.models.layers.base import Layer, image_shape


def activation_of(activation: str | Activation) -> Activation:
    """An activation by name; raises ValueError for an unknown one.

    Derivatives are taken from outputs, and max-pooling runs before the activation: none
    may fall.
    """
    if isinstance(activation, Activation):
        if not activation.slope >= 0:
            raise ValueError(f"the slope of {activation} must be >= 0")
        return activation
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(
            f"activation={activation!r} is unknown; allowed are {sorted(ACTIVATIONS)}"
        )
    return ACTIVATIONS[activation]


def emit_derivative(slot, act: Activation) -> None:
    """Emit the product of DY with an activation's derivative, in slot."""
    if (act.kind, act.slope) != (op.LINEAR, 1.0):
        slot.emit(
            op.ACTIVATION_BACKWARD,
            dx=slot.dy,
            x_row=slot.y.row,
            kind=act.kind,
            slope=act.slope,
        )


@dataclass(frozen=True)
class Pointwise(Layer):
    """An activation as a layer of its own."""

    @property
    def act(self) -> Activation:
        return activation_of(type(self)._name)

    def forward(self, slot):
        slot.emit(op.ACTIVATION_FORWARD, kind=self.act.kind, slope=self.act.slope)

    def backward(self, slot):
        if slot.needs_dx:
            slot.emit(op.ACTIVATION_BACKWARD, kind=self.act.kind, slope=self.act.slope)


@dataclass(frozen=True)
class ReLU(Pointwise):
    """max(0, v); its subgradient at 0 is 0."""

    _name = "relu"


@dataclass(frozen=True)
class LeakyReLU(Pointwise):
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
class Tanh(Pointwise):
    """Hyperbolic tangent."""

    _name = "tanh"


@dataclass(frozen=True)
class Sigmoid(Pointwise):
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
            name = type(self).__name__
            raise ValueError(f"rate={self.rate!r} of {name} must be in [0, 1)")

    def forward(self, slot):
        slot.emit(op.DROPOUT_FORWARD, **self._mask(slot), rate=self.rate)

    def backward(self, slot):
        if slot.needs_dx:
            slot.emit(op.DROPOUT_BACKWARD, **self._mask(slot))

    def _mask(self, slot):
        row = slot.y.row
        return {"mask": slot.reserve("mask", row * slot.batch_rows), "mask_row": row}


@dataclass(frozen=True)
class SpatialDropout2D(Dropout):
    """Zero whole channels of an image with probability `rate` in training.

    Tompson et al., "Efficient object localization using convolutional networks" (2015).

    Parameters
    ----------
    rate : float in [0, 1)
    """

    def output_shape(self, shape):
        return image_shape(self, shape)

    def forward(self, slot):
        slot.emit(op.SPATIAL_DROPOUT_FORWARD, **self._mask(slot), rate=self.rate)

    def backward(self, slot):
        if slot.needs_dx:
            slot.emit(op.SPATIAL_DROPOUT_BACKWARD, **self._mask(slot))

    def _mask(self, slot):
        pixel = slot.y.pixel
        mask = slot.reserve("mask", pixel * slot.batch_rows)
        return {"mask": mask, "mask_row": pixel, "out_pixel": pixel}
