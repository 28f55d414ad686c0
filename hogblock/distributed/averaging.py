"""When nodes exchange their models, and what becomes of them: ``Averaging``."""

from dataclasses import dataclass
from numbers import Integral, Real

from hogblock.distributed.compression import CODECS

TOPOLOGIES = ("star", "ring")
LARGEST_SHARE = 0.05


@dataclass(frozen=True)
class Averaging:
    """How nodes exchange models, beside their workers, who write on meanwhile.

    A node takes a snapshot y of its shared parameters x, learns a mean ybar of the
    snapshots of several nodes, and adds the difference: x <- x + (ybar - y). What its
    workers did in between stays. Velocities are not exchanged.

    Parameters
    ----------
    every : int or "auto", default="auto"
        Minibatches of a node from one exchange to the next in the first half of a run;
        twice as many in the second half. "auto" takes as few as `share` allows.
    share : float, default=0.02
        For "auto": most of a node's time that its exchanges take, as measured in the
        run itself; above 0, at most 0.05.
    topology : {"star", "ring"}, default="star"
        "star": the driver forms the mean over the nodes that are ready. "ring": each
        node meets its two neighbours in turn, and both take the mean of the two.
    patience : float, default=0.5
        Of "star": how long a round waits for nodes that are late, as a share of the
        time from the last answer to the first one until its offer. Who is later still
        is in the next round. No worker waits for either.
    outer_rate : float, default=1.0
        Of "star": the mean moves by so much of what the nodes' snapshots say.
    outer_momentum : float, default=0.0
        Of "star": Nesterov momentum of these moves, in [0, 1) (as in DiLoCo, arXiv
        2311.08105).
    compression : {"bfloat16", "int8"} or None, default=None
        How differences to what the receiver has already are sent; what rounding takes
        is sent with the next ones (error feedback). None: float32 models.

    Raises
    ------
    ValueError
        If a parameter is impossible, or does not go with the topology.

    Notes
    -----
    The averaging beside local asynchronous workers is that of B. Chatterjee, V.
    Kungurtsev and D. Alistarh, arXiv 2203.06638; the ring is that of HogWild++ (Zhang,
    Hsieh, Akella, ICDM 2016), in pairs.

    Examples
    --------
    >>> from hogblock.distributed import Averaging, Ray
    >>> device = Ray(nodes=4, averaging=Averaging(compression="int8"))
    """

    __module__ = "hogblock.distributed"

    every: int | str = "auto"
    share: float = 0.02
    topology: str = "star"
    patience: float = 0.5
    outer_rate: float = 1.0
    outer_momentum: float = 0.0
    compression: str | None = None

    def __post_init__(self):
        self._check(
            "every",
            self.every == "auto" or _is_count(self.every),
            "'auto' or a whole number above 0",
        )
        self._check(
            "share",
            _is_real(self.share) and 0 < self.share <= LARGEST_SHARE,
            f"above 0 and at most {LARGEST_SHARE}",
        )
        self._check("topology", self.topology in TOPOLOGIES, "'star' or 'ring'")
        self._check(
            "patience",
            _is_real(self.patience) and 0 <= self.patience <= 10,
            "a number from 0 to 10",
        )
        self._check(
            "outer_rate",
            _is_real(self.outer_rate) and 0 < self.outer_rate <= 10,
            "a number above 0 and at most 10",
        )
        self._check(
            "outer_momentum",
            _is_real(self.outer_momentum) and 0 <= self.outer_momentum < 1,
            "a number in [0, 1)",
        )
        self._check(
            "compression",
            self.compression is None or self.compression in CODECS,
            f"None or one of {', '.join(map(repr, CODECS))}",
        )
        outer = self.outer_rate != 1 or self.outer_momentum != 0
        if self.topology == "ring" and outer:
            raise ValueError(
                f"outer_rate={self.outer_rate} and outer_momentum={self.outer_momentum}"
                " of Averaging are for topology='star': nobody has the mean on a ring"
            )

    def _check(self, name: str, valid: bool, allowed: str) -> None:
        if not valid:
            raise ValueError(
                f"{name}={getattr(self, name)!r} of Averaging must be {allowed}"
            )


def _is_real(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_count(value) -> bool:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and int(value) >= 1
