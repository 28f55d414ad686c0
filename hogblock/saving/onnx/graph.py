"""A graph of ONNX that grows node by node, and the values between its nodes."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

OPSET = 17
"""Version of ONNX's operators; what is used is in it, and in all later ones."""

IR_VERSION = 8
"""That of the file, which goes with it."""


def onnx_module():
    """The package onnx.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs onnx: pip install 'hogblock[onnx]'") from error
    return onnx


class Value(NamedTuple):
    """What a buffer of a plan is in the graph.

    Attributes
    ----------
    name : str
        Of the tensor.
    shape : tuple of int
        Of a sample, as the library has it: images, (height, width, channels), have
        their channels first in the tensor.
    """

    name: str
    shape: tuple[int, ...]


class Graph:
    """Nodes and constants of a graph, in the order in which they came."""

    def __init__(self):
        self._onnx = onnx_module()
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: ArrayLike) -> str:
        """Name of a tensor that is always the same; text is a tensor of strings."""
        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(values)
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, output: str = "", **attributes) -> str:
        """Name of the output of a new node.

        Parameters
        ----------
        kind : str
            Of the node, such as "Gemm".
        *inputs : str
            Names of tensors.
        output : str, default=""
            What it shall be called.
        **attributes
            Of the node.
        """
        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(
            self._onnx.helper.make_node(kind, list(inputs), [name], name, **attributes)
        )
        return name

    def cast(self, name: str, dtype) -> str:
        """The same values as another type of NumPy's."""
        return self.add("Cast", name, to=self.type_of(dtype))

    def type_of(self, dtype) -> int:
        """ONNX's number of a type of NumPy's."""
        return self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def rows(self, value: Value) -> str:
        """A value as rows of features, in the order of the library's images."""
        if len(value.shape) == 1:
            return value.name
        last = self.add("Transpose", value.name, perm=[0, 2, 3, 1])
        return self.reshaped(last, (-1,))

    def image(self, value: Value, shape: tuple[int, int, int]) -> str:
        """A value as images of a shape, channels first."""
        if value.shape == shape:
            return value.name
        images = self.reshaped(self.rows(value), shape)
        return self.add("Transpose", images, perm=[0, 3, 1, 2])

    def reshaped(self, name: str, shape: tuple[int, ...]) -> str:
        """The same values, as samples of another shape."""
        return self.reshaped_to(name, [0, *shape])  # 0: as many as there are

    def reshaped_to(self, name: str, shape: list[int]) -> str:
        """The same values in another shape, as a node of ONNX has it."""
        return self.add("Reshape", name, self.constant(np.array(shape, np.int64)))
