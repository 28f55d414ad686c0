"""Network: layers, their shapes, and the flat vector of their parameters."""

from collections.abc import Sequence
from math import prod
from operator import index

import numpy as np

from hogblock.models.graph import Stage, make_stages
from hogblock.models.initialisers import FIRST_VALUES
from hogblock.models.layers import Layer, Parameter
from hogblock.models.layout import Tensor


class Network:
    """Layers applied one after another to samples of one shape.

    Parameters
    ----------
    layers : sequence of Layer
        At least one. An activation or a max-pooling after a convolution or a ``Dense``
        layer runs in one operation with it.
    input_shape : tuple of int
        Shape of one sample: ``(n_features,)`` for rows, ``(height, width, channels)``
        for images.

    Attributes
    ----------
    stages : list of Stage
        The layers as they run, see ``models.graph``.
    shapes : list of tuple
        Shape of the input, and of the output of each stage.
    tensors : list of Tensor
        Every parameter tensor, in the order of the flat vector.
    size : int
        float32 in the flat vector.

    Raises
    ------
    ValueError
        If a layer is unknown or does not fit its input; the message names it by its
        position and gives the shapes.
    """

    def __init__(self, layers: Sequence[Layer], input_shape: tuple[int, ...]):
        self.layers = list(layers)
        if not self.layers:
            raise ValueError("layers is empty; a Network needs at least one layer")
        self.input_shape = _checked_shape(input_shape)
        self.stages = make_stages(self.layers, self.input_shape)
        self.shapes = [self.input_shape, *(stage.shape for stage in self.stages)]
        self._specs = [
            _checked_parameters(stage, self.shapes[stage.sources[0]])
            for stage in self.stages
        ]
        self.tensors: list[Tensor] = []
        offset = 0
        for position, specs in enumerate(self._specs):
            for p in specs:
                tensor = Tensor(
                    name=f"{self.stages[position].name}.{p.role}",
                    layer=position,
                    offset=offset,
                    rows=p.rows,
                    columns=p.columns,
                    role=p.role,
                    decays=p.decays,
                    shape=p.shape,
                    uses=p.uses,
                )
                self.tensors.append(tensor)
                offset += tensor.size
        self.size = offset

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output of one sample."""
        return self.shapes[-1]

    @property
    def n_inputs(self) -> int:
        """Values of one sample."""
        return prod(self.input_shape)

    @property
    def takes_images(self) -> bool:
        """Whether a sample has height, width and channels."""
        return len(self.input_shape) == 3

    @property
    def needs_image_kernels(self) -> bool:
        """Whether some of its operations are compiled with those on images."""
        return self.takes_images or any(s.layer.image_kernels for s in self.stages)

    @property
    def n_parameters(self) -> int:
        """Trainable values, padding not counted."""
        return sum(t.rows * t.columns for t in self.tensors)

    def tensors_of(self, position: int) -> list[Tensor]:
        """Tensors of a stage.

        Parameters
        ----------
        position : int
            In `stages`.

        Returns
        -------
        list of Tensor
        """
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
            draw = FIRST_VALUES[spec.initialiser]
            shape = (tensor.rows, tensor.columns)
            tensor.view(vector)[:] = draw(random, shape, *spec.fans, spec.gain)
        return vector

    def summary(self, workers: int = 1, print_fn=print) -> None:
        """Print layers, shapes, parameters, step costs, and who owns what.

        Parameters
        ----------
        workers : int, default=1
            Workers that the parameters are split among, see ``models.blocks``.
        print_fn : callable, default=print
            Gets the whole text.
        """
        from hogblock.models.summary import summary_of  # it imports this module

        print_fn(summary_of(self, workers))

    def __repr__(self) -> str:
        return f"Network({self.layers!r}, input_shape={self.input_shape})"


def _checked_parameters(stage: Stage, shape: tuple[int, ...]) -> list[Parameter]:
    """The parameters of a stage, whose first values are known."""
    parameters = stage.layer.parameters(shape)
    for p in parameters:
        if p.initialiser not in FIRST_VALUES:
            raise ValueError(
                f"layer {stage.name} ({stage.layer}): initialiser={p.initialiser!r} of "
                f"its {p.role} is unknown; allowed are {sorted(FIRST_VALUES)}"
            )
    return parameters


def _checked_shape(shape) -> tuple[int, ...]:
    """`shape` as one or three positive integers."""
    try:
        numbers = tuple(index(n) for n in shape)
    except TypeError:
        numbers = ()
    if len(numbers) not in (1, 3) or min(numbers) < 1:
        raise ValueError(
            f"input_shape={shape!r} must be (n_features,) or (height, width, "
            "channels), positive integers"
        )
    return numbers
