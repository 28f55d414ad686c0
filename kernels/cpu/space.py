"""Work space of the operations on a CPU: columns behind those of the op table.

``lowering`` fills them. Sizes are float32; offsets into a worker's private work space.
"""

from typing import NamedTuple

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.jit import kernel

# Dense layers: gradients with a sample a column.
DY_T = op.OP_WIDTH
DX_T = op.OP_WIDTH + 1
T_ROW = op.OP_WIDTH + 2  # float32 from one row of either to the next

COEFFICIENTS = op.OP_WIDTH + 3  # of a normalisation, for one sample

# Convolutions and pooling.
INDEX = op.OP_WIDTH + 4  # uint16, position of a window's largest value, laid out as Y
INDEX_ROW = op.OP_WIDTH + 5  # float32 from one sample's positions to the next
PACKED = op.OP_WIDTH + 6  # one sample, with its border of zeros
TABLE = op.OP_WIDTH + 7  # int32, see ``image_tile``
TURNED = op.OP_WIDTH + 8  # weights, or sums of their gradient, in another order
FULL = op.OP_WIDTH + 9  # one sample before pooling
WINOGRAD = op.OP_WIDTH + 10  # see ``winograd``
WINOGRAD_TILES = op.OP_WIDTH + 11  # patches at once; 0 is a plain convolution
ROW_WIDTH = op.OP_WIDTH + 12


class Room(NamedTuple):
    """Addresses of a convolution's work space.

    Attributes
    ----------
    packed : one image with its border
    table : int32 pairs for the tile
    turned : weights as the input gradient wants them
    full : one sample before pooling
    index, index_row : uint16 positions of the maxima in their windows, laid out as y;
        float32 from one sample to the next
    winograd, tiles : see ``winograd``; no tiles for a plain convolution
    """

    packed: int
    table: int
    turned: int
    full: int
    index: int
    index_row: int
    winograd: int
    tiles: int


@kernel
def room_of(row, work):
    """Work space columns of a lowered row of the op table."""
    return Room(
        work + 4 * row[PACKED],
        work + 4 * row[TABLE],
        work + 4 * row[TURNED],
        work + 4 * row[FULL],
        work + 4 * row[INDEX],
        row[INDEX_ROW],
        work + 4 * row[WINOGRAD],
        row[WINOGRAD_TILES],
    )
