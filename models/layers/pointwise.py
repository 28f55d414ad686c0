"""Layers that work on each value alone: activations and dropout."""

from dataclasses import dataclass, replace
from typing import ClassVar

from hogblock.kernels import ops as op
from hogblock.models.activations import (
    IDENTITY,
    Activation,
    activation_of,
    exponential,
    leaky,
)
from hogblock.models.layers.base import Layer, image_shape


def emit_derivative(slot, act: Activation) -> None:
    """Emit the product of DY with a fused activation's derivative, in place."""
    if act[:2] != IDENTITY[:2]:
        slot.emit(op.ACTIVATION_BACKWARD, dx=slot.dy, x_row=slot.y.row, **act.columns)


@dataclass(frozen=True)
class Pointwise(Layer):
    """An activation as a layer of its own."""

    _name: ClassVar[str]

    @property
    def act(self) -> Activation:
        """What the layer ends with."""
        return activation_of(self._name)

    def forward(self, slot):
        slot.emit(op.ACTIVATION_FORWARD, **self.act.columns)

    def backward(self, slot):
        if slot.needs_dx:
            of = slot.x if self.act.from_input else slot.y
            slot.emit(op.ACTIVATION_BACKWARD, y=of.offset, **self.act.columns)


@dataclass(frozen=True)
class Activate(Pointwise):
    """Any activation."""

    activation: str | Activation

    @property
    def act(self):
        return activation_of(self.activation)


class Activated(Layer):
    """A layer that ends with an activation."""

    activation: str | Activation

    @property
    def act(self) -> Activation:
        """What the layer ends with."""
        return activation_of(self.activation)

    def parts(self) -> list[Layer]:
        """The layer and its activation, if that has to run as a stage of its own.

        Returns
        -------
        list of Layer
        """
        if not self.act.from_input:
            return [self]
        plain = IDENTITY._replace(gain=self.act.gain)
        return [replace(self, activation=plain), Activate(self.activation)]


def can_fuse(activation: str | Activation, following: Layer) -> bool:
    """Whether a layer that ends with `activation` can run the following one in it."""
    return (
        activation == "identity"
        and isinstance(following, Pointwise)
        and not following.act.from_input
    )


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
class GELU(Pointwise):
    """v * P(Z < v) for a standard normal Z, by its tanh form.

    Hendrycks and Gimpel, "Gaussian error linear units" (2016):
    v / 2 * (1 + tanh(sqrt(2 / pi) * (v + 0.044715 * v**3))).
    """

    _name = "gelu"


@dataclass(frozen=True)
class SiLU(Pointwise):
    """v / (1 + e**-v), also known as swish.

    Elfwing et al., "Sigmoid-weighted linear units" (2017).
    """

    _name = "silu"


@dataclass(frozen=True)
class ELU(Pointwise):
    """v where v > 0, alpha * (e**v - 1) elsewhere; its subgradient at 0 is alpha.

    Clevert et al., "Fast and accurate deep network learning by exponential linear
    units" (2016).

    Parameters
    ----------
    alpha : float in [0, 100], default=1.0
    """

    alpha: float = 1.0

    def __post_init__(self):
        if not 0 <= self.alpha <= 100:
            raise ValueError(f"alpha={self.alpha!r} of ELU must be in [0, 100]")

    @property
    def act(self):
        return exponential(self.alpha)


@dataclass(frozen=True)
class Softplus(Pointwise):
    """log(1 + e**v), a smooth form of `ReLU`.

    Dugas et al., "Incorporating second-order functional knowledge for better option
    pricing" (2001).
    """

    _name = "softplus"


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
