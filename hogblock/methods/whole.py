"""Methods whose steps update everything."""

from dataclasses import dataclass
from typing import ClassVar

from hogblock.methods.base import Method, check_choice


@dataclass(frozen=True)
class SGD(Method):
    """Sequential stochastic subgradient descent: one worker updates everything.

    Parameters
    ----------
    reads, epochs, thinning, horizon : str, str, float, str
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
    reads, epochs, thinning, horizon : str, str, float, str
        See `Method`.
    """

    name: ClassVar[str] = "sync"
    together: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        check_choice(self, "epochs", ("shared",))


@dataclass(frozen=True)
class Hogwild(Method):
    """Every worker updates everything without a lock (Niu et al., 2011).

    Parameters
    ----------
    reads, epochs, thinning, horizon : str, str, float, str
        See `Method`.
    atomic : bool, default=False
        Write by fetch-and-add, so that no racing update is lost. Plain stores may lose
        some.
    """

    atomic: bool = False

    name: ClassVar[str] = "hogwild"


@dataclass(frozen=True)
class Thinned(Hogwild):
    """As `Hogwild`, and below the output layer by the samples that matter only.

    A scope of a sample instead of a worker: every sample updates the output layer, and
    those that are drawn by the norm of their gradient there update everything. The
    draws leave the expected gradient as it is. This is this package's, after
    Katharopoulos and Fleuret, "Not All Samples Are Created Equal" (ICML 2018).

    Parameters
    ----------
    reads, epochs : str
        See `Method`.
    thinning : float, default=1.0
        See `Method`.
    horizon : {"own", "shared"}, default="shared"
        See `Method`.
    atomic : bool, default=False
        See `Hogwild`.
    """

    thinning: float = 1.0
    horizon: str = "shared"

    name: ClassVar[str] = "thinned"


@dataclass(frozen=True)
class ASSM(Method):
    """Every worker updates everything; reads are unlocked, whole updates locked.

    Parameters
    ----------
    reads, epochs, thinning, horizon : str, str, float, str
        See `Method`.
    """

    name: ClassVar[str] = "assm"
    locks: ClassVar[bool] = True
