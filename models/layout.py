"""Layout of the one flat parameter vector."""

from dataclasses import dataclass

import numpy as np

from hogblock.kernels.ops import padded


@dataclass(frozen=True)
class Tensor:
    """A parameter tensor inside the flat vector.

    Attributes
    ----------
    name : str
        ``"<layer>.<role>"``.
    layer : int
        Position of its layer in the network.
    offset : int
        First float32 in the flat vector; a multiple of ``LINE``.
    rows, columns : int
        Shape; a bias has one row.
    stride : int
        float32 from one row to the next: `columns` padded. Padding is zero.
    role : {"weight", "bias", "scale"}
        What it is to its layer.
    decays : bool
        Whether the L2 penalty applies.
    shape : tuple of int
        The shape that users see; its product is rows * columns.
    uses : int
        Multiply-adds per weight and sample in the tensor's own gradient.
    """

    name: str
    layer: int
    offset: int
    rows: int
    columns: int
    role: str
    decays: bool
    shape: tuple[int, ...] = ()
    uses: int = 1

    @property
    def stride(self) -> int:
        return padded(self.columns)

    @property
    def size(self) -> int:
        """float32 that it takes in the flat vector, padding included."""
        return self.rows * self.stride

    def view(self, vector: np.ndarray) -> np.ndarray:
        """Its values as a [rows, columns] view of a flat vector."""
        part = vector[self.offset : self.offset + self.size]
        return part.reshape(self.rows, self.stride)[:, : self.columns]

    def rows_in(self, start: int, stop: int) -> tuple[int, int]:
        """First row and end of its rows that lie in [start, stop) of the vector."""
        first = -(-(start - self.offset) // self.stride)
        last = -(-(stop - self.offset) // self.stride)
        return min(max(first, 0), self.rows), min(max(last, 0), self.rows)
