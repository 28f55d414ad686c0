"""Network: layers in a row, their shapes, and the flat vector of their parameters."""

from collections.abc import Sequence

import numpy as np

from hogblock.models.initialisers import INITIALISERS
from hogblock.models.layers import Layer, fuse_activations
from hogblock.models.layout import Tensor


class Network:
    """Layers applied one after another to samples of one shape.

    Parameters
    ----------
    layers : sequence of Layer
        At least one. An activation after a ``Dense`` layer costs nothing: the two run
        as one operation.
    input_shape : tuple of int
        Shape of one sample, ``(n_features,)`` for rows.

    Attributes
    ----------
    stages : list of Layer
        The layers as they run (activations fused).
    shapes : list of tuple
        Shape before each stage, and after the last.
    tensors : list of Tensor
        Every parameter tensor, in the order of the flat vector.
    size : int
        float32 in the flat vector.

    Raises
    ------
    ValueError
        If a layer is unknown or does not fit its input; the message names it.
    """

    def __init__(self, layers: Sequence[Layer], input_shape: tuple[int, ...]):
        self.layers = list(layers)
        self.input_shape = tuple(int(n) for n in input_shape)
        if not self.layers:
            raise ValueError("layers is empty; a Network needs at least one layer")
        if not self.input_shape or min(self.input_shape) < 1:
            raise ValueError(f"input_shape={input_shape!r} must be positive numbers")
        shape = self.input_shape
        for position, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise ValueError(
                    f"layer {position} is {layer!r}, which is no hogblock layer"
                )
            try:
                shape = layer.output_shape(shape)
            except ValueError as error:
                raise ValueError(f"layer {position} ({layer}): {error}") from None
        self.stages = fuse_activations(self.layers)
        self.shapes = [self.input_shape]
        for layer in self.stages:
            self.shapes.append(layer.output_shape(self.shapes[-1]))
        self._specs = [
            layer.parameters(shape)
            for layer, shape in zip(self.stages, self.shapes, strict=False)
        ]
        self.tensors: list[Tensor] = []
        offset = 0
        for position, specs in enumerate(self._specs):
            for p in specs:
                name = f"{position}.{p.name}"
                tensor = Tensor(name, position, offset, p.rows, p.columns, p.decays)
                self.tensors.append(tensor)
                offset += tensor.size
        self.size = offset

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output of one sample."""
        return self.shapes[-1]

    @property
    def n_parameters(self) -> int:
        """Trainable values, padding not counted."""
        return sum(t.rows * t.columns for t in self.tensors)

    def tensors_of(self, position: int) -> list[Tensor]:
        """Tensors of the stage at `position`."""
        return [t for t in self.tensors if t.layer == position]

    def initialise(self, random: np.random.RandomState) -> np.ndarray:
        """Draw initial parameters.

        Parameters
        ----------
        random : numpy.random.RandomState

        Returns
        -------
        ndarray of shape (size,), float32
        """
        vector = np.zeros(self.size, np.float32)
        specs = [p for specs in self._specs for p in specs]
        for tensor, spec in zip(self.tensors, specs, strict=True):
            draw = INITIALISERS[spec.initialiser]
            shape = (tensor.rows, tensor.columns)
            tensor.view(vector)[:] = draw(random, shape, *spec.fans, spec.gain)
        return vector

    def __repr__(self) -> str:
        return f"Network({self.layers!r}, input_shape={self.input_shape})"
