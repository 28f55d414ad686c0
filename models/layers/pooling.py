"""Pooling of images."""

from dataclasses import dataclass, field, replace

from hogblock.kernels import ops as op
from hogblock.models.activations import Activation, activation_of
from hogblock.models.layers.base import Layer, image_shape, pair_of
from hogblock.models.layers.pointwise import can_fuse, emit_derivative
from hogblock.models.layers.window import (
    Slide,
    check_padding,
    slides,
    window_columns,
)

LARGEST_WINDOW = 2**16


@dataclass(frozen=True)
class _Pool(Layer):
    pool_size: int | tuple[int, int] = 2
    stride: int | tuple[int, int] | None = None
    padding: str = "valid"

    def __post_init__(self):
        self.window, self.strides  # noqa: B018  (both check)
        check_padding(self.padding)

    @property
    def window(self) -> tuple[int, int]:
        """Height and width."""
        return pair_of(self.pool_size, "pool_size", self)

    @property
    def strides(self) -> tuple[int, int]:
        """Downwards and to the right."""
        stride = self.pool_size if self.stride is None else self.stride
        return pair_of(stride, "stride", self)

    def _slides(self, shape) -> tuple[Slide, Slide]:
        return slides(self, shape, self.window, self.strides, self.padding)

    def output_shape(self, shape):
        down, across = self._slides(shape)
        return (down.out, across.out, shape[2])

    def _columns(self, slot):
        shape = slot.shape
        return window_columns(slot, *self._slides(shape), shape[2])


@dataclass(frozen=True)
class MaxPool2D(_Pool):
    """Largest value of each window; its first maximum takes the subgradient.

    Parameters
    ----------
    pool_size : int or pair of int, default=2
        Height and width.
    stride : int or pair of int, default=None
        None is `pool_size`: windows side by side.
    padding : {"valid", "same"}, default="valid"
        "same" adds windows that are cut off at the edge.

    Raises
    ------
    ValueError
        For a value that is not allowed.
    """

    _activation: str | Activation = field(default="identity", repr=False)

    def __post_init__(self):
        super().__post_init__()
        if self.window[0] * self.window[1] > LARGEST_WINDOW:
            raise ValueError(
                f"pool_size={self.pool_size!r} of MaxPool2D has more than "
                f"{LARGEST_WINDOW} pixels"
            )

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
            op.MAX_POOL_FORWARD,
            **self._columns(slot),
            **self.act.columns,
        )

    def backward(self, slot):
        if slot.needs_dx:
            emit_derivative(slot, self.act)
            slot.emit(op.MAX_POOL_BACKWARD, **self._columns(slot))


@dataclass(frozen=True)
class AvgPool2D(_Pool):
    """Mean of each window.

    Parameters
    ----------
    pool_size : int or pair of int, default=2
        Height and width.
    stride : int or pair of int, default=None
        None is `pool_size`: windows side by side.
    padding : {"valid", "same"}, default="valid"
        "same" adds windows that are cut off at the edge; they count the pixels that
        exist.

    Raises
    ------
    ValueError
        For a value that is not allowed.
    """

    def forward(self, slot):
        slot.emit(op.AVG_POOL_FORWARD, **self._columns(slot))

    def backward(self, slot):
        if slot.needs_dx:
            slot.emit(op.AVG_POOL_BACKWARD, **self._columns(slot))


@dataclass(frozen=True)
class GlobalAvgPool2D(Layer):
    """Mean of each channel over the whole image: features of shape (channels,)."""

    def output_shape(self, shape):
        return (image_shape(self, shape)[2],)

    def _columns(self, slot):
        height, width, channels = slot.shape
        down, across = (Slide(n, n, n, 0, 1) for n in (height, width))
        return window_columns(slot, down, across, channels)

    def forward(self, slot):
        slot.emit(op.AVG_POOL_FORWARD, **self._columns(slot))

    def backward(self, slot):
        if slot.needs_dx:
            slot.emit(op.AVG_POOL_BACKWARD, **self._columns(slot))
