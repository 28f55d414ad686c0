"""The op table: how a network is described to a compiled interpreter.

A plan is an integer table, one row per operation, read from top to bottom. Every row
has the same columns; an operation reads those that it needs. Buffers (X, Y, their
gradients DX and DY, scratch) are offsets in float32 into a worker's private work space;
W and B are offsets into the flat parameter vector. All buffers hold one
minibatch, a sample a row.
"""

LINE = 16
"""float32 in a cache line: rows of every tensor and buffer are padded to it."""

# Operations ------------------------------------------------------------------------
DENSE_FORWARD = 0  # Y = act(X W + B)
DENSE_INPUT_GRADIENT = 1  # DX = DY W^T
DENSE_UPDATE = 2  # W rows [FIRST, FIRST + COUNT) from X^T DY
BIAS_UPDATE = 3  # B from the column sums of DY
ACTIVATION_FORWARD = 4  # Y = act(X)
ACTIVATION_BACKWARD = 5  # DX = DY * act'(Y); DX and DY may be one buffer
DROPOUT_FORWARD = 6  # Y = X * mask / (1 - rate), mask drawn into SCRATCH
DROPOUT_BACKWARD = 7  # DX = DY * mask / (1 - rate)
LOSS = 8  # DY from the outputs X and the targets

# Columns ---------------------------------------------------------------------------
CODE = 0
X = 1
X_ROW = 2  # float32 from one row of X (and of DX) to the next
X_WIDTH = 3  # features of X
Y = 4
Y_ROW = 5
Y_WIDTH = 6
DX = 7
DY = 8
W = 9
B = 10
FIRST = 11
COUNT = 12
KIND = 13  # activation or loss
SCRATCH = 14
SCRATCH2 = 15
SCRATCH_ROW = 16  # float32 from one row of either scratch buffer to the next
OP_WIDTH = 17

# Columns of the float32 table that goes with it --------------------------------------
SLOPE = 0  # of a LINEAR activation left of zero
RATE = 1  # of dropout
REAL_WIDTH = 2

# Activations -------------------------------------------------------------------------
LINEAR = 0  # v > 0 ? v : SLOPE * v
TANH = 1
LOGISTIC = 2

# Losses ------------------------------------------------------------------------------
SOFTMAX_CROSS_ENTROPY = 0  # targets: int32 class index
LOGISTIC_CROSS_ENTROPY = 1  # targets: float32 0 or 1, one column an output
SQUARED_ERROR = 2  # targets: float32, one column an output

# Storage of the rows of X ------------------------------------------------------------
FLOAT32_ROWS = 0
FLOAT64_ROWS = 1
UINT8_ROWS = 2
