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
# Forward.
DENSE_FORWARD = 0  # Y = act(X W + B)
ACTIVATION_FORWARD = 1  # Y = act(X)
DROPOUT_FORWARD = 2  # Y = X * mask / (1 - rate), mask drawn into SCRATCH
SPATIAL_DROPOUT_FORWARD = 3  # likewise, one draw for a channel of a sample
CONV_FORWARD = 4  # Y = act(max-pool(X * W + B)); KIND2 1 is depthwise
MAX_POOL_FORWARD = 5  # Y = largest of each window of X, its position into INDEX
AVG_POOL_FORWARD = 6  # Y = mean of each window of X
NORM_FORWARD = 7  # Y = act(W * (X - mean) / deviation + B) in groups of channels
ADD_FORWARD = 8  # Y = act(X + X2)
COPY_CHANNELS = 9  # Y = X where pixels lie further apart, or closer; also backward

LOSS = 19  # DY from the outputs X and the targets

# Backward, changing no parameter.
DENSE_INPUT_GRADIENT = 20  # DX = DY W^T
ACTIVATION_BACKWARD = 21  # DX = DY * act'(Y); DX and DY may be one buffer
DROPOUT_BACKWARD = 22  # DX = DY * mask / (1 - rate)
SPATIAL_DROPOUT_BACKWARD = 23
CONV_INPUT_GRADIENT = 24
MAX_POOL_BACKWARD = 25
AVG_POOL_BACKWARD = 26
NORM_SUMS = 27  # sums of DY into SCRATCH3, and of DY times the normalised X behind
NORM_INPUT_GRADIENT = 28
ADD_BACKWARD = 29  # DX = DY, or DX += DY with COUNT 1

# Updates of parameters.
FIRST_UPDATE = 40
DENSE_UPDATE = 40  # W rows [FIRST, FIRST + COUNT) from X^T DY
BIAS_UPDATE = 41  # B from the column sums of DY, COUNT rows of it a sample
CONV_UPDATE = 42  # W rows [FIRST, FIRST + COUNT), of [kernel, kernel, channels] rows

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
KIND2 = 17  # 1 for a depthwise convolution
X2 = 18  # second input of ADD_FORWARD

# Images are [height, width, channels], pixels PIXEL float32 apart. A kernel or window
# at output pixel (r, q) begins at input pixel (r * STRIDE_HEIGHT - PAD_TOP, ...). With
# POOL larger than 1, OUT is a convolution's size before pooling, and Y is OUT / POOL.
IN_HEIGHT = 19
IN_WIDTH = 20
IN_CHANNELS = 21
IN_PIXEL = 22
OUT_HEIGHT = 23
OUT_WIDTH = 24
OUT_CHANNELS = 25
OUT_PIXEL = 26
KERNEL_HEIGHT = 27
KERNEL_WIDTH = 28
STRIDE_HEIGHT = 29
STRIDE_WIDTH = 30
PAD_TOP = 31
PAD_LEFT = 32
POOL_HEIGHT = 33
POOL_WIDTH = 34
GROUPS = 35  # of a normalisation

# Work space of image operations.
INDEX = 36  # uint16, position of the largest value in its window, laid out as Y
INDEX_ROW = 37  # float32 from one sample's positions to the next
PACKED = 38  # one sample, with its border of zeros
TABLE = 39  # int32, see the tile
TURNED = 40  # weights as the input gradient wants them
FULL = 41  # one sample of a convolution before pooling
SCRATCH3 = 42
SCRATCH4 = 43
WINOGRAD = 44  # see ``winograd``
WINOGRAD_TILES = 45  # patches at once; 0 is a plain convolution
OP_WIDTH = 46

# Columns of the float32 table that goes with it --------------------------------------
SLOPE = 0  # of a LINEAR activation left of zero
RATE = 1  # of dropout
EPSILON = 2  # added to a variance
LOSS_PARAMETER = 3  # of a loss that has one
REAL_WIDTH = 4

# Activations -------------------------------------------------------------------------
LINEAR = 0  # v > 0 ? v : SLOPE * v
TANH = 1
LOGISTIC = 2
FROM_INPUT = 16  # from here on the derivative is a function of the input alone

# Losses ------------------------------------------------------------------------------
SOFTMAX_CROSS_ENTROPY = 0  # targets: int32 class index
LOGISTIC_CROSS_ENTROPY = 1  # targets: float32 0 or 1, one column an output
SQUARED_ERROR = 2  # targets: float32, one column an output

# Storage of the rows of X ------------------------------------------------------------
FLOAT32_ROWS = 0
FLOAT64_ROWS = 1
UINT8_ROWS = 2
