"""What every layer answers."""

from dataclasses import Field
from numbers import Integral
from typing import ClassVar, NamedTuple


class Parameter(NamedTuple):
    """One parameter tensor of a layer.

    Attributes
    ----------
    role : {"weight", "bias", "scale"}
        What it is to its layer; a layer has one tensor of a role.
    rows, columns : int
    decays : bool
        Whether the L2 penalty applies.
    initialiser : str
    fans : tuple of int
        Inputs and outputs of one unit.
    gain : float
        Of the activation, see ``models.activations``.
    shape : tuple of int
        The shape that users see; its product is rows * columns.
    uses : int
        Multiply-adds per weight and sample in the tensor's own gradient.
    """

    role: str
    rows: int
    columns: int
    decays: bool
    initialiser: str
    fans: tuple[int, int]
    gain: float
    shape: tuple[int, ...]
    uses: int = 1


class Cost(NamedTuple):
    """Multiply-adds per sample."""

    forward: int = 0
    input_gradient: int = 0


class Layer:
    """What every layer, a frozen dataclass, answers. Shapes are of one sample.

    To add a layer, declare its operations in ``kernels.ops``, write its class in this
    package and list it there, and write its kernels, each with a row in the tables of
    its file: OPERATIONS in ``kernels.cpu``, PLAIN in ``kernels.cuda``.
    """

    __dataclass_fields__: ClassVar[dict[str, Field]]

    reads_raw_images = False
    """Whether it takes images whose channels do not fill whole cache lines."""

    takes_sparse = False
    """Whether it reads sparse rows, see ``Slot.sparse``."""

    image_kernels = False
    """Whether its operations are compiled with those on images, also for rows."""

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the output.

        Parameters
        ----------
        shape : tuple of int
            Of the input.

        Returns
        -------
        tuple of int

        Raises
        ------
        ValueError
            If `shape` does not fit.
        """
        return shape

    def joined_shape(self, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
        """`output_shape` for a layer that may have several inputs.

        Parameters
        ----------
        shapes : list of tuple of int
            Of the inputs.

        Returns
        -------
        tuple of int
        """
        return self.output_shape(shapes[0])

    def parameters(self, shape: tuple[int, ...]) -> list[Parameter]:
        """Tensors of the layer in the order of the flat vector.

        Parameters
        ----------
        shape : tuple of int
            Of the input.

        Returns
        -------
        list of Parameter
        """
        return []

    def cost(self, shape: tuple[int, ...]) -> Cost:
        """Work outside the parameters' own gradients.

        Parameters
        ----------
        shape : tuple of int
            Of the input.

        Returns
        -------
        Cost
        """
        return Cost()

    def parts(self) -> "list[Layer]":
        """The layers that run one after another for this one.

        Returns
        -------
        list of Layer
        """
        return [self]

    def absorb(self, following: "Layer") -> "Layer | None":
        """One layer that does the work of this and the following one, if there is.

        Parameters
        ----------
        following : Layer

        Returns
        -------
        Layer or None
        """
        return None

    def is_view(self, shape: tuple[int, ...], pixel: int) -> bool:
        """Whether the output is the input word for word.

        Parameters
        ----------
        shape : tuple of int
            Of the input.
        pixel : int
            float32 from a pixel of the input to the next.

        Returns
        -------
        bool
        """
        return False

    def forward(self, slot) -> None:
        """Emit the rows of the forward pass.

        Parameters
        ----------
        slot : models.slot.Slot
            Where the layer stands in a plan.
        """
        raise TypeError(f"{type(self).__name__} has no forward pass")

    def backward(self, slot) -> None:
        """Emit the rows of the backward pass.

        Parameters
        ----------
        slot : models.slot.Slot
            Where the layer stands in a plan.
        """
        raise TypeError(f"{type(self).__name__} has no backward pass")


def image_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """`shape` as height, width, channels; raises ValueError if it is none."""
    if len(shape) != 3:
        raise ValueError(
            f"{type(layer).__name__} takes images of shape (height, width, channels), "
            f"and its input has shape {shape}"
        )
    height, width, channels = shape
    return height, width, channels


def pair_of(value, name: str, layer: Layer) -> tuple[int, int]:
    """An integer >= 1 or a pair of them as (height, width)."""
    pair = (value, value) if isinstance(value, Integral) else value
    try:
        height, width = pair
    except (TypeError, ValueError):
        height = width = None
    if not (isinstance(height, Integral) and isinstance(width, Integral)) or (
        min(height, width) < 1
    ):
        raise ValueError(
            f"{name}={value!r} of {type(layer).__name__} must be an integer >= 1 or a "
            "pair of them"
        )
    return int(height), int(width)
