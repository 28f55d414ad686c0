"""Sums and maps over the pixels of an image, for one to four lines of channels at once.

All arguments are addresses of per-channel constants and sums, or of the first pixel;
`count` pixels lie `step` float32 apart. Whole pixels are read in order, as far as four
lines go: a strided walk over the channels would defeat the processor's prefetcher.
"""

from typing import NamedTuple

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hogblock.kernels.cpu.activation import FUSED, for_formula
from hogblock.kernels.cpu.host import REDUCTION_CHAINS
from hogblock.kernels.cpu.ir import VectorBuilder, i64, outlined
from hogblock.kernels.ops import LINE

_INT = types.int64


def _for_pixels(vb, count, step, body):
    """Emit ``body(chain, offset)`` for each pixel; neighbours differ in `chain`."""
    builder, unroll = vb.builder, _unroll(vb)
    groups = builder.sdiv(count, i64(unroll))
    with cgutils.for_range(builder, groups) as group:
        first = builder.mul(group.index, i64(unroll))
        for k in range(unroll):
            body(k, builder.mul(builder.add(first, i64(k)), step))
    done = builder.mul(groups, i64(unroll))
    with cgutils.for_range(builder, builder.sub(count, done)) as rest:
        body(0, builder.mul(builder.add(done, rest.index), step))


def _unroll(vb) -> int:
    return max(1, REDUCTION_CHAINS * LINE // vb.lanes)


class _Sum:
    """A sum over the pixels, kept in several registers."""

    def __init__(self, vb):
        self.vb = vb
        zero = vb.constant(0.0)
        self.parts = [
            cgutils.alloca_once_value(vb.builder, zero) for _ in range(_unroll(vb))
        ]

    def add(self, chain, value):
        part = self.parts[chain]
        new = self.vb.builder.fadd(self.vb.builder.load(part), value)
        self.vb.builder.store(new, part)

    def write(self, out):
        total = self.vb.builder.load(self.parts[0])
        for part in self.parts[1:]:
            total = self.vb.builder.fadd(total, self.vb.builder.load(part))
        self.vb.store(total, out)


def _make(name, n_words, with_slope, emit, n_lines):
    """Intrinsic of `n_words` int64 and, with `with_slope`, a float32."""
    signature = types.void(*[_INT] * n_words, *[types.float32] * with_slope)

    def codegen(context, builder, sig, arguments):
        def inside(builder, arguments):
            emit(VectorBuilder(builder, n_lines * LINE), *arguments)

        outlined(builder, f"hogblock_{name}_{n_lines}", arguments, inside)
        return context.get_dummy_value()

    return signature, codegen


def _for_derivative(vb, act, slope, emit):
    """Emit ``emit(derivative)`` for each activation, and a switch between them."""
    wide = vb.spread(slope)
    for_formula(
        vb,
        act,
        FUSED,
        lambda formula: emit(lambda y, d: formula.backward(vb, y, d, wide)),
    )


def _sum(vb, x, count, step, out):
    total, x = _Sum(vb), vb.pointer(x)
    _for_pixels(vb, count, step, lambda k, at: total.add(k, vb.load(vb.offset(x, at))))
    total.write(vb.pointer(out))


def _squares(vb, x, count, step, mean, out):
    total, x, mean = _Sum(vb), vb.pointer(x), vb.load(vb.pointer(mean))

    def add(k, at):
        d = vb.builder.fsub(vb.load(vb.offset(x, at)), mean)
        total.add(k, vb.builder.fmul(d, d))

    _for_pixels(vb, count, step, add)
    total.write(vb.pointer(out))


def _affine(vb, x, count, step, mean, scale, shift, y, slope):
    x, y, slope = vb.pointer(x), vb.pointer(y), vb.spread(slope)
    mean, scale, shift = (vb.load(vb.pointer(v)) for v in (mean, scale, shift))

    def write(_, at):
        centred = vb.builder.fsub(vb.load(vb.offset(x, at)), mean)
        value = vb.fma(centred, scale, shift)
        vb.store(vb.leaky(value, slope), vb.offset(y, at))

    _for_pixels(vb, count, step, write)


def _gradient_sums(vb, x, y, dy, count, step, mean, plain, along, act, slope):
    x, y, dy = vb.pointer(x), vb.pointer(y), vb.pointer(dy)
    mean = vb.load(vb.pointer(mean))

    def emit(derivative):
        sums, products = _Sum(vb), _Sum(vb)

        def add(k, at):
            d = derivative(vb.load(vb.offset(y, at)), vb.load(vb.offset(dy, at)))
            centred = vb.builder.fsub(vb.load(vb.offset(x, at)), mean)
            sums.add(k, d)
            products.add(k, vb.builder.fmul(d, centred))

        _for_pixels(vb, count, step, add)
        sums.write(vb.pointer(plain))
        products.write(vb.pointer(along))

    _for_derivative(vb, act, slope, emit)


def _gradient(vb, x, y, dy, count, step, mean, by_d, by_x, constant, dx, act, slope):
    x, y, dy, dx = (vb.pointer(v) for v in (x, y, dy, dx))
    mean, by_d, by_x, constant = (
        vb.load(vb.pointer(v)) for v in (mean, by_d, by_x, constant)
    )

    def emit(derivative):
        def write(_, at):
            d = derivative(vb.load(vb.offset(y, at)), vb.load(vb.offset(dy, at)))
            centred = vb.builder.fsub(vb.load(vb.offset(x, at)), mean)
            value = vb.fma(by_x, centred, constant)
            vb.store(vb.fma(by_d, d, value), vb.offset(dx, at))

        _for_pixels(vb, count, step, write)

    _for_derivative(vb, act, slope, emit)


class _Lines(NamedTuple):
    """The operations for some number of lines.

    Attributes
    ----------
    sum : (x, count, step, out)
        out = sum of x.
    squares : (x, count, step, mean, out)
        out = sum of (x - mean)^2.
    affine : (x, count, step, mean, scale, shift, y, slope)
        y = v > 0 ? v : slope * v, where v = (x - mean) * scale + shift.
    gradient_sums : (x, y, dy, count, step, mean, plain, along, act, slope)
        plain = sum of d, along = sum of d * (x - mean), where d = dy * act'.
    gradient : (x, y, dy, count, step, mean, by_d, by_x, constant, dx, act, slope)
        dx = by_d * d + by_x * (x - mean) + constant.
    """

    sum: object
    squares: object
    affine: object
    gradient_sums: object
    gradient: object


def make_lines(n_lines):
    """The operations for pixels of `n_lines` lines."""

    @intrinsic
    def line_sum(typing_context, x, count, step, out):
        return _make("line_sum", 4, False, _sum, n_lines)

    @intrinsic
    def line_squares(typing_context, x, count, step, mean, out):
        return _make("line_squares", 5, False, _squares, n_lines)

    @intrinsic
    def line_affine(typing_context, x, count, step, mean, scale, shift, y, slope):
        return _make("line_affine", 7, True, _affine, n_lines)

    @intrinsic
    def line_gradient_sums(
        typing_context, x, y, dy, count, step, mean, plain, along, act, slope
    ):  # fmt: skip
        return _make("line_gradient_sums", 9, True, _gradient_sums, n_lines)

    @intrinsic
    def line_gradient(
        typing_context, x, y, dy, count, step, mean, by_d, by_x, constant, dx, act,
        slope,
    ):  # fmt: skip
        return _make("line_gradient", 11, True, _gradient, n_lines)

    return _Lines(
        line_sum, line_squares, line_affine, line_gradient_sums, line_gradient
    )
