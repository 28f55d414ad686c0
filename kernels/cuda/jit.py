"""How device code is compiled, for a card and for Numba's CUDA simulator alike.

The simulator (``NUMBA_ENABLE_CUDASIM=1``, read when Numba is first imported) runs the
same source as Python threads. It knows no inlining and no integer types: what differs
is decided here and in ``integers``, ``memory`` and ``threads``.
"""

import contextlib

from numba import cuda
from numba.core import config

from hogblock.kernels.cpu.jit import SOURCE_STAMP

SIMULATED = bool(config.ENABLE_CUDASIM)

# No flag that assumes away NaN or infinity: a diverging run has to show.
FASTMATH = {"nsz", "arcp", "contract", "afn"}

LARGEST_BLOCK = 256
"""Threads of a block that kernels are compiled for."""

BLOCKS_A_PROCESSOR = 2
"""Such blocks on a multiprocessor, at least: it has 65,536 registers, so that a thread
may have 128."""


def _stamped(locator_class):
    """Numba's own stamp covers a kernel's file alone, and not what it calls."""
    return type(
        f"Stamped{locator_class.__name__}",
        (locator_class,),
        {"get_source_stamp": lambda self: SOURCE_STAMP},
    )


def _cached(dispatcher):
    """Keep a kernel's machine code on disk, until any kernel source changes.

    Kernels have no closure: Numba's key of one differs from process to process.
    """
    from numba.cuda.dispatcher import CUDACache, CUDACacheImpl

    locators = [_stamped(c) for c in CUDACacheImpl._locator_classes]
    kinds = type("_Kept", (CUDACacheImpl,), {"_locator_classes": locators})
    cache = type("_KernelCache", (CUDACache,), {"_impl_class": kinds})
    with contextlib.suppress(RuntimeError):  # "no locator available"
        dispatcher._cache = cache(dispatcher.py_func)
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
