"""Activations as formulas on vectors: every kernel's branches come from this table.

To add one, give it a code in ``kernels.ops``, a formula here, one in
``kernels.cuda.activation`` and a row in ``models.activations``.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.ir import i64
from hogblock.kernels.ops import GELU_CUBIC, GELU_LINEAR


class Formula(NamedTuple):
    """An activation and its derivative.

    Attributes
    ----------
    forward : callable
        ``(vb, x, slope)``: act(x).
    backward : callable
        ``(vb, v, d, slope)``: d * act'(x), where v is act(x), or x for codes from
        ``ops.FROM_INPUT`` on.
    """

    forward: Callable
    backward: Callable


def _leaky(vb, x, slope):
    return vb.leaky(x, slope)


def _leaky_backward(vb, y, d, slope):
    rises = vb.builder.fcmp_ordered(">", y, vb.constant(0.0))
    return vb.builder.select(rises, d, vb.builder.fmul(d, slope))


def _tanh(vb, x, slope):
    return vb.tanh(x)


def _tanh_backward(vb, y, d, slope):
    b = vb.builder
    return b.fmul(d, b.fsub(vb.constant(1.0), b.fmul(y, y)))


def _logistic(vb, x, slope):
    return vb.logistic(x)


def _logistic_backward(vb, y, d, slope):
    b = vb.builder
    return b.fmul(d, b.fmul(y, b.fsub(vb.constant(1.0), y)))


def _gelu_parts(vb, x):
    """x, x**2 and z; gelu(x) is x * logistic(z).

    x is cut off where logistic(z) has become 0 or 1, before its powers overflow.
    """
    b = vb.builder
    x = vb.clamp(x, -14.0, 14.0)
    square = b.fmul(x, x)
    slope = vb.fma(square, vb.constant(GELU_CUBIC), vb.constant(GELU_LINEAR))
    return x, square, b.fmul(x, slope)


def _gelu(vb, x, slope):
    _, _, z = _gelu_parts(vb, x)
    lowest = vb.clamp(x, -14.0, math.inf)
    return vb.builder.fmul(lowest, vb.logistic(z))


def _gelu_backward(vb, x, d, slope):
    b = vb.builder
    x, square, z = _gelu_parts(vb, x)
    value, rest = vb.logistic_pair(z)
    steep = vb.fma(square, vb.constant(3 * GELU_CUBIC), vb.constant(GELU_LINEAR))
    tail = b.fmul(b.fmul(x, rest), steep)  # x z' (1 - logistic(z))
    return b.fmul(d, vb.fma(value, tail, value))


def _silu(vb, x, slope):
    return vb.builder.fmul(vb.clamp(x, -88.0, math.inf), vb.logistic(x))


def _silu_backward(vb, x, d, slope):
    b = vb.builder
    value, rest = vb.logistic_pair(x)
    tail = b.fmul(vb.clamp(x, -88.0, 88.0), rest)  # x (1 - logistic(x))
    return b.fmul(d, vb.fma(value, tail, value))


def _elu(vb, x, slope):
    b = vb.builder
    below = b.fmul(slope, vb.expm1(x))
    return b.select(b.fcmp_ordered(">", x, vb.constant(0.0)), x, below)


def _elu_backward(vb, x, d, slope):
    b = vb.builder
    below = b.fmul(b.fmul(d, slope), vb.exp(x))
    return b.select(b.fcmp_ordered(">", x, vb.constant(0.0)), d, below)


def _softplus(vb, x, slope):
    return vb.softplus(x)


def _softplus_backward(vb, x, d, slope):
    return vb.builder.fmul(d, vb.logistic(x))


FORMULAS = {
    op.LINEAR: Formula(_leaky, _leaky_backward),
    op.TANH: Formula(_tanh, _tanh_backward),
    op.LOGISTIC: Formula(_logistic, _logistic_backward),
    op.GELU: Formula(_gelu, _gelu_backward),
    op.SILU: Formula(_silu, _silu_backward),
    op.ELU: Formula(_elu, _elu_backward),
    op.SOFTPLUS: Formula(_softplus, _softplus_backward),
}

FUSED = {code: f for code, f in FORMULAS.items() if code < op.FROM_INPUT}
"""Those that run inside other kernels. The rest need their input kept, which costs the
pass that fusing saves; and every formula in a tile makes it longer to compile."""


def for_formula(vb, act, formulas, emit) -> None:
    """Emit ``emit(formula)`` for each of a table's, and a switch between them.

    A code without a formula, which no plan has, ends the process.
    """
    builder = vb.builder
    done = builder.append_basic_block("activated")
    unknown = builder.append_basic_block("unknown")
    switch = builder.switch(act, unknown)
    for code, formula in formulas.items():
        branch = builder.append_basic_block(f"act{code}")
        switch.add_case(i64(code), branch)
        builder.position_at_end(branch)
        emit(formula)
        builder.branch(done)
    builder.position_at_end(unknown)
    nothing = ir.FunctionType(ir.VoidType(), [])
    trap = cgutils.get_or_insert_function(builder.module, nothing, "llvm.trap")
    builder.call(trap, [])
    builder.unreachable()
    builder.position_at_end(done)
