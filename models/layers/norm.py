"""Normalisation."""

from dataclasses import dataclass, field, replace
from numbers import Integral

from hogblock.kernels import ops as op
from hogblock.models.activations import Activation, activation_of
from hogblock.models.layers.base import Layer, Parameter, image_shape
from hogblock.models.layers.pointwise import can_fuse


class Norm(Layer):
    """Zero mean and unit variance in groups of channels, then scale and shift.

    Statistics are of one sample over all its pixels, in training and in prediction
    alike: no running statistics, which racing workers would have to share.
    """

    groups: int
    epsilon: float
    _activation: str | Activation

    def __post_init__(self):
        if not self.epsilon > 0:
            raise ValueError(
                f"epsilon={self.epsilon!r} of {type(self).__name__} must be > 0"
            )

    def parameters(self, shape):
        channels = shape[-1]
        return [
            Parameter(name, 1, channels, False, first, (1, 1), 1.0, (channels,))
            for name, first in (("scale", "ones"), ("bias", "zeros"))
        ]

    @property
    def act(self) -> Activation:
        """What the layer ends with."""
        return activation_of(self._activation)

    def absorb(self, following):
        if can_fuse(self._activation, following):
            return replace(self, _activation=following.act)
        return None

    def _columns(self, slot):
        size = slot.y.pixel * slot.batch_rows
        height, width, channels = (1, 1, *slot.shape)[-3:]  # rows are a pixel each
        return {
            "in_height": height,
            "in_width": width,
            "out_channels": channels,
            "out_pixel": slot.y.pixel,
            "groups": self.groups,
            "moments": slot.reserve("moments", 2 * size),
            **self.act.columns,
        }

    def forward(self, slot):
        slot.emit(op.NORM_FORWARD, **self._columns(slot), epsilon=self.epsilon)

    def backward(self, slot):
        size = slot.y.pixel * slot.batch_rows
        sums, normed = slot.reserve("sums", size), slot.reserve("normed_sums", size)
        columns = self._columns(slot) | {"sums": sums, "normed_sums": normed}
        slot.emit(op.NORM_SUMS, **columns)
        if slot.needs_dx:
            slot.emit(op.NORM_INPUT_GRADIENT, **columns)
        scale, bias = slot.tensors
        slot.update(op.BIAS_UPDATE, scale, dy=normed, y_row=slot.y.pixel)
        slot.update(op.BIAS_UPDATE, bias, dy=sums, y_row=slot.y.pixel)


@dataclass(frozen=True)
class GroupNorm(Norm):
    """Zero mean and unit variance in groups of channels, then scale and shift.

    Wu and He, "Group Normalization" (2018). Statistics are of one sample over all its
    pixels, in training and in prediction alike: no running statistics, which racing
    workers would have to share.

    Parameters
    ----------
    groups : int, default=8
        Must divide the number of channels. 1 is `LayerNorm`, as many as channels are
        instance normalisation.
    epsilon : float, default=1e-5
        Added to the variance.

    Raises
    ------
    ValueError
        For a value that is not allowed.
    """

    groups: int = 8
    epsilon: float = 1e-5
    _activation: str | Activation = field(default="identity", repr=False)

    def __post_init__(self):
        if not isinstance(self.groups, Integral) or self.groups < 1:
            raise ValueError(
                f"groups={self.groups!r} of GroupNorm must be an integer >= 1"
            )
        super().__post_init__()

    def output_shape(self, shape):
        channels = image_shape(self, shape)[2]
        if channels % self.groups:
            raise ValueError(
                f"groups={self.groups} does not divide the {channels} channels of its "
                f"input, which has shape {shape}"
            )
        return shape


@dataclass(frozen=True)
class LayerNorm(Norm):
    """Zero mean and unit variance of each sample, then scale and shift.

    Ba, Kiros and Hinton, "Layer Normalization" (2016). Of rows over all features, each
    with a scale and a shift of its own; of images over all values, with a scale and a
    shift a channel.

    Parameters
    ----------
    epsilon : float, default=1e-5
        Added to the variance.

    Raises
    ------
    ValueError
        For a value that is not allowed.
    """

    epsilon: float = 1e-5
    _activation: str | Activation = field(default="identity", repr=False)

    groups = 1
    image_kernels = True
