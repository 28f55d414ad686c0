"""What one launch works on: the words that describe a run, and a block's view of it."""

from typing import NamedTuple

import numpy as np

# Words of the table (int32) before the plans -----------------------------------------
TEAMS = 0
THREAD_BLOCKS = 1  # of a team
BATCH = 2
BATCHES = 3  # minibatches an epoch; the last of all samples may be short
SAMPLES = 4
FEATURES = 5
STORAGE = 6
STEPS = 7  # ticket at which the run is over
SHUFFLE = 8
RATE_POINTS = 9  # learning rates an epoch
RATE_SIZE = 10
NESTEROV = 11
STORES = 12  # 1: plain stores into the shared parameters
SCALED = 13  # 1: (x - shift) * scale
WEIGHTED = 14  # 1: there are sample weights
STATIC = 15  # 1: tickets go round the teams, 0: whoever is free takes the next
WORK_SIZE = 16  # float32 of a team's work space
COPY_AT = 17  # of the team's copy of the parameters, or -1 to read in place
PARAMETERS = 18
BLOCKS = 19  # of the parameter vector
TEAM_PLANS_AT = 20  # [teams, TEAM_PLANS]: plans as a team's stretches count them
STRETCHES_AT = 21  # [stretches of the run]: start, length, drawn at random, plans...
STRETCH_WIDTH = 22
STRETCH_COUNT = 23
PLANS_AT = 24  # [plans, PLAN_WIDTH]
WRITES_AT = 25  # [plans, blocks of the vector]: 1 if it is written
KEYS_AT = 26  # [epochs, 2]: of the order of the samples
TEAM_KEYS_AT = 27  # [teams]: of dropout and augmentation
X_AT = 28  # of the minibatch in the work space
X_ROW = 29
AUGMENT_AT = 30  # words as in ``kernels.cpu.augment``
INDICES_AT = 31  # int32 [teams, batch] in the words
LOSSES_AT = 32  # float32 [batch] in the work space
TEAMS_AT = 33  # where the teams' own words begin
TEAM_WIDTH = 34
STALENESS_AT = 35  # int32 [AGES, blocks of the vector, bins] in the words
BINS = 36
RATES_AT = 37
SHIFT_AT = 38
SCALE_AT = 39
OUTPUTS = 40
TEAM_EPOCHS = 41  # 1: every team passes over all data
OUTPUT_AT = 42
OUTPUT_ROW = 43
SERVERS = 44  # every so-many-th minibatch is this program's,
SERVER = 45  # from this one on
TEAM_PLANS = 46
FIRST = 47  # of the minibatches that all samples make, where an epoch begins
HEADER = 48

# Words of a plan.
PLAN_START = 0  # where its first phase begins
PLAN_ROWS = 1
PLAN_FORWARD = 2  # rows of the forward pass
PLAN_DRAWS = 3  # random numbers a sample
PLAN_WIDTH = 4

# Reals before those of the phases.
MOMENTUM = 0
DECAY = 1
RATE_FACTOR = 2
HEADER_REALS = 8

# Words of the whole run (int32) ------------------------------------------------------
NEXT_TICKET = 0
FAILED = 1  # 1: a barrier gave up
WRITTEN = 8  # writes to each block of the vector

# A team's record of an epoch (float32) -----------------------------------------------
LOSS_SUM = 0
WEIGHT_SUM = 1
STEPS_DONE = 2
RECORD_WIDTH = 4


class Run(NamedTuple):
    """Arrays of a launch.

    Attributes
    ----------
    table : int32
        Header, plans, stretches and phases.
    reals : float32
    params : float32 [P]
    momentum : float32 [teams, P]
    work : float32 [teams, work size]
    x : uint8
        Bytes of the rows of X.
    targets : int32
        Class indices, or the bits of float32.
    weights : float32 [samples] or [0]
    words : int32
        Counters that change: of the run, of the blocks, of the teams.
    record : float32 [teams, epochs, RECORD_WIDTH]
    """

    table: np.ndarray
    reals: np.ndarray
    params: np.ndarray
    velocity: np.ndarray
    work: np.ndarray
    x: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    words: np.ndarray
    record: np.ndarray


class Team(NamedTuple):
    """A thread's and a block's place in a team, and the team's arrays.

    Attributes
    ----------
    thread, threads : int
        Of the block; `threads` is a power of two.
    number : int
        Of the team.
    rank, thread_blocks : int
        Of the block in its team.
    shared : float32
        Shared memory.
    pixels : int32
        Shared memory, a table of pixels or of samples.
    work, velocity : float32
    reads : float32 [P]
        The parameters that this step is computed from.
    """

    thread: int
    threads: int
    number: int
    rank: int
    thread_blocks: int
    shared: np.ndarray
    pixels: np.ndarray
    work: np.ndarray
    reads: np.ndarray
    velocity: np.ndarray


class Step(NamedTuple):
    """What a step is about, in shared memory; the same for all blocks of a team.

    Attributes
    ----------
    numbers : int32
        See ROWS and below.
    values : float32
        See WEIGHTS and below. The momentum step is u = m u + g and
        w -= along_g g + along_u u (docs/method.md, section 2).
    """

    numbers: np.ndarray
    values: np.ndarray


# Numbers of a step.
ROWS = 0  # samples of the minibatch
START = 1  # its position in the epoch
EPOCH = 2
DROPPED = 3  # draws of dropout before this step
AUGMENTED = 4  # samples that were augmented before it
KEY = 5  # of the team's random numbers
LEARNS = 6  # 0 if all sample weights are zero
AUGMENTS = 7  # 0 to leave the samples as they are

# Values of a step.
WEIGHTS = 0  # sum of the sample weights
M = 1
DECAYING = 2  # L2 penalty over the sum of the weights
ALONG_G = 3
ALONG_U = 4
UNIFORM = 5  # in [0, 1), by which samples are drawn

# Words of dynamic shared memory, which all of a block's shared arrays are cut from: the
# simulator may make others twice. First comes the table of pixels.
NUMBERS_AT = 3 * 128
VALUES_AT = NUMBERS_AT + 8
SHARED_AT = VALUES_AT + 8  # what the phases work in; a multiple of 4
