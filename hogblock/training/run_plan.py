"""The run plan: what follows from network, data and settings, once for each run.

Engines pack it into what their kernels read (``engines.cpu.pack``,
``engines.cuda.pack``); none derives anything of it anew. Equal runs of all engines
therefore have the same blocks, turns and random numbers.
"""

from dataclasses import dataclass

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.counters import log_width
from hogblock.kernels.cpu.augment import AUGMENT_WIDTH
from hogblock.models.blocks import Block
from hogblock.models.network import Network
from hogblock.models.plan import Plan, make_plan
from hogblock.scheduling.log import Recording
from hogblock.training.scaling import Scaling
from hogblock.training.scopes import Bag, scopes_of
from hogblock.training.settings import Settings, TrainingData
from hogblock.training.sparse_rows import SparseRows
from hogblock.training.storage import STORAGE


def count_batches(n_samples: int, batch: int) -> int:
    """Minibatches of an epoch; the last may be short."""
    return -(-n_samples // batch)


@dataclass(frozen=True, eq=False)
class RunPlan:
    """What a run is, before an engine packs it.

    Attributes
    ----------
    settings : Settings
    n_parameters, n_samples, n_features : int
    first, batches, steps : int
        Of the minibatches that all samples make, the first one of an epoch; minibatches
        of an epoch, and of the run (of each worker, with `own_epochs`).
    workers : int
        Of all devices together.
    owners : int
        How many share the blocks: the workers, or devices with workers of their own.
    momentum, rate : float, ndarray of float32
        Of each worker: those of the settings, by the method's horizon.
    own_epochs, copy_read : bool
        Every worker passes over all the data; reads a copy of the parameters.
    each_takes_all : bool
        Every worker takes all steps of an epoch: its own, or together with the others.
    storage : int
        Code of the rows of X as the workers read them.
    batch_values : int
        Values of a minibatch at most, where X is sparse rows.
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
    owned : list of range
        Numbers of the blocks of each owner.
    plans : list of Plan
        Those that somebody runs; the first is the full one.
    numbers : list of list of int
        Numbers of the plans of each owner, as its bags count them: the full one, then
        those of the other scopes that its turns have.
    writes : uint8 array of shape (plans, blocks)
        1 for the blocks that a plan writes.
    bags : list of Bag
        One for each stretch of the run.
    """

    settings: Settings
    n_parameters: int
    n_samples: int
    n_features: int
    first: int
    batches: int
    workers: int
    owners: int
    storage: int
    batch_values: int
    weighted: bool
    scaling: dict[str, np.ndarray]
    augment: np.ndarray
    order_key: int
    worker_keys: np.ndarray
    momentum: float
    rate: np.ndarray
    blocks: list[Block]
    owned: list[range]
    plans: list[Plan]
    numbers: list[list[int]]
    writes: np.ndarray
    bags: list[Bag]

    @property
    def steps(self) -> int:
        return self.batches * self.settings.epochs

    @property
    def epoch_samples(self) -> int:
        """Samples in the minibatches of an epoch."""
        batch = self.settings.batch
        end = min(self.n_samples, (self.first + self.batches) * batch)
        return end - self.first * batch

    @property
    def sparse_layer(self) -> tuple[int, int] | None:
        """Where the weights of a layer on sparse rows begin, and float32 of a row."""
        full = self.plans[0]
        if full.sparse_update < 0:
            return None
        row = full.ops[full.sparse_update]
        return int(row[op.W]), int(row[op.W_ROW])

    @property
    def own_epochs(self) -> bool:
        return self.settings.method.epochs == "worker"

    @property
    def each_takes_all(self) -> bool:
        return self.own_epochs or self.settings.method.together

    @property
    def copy_read(self) -> bool:
        return self.settings.method.reads == "copy"

    @property
    def logged_events(self) -> int:
        """Steps of all workers for which the log of the run has room."""
        schedule = self.settings.schedule
        if schedule is None:
            return 0
        recording = schedule if isinstance(schedule, Recording) else Recording()
        events = self.steps * (self.workers if self.own_epochs else 1)
        return min(events, recording.max_bytes // (4 * log_width(len(self.blocks))))


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
        If there are more blocks than rows of parameters, a scope cuts at no layer, or
        the method never updates some tensor.
    """
    method = settings.method
    whole = count_batches(len(data.x), settings.batch)
    part, parts = settings.part
    first, end = (k * whole // parts for k in (part, part + 1))
    batches = end - first
    workers, owners = settings.workers * (devices or 1), devices or settings.workers
    sparse = isinstance(data.x, SparseRows)
    scopes = scopes_of(network, settings, batches, owners, sparse)
    order_key, worker_keys = _keys(settings.seed, workers, *settings.part)
    momentum, factor = method.coefficients(settings.momentum, workers)
    scaled = (copied or sparse) and data.scaled_in_copies
    scaling = Scaling.none() if scaled else data.scaling
    return RunPlan(
        settings=settings,
        n_parameters=network.size,
        n_samples=len(data.x),
        n_features=data.x.shape[1],
        first=first,
        batches=batches,
        workers=workers,
        owners=owners,
        storage=_storage(data, copied),
        batch_values=data.x.most_values(settings.batch)
        if isinstance(data.x, SparseRows)
        else 0,
        weighted=data.weights.size > 0,
        scaling=scaling.for_kernels(),
        augment=settings.augmentation.words(network.input_shape)
        if settings.augmentation
        else np.zeros(AUGMENT_WIDTH, np.int64),
        order_key=order_key,
        worker_keys=worker_keys,
        momentum=momentum,
        rate=settings.rate * np.float32(factor),
        blocks=scopes.blocks,
        owned=scopes.owned,
        plans=[
            make_plan(
                network, settings.batch, settings.loss, span, method.thinning, sparse
            )
            for span in scopes.spans
        ],
        numbers=scopes.numbers,
        writes=scopes.writes,
        bags=scopes.bags,
    )


def _storage(data: TrainingData, copied: bool) -> int:
    """Code of the rows of X as workers read them."""
    if data.sparse:
        return op.CSR_ROWS
    return STORAGE[data.copy_type if copied else np.dtype(data.x.dtype)]


def _keys(seed: int, workers: int, part: int, parts: int) -> tuple[int, np.ndarray]:
    """Keys of the order of samples, which all parts share, and of each worker's own
    random numbers."""
    order, *streams = np.random.SeedSequence(seed).spawn(parts * workers + 1)
    order_key = int(order.generate_state(1, np.uint64)[0] >> 1)
    own = streams[part * workers : (part + 1) * workers]
    worker_keys = [stream.generate_state(1)[0] for stream in own]
    return order_key, np.array(worker_keys, np.uint32)
