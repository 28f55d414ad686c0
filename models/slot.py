"""Slot: where a layer emits its rows of the plan."""

from typing import NamedTuple

from hogblock.kernels import ops as op
from hogblock.models.layout import Tensor


class Buffer(NamedTuple):
    """A minibatch of activations in the work space.

    Attributes
    ----------
    offset : int
    row : int
        float32 from one sample to the next.
    width : int
        Values of a sample: features of a row, all float32 of an image.
    pixel : int
        float32 from one pixel of an image to the next; of a row, `row`.
    """

    offset: int
    row: int
    width: int
    pixel: int


class Slot:
    """A layer's buffers, its tensors and its block; what it emits goes to the plan.

    Attributes
    ----------
    shape : tuple of int
        Of a sample of its input.
    x, y : Buffer
        Input and output.
    dx, dy : int
        Offsets of their gradients.
    tensors : list of Tensor
    batch_rows : int
        Samples that a buffer holds.
    needs_dx : bool
        Whether this step needs the gradient of the input.
    sparse : bool
        Whether the input is sparse rows: X holds their descriptions.
    x2, dx2, needs_dx2
        The same of a second input, of a layer that joins branches.
    adds_dx2 : bool
        Whether the gradient of the second input joins one that is there already.
    """

    def __init__(self, builder, position: int):
        self._builder = builder
        self._position = position
        stage = builder.network.stages[position]
        first, *others = stage.sources
        self.shape: tuple[int, ...] = builder.network.shapes[first]
        self.x: Buffer = builder.inputs[first]
        self.y: Buffer = builder.activations[position + 1]
        self.dx: int = builder.gradients[first]
        self.dy: int = builder.gradients[position + 1]
        self.tensors: list[Tensor] = builder.network.tensors_of(position)
        self.batch_rows: int = builder.batch_rows
        self.needs_dx: bool = builder.needed[first]
        self.sparse: bool = builder.sparse and first == 0
        if others:
            self.x2: Buffer = builder.inputs[others[0]]
            self.dx2: int = builder.gradients[others[0]]
            self.needs_dx2: bool = builder.needed[others[0]]
            self.adds_dx2: bool = False

    def emit(self, code: int, **columns: float) -> None:
        """Append an operation on this layer's buffers and tensors.

        Columns that it declares for buffers and for parameters that it reads are
        filled in; `columns` gives the others, and may override.

        Raises
        ------
        ValueError
            For an unknown operation, an unknown column or a missing one; the message
            names the layer.
        """
        declared = op.OPERATIONS[code].columns if code in op.OPERATIONS else ()
        own = {k: v for k, v in self._columns().items() if k in declared}
        self._builder.emit(self._position, code, own | columns)

    def _columns(self) -> dict[str, int]:
        columns = {
            "x": self.x.offset,
            "x_row": self.x.row,
            "x_width": self.x.width,
            "y": self.y.offset,
            "y_row": self.y.row,
            "y_width": self.y.width,
            "dx": self.dx,
            "dy": self.dy,
        }
        for tensor in self.tensors:
            name = "b" if tensor.role == "bias" else "w"
            columns |= {name: tensor.offset, f"{name}_size": tensor.size}
        return {"b": -1, "b_size": 0} | columns

    def update(self, code: int, tensor: Tensor, **columns: float) -> None:
        """Append the update of a tensor's rows that the plan's block owns, if any."""
        first, end = tensor.rows_in(*self._builder.block)
        if first < end:
            self.emit(
                code,
                w=tensor.offset,
                w_row=tensor.stride,
                first=first,
                count=end - first,
                decays=int(tensor.decays),
                **columns,
            )

    def reserve(self, name: str, size: int) -> int:
        """Offset of `size` float32 for this layer; the same name gives the same ones.

        For what one pass leaves for another. What only a processor's kernels need is
        none of a plan's business, see ``kernels.cpu.lowering``.
        """
        return self._builder.reserve_named((self._position, name), size)
