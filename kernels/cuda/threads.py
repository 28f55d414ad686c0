"""Numba's ``cuda`` for device functions of any module.

The simulator puts its own ``cuda`` into the globals of a kernel's module alone; device
functions in other modules ask it for the kernel that runs.
"""

from numba import cuda

from hogblock.kernels.cuda.jit import SIMULATED

if SIMULATED:
    import sys
    from threading import Lock
    from types import SimpleNamespace

    import numpy as np
    from numba.cuda.simulator.kernel import _get_kernel_context as running
    from numba.cuda.simulator.kernelapi import FakeCUDAShared
    from numba.np import numpy_support

    _lock, _dynamic_array = Lock(), FakeCUDAShared.array

    def _shared_array(self, shape, dtype, alignment=None):
        """As the simulator's own, which gives threads that ask at once an array each.

        An array belongs to the line that asks for it.
        """
        if shape == 0:
            return _dynamic_array(self, shape, dtype, alignment)
        frame = sys._getframe(1)
        line = frame.f_code.co_filename, frame.f_lineno
        with _lock:
            if line not in self._allocations:
                made = np.empty(shape, numpy_support.as_dtype(dtype))
                self._allocations[line] = made
            return self._allocations[line]

    FakeCUDAShared.array = _shared_array

    cuda = SimpleNamespace(
        syncthreads=lambda: running().syncthreads(),
        threadfence=lambda: None,
        local=SimpleNamespace(array=lambda size, kind: np.zeros(size, np.float32)),
    )

__all__ = ["cuda"]
