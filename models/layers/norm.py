"""Normalisation."""

from dataclasses import dataclass, field, replace
from numbers import Integral

from hogblock.kernels import optable as op
from hogblock.models.activations import Activation, activation_of
from hogblock.models.layers.base import Layer, Parameter, image_shape
from hogblock.models.layers.pointwise import can_fuse


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
        channels are instance normalisation.
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

    @property
    def act(self) -> Activation:
        return activation_of(self._activation)

    def absorb(self, following):
        if can_fuse(self._activation, following):
            return replace(self, _activation=following.act)
        return None

    def _columns(self, place):
        pixel = place.y.pixel
        sums = place.scratch("sums", 2 * pixel * place.batch_rows)
        return {
            "w": place.tensors[0].offset,
            "b": place.tensors[1].offset,
            "in_height": place.shape[0],
            "in_width": place.shape[1],
            "out_channels": place.shape[2],
            "out_pixel": pixel,
            "groups": self.groups,
            "scratch": place.scratch("moments", 2 * pixel * place.batch_rows),
            "scratch2": place.scratch("coefficients", 4 * pixel),
            "scratch3": sums,
            "scratch4": sums + pixel * place.batch_rows,
            "epsilon": self.epsilon,
        } | self.act.columns

    def forward(self, place):
        place.emit(op.NORM_FORWARD, **self._columns(place))

    def backward(self, place):
        columns = self._columns(place)
        place.emit(op.NORM_SUMS, **columns)
        if place.needs_dx:
            place.emit(op.NORM_INPUT_GRADIENT, **columns)
        parts = (columns["scratch4"], columns["scratch3"])
        for tensor, sums in zip(place.tensors, parts, strict=True):
            if place.owned_rows(tensor) == (0, 1):
                place.emit(
                    op.BIAS_UPDATE,
                    b=tensor.offset,
                    dy=sums,
                    y_row=place.y.pixel,
                    count=1,
                )
