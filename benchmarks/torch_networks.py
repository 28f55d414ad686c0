"""The benchmarks' networks in PyTorch.

Convolutional networks come in two memory layouts of images and filters: "nchw",
PyTorch's default, and "nhwc", its ``channels_last``. Rows of pixels need no conversion:
images have one channel, or are random.
"""

from itertools import pairwise
from math import prod

import torch
from torch import nn

from benchmarks import problems

GROUPS = 8
STAGES = ((16, 1), (32, 2), (64, 2))  # channels and stride


class Perceptron:
    """Dense layers with ReLU between them, as a model for torch_sides.py."""

    def __init__(self, problem):
        self.problem = problem

    def module(self):
        """Build the network."""
        steps = pairwise(self.problem.widths)
        layers = [f for s in steps for f in (nn.Linear(*s), nn.ReLU())]
        return nn.Sequential(*layers[:-1])

    def to_torch(self, weights):
        """Transpose matrices to (out, in)."""
        return [torch.from_numpy(w.T) for w in weights]

    def from_torch(self, params):
        """Transpose matrices to (in, out)."""
        return [param.T for param in params]


class ToImages(nn.Module):
    """View rows of pixels as images (n, channels, height, width)."""

    def __init__(self, shape, layout):
        super().__init__()
        self.shape, self.layout = shape, layout

    def forward(self, x):
        h, w, c = self.shape
        if self.layout == "nchw":
            return x.view(-1, c, h, w)
        return x.view(-1, h, w, c).permute(0, 3, 1, 2)


class ToRows(nn.Module):
    """Flatten images in the order in which they lie in memory."""

    def __init__(self, layout):
        super().__init__()
        self.layout = layout

    def forward(self, x):
        return (x if self.layout == "nchw" else x.permute(0, 2, 3, 1)).flatten(1)


def in_layout(module, layout):
    """Put the filters of a network into a memory layout."""
    channels_last = layout == "nhwc"
    memory = torch.channels_last if channels_last else torch.contiguous_format
    return module.to(memory_format=memory)


class Convnet:
    """A `problems.Convnet`, as a model for torch_sides.py."""

    def __init__(self, problem, layout):
        self.problem, self.layout = problem, layout

    def module(self):
        """Build the network."""
        layers = [ToImages(self.problem.shape, self.layout)]
        for layer, shape in self.problem.inputs():
            match layer:
                case problems.Conv(channels, kernel, padding):
                    before = kernel // 2 if padding == "same" else 0
                    conv = nn.Conv2d(shape[2], channels, kernel, padding=before)
                    layers += [conv, nn.MaxPool2d(2)]
                case problems.Dense(units):
                    if len(shape) == 3:
                        layers.append(ToRows(self.layout))
                    layers.append(nn.Linear(prod(shape), units))
            if layer.relu:
                layers.append(nn.ReLU())
        return in_layout(nn.Sequential(*layers), self.layout)

    def image_of(self):
        """Shapes (height, width, channels) of what dense layers flatten, or None.

        One for every parameter of the network; None where nothing is flattened.
        """
        for layer, shape in self.problem.inputs():
            flattens = isinstance(layer, problems.Dense) and len(shape) == 3
            yield shape if flattens and self.layout == "nchw" else None
            yield None

    def to_torch(self, weights):
        """Filters to (out, in, height, width), matrices to (out, in)."""
        for w, image in zip(weights, self.image_of(), strict=True):
            if image:
                w = w.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(w.shape)
            axes = (3, 2, 0, 1) if w.ndim == 4 else None
            yield torch.from_numpy(w.transpose(axes).copy())

    def from_torch(self, params):
        """Filters to (height, width, in, out), matrices to (in, out)."""
        weights = []
        for param, image in zip(params, self.image_of(), strict=True):
            w = param.transpose((2, 3, 1, 0) if param.ndim == 4 else None)
            if image:
                h, wide, c = image
                w = w.reshape(c, h, wide, -1).transpose(1, 2, 0, 3).reshape(w.shape)
            weights.append(w)
        return weights


class Residual(nn.Module):
    """Two normalised convolutions, added to the input or its projection, then ReLU."""

    def __init__(self, before, after, stride):
        super().__init__()

        def convolution(channels, kernel, stride):
            options = dict(stride=stride, padding=kernel // 2, bias=False)
            conv = nn.Conv2d(channels, after, kernel, **options)
            return conv, nn.GroupNorm(GROUPS, after)

        first, second = convolution(before, 3, stride), convolution(after, 3, 1)
        self.body = nn.Sequential(*first, nn.ReLU(), *second)
        same = (before, 1) == (after, stride)
        projection = () if same else convolution(before, 1, stride)
        self.project = nn.Sequential(*projection)

    def forward(self, x):
        return torch.relu(self.body(x) + self.project(x))


class Resnet8:
    """A residual network with three stages, as a model for torch_sides.py."""

    def __init__(self, problem, layout):
        self.problem, self.layout = problem, layout

    def module(self):
        """Build the network."""
        channels = STAGES[0][0]
        stem = nn.Conv2d(self.problem.shape[2], channels, 3, padding=1, bias=False)
        layers = [ToImages(self.problem.shape, self.layout), stem]
        layers += [nn.GroupNorm(GROUPS, channels), nn.ReLU()]
        for after, stride in STAGES:
            layers.append(Residual(channels, after, stride))
            channels = after
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        layers.append(nn.Linear(channels, problems.CLASSES))
        return in_layout(nn.Sequential(*layers), self.layout)

    def to_torch(self, weights):
        """Draw PyTorch's own initial weights."""
        torch.manual_seed(0)
        return self.module().parameters()
