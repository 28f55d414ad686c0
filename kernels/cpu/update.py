"""Updates that are not fused with a weight gradient: from a gradient vector.

Arrays are float32 slices of equal length: weights w, velocity u, gradient or step g.
``coefficients`` are float32 [4]: m, decay, along_g, along_u, as in the tile's epilogue.
"""

import numpy as np

from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import (
    atomic_add_f32,
    atomic_claim,
    atomic_load,
    atomic_store,
    floats,
    pause,
    yield_core,
)


@kernel
def column_sums(dy, dy_row, rows, out):
    """out[j] = sum_i dy[i, j]."""
    for j in range(out.size):
        out[j] = np.float32(0)
    for i in range(rows):
        line = floats(dy + 4 * i * dy_row, out.size)
        for j in range(out.size):
            out[j] += line[j]


@kernel
def momentum_step(g, w, u, coefficients, decays):
    """Turn the gradient g in place into the step to subtract, and update u."""
    m, along_g, along_u = coefficients[0], coefficients[2], coefficients[3]
    decay = coefficients[1] if decays else np.float32(0)
    for i in range(g.size):
        gradient = g[i] + decay * w[i]
        velocity = m * u[i] + gradient
        u[i] = velocity
        g[i] = along_g * gradient + along_u * velocity


@kernel
def sum_of_squares(g):
    """As float64, which holds the square of every float32."""
    total = 0.0
    for i in range(g.size):
        total += np.float64(g[i]) * np.float64(g[i])
    return total


@kernel
def clipping(squares, largest):
    """Factor on a gradient by its sum of squares: its norm becomes `largest` at most.

    Pascanu et al., "On the difficulty of training recurrent neural networks" (2013). A
    gradient that is not finite stays so.
    """
    norm = np.sqrt(squares)
    return np.float32(largest / norm) if norm > largest else np.float32(1)


@kernel
def subtract(w, step):
    """w -= step with plain stores: a racing writer of the same word may be lost."""
    for i in range(w.size):
        w[i] -= step[i]


@kernel
def subtract_atomic(w, step):
    """w -= step with one fetch-and-add a word: no racing update is lost."""
    at = w.ctypes.data
    for i in range(step.size):
        atomic_add_f32(np.int64(at) + 4 * i, -step[i])


@kernel
def acquire(lock, owner, abort):
    """Take the spin lock at address `lock` for `owner` (0: it is free).

    It names its owner, so that the parent can free it when he dies. False if the word
    at address `abort` is set.
    """
    spins = 0
    while not atomic_claim(lock, owner):
        pause()
        spins += 1
        if spins % 256 == 0:
            if atomic_load(abort) != 0:
                return False
            yield_core()
    return True


@kernel
def release(lock):
    """Free the spin lock at address `lock`."""
    atomic_store(lock, 0)
