"""How device code is compiled, for a card and for Numba's CUDA simulator alike.

The simulator (``NUMBA_ENABLE_CUDASIM=1``, read when Numba is first imported) runs the
same source as Python threads. It knows no inlining and no integer types: what differs
is decided here and in ``memory``, and nowhere else.
"""

from numba import cuda
from numba.core import config

SIMULATED = bool(config.ENABLE_CUDASIM)

# No flag that assumes away NaN or infinity: a diverging run has to show.
FASTMATH = {"nsz", "arcp", "contract", "afn"}

LARGEST_BLOCK = 256
"""Threads of a block that kernels are compiled for."""


def kernel(function):
    """Entry point: compiled on its first launch, and kept on disk."""
    if SIMULATED:
        return cuda.jit(function)
    return cuda.jit(
        function,
        cache=True,
        fastmath=FASTMATH,
        launch_bounds=(LARGEST_BLOCK, 2),
    )


def part(function):
    """Function that kernels call, inlined into them."""
    if SIMULATED:
        return function
    return cuda.jit(function, device=True, fastmath=FASTMATH, forceinline=True)
