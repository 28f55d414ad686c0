"""Simulations of nodes that take local steps, and average their models meanwhile."""

import numpy as np

from hogblock.asynchrony.arguments import check_rates, check_start
from hogblock.asynchrony.cluster import Cluster
from hogblock.asynchrony.machines import Compute, Link
from hogblock.asynchrony.node_result import NodeSimulation
from hogblock.asynchrony.problems.base import Problem
from hogblock.asynchrony.topologies import CLUSTERS
from hogblock.distributed.averaging import Averaging
from hogblock.kernels.cache import announce, is_cached
from hogblock.kernels.cpu.jit import check_runnable
from hogblock.kernels.events import nodes as kernels
from hogblock.scheduling.arguments import (
    as_reals,
    check_choice,
    check_real,
    check_whole,
    first_wrong,
)

FIELDS = [
    ("node", np.int64), ("steps", np.int64), ("exchanges", np.int64),
    ("bytes_sent", np.int64), ("bytes_received", np.int64), ("lost", np.int64),
    ("seconds", np.float64), ("seconds_exchanging", np.float64),
    ("seconds_away", np.float64),
]  # fmt: skip
"""Of `NodeSimulation.per_node`."""


def simulate_nodes(
    problem, *, nodes, steps, averaging=None, compute=None, link=None, x0=None,
    rate=0.1, momentum=0.0, nesterov=False, age=0, samples="all", outages=(),
    records=100, target=None, random_state=None,
) -> NodeSimulation:  # fmt: skip
    """Run local momentum subgradient steps on several nodes that average their models.

    Each node has a model of its own, and goes on with its steps while messages travel::

        g = subgradient(x of `age` local steps before),  u <- momentum u + g
        x <- x - rate u
        x <- x + (ybar - y)      when an exchange of its snapshot y is over

    with g + momentum u in place of u for `nesterov`. What nodes send, and the mean
    ybar, are made by the very code that nodes of ``hogblock.distributed`` run: messages
    and means in float32, steps in float64. The same arguments give the same run, bit
    for bit.

    Parameters
    ----------
    problem : Problem
        To be minimised; where it is a mean of several samples, each step takes one.
    nodes : int
        How many there are, from 1 on; one alone exchanges nothing.
    steps : int
        Of each node.
    averaging : Averaging, default=None
        When nodes exchange what; None: ``Averaging()``. With ``every="auto"`` a node
        takes as few steps from one exchange to the next as keep the time that
        `compute` says an exchange takes within `share`.
    compute : Compute, default=None
        How long steps take; None: one second each.
    link : Link, default=None
        How messages travel; None: in no time.
    x0 : array-like of shape (n,), default=None
        Model of all nodes at first; None: standard normal numbers.
    rate : float or callable, default=0.1
        Step size; or a function of the node's count of steps 0, 1, ..., a float64
        array, that returns an array like it. Not negative.
    momentum : float, default=0.0
        In [0, 1). Velocities are not exchanged.
    nesterov : bool, default=False
        Whether steps look ahead.
    age : int, default=0
        How many local steps old a step's model is: w workers of a node that take turns
        have age w - 1. Exchanges are seen as late.
    samples : {"all", "parts"}, default="all"
        Every node goes through all samples, or through a random part of its own; in a
        new random order each time, without replacement.
    outages : sequence of (int, float, float), default=()
        Node, time in seconds and duration in seconds: the node is gone with its model,
        and comes back with the hub's average (on a ring, its left neighbour's model).
    records : int or array-like of float of shape (r,), default=100
        How many moments to record, evenly from 0 to where the slowest node would end
        without exchanges; or the moments, in seconds, rising. The end is recorded too.
    target : float, default=None
        End the run at the first record whose value at the hub is at most this.
    random_state : int, Generator or None, default=None
        Seed. Times, samples, messages and x0 have streams of their own.

    Returns
    -------
    NodeSimulation
        Values over time, and facts of the run.

    Raises
    ------
    TypeError
        If `problem`, `averaging`, `compute` or `link` is something else.
    ValueError
        If another argument is impossible; names it, and its value.

    See Also
    --------
    simulate : Workers that share one model.

    Notes
    -----
    Two numbers of 8 and 4 bytes are kept for each step of each node.

    Examples
    --------
    >>> from hogblock.asynchrony import Compute, Link, Quadratic, simulate_nodes
    >>> from hogblock.distributed import Averaging
    >>> run = simulate_nodes(
    ...     Quadratic([1.0, 2.0]), nodes=4, steps=200, averaging=Averaging(every=10),
    ...     compute=Compute(1e-3, "exponential"), link=Link(latency=1e-4),
    ...     random_state=0,
    ... )
    >>> bool(run.values[-1] < 1e-9), bool(run.time_to(1e-3) < 0.1)
    (True, True)
    """
    averaging = _of("averaging", averaging, Averaging)
    compute, link = _of("compute", compute, Compute), _of("link", link, Link)
    if not isinstance(problem, Problem):
        raise TypeError(f"problem={problem!r} must be a Problem")
    n_nodes, steps = check_whole("nodes", nodes, 1), check_whole("steps", steps, 1)
    if check_real("momentum", momentum) >= 1:
        raise ValueError(f"momentum={momentum!r} must be below 1")
    age = check_whole("age", age, 0)
    rates = check_rates(rate, steps)
    parts = check_choice("samples", samples, ("all", "parts")) == "parts"
    down = _check_outages(outages, n_nodes)
    timing, sampling, sending, starting = np.random.default_rng(random_state).spawn(4)
    x = check_start(x0, problem.n, starting)
    ends = compute.ends(n_nodes, steps, timing)
    state = kernels.Nodes(
        problem.address, problem.data, float(momentum), bool(nesterov), rates, ends,
        np.zeros(n_nodes), _drawn(problem.n_samples, n_nodes, steps, parts, sampling),
        np.tile(x, (n_nodes, age + 1, 1)), np.zeros((n_nodes, problem.n)),
        np.zeros(problem.n), np.zeros(n_nodes, np.int64),
    )  # fmt: skip
    moments = _moments(records, float(ends[:, -1].max()))
    _say_if_compiled()
    with np.errstate(all="ignore"):  # of what diverges
        kind = CLUSTERS[averaging.topology]
        cluster = kind(state, averaging, compute, link, sending)
        cluster.plan_outages(down)
        record = _Record(problem, cluster, moments, target)
        cluster.run(record.watch)
        record.end()
    return _result(problem, cluster, record)


