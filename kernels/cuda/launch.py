"""Launching kernels: the one place that knows numba-cuda's launcher.

Persistent kernels need all their blocks on the card at once, or a barrier waits for
ever: they are launched cooperatively, which the driver refuses if they do not fit.
"""

import sys
import warnings
from functools import cache

from numba import cuda, types

from hogblock.kernels.cpu.jit import is_cached
from hogblock.kernels.cuda.jit import SIMULATED
from hogblock.kernels.cuda.run import one_phase, predict, train
from hogblock.kernels.say import say

SWITCH_SECONDS = 1e-5
"""Between the simulator's threads, which wait for each other all the time."""

_F32, _I32 = (types.Array(t, 1, "C") for t in (types.float32, types.int32))
_BYTES = types.Array(types.uint8, 1, "C")
_ARRAYS = (_I32, _F32, _F32, _F32, _F32, _BYTES, _I32, _F32, _I32, _F32)

SIGNATURES = {
    "train": (*_ARRAYS, types.int32),
    "one_phase": (*_ARRAYS, types.int32, types.int32, types.int32),
    "predict": (
        _I32, _F32, _F32, _F32, _BYTES, _I32, _F32, types.int64, types.int64
    ),
}  # fmt: skip
"""Types of the kernels' arguments; integers have to come as these."""


KERNELS = {"train": train, "one_phase": one_phase, "predict": predict}


class Launcher:
    """Kernels of the current device, compiled on first use and kept on disk."""

    def __init__(self):
        self._compiled: dict[str, object] = {}

    def _kernel(self, name: str):
        if name not in self._compiled:
            if not is_cached(KERNELS[name]):
                say(f"hogblock: compiling the CUDA kernel {name!r} for this card, once")
            compiled = KERNELS[name].compile(SIGNATURES[name])
            compiled.cooperative = name == "train"
            self._compiled[name] = compiled
        return self._compiled[name]

    def resident_blocks(self, name: str, threads: int, shared: int) -> int:
        """Blocks of a kernel that fit the device at once; 1 in the simulator.

        shared : bytes of dynamic shared memory.
        """
        if SIMULATED:
            return 1
        kernel = self._kernel(name)
        return int(kernel.max_cooperative_grid_blocks(threads, shared))

    def launch(self, name, blocks: int, threads: int, shared: int, arguments, stream=0):
        """Put a kernel on a stream; in the simulator it is done on return.

        arguments : as `as_argument` makes them, and integers.
        stream : 0, or a ``cuda.external_stream``.
        """
        if SIMULATED:
            before = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_SECONDS)
            try:
                KERNELS[name][blocks, threads, 0, shared](*arguments)
            finally:
                sys.setswitchinterval(before)
            return
        self._kernel(name)
        with warnings.catch_warnings():  # few blocks are what was asked for
            warnings.filterwarnings("ignore", message="Grid size")
            configured = KERNELS[name][blocks, threads, stream, shared]
        configured(*arguments)


@cache
def launcher_of(index: int) -> Launcher:
    """This process's launcher for a device, which has to be the current one."""
    return Launcher()


def as_argument(array):
    """A device array as kernels take it, flat; the same memory, without a wait."""
    flat = array.reshape(-1)
    if SIMULATED:
        return flat
    return cuda.as_cuda_array(flat, sync=False)


def external_stream(pointer: int):
    """A stream of CuPy, by its address, as `Launcher.launch` takes it."""
    return cuda.external_stream(pointer)
