"""How device code is compiled, for a card and for Numba's CUDA simulator alike.

The simulator (``NUMBA_ENABLE_CUDASIM=1``, read when Numba is first imported) runs the
same source as Python threads. It knows no inlining and no integer types: what differs
is decided here and in ``integers``, ``memory`` and ``threads``.
"""

from importlib import import_module

import numpy as np
from numba import cuda
from numba.core import config

from hogblock.kernels import cache

SIMULATED = bool(config.ENABLE_CUDASIM)

# No flag that assumes away NaN or infinity: a diverging run has to show.
FASTMATH = {"nsz", "arcp", "contract", "afn"}


def _load_array_functions(gone: str = "row_stack") -> None:
    """Import what numba-cuda says of NumPy's functions before it does so itself.

    numba-cuda 0.30.4 looks up ``np.row_stack``, which NumPy 2.5 has no longer: it
    finds a stand-in, gone again afterwards, that no kernel can call.
    """
    if hasattr(np, gone):
        return
    setattr(np, gone, lambda arrays: np.vstack(arrays))
    try:
        import_module("numba.cuda.np.arrayobj")
    finally:
        delattr(np, gone)


if not SIMULATED:
    _load_array_functions()

LARGEST_BLOCK = 256
"""Threads of a block that kernels are compiled for."""

BLOCKS_A_PROCESSOR = 2
"""Such blocks on a multiprocessor, at least: it has 65,536 registers, so that a thread
may have 128."""


def _cached(dispatcher):
    """Keep a kernel's machine code on disk, until any kernel source changes.

    Kernels have no closure: Numba's key of one differs from process to process.
    """
    from numba.cuda.core.caching import IndexDataCacheFile
    from numba.cuda.dispatcher import CUDACache

    kept = cache.kept_on_disk(CUDACache, IndexDataCacheFile)
    cache.attach(dispatcher, kept, dispatcher.py_func)
    return dispatcher


def kernel(function):
    """Entry point, compiled on its first launch and kept on disk."""
    if SIMULATED:
        return cuda.jit(function)
    # Given options alone, numba-cuda 0.30 would forget ``lto``. Without it the card's
    # code is that of the PTX which the tests look at.
    return _cached(
        cuda.jit(
            function,
            fastmath=FASTMATH,
            launch_bounds=(LARGEST_BLOCK, BLOCKS_A_PROCESSOR),
            lto=False,
        )
    )


def part(function):
    """Function that kernels call, inlined into them."""
    if SIMULATED:
        return function
    return cuda.jit(function, device=True, fastmath=FASTMATH, forceinline=True)
