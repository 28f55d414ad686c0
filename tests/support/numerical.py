"""Training in float64 whose gradients are finite differences.

A twin of any network that is written as one function of its parameters.
"""

from typing import NamedTuple

import numpy as np

STEP = 1e-6


class Trained(NamedTuple):
    params: list
    losses: list  # of the epochs


def train(network, settings, outputs, losses, params, x, targets):
    """Momentum at a constant rate, samples in their order, one worker.

    Parameters
    ----------
    outputs : callable
        ``(params, x)``: the network.
    losses : callable
        ``(outputs, targets)``: of each sample, the mean over the outputs. Gradients
        are those of the sum, as of all losses for regression.
    """
    params, x, targets = (np.asarray(a, float) for a in (params, x, targets))
    velocity, found = np.zeros(network.size), []
    used, decays = np.zeros(network.size, bool), np.zeros(network.size, bool)
    for tensor in network.tensors:
        tensor.view(used)[:] = True
        tensor.view(decays)[:] = tensor.decays

    for _ in range(settings.epochs):
        total = 0.0
        for start in range(0, len(x), settings.batch):
            rows = slice(start, start + settings.batch)

            def objective(at, rows=rows):
                return losses(outputs(at, x[rows]), targets[rows]).sum()

            gradient = targets.shape[1] * _gradient(objective, params, used)
            gradient += settings.alpha * decays * params
            total += objective(params)
            velocity = settings.momentum * velocity + gradient / len(x[rows])
            params = params - float(settings.rate[0]) * velocity
        found.append(total / len(x))
    return Trained(params.tolist(), found)


def _gradient(function, params, used):
    gradient = np.zeros_like(params)
    for i in np.flatnonzero(used):
        moved = params.copy()
        moved[i] = params[i] + STEP
        above = function(moved)
        moved[i] = params[i] - STEP
        gradient[i] = (above - function(moved)) / (2 * STEP)
    return gradient
