"""Work space and phases of a team, as lowering fills them."""

from dataclasses import dataclass, field

import numpy as np

from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.ops import padded


@dataclass
class Layout:
    """Work space of a team beyond what the plans use; the same for all its plans.

    Attributes
    ----------
    size : int
        float32 words so far.
    batch : int
    thread_blocks, threads : int
        Of a team, and of a thread block.
    shared : int
        float32 of shared memory that the phases so far need.
    """

    size: int
    batch: int
    thread_blocks: int
    threads: int
    shared: int = 0
    _reserved: dict = field(default_factory=dict)

    def reserve(self, key, size: int) -> int:
        """Offset of `size` words; the same key gives the same ones, if they do."""
        at, room = self._reserved.get(key, (0, -1))
        if size > room:
            at, room = self.size, padded(size)
            self._reserved[key] = at, room
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
