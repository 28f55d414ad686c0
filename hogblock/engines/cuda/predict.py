"""Outputs of a network for samples on a CUDA device."""

import numpy as np

from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.cuda.memory import threads_of
from hogblock.engines.cuda.pack import forward_program
from hogblock.engines.cuda.training import check_shared
from hogblock.engines.devices import Cuda, simulated
from hogblock.kernels.cuda.launch import as_argument, launcher_of
from hogblock.kernels.cuda.program import Shape
from hogblock.models.network import Network
from hogblock.training.scaling import Scaling

CHUNK = 64
SIMULATED_TEAMS = 2
MOST_WORK = 1 << 30
"""Bytes of work space of all teams: those of wide images fill a card otherwise."""


def outputs_of(network: Network, params: np.ndarray, x, inputs: Scaling, device: Cuda):
    """Raw outputs (before softmax or logistic), on the device.

    Parameters
    ----------
    network : Network
    params : ndarray of shape (network.size,), float32
    x : device array of shape (n_samples, n_features), float32 or uint8
    inputs : Scaling
    device : Cuda
        Where x lies.

    Returns
    -------
    device array of shape (n_samples, n_outputs), float32
    """
    arrays = Arrays(device)
    n_samples, chunk = len(x), min(CHUNK, len(x))
    threads = threads_of(device)
    program = forward_program(network, x, inputs, Shape(1, 1, threads), chunk)
    check_shared(program, device)
    shared = program.shared_bytes
    arrays.synchronise()  # x may be the work of another stream
    with arrays.current(), arrays.on_default_stream():
        launcher, xp = launcher_of(device.index), arrays.xp
        resident = launcher.resident_blocks("predict", threads, shared)
        teams = SIMULATED_TEAMS if simulated() else resident
        fitting = MOST_WORK // (4 * program.work_size)
        teams = max(1, min(teams, -(-n_samples // chunk), fitting))
        rows = arrays.wrap(x).reshape(-1).view(np.uint8)
        work = xp.zeros(teams * program.work_size, np.float32)
        words = xp.zeros(program.words_size + teams * chunk, np.int32)
        out = xp.empty((n_samples, network.output_shape[0]), np.float32)
        table, reals = (arrays.to_device(a) for a in (program.table, program.reals))
        taken = (table, reals, arrays.to_device(params), work, rows, words, out)
        arguments = tuple(as_argument(xp.asarray(a)) for a in taken)
        numbers = (np.int64(0), np.int64(n_samples))
        launcher.launch("predict", teams, threads, shared, arguments + numbers)
    arrays.synchronise()
    return arrays.wrap(out)
