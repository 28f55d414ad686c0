"""The CUDA kernels compiled for this processor, with a card's types: one thread.

The simulator runs them as Python, where an integer has no end and a float is a double.
Here Numba compiles the same source for the host: 32-bit integers wrap around, and
networks of full size take seconds. The modules that speak to the card are replaced
before anything imports them; everything else is the shipped code.
"""

import sys
from types import ModuleType

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from hogblock.kernels.cpu.memory import floats, ints

F32, I32 = numba.float32, numba.int32
SHARED = np.zeros(2**16, np.float32)
SHARED_AT = SHARED.ctypes.data


def part(function):
    return njit(error_model="numpy")(function)


@intrinsic
def pointer(typing, array, start):
    def codegen(context, builder, signature, arguments):
        data = arguments[0]
        if not isinstance(array, types.CPointer):
            data = context.make_array(array)(context, builder, data).data
        index = context.cast(builder, arguments[1], start, types.int64)
        return builder.gep(data, [index])

    return types.CPointer(array.dtype)(array, start), codegen


@intrinsic
def float_of(typing, bits):
    def codegen(context, builder, signature, arguments):
        word = context.cast(builder, arguments[0], bits, types.int32)
        return builder.bitcast(word, ir.FloatType())

    return types.float32(bits), codegen


@intrinsic
def float_at(typing, array, i):
    def codegen(context, builder, signature, arguments):
        words = builder.bitcast(arguments[0], ir.FloatType().as_pointer())
        index = context.cast(builder, arguments[1], i, types.int64)
        return builder.load(builder.gep(words, [index]), align=4)

    return types.float32(array, i), codegen


@part
def load4(array, i):
    return array[i], array[i + 1], array[i + 2], array[i + 3]


@part
def store4(array, i, a, b, c, d):
    array[i] = F32(a)
    array[i + 1] = F32(b)
    array[i + 2] = F32(c)
    array[i + 3] = F32(d)


@part
def add4(array, i, a, b, c, d):
    array[i] += F32(a)
    array[i + 1] += F32(b)
    array[i + 2] += F32(c)
    array[i + 3] += F32(d)


@part
def read(array, i):
    return array[i]


@part
def write(array, i, value):
    array[i] = value


@part
def add(array, i, value):
    array[i] += F32(value)


@part
def fetch_add(array, i, value):
    before = array[i]
    array[i] = I32(before + value)
    return I32(before)


@part
def copy16(target, i, source, j, size):
    for k in range(4):
        target[i + k] = source[j + k] if k < size else F32(0)


@part
def copy4(target, i, source, j, size):
    target[i] = source[j] if size > 0 else F32(0)


@part
def nothing():
    pass


@part
def quotient(a, b):
    return I32(numba.uint32(a) // numba.uint32(b))


def shared_array(size, kind):
    """The block's shared memory, as the kernels ask for it."""


@overload(shared_array)
def _shared_array(size, kind):
    if kind.dtype == types.float32:
        return lambda size, kind: floats(SHARED_AT, 2**16)
    return lambda size, kind: ints(SHARED_AT, 2**16)


def local_array(size, kind):
    """An array of a thread's own."""


@overload(local_array)
def _local_array(size, kind):
    return lambda size, kind: np.empty(size, np.float32)


def _module(name, **contents):
    module = ModuleType(name)
    module.__dict__.update(contents)
    return module


def _card():
    """What the kernels see as ``numba.cuda``: a block of one thread, alone."""
    first = {"x": I32(0)}
    only = {"x": I32(1)}
    return _module(
        "cuda",
        syncthreads=nothing,
        threadfence=nothing,
        shared=_module("shared", array=shared_array),
        local=_module("local", array=local_array),
        threadIdx=_module("threadIdx", **first),
        blockIdx=_module("blockIdx", **first),
        blockDim=_module("blockDim", **only),
        gridDim=_module("gridDim", **only),
    )


def install():
    """Put the replacements in place; returns the module with the entry points."""
    here = "hogblock.kernels.cuda."
    sys.modules[here + "jit"] = _module(
        here + "jit",
        SIMULATED=False,
        LARGEST_BLOCK=256,
        BLOCKS_A_PROCESSOR=2,
        part=part,
        kernel=part,
    )
    sys.modules[here + "integers"] = _module(
        here + "integers",
        int32=I32,
        int64=numba.int64,
        uint32=numba.uint32,
        uint64=numba.uint64,
        quotient=quotient,
    )
    card = _card()
    sys.modules[here + "threads"] = _module(here + "threads", cuda=card)
    words = {
        "pointer": pointer, "load4": load4, "store4": store4, "read": read,
        "read_int": read, "read4": load4, "write": write, "write_int": write,
        "add": add, "add4": add4, "fetch_add": fetch_add, "copy16": copy16,
        "copy4": copy4, "commit_copies": nothing, "wait_for_copies": nothing,
        "wait_for_older_copies": nothing, "float_of": float_of, "float_at": float_at,
        "pause": nothing,
    }  # fmt: skip
    sys.modules[here + "memory"] = _module(here + "memory", **words)
    from hogblock.kernels.cuda import run

    run.cuda = card
    return run
