"""A star and a ring of simulated nodes, by the rules of ``distributed.exchange``."""

import numpy as np

from hogblock.asynchrony.cluster import Cluster
from hogblock.distributed.exchange import Edge, Hub, Member, Message


class Star(Cluster):
    """All nodes exchange with a hub, in rounds.

    A round opens with its first offer. It is closed when all have offered who are up
    and not at their end, or after `patience` times the time that the first took since
    it was last answered; but with two offers at least, where there are two nodes. A
    lost message is noticed when it would have come, and its node offers anew when that
    is due.
    """

    def __init__(self, nodes, averaging, compute, link, random):
        super().__init__(nodes, averaging, compute, link, random)
        start = nodes.x[0, 0].astype(np.float32)
        self.hub = Hub(averaging, start)
        self.members = [
            Member(averaging, self.hub.join(i)) for i in range(len(self.up))
        ]
        self.living = set(range(self.n_nodes))
        self._ready: set[int] = set()
        self._overdue = False
        self._hub_free = 0.0
        self._called_at = np.zeros(self.n_nodes)

    def leads(self, node):
        return self.n_nodes > 1

    @property
    def average(self):
        return self.hub.average if self.n_nodes > 1 else None

    def begin(self, time, node):
        message = self.members[node].offer(self.snapshot(time, node))
        self.offered(time, node)
        self.sent[node] += message.nbytes
        travel, arrives = self.send(node, message.nbytes)
        act = self._at_hub if arrives else self._missed
        self.at(time + travel, act, node, *((message,) if arrives else ()))

    def leave(self, time, node, comes_back):
        self.living.discard(node)
        self._ready.discard(node)
        self._overdue &= bool(self._ready)
        self.hub.leave(node)
        self._close_if_due(time)

    def come_back(self, time, node):
        travel = self.link.travel(0, self._random)  # of its request
        self.at(time + travel, self._join, node, True)

    def _serve(self, time: float, nbytes: int) -> float:
        """When the hub's link has passed a message that is there now."""
        begun = max(time, self._hub_free)
        self._hub_free = begun + nbytes * self.link.hub_seconds_per_byte
        return self._hub_free

    def _at_hub(self, time: float, node: int, message: Message) -> None:
        self.at(self._serve(time, message.nbytes), self._take, node, message)

    def _take(self, time: float, node: int, message: Message) -> None:
        """The hub has a node's whole offer."""
        if not self.hub.offered(node, message):
            return
        if not self._ready:
            wait = self.averaging.patience * (time - self._called_at[node])
            self.at(time + wait, self._no_more_patience, None, len(self.rounds))
        self._ready.add(node)
        self._close_if_due(time)

    def _no_more_patience(self, time: float, number: int) -> None:
        if number == len(self.rounds):
            self._overdue = True
            self._close_if_due(time)

    def _close_if_due(self, time: float) -> None:
        fewest = max(1, min(2, len(self.living)))
        if len(self._ready) < fewest:
            return
        if self._overdue or len(self._ready) == len(self.living):
            self._close(time)

    def _close(self, time: float) -> None:
        answers = self.hub.close()
        self.rounds.append((time, len(answers)))
        self._ready, self._overdue = set(), False
        for node, answer in answers.items():
            self._called_at[node] = time
            travel, arrives = self.send(node, answer.nbytes)
            when = self._serve(time, answer.nbytes) + travel
            act = self._answered if arrives else self._missed
            self.at(when, act, node, answer)

    def _answered(self, time: float, node: int, answer: Message) -> None:
        self.received[node] += answer.nbytes
        delta = self.members[node].answered(answer)
        if delta is not None:
            self.add(time, node, delta)
        self.answered(time, node)

    def _missed(self, time: float, node: int, answer: Message | None = None) -> None:
        """A message has not come: the node's offer, or the answer to it."""
        if answer is None or answer.packed.codec is None:
            self.answered(time, node)
        else:
            # The hub counts on a base that the node does not have.
            travel = self.link.travel(0, self._random)
            self.at(time + travel, self._join, node, False)

    def _join(self, time: float, node: int, resumes: bool) -> None:
        """The hub gives its average, as float32; this is never lost."""
        average = self.hub.join(node)
        self.living.add(node)
        self._called_at[node] = time
        travel = self.link.travel(average.nbytes, self._random)
        self.on_links += average.nbytes
        when = self._serve(time, average.nbytes) + travel
        self.at(when, self._based, node, average, resumes)

    def _based(self, time: float, node: int, base: np.ndarray, resumes: bool) -> None:
        self.received[node] += base.nbytes
        self.members[node] = Member(self.averaging, base)
        if resumes:
            self.resume(time, node, base)
        else:
            self.answered(time, node)


