"""Print the PTX of all CUDA kernels as JSON lines: [capability, name, text].

A script: a process simulates CUDA or compiles it, and the tests' own simulates.
"""

import json
from types import SimpleNamespace

import numba.cuda.dispatcher
from numba import cuda, types

device = SimpleNamespace(compute_capability=(9, 0))
numba.cuda.dispatcher.get_current_device = lambda: device  # device functions ask it

from hogblock.kernels.cuda import memory, run  # noqa: E402
from hogblock.kernels.cuda.jit import FASTMATH, LARGEST_BLOCK  # noqa: E402

WORDS = types.Array(types.int32, 1, "C")
FLOATS = types.Array(types.float32, 1, "C")
BYTES = types.Array(types.uint8, 1, "C")
INT = types.int32
RUN = (WORDS, FLOATS, FLOATS, FLOATS, FLOATS, BYTES, WORDS, FLOATS, WORDS, FLOATS)
PREDICT = (WORDS, FLOATS, FLOATS, FLOATS, BYTES, WORDS, FLOATS)


def reading(read):
    """A kernel that reads the same parameter again and again."""

    def kernel(params, out, count):
        total = types.float32(0)
        for _ in range(count):
            total += read(params, cuda.threadIdx.x)
            cuda.syncthreads()
        out[cuda.threadIdx.x] = total

    return kernel


def kernels(capability):
    """Name, function and types of the arguments."""
    train, one_phase = run.make_kernels(capability >= (9, 0))
    yield "train", train.py_func, (*RUN, INT)
    yield "one_phase", one_phase.py_func, (*RUN, INT, INT, INT)
    yield "predict", run.predict.py_func, (*PREDICT, types.int64, types.int64)
    yield "read", reading(memory.read), (FLOATS, FLOATS, INT)
    yield "cached read", reading(cuda.ldcg), (FLOATS, FLOATS, INT)


for capability in ((9, 0), (8, 0)):
    device.compute_capability = capability
    for name, function, arguments in kernels(capability):
        text, _ = cuda.compile(
            function, arguments, cc=capability, device=False, abi="numba",
            output="ptx", fastmath=FASTMATH, launch_bounds=(LARGEST_BLOCK, 2),
        )  # fmt: skip
        print(json.dumps([capability, name, text]))
