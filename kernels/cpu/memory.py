"""Words at raw addresses, and atomic operations on them.

Kernels address shared memory by integer addresses, so that one compiled function serves
every model. Parameters are plain float32 words (a word never tears); counters are int64
words that are read and written atomically, which also keeps the compiler from hoisting
their loads out of loops.
"""

from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from hogblock.kernels.cpu.host import ARCHITECTURE
from hogblock.kernels.cpu.ir import F32, I64
from hogblock.kernels.cpu.jit import kernel

_BYTE = ir.IntType(8)


def _at(builder, address, kind):
    return builder.inttoptr(address, kind.as_pointer())


def _make_pointer(kind, numba_type):
    @intrinsic
    def pointer(typing_context, address):
        def codegen(context, builder, sig, arguments):
            return _at(builder, arguments[0], kind)

        return types.CPointer(numba_type)(types.int64), codegen

    return pointer


f32_pointer = _make_pointer(F32, types.float32)
f64_pointer = _make_pointer(ir.DoubleType(), types.float64)
i64_pointer = _make_pointer(I64, types.int64)
i32_pointer = _make_pointer(ir.IntType(32), types.int32)
u8_pointer = _make_pointer(_BYTE, types.uint8)
u16_pointer = _make_pointer(ir.IntType(16), types.uint16)


@kernel
def floats(address, count):
    """float32 array [count] over the words at `address`."""
    return carray(f32_pointer(address), count)


@kernel
def doubles(address, count):
    """float64 array [count] over the words at `address`."""
    return carray(f64_pointer(address), count)


@kernel
def words(address, count):
    """int64 array [count] over the words at `address`."""
    return carray(i64_pointer(address), count)


@kernel
def ints(address, count):
    """int32 array [count] over the words at `address`."""
    return carray(i32_pointer(address), count)


@intrinsic
def prefetch(typing_context, address):
    """Ask for the cache line at `address`; any address is allowed."""

    def codegen(context, builder, sig, arguments):
        int32 = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), *[int32] * 3]),
            "llvm.prefetch.p0",
        )
        hints = [ir.Constant(int32, v) for v in (0, 2, 1)]
        builder.call(function, [_at(builder, arguments[0], _BYTE), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def atomic_load(typing_context, address):
    """int64 word at `address`, acquire."""

    def codegen(context, builder, sig, arguments):
        return builder.load_atomic(_at(builder, arguments[0], I64), "acquire", 8)

    return types.int64(types.int64), codegen


@intrinsic
def atomic_store(typing_context, address, value):
    """Write an int64 word, release."""

    def codegen(context, builder, sig, arguments):
        at = _at(builder, arguments[0], I64)
        builder.store_atomic(arguments[1], at, "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def atomic_add(typing_context, address, value):
    """Add to an int64 word; returns what it held before."""

    def codegen(context, builder, sig, arguments):
        at = _at(builder, arguments[0], I64)
        return builder.atomic_rmw("add", at, arguments[1], "acq_rel")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def atomic_claim(typing_context, address, value):
    """Write an int64 word if it is 0; whether it was."""

    def codegen(context, builder, sig, arguments):
        at = _at(builder, arguments[0], I64)
        zero = ir.Constant(I64, 0)
        pair = builder.cmpxchg(at, zero, arguments[1], "acq_rel", "acquire")
        return builder.extract_value(pair, 1)

    return types.boolean(types.int64, types.int64), codegen


@intrinsic
def atomic_add_f32(typing_context, address, value):
    """Add to a float32 word with a fetch-and-add that no racing writer can lose."""

    def codegen(context, builder, sig, arguments):
        at = _at(builder, arguments[0], F32)
        builder.atomic_rmw("fadd", at, arguments[1], "monotonic")
        return context.get_dummy_value()

    return types.void(types.int64, types.float32), codegen


@intrinsic
def call_operation(
    typing_context, address, row, reals, params, work, zeros, rows, training, key,
    counter, gradient,
):  # fmt: skip
    """Call the function at `address` with ten int64."""

    def codegen(context, builder, sig, arguments):
        target, *given = arguments
        kind = ir.FunctionType(ir.VoidType(), [I64] * len(given))
        builder.call(builder.inttoptr(target, kind.as_pointer()), given)
        return context.get_dummy_value()

    return types.void(*(types.int64,) * 11), codegen


@intrinsic
def pause(typing_context):
    """Tell the processor that this is a spin loop."""

    def codegen(context, builder, sig, arguments):
        void = ir.VoidType()
        if ARCHITECTURE in ("x86_64", "i686"):
            kind, name, given = [], "llvm.x86.sse2.pause", []
        elif ARCHITECTURE in ("aarch64", "arm64"):
            kind, name = [ir.IntType(32)], "llvm.aarch64.hint"
            given = [ir.Constant(ir.IntType(32), 1)]
        else:
            return context.get_dummy_value()
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(void, kind), name
        )
        builder.call(function, given)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def yield_core(typing_context):
    """Let another thread run (POSIX ``sched_yield``)."""

    def codegen(context, builder, sig, arguments):
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.IntType(32), []), "sched_yield"
        )
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), codegen
