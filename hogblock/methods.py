"""Methods: which block a worker updates at which step, and how it writes.

Each is defined in docs/method.md, section 4, after Kungurtsev, Egan, Chatterjee and
Alistarh, "Asynchronous Optimization Methods for Efficient Training of Deep Neural
Networks with Guarantees" (arXiv 1905.11845). To add a method, write its class here.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

__all__ = [
    "ASSM",
    "METHODS",
    "PASSM",
    "SGD",
    "Hogwild",
    "Method",
    "PASSMPlus",
    "Stretch",
    "Sync",
    "resolve",
]


class Stretch(NamedTuple):
    """From shared step `start` on, a worker takes the `turns` one after another.

    Parameters
    ----------
    start : int
    turns : tuple of {"full", "own"}
        Every block, or the worker's own.
    """

    start: int
    turns: tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """What all methods share.

    A subclass says by its traits, the attributes of the class below, what an engine has
    to do for it, and in `stretches` which blocks a worker updates when.

    Parameters
    ----------
    reads : {"direct", "copy"}, default="direct"
        Read the shared parameters in place, or copy them to private memory before each
        step (the memory model of the paper to the letter).
    epochs : {"shared", "worker"}, default="shared"
        The workers share the minibatches of an epoch, or each passes over all the data.

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
        Each worker has blocks of its own, which its ``"own"`` turns update.
    deterministic : bool
        The seed determines the model of several workers.
    """

    reads: str = "direct"
    epochs: str = "shared"

    name: ClassVar[str] = ""
    one_worker: ClassVar[bool] = False
    together: ClassVar[bool] = False
    locks: ClassVar[bool] = False
    atomic = False  # no ClassVar: a subclass may make a field of it
    owns_blocks: ClassVar[bool] = False
    deterministic: ClassVar[bool] = False

    def __post_init__(self):
        _check(self, "reads", ("direct", "copy"))
        _check(self, "epochs", ("shared", "worker"))

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


@dataclass(frozen=True)
class SGD(Method):
    """Sequential stochastic subgradient descent: one worker updates everything.

    Parameters
    ----------
    reads, epochs : str
        See `Method`.
    """

    name: ClassVar[str] = "sgd"
    one_worker: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True


@dataclass(frozen=True)
class Sync(Method):
    """Data-parallel: a share of the minibatch each, a barrier, one mean update.

    Parameters
    ----------
    reads, epochs : str
        See `Method`.
    """

    name: ClassVar[str] = "sync"
    together: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        _check(self, "epochs", ("shared",))


@dataclass(frozen=True)
class Hogwild(Method):
    """Every worker updates everything without a lock (Niu et al., 2011).

    Parameters
    ----------
    reads, epochs : str
        See `Method`.
    atomic : bool, default=False
        Write by fetch-and-add, so that no racing update is lost. Plain stores may lose
        some.
    """

    atomic: bool = False

    name: ClassVar[str] = "hogwild"


@dataclass(frozen=True)
class ASSM(Method):
    """Every worker updates everything; reads are unlocked, whole updates locked.

    Parameters
    ----------
    reads, epochs : str
        See `Method`.
    """

    name: ClassVar[str] = "assm"
    locks: ClassVar[bool] = True


@dataclass(frozen=True)
class PASSM(Method):
    """Each worker updates only the blocks it owns, with partial backpropagation.

    Parameters
    ----------
    reads, epochs : str
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
        return [Stretch(0, ("own",))]


@dataclass(frozen=True)
class PASSMPlus(PASSM):
    """First full asynchronous steps, then the worker's own block.

    The paper's own definition was not at hand: this one is inferred from its authors'
    published code.

    Parameters
    ----------
    reads, epochs : str
        See `Method`.
    random_blocks : int, default=1
        See `PASSM`.
    warmup_fraction : float in [0, 1], default=0.1
        Share of the epochs with full steps only. Of `max_iter` epochs where a planned
        schedule goes through all of them; else of the ``n_iter_no_change + 2`` epochs
        before which `tol` cannot end a run, if these are fewer. They count from the
        beginning of the model: ``partial_fit`` and ``warm_start=True`` warm up once.
    alternate : bool, default=True
        Afterwards, take an own and a full step in turn; else own steps only.
    switch_epochs : tuple of int, default=()
        Epochs since the beginning of the model at which to toggle between full steps
        and the steps described above; if given, `warmup_fraction` is not used.
    """

    warmup_fraction: float = 0.1
    alternate: bool = True
    switch_epochs: tuple[int, ...] = ()

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

    def stretches(self, batches, epochs, trained=0):
        later = ("own", "full") if self.alternate else ("own",)
        switches = self.switch_epochs or (self.warmup_fraction * epochs,)
        turns: dict[int, tuple[str, ...]] = {0: ("full",)}
        for k, epoch in enumerate(switches):
            start = max(0, round((epoch - trained) * batches))
            turns[start] = later if k % 2 == 0 else ("full",)
        return [Stretch(start, taken) for start, taken in turns.items()]


METHODS = {m.name: m for m in (SGD, Sync, Hogwild, ASSM, PASSM, PASSMPlus)}


def _check(method, name, allowed):
    value = getattr(method, name)
    if value not in allowed:
        raise ValueError(
            f"{name}={value!r} of method {method.name!r} must be one of {allowed}"
        )


def resolve(method) -> Method:
    """A method from its name, or as it is.

    Parameters
    ----------
    method : str or Method

    Returns
    -------
    Method

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(method, Method):
        return method
    if method in METHODS:
        return METHODS[method]()
    raise ValueError(
        f"method={method!r} is unknown; allowed are {sorted(METHODS)} or an instance "
        "of hogblock.methods.Method"
    )
