"""Packs a run plan for teams of thread blocks: the program that their kernels read."""

import numpy as np

from hogblock.engines.devices import Cuda
from hogblock.kernels import ops as op
from hogblock.kernels.cpu.augment import AUGMENT_WIDTH
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda.program import Program, RunInputs, Shape, make_program
from hogblock.models.network import Network
from hogblock.models.plan import make_plan
from hogblock.training.run_plan import RunPlan
from hogblock.training.scaling import Scaling
from hogblock.training.scopes import Bag
from hogblock.training.storage import STORAGE

LARGEST = 2**31 - 1
"""Kernels count samples, minibatches and words of work space in 32 bits."""


def epoch_keys(order_key: int | np.ndarray, salts: np.ndarray) -> np.ndarray:
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
    run_plan: RunPlan,
    shape: Shape,
    device: Cuda,
    *,
    static: bool = False,
    server: int | None = None,
) -> Program:
    """Lower a run for teams of a shape.

    Parameters
    ----------
    run_plan : RunPlan
    shape : Shape
        Of the teams on this device.
    device : Cuda
    static : bool, default=False
        Give the minibatches to the teams in turn instead of to whoever is free.
    server : int, default=None
        Number of the device among the owners of the blocks: its teams update its
        blocks only, and do every so-many-th minibatch, or all of them with epochs of
        their own. None: the teams are the owners.

    Raises
    ------
    ValueError
        If the run is too large, with the sizes and the limits.
    """
    settings = run_plan.settings
    _check("minibatches of the run", run_plan.steps)
    _check("samples", run_plan.n_samples)
    alone, number = server is None, server or 0
    taken = run_plan.numbers if alone else [run_plan.numbers[number]] * shape.teams
    numbers = sorted({plan for each in taken for plan in each})
    shares = not alone and not run_plan.own_epochs
    program = make_program(
        [run_plan.plans[k] for k in numbers],
        shape,
        settings.batch,
        RunInputs(
            header={
                job.FIRST: run_plan.first,
                job.BATCHES: run_plan.batches,
                job.SAMPLES: run_plan.n_samples,
                job.FEATURES: run_plan.n_features,
                job.STORAGE: run_plan.storage,
                job.STEPS: run_plan.steps,
                job.SHUFFLE: int(settings.shuffle),
                job.RATE_POINTS: settings.rate_points,
                job.NESTEROV: int(settings.nesterov),
                job.STORES: int(device.writes == "store"),
                job.WEIGHTED: int(run_plan.weighted),
                job.STATIC: int(static),
                job.SERVER: number if shares else 0,
                job.SERVERS: run_plan.owners if shares else 1,
                job.PARAMETERS: run_plan.n_parameters,
                job.TEAM_EPOCHS: int(run_plan.own_epochs),
                job.COPY_AT: 0 if run_plan.copy_read else -1,
            },
            stretches=run_plan.bags,
            team_plans=np.searchsorted(numbers, taken),
            writes=run_plan.writes[numbers],
            augment=run_plan.augment,
            rates=run_plan.rate,
            shift=run_plan.scaling["shift"],
            scale=run_plan.scaling["scale"],
            momentum=run_plan.momentum,
            decay=settings.alpha,
            **_keys(run_plan, shape.teams, number * shape.teams),
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


def _keys(run_plan: RunPlan, teams: int, first: int) -> dict[str, np.ndarray]:
    """Keys of the random numbers of a device's teams.

    first : number of the first team among those of all devices.
    """
    keys = epoch_keys(run_plan.order_key, np.arange(run_plan.settings.epochs))
    if run_plan.own_epochs:
        keys = epoch_keys(keys[None], 1 + first + np.arange(teams)[:, None])
    return {
        "keys": np.ascontiguousarray(keys).view(np.uint32),
        "team_keys": run_plan.worker_keys[first : first + teams],
    }


def forward_program(
    network: Network, x, inputs: Scaling, shape: Shape, chunk: int
) -> Program:
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
        RunInputs(
            header={
                job.FIRST: 0,
                job.BATCHES: 1,
                job.SAMPLES: len(x),
                job.FEATURES: x.shape[1],
                job.STORAGE: STORAGE[np.dtype(x.dtype)],
                job.STEPS: 1,
                job.PARAMETERS: network.size,
            },
            stretches=[Bag(0, False, [0])],
            team_plans=np.zeros((shape.teams, 1), np.int64),
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
