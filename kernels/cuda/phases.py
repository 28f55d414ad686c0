"""The phase table: what a team of thread blocks runs between two of its barriers.

A row is the row of the op table that it comes from (``hogblock.kernels.optable``), with
the columns below behind it. ``lowering`` makes it; ``interpreter`` walks it.
Sizes are float32 words; offsets into a team's work space unless said otherwise.
"""

from hogblock.kernels.optable import OP_WIDTH, REAL_WIDTH

# Phases ------------------------------------------------------------------------------
GATHER = 0  # rows of X into the work space, scaled and augmented; indices of the rows
WEIGHT_SUM = 1  # sum of the sample weights of the minibatch
COPY_PARAMETERS = 2  # into the team's private copy
PRODUCT_FORWARD = 3  # Y = act(patches of X times W + B)
PRODUCT_INPUT = 4  # DX = patches of DY times W turned
PRODUCT_WEIGHT = 5  # W from patches of X, turned, times DY
DEPTHWISE_FORWARD = 6
DEPTHWISE_INPUT = 7
DEPTHWISE_WEIGHT = 8  # one part of the sum into PARTS_AT
MAX_POOL_FORWARD = 9
MAX_POOL_BACKWARD = 10
AVG_POOL_FORWARD = 11
AVG_POOL_BACKWARD = 12
NORM_FORWARD = 13
NORM_SUMS = 14
NORM_INPUT = 15
ACTIVATION_FORWARD = 16
ACTIVATION_BACKWARD = 17
DROPOUT_FORWARD = 18
DROPOUT_BACKWARD = 19
SPATIAL_DROPOUT_FORWARD = 20
SPATIAL_DROPOUT_BACKWARD = 21
ADD_FORWARD = 22
ADD_BACKWARD = 23
COPY_CHANNELS = 24
LOSS = 25  # DY, and the loss of each row into work space
LOSS_SUM = 26  # adds the minibatch's loss to the record
COLUMN_SUMS = 27  # one part of the gradient of a bias into PARTS_AT
UPDATE = 28  # parameters from the sum of the parts
MAX_POOL_SPREAD = 29  # backward, where windows lie side by side

NAMES = {
    value: name
    for name, value in list(globals().items())
    if name.isupper() and isinstance(value, int) and not name.endswith("WIDTH")
}

# Columns -----------------------------------------------------------------------------
PHASE = OP_WIDTH
BARRIER = OP_WIDTH + 1  # 1: all blocks of the team meet before it
FIRST_TILE = OP_WIDTH + 2  # tile t is run by block (t + FIRST_TILE) % blocks
TILES = OP_WIDTH + 3
STEP = OP_WIDTH + 4  # what a tile covers: rows, elements or samples
PARTS = OP_WIDTH + 5  # partial sums of a gradient
PARTS_AT = OP_WIDTH + 6
PART_SIZE = OP_WIDTH + 7
LENGTH = OP_WIDTH + 8  # parameters that UPDATE covers
TARGET = OP_WIDTH + 9  # first of them in the parameter vector
DECAYS = OP_WIDTH + 10
DRAWS = OP_WIDTH + 11  # random numbers a sample that earlier operations of a step take
POSITIONS = OP_WIDTH + 12  # float32 position of each window's maximum, laid out as Y
DRAWS_BELOW = OP_WIDTH + 13  # a draw below it drops
REALS = OP_WIDTH + 14  # where the row's reals begin

# A product: C [m, n] = sum over k of A [m, k] B [k, n]; one of A's two axes are pixels
# (sample, row, column), the other one taps (row, column, channel) of a kernel.
TILE_M = OP_WIDTH + 15  # outputs of a tile; powers of two, at least 8 and 16
TILE_N = OP_WIDTH + 16
TILE_K = OP_WIDTH + 17  # a power of two, at least 4 x SLICES
SLICES = OP_WIDTH + 18  # threads that share an output, each with its own k
M_TILES = OP_WIDTH + 19
N_TILES = OP_WIDTH + 20
TAP_FIRST = OP_WIDTH + 21  # of PRODUCT_WEIGHT: first m
TAP_END = OP_WIDTH + 22  # taps times LANES
OUT = OP_WIDTH + 23
OUT_ROW = OP_WIDTH + 24  # from one m to the next; also the end of n
ACT_Y = OP_WIDTH + 25  # outputs whose activation's derivative multiplies DX, or -1
ACT_KIND = OP_WIDTH + 26
IMAGE = OP_WIDTH + 27  # what the patches are taken from
IMAGE_ROW = OP_WIDTH + 28
IMAGE_HEIGHT = OP_WIDTH + 29
IMAGE_WIDTH = OP_WIDTH + 30
IMAGE_PIXEL = OP_WIDTH + 31
LANES = OP_WIDTH + 32  # k of one tap: channels, padded so that quads do not straddle
CHANNELS = OP_WIDTH + 33  # of them real
LANES_MAGIC = OP_WIDTH + 34  # see ``patches.divided``
KERNEL_MAGIC = OP_WIDTH + 35
PIXELS = OP_WIDTH + 36  # of a sample
LINE_PIXELS = OP_WIDTH + 37  # of a row of pixels
LINE_MAGIC = OP_WIDTH + 38
MULTIPLY = OP_WIDTH + 39  # pixel r begins at r * MULTIPLY + SHIFT_DOWN,
SHIFT_DOWN = OP_WIDTH + 40
SHIFT_RIGHT = OP_WIDTH + 41
SIGN = OP_WIDTH + 42  # tap t lies SIGN * t further, and exists if that is a
DIVIDE = OP_WIDTH + 43  # multiple of DIVIDE, at the quotient
QUADS = OP_WIDTH + 44  # 1: patches are copied four floats at a time
MULTIPLY_RIGHT = OP_WIDTH + 45
DIVIDE_RIGHT = OP_WIDTH + 46
RIGHT = OP_WIDTH + 47  # the other operand: DY of PRODUCT_WEIGHT
RIGHT_ROW = OP_WIDTH + 48
C_AT = OP_WIDTH + 49  # words of shared memory before the sums of the slices
PIECE = OP_WIDTH + 50  # and of a piece of both operands
PHASE_WIDTH = OP_WIDTH + 51

# Reals behind those of the op table.
ACT_SLOPE = REAL_WIDTH
PHASE_REALS = REAL_WIDTH + 1

# A team's own words (int32) ----------------------------------------------------------
ARRIVED = 0  # blocks that have come to its barriers so far, in all
TICKET = 1  # minibatch that it works on, or -1
DRAWN = 2  # minibatches it has begun
PASSED = 3  # barriers that earlier launches have passed
DROPOUT_COUNTER = 4
AUGMENT_COUNTER = 5
PENDING = 6  # ticket that was drawn and not used, or -1
SEEN = 8  # writes to each block of parameters at the time of the read
