"""The program of a run: from network, data and settings to what the kernels read."""

import numpy as np

from hogblock.engines.cpu.task import STORAGE
from hogblock.engines.devices import Cuda
from hogblock.kernels import ops as op
from hogblock.kernels.cpu.augment import AUGMENT_WIDTH
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda.program import Program, Rules, Shape, make_program
from hogblock.methods import Phase
from hogblock.models.blocks import Block, partition
from hogblock.models.network import Network
from hogblock.models.plan import make_plan
from hogblock.training.scaling import Scaling
from hogblock.training.settings import Settings, TrainingData

LARGEST = 2**31 - 1
"""Kernels count samples, minibatches and words of work space in 32 bits."""


def epoch_keys(order_key: int, salts: np.ndarray) -> np.ndarray:
    """Keys of the orders of epochs: ``kernels.cpu.random.mix_keys``, all at once.

    Parameters
    ----------
    order_key : int
    salts : int array

    Returns
    -------
    ndarray of uint64, like `salts`
    """
    with np.errstate(over="ignore"):
        z = np.asarray(salts).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = z + np.asarray(order_key).astype(np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def program_of(
    network: Network,
    data: TrainingData,
    settings: Settings,
    shape: Shape,
    device: Cuda,
    *,
    blocks: list[Block] | None = None,
    own: list[int] | None = None,
    static: bool = False,
    server: tuple[int, int] = (0, 1),
) -> Program:
    """Lower a run for teams of a shape.

    Parameters
    ----------
    network, data, settings, shape, device
        Of the run.
    blocks : list of Block, default=None
        Cut of the parameter vector; None is one of as many as the teams own.
    own : list of int, default=None
        Blocks that every team owns; None gives each team its own ones.
    static : bool, default=False
        Give the minibatches to the teams in turn instead of to whoever is free.
    server : (int, int), default=(0, 1)
        Number of this program, and how many share the minibatches; workers with epochs
        of their own do all of them.

    Raises
    ------
    ValueError
        If the run is too large, with the sizes and the limits.
    """
    method = settings.method
    each = method.blocks_per_worker if own is None else len(own)
    own_epochs = method.epochs == "worker"
    blocks = blocks or partition(network, shape.teams * each)
    n_samples = len(data.x)
    batches = -(-n_samples // settings.batch)
    _check("minibatches of the run", batches * settings.epochs)
    _check("samples", n_samples)
    single = blocks if own is None else [blocks[b] for b in own]
    plans = [make_plan(network, settings.batch, settings.loss, b) for b in single]
    full = make_plan(network, settings.batch, settings.loss)
    writes = np.zeros((1 + len(plans), len(blocks)), np.int64)
    writes[0] = 1
    for row, block in enumerate(range(len(blocks)) if own is None else own, 1):
        writes[row, block] = 1
    shift, scale = Scaling(data.shift, data.scale).in_singles()
    program = make_program(
        [full, *plans],
        shape,
        settings.batch,
        Rules(
            header={
                job.BATCHES: batches,
                job.SAMPLES: n_samples,
                job.FEATURES: data.x.shape[1],
                job.STORAGE: STORAGE[np.dtype(data.x.dtype)],
                job.STEPS: batches * settings.epochs,
                job.SHUFFLE: int(settings.shuffle),
                job.RATE_POINTS: settings.rate_points,
                job.NESTEROV: int(settings.nesterov),
                job.STORES: int(device.writes == "store"),
                job.WEIGHTED: int(data.weights.size > 0),
                job.STATIC: int(static),
                job.SERVER: 0 if own_epochs else server[0],
                job.SERVERS: 1 if own_epochs else server[1],
                job.PARAMETERS: network.size,
                job.OWN_PLANS: each if own is None else 0,
                job.TEAM_EPOCHS: int(own_epochs),
                job.COPY_AT: 0 if method.reads == "copy" else -1,
            },
            schedule=_schedule(settings.phases(batches), each),
            writes=writes,
            augment=settings.augmentation.words(network.input_shape)
            if settings.augmentation
            else np.zeros(AUGMENT_WIDTH, np.int64),
            rates=settings.rate,
            shift=shift,
            scale=scale,
            momentum=settings.momentum,
            decay=settings.alpha,
            **_keys(settings, shape.teams, server[0] * shape.teams),
        ),
    )
    _check(
        f"float32 of a worker's work space with batch_size={settings.batch}",
        program.work_size,
    )
    return program


def _check(what: str, count: int) -> None:
    if count > LARGEST:
        raise ValueError(
            f"the run has {count} {what}; a CUDA device takes at most {LARGEST}"
        )


def _schedule(phases: list[Phase], own: int):
    """Phases of the run, each a list of plans: 0 is full, k the k-th own one."""
    plans_of = {"own": list(range(1, own + 1)), "full": [0] * own}
    return [
        (p.start, own > 1, [plan for turn in p.turns for plan in plans_of[turn]])
        for p in phases
    ]


def _keys(settings: Settings, teams: int, first: int) -> dict[str, np.ndarray]:
    """Keys of the random numbers, the same as those of as many workers on a CPU.

    first : number of the first team among those of all servers.
    """
    order, *streams = np.random.SeedSequence(settings.seed).spawn(first + teams + 1)
    order_key = order.generate_state(1, np.uint64)[0] >> np.uint64(1)
    keys = epoch_keys(order_key, np.arange(settings.epochs))
    if settings.method.epochs == "worker":
        keys = epoch_keys(keys[None], 1 + first + np.arange(teams)[:, None])
    return {
        "keys": np.ascontiguousarray(keys).view(np.uint32),
        "team_keys": np.array(
            [s.generate_state(1)[0] for s in streams[first:]], np.uint32
        ),
    }


def forward_program(network: Network, x, inputs, shape: Shape, chunk: int) -> Program:
    """The program of a prediction: teams of one block, the forward pass only.

    Parameters
    ----------
    network : Network
    x : array of shape (n_samples, n_features)
    inputs : Scaling
    shape : Shape
    chunk : int
        Samples at once.
    """
    shift, scale = inputs.in_singles()
    plan = make_plan(network, chunk, "squared_error")
    plan.reals[:, op.RATE] = 0  # of dropout
    return make_program(
        [plan],
        shape,
        chunk,
        Rules(
            header={
                job.BATCHES: 1,
                job.SAMPLES: len(x),
                job.FEATURES: x.shape[1],
                job.STORAGE: STORAGE[np.dtype(x.dtype)],
                job.STEPS: 1,
                job.PARAMETERS: network.size,
            },
            schedule=[(0, False, [0])],
            writes=np.ones((1, 1), np.int64),
            keys=np.zeros((1, 2), np.uint32),
            team_keys=np.zeros(1, np.uint32),
            augment=np.zeros(AUGMENT_WIDTH, np.int64),
            rates=np.zeros(1, np.float32),
            shift=shift,
            scale=scale,
            momentum=0.0,
            decay=0.0,
        ),
    )
