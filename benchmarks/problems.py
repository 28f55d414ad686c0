"""What the benchmarks train: data, networks, initial weights, accuracy.

A problem knows nothing of the sides that train it. Each has

- ``load(split)``: rows of a split, "train" or "t10k", float32 (n, features), and
  classes, int64 (n,); images are flat, pixel by pixel, channels last;
- ``initial_weights(seed)``: [W, b, ...] of layer after layer, dense W (in, out),
  convolution W (height, width, in, out);
- ``accuracy(weights, x, y)``: the share of samples that the network labels rightly;
- ``nesterov``: whether momentum is Nesterov's.
"""

import gzip
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

DATA = Path("/usr/share/datasets/fashion-mnist")
MEAN, STD = 0.286, 0.353  # of all training pixels
MOMENTUM = 0.9
TEST_CHUNK = 500  # images at once: the windows of a convolution take memory
CLASSES = 10
RANDOM_IMAGES = {"train": 12_800, "t10k": 64}


def load_fashion_mnist(split):
    """Read a split, "train" or "t10k": x float32 (n, 784), y int64 (n,)."""
    pixels = gzip.decompress((DATA / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((DATA / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(pixels, np.uint8, offset=16).astype(np.float32).reshape(-1, 784)
    x /= 255
    x -= MEAN
    x /= STD
    return x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def cosine(lr, epochs, steps):
    """Return the learning rate of every step, float32 (epochs, steps)."""
    t = np.arange(epochs * steps, dtype=np.float32).reshape(epochs, steps)
    return lr * 0.5 * (1 + np.cos(np.pi * t / t.size))


@dataclass(frozen=True)
class Perceptron:
    """Dense layers of these widths, ReLU between them, on Fashion-MNIST."""

    widths: tuple[int, ...]
    nesterov: bool = False

    @property
    def name(self):
        """Name of the network, such as ``"784-256-128-10"``."""
        return "-".join(map(str, self.widths))

    def load(self, split):
        """Read a split of Fashion-MNIST."""
        return load_fashion_mnist(split)

    def initial_weights(self, seed):
        """Draw weights and biases from uniform(-1/sqrt(in), 1/sqrt(in))."""
        rng = np.random.default_rng(seed)
        return [
            rng.uniform(-(i**-0.5), i**-0.5, shape).astype(np.float32)
            for i, o in pairwise(self.widths)
            for shape in ((i, o), (o,))
        ]

    def accuracy(self, weights, x, y):
        """Return the share of samples that the network labels rightly."""
        *hidden, last_w, last_b = weights
        for w, b in zip(hidden[::2], hidden[1::2], strict=True):
            x = np.maximum(x @ w + b, 0)
        return float(np.mean((x @ last_w + last_b).argmax(1) == y))


class Conv(NamedTuple):
    """Convolution, ReLU and maxima of squares of 2 x 2 pixels.

    ReLU may come last: it is the same function, and a quarter of the work.
    """

    channels: int
    kernel: int
    padding: str = "same"
    relu: bool = True


class Dense(NamedTuple):
    """Dense layer, then ReLU unless it is the last; it flattens what it is given."""

    units: int
    relu: bool = True


@dataclass(frozen=True)
class Convnet:
    """Layers in a row on Fashion-MNIST as images of 28 x 28 pixels of one channel."""

    layers: tuple
    shape: tuple[int, int, int] = (28, 28, 1)
    nesterov: bool = True

    def load(self, split):
        """Read a split of Fashion-MNIST."""
        return load_fashion_mnist(split)

    def inputs(self):
        """Pair every layer with the shape (height, width, channels) that it is given.

        The shape before a dense layer may be (features,).
        """
        shape = self.shape
        for layer in self.layers:
            yield layer, shape
            match layer:
                case Conv(channels, kernel, padding):
                    lost = 0 if padding == "same" else kernel - 1
                    shape = (shape[0] - lost) // 2, (shape[1] - lost) // 2, channels
                case Dense(units):
                    shape = (units,)

    def initial_weights(self, seed):
        """Draw by Glorot's uniform rule, as hogblock does: filters have biases 0."""
        rng = np.random.default_rng(seed)
        weights = []
        for layer, given in self.inputs():
            match layer:
                case Conv(channels, kernel):
                    shape = kernel, kernel, given[2], channels
                case Dense(units):
                    shape = prod(given), units
            fan_in, fan_out = (prod(shape) // shape[axis] for axis in (-1, -2))
            bound = (6 / (fan_in + fan_out)) ** 0.5
            w, b = (rng.uniform(-bound, bound, size) for size in (shape, shape[-1]))
            if isinstance(layer, Conv):
                b[:] = 0
            weights += [w.astype(np.float32), b.astype(np.float32)]
        return weights

    def accuracy(self, weights, x, y):
        """Return the share of samples that the network labels rightly."""
        chunks = range(0, len(x), TEST_CHUNK)
        found = [self.outputs(weights, x[i : i + TEST_CHUNK]).argmax(1) for i in chunks]
        return float(np.mean(np.concatenate(found) == y))

    def outputs(self, weights, x):
        """Run the network on flat images."""
        x = x.reshape(-1, *self.shape)
        left = iter(weights)
        for layer in self.layers:
            match layer:
                case Conv(_, _, padding):
                    x = pool(convolve(x, next(left), padding) + next(left))
                case Dense():
                    x = x.reshape(len(x), -1) @ next(left) + next(left)
            if layer.relu:
                x = np.maximum(x, 0)
        return x


def convolve(x, w, padding):
    """Correlate images (n, height, width, in) with w (height, width, in, out)."""
    if padding == "same":
        before = (w.shape[0] - 1) // 2
        x = np.pad(x, ((0, 0), (before, before), (before, before), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[:2], (1, 2))
    return np.tensordot(windows, w, ((4, 5, 3), (0, 1, 2)))


def pool(x):
    """Maxima of squares of 2 x 2 pixels of images (n, height, width, channels)."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))


@dataclass(frozen=True)
class RandomImages:
    """Random images for a network that each side builds: only its speed is measured."""

    shape: tuple[int, int, int] = (32, 32, 3)
    nesterov: bool = True

    def load(self, split):
        """Draw random images and classes."""
        rng = np.random.default_rng(0)
        n = RANDOM_IMAGES[split]
        x = rng.standard_normal((n, prod(self.shape)), np.float32)
        return x, rng.integers(0, CLASSES, n)

    def initial_weights(self, seed):
        """Return None: each side draws its own."""

    def accuracy(self, weights, x, y):
        """Raise ValueError: there is nothing to learn."""
        raise ValueError("random images have no accuracy")


MLP = Perceptron((784, 256, 128, CLASSES))
LAST = Dense(CLASSES, relu=False)
CONVNETS = {
    "conv16-32": Convnet((Conv(16, 3), Conv(32, 3), Dense(128), LAST)),
    "lenet5": Convnet((Conv(6, 5), Conv(16, 5, "valid"), Dense(120), Dense(84), LAST)),
    "resnet8": RandomImages(),
}
