"""Checks of what a simulation is given: an error names the first wrong entry."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from numbers import Integral

import numpy as np


def check_start(x0, n: int, random: np.random.Generator) -> np.ndarray:
    """A copy of `x0` as float64 of shape (n,); None: standard normal numbers."""
    if x0 is None:
        return random.standard_normal(n)
    x = np.array(x0, np.float64)
    if x.shape != (n,):
        raise ValueError(f"x0 has shape {x.shape}, and the problem has n={n} variables")
    if not np.isfinite(x).all():
        j = int(np.argmin(np.isfinite(x)))
        raise ValueError(f"x0: entry {j} is {x[j]}, and must be finite")
    return x


def even_blocks(count: int, n: int) -> list[tuple[int, int]]:
    """`count` blocks of n coordinates, as even as can be; the first are the longer."""
    bounds = [b * (n // count) + min(b, n % count) for b in range(count + 1)]
    return list(pairwise(bounds))


def check_blocks(
    blocks, n: int, workers: int, owned: bool, random: bool
) -> list[tuple[int, int]]:
    """Blocks of coordinates as pairs (start, stop).

    Parameters
    ----------
    blocks : None, int or list of pairs
        None: a block a coordinate where random blocks are written, else a block a
        worker where they are owned, else one. A number: so many even ones.
    n : int
        Coordinates.
    workers : int
    owned : bool
    random : bool
    """
    if blocks is None:
        # More workers than coordinates is said below.
        blocks = n if random else min(workers, n) if owned else 1
    if isinstance(blocks, Integral):
        count = int(blocks)
        if not 1 <= count <= n:
            raise ValueError(f"blocks={blocks} must be from 1 to the n={n} variables")
        blocks = even_blocks(count, n)
    found = covering(blocks, n)
    if owned and len(found) < workers:
        raise ValueError(
            f"blocks: block {len(found) - 1} is the last, and each of the "
            f"{workers} workers must own one"
        )
    return found


def covering(blocks, n: int) -> list[tuple[int, int]]:
    """Pairs (start, stop), if they cover n coordinates in order, each once."""
    if not isinstance(blocks, Iterable) or isinstance(blocks, str):
        raise ValueError(f"blocks={blocks!r} must be pairs (start, stop), or how many")
    found = [_pair(b, each) for b, each in enumerate(blocks)]
    expected = 0
    for b, (start, stop) in enumerate(found):
        name = f"blocks: block {b}, ({start}, {stop}),"
        if stop <= start:
            raise ValueError(f"{name} is empty")
        if start < expected:
            raise ValueError(
                f"{name} overlaps what is before it, or is out of order: it must begin "
                f"at {expected}"
            )
        if start > expected:
            raise ValueError(
                f"{name} leaves out coordinate {expected}: it must begin there"
            )
        if stop > n:
            raise ValueError(f"{name} goes beyond the n={n} variables")
        expected = stop
    if expected < n:
        last = f"block {len(found) - 1}, {found[-1]}, is the last" if found else "empty"
        raise ValueError(f"blocks: {last}, and coordinate {expected} of n={n} is left")
    return found


def _pair(b: int, block) -> tuple[int, int]:
    try:
        start, stop = block
        whole = isinstance(start, Integral) and isinstance(stop, Integral)
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise ValueError(f"blocks: block {b}, {block!r}, must be (start, stop)")
    return int(start), int(stop)


def owners(blocks: int, workers: int, owned: bool) -> list[range]:
    """The blocks that each worker may write: all, or neighbours of its own."""
    if not owned:
        return [range(blocks)] * workers
    return [range(*each) for each in even_blocks(workers, blocks)]


def check_rates(rate: float | Callable, n_events: int) -> np.ndarray:
    """Rates by the count 0, 1, ...; a constant is one entry.

    Parameters
    ----------
    rate : float or callable
    n_events : int
    """
    if callable(rate):
        rates = np.array(rate(np.arange(n_events, dtype=np.float64)), np.float64)
        if rates.shape == ():
            rates = rates[None]
        elif rates.shape != (n_events,):
            raise ValueError(
                f"rate gave shape {rates.shape} for counts of shape ({n_events},)"
            )
    else:
        try:
            rates = np.array([float(rate)])
        except (TypeError, ValueError):
            raise ValueError(f"rate={rate!r} must be a number or callable") from None
    right = np.isfinite(rates) & (rates >= 0)
    if not right.all():
        t = int(np.argmin(right))
        raise ValueError(
            f"rate: entry {t} is {rates[t]:g}, and must be finite and not negative"
        )
    return rates
