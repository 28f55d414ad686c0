"""Layers that work on each value alone: activations and dropout."""

from dataclasses import dataclass, replace

from hogblock.kernels import optable as op
from hogblock.models.activations import IDENTITY, Activation, activation_of, leaky
from hogblock.models.layers.base import Layer, image_shape


def emit_derivative(place, act: Activation) -> None:
    """Emit the product of DY with a fused activation's derivative, in place."""
    if act[:2] != IDENTITY[:2]:
        place.emit(
            op.ACTIVATION_BACKWARD, dx=place.dy, x_row=place.y.row, **act.columns
        )


@dataclass(frozen=True)
class Pointwise(Layer):
    """An activation as a layer of its own."""

    @property
    def act(self) -> Activation:
        return activation_of(type(self)._name)

    def forward(self, place):
        place.emit(op.ACTIVATION_FORWARD, **self.act.columns)

    def backward(self, place):
        if place.needs_dx:
            of = place.x if self.act.from_input else place.y
            place.emit(op.ACTIVATION_BACKWARD, y=of.offset, **self.act.columns)


def can_fuse(activation: str | Activation, following: Layer) -> bool:
    """Whether a layer that ends with `activation` can run the following one in it."""
    return (
        activation == "identity"
        and isinstance(following, Pointwise)
        and not following.act.from_input
    )


@dataclass(frozen=True)
class Activate(Pointwise):
    """Any activation."""

    activation: str | Activation

    @property
    def act(self):
        return activation_of(self.activation)


def apart(layer: Layer) -> list[Layer]:
    """A layer and its activation, if that has to run as a stage of its own."""
    if not layer.act.from_input:
        return [layer]
    plain = IDENTITY._replace(gain=layer.act.gain)
    return [replace(layer, activation=plain), Activate(layer.activation)]


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

    def forward(self, place):
        mask = place.scratch("mask", place.y.row * place.batch_rows)
        place.emit(op.DROPOUT_FORWARD, scratch=mask, rate=self.rate)

    def backward(self, place):
        if place.needs_dx:
            mask = place.scratch("mask", place.y.row * place.batch_rows)
            place.emit(op.DROPOUT_BACKWARD, scratch=mask)


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

    def forward(self, place):
        place.emit(op.SPATIAL_DROPOUT_FORWARD, **self._columns(place), rate=self.rate)

    def backward(self, place):
        if place.needs_dx:
            place.emit(op.SPATIAL_DROPOUT_BACKWARD, **self._columns(place))

    def _columns(self, place):
        pixel = place.y.pixel
        mask = place.scratch("mask", pixel * place.batch_rows)
        return {"scratch": mask, "scratch_row": pixel, "out_pixel": pixel}
