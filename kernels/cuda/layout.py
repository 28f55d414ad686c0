"""Work space and phases of a team, as lowering fills them."""

from dataclasses import dataclass, field

import numpy as np

from hogblock.kernels import optable as op
from hogblock.kernels.cuda import phases as ph

LINE = op.LINE


def padded(count: int, to: int = LINE) -> int:
    """`count` rounded up to a multiple of `to`."""
    return -(-count // to) * to


@dataclass
class Layout:
    """Work space of a team beyond what the plans use; the same for all its plans.

    Attributes
    ----------
    size : int
        float32 words so far.
    batch : int
    blocks, threads : int
        Of a team, and of a block.
    shared : int
        float32 of shared memory that the phases so far need.
    """

    size: int
    batch: int
    blocks: int
    threads: int
    shared: int = 0
    _places: dict = field(default_factory=dict)

    def place(self, key, size: int) -> int:
        """Offset of `size` words; the same key gives the same place, if it is large."""
        at, room = self._places.get(key, (0, -1))
        if size > room:
            at, room = self.size, padded(size)
            self._places[key] = at, room
            self.size += room
        return at

    @property
    def rows(self) -> int:
        return padded(self.batch)


@dataclass
class Phase:
    """A row of the phase table, and what it reads and writes.

    Attributes
    ----------
    row : int64 [PHASE_WIDTH]
    reals : float32 [PHASE_REALS]
    reads, writes : tuple of (start, size)
        Ranges of the work space; parameters lie from `PARAMETERS_AT` on.
    """

    row: np.ndarray
    reals: np.ndarray
    reads: tuple
    writes: tuple


LATE = (ph.PRODUCT_WEIGHT, ph.DEPTHWISE_WEIGHT, ph.COLUMN_SUMS, ph.LOSS_SUM)
"""Phases that nothing but an update waits for."""

PARAMETERS_AT = 2**40
EVERYTHING = (PARAMETERS_AT, 2**40)


def parameters_of(row) -> tuple[tuple, tuple]:
    """Ranges of parameters that a phase reads and writes."""
    phase, width = row[ph.PHASE], int(row[op.OUT_PIXEL])
    if phase == ph.PRODUCT_WEIGHT and row[ph.PARTS] == 1:
        first = PARAMETERS_AT + int(row[op.W] + row[op.FIRST] * width)
        return (), ((first, int(row[op.COUNT]) * width),)
    if phase == ph.UPDATE or (phase == ph.COLUMN_SUMS and row[ph.PARTS] == 1):
        return (), ((PARAMETERS_AT + int(row[ph.TARGET]), int(row[ph.LENGTH])),)
    if phase in READERS:
        weights = int(row[op.KERNEL_HEIGHT] * row[op.KERNEL_WIDTH]) * width
        if row[op.KIND2] == 0:
            weights *= int(row[op.IN_CHANNELS])
        used = [(PARAMETERS_AT + int(row[op.W]), max(weights, width))]
        if row[op.B] >= 0:
            used.append((PARAMETERS_AT + int(row[op.B]), width))
        return tuple(used), ()
    return (), ()


READERS = (
    ph.PRODUCT_FORWARD,
    ph.PRODUCT_INPUT,
    ph.DEPTHWISE_FORWARD,
    ph.DEPTHWISE_INPUT,
    ph.NORM_FORWARD,
    ph.NORM_INPUT,
)
"""Phases that read parameters: the shared ones, or the team's copy."""
