"""A little vocabulary for writing LLVM IR by hand: vectors at raw addresses."""

from llvmlite import ir
from numba.core import cgutils

F32 = ir.FloatType()
I32 = ir.IntType(32)
I64 = ir.IntType(64)


_EXP_COEFFICIENTS = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)


def i64(value: int) -> ir.Constant:
    """A 64-bit constant."""
    return ir.Constant(I64, value)


def outlined(builder, name: str, arguments, emit) -> None:
    """Call a function of its own, emitted by ``emit(builder, arguments)`` at most once.

    Large bodies are compiled once this way, however many kernels use them.
    """
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(ir.VoidType(), [v.type for v in arguments])
        function = ir.Function(builder.module, kind, name)
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")
        function.attributes.add("nounwind")
        inside = ir.IRBuilder(function.append_basic_block("entry"))
        emit(inside, function.args)
        inside.ret_void()
    builder.call(function, arguments)


class VectorBuilder:
    """Vector instructions of a fixed number of float32 lanes.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
    lanes : int
    """

    def __init__(self, builder, lanes: int):
        self.builder = builder
        self.lanes = lanes
        self.type = ir.VectorType(F32, lanes)

    def pointer(self, address):
        """Address (an integer) as a pointer to float32."""
        return self.builder.inttoptr(address, F32.as_pointer())

    def offset(self, pointer, count):
        """`pointer` moved by `count` float32 (an int or an IR value)."""
        if isinstance(count, int):
            count = i64(count)
        return self.builder.gep(pointer, [count])

    def load(self, pointer):
        """Vector at `pointer`, which need not be aligned."""
        value = self.builder.load(self.builder.bitcast(pointer, self.type.as_pointer()))
        value.align = 4
        return value

    def store(self, value, pointer):
        """Write a vector to `pointer`, which need not be aligned."""
        target = self.builder.bitcast(pointer, self.type.as_pointer())
        self.builder.store(value, target).align = 4

    def constant(self, value: float):
        """The same constant in every lane."""
        return ir.Constant(self.type, [value] * self.lanes)

    def spread(self, scalar):
        """The same scalar in every lane."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def _intrinsic(self, name: str, *operands):
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(self.type, [self.type] * len(operands)),
            f"llvm.{name}.v{self.lanes}f32",
        )
        return self.builder.call(function, operands)

    def fma(self, a, b, c):
        """a * b + c, rounded once."""
        return self._intrinsic("fma", a, b, c)

    def polynomial(self, x, coefficients):
        """Horner's rule, highest power first."""
        value = self.constant(coefficients[0])
        for coefficient in coefficients[1:]:
            value = self.fma(value, x, self.constant(coefficient))
        return value

    def exp(self, x):
        """e**x to 2 units in the last place; clamped to [-87.3, 88.37], NaN stays NaN.

        2**n * e**r with |r| <= ln(2)/2, Cephes' polynomial for e**r.
        """
        rest, n = self._exp_rest(x)
        value = self.builder.fadd(rest, self.constant(1.0))
        return self.builder.fmul(value, self._power_of_two(n))

    def _exp_rest(self, x):
        """e**r - 1, and n."""
        b = self.builder
        for bound, predicate in ((-87.3, "<"), (88.37, ">")):
            limit = self.constant(bound)
            x = b.select(b.fcmp_ordered(predicate, x, limit), limit, x)
        n = self._intrinsic(
            "floor", self.fma(x, self.constant(1.4426950408889634), self.constant(0.5))
        )
        r = self.fma(n, self.constant(-0.693359375), x)  # ln(2) in two parts
        r = self.fma(n, self.constant(2.12194440e-4), r)
        tail = self.polynomial(r, _EXP_COEFFICIENTS)
        return self.fma(b.fmul(r, r), tail, r), n

    def _power_of_two(self, n):
        b, ints = self.builder, ir.VectorType(I32, self.lanes)
        exponent = b.add(b.fptosi(n, ints), ir.Constant(ints, [127] * self.lanes))
        power = b.shl(exponent, ir.Constant(ints, [23] * self.lanes))
        return b.bitcast(power, self.type)

    def expm1(self, x):
        """e**x - 1, to some units in the last place, also near 0."""
        rest, n = self._exp_rest(x)
        power = self._power_of_two(n)
        return self.fma(rest, power, self.builder.fsub(power, self.constant(1.0)))

    def softplus(self, x):
        """log(1 + e**x) = max(x, 0) + 2 artanh(e / (2 + e)), e = e**-|x|.

        The series of artanh ends where its argument, 1/3 at most, adds 1e-8 of it.
        """
        b, zero = self.builder, self.constant(0.0)
        e = self.exp(b.fneg(self._intrinsic("fabs", x)))
        s = b.fdiv(e, b.fadd(e, self.constant(2.0)))
        square = b.fmul(s, s)
        series = self.polynomial(square, [2.0 / k for k in (13, 11, 9, 7, 5, 3, 1)])
        larger = b.select(b.fcmp_ordered("<", x, zero), zero, x)
        return self.fma(s, series, larger)

    def clamp(self, x, low, high):
        """x within [low, high]; NaN stays NaN."""
        for bound, predicate in ((low, "<"), (high, ">")):
            limit = self.constant(bound)
            outside = self.builder.fcmp_ordered(predicate, x, limit)
            x = self.builder.select(outside, limit, x)
        return x

    def logistic_pair(self, x):
        """logistic(x) and logistic(-x), both to some units in the last place.

        No part of it is large, whatever the compiler multiplies it by first.
        """
        b, one = self.builder, self.constant(1.0)
        e = self.exp(b.fneg(self._intrinsic("fabs", x)))
        larger = b.fdiv(one, b.fadd(one, e))
        smaller = b.fmul(e, larger)
        positive = b.fcmp_ordered(">", x, self.constant(0.0))
        pair = (larger, smaller), (smaller, larger)
        return tuple(b.select(positive, *both) for both in pair)

    def logistic(self, x):
        """1 / (1 + e**-x)."""
        one = self.constant(1.0)
        e = self.exp(self.builder.fneg(x))
        return self.builder.fdiv(one, self.builder.fadd(one, e))

    def tanh(self, x):
        """1 - 2 / (1 + e**2x), to 2e-7 absolute."""
        b, one = self.builder, self.constant(1.0)
        e = self.exp(b.fadd(x, x))
        return b.fsub(one, b.fdiv(self.constant(2.0), b.fadd(one, e)))

    def leaky(self, x, slope):
        """x where x > 0, slope * x elsewhere."""
        b = self.builder
        positive = b.fcmp_ordered(">", x, self.constant(0.0))
        return b.select(positive, x, b.fmul(x, slope))

    def prefetch(self, pointer, write: bool = False):
        """Ask for the cache line at `pointer`; any address is allowed.

        What will be written goes to the first-level cache, what will be read only to
        the second: strided rows fall on few sets of the first.
        """
        byte = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32]),
            "llvm.prefetch.p0",
        )
        arguments = [self.builder.bitcast(pointer, byte)]
        arguments += [ir.Constant(I32, v) for v in (int(write), 3 if write else 2, 1)]
        self.builder.call(function, arguments)
