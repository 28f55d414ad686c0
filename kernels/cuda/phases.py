"""The phase table: what a team of thread blocks runs between two of its barriers.

A row is the row of the op table that it comes from (``hogblock.kernels.ops``), with
the columns below behind it. ``lowering`` makes it; ``interpreter`` walks it.
Sizes are float32 words; offsets into a team's work space unless said otherwise.
"""

from hogblock.kernels.ops import OP_WIDTH, OPERATIONS, REAL_WIDTH

# Phases ------------------------------------------------------------------------------
# An operation that is one phase has its own code, see ``plain``; these have none.
GATHER = 256  # rows of X into the work space, scaled and augmented; indices of the rows
WEIGHT_SUM = 257  # sum of the sample weights of the minibatch
COPY_PARAMETERS = 258  # into the team's private copy
PRODUCT_FORWARD = 259  # Y = act(patches of X times W + B)
PRODUCT_INPUT = 260  # DX = patches of DY times W turned
PRODUCT_WEIGHT = 261  # W from patches of X, turned, times DY
DEPTHWISE_FORWARD = 262
DEPTHWISE_INPUT = 263
DEPTHWISE_WEIGHT = 264  # one part of the sum into PARTS_AT
MAX_POOL_SPREAD = 265  # backward, where windows lie side by side
LOSS_SUM = 266  # adds the minibatch's loss to the record
COLUMN_SUMS = 267  # one part of the gradient of a bias into PARTS_AT
UPDATE = 268  # parameters from the sum of the parts
THIN_NORMS = 269  # of the samples' rows of DY, into NORMS
THIN_ROWS = 270  # rows of DY times what their norms say

NAMES = {code: o.name for code, o in OPERATIONS.items()} | {
    value: name
    for name, value in list(globals().items())
    if name.isupper() and isinstance(value, int) and not name.endswith("WIDTH")
}

# Columns -----------------------------------------------------------------------------
PHASE = OP_WIDTH
BARRIER = OP_WIDTH + 1  # 1: all blocks of the team meet before it
FIRST_TILE = OP_WIDTH + 2  # tile t is run by block (t + FIRST_TILE) % blocks
TILES = OP_WIDTH + 3
SPAN = OP_WIDTH + 4  # what a tile covers: elements, parameters or samples
PARTS = OP_WIDTH + 5  # partial sums of a gradient
PARTS_AT = OP_WIDTH + 6
PART_SIZE = OP_WIDTH + 7
LENGTH = OP_WIDTH + 8  # parameters that an update covers, or elements of a sample
TARGET = OP_WIDTH + 9  # first of them in the parameter vector
DRAWS = OP_WIDTH + 10  # random numbers a sample that earlier operations of a step take
POSITIONS = OP_WIDTH + 11  # float32 position of each window's maximum, laid out as Y
DRAWS_BELOW = OP_WIDTH + 12  # a draw below it drops
REALS = OP_WIDTH + 13  # where the row's reals begin

# A product: C [m, n] = sum over k of A [m, k] B [k, n]; one of A's two axes are pixels
# (sample, row, column), the other one taps (row, column, channel) of a kernel.
TILE_M = OP_WIDTH + 14  # outputs of a tile; powers of two, at least 8 and 16
TILE_N = OP_WIDTH + 15
TILE_K = OP_WIDTH + 16  # a power of two, at least 4 x SLICES
SLICES = OP_WIDTH + 17  # threads that share an output, each with its own k
M_TILES = OP_WIDTH + 18
N_TILES = OP_WIDTH + 19
TAP_FIRST = OP_WIDTH + 20  # of PRODUCT_WEIGHT: first m
TAP_END = OP_WIDTH + 21  # taps times LANES
OUT = OP_WIDTH + 22
OUT_ROW = OP_WIDTH + 23  # from one m to the next; also the end of n
ACT_Y = OP_WIDTH + 24  # outputs whose activation's derivative multiplies DX, or -1
ACT_KIND = OP_WIDTH + 25
IMAGE = OP_WIDTH + 26  # what the patches are taken from
IMAGE_ROW = OP_WIDTH + 27
IMAGE_HEIGHT = OP_WIDTH + 28
IMAGE_WIDTH = OP_WIDTH + 29
IMAGE_PIXEL = OP_WIDTH + 30
LANES = OP_WIDTH + 31  # k of one tap: channels, padded so that quads do not straddle
CHANNELS = OP_WIDTH + 32  # of them real
LANES_MAGIC = OP_WIDTH + 33  # see ``patches.divided``
KERNEL_MAGIC = OP_WIDTH + 34
PIXELS = OP_WIDTH + 35  # of a sample
LINE_PIXELS = OP_WIDTH + 36  # of a row of pixels
LINE_MAGIC = OP_WIDTH + 37
MULTIPLY = OP_WIDTH + 38  # pixel r begins at r * MULTIPLY + SHIFT_DOWN,
SHIFT_DOWN = OP_WIDTH + 39
SHIFT_RIGHT = OP_WIDTH + 40
SIGN = OP_WIDTH + 41  # tap t lies SIGN * t further, and exists if that is a
DIVIDE = OP_WIDTH + 42  # multiple of DIVIDE, at the quotient
QUADS = OP_WIDTH + 43  # 1: patches are copied four floats at a time
MULTIPLY_RIGHT = OP_WIDTH + 44
DIVIDE_RIGHT = OP_WIDTH + 45
RIGHT = OP_WIDTH + 46  # the other operand: DY of PRODUCT_WEIGHT
RIGHT_ROW = OP_WIDTH + 47
C_AT = OP_WIDTH + 48  # words of shared memory before the sums of the slices
PIECE = OP_WIDTH + 49  # and of a piece of both operands
NORMS = OP_WIDTH + 50  # float32 [samples]
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
