"""Methods of workers that own blocks."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from hogblock.methods.base import Method, Stretch
from hogblock.methods.scopes import FULL, OWN, SUFFIX, Scope, check_scope

TURNS = 100
"""Turns after which the shares of a mix come again."""


@dataclass(frozen=True)
class PASSM(Method):
    """Each worker updates only the blocks it owns, with partial backpropagation.

    Parameters
    ----------
    reads, epochs, thinning, horizon : str, str, float, str
        See `Method`.
    random_blocks : int, default=1
        Blocks that a worker owns. With 1 each step updates all that the worker owns;
        with more, one of its blocks drawn at random, as the paper states it.
    """

    random_blocks: int = 1

    name: ClassVar[str] = "passm"
    owns_blocks: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if self.random_blocks < 1:
            raise ValueError(f"random_blocks={self.random_blocks} must be at least 1")

    @property
    def blocks_per_worker(self):
        return self.random_blocks

    def stretches(self, batches, epochs, trained=0):
        return [Stretch(0, (OWN,))]


@dataclass(frozen=True)
class PASSMPlus(PASSM):
    """First full asynchronous steps, then partial ones, in turn with full ones.

    Partial steps on a worker's own block are what the authors' published code takes,
    from which this definition is inferred: the paper's own was not at hand. A step on
    everything from the worker's block to the output is this package's.

    Parameters
    ----------
    reads, epochs, thinning, horizon : str, str, float, str
        See `Method`.
    random_blocks : int, default=1
        See `PASSM`.
    warmup_fraction : float in [0, 1], default=0.1
        Share of the epochs with full steps only. Of `max_iter` epochs where a planned
        schedule goes through all of them; else of the ``n_iter_no_change + 2`` epochs
        before which `tol` cannot end a run, if these are fewer. They count from the
        beginning of the model: ``partial_fit`` and ``warm_start=True`` warm up once.
    alternate : bool, default=True
        Afterwards, take a partial and a full step in turn; else partial steps only.
    switch_epochs : tuple of int, default=()
        Epochs since the beginning of the model at which to toggle between full steps
        and the steps described above; if given, `warmup_fraction` is not used.
    scope : {"own", "suffix"} or From, default="own"
        What a partial step updates: a block of the worker's own, everything from such a
        block to the output, or from a layer to the output.
    """

    warmup_fraction: float = 0.1
    alternate: bool = True
    switch_epochs: tuple[int, ...] = ()
    scope: Scope = OWN

    name: ClassVar[str] = "passm+"

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.warmup_fraction <= 1:
            raise ValueError(
                f"warmup_fraction={self.warmup_fraction} must be in [0, 1]"
            )
        if list(self.switch_epochs) != sorted(set(self.switch_epochs)) or any(
            e < 0 for e in self.switch_epochs
        ):
            raise ValueError(
                f"switch_epochs={self.switch_epochs} must increase from 0 or more"
            )
        check_scope(self.scope, f"scope of method {self.name!r}", (OWN, SUFFIX))

    def stretches(self, batches, epochs, trained=0):
        later = (self.scope, FULL) if self.alternate else (self.scope,)
        switches = self.switch_epochs or (self.warmup_fraction * epochs,)
        turns: dict[int, tuple[Scope, ...]] = {0: (FULL,)}
        for k, epoch in enumerate(switches):
            start = max(0, round((epoch - trained) * batches))
            turns[start] = later if k % 2 == 0 else (FULL,)
        return [Stretch(start, taken) for start, taken in turns.items()]


@dataclass(frozen=True)
class Mixed(PASSM):
    """Steps of several scopes, in shares that change over the training.

    Parameters
    ----------
    reads, epochs, thinning, horizon : str, str, float, str
        See `Method`.
    random_blocks : int, default=1
        See `PASSM`.
    mix : sequence of (float, dict), default=((0.0, {"full": 0.5, "suffix": 0.5}),)
        From a fraction of the planned epochs on, the share of each scope among a
        worker's turns: "full", "own", "suffix" or a ``From``. Turns of a scope lie
        evenly among the others; shares come again after 100 turns.

    Raises
    ------
    ValueError
        If fractions do not rise from 0 to below 1, a share is neither 0 nor at least
        0.01, shares do not add up to 1, or a scope is unknown.

    Notes
    -----
    The first fractions with full steps only and later ones with deeper cuts is what
    FreezeOut does to the lower layers (Brock et al., arXiv 1706.04983).
    """

    mix: tuple = ((0.0, {FULL: 0.5, SUFFIX: 0.5}),)

    name: ClassVar[str] = "mixed"

    def __post_init__(self):
        super().__post_init__()
        parts = [(start, tuple(dict(shares).items())) for start, shares in self.mix]
        object.__setattr__(self, "mix", tuple(parts))  # of values that hash
        starts = [start for start, _ in parts]
        rising = all(a < b for a, b in pairwise([*starts, 1]))  # false for NaN
        if not (rising and starts and starts[0] == 0):
            raise ValueError(f"fractions {starts} of mix must rise from 0 to below 1")
        for start, shares in parts:
            for scope, share in shares:
                check_scope(scope, "scope of mix")
                if not (share == 0 or share >= 1 / TURNS):
                    raise ValueError(
                        f"mix: share {share!r} of {scope!r} must be 0 or at least "
                        f"{1 / TURNS}, a turn of {TURNS}"
                    )
            total = sum(share for _, share in shares)
            if abs(total - 1) > 1e-6:
                raise ValueError(
                    f"mix: shares {dict(shares)} from {start} on add up to {total:g}; "
                    "they must add up to 1"
                )

    def stretches(self, batches, epochs, trained=0):
        turns = {}
        for start, shares in self.mix:
            first = max(0, round((start * epochs - trained) * batches))
            turns[first] = _evenly(shares)
        return [Stretch(start, taken) for start, taken in turns.items()]


def _evenly(shares) -> tuple[Scope, ...]:
    """Scopes one after another, each as far behind its share as the others."""
    if len(shares) == 1:
        return (shares[0][0],)
    owed = dict.fromkeys((scope for scope, _ in shares), 0.0)
    turns = []
    for _ in range(TURNS):
        for scope, share in shares:
            owed[scope] += share
        turns.append(max(owed, key=owed.__getitem__))
        owed[turns[-1]] -= 1
    return tuple(turns)
