"""Thinning in float64: which samples go on, by which factor, and from where."""

import numpy as np

from hogblock.kernels.cpu.thin import WORTH, uniform_of
from support import naive


def thinned_rows(norms, thinning, uniform):
    """Factor of each row, 0 if it is not drawn; and how near another choice was.

    Along a line on which a drawn row takes up its probability, those are drawn in
    which `uniform` plus a whole number lies (Madow, 1949).
    """
    norms = np.asarray(norms, np.float64)
    least = thinning * norms.sum() / len(norms)
    if not (np.isfinite(least) and least > 0):
        return np.ones(len(norms)), 1.0
    probability = np.minimum(norms / least, 1)
    by_share = abs(probability.mean() / float(WORTH) - 1)
    if probability.mean() > WORTH:
        return np.ones(len(norms)), by_share
    ends = uniform + np.cumsum(np.where(norms < least, probability, 0))
    starts = np.concatenate([[uniform], ends[:-1]])
    drawn = (norms >= least) | (np.floor(ends) > np.floor(starts))
    factors = np.divide(drawn, probability, out=np.zeros(len(norms)), where=drawn)
    some = norms > 0
    by_size = np.abs(norms[some] / least - 1).min()
    by_place = np.abs(ends[norms < least] - np.round(ends[norms < least]))
    return factors, min(by_share, by_size, by_place.min(initial=1.0))


def thinned_buffer(network):
    """Where: the input of the last layer with parameters if all comes through it.

    None if no gradient of parameters goes further down.
    """
    layers = {t.layer for t in network.tensors}
    last = max(layers)
    reached = {0, *(k + 1 for k in layers - {last})}  # without the last one
    for k, stage in enumerate(network.stages):
        if k != last and reached & set(stage.sources):
            reached.add(k + 1)
    output = len(network.stages)
    if len(layers) == 1:
        return None
    return output if output in reached else network.stages[last].sources[0]


def row_norms(gradient):
    """Of a buffer's gradient, sample by sample."""
    return np.sqrt((gradient.reshape(len(gradient), -1) ** 2).sum(axis=1))


def thinned_gradient(network, problem, loss, thinning, key, **how):
    """Gradient of a worker's first minibatch, the factors, and the margin of both."""
    params, x, targets = problem
    buffer = thinned_buffer(network)
    uniform = float(uniform_of(1, key))
    _, whole, all_of_them = naive.network_gradients(
        network, params, x, targets, loss, **how
    )
    if buffer is None:
        return whole, np.ones(len(x)), 1.0
    norms = row_norms(all_of_them[buffer])
    factors, margin = thinned_rows(norms, thinning, uniform)
    how["thinned"] = (buffer, factors)
    found = naive.network_gradients(network, params, x, targets, loss, **how)[1]
    return found, factors, margin
