"""Local steps of nodes, each on its own model; what they exchange is not known here.

    g = subgradient at the model of `rows` - 1 local steps before
    u <- m u + g,  x <- x - rate (u or g + m u)

A step happens as a whole at its end. Plain IEEE arithmetic, in the order of
coordinates.
"""

from typing import NamedTuple

import numpy as np

from hogblock.kernels.cpu.jit import exact
from hogblock.kernels.events.call import call_subgradient


class Nodes(NamedTuple):
    """Nodes at one moment of a run.

    Attributes
    ----------
    address, data : int
        Of the problem's subgradient, and of what it reads.
    momentum : float
    nesterov : bool
    rates : ndarray of shape (m,), float64
        By the node's own count of steps; the last one stays.
    ends : ndarray of shape (nodes, steps), float64
        When a step ends, if nothing else takes time; rises along a row.
    shift : ndarray of shape (nodes,), float64
        How much later a node's next steps end; infinite while it is down.
    samples : ndarray of shape (nodes, steps) or (nodes, 0), int32
        Of each step; (nodes, 0): there is but one.
    x : ndarray of shape (nodes, rows, n), float64
        The model after k steps in row k % rows.
    velocity : ndarray of shape (nodes, n), float64
    g : ndarray of shape (n,), float64
    done : ndarray of shape (nodes,), int64
        Steps taken.
    """

    address: int
    data: int
    momentum: float
    nesterov: bool
    rates: np.ndarray
    ends: np.ndarray
    shift: np.ndarray
    samples: np.ndarray
    x: np.ndarray
    velocity: np.ndarray
    g: np.ndarray
    done: np.ndarray


@exact
def _step(nodes, node):
    """One step of a node."""
    k, rows, g = nodes.done[node], nodes.x.shape[1], nodes.g
    read = nodes.x[node, (k - min(k, rows - 1)) % rows]
    now, new = nodes.x[node, k % rows], nodes.x[node, (k + 1) % rows]
    sample = -1
    if nodes.samples.shape[1] > 0:
        sample = np.int64(nodes.samples[node, k])
    call_subgradient(
        nodes.address, read.ctypes.data, g.size, sample, nodes.data, g.ctypes.data
    )
    rate = nodes.rates[min(k, nodes.rates.size - 1)]
    m, velocity = nodes.momentum, nodes.velocity[node]
    for j in range(g.size):  # `now`, `new` and `read` may be one row
        step = g[j]
        if m > 0:
            velocity[j] = m * velocity[j] + g[j]
            step = g[j] + m * velocity[j] if nodes.nesterov else velocity[j]
        new[j] = now[j] - rate * step
    nodes.done[node] = k + 1


@exact
def advance(nodes, first, stop, until):
    """Take the steps of nodes `first` to `stop` that end by `until`.

    Parameters
    ----------
    nodes : Nodes
    first, stop : int64
    until : float64
    """
    steps = nodes.ends.shape[1]
    for node in range(first, stop):
        shift = nodes.shift[node]
        while nodes.done[node] < steps:
            if nodes.ends[node, nodes.done[node]] + shift > until:
                break
            _step(nodes, node)