class Ring(Cluster):
    """Each node meets its two neighbours in turn: it asks the right, the left asks it.

    So no two messages cross on an edge. A node asks after twice as many steps as it
    takes from one exchange to the next, as it is asked as often; every other node is
    half of that ahead, so that nodes of one speed do not all ask at once. Both ends
    begin their edge anew where a meeting has ended for one of them only, and where one
    was down. Nodes at their end still answer.
    """

    def __init__(self, nodes, averaging, compute, link, random):
        super().__init__(nodes, averaging, compute, link, random)
        start = nodes.x[0, 0].astype(np.float32)
        if self.n_nodes > 2:
            self._since[1::2] = -self.interval[1::2]
            self.interval *= 2
        self.right = [Edge(averaging, start) for _ in range(self.n_nodes)]
        self.left = [Edge(averaging, start) for _ in range(self.n_nodes)]

    def leads(self, node):
        # Of two nodes, there is one edge.
        return node == 0 if self.n_nodes == 2 else self.n_nodes > 2

    def begin(self, time, node):
        message = self.right[node].offer(self.snapshot(time, node))
        self.offered(time, node)
        self.sent[node] += message.nbytes
        travel, arrives = self.send(node, message.nbytes)
        act = self._meet if arrives else self.answered
        self.at(time + travel, act, node, *((message,) if arrives else ()))

    def leave(self, time, node, comes_back):
        if comes_back:
            self._reset(node)
            self._reset(self._before(node))

    def come_back(self, time, node):
        other = self._before(node)
        travel = 0.0
        if self.up[other]:
            self.advance(time, other)
            travel = self.link.travel(self.model_bytes, self._random)
            self.on_links += self.model_bytes
            self.received[node] += self.model_bytes
        model = self.model(other if self.up[other] else node).astype(np.float32)
        self.at(time + travel, self.resume, node, model)

    def _before(self, node: int) -> int:
        return (node - 1) % self.n_nodes

    def _reset(self, node: int) -> None:
        """Both ends of the edge that a node leads begin anew."""
        self.right[node].reset()
        self.left[(node + 1) % self.n_nodes].reset()

    def _meet(self, time: float, node: int, message: Message) -> None:
        """What a node has offered is at its right neighbour."""
        other = (node + 1) % self.n_nodes
        met = None
        if self.up[other]:
            met = self.left[other].met(self.snapshot(time, other), message)
        if met is None:
            self._reset(node)
            self.answered(time, node)
            return
        answer, delta = met
        self.add(time, other, delta)
        self.rounds.append((time, 2))
        self.received[other] += message.nbytes
        self.sent[other] += answer.nbytes
        travel, arrives = self.send(node, answer.nbytes)
        act = self._answered if arrives else self._missed
        self.at(time + travel, act, node, answer)

    def _answered(self, time: float, node: int, answer: Message) -> None:
        self.received[node] += answer.nbytes
        delta = self.right[node].answered(answer)
        if delta is not None:
            self.add(time, node, delta)
        self.answered(time, node)

    def _missed(self, time: float, node: int, answer: Message) -> None:
        self._reset(node)
        self.answered(time, node)


CLUSTERS: dict[str, type[Cluster]] = {"star": Star, "ring": Ring}
