"""Layers that change the shape of the network: flattening, and branches that join."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from numbers import Integral

from hogblock.kernels import ops as op
from hogblock.models.activations import Activation, activation_of
from hogblock.models.layers.base import Layer
from hogblock.models.layers.pointwise import can_fuse, emit_derivative


@dataclass(frozen=True)
class Flatten(Layer):
    """Images (height, width, channels) as rows of that many features."""

    reads_raw_images = True

    def output_shape(self, shape):
        return (prod(shape),)

    def is_view(self, shape, pixel):
        return len(shape) == 1 or shape[2] == pixel

    def forward(self, slot):
        slot.emit(op.COPY_CHANNELS, **self._columns(slot))

    def backward(self, slot):
        if slot.needs_dx:
            turned = self._columns(slot)
            turned["in_pixel"], turned["out_pixel"] = (
                turned["out_pixel"],
                turned["in_pixel"],
            )
            slot.emit(
                op.COPY_CHANNELS,
                **turned | {
                    "x": slot.dy, "x_row": slot.y.row,
                    "y": slot.dx, "y_row": slot.x.row,
                },
            )  # fmt: skip

    def _columns(self, slot):
        height, width, channels = slot.shape
        return {
            "in_height": height,
            "in_width": width,
            "in_channels": channels,
            "in_pixel": slot.x.pixel,
            "out_pixel": channels,
        }


@dataclass(frozen=True)
class Add(Layer):
    """Sum of the output of the layer before and that of an earlier layer.

    Parameters
    ----------
    source : int
        Position of the earlier layer in the same list of layers; -1 is the input of the
        list. See `Residual` for whole branches.
    """

    source: int
    _activation: str | Activation = field(default="identity", repr=False)

    def __post_init__(self):
        if not isinstance(self.source, Integral) or self.source < -1:
            raise ValueError(
                f"source={self.source!r} of Add must be the position of a layer, or -1"
            )

    def joined_shape(self, shapes):
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"cannot add branches of different shapes: {shapes[0]} and {shapes[1]}"
            )
        return shapes[0]

    @property
    def act(self) -> Activation:
        """What the layer ends with."""
        return activation_of(self._activation)

    def absorb(self, following):
        if can_fuse(self._activation, following):
            return replace(self, _activation=following.act)
        return None

    def forward(self, slot):
        slot.emit(
            op.ADD_FORWARD,
            x2=slot.x2.offset,
            **self.act.columns,
        )

    def backward(self, slot):
        emit_derivative(slot, self.act)
        if slot.needs_dx2:
            slot.emit(op.ADD_BACKWARD, dx=slot.dx2, adds=int(slot.adds_dx2))
        if slot.needs_dx and slot.dx != slot.dy:
            slot.emit(op.ADD_BACKWARD, adds=0)


@dataclass(frozen=True)
class Residual(Layer):
    """body(x) + x, or body(x) + shortcut(x).

    He et al., "Deep residual learning for image recognition" (2015).

    Parameters
    ----------
    layers : sequence of Layer
        The body.
    shortcut : sequence of Layer, default=()
        Empty is the identity.

    Raises
    ------
    ValueError
        If the body is empty.
    """

    layers: Sequence[Layer]
    shortcut: Sequence[Layer] = ()

    def __post_init__(self):
        for name in ("layers", "shortcut"):
            given = getattr(self, name)
            if not isinstance(given, Sequence):
                raise ValueError(
                    f"{name}={given!r} of Residual must be a sequence of layers"
                )
            object.__setattr__(self, name, tuple(given))
        if not self.layers:
            raise ValueError("layers of Residual is empty; it needs at least one layer")
