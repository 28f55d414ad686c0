"""Outputs of a network for many samples, by the training kernels."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hogblock.engines.cpu.memory import private_floats
from hogblock.kernels import ops as op
from hogblock.kernels.cpu.augment import AUGMENT_WIDTH
from hogblock.kernels.cpu.image_ops import image_op_of
from hogblock.kernels.cpu.job import Samples
from hogblock.kernels.cpu.lowering import lower_plans
from hogblock.kernels.cpu.run import run_forward
from hogblock.kernels.cpu.warmup import warm_up
from hogblock.models.network import Network
from hogblock.models.plan import make_plan
from hogblock.training.scaling import Scaling
from hogblock.training.sparse_rows import SparseRows
from hogblock.training.storage import STORAGE

CHUNK = 128
SAMPLES_A_THREAD = 4096
ROWS_WITH_ZEROS = 512


def outputs_of(
    network: Network,
    params: np.ndarray,
    x: np.ndarray,
    inputs: Scaling,
    threads: int = 1,
) -> np.ndarray:
    """Raw outputs (before softmax or logistic).

    Parameters
    ----------
    network : Network
    params : ndarray of shape (network.size,), float32
    x : ndarray of shape (n_samples, n_features), float32, float64 or uint8, C order
        Or ``SparseRows``.
    inputs : Scaling
    threads : int, default=1
        Used only if there is enough work for each.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs), float32
    """
    if isinstance(x, SparseRows) and inputs.shift.any():
        return _with_zeros(network, params, x, inputs)
    warm_up(network.needs_image_kernels)
    if isinstance(x, SparseRows):
        arrays, storage = x.arrays(inputs.scale), op.CSR_ROWS
        inputs = Scaling.none()
    else:
        x = inputs.storable(x)
        arrays, storage = {"x": x}, STORAGE[x.dtype]
    sparse = storage == op.CSR_ROWS
    n_samples = len(x)
    chunk = min(CHUNK, n_samples)
    plan = make_plan(network, chunk, "squared_error", sparse=sparse)
    lowered = lower_plans([plan])
    plan = lowered.plans[0]
    own = private_floats(params=network.size)["params"]  # kernels want a cache line
    own[:] = params
    samples = Samples(
        x=arrays["x"].ctypes.data,
        storage=storage,
        n_features=x.shape[1],
        columns=arrays["columns"].ctypes.data if sparse else 0,
        starts=arrays["starts"].ctypes.data if sparse else 0,
        **inputs.for_kernels(),
        targets=0,
        weights=np.zeros(0, np.float32),
        n_samples=n_samples,
        batch=chunk,
        first=0,
        batches=1,
        shuffle=0,
        order_key=0,
        augment=np.zeros(AUGMENT_WIDTH, np.int64),
    )
    out = np.empty((n_samples, network.output_shape[0]), np.float32)

    def run(first, end):
        space = private_floats(work=lowered.work_size, zeros=lowered.zeros_size)
        run_forward(
            plan.ops, plan.reals, plan.n_forward, own, *space.values(), samples, first,
            end, out, image_op_of(plan.ops),
        )  # fmt: skip

    parts = max(1, min(threads, n_samples // SAMPLES_A_THREAD))
    if parts == 1:
        run(0, n_samples)
        return out
    bounds = np.linspace(0, n_samples, parts + 1).astype(int)
    with ThreadPoolExecutor(parts) as executor:
        list(executor.map(run, bounds[:-1].tolist(), bounds[1:].tolist()))
    return out


def _with_zeros(network, params, x: SparseRows, inputs: Scaling) -> np.ndarray:
    """Outputs where scaling moves the zeros: of some rows at a time with them."""
    parts = (slice(k, k + ROWS_WITH_ZEROS) for k in range(0, len(x), ROWS_WITH_ZEROS))
    outputs = [outputs_of(network, params, x[p].toarray(), inputs) for p in parts]
    return np.concatenate(outputs)
