"""Nodes in time: what happens when, whoever meets whom."""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import count

import numpy as np

from hogblock.asynchrony.machines import Compute, Link
from hogblock.distributed.averaging import Averaging
from hogblock.distributed.compression import pack
from hogblock.kernels.events import nodes as kernels

LATER = 2
"""Times as many steps from one exchange to the next in the second half of a run."""


class Cluster(ABC):
    """Nodes that take local steps, and exchange models beside them.

    A subclass is a topology. Everything that happens is an entry of one queue, by time
    and then by the order in which it was planned; steps are taken when something asks
    for a node's model.

    Parameters
    ----------
    nodes : kernels.Nodes
    averaging : Averaging
    compute : Compute
    link : Link
    random : Generator
        Of what becomes of messages.

    Attributes
    ----------
    every : ndarray of shape (nodes,), int64
        Steps from one exchange to the next, in the first half of a node's steps.
    up : ndarray of shape (nodes,), bool
        Which nodes are not down.
    exchanges, sent, received, lost : ndarray of shape (nodes,), int64
        Finished exchanges; bytes of messages sent and taken; messages of its exchanges
        that were lost.
    exchanging, away, ended : ndarray of shape (nodes,), float64
        Seconds by which exchanges have delayed steps, from offers to their answers,
        and until the end of the node's steps.
    on_links : int
        Bytes that were sent so far, by anybody.
    now : float
        When the last thing happened.
    rounds : list of (float, int)
        When each was closed, and of how many nodes.
    """

    def __init__(
        self,
        nodes: kernels.Nodes,
        averaging: Averaging,
        compute: Compute,
        link: Link,
        random: np.random.Generator,
    ):
        self.nodes, self.averaging, self.link = nodes, averaging, link
        self.compute, self._random = compute, random
        self.n_nodes, self.steps = nodes.ends.shape
        start = nodes.x[0, 0].astype(np.float32)
        self.model_bytes = start.nbytes
        self.message_bytes = message_size(averaging, start)
        self.every = intervals(averaging, compute, self.n_nodes, start)
        self.interval = self.every.copy()  # from one exchange that it begins
        self._queue: list = []
        self._order = count()
        self._lives = np.zeros(self.n_nodes, np.int64)
        self._since = np.zeros(self.n_nodes, np.int64)
        self._offered_at = np.zeros(self.n_nodes)
        self._running = self.n_nodes
        self.up = np.ones(self.n_nodes, bool)
        counts = (np.zeros(self.n_nodes, np.int64) for _ in range(4))
        self.exchanges, self.sent, self.received, self.lost = counts
        times = (np.zeros(self.n_nodes) for _ in range(3))
        self.exchanging, self.away, self.ended = times
        self.on_links, self.now = 0, 0.0
        self.rounds: list[tuple[float, int]] = []

    @abstractmethod
    def leads(self, node: int) -> bool:
        """Whether the node ever begins an exchange."""

    @abstractmethod
    def begin(self, time: float, node: int) -> None:
        """The node, whose steps are taken up to now, begins an exchange."""

    @abstractmethod
    def leave(self, time: float, node: int, comes_back: bool) -> None:
        """The node is at the end of its steps, or is down."""

    @abstractmethod
    def come_back(self, time: float, node: int) -> None:
        """The node is up again, without a model: lead to `resume`."""

    @property
    def average(self) -> np.ndarray | None:
        """What a hub has as the mean, float32 of shape (n,); None without one."""
        return None

    def run(self, watch: Callable[[float], bool]) -> None:
        """All that happens; `watch` hears when, before it, and may end it by True."""
        for node in range(self.n_nodes):
            self.plan(0.0, node)
        while self._running and self._queue:
            time, _, act, node, life, arguments = heapq.heappop(self._queue)
            # What a node was up to before it went down does not happen any more.
            if node is not None and life != self._lives[node]:
                continue
            if watch(time):
                return
            self.now = time
            act(time, *(() if node is None else (node,)), *arguments)

    def at(self, time: float, act: Callable, node: int | None, *arguments) -> None:
        """Let something happen; with a node, only if that is not down before."""
        life = 0 if node is None else self._lives[node]
        entry = time, next(self._order), act, node, life, arguments
        heapq.heappush(self._queue, entry)

    def plan(self, time: float, node: int) -> None:
        """What a node does next, of itself: an exchange, or the end of its steps."""
        since = int(self._since[node])
        interval = int(self.interval[node])
        due = since + interval * (LATER if 2 * since >= self.steps else 1)
        if due <= self.steps and self.leads(node):
            self.at(max(time, self._end_of(node, due)), self._due, node, due)
        else:
            end = self._end_of(node, self.steps)
            self.at(max(time, end), self._finish, node)

    def advance(self, time: float, node: int) -> None:
        """Take the node's steps that end by now."""
        kernels.advance(self.nodes, node, node + 1, time)

    def model(self, node: int) -> np.ndarray:
        """The node's newest model, float64 of shape (n,), to be changed in place."""
        rows = self.nodes.x.shape[1]
        return self.nodes.x[node, self.nodes.done[node] % rows]

    def snapshot(self, time: float, node: int) -> np.ndarray:
        """float32; takes the time of an exchange from the node's later steps."""
        self.advance(time, node)
        cost = self.compute.cost(self.message_bytes)
        if self.nodes.done[node] < self.steps:
            self.nodes.shift[node] += cost
        self.exchanging[node] += cost
        return self.model(node).astype(np.float32)

    def offered(self, time: float, node: int) -> None:
        """Note when a node began an exchange."""
        self._offered_at[node] = time

    def add(self, time: float, node: int, delta: np.ndarray) -> None:
        """What an exchange changes in the node's model, on top of its steps."""
        self.advance(time, node)
        self.model(node)[:] += delta
        self.exchanges[node] += 1

    def answered(self, time: float, node: int) -> None:
        """The exchange that the node has begun is over, in some way."""
        self.away[node] += time - self._offered_at[node]
        self.advance(time, node)
        self._since[node] = self.nodes.done[node]
        self.plan(time, node)

    def send(self, node: int, nbytes: int) -> tuple[float, bool]:
        """Seconds of a message on a node's link, and whether it arrives at all."""
        self.on_links += nbytes
        travel = self.link.travel(nbytes, self._random)
        lost = self.link.loss > 0 and self._random.random() < self.link.loss
        self.lost[node] += lost
        return travel, not lost

    def plan_outages(self, outages) -> None:
        """Rows (node, time, seconds): who goes down, when, and for how long."""
        for node, time, seconds in outages:
            self.at(time, self.go_down, None, node, seconds)

    def go_down(self, time: float, node: int, seconds: float) -> None:
        """The node is gone, with its model, for so long."""
        if not self.up[node]:
            return
        self.advance(time, node)
        if self.nodes.done[node] == self.steps:
            return
        self._lives[node] += 1
        self.up[node] = False
        self.nodes.shift[node] = np.inf
        self.leave(time, node, True)
        self.at(time + seconds, self.come_back, node)

    def resume(self, time: float, node: int, model: np.ndarray) -> None:
        """The node goes on from a model, with velocities of 0."""
        self.up[node] = True
        self.nodes.x[node] = model
        self.nodes.velocity[node] = 0
        done = self.nodes.done[node]
        before = self.nodes.ends[node, done - 1] if done else 0.0
        self.nodes.shift[node] = time - before
        self._since[node] = done
        self.plan(time, node)

    def _end_of(self, node: int, steps: int) -> float:
        """When the node has taken so many steps, if nothing delays it any more."""
        if not steps:
            return 0.0
        return float(self.nodes.ends[node, steps - 1] + self.nodes.shift[node])

    def _due(self, time: float, node: int, due: int) -> None:
        end = self._end_of(node, due)
        if end > time:  # others have met the node, and so delayed it
            self.at(end, self._due, node, due)
            return
        self.begin(time, node)

    def _finish(self, time: float, node: int) -> None:
        end = self._end_of(node, self.steps)
        if end > time:
            self.at(end, self._finish, node)
            return
        self.advance(time, node)
        self.ended[node] = end
        self._running -= 1
        self.leave(time, node, False)


def message_size(averaging: Averaging, start: np.ndarray) -> int:
    """Bytes of a message with a model like `start`."""
    return pack(np.zeros_like(start), averaging.compression).nbytes


def intervals(
    averaging: Averaging, compute: Compute, nodes: int, start: np.ndarray
) -> np.ndarray:
    """Steps of each node, of shape (nodes,), from one exchange to the next at first."""
    if averaging.every != "auto":
        return np.full(nodes, averaging.every, np.int64)
    cost = compute.cost(message_size(averaging, start))
    apart = cost / (averaging.share * compute.means(nodes))
    return np.maximum(np.ceil(apart), 1).astype(np.int64)