class _Record:
    """Values on the way.

    Parameters
    ----------
    problem : Problem
    cluster : Cluster
    moments : ndarray of shape (r,), float64
        To be recorded.
    target : float or None
        Value at which the run shall end.

    Attributes
    ----------
    rows : list of tuple
        Seconds, value, value at the hub, steps, exchanges, bytes, how far models are
        apart.
    mean : ndarray of shape (n,), float64
        Of the last record.
    diverged : bool
    """

    def __init__(self, problem: Problem, cluster: Cluster, moments, target):
        self._problem, self._cluster, self._target = problem, cluster, target
        self._moments, self._next = moments, 0
        self._average: np.ndarray | None = None
        self.rows: list[tuple] = []
        self.diverged = self.over = False

    def watch(self, time: float) -> bool:
        """Record the moments before now; whether the run is over."""
        moments = self._moments
        while self._next < len(moments) and moments[self._next] < time:
            self._take(float(moments[self._next]))
            self._next += 1
            if self.over:
                return True
        return False

    def end(self) -> None:
        """Record the end."""
        if not self.over:
            self._take(self._cluster.now)

    def models(self) -> np.ndarray:
        """Of all nodes, of shape (nodes, n)."""
        nodes = self._cluster.nodes
        if nodes.x.shape[1] == 1:
            return nodes.x[:, 0]
        at = nodes.done % nodes.x.shape[1]
        return nodes.x[np.arange(len(at)), at]

    def _take(self, time: float) -> None:
        cluster = self._cluster
        kernels.advance(cluster.nodes, 0, cluster.n_nodes, time)
        models = self.models()
        if not cluster.up.all() and cluster.up.any():
            models = models[cluster.up]
        self.mean = models.mean(axis=0)
        value = self._problem.value(self.mean)
        at_hub = self._at_hub(value)
        apart, norm = models - self.mean, np.linalg.norm(self.mean)
        distance = np.sqrt(np.einsum("ij,ij->", apart, apart) / len(apart))
        distance = distance / norm if norm > 0 else 0.0
        steps, exchanges = cluster.nodes.done.sum(), cluster.exchanges.sum()
        counts = steps, exchanges, cluster.on_links
        self.rows.append((time, value, at_hub, *counts, distance))
        self.diverged = not np.isfinite(value)
        reached = self._target is not None and at_hub <= self._target
        self.over = self.diverged or reached

    def _at_hub(self, value: float) -> float:
        """The function at the hub's average; `value` where there is no hub."""
        average = self._cluster.average
        if average is None:
            return value
        if average is not self._average:  # it is never changed in place
            self._average = average
            self._hub_value = self._problem.value(average)
        return self._hub_value


