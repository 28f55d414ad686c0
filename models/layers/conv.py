"""Convolutions over images."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from numbers import Integral

from hogblock.kernels import ops as op
from hogblock.kernels.ops import padded
from hogblock.models.activations import Activation, activation_of
from hogblock.models.initialisers import check_initialiser
from hogblock.models.layers.base import Cost, Parameter, image_shape, pair_of
from hogblock.models.layers.pointwise import Activated, can_fuse, emit_derivative
from hogblock.models.layers.pooling import MaxPool2D
from hogblock.models.layers.window import Slide, check_padding, slides, window_columns


class _Conv(Activated):
    """What both kinds of convolution share.

    ``_pool`` is the window of a max-pooling that runs with the convolution (set by
    `absorb`): the image before pooling is then never kept.
    """

    reads_raw_images = True

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int]
    padding: str
    bias: bool
    initialiser: str
    _pool: tuple[int, int]

    def __post_init__(self):
        self.kernel, self.strides  # noqa: B018  (both check)
        check_padding(self.padding)
        activation_of(self.activation)
        check_initialiser(self.initialiser)

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width."""
        return pair_of(self.kernel_size, "kernel_size", self)

    @property
    def strides(self) -> tuple[int, int]:
        """Downwards and to the right."""
        return pair_of(self.stride, "stride", self)

    def _slides(self, shape) -> tuple[Slide, Slide]:
        return slides(self, shape, self.kernel, self.strides, self.padding)

    @abstractmethod
    def _channels(self, shape) -> int:
        """Output channels."""

    @abstractmethod
    def _inputs_of_a_unit(self, shape) -> int:
        """Input channels that one output channel sees."""

    def _pixels(self, shape) -> int:
        """Output pixels before pooling."""
        down, across = self._slides(shape)
        height, width = self._pool
        return (down.out // height * height) * (across.out // width * width)

    def output_shape(self, shape):
        down, across = self._slides(shape)
        pooled = down.out // self._pool[0], across.out // self._pool[1]
        return (*pooled, self._channels(shape))

    def parameters(self, shape):
        taps = self.kernel[0] * self.kernel[1]
        inputs, channels = self._inputs_of_a_unit(shape), self._channels(shape)
        rows = taps * inputs
        rule = (self.initialiser, (rows, taps * channels // self._share(shape)))
        weight = Parameter(
            "weight", rows, channels, True, *rule, self.act.gain,
            (*self.kernel, inputs, channels), self._pixels(shape),
        )  # fmt: skip
        if not self.bias:
            return [weight]
        bias = Parameter("bias", 1, channels, False, "zeros", (1, 1), 1.0, (channels,))
        return [weight, bias]

    def _share(self, shape) -> int:
        """Groups of channels that do not see each other."""
        return 1

    def cost(self, shape):
        taps = self.kernel[0] * self.kernel[1]
        inputs, channels = self._inputs_of_a_unit(shape), self._channels(shape)
        forward = self._pixels(shape) * taps * inputs * padded(channels)
        pixels = self._slides(shape)[0].size * self._slides(shape)[1].size
        strides = self.strides[0] * self.strides[1]
        lanes = padded(shape[2])
        backward = pixels * -(-taps // strides) * lanes * channels // self._share(shape)
        return Cost(forward=forward, input_gradient=backward)

    def absorb(self, following):
        if can_fuse(self.activation, following):
            return replace(self, activation=following.act)
        if (
            isinstance(following, MaxPool2D)
            and self.act.rises  # so the largest value is the same before it
            and self._pool == (1, 1)
            and following.window == following.strides != (1, 1)
            and following.padding == "valid"
        ):
            return replace(self, _pool=following.window)
        return None

    def _columns(self, slot):
        geometry = window_columns(
            slot, *self._slides(slot.shape), self._channels(slot.shape), self._pool
        )
        return geometry | {"depthwise": int(self._share(slot.shape) > 1)}

    def forward(self, slot):
        slot.emit(op.CONV_FORWARD, **self._columns(slot), **self.act.columns)

    def backward(self, slot):
        columns = self._columns(slot)
        emit_derivative(slot, self.act)
        if slot.needs_dx:
            slot.emit(op.CONV_INPUT_GRADIENT, **columns)
        weight, *bias = slot.tensors
        slot.update(op.CONV_UPDATE, weight, **columns)
        for tensor in bias:
            slot.update(op.BIAS_UPDATE, tensor)


@dataclass(frozen=True)
class Conv2D(_Conv):
    """Convolution of images (height, width, channels): act(x * W + b).

    Parameters
    ----------
    channels : int
        Of the output, at least 1.
    kernel_size : int or pair of int
        Height and width.
    stride : int or pair of int, default=1
    padding : {"same", "valid"}, default="same"
        "same" pads with zeros so that the output has ceil(size / stride) pixels along
        each axis; "valid" does not pad.
    activation : str or Activation, default="identity"
        A name in ``hogblock.models.activations.ACTIVATIONS``.
    bias : bool, default=True
    initialiser : {"glorot_uniform", "glorot_normal", "he_uniform", "he_normal"}, \
default="glorot_uniform"
        The rule of the weights; biases start at zero.

    Raises
    ------
    ValueError
        For a value that is not allowed.
    """

    channels: int
    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: str = "same"
    activation: str | Activation = "identity"
    bias: bool = True
    initialiser: str = "glorot_uniform"
    _pool: tuple[int, int] = field(default=(1, 1), repr=False)

    def __post_init__(self):
        if not isinstance(self.channels, Integral) or self.channels < 1:
            raise ValueError(
                f"channels={self.channels!r} of Conv2D must be an integer >= 1"
            )
        super().__post_init__()

    def _channels(self, shape):
        return self.channels

    def _inputs_of_a_unit(self, shape):
        return shape[2]


@dataclass(frozen=True)
class DepthwiseConv2D(_Conv):
    """Convolution of each channel with a kernel of its own: act(x * W + b).

    Parameters
    ----------
    kernel_size : int or pair of int
        Height and width.
    stride : int or pair of int, default=1
    padding : {"same", "valid"}, default="same"
    activation : str or Activation, default="identity"
    bias : bool, default=True
    initialiser : str, default="glorot_uniform"
        All as of `Conv2D`.

    Raises
    ------
    ValueError
        For a value that is not allowed.
    """

    reads_raw_images = False

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: str = "same"
    activation: str | Activation = "identity"
    bias: bool = True
    initialiser: str = "glorot_uniform"
    _pool: tuple[int, int] = field(default=(1, 1), repr=False)

    def _channels(self, shape):
        return image_shape(self, shape)[2]

    def _inputs_of_a_unit(self, shape):
        return 1

    def _share(self, shape):
        return shape[2]
