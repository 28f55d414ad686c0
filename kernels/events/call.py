"""Calls of a problem's subgradient by its address.

The loop over events is compiled once, whatever is minimised: linked into it, each
problem would compile it again.
"""

from llvmlite import ir
from numba import types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from hogblock.kernels.cpu.jit import callback

I64 = ir.IntType(64)
REALS = types.CPointer(types.float64)

SUBGRADIENT = types.void(REALS, types.int64, types.int64, types.int64, REALS)
"""``f(x, n, sample, data, out)``: a subgradient at x [n] into out [n], of one sample
or, with sample -1, of the mean over all. `data` is an address that it reads."""


def subgradient_of(function) -> CFunc:
    """`function` as something that `call_subgradient` can call; ``compile()`` it."""
    return callback(function, SUBGRADIENT, fastmath=False)


@intrinsic
def call_subgradient(typing_context, address, x, n, sample, data, out):
    """Call the subgradient at `address`; `x` and `out` are addresses of float64."""

    def codegen(context, builder, sig, arguments):
        target, *given = arguments
        kind = ir.FunctionType(ir.VoidType(), [I64] * len(given))
        builder.call(builder.inttoptr(target, kind.as_pointer()), given)
        return context.get_dummy_value()

    return types.void(*(types.int64,) * 6), codegen
