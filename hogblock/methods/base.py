"""The base of all methods."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, NamedTuple

from hogblock.methods.scopes import Scope


class Stretch(NamedTuple):
    """From shared step `start` on, a worker takes the `turns` one after another.

    Parameters
    ----------
    start : int
    turns : tuple of {"full", "own", "suffix"} or From
        Scopes: what a step updates, see ``methods.scopes``.
    """

    start: int
    turns: tuple[Scope, ...]


@dataclass(frozen=True)
class Method:
    """What all methods share.

    A subclass says by its traits, the attributes of the class below, what an engine has
    to do for it, and in `stretches` which scope a worker's steps have when.

    Parameters
    ----------
    reads : {"direct", "copy"}, default="direct"
        Read the shared parameters in place, or copy them to private memory before each
        step (the memory model of the paper to the letter).
    epochs : {"shared", "worker"}, default="shared"
        The workers share the minibatches of an epoch, or each passes over all the data.
    thinning : float, default=0.0
        Below the output layer, backpropagation goes on for the samples that matter: one
        whose gradient there has a norm below `thinning` times the minibatch's mean goes
        on with the ratio of the two as probability, divided by it. A step's expected
        gradient stays what it is, every sample updates the output layer, and the rest
        of the backward pass costs what the samples cost that are left; a CUDA device
        goes through zeros in place of the others, and saves no time. 0 keeps all.
    horizon : {"own", "shared"}, default="own"
        Steps by which a worker's momentum forgets: its own, or those of all C workers,
        each of which takes every C-th. With "shared" the coefficient is m^C and the
        rate is multiplied by (1 - m^C) / (1 - m): a gradient then moves the parameters
        as far, and as long, as one worker's would. With "own" it is felt C times as
        long, which is momentum that nobody asked for (Mitliagkas et al., "Asynchrony
        begets Momentum", 2016).

    Raises
    ------
    ValueError
        For a value that is not allowed.

    Attributes
    ----------
    name : str
        As in an estimator's ``method="name"``.
    one_worker : bool
        It has no more than one worker.
    together : bool
        All workers make one step: a share of the minibatch each, a barrier, one update
        by the mean gradient.
    locks : bool
        A whole update is written under one lock.
    atomic : bool
        Updates are written by fetch-and-add, so that none that races is lost.
    owns_blocks : bool
        Each worker has blocks of its own, which turns of scope "own" or "suffix" need.
    deterministic : bool
        The seed determines the model of several workers.
    """

    reads: str = "direct"
    epochs: str = "shared"
    thinning: float = 0.0
    horizon: str = "own"

    name: ClassVar[str] = ""
    one_worker: ClassVar[bool] = False
    together: ClassVar[bool] = False
    locks: ClassVar[bool] = False
    atomic = False  # no ClassVar: a subclass may make a field of it
    owns_blocks: ClassVar[bool] = False
    deterministic: ClassVar[bool] = False

    def __post_init__(self):
        check_choice(self, "reads", ("direct", "copy"))
        check_choice(self, "epochs", ("shared", "worker"))
        check_choice(self, "horizon", ("own", "shared"))
        if not (self.thinning >= 0 and isfinite(self.thinning)):
            raise ValueError(
                f"thinning={self.thinning!r} of method {self.name!r} must be a finite "
                "number >= 0"
            )

    def coefficients(self, momentum: float, workers: int) -> tuple[float, float]:
        """Momentum of each of several workers, and a factor on the rate.

        Parameters
        ----------
        momentum : float
        workers : int

        Returns
        -------
        momentum, factor : float
        """
        if self.horizon == "own" or self.together:
            return momentum, 1.0
        own = momentum**workers
        return own, (1 - own) / (1 - momentum)

    @property
    def blocks_per_worker(self) -> int:
        """Blocks that a worker owns; with several, an own turn draws one at random."""
        return 1

    def stretches(self, batches: int, epochs: int, trained: int = 0) -> list[Stretch]:
        """Stretches of a run; the first starts at step 0.

        Parameters
        ----------
        batches : int
            Shared steps of an epoch.
        epochs : int
            For which the training of the model is planned, from its beginning.
        trained : int, default=0
            Epochs that were trained before this run.

        Returns
        -------
        list of Stretch
        """
        return [Stretch(0, ("full",))]


def check_choice(method, name, allowed):
    """Raise ValueError unless a field of a method has one of the `allowed` values."""
    value = getattr(method, name)
    if value not in allowed:
        raise ValueError(
            f"{name}={value!r} of method {method.name!r} must be one of {allowed}"
        )
