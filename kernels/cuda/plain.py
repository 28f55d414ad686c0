"""Operations that are one phase on a CUDA device: a row here is all that they need.

``lowering`` makes their phases, with the ranges that the op table declares; the
``interpreter`` calls their device functions.
"""

from collections.abc import Callable
from typing import NamedTuple

from hogblock.kernels import ops as op


def values(row) -> int:
    """Elements of a sample of Y."""
    return int(row[op.Y_ROW])


def nothing(row) -> int:
    """No shared memory."""
    return 0


class Plain(NamedTuple):
    """How an operation runs.

    Attributes
    ----------
    run : device function
        ``run(run, team, p, rows)``: its phase at row `p` for `rows` samples.
    length : callable
        Elements of a sample, from the row of the op table.
    by_sample : bool
        Whether a tile is a sample; else a number of elements.
    shared : callable
        float32 of shared memory, from the row.
    """

    run: Callable
    length: Callable = values
    by_sample: bool = False
    shared: Callable = nothing
