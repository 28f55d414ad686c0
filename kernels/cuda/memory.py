"""Memory access that Numba does not offer, each with its twin for the simulator.

Device functions work on pointers, which unlike arrays take two registers and no test
for negative indices. Indices count elements, and those of four floats at once have to
be multiples of 4. Shared parameters are read, added to and written with
``.relaxed.gpu`` semantics or past the first-level cache (``.cg``): an SM's own cache is
not coherent with the others'. All of it is marked as having side effects, because a
compiler that moves a load of the parameters out of a loop trains on its first value for
ever (numba-cuda's own cache hints have this fault).
"""

import numpy as np
from numba import types

from hogblock.kernels.cuda.jit import SIMULATED

if SIMULATED:
    from numba.cuda.simulator.kernel import _get_kernel_context as running

    def pointer(array, start):
        """What lies in an array from `start` on: an address, without a length."""
        for name in ("_item", "_ary"):  # out of the simulator's own kinds of arrays
            array = getattr(array, name, array)
        return array[start:]

    def load4(array, i):
        """Four consecutive floats."""
        return array[i], array[i + 1], array[i + 2], array[i + 3]

    def store4(array, i, a, b, c, d):
        """Write four consecutive floats."""
        array[i], array[i + 1], array[i + 2], array[i + 3] = a, b, c, d

    def read(array, i):
        """A word that other blocks may be writing."""
        return array[i]

    read_int = read
    read4 = load4

    def write(array, i, value):
        """Write a word that other blocks may be reading."""
        array[i] = value

    write_int = write

    def add(array, i, value):
        """Add to a word; no racing addition is lost."""
        array[i] += value

    def add4(array, i, a, b, c, d):
        """Add to four consecutive words, each by itself."""
        add(array, i, a)
        add(array, i + 1, b)
        add(array, i + 2, c)
        add(array, i + 3, d)

    def fetch_add(array, i, value):
        """Add to an int32 word; returns what it was."""
        return running().atomic.add(array, i, value)

    def copy16(target, i, source, j, size):
        """Begin to copy `size` <= 4 floats into shared memory, zeros behind them."""
        for k in range(4):
            target[i + k] = source[j + k] if k < size else np.float32(0)

    def copy4(target, i, source, j, size):
        """Begin to copy a float (`size` 1) or a zero (`size` 0) into shared memory."""
        target[i] = source[j] if size > 0 else np.float32(0)

    def commit_copies():
        """End a group of copies."""

    def wait_for_copies():
        """Wait for all groups of this thread."""

    def wait_for_older_copies():
        """Wait for all groups of this thread but the newest one."""

    def float_of(bits):
        """The float32 whose bits an int32 has."""
        return np.int32(bits).view(np.float32)

    def float_at(array, i):
        """The `i`-th float32 of an array of bytes."""
        return array[4 * i : 4 * i + 4].view(np.float32)[0]

    def pause():
        """Let other warps run."""

