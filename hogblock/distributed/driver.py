"""The driver of a fit on several nodes: starts them, averages, judges, replaces."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hogblock.distributed.exchange import Hub, mean_of
from hogblock.distributed.judge import Judge
from hogblock.distributed.member import NodeState, check_enough
from hogblock.distributed.result import result_of
from hogblock.distributed.rounds import RoundClock, RoundLog
from hogblock.distributed.session import Session, ray_module
from hogblock.distributed.task import About, Call, Outcome, Report, Verdict
from hogblock.distributed.tasks import Tasks
from hogblock.engines.cpu.system import uninterrupted
from hogblock.errors import WorkerError
from hogblock.kernels.warn import warn
from hogblock.training.run_state import RunState
from hogblock.training.settings import OnEpoch, Result

LOOK_SECONDS = 0.05
"""That nobody has to say anything, at most, until the driver looks at its clocks."""


class Driver:
    """A fit, from its first step to its last.

    Parameters
    ----------
    tasks : Tasks
    nodes : Session
    samples : sequence of tuple
        What each node trains on: the arguments of ``Node.train`` after the task.
    on_epoch, progress : callable
        As for ``engines.base.Engine.train``.
    state : RunState or None
        What the fit goes on from.
    """

    def __init__(
        self,
        tasks: Tasks,
        nodes: Session,
        samples: Sequence[tuple],
        on_epoch: OnEpoch,
        progress: Callable[[int], None],
        state: RunState | None,
    ):
        self._ray = ray_module()
        self._tasks, self._options = tasks, tasks.options
        self._settings = tasks.settings
        self._samples, self._progress = samples, progress
        self._judge = Judge(tasks, on_epoch, state)
        self._before = state.seconds if state else 0.0
        first_run = secrets.randbits(48)  # nodes know the runs of other fits
        self._nodes = [
            NodeState(rank, handle, host, self._settings.epochs, first_run)
            for rank, (handle, host) in enumerate(zip(*nodes, strict=True))
        ]
        self._hub = Hub(self._options.averaging, tasks.start)
        self._star = self._options.averaging.topology == "star"
        self._waited = 0.0
        self._stops = self._diverged = self._interrupted = self._closed = False
        self._ring = 0
        self._final: np.ndarray | None = None

    # The way of a fit -----------------------------------------------------------------

    def run(self) -> Result:
        """Train to the end.

        Raises
        ------
        WorkerError
            If fewer nodes than `min_nodes` are left before there is a model.
        KeyboardInterrupt
            At the second Ctrl-C.
        """
        self._started = time.perf_counter()
        self._clock = RoundClock(self._options.averaging)
        self._log = RoundLog()
        for node in self._nodes:
            self._begin(node, self._judge.over)
        error = None
        while not self._closed:
            try:
                while not self._closed:  # Ctrl-C may come between two rounds
                    self._go_on()
            except KeyboardInterrupt:
                if self._interrupted:
                    raise
                self._interrupted = True
                self._stop_all()
            except WorkerError as failure:
                if self._hub.average is self._tasks.start:
                    raise
                error = WorkerError(*failure.args)
                break
        return result_of(
            self._nodes,
            self._settings.workers,
            self._hub.average if self._final is None else self._final,
            self._judge.losses,
            self._settings.epochs,
            self._log.rounds(),
            seconds=self.seconds,
            interrupted=self._interrupted,
            diverged=self._diverged,
            error=error,
        )

    def _go_on(self) -> None:
        """Hear of nodes, close a round if it is time, judge what is over."""
        heard = self._heard()
        with uninterrupted():  # what was heard is acted on
            self._act_on(heard)

    def _act_on(self, heard: list[tuple[NodeState, Any]]) -> None:
        for node, ref in heard:
            self._take(node, ref)
        check_enough(self._nodes, self._options.min_nodes, time.perf_counter())
        if self._stops and not self._living:
            self._closed = True
        if self._nearly_over:
            return
        now = time.perf_counter()
        if self._star and now >= self._clock.closes_at(self._living, self._hub):
            self._close_round()
        elif not self._star:
            self._close_ring()
        self._judge_what_is_over()
        self._progress(sum(node.record[:, 0].sum() for node in self._nodes))

    @property
    def _nearly_over(self) -> bool:
        """All have left, and some have not told yet what came of it."""
        living = self._living
        left = living and all(node.finished for node in living)
        return bool(left) and any(node.outcome is None for node in living)

    @property
    def _living(self) -> list[NodeState]:
        return [node for node in self._nodes if node.lives]

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return time.perf_counter() - self._started - self._waited + self._before

    @property
    def bytes(self) -> int:
        """Of models that have travelled."""
        counts = [node.counts for node in self._nodes]
        sent = sum(each.bytes_sent for each in counts)
        # On a ring, what one has sent another one has received.
        return sent + (sum(c.bytes_received for c in counts) if self._star else 0)

    # Nodes that come and go -----------------------------------------------------------

    def _begin(self, node: NodeState, first_epoch: int) -> None:
        """A node begins to train, from the average."""
        params = self._hub.join(node.rank)
        node.phase, node.run, node.number = "trains", node.run + 1, 0
        node.base_factor = factor = self._judge.factor
        node.answer = None
        task = self._tasks.of(node.rank, node.run, params, first_epoch, factor)
        node.first_epoch = first_epoch
        node.training = node.handle.train.remote(task, *self._samples[node.rank])
        self._ring += 1
        self._call(node)

    def _heard(self) -> list[tuple[NodeState, Any]]:
        """What has been answered; waits until there is something, or it is time."""
        asked = {
            ref: node
            for node in self._nodes
            for ref in (node.training, node.calling, node.reviving)
            if ref is not None
        }
        if not asked:
            time.sleep(LOOK_SECONDS)
            return []
        left = self._clock.closes_at(self._living, self._hub) - time.perf_counter()
        timeout = min(max(left, 0.0), LOOK_SECONDS)
        ready, _ = self._ray.wait(list(asked), num_returns=1, timeout=timeout)
        return [(asked[ref], ref) for ref in ready]

    def _take(self, node: NodeState, ref) -> None:
        """Act on an answer."""
        kinds = ("training", "calling", "reviving")
        kind = next(k for k in kinds if getattr(node, k) == ref)
        setattr(node, kind, None)
        exceptions = self._ray.exceptions
        try:
            value = self._ray.get(ref)
        except exceptions.ActorUnavailableError as error:
            self._lose(node, error)
            node.reviving = self._ask_again(node)
            return
        except exceptions.RayActorError as error:
            self._lose(node, error)
            node.phase = "dead"
            return
        except exceptions.RayTaskError as error:
            cause = error.cause if error.cause is not None else error
            raise WorkerError(f"node {node.rank} ({node.host}): {cause}") from None
        if kind == "calling":
            self._told(node, value)
        elif kind == "training":
            self._ended(node, value)
        else:
            self._revived(node, value)

    def _lose(self, node: NodeState, error: Exception) -> None:
        """A node's process is gone."""
        if not node.lives:
            return
        cause = " ".join(str(error).split())[:200]
        warn(
            f"node {node.rank} ({node.host}) was lost: the others go on without it "
            f"({cause})",
            RuntimeWarning,
        )
        node.lost(time.perf_counter(), cause)
        self._hub.leave(node.rank)
        self._ring += 1

    def _ask_again(self, node: NodeState):
        """Whether a lost node is there again: a reference."""
        return node.handle.ready.remote(self._tasks.network.needs_image_kernels)

    def _revived(self, node: NodeState, about: About) -> None:
        """A node's process is there again: it begins with the others' next epoch."""
        node.host = about.host
        node.restarts += 1
        ended = [n.report.epochs for n in self._living if n.report is not None]
        epoch = max(ended) + 1 if ended else self._judge.over
        if self._stops or epoch >= self._settings.epochs:
            node.phase = "dead"
            node.cause = "the fit was nearly over"
            return
        self._begin(node, epoch)

    def _stop_all(self) -> None:
        """Have all workers leave at their next step."""
        self._stops = True
        for node in self._living:
            node.handle.stop.remote(node.run)

    # Exchanges ------------------------------------------------------------------------

    def _call(self, node: NodeState, verdicts: tuple[Verdict, ...] = ()) -> None:
        """Answer a node's offer, if it has one, and ask for the next."""
        node.number += 1
        call = Call(
            run=node.run,
            number=node.number,
            answers=node.answers,
            verdicts=verdicts,
            judged=self._judge.over,
            peer=None if self._star else self._peer_of(node),
        )
        node.called_at = time.perf_counter()
        node.calling = node.handle.exchange.remote(call, node.answer)
        node.answer = None

    def _peer_of(self, node: NodeState) -> tuple | None:
        """The next living node on the ring, and the name of the edge to it."""
        living = self._living
        if len(living) < 2:
            return None
        other = living[(living.index(node) + 1) % len(living)]
        return (self._ring, node.rank), other.handle

    def _told(self, node: NodeState, report: Report | None) -> None:
        """A node has reported, and offered its model."""
        if report is None or not node.lives:
            return
        before = node.counts.exchanges
        node.told(report)
        if self._star:
            node.offered_at = time.perf_counter()
            if report.offer is not None:
                node.answers = report.offer.number
                self._hub.offered(node.rank, report.offer)
            return
        if report.apart or node.counts.exchanges > before:
            self._log.round(self.seconds, 2, self.bytes, report.apart)
        if not (report.finished or report.waits_at is not None):
            self._call(node)

    def _ended(self, node: NodeState, outcome: Outcome) -> None:
        """A node's workers have left."""
        node.ended(outcome)
        if outcome.result.diverged:
            self._diverged = True
            self._stop_all()

    def _close_round(self) -> None:
        """Form the mean of what was offered, and send it to those who offered."""
        inside = [node for node in self._living if node.rank in self._hub.ready]
        answers = self._hub.close()
        shared: dict[int, Any] = {}
        for node in inside:
            packed = answers[node.rank].packed
            if id(packed) not in shared:
                shared[id(packed)] = self._ray.put(packed)
            node.answer = shared[id(packed)]
        self._log.round(self.seconds, len(inside), self.bytes, self._hub.apart)
        if self._all_stand:
            self._stand_together()
            return
        for node in inside:
            self._call(node)

    @property
    def _all_stand(self) -> bool:
        """Nobody's workers go on until an epoch is judged, or the fit is over."""
        return not any(node.busy for node in self._living)

    def _close_ring(self) -> None:
        """Where all stand, the mean of their models is the average."""
        living = self._living
        if not living or not self._all_stand:
            return
        if any(node.report is None or node.model is None for node in living):
            return
        self._hub.average = mean_of([n.model for n in living if n.model is not None])
        self._stand_together()

    def _stand_together(self) -> None:
        """All have the average, or will have it: judge, and let them go on."""
        if all(n.finished and n.outcome is not None for n in self._living):
            self._judge_all_left()
            self._closed = bool(self._living)
            return
        verdicts: tuple[Verdict, ...] = ()
        waiting = [n.waits_at for n in self._living if n.waits_at is not None]
        if waiting:
            epoch = min(waiting)
            while self._judge.over <= epoch:
                self._judge_next()
            stop = self._judge.end <= epoch + 1
            if stop and self._tasks.holds_still(epoch):
                self._final = self._hub.average  # as it was judged, to the last bit
            verdicts = (Verdict(epoch, stop, self._judge.factor),)
        for node in self._living:
            own = tuple(
                v._replace(rate_factor=v.rate_factor / node.base_factor)
                for v in verdicts
            )
            if node.calling is None:
                self._call(node, own)

    # Epochs ---------------------------------------------------------------------------

    def _judge_what_is_over(self) -> None:
        """Judge the epochs at whose end nobody waits."""
        while not (self._closed or self._stops):
            epoch = self._judge.over
            if epoch >= self._judge.end or epoch in self._tasks.holds:
                return
            living = self._living
            if not living or not all(node.has_ended(epoch) for node in living):
                return
            self._judge_next()

    def _judge_all_left(self) -> None:
        """At the end, judge what was trained whole and has not been judged."""
        if self._diverged:
            return
        whole = min(n.report.epochs for n in self._living if n.report is not None)
        while self._judge.over < min(whole, self._judge.end):
            self._judge_next()

    def _judge_next(self) -> None:
        """Judge the epoch that is next."""
        epoch = self._judge.over
        if not self._star and all(n.model is not None for n in self._living):
            models = [n.model for n in self._living if n.model is not None]
            self._hub.average = mean_of(models)
        sums = np.sum([node.sums_of(epoch) for node in self._nodes], axis=0)
        self._log.epoch(self.seconds, self.bytes)
        before = time.perf_counter()
        if self._judge.judge(sums, self._hub.average, lambda: self.seconds):
            self._stop_all()
        if self._tasks.holds_still(epoch):
            self._waited += time.perf_counter() - before
