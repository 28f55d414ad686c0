"""Single precision stays single: no kernel computes vectors of float64 by accident.

Kernels loaded from the disk cache have no readable code, so each is compiled anew.
"""

import re

import numpy as np
import pytest
from numba import njit

from hogblock.kernels.cpu import elementwise, gather, loss, update
from hogblock.kernels.cpu.dense import dense_forward, dense_weight_update
from hogblock.kernels.cpu.jit import FASTMATH, kernel

F32 = np.float32
VECTOR = np.zeros(16, F32)
INDICES = np.zeros(0, np.int64)
DOUBLE_WORK = re.compile(r"\b(fadd|fsub|fmul|fdiv|fma)\b[^\n]*\bdouble\b")
VECTORS_OF_DOUBLES = re.compile(r"<\d+ x double>")


def code_of(dispatcher, *arguments):
    """LLVM IR after optimisation, of the kernel and all that it calls."""
    fresh = njit(nogil=True, error_model="numpy", fastmath=FASTMATH)(dispatcher.py_func)
    fresh(*arguments)
    (code,) = fresh.inspect_llvm().values()
    return code


PURE = {  # kernel -> arguments that make it do nothing
    update.momentum_step: (VECTOR, VECTOR, VECTOR, np.zeros(4, F32), True),
    update.column_sums: (0, 16, 0, VECTOR),
    update.subtract: (VECTOR, VECTOR),
    update.subtract_atomic: (VECTOR, VECTOR),
    elementwise.activation_forward: (0, 16, 0, 16, 0, 16, 0, F32(0)),
    elementwise.activation_backward: (0, 0, 16, 0, 16, 0, 16, 0, F32(0)),
    elementwise.dropout_backward: (0, 16, 0, 16, 0, 0, 16),
    dense_forward: (0, 16, 0, 0, 0, 16, 0, 1, 0, F32(0)),
    dense_weight_update: (0, 16, 0, 16, 0, 0, 0, 16, 0, 0, 16, np.zeros(4, F32)),
}


@pytest.mark.parametrize("dispatcher", PURE, ids=lambda d: d.__name__)
def test_no_double_arithmetic_at_all(dispatcher):
    assert not DOUBLE_WORK.search(code_of(dispatcher, *PURE[dispatcher]))


LOSS = (0, 0, 16, 3, 0, INDICES, 0, np.zeros(0, F32), F32(1))
MIXED = {  # a sum or a threshold is a double on purpose, never a whole row
    loss.softmax_cross_entropy: LOSS,
    loss.logistic_cross_entropy: LOSS,
    loss.squared_error: LOSS,
    elementwise.dropout_forward: (0, 16, 0, 16, 0, 0, 16, F32(0), np.uint32(0), 0),
}


@pytest.mark.parametrize("dispatcher", MIXED, ids=lambda d: d.__name__)
def test_no_vector_of_doubles(dispatcher):
    assert not VECTORS_OF_DOUBLES.search(code_of(dispatcher, *MIXED[dispatcher]))


def test_gather_makes_no_doubles():
    """Only rows stored as float64 are scaled as such; no other value becomes one."""
    empty, wide = np.zeros(0, F32), np.zeros(0)
    code = code_of(
        gather.gather_rows, 0, 0, 3, INDICES, 0, empty, empty, wide, wide, 0, 16
    )
    assert not re.search(r"\b(fpext|uitofp|sitofp)\b[^\n]*\bdouble\b", code)
    assert re.search(r"\bfmul\b[^\n]*\bdouble\b", code)
    assert not re.search(r"\b(fadd|fdiv)\b[^\n]*\bdouble\b", code)


def test_a_promotion_would_be_seen():
    @kernel
    def promoted(x):
        for i in range(x.size):
            x[i] = x[i] * x[i] * 0.1 + 0.3  # float64 constants

    code = code_of(promoted, VECTOR)
    assert DOUBLE_WORK.search(code) and VECTORS_OF_DOUBLES.search(code)


def test_tile_code_uses_fused_multiply_add_and_no_calls():
    code = code_of(dense_forward, *PURE[dense_forward])
    assert "@llvm.fma.v" in code
    assert "@expf" not in code and "@tanhf" not in code


@pytest.mark.parametrize("flag", ["nnan", "ninf"])
def test_nan_and_infinity_keep_their_meaning(flag):
    assert flag not in FASTMATH
    code = code_of(elementwise.activation_forward, 0, 16, 0, 16, 0, 16, 0, F32(0))
    assert flag not in code and " fast " not in code
