"""Normalisation."""

from dataclasses import dataclass
from numbers import Integral

from hogblock.kernels import optable as op
from hogblock.models.layers.base import Layer, Parameter, image_shape


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Zero mean and unit variance in groups of channels, then scale and shift.

    Wu and He, "Group Normalization" (2018). Statistics are of one sample over all its
    pixels, in training and in prediction alike: no running statistics, which racing
    workers would have to share.

    Parameters
    ----------
    groups : int, default=8
        Must divide the number of channels. 1 is layer normalisation, as many as
        channels instance normalisation.
    epsilon : float, default=1e-5
        Added to the variance.

    Raises
    ------
    ValueError
        For a value that is not allowed.
    """

    groups: int = 8
    epsilon: float = 1e-5

    def __post_init__(self):
        if not isinstance(self.groups, Integral) or self.groups < 1:
            raise ValueError(
                f"groups={self.groups!r} of GroupNorm must be an integer >= 1"
            )
        if not self.epsilon > 0:
            raise ValueError(f"epsilon={self.epsilon!r} of GroupNorm must be > 0")

    def output_shape(self, shape):
        channels = image_shape(self, shape)[2]
        if channels % self.groups:
            raise ValueError(
                f"groups={self.groups} does not divide the {channels} channels of its "
                f"input, which has shape {shape}"
            )
        return shape

    def parameters(self, shape):
        channels = shape[2]
        return [
            Parameter(name, 1, channels, False, first, (1, 1), 1.0, (channels,))
            for name, first in (("scale", "ones"), ("bias", "zeros"))
        ]

    def _columns(self, place):
        pixel = place.y.pixel
        return {
            "w": place.tensors[0].offset,
            "b": place.tensors[1].offset,
            "in_height": place.shape[0],
            "in_width": place.shape[1],
            "out_channels": place.shape[2],
            "out_pixel": pixel,
            "groups": self.groups,
            "scratch": place.scratch("moments", 2 * pixel * place.batch_rows),
            "scratch2": place.scratch("sums", 2 * pixel),
            "epsilon": self.epsilon,
        }

    def forward(self, place):
        place.emit(op.NORM_FORWARD, **self._columns(place))

    def backward(self, place):
        if place.needs_dx:
            place.emit(op.NORM_INPUT_GRADIENT, **self._columns(place))
        scale, bias = place.tensors
        if place.owned_rows(scale) == (0, 1):
            place.emit(op.NORM_UPDATE, **self._columns(place))
        if place.owned_rows(bias) == (0, 1):
            pixel = place.y.pixel
            place.emit(
                op.BIAS_UPDATE,
                b=bias.offset,
                y_row=pixel,
                count=place.y.row // pixel,
            )