def _result(problem: Problem, cluster: Cluster, record: _Record) -> NodeSimulation:
    columns = zip(*record.rows, strict=True)
    seconds, values, at_hub, steps, exchanges, on_links, apart = map(np.array, columns)
    per_node = np.zeros(cluster.n_nodes, FIELDS)
    ended = np.where(cluster.ended > 0, cluster.ended, seconds[-1])
    found = (
        np.arange(cluster.n_nodes), cluster.nodes.done, cluster.exchanges, cluster.sent,
        cluster.received, cluster.lost, ended, cluster.exchanging, cluster.away,
    )  # fmt: skip
    for (name, _), column in zip(FIELDS, found, strict=True):
        per_node[name] = column
    rounds = np.array(cluster.rounds, np.float64).reshape(-1, 2)
    return NodeSimulation(
        problem=problem, averaging=cluster.averaging, compute=cluster.compute,
        link=cluster.link, every=cluster.every, seconds=seconds, values=values,
        hub_values=at_hub,
        steps=steps, exchanges=exchanges, bytes_sent=on_links, apart=apart,
        x=record.mean, models=record.models().copy(), round_seconds=rounds[:, 0],
        participants=rounds[:, 1].astype(np.int64), per_node=per_node,
        diverged=record.diverged,
    )  # fmt: skip


def _of(name: str, value, kind: type):
    """`value`, or the default one of its class."""
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise TypeError(f"{name}={value!r} must be of class {kind.__name__}")
    return value


def _drawn(
    n_samples: int, nodes: int, steps: int, parts: bool, random: np.random.Generator
) -> np.ndarray:
    """Samples of all steps, of shape (nodes, steps), int32; (nodes, 0) of but one."""
    if parts and n_samples < nodes:
        raise ValueError(
            f"samples='parts' of n_samples={n_samples} is too few for nodes={nodes}"
        )
    if n_samples == 1:
        return np.empty((nodes, 0), np.int32)
    own = [np.arange(n_samples)] * nodes
    if parts:
        own = np.array_split(random.permutation(n_samples), nodes)
    drawn = np.empty((nodes, steps), np.int32)
    for row, part in zip(drawn, own, strict=True):
        for first in range(0, steps, len(part)):
            left = min(len(part), steps - first)
            row[first : first + left] = random.permutation(part)[:left]
    return drawn


def _moments(records, end: float) -> np.ndarray:
    """Moments to be recorded."""
    if np.ndim(records) == 0:
        return np.linspace(0, end, check_whole("records", records, 2))
    moments = as_reals("records", records)
    rising = np.diff(moments, prepend=-np.inf) > 0
    right = np.isfinite(moments) & (moments >= 0) & rising
    first_wrong("records", moments, right, "be a moment from 0 on, and rise")
    return moments


def _check_outages(outages, nodes: int) -> list[tuple[int, float, float]]:
    found = []
    for k, each in enumerate(outages):
        if np.shape(each) != (3,):
            raise ValueError(
                f"outages: entry {k}, {each!r}, must be (node, time, duration)"
            )
        node = check_whole(f"node of outages entry {k}", each[0], 0)
        if node >= nodes:
            raise ValueError(
                f"node of outages entry {k}={node} must be below nodes={nodes}"
            )
        time = check_real(f"time of outages entry {k}", each[1])
        lasts = check_real(f"duration of outages entry {k}", each[2], above=True)
        found.append((node, time, lasts))
    return found


def _say_if_compiled() -> None:
    """Tell whoever watches that the first run takes some seconds more."""
    loop = kernels.advance
    check_runnable()
    if not loop.signatures and not is_cached(loop):
        announce(
            "the nodes of the event model", getattr(loop._cache, "cache_path", None)
        )
