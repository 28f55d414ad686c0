"""Shared counters of a run: int64 words, each on a cache line of its own.

The parent and all workers see the same words; kernels touch them atomically. After the
fixed words come one word a block: how often that block was written.
"""

TICKET = 0  # minibatches handed out to workers so far
LIMIT = 1  # minibatches that may be handed out now; the parent moves it on
STOP = 2  # 1: leave at the next step
ABORT = 3  # 1: leave at once, even out of a barrier (a worker died)
LOCK = 4  # spin lock of whole-vector writes: its owner's rank + 1, or 0
ARRIVED = 5  # workers that wait at the barrier
GENERATION = 6  # barriers passed so far
GO = 7  # rank 0's word to all synchronous workers, a GO_ value
END = 8  # minibatches of the whole run; the parent may move it to the limit
EVENTS = 9  # steps that have ended, if they are logged
BLOCKS = 10

STRIDE = 8  # int64 words from one counter to the next

GO_WAIT = 0
GO_ON = 1
GO_HOME = 2

# Columns of a worker's record of an epoch (float64) --------------------------------
LOSS_SUM = 0  # sum of weight * loss
WEIGHT_SUM = 1
STEPS = 2  # minibatches done; int64 bits, written last: the rest is there by then
SAMPLES = 3
KEPT = 4  # samples whose gradient went below the output layer, or would have
RECORD_WIDTH = 8  # a cache line

# A step's ages, in writes by others since its start -------------------------------
READ = 0  # of every block, all of which its forward pass reads
WRITTEN = 1  # of the blocks that it writes
AGES = 2
STALENESS_BINS = 64  # ages 0, 1, ..., 62, and 63 or more

# Columns of the log of a run (int32), a row a step in the order in which they end ----
WORKER = 0
LOGGED_TICKET = 1
PLAN = 2  # of the worker's own
COUNTS = 3  # of each block: writes before the step began, then likewise before it ended


def log_width(blocks: int) -> int:
    """Columns of a log."""
    return COUNTS + 2 * blocks