else:
    from llvmlite import ir
    from numba.core import cgutils
    from numba.cuda.extending import intrinsic

    _F32 = ir.FloatType()
    _I32, _I64 = ir.IntType(32), ir.IntType(64)
    _QUAD = types.UniTuple(types.float32, 4)

    def _start(context, builder, array_type, array):
        """Address of an array, or of a pointer."""
        if isinstance(array_type, types.CPointer):
            return array
        return context.make_array(array_type)(context, builder, array).data

    def _pointer(context, builder, array_type, array, index, index_type):
        """Address of an element; indices are never negative."""
        data = _start(context, builder, array_type, array)
        if index.type.width < 64:
            extend = builder.sext if index_type.signed else builder.zext
            index = extend(index, _I64)
        return builder.gep(data, [index])

    def _assembly(result, text, constraints, types_in):
        function = ir.FunctionType(result, types_in)
        return ir.InlineAsm(function, text, constraints, side_effect=True)

    def _to_float(context, builder, value, value_type):
        return context.cast(builder, value, value_type, types.float32)

    def _make_read(text, result, kind):
        """Intrinsic ``f(array, i)`` of one instruction that reads one word."""

        @intrinsic
        def read_word(typing, array, i):
            def codegen(context, builder, signature, arguments):
                at = _pointer(context, builder, array, *arguments, i)
                word = _F32 if kind == "f" else _I32
                call = _assembly(word, text, f"={kind},l", [at.type])
                return builder.call(call, [at])

            return result(array, i), codegen

        return read_word

    def _make_write(text, value_type, kind):
        """Intrinsic ``f(array, i, value)`` of one instruction that changes one word."""

        @intrinsic
        def write_word(typing, array, i, value):
            def codegen(context, builder, signature, arguments):
                at = _pointer(context, builder, array, *arguments[:2], i)
                word = context.cast(builder, arguments[2], value, value_type)
                call = _assembly(ir.VoidType(), text, f"l,{kind}", [at.type, word.type])
                builder.call(call, [at, word])
                return context.get_dummy_value()

            return types.void(array, i, value), codegen

        return write_word

    WIDE_ADDS = 900
    """100 times the capability from which one instruction adds to four words."""

    _ADD = "red.relaxed.gpu.global.add"
    _REFLECT = ir.FunctionType(_I32, [ir.IntType(8).as_pointer()])

    def _architecture(builder):
        """100 times the compute capability.

        Numba makes a device function once for all cards of a process: only the compiler
        behind it knows for which one. It drops the branches that are never taken.
        """
        text = cgutils.make_bytearray(b"__CUDA_ARCH\0")
        name = cgutils.add_global_variable(builder.module, text.type, "architecture")
        name.linkage, name.global_constant, name.initializer = "internal", True, text
        reflect = cgutils.get_or_insert_function(
            builder.module, _REFLECT, "__nvvm_reflect"
        )
        at = builder.bitcast(name, ir.IntType(8).as_pointer())
        return builder.call(reflect, [at])

    @intrinsic
    def add4(typing, array, i, a, b, c, d):
        def codegen(context, builder, signature, arguments):
            at = _pointer(context, builder, array, *arguments[:2], i)
            words = [
                _to_float(context, builder, v, t)
                for v, t in zip(arguments[2:], (a, b, c, d), strict=True)
            ]
            alone = " ".join(f"{_ADD}.f32 [$0+{4 * k}], ${k + 1};" for k in range(4))
            together = f"{_ADD}.v4.f32 [$0], {{$1, $2, $3, $4}};"
            kinds = [at.type] + [_F32] * 4
            wide = builder.icmp_signed(">=", _architecture(builder), _I32(WIDE_ADDS))
            with builder.if_else(wide) as branches:
                for branch, text in zip(branches, (together, alone), strict=True):
                    with branch:
                        call = _assembly(ir.VoidType(), text, "l,f,f,f,f", kinds)
                        builder.call(call, [at, *words])
            return context.get_dummy_value()

        return types.void(array, i, a, b, c, d), codegen

    @intrinsic
    def pointer(typing, array, start):
        def codegen(context, builder, signature, arguments):
            return _pointer(context, builder, array, *arguments, start)

        return types.CPointer(array.dtype)(array, start), codegen

    read = _make_read("ld.relaxed.gpu.global.f32 $0, [$1];", types.float32, "f")
    read_int = _make_read("ld.relaxed.gpu.global.s32 $0, [$1];", types.int32, "r")
    write = _make_write("st.relaxed.gpu.global.f32 [$0], $1;", types.float32, "f")
    write_int = _make_write("st.relaxed.gpu.global.s32 [$0], $1;", types.int32, "r")
    add = _make_write("red.relaxed.gpu.global.add.f32 [$0], $1;", types.float32, "f")

    @intrinsic
    def fetch_add(typing, array, i, value):
        def codegen(context, builder, signature, arguments):
            at = _pointer(context, builder, array, *arguments[:2], i)
            word = context.cast(builder, arguments[2], value, types.int32)
            text = "atom.relaxed.gpu.global.add.s32 $0, [$1], $2;"
            call = _assembly(_I32, text, "=r,l,r", [at.type, _I32])
            return builder.call(call, [at, word])

        return types.int32(array, i, value), codegen

    @intrinsic
    def read4(typing, array, i):
        def codegen(context, builder, signature, arguments):
            at = _pointer(context, builder, array, *arguments, i)
            call = _assembly(
                ir.LiteralStructType([_F32] * 4),
                "ld.relaxed.gpu.global.v4.f32 {$0, $1, $2, $3}, [$4];",
                "=f,=f,=f,=f,l",
                [at.type],
            )
            words = builder.call(call, [at])
            parts = [builder.extract_value(words, k) for k in range(4)]
            return context.make_tuple(builder, _QUAD, parts)

        return _QUAD(array, i), codegen

    @intrinsic
    def load4(typing, array, i):
        def codegen(context, builder, signature, arguments):
            at = _pointer(context, builder, array, *arguments, i)
            vector = ir.VectorType(_F32, 4)
            words = builder.load(builder.bitcast(at, vector.as_pointer()), align=16)
            parts = [builder.extract_element(words, _I32(k)) for k in range(4)]
            return context.make_tuple(builder, _QUAD, parts)

        return _QUAD(array, i), codegen

    @intrinsic
    def store4(typing, array, i, a, b, c, d):
        def codegen(context, builder, signature, arguments):
            at = _pointer(context, builder, array, *arguments[:2], i)
            vector = ir.VectorType(_F32, 4)
            words = ir.Constant(vector, ir.Undefined)
            for k, kind in enumerate((a, b, c, d)):
                word = _to_float(context, builder, arguments[2 + k], kind)
                words = builder.insert_element(words, word, _I32(k))
            builder.store(words, builder.bitcast(at, vector.as_pointer()), align=16)
            return context.get_dummy_value()

        return types.void(array, i, a, b, c, d), codegen

    def _make_copy(hint, size_of_copy):
        """Intrinsic ``f(target, i, source, j, size)``: cp.async with zeros behind."""
        text = (
            "{ .reg .u64 to; cvta.to.shared.u64 to, $0; "
            f"cp.async.{hint}.shared.global [to], [$1], {size_of_copy}, $2; }}"
        )

        @intrinsic
        def copy(typing, target, i, source, j, size):
            def codegen(context, builder, signature, arguments):
                to = _pointer(context, builder, target, *arguments[:2], i)
                at = _pointer(context, builder, source, *arguments[2:4], j)
                words = context.cast(builder, arguments[4], size, types.int32)
                count = builder.mul(words, _I32(4))
                kinds = [to.type, at.type, _I32]
                call = _assembly(ir.VoidType(), text, "l,l,r", kinds)
                builder.call(call, [to, at, count])
                return context.get_dummy_value()

            return types.void(target, i, source, j, size), codegen

        return copy

    # Sixteen bytes go past the first-level cache. Four cannot: they are not used for
    # parameters.
    copy16 = _make_copy("cg", 16)
    copy4 = _make_copy("ca", 4)

    def _make_statement(text):
        @intrinsic
        def statement(typing):
            def codegen(context, builder, signature, arguments):
                builder.call(_assembly(ir.VoidType(), text, "~{memory}", []), [])
                return context.get_dummy_value()

            return types.void(), codegen

        return statement

    commit_copies = _make_statement("cp.async.commit_group;")
    wait_for_copies = _make_statement("cp.async.wait_group 0;")
    wait_for_older_copies = _make_statement("cp.async.wait_group 1;")
    pause = _make_statement("nanosleep.u32 20;")

    @intrinsic
    def float_of(typing, bits):
        def codegen(context, builder, signature, arguments):
            word = context.cast(builder, arguments[0], bits, types.int32)
            return builder.bitcast(word, _F32)

        return types.float32(bits), codegen

    @intrinsic
    def float_at(typing, array, i):
        def codegen(context, builder, signature, arguments):
            data = _start(context, builder, array, arguments[0])
            index = context.cast(builder, arguments[1], i, types.int64)
            words = builder.bitcast(data, _F32.as_pointer())
            return builder.load(builder.gep(words, [index]), align=4)

        return types.float32(array, i), codegen
