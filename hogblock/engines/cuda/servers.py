"""Several CUDA devices as concurrent parameter servers.

See docs/method.md, section 8, after Kungurtsev et al. (arXiv 1905.11845): each device
serves one part of the shared model and has workers of its own. They train on the
device's share of the minibatches, on a full vector of parameters of which they own one
part; the rest mirrors the other servers' parts. Every `MINIBATCHES_A_PUSH`
minibatches of a worker, a device copies its part into the others' mirrors while their
workers run on: nobody waits, and no two devices write the same word of a mirror. What a
mirror is behind comes on top of the staleness that is counted within a device.
"""

from collections.abc import Callable

import numpy as np

from hogblock.engines.cuda.card import Card, Outcome, Snapshot, stream_of_its_own
from hogblock.engines.cuda.memory import Memory
from hogblock.engines.cuda.pack import program_of
from hogblock.engines.cuda.training import Training, check_shared, shape_of
from hogblock.engines.devices import Cuda, simulated
from hogblock.models.blocks import Block
from hogblock.models.network import Network
from hogblock.training.run_plan import make_run_plan
from hogblock.training.settings import OnEpoch, Result, Settings, TrainingData

MINIBATCHES_A_PUSH = 16
"""Of a worker, between two copies of a server's part to the others."""


def train(
    network: Network,
    data: TrainingData,
    settings: Settings,
    params: np.ndarray,
    on_epoch: OnEpoch = lambda epoch: False,
    velocity: np.ndarray | None = None,
    progress: Callable[[int], None] = lambda steps: None,
    *,
    devices: tuple[Cuda, ...],
) -> Result:
    """Train `network` from `params`; as ``engines.base.Engine.train``.

    Parameters
    ----------
    network, data, settings, params, on_epoch, velocity, progress
        See there. ``settings.workers`` are those of each device; the method is "passm"
        or "passm+", whose full steps change the mirrors only until the next copy.
    devices : tuple of Cuda
        A server each; the same device may be named several times.

    Returns
    -------
    Result
        Workers, velocity and steps of all devices, in their order; updates and ages of
        the blocks, each counted by the device that owns it.

    Raises
    ------
    ValueError, DeviceMemoryError, WorkerError
        As ``cuda.training.train``.
    """
    _check(network, settings, devices)
    run_plan = make_run_plan(network, data, settings, devices=len(devices))
    servers = []
    for rank, device in enumerate(devices):
        sharing = sum(d.index == device.index for d in devices)
        shape = shape_of(run_plan, device, True, sharing)
        program = program_of(run_plan, shape, device, static=simulated(), server=rank)
        check_shared(program, device)
        part = None
        if velocity is not None and len(velocity) == run_plan.workers:
            part = velocity[rank * settings.workers :][: settings.workers]
        stream = stream_of_its_own(device)
        memory = Memory(device, program, data, params, part, stream)
        servers.append(Card(memory))
    push_after = MINIBATCHES_A_PUSH * (1 if run_plan.own_epochs else run_plan.workers)
    together = Servers(servers, run_plan.blocks, run_plan.owned, push_after)
    return Training(together, run_plan, on_epoch, progress).run()


def _check(network: Network, settings: Settings, devices) -> None:
    """Refuse more devices than there are rows to own, and graphs."""
    each = settings.method.blocks_per_worker
    rows = sum(t.rows for t in network.tensors)
    if len(devices) * each > rows:
        raise ValueError(
            f"device names {len(devices)} devices, which own {each} blocks each, and "
            f"the network has {rows} rows of parameters to share among them"
        )
    if any(d.launch == "graph" for d in devices):
        raise ValueError(
            "launch='graph' does not run on several devices: use launch='persistent'"
        )


class Servers:
    """Cards that act as one.

    Parameters
    ----------
    cards : list of Card
    blocks : list of Block
    owned : list of range
        Blocks that each card owns.
    push_after : int
        Tickets between two copies of each card's part to the others.
    """

    def __init__(self, cards: list[Card], blocks: list[Block], owned, push_after: int):
        self._cards, self._owned, self._push_after = cards, owned, push_after
        self._parts = [Block(blocks[k[0]].start, blocks[k[-1]].stop) for k in owned]
        self._done = 0

    @property
    def name(self) -> str:
        return ", ".join(card.name for card in self._cards)

    def run_to(self, limit: int) -> "Spans":
        """Put the minibatches below a limit on the devices, with the pushes between."""
        spans = Spans()
        while self._done < limit:
            self._done = min(limit, self._done + self._push_after)
            for rank, card in enumerate(self._cards):
                spans.add(rank, card.run_to(self._done))
                self._push(rank)
        return spans

    def _push(self, rank: int) -> None:
        """Copy a server's part into the other servers' mirrors."""
        start, stop = self._parts[rank]
        source = self._cards[rank].memory
        for other in self._cards:
            if other is not self._cards[rank]:
                with source.current():
                    copy_between(
                        other.memory.params[start:stop], source.params[start:stop]
                    )

    def snapshot(self, epoch: int):
        """As ``Card.snapshot``: every part from its own server."""
        readers = [card.snapshot(epoch) for card in self._cards]

        def read() -> Snapshot:
            each = [reader() for reader in readers]
            return Snapshot(
                self._joined([s.params for s in each]),
                np.sum([s.record for s in each], axis=0),
                any(s.failed for s in each),
            )

        return read

    def _joined(self, each: list[np.ndarray]) -> np.ndarray:
        params = each[0].copy()
        for (start, stop), own in zip(self._parts, each, strict=True):
            params[start:stop] = own[start:stop]
        return params

    def synchronise(self) -> None:
        """As ``Card.synchronise``."""
        for card in self._cards:
            card.synchronise()

    def set_rate_factor(self, factor: float) -> None:
        """As ``Card.set_rate_factor``."""
        for card in self._cards:
            card.set_rate_factor(factor)

    def outcome(self) -> Outcome:
        """As ``Card.outcome``."""
        each = [card.outcome() for card in self._cards]
        own = [(o, list(k)) for o, k in zip(each, self._owned, strict=True)]
        return Outcome(
            params=self._joined([o.params for o in each]),
            velocity=np.concatenate([o.velocity for o in each]),
            steps_per_worker=np.concatenate([o.steps_per_worker for o in each]),
            updates_per_block=np.concatenate([o.updates_per_block[k] for o, k in own]),
            staleness=np.concatenate([o.staleness[k] for o, k in own]),
            overlap=np.concatenate([o.overlap[k] for o, k in own]),
        )


class Spans:
    """Spans of several devices that work at the same time."""

    def __init__(self):
        self._by_server: dict[int, list] = {}

    def add(self, rank: int, span) -> None:
        """A span behind the others of its server."""
        self._by_server.setdefault(rank, []).append(span)

    def wait(self) -> float:
        """Wait for the end of all; returns the seconds of the longest."""
        totals = [sum(s.wait() for s in own) for own in self._by_server.values()]
        return max(totals, default=0.0)


def copy_between(target, source) -> None:
    """Copy a device array to another one, maybe on another device, in the background.

    It goes behind what is on the current stream, which is the source's.
    """
    if simulated():
        target[...] = source
        return
    from cupy.cuda import get_current_stream, runtime

    runtime.memcpyPeerAsync(
        target.data.ptr,
        target.device.id,
        source.data.ptr,
        source.device.id,
        source.nbytes,
        get_current_stream().ptr,
    )
