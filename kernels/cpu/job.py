"""What one call of the hot loop works on: plans, samples, update rule, memory."""

from typing import NamedTuple

import numpy as np

# How an update reaches the shared parameters.
WRITE_PLAIN = 0  # fused into the gradient, plain stores
WRITE_ATOMIC = 1  # one fetch-and-add a word
WRITE_LOCKED = 2  # whole update under one lock
WRITE_MEAN = 3  # synchronous: mean gradient of all workers between two barriers

# Where a step reads the parameters.
READ_DIRECT = 0  # in place
READ_COPY = 1  # from a private copy, made when the step begins
READ_GIVEN = 2  # from the copy as it is, with ``seen``: both are older

# Words of a worker's own state (int64), kept between calls and, where the parent holds
# them, beyond the worker's death: another one goes on from them.
PENDING = 0  # ticket drawn and not yet used, or -1
DRAWN = 1  # minibatches this worker has begun
DROPOUT_COUNTER = 2
OVER = 3  # 1 once the worker has to leave the run for good
AUGMENT_COUNTER = 4  # samples this worker has augmented
BEGUN = 5  # ticket of the step under way, or -1
NOW = 6  # steps on the sparse first layer since all its rows were up to date
STATE_WIDTH = 8  # a cache line


class Plans(NamedTuple):
    """What a worker may run at a step; plan 0 is the full gradient.

    Attributes
    ----------
    ops, reals : int64 [plans, ops, ROW_WIDTH], float32 [plans, ops, REAL_WIDTH]
    n_forward, n_ops : int64 [plans]
        Rows of the forward pass (the loss not included), and of all.
    tensors : int64 [plans, tensors, 3]
        Offset, length and decay (0 or 1) of what a plan updates; length 0 fills up.
    kept : int64 [plans, buffers, 2]
        Offset and float32 a sample of the buffers that operations behind a THIN read
        and earlier ones wrote; 0 a sample fills up.
    writes : uint8 [plans, blocks]
    stretch_start : int64 [stretches]
        Shared step at which a stretch of the run begins; the first is 0.
    stretch_plans : int64 [stretches, longest]
    stretch_length : int64 [stretches]
        A stretch's plans are run in turn, or, with `stretch_random`, drawn at random.
    stretch_random : uint8 [stretches]
    """

    ops: np.ndarray
    reals: np.ndarray
    n_forward: np.ndarray
    n_ops: np.ndarray
    tensors: np.ndarray
    kept: np.ndarray
    writes: np.ndarray
    stretch_start: np.ndarray
    stretch_plans: np.ndarray
    stretch_length: np.ndarray
    stretch_random: np.ndarray


class Samples(NamedTuple):
    """The samples that a worker trains on, and the order of its minibatches.

    Attributes
    ----------
    x, storage, n_features : int
        Address of the rows, how they are stored, their length.
    columns, starts : int
        Addresses, of sparse rows: int32 columns of the values in x, int64 first value
        of each row; else 0.
    shift, scale : float32 [n_features] or [0]
    shift64, scale64 : float64 [n_features] or [0]
        The same for rows stored as float64; see ``gather``.
    targets : int
        Address; the loss knows their type.
    weights : float32 [n_samples] or [0]
    n_samples, batch : int
        Samples, samples a minibatch.
    first, batches : int
        Of the minibatches that all samples make (the last may be short), the first one
        of this run, and how many are an epoch of it.
    shuffle, order_key : int
    augment : int64 [AUGMENT_WIDTH]
        See ``augment``.
    """

    x: int
    storage: int
    n_features: int
    columns: int
    starts: int
    shift: np.ndarray
    scale: np.ndarray
    shift64: np.ndarray
    scale64: np.ndarray
    targets: int
    weights: np.ndarray
    n_samples: int
    batch: int
    first: int
    batches: int
    shuffle: int
    order_key: int
    augment: np.ndarray


class UpdateRule(NamedTuple):
    """How gradients reach the parameters: the method's writes, and step sizes.

    Attributes
    ----------
    write, read, own_epochs : int
        A WRITE_ code; a READ_ code; 1 if every worker passes over all the data instead
        of sharing the epochs.
    rate : float32 [points]
        Learning rate over the run, `rate_points` values an epoch.
    rate_factor : float32 [1]
        Shared factor on the rate that the parent may change.
    m, nesterov, decay : float32, int, float32
    largest : float32
        Norm that gradients are scaled down to; 0 leaves them as they are.
    """

    write: int
    read: int
    own_epochs: int
    rate: np.ndarray
    rate_points: int
    rate_factor: np.ndarray
    m: float
    nesterov: int
    decay: float
    largest: float


class Worker(NamedTuple):
    """A worker's memory: what is shared (first four) and what is its own.

    Attributes
    ----------
    params : float32 [P]
    counters : int64 [(BLOCKS + blocks) * STRIDE]
    gradients : float32 [workers, P] with WRITE_MEAN, else [0, 0]
    record : float64 [epochs, RECORD_WIDTH]
    staleness : int64 [AGES, blocks, STALENESS_BINS]
    log : int32 [events, log_width(blocks)]
        Shared by all; of no events, if none are logged.
    velocity, gradient, copy : float32 [P]
        `copy` is empty unless reads are copied.
    work, zeros : float32
        Activation buffers, and a line of zeros as wide as the widest buffer.
    indices, kept, norms : int64 [batch], int64 [batch], float32 [batch]
        Samples of the minibatch; of them, the rows that a THIN keeps, and norms.
    seen : int64 [blocks]
    coefficients : float32 [4]
        Of an update, see ``update``.
    sparse : int64 [SPARSE_WIDTH]
        Where what lies that a sparse first layer needs, see ``sparse_step``; of no
        words for dense rows. One array: every call takes all fields along.
    state : int64 [STATE_WIDTH]
        Words that only this worker writes while it lives.
    rank, workers, key : int
    image_op : int
        See ``image_ops.image_op_address``.
    """

    params: np.ndarray
    counters: np.ndarray
    gradients: np.ndarray
    record: np.ndarray
    staleness: np.ndarray
    log: np.ndarray
    velocity: np.ndarray
    gradient: np.ndarray
    copy: np.ndarray
    work: np.ndarray
    zeros: np.ndarray
    indices: np.ndarray
    kept: np.ndarray
    norms: np.ndarray
    seen: np.ndarray
    coefficients: np.ndarray
    sparse: np.ndarray
    state: np.ndarray
    rank: int
    workers: int
    key: int
    image_op: int
