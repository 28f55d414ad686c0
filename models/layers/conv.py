"""Convolutions over images."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from numbers import Integral

from hogblock.kernels import optable as op
from hogblock.kernels.cpu.image_tile import ROWS
from hogblock.models.activations import Activation, activation_of
from hogblock.models.initialisers import check_initialiser
from hogblock.models.layers.base import Cost, Layer, Parameter, image_shape, pair_of
from hogblock.models.layers.pointwise import apart, can_fuse, emit_derivative
from hogblock.models.layers.pooling import MaxPool2D
from hogblock.models.layers.window import check_padding, slides, window_columns
from hogblock.models.layout import LINE, padded

INT32 = 1  # float32 words of an int32
SLACK = 64  # float32 that vectors may read behind a packed image
WINOGRAD_SIZE = 4096  # patches x channels that stay in the second-level cache
LEAST_PIXELS = 16  # of an image that is worth transforming


@dataclass(frozen=True)
class _Conv(Layer):
    """What both kinds of convolution share.

    ``_pool`` is the window of a max-pooling that runs with the convolution (set by
    `absorb`): the image before pooling is then never kept.
    """

    reads_raw_images = True

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

    @property
    def act(self) -> Activation:
        return activation_of(self.activation)

    def _slides(self, shape):
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

    def parts(self):
        return apart(self)

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

    def _columns(self, place):
        shape, (down, across) = place.shape, self._slides(place.shape)
        columns = window_columns(
            place, shape, down, across, self._channels(shape), self._pool
        )
        height, width = columns["out_height"], columns["out_width"]
        rows = (height - 1) * down.stride + down.kernel
        line = (width - 1) * across.stride + across.kernel
        tiles = self._winograd_tiles(shape)
        if tiles:
            rows, line = rows + rows % 2, line + line % 2
        depthwise = self._share(shape) > 1
        lanes = place.x.pixel if depthwise else shape[2]
        weight = place.tensors[0]
        entries = max(height * width, weight.rows, tiles) + ROWS
        own = {
            "kind2": int(depthwise),
            "w": weight.offset,
            "packed": place.scratch("packed", rows * line * lanes + SLACK),
            "table": place.scratch("table", 2 * INT32 * entries),
        }
        if tiles:
            own |= self._winograd_columns(place, tiles)
        if self._pool != (1, 1):
            size = (height * width + ROWS) * columns["out_pixel"]
            own["full"] = place.scratch("full", size)
            own |= place.index_columns()
        return columns | own

    def forward(self, place):
        columns = self._columns(place)
        if place.shape[2] == 1:  # see ``conv.takes_pairs``
            pairs = (self.kernel[0] * self.kernel[1] + 1) * LINE
            columns["turned"] = place.scratch("pairs", pairs)
        bias = place.tensors[1].offset if self.bias else -1
        place.emit(op.CONV_FORWARD, **columns, b=bias, **self.act.columns)

    def backward(self, place):
        columns = self._columns(place)
        emit_derivative(place, self.act)
        if place.needs_dx:
            place.emit(
                op.CONV_INPUT_GRADIENT, **columns | self._gradient_columns(place)
            )
        first, end = place.owned_rows(place.tensors[0])
        if first < end:
            columns["turned"] = place.scratch("sums", self._turned_size(place))
            place.emit(op.CONV_UPDATE, **columns, first=first, count=end - first)
        if self.bias and place.owned_rows(place.tensors[1]) == (0, 1):
            pixel = place.y.pixel
            place.emit(
                op.BIAS_UPDATE,
                b=place.tensors[1].offset,
                y_row=pixel,
                count=place.y.row // pixel,
            )

    def _turned_size(self, place) -> int:
        """Of the weights with output channels first, or of one sample of dy."""
        run = padded(self.kernel[1] * place.shape[2])
        down, across = self._slides(place.shape)
        pixels = 0
        if self._winograd_tiles(place.shape):
            pixels = (down.out + 1) * (across.out + 1)
        return self._channels(place.shape) * max(self.kernel[0] * run, pixels)

    def _winograd_tiles(self, shape) -> int:
        """Patches that Winograd's convolution takes at once; 0 if it does not pay."""
        channels = shape[2], self._channels(shape)
        if (
            self._share(shape) > 1
            or self.kernel != (3, 3)
            or self.strides != (1, 1)
            or any(c % LINE for c in channels)
            or self._pixels(shape) < LEAST_PIXELS
        ):
            return 0
        return max(1, WINOGRAD_SIZE // sum(channels) // ROWS) * ROWS

    def _winograd_columns(self, place, tiles):
        n_in, n_out = place.shape[2], self._channels(place.shape)
        size = 16 * (n_in * n_out + tiles * (n_in + n_out))
        return {
            "winograd": place.scratch("winograd", size),
            "winograd_tiles": tiles,
        }

    def _gradient_columns(self, place):
        """Work space of the input gradient, which slides over dy."""
        shape, (down, across) = place.shape, self._slides(place.shape)
        seen = size = wide = 1
        for axis in (down, across):
            wide *= axis.size + 3
            reach = (axis.size - 1 + axis.before) // axis.stride + 1
            size *= (axis.kernel - 1) // axis.stride + max(axis.out, reach)
            seen *= (axis.out - 1) * axis.stride + axis.kernel + 1  # up to a pair
        phases = down.stride * across.stride
        entries = shape[0] * shape[1] + (phases + 1) * ROWS
        entries = max(entries, self._winograd_tiles(shape) + ROWS)
        depthwise = self._share(shape) > 1
        lanes = padded(shape[2]) if depthwise else self._channels(shape)
        turned = place.tensors[0].rows * padded(self._channels(shape))
        if not depthwise:
            taps = self.kernel[0] * self.kernel[1]
            turned = taps * self._channels(shape) * padded(shape[2])
            turned = max(turned, self._turned_size(place))
        size = max(size * lanes, seen * shape[2], wide * lanes)
        return {
            "packed": place.scratch("packed_dy", size + SLACK),
            "table": place.scratch("phases", 2 * INT32 * entries),
            "turned": place.scratch("turned", turned),
        }


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
    stride, padding, activation, bias, initialiser
        As of `Conv2D`.

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
