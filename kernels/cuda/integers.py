"""Integers of a card, and their twins for the simulator, where Python's have no end.

Numba widens sums and products of small integers to 64 bits: every result that is kept
goes through `int32` again, and the compiler computes it in 32.
"""

import numba

from hogblock.kernels.cuda.jit import SIMULATED

if SIMULATED:

    def int32(value):
        """`value` as a signed integer of 32 bits."""
        return int(value)

    def int64(value):
        """`value` as a signed integer of 64 bits."""
        return int(value)

    def uint32(value):
        """`value` modulo 2**32."""
        return int(value) & 0xFFFFFFFF

    def uint64(value):
        """`value` modulo 2**64."""
        return int(value) & 0xFFFFFFFFFFFFFFFF

    def quotient(a, b):
        """a // b of two integers that are not negative."""
        return int(a) // int(b)

else:
    from numba import types
    from numba.cuda.extending import intrinsic

    int32, int64 = numba.int32, numba.int64
    uint32, uint64 = numba.uint32, numba.uint64

    @intrinsic
    def quotient(typing, a, b):
        def codegen(context, builder, signature, arguments):
            words = [
                context.cast(builder, value, kind, types.int32)
                for value, kind in zip(arguments, (a, b), strict=True)
            ]
            return builder.udiv(*words)

        return types.int32(a, b), codegen
