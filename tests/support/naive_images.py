"""Plain NumPy float64 twins of the operations on images.

Images are [batch, height, width, channels], kernels [height, width, inputs, outputs];
a depthwise kernel is [height, width, 1, channels]. ``strides`` and sizes of windows are
pairs, downwards and to the right.
"""

from itertools import product

import numpy as np

# Windows that slide over images -------------------------------------------------------


def outputs_along(size, kernel, stride, padding):
    """Padding before one axis, and the outputs along it.

    "same": ceil(size / stride) outputs, what is missing goes to the end first; "valid":
    as many whole kernels as fit.
    """
    if padding == "valid":
        return 0, (size - kernel) // stride + 1
    out = -(-size // stride)
    return max(0, (out - 1) * stride + kernel - size) // 2, out


class Window:
    """Where a kernel stops on images of one size."""

    def __init__(self, shape, kernel, strides, padding):
        (self.top, rows), (self.left, columns) = (
            outputs_along(n, k, s, padding)
            for n, k, s in zip(shape[1:3], kernel, strides, strict=True)
        )
        self.shape, self.kernel, self.strides = shape, kernel, strides
        self.out = rows, columns

    def padded(self, x, border=0.0):
        """Copy of x with so much around it that every kernel lies inside."""
        batch, height, width, channels = self.shape
        room = [
            max(before + n, (out - 1) * s + k)
            for before, n, out, s, k in zip(
                (self.top, self.left), (height, width), self.out, self.strides,
                self.kernel, strict=True,
            )
        ]  # fmt: skip
        wide = np.full((batch, *room, channels), border)
        self.inside(wide)[:] = x
        return wide

    def inside(self, wide):
        """The image in the middle of a padded one."""
        bottom, right = self.top + self.shape[1], self.left + self.shape[2]
        return wide[:, self.top : bottom, self.left : right]

    def taps(self, wide):
        """For each position (u, v) in the kernel what all outputs see there."""
        (rows, columns), (down, across) = self.out, self.strides
        for u, v in product(*map(range, self.kernel)):
            yield wide[:, u : u + down * rows : down, v : v + across * columns : across]


# Convolution --------------------------------------------------------------------------


def conv_forward(x, w, strides, padding):
    """x * w."""
    window = Window(x.shape, w.shape[:2], strides, padding)
    kernels = w.reshape(-1, *w.shape[2:])
    taps = window.taps(window.padded(x))
    return sum(seen @ k for seen, k in zip(taps, kernels, strict=True))


def conv_weight_gradient(x, dy, kernel, strides, padding):
    """Gradient of w."""
    window = Window(x.shape, kernel, strides, padding)
    taps = window.taps(window.padded(x))
    products = [np.einsum("nrqi,nrqo->io", seen, dy) for seen in taps]
    return np.reshape(products, (*kernel, x.shape[3], dy.shape[3]))


def conv_input_gradient(shape, dy, w, strides, padding):
    """Gradient of x, which has this shape."""
    window = Window(shape, w.shape[:2], strides, padding)
    wide = window.padded(np.zeros(shape))
    kernels = w.reshape(-1, *w.shape[2:])
    for seen, k in zip(window.taps(wide), kernels, strict=True):
        seen += dy @ k.T
    return window.inside(wide)


def spread_depthwise(w):
    """The full kernel that does what a depthwise one does."""
    return w * np.eye(w.shape[3])


# Pooling ------------------------------------------------------------------------------


def max_pool_forward(x, size, strides, padding):
    """Largest of each window, and its position: of equal ones the first, row by row."""
    window = Window(x.shape, size, strides, padding)
    seen = np.stack(list(window.taps(window.padded(x, -np.inf))))
    where = seen.argmax(axis=0)
    return np.take_along_axis(seen, where[None], axis=0)[0], where


def max_pool_backward(shape, dy, where, size, strides, padding):
    """The position of the largest takes the whole subgradient."""
    window = Window(shape, size, strides, padding)
    wide = window.padded(np.zeros(shape))
    for k, seen in enumerate(window.taps(wide)):
        seen += np.where(where == k, dy, 0.0)
    return window.inside(wide)


def _pixels_seen(window):
    """Pixels of the image in each window."""
    return sum(window.taps(window.padded(np.ones(window.shape))))


def avg_pool_forward(x, size, strides, padding):
    """Mean of the pixels of each window that exist."""
    window = Window(x.shape, size, strides, padding)
    return sum(window.taps(window.padded(x))) / _pixels_seen(window)


def avg_pool_backward(shape, dy, size, strides, padding):
    """Each window's gradient in equal shares."""
    window = Window(shape, size, strides, padding)
    wide = window.padded(np.zeros(shape))
    for seen in window.taps(wide):
        seen += dy / _pixels_seen(window)
    return window.inside(wide)


# Group normalisation ------------------------------------------------------------------


def _grouped(x, groups):
    """[batch, height, width, groups, channels of a group]."""
    return x.reshape(*x.shape[:3], groups, -1)


def _mean(x, groups):
    """Of each sample's groups of channels over all pixels, in the shape of x."""
    parts = _grouped(x, groups)
    means = parts.mean(axis=(1, 2, 4), keepdims=True)
    return np.broadcast_to(means, parts.shape).reshape(x.shape)


def as_pixels(x):
    """Rows as images of one pixel."""
    return x.reshape(len(x), *(1, 1, *x.shape[1:])[-3:])


def normalised(x, groups, epsilon):
    """Zero mean and unit variance; and 1 / deviation."""
    centred = x - _mean(x, groups)
    inverse = 1 / np.sqrt(_mean(centred**2, groups) + epsilon)
    return centred * inverse, inverse


def norm_forward(x, scale, bias, groups, epsilon):
    """scale * normalised(x) + bias."""
    return scale * normalised(x, groups, epsilon)[0] + bias


def norm_backward(x, dy, scale, groups, epsilon):
    """Gradients of x and of scale."""
    hat, inverse = normalised(x, groups, epsilon)
    v = scale * dy
    dx = inverse * (v - _mean(v, groups) - hat * _mean(v * hat, groups))
    return dx, (dy * hat).sum(axis=(0, 1, 2))


# Dropout of whole channels ------------------------------------------------------------


def spatial_dropout(x, mask):
    """x, or a gradient, times mask [batch, channels]."""
    return x * mask[:, None, None, :]
