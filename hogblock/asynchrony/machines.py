"""What simulated nodes are made of: how long steps take, and how messages travel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hogblock.asynchrony.calibration import (
    exchange_costs,
    line,
    measured,
    steps_away,
)
from hogblock.scheduling.arguments import (
    as_reals,
    check_choice,
    check_real,
    check_whole,
    first_wrong,
)
from hogblock.scheduling.event_driven import SERVICES


@dataclass(frozen=True)
class Compute:
    """How long a node's steps take, and what an exchange takes of its time.

    Parameters
    ----------
    seconds : float or sequence of float of shape (nodes,), default=1.0
        Mean time of a step, in seconds; of all nodes, or of each.
    service : {"deterministic", "exponential", "lognormal"}, default="deterministic"
        Law of this time.
    sigma : float, default=1.0
        Standard deviation of the logarithm of a log-normal time.
    straggler : tuple of (float, float), default=None
        The probability that a step takes longer, and how many times as long.
    slow_nodes : tuple of (float, float), default=None
        The share of the nodes that are slower in all steps, the last ones, and how many
        times.
    exchange : float, default=0.0
        Seconds by which an exchange delays the steps of a node that takes part.
    exchange_per_byte : float, default=0.0
        Seconds more for each byte of the message that it sends.

    Raises
    ------
    ValueError
        If a parameter is impossible.

    Examples
    --------
    >>> from hogblock.asynchrony import Compute
    >>> Compute(seconds=2e-3, slow_nodes=(0.25, 4.0)).means(4).tolist()
    [0.002, 0.002, 0.002, 0.008]
    """

    __module__ = "hogblock.asynchrony"

    seconds: float | Sequence[float] = 1.0
    service: str = "deterministic"
    sigma: float = 1.0
    straggler: tuple[float, float] | None = None
    slow_nodes: tuple[float, float] | None = None
    exchange: float = 0.0
    exchange_per_byte: float = 0.0

    def __post_init__(self):
        if np.ndim(self.seconds) == 0:
            check_real("seconds", self.seconds, above=True)
        else:
            each = as_reals("seconds", self.seconds)
            right = np.isfinite(each) & (each > 0)
            first_wrong("seconds", each, right, "be finite and above 0")
            object.__setattr__(self, "seconds", tuple(each.tolist()))
        check_choice("service", self.service, tuple(SERVICES))
        check_real("sigma", self.sigma)
        check_slow("straggler", self.straggler)
        check_slow("slow_nodes", self.slow_nodes)
        check_real("exchange", self.exchange)
        check_real("exchange_per_byte", self.exchange_per_byte)

    @classmethod
    def from_report(
        cls, report, *, per_node: bool = False, beside: float = 0.0, **more
    ) -> "Compute":
        """What was measured in a real run on several nodes.

        Steps and exchanges add up to the seconds that the nodes ran. Messages of one
        size do not tell a cost a byte from a fixed one: all of it is fixed then.

        Parameters
        ----------
        report : sequence
            ``nodes_`` of fits on several nodes: of each row, `steps`, `exchanges`,
            `bytes_sent`, `seconds` and `seconds_exchanging` are read. Rows of several
            runs may follow one another.
        per_node : bool, default=False
            Whether each row is a node with a speed of its own; otherwise all have the
            mean one.
        beside : float, default=0.0
            Seconds that an exchange takes of a node besides those that were measured.
        **more
            Other parameters of `Compute`.

        Returns
        -------
        Compute

        Raises
        ------
        ValueError
            If there is no row, or no step in one.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> from hogblock.asynchrony import Compute
        >>> row = SimpleNamespace(
        ...     steps=1000, exchanges=10, bytes_sent=40_000, seconds=2.1,
        ...     seconds_exchanging=0.1,
        ... )
        >>> compute = Compute.from_report([row, row])
        >>> compute.seconds, compute.exchange
        (0.002, 0.01)
        """
        steps = measured(report, "steps")
        wrong = steps <= 0
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"report: row {row} has steps={steps[row]:g}")
        exchanges = measured(report, "exchanges")
        taken = measured(report, "seconds_exchanging") + beside * exchanges
        working = measured(report, "seconds") - taken
        each = working / steps
        fixed, per_byte = exchange_costs(
            exchanges, taken, measured(report, "bytes_sent")
        )
        return cls(
            seconds=each.tolist() if per_node else float(working.sum() / steps.sum()),
            exchange=fixed,
            exchange_per_byte=per_byte,
            **more,
        )

    def means(self, nodes: int) -> np.ndarray:
        """Mean time of a step of each node.

        Parameters
        ----------
        nodes : int

        Returns
        -------
        ndarray of shape (nodes,), float64
            In seconds.

        Raises
        ------
        ValueError
            If `seconds` is of another number of nodes.
        """
        means = np.array(self.seconds, np.float64)
        if means.ndim and len(means) != nodes:
            raise ValueError(
                f"seconds of Compute is of {len(means)} nodes, and there are "
                f"nodes={nodes}"
            )
        means = np.broadcast_to(means, nodes).copy()
        if self.slow_nodes is not None:
            share, factor = self.slow_nodes
            means[nodes - round(share * nodes) :] *= factor
        return means

    def ends(self, nodes: int, steps: int, random: np.random.Generator) -> np.ndarray:
        """When steps end that follow one another from time 0.

        Parameters
        ----------
        nodes, steps : int
        random : Generator

        Returns
        -------
        ndarray of shape (nodes, steps), float64
            In seconds; each row rises.
        """
        shape = nodes, steps
        if self.service == "exponential":
            times = random.standard_exponential(shape)
        elif self.service == "lognormal":
            spread = self.sigma * random.standard_normal(shape)
            times = np.exp(spread - self.sigma**2 / 2)
        else:
            times = np.ones(shape)
        times *= self.means(nodes)[:, None]
        if self.straggler is not None:
            probability, factor = self.straggler
            times[random.random(shape) < probability] *= factor
        return np.cumsum(times, axis=1, out=times)

    def cost(self, nbytes: int) -> float:
        """Time of a node that an exchange takes.

        Parameters
        ----------
        nbytes : int
            Of the message that it sends.

        Returns
        -------
        float
            In seconds.
        """
        return self.exchange + self.exchange_per_byte * nbytes


@dataclass(frozen=True)
class Link:
    """How messages travel between nodes, and through the hub of a star.

    A message takes latency + bytes / bandwidth on the link of its node, and in a star
    waits there for its turn at the hub, which serves one message after another, up and
    down, in bytes / hub_bandwidth each.

    Parameters
    ----------
    latency : float, default=0.0
        Of a message, one way, in seconds.
    bandwidth : float, default=inf
        Of each node's link, in bytes a second.
    hub_bandwidth : float, default=None
        Of the hub's link, in bytes a second; None: as that of a node.
    loss : float, default=0.0
        The probability that a message is lost, in [0, 1].
    straggler : tuple of (float, float), default=None
        The probability that a message takes longer on its node's link, and how many
        times as long.

    Raises
    ------
    ValueError
        If a parameter is impossible.

    Examples
    --------
    >>> from hogblock.asynchrony import Link
    >>> link = Link.from_timings([1e3, 1e6], [1.1e-3, 1.01e-1])
    >>> f"{link.latency:.1e} s, {link.bandwidth:.1e} bytes/s"
    '1.0e-03 s, 1.0e+07 bytes/s'
    """

    __module__ = "hogblock.asynchrony"

    latency: float = 0.0
    bandwidth: float = np.inf
    hub_bandwidth: float | None = None
    loss: float = 0.0
    straggler: tuple[float, float] | None = None

    def __post_init__(self):
        check_real("latency", self.latency)
        _check_bandwidth("bandwidth", self.bandwidth)
        if self.hub_bandwidth is not None:
            _check_bandwidth("hub_bandwidth", self.hub_bandwidth)
        if check_real("loss", self.loss) > 1:
            raise ValueError(f"loss={self.loss!r} must be at most 1")
        check_slow("straggler", self.straggler)

    @classmethod
    def from_timings(cls, nbytes, seconds, **more) -> "Link":
        """The line through measured times of messages, by least squares.

        Parameters
        ----------
        nbytes : array-like of shape (n,)
            Of messages; of two sizes at least.
        seconds : array-like of shape (n,)
            That they took, one way.
        **more
            Other parameters of `Link`.

        Returns
        -------
        Link
            Of latency 0, or of infinite bandwidth, where the line would have less.

        Raises
        ------
        ValueError
            If there are fewer than two sizes, or lengths differ.
        """
        sizes, times = as_reals("nbytes", nbytes), as_reals("seconds", seconds)
        if len(sizes) != len(times):
            raise ValueError(
                f"seconds has {len(times)} values, and nbytes has {len(sizes)}"
            )
        if len(np.unique(sizes)) < 2:
            raise ValueError(f"nbytes={nbytes!r} must have two sizes at least")
        latency, per_byte = line(sizes, times, np.ones(len(sizes)))
        bandwidth = 1 / per_byte if per_byte > 0 else np.inf
        return cls(latency=latency, bandwidth=bandwidth, **more)

    @classmethod
    def from_report(cls, report, every: int, **more) -> "Link":
        """A latency for a real run, by how many exchanges came about.

        The next exchange is due `every` steps after the end of one, so that what is
        missing of them was on its way: messages of their size, and waits for others,
        which are least for the node that has most exchanges. A latency is half of that.

        Parameters
        ----------
        report : sequence
            ``nodes_`` of a fit on several nodes: of each row, `steps`, `exchanges` and
            `seconds` are read.
        every : int
            That its ``Averaging`` had; not "auto".
        **more
            Other parameters of `Link`.

        Returns
        -------
        Link
            Of latency 0 if all exchanges came about, or none.
        """
        every = check_whole("every", every, 1)
        steps, exchanges = measured(report, "steps"), measured(report, "exchanges")
        each = measured(report, "seconds") / np.maximum(steps, 1)
        away = each * steps_away(steps, exchanges, every)
        found = away[exchanges > 0]
        return cls(latency=float(found.min() / 2) if len(found) else 0.0, **more)

    @property
    def hub_seconds_per_byte(self) -> float:
        """Of the hub's link."""
        hub = self.bandwidth if self.hub_bandwidth is None else self.hub_bandwidth
        return 1 / hub

    def travel(self, nbytes: int, random: np.random.Generator) -> float:
        """How long a message is on a node's link.

        Parameters
        ----------
        nbytes : int
        random : Generator

        Returns
        -------
        float
            In seconds.
        """
        time = self.latency + nbytes / self.bandwidth
        if self.straggler is not None and random.random() < self.straggler[0]:
            time *= self.straggler[1]
        return time


def check_slow(name: str, value) -> None:
    """Raise if `value` is not None, and no (probability or share, factor)."""
    if value is None:
        return
    if np.shape(value) != (2,):
        raise ValueError(f"{name}={value!r} must be two numbers, or None")
    if check_real(f"first of {name}", value[0]) > 1:
        raise ValueError(f"first of {name}={value!r} must be at most 1")
    check_real(f"second of {name}", value[1], above=True)


def _check_bandwidth(name: str, value) -> None:
    if value != np.inf:
        check_real(name, value, above=True)
