"""Numba's ``cuda`` for device functions of any module.

The simulator puts its own ``cuda`` into the globals of a kernel's module alone; device
functions in other modules ask it for the kernel that runs.
"""

from numba import cuda

from hogblock.kernels.cuda.jit import SIMULATED

if SIMULATED:
    from types import SimpleNamespace

    import numpy as np
    from numba.cuda.simulator.kernel import _get_kernel_context as running

    cuda = SimpleNamespace(
        syncthreads=lambda: running().syncthreads(),
        threadfence=lambda: None,
        local=SimpleNamespace(array=lambda size, kind: np.zeros(size, np.float32)),
    )

__all__ = ["cuda"]
