"""Print the PTX of all CUDA kernels as JSON lines: [capability, name, text].

A script: a process simulates CUDA or compiles it, and the tests' own simulates.
"""

import json
from types import SimpleNamespace

import numba.cuda.dispatcher
from numba import cuda, types

device = SimpleNamespace(compute_capability=(9, 0))
numba.cuda.dispatcher.get_current_device = lambda: device  # device functions ask it

from hogblock.kernels.cuda import memory  # noqa: E402
from hogblock.kernels.cuda.jit import (  # noqa: E402
    BLOCKS_A_PROCESSOR,
    FASTMATH,
    LARGEST_BLOCK,
)
from hogblock.kernels.cuda.launch import KERNELS, SIGNATURES  # noqa: E402

FLOATS = types.Array(types.float32, 1, "C")


def reading(read):
    """A kernel that reads the same parameter again and again."""

    def kernel(params, out, count):
        total = types.float32(0)
        for _ in range(count):
            total += read(params, cuda.threadIdx.x)
            cuda.syncthreads()
        out[cuda.threadIdx.x] = total

    return kernel


def kernels():
    """Name, function and types of the arguments."""
    for name, kernel in KERNELS.items():
        yield name, kernel.py_func, SIGNATURES[name]
    for name, read in (("read", memory.read), ("cached read", cuda.ldcg)):
        yield name, reading(read), (FLOATS, FLOATS, types.int32)


for capability in ((9, 0), (8, 0)):
    device.compute_capability = capability
    for name, function, arguments in kernels():
        text, _ = cuda.compile(
            function, arguments, cc=capability, device=False, abi="numba",
            output="ptx", fastmath=FASTMATH,
            launch_bounds=(LARGEST_BLOCK, BLOCKS_A_PROCESSOR),
        )  # fmt: skip
        print(json.dumps([capability, name, text]))
