"""The operations of a plan: one declared row each, and the columns of the op table.

A plan is an integer table, one row an operation, read from top to bottom. Every row has
the same columns; an operation fills those that its declaration names, and only those.
Buffers (activations X and Y, their gradients DX and DY, masks, sums) are offsets in
float32 into a worker's private work space; W and B are offsets into the flat parameter
vector. All buffers hold one minibatch, a sample a row.

Both interpreters, and all that makes, checks, lowers or prints plans, read the same
declarations. Compiled code sees codes and columns as the plain integers that they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

LINE = 16
"""float32 in a cache line: rows of every tensor and buffer are padded to it."""


def padded(count: int, to: int = LINE) -> int:
    """`count` rounded up to a multiple of `to`, by default to whole cache lines."""
    return -(-count // to) * to


# Columns ---------------------------------------------------------------------------
COLUMNS: dict[str, int] = {}
"""Columns of the op table (int64) by name."""

REALS: dict[str, int] = {}
"""Columns of the float32 table that goes with it."""


def _column(name: str) -> int:
    return COLUMNS.setdefault(name, len(COLUMNS))


def _real(name: str) -> int:
    return REALS.setdefault(name, len(REALS))


CODE = _column("code")
X = _column("x")
X_ROW = _column("x_row")  # float32 from one row of X (and of DX) to the next
X_WIDTH = _column("x_width")  # features of X
Y = _column("y")
Y_ROW = _column("y_row")  # of Y and DY
Y_WIDTH = _column("y_width")
DX = _column("dx")
DY = _column("dy")
X2 = _column("x2")  # second input, laid out as Y
ADDS = _column("adds")  # 1: the result is added to what is there
KIND = _column("kind")  # activation or loss

# Parameters. What is read has a size, what is updated a range of rows.
W = _column("w")
W_SIZE = _column("w_size")  # float32
B = _column("b")  # -1: there is none
B_SIZE = _column("b_size")
W_ROW = _column("w_row")  # float32 from one row of an updated tensor to the next
FIRST = _column("first")  # row of it that the plan updates
COUNT = _column("count")  # of these rows
DECAYS = _column("decays")  # 1: the L2 penalty applies

# Images are [height, width, channels], pixels PIXEL float32 apart. A kernel or window
# at output pixel (r, q) begins at input pixel (r * STRIDE_HEIGHT - PAD_TOP, ...). With
# POOL larger than 1, OUT is a convolution's size before pooling, and Y is OUT / POOL.
IN_HEIGHT = _column("in_height")
IN_WIDTH = _column("in_width")
IN_CHANNELS = _column("in_channels")
IN_PIXEL = _column("in_pixel")
OUT_HEIGHT = _column("out_height")
OUT_WIDTH = _column("out_width")
OUT_CHANNELS = _column("out_channels")
OUT_PIXEL = _column("out_pixel")
KERNEL_HEIGHT = _column("kernel_height")
KERNEL_WIDTH = _column("kernel_width")
STRIDE_HEIGHT = _column("stride_height")
STRIDE_WIDTH = _column("stride_width")
PAD_TOP = _column("pad_top")
PAD_LEFT = _column("pad_left")
POOL_HEIGHT = _column("pool_height")
POOL_WIDTH = _column("pool_width")
DEPTHWISE = _column("depthwise")  # 1: a kernel of its own for each channel
GROUPS = _column("groups")  # of a normalisation

# What one pass leaves for another, apart from activations.
MASK = _column("mask")  # factors of a dropout
MASK_ROW = _column("mask_row")  # factors a sample: the forward pass draws as many
MOMENTS = _column("moments")  # mean, then 1 / deviation, of each channel of a sample
SUMS = _column("sums")  # of DY, of each channel of a sample
NORMED_SUMS = _column("normed_sums")  # of DY times the normalised X
OP_WIDTH = len(COLUMNS)

SLOPE = _real("slope")  # of an activation left of zero
RATE = _real("rate")  # of dropout
EPSILON = _real("epsilon")  # added to a variance
LOSS_PARAMETER = _real("loss_parameter")  # of a loss that has one
THINNING = _real("thinning")  # of the mean norm, below which samples are drawn
REAL_WIDTH = len(REALS)

GEOMETRY = (
    "in_height in_width in_channels in_pixel out_height out_width out_channels "
    "out_pixel kernel_height kernel_width stride_height stride_width pad_top pad_left "
    "pool_height pool_width"
)
ACTIVATION = "kind slope"


# Buffers ---------------------------------------------------------------------------
@dataclass(frozen=True)
class Buffer:
    """A buffer of a minibatch: its column, and the float32 of a sample.

    Attributes
    ----------
    row : str
        Column that holds the float32 from one sample to the next,
    times : int
        as so many rows of them.
    """

    row: str
    times: int = 1


BUFFERS = {
    "x": Buffer("x_row"),
    "x2": Buffer("y_row"),
    "y": Buffer("y_row"),
    "dx": Buffer("x_row"),
    "dy": Buffer("y_row"),
    "mask": Buffer("mask_row"),
    "moments": Buffer("out_pixel", 2),
    "sums": Buffer("out_pixel"),
    "normed_sums": Buffer("out_pixel"),
}
PARAMETERS = {"w": "w_size", "b": "b_size"}
"""Columns of parameters that an operation reads, and of their sizes."""

UPDATED = ("w", "w_row", "first", "count", "decays")
"""Columns of the rows of a tensor that an operation updates."""

# Operations ------------------------------------------------------------------------
FORWARD, COMPARE, BACKWARD, UPDATE = range(4)
"""Passes of a step: outputs, loss, gradients of buffers, updates of parameters."""

MOST = 64  # operations of a pass


@dataclass(frozen=True)
class Operation:
    """What one operation is, apart from its kernels.

    Attributes
    ----------
    code : int
        Its number in the op table; those of a pass follow each other.
    name : str
    part_of : int
        The pass: FORWARD, COMPARE, BACKWARD or UPDATE.
    reads, writes : tuple of str
        Buffers and parameters; updates write the rows of a tensor.
    columns : tuple of str
        All that a row of it fills, reals among them.
    """

    code: int
    name: str
    part_of: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    columns: tuple[str, ...]


OPERATIONS: dict[int, Operation] = {}
"""Every operation by its code."""


def operation(
    name: str, part_of: int, *, reads: str, writes: str, columns: str = ""
) -> int:
    """Declare an operation; returns its code.

    Parameters
    ----------
    name : str
    part_of : {FORWARD, COMPARE, BACKWARD, UPDATE}
    reads, writes : str
        Names of buffers and parameters, see `BUFFERS` and `PARAMETERS`.
    columns : str
        Names of columns that it fills besides those of what it reads and writes.
    """
    code = MOST * part_of + sum(o.part_of == part_of for o in OPERATIONS.values())
    used, changed = tuple(reads.split()), tuple(writes.split())
    own = [*_columns_of(used)]
    own += UPDATED if part_of == UPDATE else _columns_of(changed)
    own += columns.split()
    OPERATIONS[code] = Operation(
        code, name, part_of, used, changed, tuple(dict.fromkeys(own))
    )
    return code


def _columns_of(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        yield name
        yield PARAMETERS[name] if name in PARAMETERS else BUFFERS[name].row


# Y = act(X W + B)
DENSE_FORWARD = operation(
    "DENSE_FORWARD", FORWARD, reads="x w b", writes="y",
    columns=f"x_width y_width {ACTIVATION}",
)  # fmt: skip
# Y = act(X)
ACTIVATION_FORWARD = operation(
    "ACTIVATION_FORWARD", FORWARD, reads="x", writes="y", columns=ACTIVATION
)
# Y = X * MASK, drawn: 0 with probability RATE, else 1 / (1 - RATE)
DROPOUT_FORWARD = operation(
    "DROPOUT_FORWARD", FORWARD, reads="x", writes="y mask", columns="rate"
)
# Likewise, one draw for a channel of a sample.
SPATIAL_DROPOUT_FORWARD = operation(
    "SPATIAL_DROPOUT_FORWARD", FORWARD, reads="x", writes="y mask",
    columns="out_pixel rate",
)  # fmt: skip
# Y = act(max-pool(X * W + B))
CONV_FORWARD = operation(
    "CONV_FORWARD", FORWARD, reads="x w b", writes="y",
    columns=f"{GEOMETRY} depthwise {ACTIVATION}",
)  # fmt: skip
# Y = act(largest of each window of X)
MAX_POOL_FORWARD = operation(
    "MAX_POOL_FORWARD", FORWARD, reads="x", writes="y",
    columns=f"{GEOMETRY} {ACTIVATION}",
)  # fmt: skip
# Y = mean of each window of X
AVG_POOL_FORWARD = operation(
    "AVG_POOL_FORWARD", FORWARD, reads="x", writes="y", columns=GEOMETRY
)
# Y = act(W * (X - mean) / deviation + B) in groups of channels
NORM_FORWARD = operation(
    "NORM_FORWARD", FORWARD, reads="x w b", writes="y moments",
    columns=f"in_height in_width out_channels groups epsilon {ACTIVATION}",
)  # fmt: skip
# Y = act(X + X2)
ADD_FORWARD = operation(
    "ADD_FORWARD", FORWARD, reads="x x2", writes="y", columns=ACTIVATION
)
# Y = X where pixels lie further apart, or closer; also backward, from DY to DX.
COPY_CHANNELS = operation(
    "COPY_CHANNELS", FORWARD, reads="x", writes="y",
    columns="in_height in_width in_channels in_pixel out_pixel",
)  # fmt: skip

# Y = act(X W + B) for sparse rows, of which X holds descriptions
SPARSE_FORWARD = operation(
    "SPARSE_FORWARD", FORWARD, reads="x w b", writes="y",
    columns=f"x_width y_width {ACTIVATION}",
)  # fmt: skip

# DY from the outputs X and the targets
LOSS = operation(
    "LOSS", COMPARE, reads="x", writes="dy", columns="x_width kind loss_parameter"
)

# DX = DY W^T
DENSE_INPUT_GRADIENT = operation(
    "DENSE_INPUT_GRADIENT", BACKWARD, reads="dy w", writes="dx",
    columns="x_width y_width",
)  # fmt: skip
# DX = DY * act'; Y is what the derivative is a function of: for an activation that is
# FROM_INPUT its input. DX and DY may be one buffer.
ACTIVATION_BACKWARD = operation(
    "ACTIVATION_BACKWARD", BACKWARD, reads="y dy", writes="dx", columns=ACTIVATION
)
# DX = DY * MASK
DROPOUT_BACKWARD = operation("DROPOUT_BACKWARD", BACKWARD, reads="dy mask", writes="dx")
SPATIAL_DROPOUT_BACKWARD = operation(
    "SPATIAL_DROPOUT_BACKWARD", BACKWARD, reads="dy mask", writes="dx",
    columns="out_pixel",
)  # fmt: skip
# Y tells whose maxima a pooling's gradient goes to.
CONV_INPUT_GRADIENT = operation(
    "CONV_INPUT_GRADIENT", BACKWARD, reads="dy w", writes="dx",
    columns=f"y {GEOMETRY} depthwise",
)  # fmt: skip
MAX_POOL_BACKWARD = operation(
    "MAX_POOL_BACKWARD", BACKWARD, reads="dy", writes="dx", columns=f"y {GEOMETRY}"
)
AVG_POOL_BACKWARD = operation(
    "AVG_POOL_BACKWARD", BACKWARD, reads="dy", writes="dx", columns=GEOMETRY
)
NORM_SUMS = operation(
    "NORM_SUMS", BACKWARD, reads="x y dy moments", writes="sums normed_sums",
    columns=f"in_height in_width out_channels groups {ACTIVATION}",
)  # fmt: skip
NORM_INPUT_GRADIENT = operation(
    "NORM_INPUT_GRADIENT", BACKWARD, reads="x y dy w moments sums normed_sums",
    writes="dx", columns=f"in_height in_width out_channels groups {ACTIVATION}",
)  # fmt: skip
# DX = DY, or DX += DY
ADD_BACKWARD = operation(
    "ADD_BACKWARD", BACKWARD, reads="dy", writes="dx", columns="adds"
)

# Some samples of DY, divided by their probability; the others go no further. Later
# operations of the pass have what it keeps of the minibatch.
THIN = operation("THIN", BACKWARD, reads="dy", writes="dy", columns="thinning")

# W from X^T DY
DENSE_UPDATE = operation(
    "DENSE_UPDATE", UPDATE, reads="x dy", writes="w", columns="x_width y_width"
)
# W, of one row, from the sums of DY over its lines of W_ROW float32
BIAS_UPDATE = operation("BIAS_UPDATE", UPDATE, reads="dy", writes="w")
# W of [kernel, kernel, channels] rows
CONV_UPDATE = operation(
    "CONV_UPDATE", UPDATE, reads="x dy", writes="w", columns=f"y {GEOMETRY} depthwise"
)
# W from X^T DY for sparse rows
SPARSE_UPDATE = operation(
    "SPARSE_UPDATE", UPDATE, reads="x dy", writes="w", columns="x_width y_width"
)

FIRST_UPDATE = MOST * UPDATE
"""Codes from here on change parameters."""


def encode(code: int, values: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """A row of the op table, and of the table of reals.

    Parameters
    ----------
    code : int
    values : mapping of str to number
        A value for every column that the operation declares, and for no other.

    Raises
    ------
    ValueError
        For an unknown operation, an unknown column or a missing one, with its name.
    """
    if code not in OPERATIONS:
        raise ValueError(f"operation {code} is unknown")
    declared = OPERATIONS[code]
    for name in values:
        if name not in declared.columns:
            raise ValueError(f"operation {declared.name} has no column {name}")
    for name in declared.columns:
        if name not in values:
            raise ValueError(f"operation {declared.name} needs column {name}")
    row = np.zeros(OP_WIDTH, np.int64)
    reals = np.zeros(REAL_WIDTH, np.float32)
    row[CODE] = code
    for name, value in values.items():
        if name in REALS:
            reals[REALS[name]] = value
        else:
            row[COLUMNS[name]] = value
    return row, reals


# Activations -------------------------------------------------------------------------
LINEAR = 0  # v > 0 ? v : SLOPE * v
TANH = 1
LOGISTIC = 2
FROM_INPUT = 16  # from here on the derivative is a function of the input alone
GELU = 16  # v * logistic(2 u), u = sqrt(2 / pi) (v + 0.044715 v**3)
SILU = 17  # v * logistic(v)
ELU = 18  # v > 0 ? v : SLOPE * (e**v - 1)
SOFTPLUS = 19  # log(1 + e**v)

GELU_LINEAR = 1.5957691216057308  # 2 sqrt(2 / pi)
GELU_CUBIC = 0.044715 * GELU_LINEAR

# Losses ------------------------------------------------------------------------------
SOFTMAX_CROSS_ENTROPY = 0  # targets: int32 class index; LOSS_PARAMETER smooths them
LOGISTIC_CROSS_ENTROPY = 1  # likewise: float32 0 or 1, one column an output
SQUARED_ERROR = 2  # targets: float32, one column an output
HUBER = 3  # likewise; LOSS_PARAMETER is where it becomes linear
ABSOLUTE_ERROR = 4  # likewise, without one
QUANTILE = 5  # likewise; LOSS_PARAMETER is the quantile
POISSON = 6  # likewise, without one; targets are not negative

# Storage of the rows of X ------------------------------------------------------------
FLOAT32_ROWS = 0
FLOAT64_ROWS = 1
UINT8_ROWS = 2
CSR_ROWS = 3  # float32 that are not zero, and their columns
