"""Draws from a table of probabilities by its cumulative sums.

One uniform number a draw; a guide over intervals of equal length says where to begin to
look (the method of Chen and Asau, 1974), so that a draw takes about one comparison
however long the table is.
"""

from typing import NamedTuple

import numpy as np

from hogblock.kernels.cpu.jit import exact


class Table(NamedTuple):
    """Whole numbers `lowest`, `lowest` + 1, ... with probabilities.

    Attributes
    ----------
    lowest : int
    cumulative : ndarray of shape (n,), float64
        Sums of probabilities; the last is 1.
    guide : ndarray of shape (m,), int64
        m is a power of two: entry i is the first index whose sum is above i / m.
    """

    lowest: int
    cumulative: np.ndarray
    guide: np.ndarray


def make_table(probabilities) -> Table:
    """Of the probabilities of 0, 1, ...: those of 0 at both ends are left out."""
    probabilities = np.asarray(probabilities, np.float64)
    (possible,) = np.nonzero(probabilities)
    lowest, highest = int(possible[0]), int(possible[-1])
    cumulative = np.cumsum(probabilities[lowest : highest + 1])
    cumulative[-1] = 1.0  # whatever rounding has left: a draw is below 1
    cells = 1 << (len(cumulative) - 1).bit_length()
    guide = np.searchsorted(cumulative, np.arange(cells) / cells, side="right")
    return Table(lowest, cumulative, guide.astype(np.int64))


@exact
def draw(table, random):
    """A number of the table; nothing is drawn where there is only one."""
    if table.cumulative.size == 1:
        return table.lowest
    u = random.random()
    i = table.guide[np.int64(u * table.guide.size)]  # exact: a power of two
    while table.cumulative[i] <= u:
        i += 1
    return table.lowest + i
