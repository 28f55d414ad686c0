"""A node: one actor, which trains on its machine and exchanges models beside that."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from hogblock import __version__
from hogblock.distributed.beside import Averager
from hogblock.distributed.compression import Packed
from hogblock.distributed.exchange import Edge, Member, Message, apart_from
from hogblock.distributed.task import About, Call, Outcome, Reading, Report, Task
from hogblock.engines.registry import engine_for
from hogblock.kernels.cpu.warmup import warm_up
from hogblock.training.run_plan import make_run_plan
from hogblock.training.settings import TrainingData
from hogblock.training.statistics import Statistics

if TYPE_CHECKING:
    from hogblock.distributed.holding import Holding, Summary

MEET_SECONDS = 30.0
"""That a neighbour on a ring may take to answer."""


class Node:
    """Called by the driver, from several threads: one trains, others exchange."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._averager: Averager | None = None
        self._member: Member | None = None
        self._edges: dict[tuple, Edge] = {}
        self._holding: tuple[str, Holding] | None = None
        self._meets = threading.Lock()
        self._number = self._told = 0

    def ready(self, images: bool) -> About:
        """Where this is, once the kernels are there, those for images too if wanted."""
        warm_up(images)
        return About(socket.gethostname(), __version__)

    def summary(self, reading: Reading, n_some: int) -> "Summary":
        """Read samples; what the driver has to know of them, and some of them."""
        return self._held(reading).summary(n_some)

    def statistics(self, reading: Reading, channels: int | None) -> Statistics:
        """Of the columns of the samples."""
        return self._held(reading).statistics(channels)

    def _held(self, reading: Reading) -> "Holding":
        # What checks samples brings in scikit-learn, which takes a second.
        from hogblock.distributed.holding import Holding

        if self._holding is None or self._holding[0] != reading.name:
            self._holding = reading.name, Holding(reading)
        return self._holding[1]

    def train(self, task: Task, samples, targets, *more) -> Outcome:
        """Train to the end of the task.

        Parameters
        ----------
        task : Task
        samples, targets, *more
            The fields of `TrainingData`; or a `Reading`, and the arguments of
            ``Holding.data``.
        """
        # What comes from the cluster's memory is read-only, another type to kernels.
        small = [np.array(each) for each in more]
        if isinstance(samples, Reading):
            data = self._held(samples).data(targets, *small)
        else:
            data = TrainingData(samples, targets, *small)
        plan = make_run_plan(task.network, data, task.settings)
        passes = plan.workers if plan.each_takes_all else 1
        averager = Averager(task, plan.batches * passes)
        with self._changed:
            self._averager, self._number = averager, 0
            self._told = averager.epochs
            self._member = Member(task.averaging, task.params)
            self._edges.clear()
            self._changed.notify_all()
        try:
            engine = engine_for(task.device, task.settings.method, data.x)
            result = engine.train(
                task.network, data, task.settings, task.params, averager.on_epoch,
                None, lambda steps: None, beside=averager.begins,
            )  # fmt: skip
        finally:
            averager.ended()
        return Outcome(result, averager.record())

    def stop(self, run: int) -> None:
        """Have the workers of a run leave."""
        self._of(run).stop()

    def exchange(self, call: Call, packed: Packed | None = None) -> Report | None:
        """Take an answer, wait until the next exchange is due, and offer or meet.

        None if the driver has called again meanwhile, or this call came late.

        Parameters
        ----------
        call : Call
        packed : Packed or None
            The answer to the offer of number ``call.answers``.
        """
        averager = self._of(call.run)
        with self._changed:
            if call.number <= self._number:
                return None
            self._number = call.number
        spent = Stopwatch()
        received = self._take(call, packed, spent)
        averager.judge(call.verdicts)  # behind the answer: the workers go on
        averager.take_up()

        def superseded() -> bool:
            return self._number != call.number

        averager.wait(superseded)
        if call.peer is not None:
            return None if superseded() else self._met(call, spent)
        with self._changed:  # of two calls, the later one offers
            if superseded():
                return None
            with spent.running():
                offer = self._its_member().offer(averager.snapshot())
        averager.learn(spent.seconds, offer.nbytes, received)
        return self._report(call, offer=offer)

    def _take(self, call: Call, packed: Packed | None, spent: "Stopwatch") -> int:
        """Add what an answer says; returns the bytes that it had."""
        if packed is None:
            return 0
        with spent.running():
            delta = self._its_member().answered(Message(call.answers, packed))
            if delta is not None:
                self._of(call.run).add(delta)
        return packed.nbytes

    def meet(self, run: int, key: tuple, offer: Message) -> Message | None:
        """A neighbour on the ring offers its model: answer with this one's.

        None if the two have not had equally many meetings: both begin anew.
        """
        averager = self._of(run)
        spent = Stopwatch()
        with self._meets, spent.running():
            edge = self._edge(key)
            met = edge.met(averager.snapshot(), offer)
            if met is None:
                edge.reset()
                return None
            answer, delta = met
            averager.add(delta)
        averager.learn(spent.seconds, answer.nbytes, offer.nbytes)
        return answer

    def _met(self, call: Call, spent: "Stopwatch") -> Report:
        """Meet the neighbour that the driver names."""
        assert call.peer is not None
        key, handle = call.peer
        averager, edge = self._of(call.run), self._edge(key)
        with spent.running():
            snapshot = averager.snapshot()
            offer = edge.offer(snapshot)
        answer = _ask(handle, call.run, key, offer)
        with spent.running():
            delta = None if answer is None else edge.answered(answer)
        if answer is None or delta is None:
            edge.reset()
            return self._report(call)
        averager.add(delta)
        averager.learn(spent.seconds, offer.nbytes, answer.nbytes)
        apart = apart_from(snapshot + delta, [snapshot])
        return self._report(call, apart=apart)

    def _edge(self, key: tuple) -> Edge:
        task = self._its_averager().task
        if key not in self._edges:
            self._edges[key] = Edge(task.averaging, task.origin)
        return self._edges[key]

    def _report(self, call: Call, offer: Message | None = None, apart=0.0) -> Report:
        averager = self._of(call.run)
        # In this order: what is said to have ended is in the record.
        finished, epochs = averager.finished, averager.epochs
        record = averager.record()
        first = max(0, call.judged - averager.task.first_epoch)
        begun = np.flatnonzero(record[:, 0])  # of thousands to come nobody is told
        end = begun[-1] + 1 if begun.size else 0
        at_an_end = finished or epochs > self._told
        self._told = epochs
        return Report(
            offer=offer,
            model=averager.snapshot() if at_an_end and call.peer else None,
            first=averager.task.first_epoch + first,
            record=record[first:end],
            epochs=epochs,
            waits_at=averager.waits_at,
            steps=averager.steps,
            finished=finished,
            counts=averager.counts,
            seconds_waited=averager.seconds_waited,
            apart=apart,
        )

    def _of(self, run: int) -> Averager:
        """The averager of a run, once it is there."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_of(run))
            return self._its_averager()

    def _is_of(self, run: int) -> bool:
        return self._averager is not None and self._averager.task.run == run

    def _its_averager(self) -> Averager:
        assert self._averager is not None
        return self._averager

    def _its_member(self) -> Member:
        assert self._member is not None
        return self._member


class Stopwatch:
    """Time that this thread has a core, while it runs."""

    def __init__(self):
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it run during the block."""
        before = time.thread_time()
        try:
            yield
        finally:
            self.seconds += time.thread_time() - before


def _ask(handle, run: int, key: tuple, offer: Message) -> Message | None:
    """What a neighbour answers; None if it does not."""
    import ray

    try:
        return ray.get(handle.meet.remote(run, key, offer), timeout=MEET_SECONDS)
    except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError):
        return None
