"""The run plan: what follows from network, data and settings, once for each run.

Engines pack it into what their kernels read (``engines.cpu.pack``,
``engines.cuda.pack``); none derives anything of it anew. Equal runs of all engines
therefore have the same blocks, turns and random numbers.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hogblock.kernels.cpu.augment import AUGMENT_WIDTH
from hogblock.methods import Stretch
from hogblock.models.blocks import Block, partition
from hogblock.models.network import Network
from hogblock.models.plan import Plan, make_plan
from hogblock.training.scaling import Scaling
from hogblock.training.settings import Settings, TrainingData
from hogblock.training.storage import STORAGE


def count_batches(n_samples: int, batch: int) -> int:
    """Minibatches of an epoch; the last may be short."""
    return -(-n_samples // batch)


class Bag(NamedTuple):
    """From shared step `start` on: plans that a worker takes in turn, or draws.

    Attributes
    ----------
    start : int
    drawn : bool
        They are drawn at random.
    plans : list of int
        0 is the full plan, k >= 1 that of the worker's k-th own block.
    """

    start: int
    drawn: bool
    plans: list[int]


@dataclass(frozen=True, eq=False)
class RunPlan:
    """What a run is, before an engine packs it.

    Attributes
    ----------
    settings : Settings
    n_parameters, n_samples, n_features : int
    batches, steps : int
        Minibatches of an epoch, and of the run (of each worker, with `own_epochs`).
    workers : int
        Of all devices together.
    owners : int
        How many share the blocks: the workers, or devices with workers of their own.
    own_epochs, copy_read : bool
        Every worker passes over all the data; reads a copy of the parameters.
    storage : int
        Code of the rows of X as the workers read them.
    weighted : bool
        There are sample weights.
    scaling : dict of str to ndarray
        ``shift``, ``scale`` (float32) and ``shift64``, ``scale64`` (float64) that
        kernels apply to the rows; all empty if they leave them as they are.
    augment : int64 array of shape (AUGMENT_WIDTH,)
    order_key : int
        Of the order of the samples.
    worker_keys : uint32 array of shape (workers,)
        Of the workers' own random numbers.
    blocks : list of Block
    plans : list of Plan
        The full one, then that of each block.
    writes : uint8 array of shape (plans, blocks)
        1 for the blocks that a plan writes.
    bags : list of Bag
        One for each stretch of the run.
    """

    settings: Settings
    n_parameters: int
    n_samples: int
    n_features: int
    batches: int
    workers: int
    owners: int
    storage: int
    weighted: bool
    scaling: dict[str, np.ndarray]
    augment: np.ndarray
    order_key: int
    worker_keys: np.ndarray
    blocks: list[Block]
    plans: list[Plan]
    writes: np.ndarray
    bags: list[Bag]

    @property
    def steps(self) -> int:
        return self.batches * self.settings.epochs

    @property
    def own_epochs(self) -> bool:
        return self.settings.method.epochs == "worker"

    @property
    def copy_read(self) -> bool:
        return self.settings.method.reads == "copy"

    def own_blocks(self, owner: int) -> range:
        """Numbers of the blocks of a worker, or of a device that owns them."""
        each = self.settings.method.blocks_per_worker
        return range(owner * each, (owner + 1) * each)

    def plans_of(self, owner: int) -> list[int]:
        """Numbers of the plans of an owner, as its bags count them."""
        return [0, *(1 + block for block in self.own_blocks(owner))]


def make_run_plan(
    network: Network,
    data: TrainingData,
    settings: Settings,
    *,
    copied: bool = False,
    devices: int | None = None,
) -> RunPlan:
    """Derive all of a run.

    Parameters
    ----------
    network : Network
    data : TrainingData
    settings : Settings
    copied : bool, default=False
        Workers read ``data.copied``, not X itself.
    devices : int, default=None
        So many devices own the blocks, each with ``settings.workers`` workers; None:
        the workers own them.

    Raises
    ------
    ValueError
        If there are more blocks than rows of parameters.
    """
    method = settings.method
    batches = count_batches(len(data.x), settings.batch)
    workers, owners = settings.workers * (devices or 1), devices or settings.workers
    blocks = partition(network, owners * method.blocks_per_worker)
    order_key, worker_keys = _keys(settings.seed, workers)
    scaled = copied and data.scaled_in_copies
    scaling = Scaling.none() if scaled else data.scaling
    return RunPlan(
        settings=settings,
        n_parameters=network.size,
        n_samples=len(data.x),
        n_features=data.x.shape[1],
        batches=batches,
        workers=workers,
        owners=owners,
        storage=STORAGE[data.copy_type if copied else np.dtype(data.x.dtype)],
        weighted=data.weights.size > 0,
        scaling=scaling.for_kernels(),
        augment=settings.augmentation.words(network.input_shape)
        if settings.augmentation
        else np.zeros(AUGMENT_WIDTH, np.int64),
        order_key=order_key,
        worker_keys=worker_keys,
        blocks=blocks,
        plans=[
            make_plan(network, settings.batch, settings.loss, block)
            for block in (None, *blocks)
        ],
        writes=np.vstack(
            [np.ones(len(blocks), np.uint8), np.eye(len(blocks), dtype=np.uint8)]
        ),
        bags=_bags(settings.stretches(batches), method.blocks_per_worker),
    )


def _keys(seed: int, workers: int) -> tuple[int, np.ndarray]:
    """Keys of the order of samples, and of each worker's own random numbers."""
    order, *streams = np.random.SeedSequence(seed).spawn(workers + 1)
    order_key = int(order.generate_state(1, np.uint64)[0] >> 1)
    worker_keys = [stream.generate_state(1)[0] for stream in streams]
    return order_key, np.array(worker_keys, np.uint32)


def _bags(stretches: list[Stretch], own: int) -> list[Bag]:
    """Turns as plans of a worker that has `own` blocks.

    With several own blocks a turn draws one at random: in the bag each own block stands
    as often as the full plan.
    """
    plans_of = {"own": list(range(1, own + 1)), "full": [0] * own}
    return [
        Bag(start, own > 1, [plan for turn in turns for plan in plans_of[turn]])
        for start, turns in stretches
    ]
