"""What each operation of a forward pass, and each activation, is in ONNX.

To export another one, put a function into `OPERATIONS`, or into `ACTIVATIONS`, by its
code; a layer of operations that are there needs nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hogblock.kernels import ops as op
from hogblock.saving.onnx.graph import Graph, Value


@dataclass(frozen=True)
class Step:
    """An operation that becomes nodes.

    Attributes
    ----------
    graph : Graph
    values : dict of int to Value
        Of the buffers that are written by now, by their offsets.
    params : ndarray of shape (size,), float32
    columns : mapping of str to number
        Of the operation's row in the plan.
    """

    graph: Graph
    values: dict[int, Value]
    params: np.ndarray
    columns: Mapping[str, float]

    def __getitem__(self, column: str) -> int:
        return int(self.columns[column])

    @property
    def x(self) -> Value:
        """What it reads."""
        return self.values[self["x"]]

    @property
    def image(self) -> str:
        """What it reads, as images."""
        sides = "in_height", "in_width", "in_channels"
        height, width, channels = (self[name] for name in sides)
        return self.graph.image(self.x, (height, width, channels))

    def weights(self, columns: int) -> np.ndarray:
        """Its matrix W, of so many columns."""
        start, size = self["w"], self["w_size"]
        rows = self.params[start : start + size].reshape(-1, op.padded(columns))
        return rows[:, :columns]

    def bias(self, columns: int) -> list[str]:
        """Name of its B, if it has one."""
        start = self["b"]
        if start < 0:
            return []
        return [self.graph.constant(self.params[start : start + columns])]

    def write(self, name: str, shape: tuple[int, ...]) -> None:
        """It writes this tensor, behind its activation if it has one."""
        if "kind" in self.columns:
            name = self._activated(name)
        self.values[self["y"]] = Value(name, shape)

    def _activated(self, name: str) -> str:
        code = self["kind"]
        if code not in ACTIVATIONS:
            raise ValueError(f"the activation of code {code} has no form in ONNX")
        return ACTIVATIONS[code](self.graph, name, float(self.columns["slope"]))


# Activations -------------------------------------------------------------------------


def _linear(graph: Graph, x: str, slope: float) -> str:
    if slope == 1:
        return x
    return graph.add("LeakyRelu", x, alpha=slope) if slope else graph.add("Relu", x)


def _gelu(graph: Graph, x: str, slope: float) -> str:
    square = graph.add("Mul", x, x)
    cubic, linear = (
        graph.constant(np.float32(each)) for each in (op.GELU_CUBIC, op.GELU_LINEAR)
    )
    steep = graph.add("Add", graph.add("Mul", square, cubic), linear)
    return _times_logistic(graph, x, graph.add("Mul", x, steep))


def _times_logistic(graph: Graph, x: str, z: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", z))


ACTIVATIONS: dict[int, Callable[[Graph, str, float], str]] = {
    op.LINEAR: _linear,
    op.TANH: lambda graph, x, slope: graph.add("Tanh", x),
    op.LOGISTIC: lambda graph, x, slope: graph.add("Sigmoid", x),
    op.GELU: _gelu,
    op.SILU: lambda graph, x, slope: _times_logistic(graph, x, x),
    op.ELU: lambda graph, x, slope: graph.add("Elu", x, alpha=slope),
    op.SOFTPLUS: lambda graph, x, slope: graph.add("Softplus", x),
}
"""By code: the tensor behind one, of a graph, a tensor and the slope."""

# Operations --------------------------------------------------------------------------


def _dense(step: Step) -> None:
    units = step["y_width"]
    weights = step.graph.constant(step.weights(units))
    inputs = step.graph.rows(step.x), weights, *step.bias(units)
    step.write(step.graph.add("Gemm", *inputs), (units,))


def _conv(step: Step) -> None:
    down, across = step["kernel_height"], step["kernel_width"]
    inputs, channels = step["in_channels"], step["out_channels"]
    groups = inputs if step["depthwise"] else 1
    kernel = step.weights(channels).reshape(down, across, inputs // groups, channels)
    weights = step.graph.constant(kernel.transpose(3, 2, 0, 1))
    name = step.graph.add(
        "Conv", step.image, weights, *step.bias(channels), group=groups, **_window(step)
    )
    pool = [step["pool_height"], step["pool_width"]]
    if pool != [1, 1]:
        name = step.graph.add("MaxPool", name, kernel_shape=pool, strides=pool)
    shape = step["out_height"] // pool[0], step["out_width"] // pool[1], channels
    step.write(name, shape)


def _pool(step: Step, kind: str) -> None:
    # Means of windows that are cut off at the edge are of what is inside: the default.
    name = step.graph.add(kind, step.image, **_window(step))
    step.write(name, (step["out_height"], step["out_width"], step["out_channels"]))


def _window(step: Step) -> dict[str, Any]:
    """How a window moves; padding behind the image is what its last place needs."""
    before, behind, kernel, strides = [], [], [], []
    for axis, pad in (("height", "pad_top"), ("width", "pad_left")):
        size, out = step[f"in_{axis}"], step[f"out_{axis}"]
        kernel.append(step[f"kernel_{axis}"])
        strides.append(step[f"stride_{axis}"])
        before.append(step[pad])
        reach = (out - 1) * strides[-1] + kernel[-1] - before[-1]
        behind.append(max(0, reach - size))
    return {"kernel_shape": kernel, "strides": strides, "pads": before + behind}


def _norm(step: Step) -> None:
    graph, channels, groups = step.graph, step["out_channels"], step["groups"]
    shape = step["in_height"], step["in_width"], channels
    scale, shift = (
        graph.constant(np.full(groups, each, np.float32)) for each in (1, 0)
    )
    grouped = graph.reshaped(graph.image(step.x, shape), (groups, -1))
    epsilon = float(step.columns["epsilon"])
    name = graph.add("InstanceNormalization", grouped, scale, shift, epsilon=epsilon)
    name = graph.reshaped(name, (channels, *shape[:2]))
    weights = step.weights(channels).reshape(channels, 1, 1)
    name = graph.add("Mul", name, graph.constant(weights))
    start = step["b"]
    bias = step.params[start : start + channels].reshape(channels, 1, 1)
    step.write(graph.add("Add", name, graph.constant(bias)), shape)


def _add(step: Step) -> None:
    x, x2 = step.x, step.values[step["x2"]]
    if x.shape == x2.shape:
        step.write(step.graph.add("Add", x.name, x2.name), x.shape)
        return
    rows = [step.graph.rows(each) for each in (x, x2)]
    step.write(step.graph.add("Add", *rows), (int(np.prod(x.shape)),))


def _same(step: Step) -> None:
    """Y is X, but for an activation; rows or images, as its reader wants it."""
    step.write(*step.x)


OPERATIONS: dict[int, Callable[[Step], None]] = {
    op.DENSE_FORWARD: _dense,
    op.ACTIVATION_FORWARD: _same,
    op.DROPOUT_FORWARD: _same,
    op.SPATIAL_DROPOUT_FORWARD: _same,
    op.CONV_FORWARD: _conv,
    op.MAX_POOL_FORWARD: lambda step: _pool(step, "MaxPool"),
    op.AVG_POOL_FORWARD: lambda step: _pool(step, "AveragePool"),
    op.NORM_FORWARD: _norm,
    op.ADD_FORWARD: _add,
    op.COPY_CHANNELS: _same,
}
"""By code: what adds an operation's nodes, and writes its Y."""
